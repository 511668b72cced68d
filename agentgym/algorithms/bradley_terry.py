"""The Bradley-Terry loss: of two answers, the preferred one should have the higher reward."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["bradley_terry"]


def bradley_terry(
    chosen: Tensor,
    rejected: Tensor,
    margin: Tensor | float = 0.0,
    *,
    centering: float = 0.0,
) -> Tensor:
    """Return the loss of every pair: ``-log sigmoid(c - r - margin) + centering * (c + r)^2``.

    Only differences of rewards are learned, so a constant of each prompt is free; the second term
    draws it to zero.

    Args:
        chosen: Rewards of the preferred answers, shape (B,), float32.
        rejected: Rewards of the others, shape (B,).
        margin: By how much they should differ at least, shape (B,) or one for all.
        centering: Weight of the squared sum; 0 leaves it out.

    Returns:
        Losses, shape (B,).

    Source: Bradley and Terry 1952; for language models Ouyang et al. 2022, eq. 1; the margin:
    Touvron et al. 2023, "Llama 2", eq. 2; centering: Eisenstein et al. 2023, "Helping or Herding?",
    eq. 2.
    """
    loss = -torch.nn.functional.logsigmoid(chosen - rejected - margin)
    return loss + centering * (chosen + rejected).square() if centering else loss
