"""PPO with a critic on CartPole, by the same functions that train language models here.

Run it: python examples/ppo_cartpole.py
A batch of episodes is a table (B, T) with a mask, as a batch of conversations is: one row an
episode, an action where there would be a token. The mean return of each batch climbs from about 20
to 500 in seconds; then 20 episodes are played greedily, and the exit status is 1 if their mean is
below 475. Left out: a shared trunk, annealed settings, normalised observations; no need here.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass

import gymnasium as gym
import torch
from torch import Tensor, nn

from agentgym.algorithms.advantages import gae, whiten
from agentgym.algorithms.losses import aggregate, entropy_bonus, ppo_clip, value_loss

GAMMA, LAMBDA = 0.99, 0.95
GOAL, EPOCHS, ROWS = 475.0, 8, 8  # passes over a batch, episodes in a mini-batch


@dataclass(frozen=True, slots=True)
class Batch:
    """Episodes played to their end: (B, T) each, but for observations (B, T, 4)."""

    observations: Tensor
    actions: Tensor
    mask: Tensor
    last: Tensor  # (B, 4), what came after the last action
    cut: Tensor  # (B,), whether the time limit ended it, and not a fall

    def mean_return(self) -> float:
        """Return the mean number of steps that a pole stood."""
        return float(self.mask.sum(-1).float().mean())


def mlp(outputs: int) -> nn.Sequential:
    """Return a network with two hidden layers."""
    hidden = (nn.Linear(4, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh())
    return nn.Sequential(*hidden, nn.Linear(64, outputs))


@torch.no_grad()
def play(actor: nn.Module, episodes: int, seed: int, *, greedy: bool = False) -> Batch:
    """Play so many episodes side by side, each once, to its end."""
    envs, dice = gym.make_vec("CartPole-v1", episodes), torch.Generator().manual_seed(seed)
    seen, _ = envs.reset(seed=seed)
    alive, cut = torch.ones(episodes).bool(), torch.zeros(episodes).bool()
    columns, last = [], torch.zeros(episodes, 4)
    while alive.any():
        now = torch.from_numpy(seen).clone()
        odds = actor(now).softmax(-1)
        action = odds.argmax(-1) if greedy else odds.multinomial(1, generator=dice).squeeze(-1)
        columns.append((now, action, alive))
        seen, _, fell, late, _ = envs.step(action.numpy())
        ended = alive & torch.from_numpy(fell | late)
        last[ended] = torch.from_numpy(seen)[ended]
        cut |= ended & torch.from_numpy(~fell)
        alive = alive & ~ended  # what a row does after its end is played, but masked
    return Batch(*(torch.stack(row, 1) for row in zip(*columns, strict=True)), last, cut)


def judged(actor: nn.Module, critic: nn.Module, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """Return the log-probabilities of the actions, the entropies and the values, (B, T) each."""
    logs = actor(batch.observations).log_softmax(-1)
    chosen = logs.gather(-1, batch.actions.unsqueeze(-1)).squeeze(-1)
    return chosen, -(logs.exp() * logs).sum(-1), critic(batch.observations).squeeze(-1)


def learn(actor: nn.Module, critic: nn.Module, optimizer: torch.optim.Optimizer, b: Batch) -> None:
    """Improve the policy and the critic on one batch, several passes over it."""
    with torch.no_grad():
        old, _, values = judged(actor, critic, b)
        after = critic(b.last).squeeze(-1) * b.cut  # a pole that fell is worth nothing more
    rewards = b.mask * (1 - GAMMA)  # one a step, in a unit that keeps values within 0 and 1
    advantages, returns = gae(rewards, values, b.mask, gamma=GAMMA, lam=LAMBDA, last_values=after)
    advantages = whiten(advantages, b.mask)
    for rows in (rows for _ in range(EPOCHS) for rows in torch.randperm(len(old)).split(ROWS)):
        part = Batch(*(getattr(b, name)[rows] for name in Batch.__slots__))
        (new, entropy, predicted), mask = judged(actor, critic, part), part.mask
        # The sampler is the learner itself, so its old log-probabilities are the behaviour's too.
        loss = ppo_clip(new, old[rows], old[rows], advantages[rows], mask)
        loss = loss + entropy_bonus(entropy, mask, 0.01)
        loss = loss + value_loss(predicted, values[rows], returns[rows], mask)
        optimizer.zero_grad()
        aggregate(loss, mask, "token_mean").backward()
        nn.utils.clip_grad_norm_(optimizer.param_groups[0]["params"], 0.5)
        optimizer.step()


def main() -> None:
    """Train until three batches in a row are nearly perfect, then evaluate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--batches", type=int, default=150, help="at most so many of 16 episodes")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    started, good, actor, critic = time.perf_counter(), 0, mlp(2), mlp(1)
    optimizer = torch.optim.Adam([*actor.parameters(), *critic.parameters()], lr=2e-3)
    for number in range(args.batches):
        batch = play(actor, 16, seed=1_000_000 + 1000 * args.seed + number)
        mean, seconds = batch.mean_return(), time.perf_counter() - started
        print(f"batch {number:3}  mean return {mean:5.1f}  {seconds:5.1f} s")
        good = good + 1 if mean >= 490.0 else 0
        if good == 3:
            break
        learn(actor, critic, optimizer, batch)
    final = play(actor, 20, seed=args.seed, greedy=True).mean_return()
    print(f"20 evaluation episodes: mean return {final:.1f}, goal {GOAL:.0f}")
    raise SystemExit(0 if final >= GOAL else 1)


if __name__ == "__main__":
    main()
