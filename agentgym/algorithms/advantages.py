"""Advantages: what each episode of a group is worth, compared with its siblings.

Every function takes the rewards of one group and gives one number an episode. They are rows of a
table, so a new estimator is a function and a line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from agentgym.errors import ConfigError
from agentgym.suggest import perhaps_you_meant

__all__ = [
    "ADVANTAGES",
    "dr_grpo",
    "group_advantages",
    "grpo",
    "has_signal",
    "reinforce",
    "rloo",
]


def reinforce(rewards: Tensor, baseline: float = 0.0) -> Tensor:
    """Take the reward itself, less a constant.

    Args:
        rewards: Terminal rewards of one group, shape (K,), float32.
        baseline: Subtracted from each; it must not depend on the episodes.

    Returns:
        Advantages, shape (K,).

    Source: Williams 1992, "Simple Statistical Gradient-Following Algorithms".
    """
    return rewards - baseline


def rloo(rewards: Tensor) -> Tensor:
    """Score each episode against the mean of its siblings.

    Args:
        rewards: Terminal rewards of one group, shape (K,), float32.

    Returns:
        Advantages, shape (K,): ``r_i - mean(r_j for j != i)``; they sum to zero.

    Raises:
        ValueError: If the group has fewer than two episodes.

    Source: Kool et al. 2019, "Buy 4 REINFORCE Samples, Get a Baseline for Free!".
    """
    count = _siblings(rewards)
    return (rewards - rewards.mean()) * (count / (count - 1))


def grpo(rewards: Tensor, eps: float = 1e-4) -> Tensor:
    """Standardise the rewards within the group.

    The division weighs groups against each other: with rewards of 0 and 1 and success rate p, a
    group counts about ``1 / sqrt(p (1 - p))`` as much as under `dr_grpo`, so tasks that are nearly
    hopeless or nearly solved pull hardest. It is no longer the gradient of the mean reward.

    Args:
        rewards: Terminal rewards of one group, shape (K,), float32.
        eps: Added to the standard deviation.

    Returns:
        Advantages, shape (K,): ``(r_i - mean) / (std + eps)``, the std with K - 1 in it.

    Raises:
        ValueError: If the group has fewer than two episodes.

    Source: Shao et al. 2024, "DeepSeekMath", section 4.1.
    """
    _siblings(rewards)
    return (rewards - rewards.mean()) / (rewards.std(correction=1) + eps)


def dr_grpo(rewards: Tensor) -> Tensor:
    """Score each episode against the mean of its group, itself included.

    Args:
        rewards: Terminal rewards of one group, shape (K,), float32.

    Returns:
        Advantages, shape (K,): ``r_i - mean``, which is (K - 1) / K of `rloo`.

    Raises:
        ValueError: If the group has fewer than two episodes.

    Source: Liu et al. 2025, "Understanding R1-Zero-Like Training", section 3.2.
    """
    _siblings(rewards)
    return rewards - rewards.mean()


def _siblings(rewards: Tensor) -> int:
    count = rewards.shape[0]
    if count < 2:
        raise ValueError(f"a group baseline needs at least two episodes, got {count}")
    return count


ADVANTAGES: Mapping[str, Callable[[Tensor], Tensor]] = {
    "reinforce": reinforce,
    "rloo": rloo,
    "grpo": grpo,
    "dr_grpo": dr_grpo,
}

_ALONE = frozenset({"reinforce"})  # these need no siblings


def group_advantages(name: str, rewards: Sequence[float | None]) -> list[float | None]:
    """Return the advantages of one group, unscored episodes left out.

    Args:
        name: A row of `ADVANTAGES`.
        rewards: Terminal rewards; None where the episode is unscored.

    Returns:
        One advantage an episode: None for an unscored one, and for all where a method with a
        group baseline has fewer than two scored episodes to take it over.

    Raises:
        ConfigError: If no method has this name.
    """
    if name not in ADVANTAGES:
        raise ConfigError(f"no advantage '{name}'; {perhaps_you_meant(name, ADVANTAGES)}")
    scored = [reward for reward in rewards if reward is not None]
    if len(scored) < (1 if name in _ALONE else 2):
        return [None] * len(rewards)
    if name not in _ALONE and not has_signal(scored):  # exactly zero: a rounded mean is not
        return [None if reward is None else 0.0 for reward in rewards]
    values = iter(ADVANTAGES[name](torch.tensor(scored, dtype=torch.float32)).tolist())
    return [None if reward is None else next(values) for reward in rewards]


def has_signal(rewards: Sequence[float | None]) -> bool:
    """Tell whether the scored episodes of a group differ, so that a group baseline says anything.

    Args:
        rewards: Terminal rewards; None where the episode is unscored.
    """
    return len({reward for reward in rewards if reward is not None}) > 1
