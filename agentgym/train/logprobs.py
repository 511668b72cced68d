"""Log-probabilities of recorded tokens under a causal language model.

The logits of all tokens are never held where they are many: a few rows at a time are made, reduced
in float32, and made again in the backward pass. What is kept is one number a token.

Left out: heads that are more than one matrix and a bias (soft-capping, adapters on the head). They
go through their own forward, in chunks that are checkpointed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from agentgym.train.packing import packed_forward

__all__ = ["linear_logprobs", "token_logprobs"]

# Models that do more to the hidden states than one matrix: their own forward must do it.
_SCALED_HEADS = ("final_logit_softcapping", "logits_scaling", "logit_scale")
# Logits held at once: beyond, they are made in chunks, and made again in the backward pass. A GPU
# wants wider products than a cache of a CPU does.
_MOST_LOGITS, _MOST_LOGITS_CUDA = 1 << 24, 1 << 28

_Head = Callable[[Tensor], Tensor]


def linear_logprobs(
    hidden: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    targets: Tensor,
    *,
    temperature: float = 1.0,
    rows: int = 1024,
) -> tuple[Tensor, Tensor]:
    """Score targets under ``softmax((hidden @ weight.T + bias) / temperature)``, rows by rows.

    Under autocast the products are made in its type; every reduction is in float32 at least.

    Args:
        hidden: Last hidden states, shape (N, H).
        weight: Of the head, shape (V, H).
        bias: Of the head, shape (V,), or None.
        targets: Token ids, shape (N,), int64.
        temperature: Of the distribution.
        rows: Of logits that are held at once: the memory is ``rows * V``, not ``N * V``.

    Returns:
        Log-probabilities of the targets and entropies in nats, each of shape (N,), float32 (float64
        for float64), both with gradient.
    """
    scored = _LinearLogProbs.apply(hidden, weight, bias, targets, temperature, rows)  # type: ignore[no-untyped-call]
    return scored[0], scored[1]


def _logits(hidden: Tensor, weight: Tensor, bias: Tensor | None, temperature: float) -> Tensor:
    logits = nn.functional.linear(hidden, weight, bias)
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    return logits if temperature == 1.0 else logits.div_(temperature)


def _product_dtype(hidden: Tensor) -> torch.dtype:
    device = hidden.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else hidden.dtype


class _LinearLogProbs(torch.autograd.Function):
    """`linear_logprobs`; the backward pass makes each chunk of logits again."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        targets: Tensor,
        temperature: float,
        rows: int,
    ) -> tuple[Tensor, Tensor]:
        dtype = _product_dtype(hidden)
        inputs, matrix = hidden.to(dtype), weight.to(dtype)
        offset = None if bias is None else bias.to(dtype)
        kind = torch.promote_types(dtype, torch.float32)
        chosen, entropy, normaliser = hidden.new_empty((3, len(targets)), dtype=kind)
        for start in range(0, len(targets), rows):
            part = slice(start, start + rows)
            logits = _logits(inputs[part], matrix, offset, temperature)
            top = logits.amax(-1, keepdim=True)
            weights = logits.sub_(top).exp()  # once for the normaliser and the entropy
            total = weights.sum(-1)
            spread = total.log()
            normaliser[part] = spread + top.squeeze(-1)
            chosen[part] = logits.gather(-1, targets[part, None]).squeeze(-1) - spread
            entropy[part] = spread - weights.mul_(logits).sum(-1) / total
        ctx.save_for_backward(hidden, weight, bias, targets, normaliser, entropy)
        ctx.temperature, ctx.rows, ctx.dtype = temperature, rows, dtype
        ctx.set_materialize_grads(False)
        return chosen, entropy

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(
        ctx: Any, of_chosen: Tensor | None, of_entropy: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        hidden, weight, bias, targets, normaliser, entropy = ctx.saved_tensors
        inputs, matrix = hidden.to(ctx.dtype), weight.to(ctx.dtype)
        offset = None if bias is None else bias.to(ctx.dtype)
        of_chosen = torch.zeros_like(entropy) if of_chosen is None else of_chosen
        wanted = ctx.needs_input_grad
        to_hidden = torch.empty_like(hidden) if wanted[0] else None
        to_weight = torch.zeros_like(weight) if wanted[1] else None
        to_bias = torch.zeros_like(bias) if bias is not None and wanted[2] else None
        for start in range(0, len(targets), ctx.rows):
            part = slice(start, start + ctx.rows)
            logits = _logits(inputs[part], matrix, offset, ctx.temperature)
            logs = logits.sub_(normaliser[part, None])
            slopes = _slopes(
                logs,
                targets[part],
                entropy[part],
                of_chosen[part],
                None if of_entropy is None else of_entropy[part],
            ).div_(ctx.temperature)
            if to_bias is not None:
                to_bias += slopes.sum(0)
            slopes = slopes.to(ctx.dtype)
            if to_hidden is not None:
                to_hidden[part] = slopes @ matrix
            if to_weight is not None:
                _add_product(to_weight, slopes, inputs[part])
        return to_hidden, to_weight, to_bias, None, None, None


def _slopes(
    logs: Tensor, targets: Tensor, entropy: Tensor, of_chosen: Tensor, of_entropy: Tensor | None
) -> Tensor:
    """Return the gradient with respect to the scaled logits z; ``logs`` is used up.

    ``d log p_k / d z_j = [j = k] - p_j`` and ``d H / d z_j = -p_j (log p_j + H)``.
    """
    slopes = logs.exp()
    if of_entropy is None:
        slopes.mul_(-of_chosen[:, None])
    else:
        logs.add_(entropy[:, None]).mul_(of_entropy[:, None]).add_(of_chosen[:, None])
        slopes.mul_(logs).neg_()
    return slopes.scatter_add_(-1, targets[:, None], of_chosen[:, None])


def _add_product(total: Tensor, slopes: Tensor, inputs: Tensor) -> None:
    if total.dtype == slopes.dtype:
        total.addmm_(slopes.t(), inputs)
    else:
        total += slopes.t() @ inputs


def _before_head(
    model: Any, ids: Tensor, mask: Tensor, lengths: Tensor | None, share: bool
) -> tuple[Tensor, _Head | None]:
    """Return the last hidden states under the mask, shape (N, H), and what makes logits of them.

    Where the model's own forward must make the logits, these are returned instead, with None.
    """
    head = model.get_output_embeddings()
    whole = head is None or any(getattr(model.config, name, None) for name in _SCALED_HEADS)
    body = model if whole else model.base_model
    name = "logits" if whole else "last_hidden_state"
    if lengths is not None:
        states = packed_forward(body, ids, mask, lengths, name, share=share)
        return states, None if whole else head
    states = getattr(body(input_ids=ids, use_cache=False), name)
    return states[:, :-1][mask], None if whole else head


def _score(
    hidden: Tensor, targets: Tensor, head: _Head | None, temperature: float, entropy_gradient: bool
) -> tuple[Tensor, Tensor]:
    """Return log-probabilities of the targets and entropies, (N,), in float32 at least."""
    logits = hidden if head is None else head(hidden)
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    logs = torch.log_softmax(logits / temperature, dim=-1)
    with torch.set_grad_enabled(entropy_gradient and torch.is_grad_enabled()):
        entropy = -(logs.exp() * logs).sum(-1)
    return logs.gather(-1, targets[:, None]).squeeze(-1), entropy


def _score_checkpointed(
    hidden: Tensor,
    targets: Tensor,
    head: _Head | None,
    temperature: float,
    entropy_gradient: bool,
    rows: int,
) -> tuple[Tensor, Tensor]:
    """As `_score`, ``rows`` at a time, whatever the head is."""
    settings = (head, temperature, entropy_gradient)
    parts = [
        checkpoint(_score, part, wanted, *settings, use_reentrant=False)
        for part, wanted in zip(torch.split(hidden, rows), torch.split(targets, rows), strict=True)
    ]
    chosen, entropy = (torch.cat(column) for column in zip(*parts, strict=True))
    return chosen, entropy


def token_logprobs(
    model: Any,
    ids: Tensor,
    mask: Tensor,
    temperature: float = 1.0,
    *,
    lengths: Tensor | None = None,
    share: bool = False,
    entropy_gradient: bool = False,
) -> tuple[Tensor, Tensor]:
    """Score the tokens under the mask.

    Logits are made for the masked positions only, in chunks where they are many, and reduced in
    float32.

    Args:
        model: A Hugging Face causal language model.
        ids: Token ids, right-padded, shape (B, T), int64.
        mask: True where the next token counts, shape (B, T - 1), bool.
        temperature: Of the distribution that sampled them.
        lengths: Of the sequences, shape (B,), int64: the model then sees them in one row without
            padding, see `agentgym.train.packing`. None shows it the padded rows.
        share: Show it a prompt of several packed rows once, see `agentgym.train.layout`.
        entropy_gradient: Whether the entropies have a gradient, for a bonus.

    Returns:
        Log-probabilities of the next token, shape (B, T - 1), float32 (float64 for float64), 0.0
        outside the mask, with gradient; and the entropy in nats at the N masked positions, shape
        (N,).
    """
    hidden, head = _before_head(model, ids, mask, lengths, share)
    targets = ids[:, 1:][mask]
    most = _MOST_LOGITS_CUDA if ids.device.type == "cuda" else _MOST_LOGITS
    rows = max(1, most // model.config.vocab_size)
    if len(targets) <= rows:
        chosen, entropy = _score(hidden, targets, head, temperature, entropy_gradient)
    elif type(head) is nn.Linear:
        chosen, entropy = linear_logprobs(
            hidden, head.weight, head.bias, targets, temperature=temperature, rows=rows
        )
    else:
        settings = (head, temperature, entropy_gradient, rows)
        chosen, entropy = _score_checkpointed(hidden, targets, *settings)
    scattered = torch.zeros(mask.shape, dtype=chosen.dtype, device=ids.device)
    entropy = entropy if entropy_gradient else entropy.detach()
    return scattered.masked_scatter(mask, chosen), entropy
