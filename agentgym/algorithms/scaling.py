"""Scaling of rewards, before any advantage is taken of them.

Verified rewards of 0 and 1 need none of it. It is for learned rewards, returns of unknown size and
several objectives in one sum.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["RunningScale", "clipped", "overlength_penalty", "symmetric_log"]


@dataclass(frozen=True, slots=True)
class RunningScale:
    """Mean and spread of all rewards so far; a state that goes into a checkpoint.

    Attributes:
        count: Rewards seen.
        mean: Of them.
        squares: Sum of their squared distances from the mean.
    """

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0

    @property
    def std(self) -> float:
        """Return the standard deviation with N - 1 in it; 1.0 before there are two rewards."""
        return math.sqrt(self.squares / (self.count - 1)) if self.count > 1 else 1.0

    def updated(self, rewards: Tensor) -> RunningScale:
        """Return the state after these rewards, of any shape.

        Source: Chan, Golub and LeVeque 1979, "Updating Formulae and a Pairwise Algorithm".
        """
        fresh = rewards.detach().double().flatten()
        if not len(fresh):
            return self
        count = self.count + len(fresh)
        gap = float(fresh.mean()) - self.mean
        squares = float((fresh - fresh.mean()).square().sum())
        return RunningScale(
            count,
            self.mean + gap * len(fresh) / count,
            self.squares + squares + gap * gap * self.count * len(fresh) / count,
        )

    def apply(self, rewards: Tensor, *, centre: bool = True, eps: float = 1e-8) -> Tensor:
        """Return the rewards over the spread so far, less the mean if it is to be centred."""
        return (rewards - self.mean if centre else rewards) / (self.std + eps)


def clipped(rewards: Tensor, limit: float) -> Tensor:
    """Return the rewards held within ``± limit``.

    Source: Mnih et al. 2015, "Human-level control through deep reinforcement learning" (limit 1).
    """
    return rewards.clamp(-limit, limit)


def symmetric_log(rewards: Tensor) -> Tensor:
    """Return ``sign(r) log(1 + |r|)``: large rewards count, but by their logarithm.

    Source: Hafner et al. 2023, "Mastering Diverse Domains through World Models", eq. 1.
    """
    return rewards.sign() * rewards.abs().log1p()


def overlength_penalty(tokens: Tensor, *, longest: int, buffer: int) -> Tensor:
    """Return DAPO's soft penalty on length, to be added to the reward.

    Args:
        tokens: Sampled tokens of each episode, any shape.
        longest: The limit.
        buffer: The penalty falls from 0 to -1 over the last so many tokens before the limit.

    Returns:
        ``clip((longest - buffer - tokens) / buffer, -1, 0)``, the shape of ``tokens``, float32 for
        whole numbers.

    Raises:
        ValueError: If the buffer is not within 1 and ``longest``.

    Source: Yu et al. 2025, "DAPO", eq. 13.
    """
    if not 0 < buffer <= longest:
        raise ValueError(f"buffer must be within 1 and longest ({longest}), got {buffer}")
    lengths = tokens if tokens.is_floating_point() else tokens.to(torch.float32)
    return ((longest - buffer - lengths) / buffer).clamp(-1.0, 0.0)
