"""Drawing the next tokens of many rows at once, each by a random number of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from agentgym.types import SamplingParams

__all__ = ["draw", "uniforms"]


def uniforms(params: Sequence[SamplingParams]) -> Tensor:
    """Return the random numbers of whole turns, a column a row of the batch.

    A row's numbers depend on its own seed alone, not on who is decoded beside it.

    Args:
        params: Of each row.

    Returns:
        Shape (longest turn, B), float64, in [0, 1).
    """
    import torch

    made = torch.zeros((max(each.max_tokens for each in params), len(params)), dtype=torch.float64)
    for row, each in enumerate(params):
        generator = None if each.seed is None else torch.Generator().manual_seed(each.seed)
        numbers = torch.rand(each.max_tokens, generator=generator, dtype=torch.float64)
        made[: each.max_tokens, row] = numbers
    return made


def draw(logits: Tensor, temperatures: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
    """Draw a token a row by inverting the distribution function.

    Args:
        logits: Shape (B, V), float32.
        temperatures: Shape (B,), float32; a row of 0 takes the likeliest, and is certain of it.
        numbers: In [0, 1), shape (B,), float64.

    Returns:
        The ids, int64, and their log-probabilities at the temperature, float32, each of shape (B,).
    """
    import torch

    greedy = temperatures == 0.0
    logs = torch.log_softmax(logits / temperatures.masked_fill(greedy, 1.0)[:, None], dim=-1)
    below = logs.exp().cumsum(-1, dtype=torch.float64)
    # The first token up to which there is more than the number's share: never one of chance zero.
    wanted = numbers[:, None] * below[:, -1:]
    ids = torch.searchsorted(below, wanted, right=True).clamp(max=logits.shape[1] - 1)
    ids = torch.where(greedy[:, None], logits.argmax(-1, keepdim=True), ids)
    chosen = logs.gather(-1, ids).squeeze(-1).masked_fill(greedy, 0.0)
    return ids.squeeze(-1), chosen
