"""The critic: a small value head on the policy's last hidden states.

It reads the states and sends no gradient back into them, so learning values never moves the policy,
and needs no second model. Its first prediction is 0 everywhere.

Left out: a critic with a body of its own.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from agentgym.train.packing import packed_forward

__all__ = ["Critic", "hidden_states"]


class Critic(nn.Module):
    """Two layers: what is the episode's reward likely to be, seen from before this token?

    Args:
        width: Of the hidden states.
        seed: Of the first layer; the second begins at zero.
    """

    def __init__(self, width: int, seed: int) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.norm = nn.LayerNorm(width)
            self.inner = nn.Linear(width, width)
            self.outer = nn.Linear(width, 1)
        nn.init.zeros_(self.outer.weight)
        nn.init.zeros_(self.outer.bias)

    def forward(self, states: Tensor) -> Tensor:
        """Return values, shape (N,), of states of shape (N, H), float32."""
        hidden = torch.nn.functional.silu(self.inner(self.norm(states.float())))
        values: Tensor = self.outer(hidden).squeeze(-1)
        return values


@torch.no_grad()
def hidden_states(
    model: Any, ids: Tensor, mask: Tensor, lengths: Tensor | None, *, share: bool = False
) -> Tensor:
    """Return the last hidden states from which the tokens under the mask are predicted.

    Args:
        model: A Hugging Face causal language model.
        ids: Token ids, right-padded, shape (B, T), int64.
        mask: True where the next token counts, shape (B, T - 1), bool.
        lengths: Of the sequences, shape (B,), for rows without padding; None for padded rows.
        share: Show the model a prompt of several packed rows once.

    Returns:
        Shape (N, H), in the order of the mask's N places.
    """
    body = model.base_model
    if lengths is not None:
        return packed_forward(body, ids, mask, lengths, "last_hidden_state", share=share)
    states: Tensor = body(input_ids=ids, use_cache=False).last_hidden_state[:, :-1][mask]
    return states
