"""Advantages: what each episode of a group is worth, compared with its siblings.

The estimators take rewards of shape (..., K), the last axis the group, float32 or float64, and
give one number an episode. They are rows of a table, so a new estimator is a function and a line.
`gae` and `discounted_returns` give one number a token instead.

Left out: ReMax (it wants a greedy episode), OPO, and baselines by token position.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from agentgym.algorithms.own import row_or_own
from agentgym.errors import ConfigError
from agentgym.suggest import perhaps_you_meant

__all__ = [
    "ADVANTAGES",
    "BATCHWISE",
    "MovingAverage",
    "discounted_returns",
    "dr_grpo",
    "gae",
    "group_advantages",
    "grpo",
    "has_signal",
    "raft",
    "reinforce",
    "reinforce_pp",
    "rloo",
    "terminal_rewards",
    "whiten",
]


@dataclass(frozen=True, slots=True)
class MovingAverage:
    """The mean reward of the batches so far, recent ones counting more: a baseline.

    It knows only batches before the one that it is used on, so it biases nothing.

    Attributes:
        total: Sum of the batch means, each times its weight.
        weight: Sum of those weights; 0 before the first batch.
        decay: What a batch's weight is multiplied by at each later one.
    """

    total: float = 0.0
    weight: float = 0.0
    decay: float = 0.9

    @property
    def value(self) -> float:
        """Return the average, 0.0 before the first batch."""
        return self.total / self.weight if self.weight else 0.0

    def updated(self, rewards: Sequence[float]) -> MovingAverage:
        """Return the average after a batch with these rewards; the same one for none."""
        if not rewards:
            return self
        mean, share = sum(rewards) / len(rewards), 1 - self.decay
        return MovingAverage(
            self.decay * self.total + share * mean, self.decay * self.weight + share, self.decay
        )


def reinforce(
    rewards: Tensor, baseline: float | MovingAverage | Literal["none", "batch_mean"] = "none"
) -> Tensor:
    """Take the reward itself, less a baseline.

    Args:
        rewards: Terminal rewards, shape (..., K), float32 or float64.
        baseline: ``none``; a constant; a moving average of earlier batches; or ``batch_mean``, the
            mean over all of ``rewards``. A baseline must not depend on the episode that it judges.
            ``batch_mean`` does, by 1/N: the gradient of N episodes is (N - 1)/N of the right one.

    Returns:
        Advantages, shape (..., K).

    Source: Williams 1992, "Simple Statistical Gradient-Following Algorithms", section 4.
    """
    if baseline == "none":
        return rewards
    if baseline == "batch_mean":
        return rewards - rewards.mean()
    if isinstance(baseline, MovingAverage):
        return rewards - baseline.value
    if isinstance(baseline, str):
        known = ("none", "batch_mean")
        raise ConfigError(f"no baseline '{baseline}'; {perhaps_you_meant(baseline, known)}")
    return rewards - baseline


def rloo(rewards: Tensor) -> Tensor:
    """Score each episode against the mean of its siblings.

    Args:
        rewards: Terminal rewards of groups, shape (..., K), float32 or float64.

    Returns:
        Advantages, shape (..., K): ``r_i - mean(r_j for j != i)``; they sum to zero in a group.
        As verl's ``compute_rloo_outcome_advantage``; TRL's RLOO trainer standardises them further
        when its ``normalize_advantages`` is set.

    Raises:
        ValueError: If the group has fewer than two episodes.

    Source: Kool et al. 2019, "Buy 4 REINFORCE Samples, Get a Baseline for Free!".
    """
    count = _siblings(rewards)
    return (rewards - rewards.mean(-1, keepdim=True)) * (count / (count - 1))


def grpo(rewards: Tensor, eps: float = 1e-4) -> Tensor:
    """Standardise the rewards within the group.

    The division weighs groups against each other: with rewards of 0 and 1 and success rate p, a
    group counts about ``1 / sqrt(p (1 - p))`` as much as under `dr_grpo`, so tasks that are nearly
    hopeless or nearly solved pull hardest. It is no longer the gradient of the mean reward.

    Args:
        rewards: Terminal rewards of groups, shape (..., K), float32 or float64.
        eps: Added to the standard deviation: 1e-4 in TRL, 1e-6 in verl.

    Returns:
        Advantages, shape (..., K): ``(r_i - mean) / (std + eps)``, the std with K - 1 in it.

    Raises:
        ValueError: If the group has fewer than two episodes.

    Source: Shao et al. 2024, "DeepSeekMath", section 4.1.
    """
    _siblings(rewards)
    spread = rewards.std(-1, correction=1, keepdim=True) + eps
    return (rewards - rewards.mean(-1, keepdim=True)) / spread


def dr_grpo(rewards: Tensor) -> Tensor:
    """Score each episode against the mean of its group, itself included.

    Args:
        rewards: Terminal rewards of groups, shape (..., K), float32 or float64.

    Returns:
        Advantages, shape (..., K): ``r_i - mean``, which is (K - 1) / K of `rloo`.

    Raises:
        ValueError: If the group has fewer than two episodes.

    Source: Liu et al. 2025, "Understanding R1-Zero-Like Training", section 3.2.
    """
    _siblings(rewards)
    return rewards - rewards.mean(-1, keepdim=True)


def reinforce_pp(
    rewards: Tensor,
    *,
    group_baseline: bool = False,
    tokens: Tensor | None = None,
    eps: float = 1e-8,
) -> Tensor:
    """Standardise the rewards over the whole batch: REINFORCE++.

    All groups are divided by one number, so none is weighed against another as in `grpo`.

    Args:
        rewards: Terminal rewards of the whole batch, shape (..., K), float32 or float64.
        group_baseline: Subtract each group's mean first (the paper's baseline variant).
        tokens: Sampled tokens of each episode, shape (..., K): mean and variance are then over
            tokens, as in verl's ``compute_reinforce_plus_plus_outcome_advantage`` with gamma 1.
            None: each episode counts once, so that long ones do not set the baseline. That differs
            from verl on purpose.
        eps: Added to the variance.

    Returns:
        Advantages, shape (..., K), one value for all turns, as in verl 0.9. Its versions to 0.8
        reset the return at every masked token, so the turns before the last observation got a
        return of 0 and were pushed as if they had failed.

    Source: Hu et al. 2025, "REINFORCE++", section 3 (eq. 7 and 8) and its baseline variant.
    """
    scores = rewards - rewards.mean(-1, keepdim=True) if group_baseline else rewards
    return whiten(scores, torch.ones_like(rewards) if tokens is None else tokens, eps=eps)


def raft(rewards: Tensor, threshold: float = 0.0) -> Tensor:
    """Imitate the best of each group: weight 1 for it, 0 for the others.

    Args:
        rewards: Terminal rewards of groups, shape (..., K), float32 or float64.
        threshold: A group whose best is not above this has no success to imitate.

    Returns:
        Weights, shape (..., K); all that share the best reward have 1.

    Source: Dong et al. 2023, "RAFT: Reward rAnked FineTuning", algorithm 1.
    """
    best = rewards.amax(-1, keepdim=True)
    return ((rewards == best) & (best > threshold)).to(rewards.dtype)


def whiten(values: Tensor, mask: Tensor, *, eps: float = 1e-8) -> Tensor:
    """Bring values to mean 0 and variance 1 over a mask.

    Args:
        values: Any shape, float32 or float64.
        mask: The same shape; how often each value counts (0 or 1 for a mask).
        eps: Added to the variance.

    Returns:
        ``(v - mean) / sqrt(var + eps)``, 0 outside the mask; with fewer than two values 0. The
        variance has N - 1 in it: verl's ``masked_whiten`` inside the mask.
    """
    weights = mask.to(values.dtype)
    count = weights.sum()
    inside = weights > 0
    if count < 2:
        return torch.zeros_like(values)
    kept = values.masked_fill(~inside, 0.0)
    centred = (kept - (kept * weights).sum() / count).masked_fill(~inside, 0.0)
    variance = (centred.square() * weights).sum() / (count - 1)
    return centred * torch.rsqrt(variance + eps)


def terminal_rewards(rewards: Tensor, mask: Tensor) -> Tensor:
    """Place each episode's reward on its last sampled token.

    Args:
        rewards: One an episode, shape (B,), float32 or float64.
        mask: 1 on sampled tokens, shape (B, T).

    Returns:
        Shape (B, T), 0 elsewhere; an episode without a sampled token gets none.
    """
    sampled = mask.bool()
    last = sampled & (sampled.flip(-1).cumsum(-1).flip(-1) == 1)
    return last * rewards.unsqueeze(-1)


def discounted_returns(
    rewards: Tensor, mask: Tensor, *, gamma: float, per: Literal["turn", "token"] = "turn"
) -> Tensor:
    """Return the sum of rewards from each sampled token on, later ones discounted.

    Args:
        rewards: Of every position, shape (B, T); what stands after a turn belongs to it.
        mask: 1 on sampled tokens, shape (B, T).
        gamma: Discount of one turn, or of one sampled token. What the environment said costs none.
        per: What a step of time is. By turn, the tokens of a turn share one discount, so a long
            turn is not worth less than a short one.

    Returns:
        Shape (B, T), 0 outside the mask. Turns before an observation keep their return. By token
        that of verl 0.9's REINFORCE++ before it whitens, except that verl drops rewards on masked
        positions; its versions to 0.8 give the turns before an observation a return of 0.
    """
    sampled = mask.bool()
    # A step of time ends with each sampled token, or with the last one of each turn.
    after = torch.nn.functional.pad(sampled, (0, 1))[:, 1:]
    ends = sampled & ~after if per == "turn" else sampled
    running, pending = torch.zeros_like(rewards[:, 0]), torch.zeros_like(rewards[:, 0])
    columns: list[Tensor] = []
    for t in reversed(range(rewards.shape[1])):
        pending = pending + rewards[:, t]
        later = torch.where(ends[:, t], gamma * running, running)
        running = torch.where(sampled[:, t], pending + later, running)
        pending = pending.masked_fill(sampled[:, t], 0.0)
        columns.append(running)
    return torch.stack(columns[::-1], dim=1).masked_fill(~sampled, 0.0)


def gae(
    rewards: Tensor,
    values: Tensor,
    mask: Tensor,
    *,
    gamma: float = 1.0,
    lam: float = 0.95,
    last_values: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Estimate advantages with a critic, over the turns of an episode.

    Time runs over sampled tokens only: at a masked token the accumulator and the next value are
    carried through, so the last token of a turn looks ahead to the first one of the next turn.

    Args:
        rewards: Of every position, shape (B, T), float32 or float64; see `terminal_rewards`. One on
            a masked position belongs to the last sampled token before it.
        values: The critic's prediction before each token, shape (B, T).
        mask: 1 on sampled tokens, shape (B, T).
        gamma: Discount of one sampled token.
        lam: 0 trusts the critic, 1 the rewards.
        last_values: Value of what came after the last position, shape (B,), for an episode that
            was cut off; None for episodes that ended.

    Returns:
        Advantages and returns (advantages + values), each of shape (B, T), without gradient, 0
        outside the mask. The same as verl's ``compute_gae_advantage_return`` inside the mask before
        it whitens (use `whiten`), except that verl drops rewards on masked positions.

    Source: Schulman et al. 2016, "High-Dimensional Continuous Control Using GAE", eq. 16.
    """
    rewards, values, keep = rewards.detach(), values.detach(), mask.bool()
    zeros = torch.zeros_like(values[:, 0])
    ahead = zeros if last_values is None else last_values.detach()
    running, pending = zeros, zeros
    columns: list[Tensor] = []
    for t in reversed(range(values.shape[1])):
        here = keep[:, t]
        pending = pending + rewards[:, t]
        delta = pending + gamma * ahead - values[:, t]
        running = torch.where(here, delta + gamma * lam * running, running)
        ahead = torch.where(here, values[:, t], ahead)
        pending = torch.where(here, zeros, pending)
        columns.append(running)
    advantages = torch.stack(columns[::-1], dim=1).masked_fill(~keep, 0.0)
    return advantages, (advantages + values).masked_fill(~keep, 0.0)


