"""Bias and variance of policy gradients, by baseline, where the exact gradient is known.

Run it: python examples/variance.py
Of nine ways through each of three tasks 1, 4 and 7 succeed: the gradient can be listed. One sees
that baselines blind to their own episode are unbiased, a mean with it inside shrinks the gradient,
the group's std bends it ("off by" in standard errors, of any multiple), and leave-one-out's noise
(variance x episodes) exceeds that of known success rates by c / (K - 1). Exit status 1 if not so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from agentgym.algorithms.advantages import MovingAverage, dr_grpo, grpo, reinforce, rloo
from agentgym.algorithms.losses import policy_gradient

WINS = torch.tensor(((1,), (4,), (7,)))  # ways of nine that succeed, by task
BATCHES, GROUP = 20_000, 8  # a group is the episodes of one task in one batch
FIRST, SECOND = torch.cartesian_prod(torch.arange(3), torch.arange(3)).unbind(-1)
MASK = torch.tensor((1, 0, 1)).expand(27, 3)  # the observation is not the agent's


@dataclass(frozen=True, slots=True)
class World:
    """All that can happen: shape (tasks, ways), and the gradients (tasks, ways, parameters)."""

    chances: Tensor
    rewards: Tensor
    scores: Tensor  # gradients of the log-probability of a way

    @property
    def gradient(self) -> Tensor:
        """Return that of the mean reward, exactly, shape (parameters,)."""
        return torch.einsum("tw,twp->p", self.chances * self.rewards, self.scores) / 3

    def noise(self, group: int) -> float:
        """Return the variance of leave-one-out times the episodes, exactly (a U-statistic)."""
        rewards, scores, per_task = self.rewards, self.scores, 3 * self.gradient.square().sum()
        pairs = (rewards.unsqueeze(2) - rewards.unsqueeze(1)).unsqueeze(-1)
        pairs = (pairs * (scores.unsqueeze(2) - scores.unsqueeze(1)) / 2).square().sum(-1)
        two = torch.einsum("tw,tv,twv->", self.chances, self.chances, pairs) / 3 - per_task
        centred = rewards - (self.chances * rewards).sum(-1, keepdim=True)
        alone = (self.chances * centred.square() * scores.square().sum(-1)).sum() / 3 - per_task
        return float(alone + (2 * two - alone) / (group - 1))


def listed(logits: Tensor) -> World:
    """Follow every way through every task; ``logits`` are (tasks, states, actions)."""

    def summed(parameters: Tensor) -> Tensor:
        logs = parameters.log_softmax(-1)
        first, second = logs[:, 0, FIRST], logs[:, 1 + FIRST, SECOND]
        taken = torch.stack((first, torch.zeros_like(first), second), -1).flatten(0, 1)
        same = taken.detach()
        return -policy_gradient(taken, same, same, torch.ones_like(same[:, 0]), MASK).sum(-1)

    scores = torch.autograd.functional.jacobian(summed, logits).view(3, 9, -1)
    return World(summed(logits).exp().view(3, 9), (torch.arange(9) < WINS).double(), scores)


def tracked(rewards: Tensor) -> Tensor:
    """Judge each batch by a moving average of those before it."""
    past = [MovingAverage()]
    for batch in rewards:
        past.append(past[-1].updated([float(batch.mean())]))
    return torch.stack([reinforce(batch, old) for batch, old in zip(rewards, past, strict=False)])


# Rewards (batches, 3, K) to advantages, and what multiple of the gradient they estimate, if any.
BASELINES: Mapping[str, tuple[Callable[[Tensor], Tensor], float | None]] = {
    "none": (reinforce, 1.0),
    "constant 0.5": (lambda rewards: reinforce(rewards, 0.5), 1.0),
    "moving average": (tracked, 1.0),
    "leave-one-out": (rloo, 1.0),
    "batch mean": (torch.vmap(lambda r: reinforce(r, "batch_mean")), 1 - 1 / (3 * GROUP)),
    "group mean": (dr_grpo, 1 - 1 / GROUP),
    "group mean and std": (grpo, None),
}


def estimated(world: World, advantage: Callable[..., Tensor], group: int = GROUP) -> Tensor:
    """Return the gradient that each batch gives, shape (batches, parameters)."""
    dice = torch.Generator().manual_seed(1)
    ways = world.chances.multinomial(BATCHES * group, replacement=True, generator=dice)
    ways = ways.view(3, BATCHES, group).transpose(0, 1)
    advantages = advantage(world.rewards[torch.arange(3).unsqueeze(-1), ways])
    by_way = advantages.new_zeros(BATCHES, 3, 9).scatter_add(2, ways, advantages)
    return torch.einsum("mtw,twp->mp", by_way, world.scores) / (3 * group)


def main() -> None:
    """Print both tables and check what is known about them."""
    torch.set_num_threads(1)
    logits = torch.randn(3, 4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    world, wrong = listed(0.3 * logits), []
    print(f"groups of {GROUP}          x gradient  expected  off by    noise  at equal length")
    for name, (advantage, factor) in BASELINES.items():
        found = estimated(world, advantage)
        mean, noise = found.mean(0), float(found.var(0).sum()) * 3 * GROUP
        scale = float(mean @ world.gradient / world.gradient.square().sum())
        error = (found.std(0) / BATCHES**0.5).clamp(min=1e-12)  # the unit of "off by"
        off = float(((mean - (factor or scale) * world.gradient) / error).abs().max())
        wrong += [name] * (off < 6 if factor is None else off > 4.5)
        print(f"{name:20} {scale:10.3f} {factor or 'none':>9.4} {off:7.1f}", end=" ")
        print(f"{noise:8.4f} {noise / scale**2:14.4f}")
    print("\nleave-one-out   noise  exactly")
    for group in (2, 4, 8, 16, 32):
        noise = float(estimated(world, rloo, group).var(0).sum()) * 3 * group
        wrong += [f"groups of {group}"] * (abs(noise / world.noise(group) - 1) > 0.05)
        print(f"groups of {group:<4} {noise:7.4f}  {world.noise(group):7.4f}")
    print(f"success rates known    {world.noise(10**9):7.4f}")
    raise SystemExit(f"not as expected: {', '.join(wrong)}" if wrong else 0)


if __name__ == "__main__":
    main()
