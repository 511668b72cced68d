"""Drawing the next tokens of many rows at once, each by a random number of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from agentgym.types import SamplingParams

__all__ = ["draw", "uniforms"]


def uniforms(params: SamplingParams) -> list[float]:
    """Return the random numbers of a turn, in [0, 1), one for each token that it may have.

    They depend on the request's own seed alone, not on who is decoded beside it.
    """
    import torch

    generator = None if params.seed is None else torch.Generator().manual_seed(params.seed)
    numbers = torch.rand(params.max_tokens, generator=generator, dtype=torch.float64)
    return numbers.tolist()


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