def _siblings(rewards: Tensor) -> int:
    count = rewards.shape[-1]
    if count < 2:
        raise ValueError(f"a group baseline needs at least two episodes, got {count}")
    return count


ADVANTAGES: Mapping[str, Callable[..., Tensor]] = {
    "reinforce": reinforce,
    "rloo": rloo,
    "grpo": grpo,
    "dr_grpo": dr_grpo,
    "reinforce_pp": reinforce_pp,
    "raft": raft,
}

_ALONE = frozenset({"reinforce", "reinforce_pp", "raft"})  # these need no siblings
# These look at the whole batch, so they are not taken group by group.
BATCHWISE = frozenset({"reinforce_pp"})


def group_advantages(name: str, rewards: Sequence[float | None]) -> list[float | None]:
    """Return the advantages of one group, unscored episodes left out.

    Args:
        name: A row of `ADVANTAGES`, or ``module:function`` for one of your own, which gets the
            rewards of two scored episodes or more.
        rewards: Terminal rewards; None where the episode is unscored.

    Returns:
        One advantage an episode: None for an unscored one, and for all where a method with a
        group baseline has fewer than two scored episodes to take it over.

    Raises:
        ConfigError: If no method has this name.
    """
    estimator = row_or_own("advantage", name, ADVANTAGES)
    scored = [reward for reward in rewards if reward is not None]
    if len(scored) < (1 if name in _ALONE else 2):
        return [None] * len(rewards)
    if name not in _ALONE and not has_signal(scored):  # exactly zero: a rounded mean is not
        return [None if reward is None else 0.0 for reward in rewards]
    values = iter(estimator(torch.tensor(scored, dtype=torch.float32)).tolist())
    return [None if reward is None else next(values) for reward in rewards]


def has_signal(rewards: Sequence[float | None]) -> bool:
    """Tell whether the scored episodes of a group differ, so that a group baseline says anything.

    Args:
        rewards: Terminal rewards; None where the episode is unscored.
    """
    return len({reward for reward in rewards if reward is not None}) > 1
