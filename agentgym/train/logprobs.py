"""Log-probabilities of recorded tokens under a causal language model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

__all__ = ["token_logprobs"]

# Models that do more to the hidden states than one matrix: their own forward must do it.
_SCALED_HEADS = ("final_logit_softcapping", "logits_scaling", "logit_scale")
# Logits held at once: beyond, they are made in chunks, and made again in the backward pass.
_MOST_LOGITS = 1 << 27

_Head = Callable[[Tensor], Tensor]


def _before_head(model: Any, ids: Tensor, mask: Tensor) -> tuple[Tensor, _Head]:
    """Return the last hidden states under the mask, shape (N, H), and what makes logits of them."""
    head = model.get_output_embeddings()
    if head is None or any(getattr(model.config, name, None) for name in _SCALED_HEADS):
        logits = model(input_ids=ids, use_cache=False).logits
        return logits[:, :-1][mask], lambda selected: selected
    hidden = model.base_model(input_ids=ids, use_cache=False).last_hidden_state
    return hidden[:, :-1][mask], head


def _score(
    hidden: Tensor, targets: Tensor, head: _Head, temperature: float
) -> tuple[Tensor, Tensor]:
    """Return log-probabilities of the targets and entropies, each of shape (N,), in float32."""
    logs = torch.log_softmax(head(hidden).float() / temperature, dim=-1)
    with torch.no_grad():
        entropy = -(logs.exp() * logs).sum(-1)
    return logs.gather(-1, targets[:, None]).squeeze(-1), entropy


def token_logprobs(
    model: Any, ids: Tensor, mask: Tensor, temperature: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Score the tokens under the mask.

    Logits are made for the masked positions only, in chunks where they are many, and reduced in
    float32.

    Args:
        model: A Hugging Face causal language model.
        ids: Token ids, right-padded, shape (B, T), int64.
        mask: True where the next token counts, shape (B, T - 1), bool.
        temperature: Of the distribution that sampled them.

    Returns:
        Log-probabilities of the next token, shape (B, T - 1), float32, 0.0 outside the mask, with
        gradient; and the entropy in nats at the N masked positions, shape (N,), without.
    """
    hidden, head = _before_head(model, ids, mask)
    targets = ids[:, 1:][mask]
    rows = max(1, _MOST_LOGITS // model.config.vocab_size)
    if len(targets) <= rows:
        chosen, entropy = _score(hidden, targets, head, temperature)
    else:
        parts = [
            checkpoint(_score, part, wanted, head, temperature, use_reentrant=False)
            for part, wanted in zip(
                torch.split(hidden, rows), torch.split(targets, rows), strict=True
            )
        ]
        chosen, entropy = (torch.cat(column) for column in zip(*parts, strict=True))
    scattered = torch.zeros(mask.shape, dtype=torch.float32, device=ids.device)
    return scattered.masked_scatter(mask, chosen), entropy
