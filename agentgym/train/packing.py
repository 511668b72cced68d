"""Several sequences in one row, without padding: what the model sees where `packing` is on.

Everything but attention works on single tokens, so a row of S tokens holds as many sequences as
fit. Positions start again at each of them, and attention does not cross their seams: on CUDA by
the variable-length kernel that PyTorch brings, elsewhere by one causal attention a sequence. The
work is that of the tokens that are there, in attention too.

The batch itself stays (B, T): what losses are made of is one number a token, and padding there
costs nothing. Models with windows, sinks or soft-capping in their attention keep that of
transformers, which draws a mask of (S, S) from the positions.
"""

from __future__ import annotations

import functools
import importlib.util
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["packed_forward", "use_packed_attention"]

_NAME = "agentgym_packed"
# What this attention does not do; a model that asks for one keeps its own.
_BEYOND = ("sliding_window", "attn_logit_softcapping", "attention_chunk_size")


def use_packed_attention(model: Any) -> bool:
    """Let the model attend by sequences where rows are packed; return whether it will.

    Args:
        model: A Hugging Face causal language model whose attention is the default, ``sdpa``.
    """
    config = model.config
    kinds = set(getattr(config, "layer_types", None) or ("full_attention",))
    special = any(getattr(config, name, None) for name in _BEYOND) or kinds != {"full_attention"}
    if special or config._attn_implementation != "sdpa":
        return False
    from transformers import AttentionInterface

    AttentionInterface.register(_NAME, _attend)
    model.set_attn_implementation(_NAME)
    return True


def packed_forward(body: Any, ids: Tensor, mask: Tensor, lengths: Tensor, output: str) -> Tensor:
    """Show a model the sequences in one row and return its states under the mask.

    Args:
        body: A Hugging Face model.
        ids: Token ids, right-padded, shape (B, T), int64.
        mask: True where the next token counts, shape (B, T - 1), bool.
        lengths: Of the sequences, shape (B,), int64.
        output: The field of the model's output that is wanted, of shape (1, S, H).

    Returns:
        Shape (N, H), in the order of the mask's N places.
    """
    places = torch.arange(ids.shape[1], device=ids.device).expand_as(ids)
    there = places < lengths[:, None]
    seams = nn.functional.pad(lengths.cumsum(0), (1, 0)).to(torch.int32)
    longest = int(lengths.max())
    states = getattr(
        body(
            input_ids=ids[there][None],
            position_ids=places[there][None],
            use_cache=False,
            cu_seq_lens_q=seams,
            cu_seq_lens_k=seams,
            max_length_q=longest,
            max_length_k=longest,
        ),
        output,
    )
    wanted = nn.functional.pad(mask, (0, 1))[there]
    selected: Tensor = states[0][wanted]
    return selected


def _attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    **settings: Any,
) -> tuple[Tensor, None]:
    """Attend causally, within sequences where the row is packed.

    Args:
        module: The attention layer.
        query: Shape (B, heads, S, D).
        key: Shape (B, key heads, S, D).
        value: As the keys.
        attention_mask: None: no mask is made for an attention of this name.
        settings: Of transformers; ``cu_seq_lens_q`` are the seams of a packed row.

    Returns:
        Shape (B, S, heads, D), and no weights.
    """
    seams, scale = settings.get("cu_seq_lens_q"), settings.get("scaling")
    grouped = query.shape[1] != key.shape[1]
    if seams is None:
        parts = [_causal(query, key, value, scale, grouped)]
    elif _has_kernel(value):
        return _by_kernel(query, key, value, seams, settings["max_length_q"], scale), None
    else:
        sizes = seams.diff().tolist()
        split = (torch.split(tensor, sizes, dim=2) for tensor in (query, key, value))
        parts = [_causal(q, k, v, scale, grouped) for q, k, v in zip(*split, strict=True)]
    whole = parts[0] if len(parts) == 1 else torch.cat(parts, dim=2)
    return whole.transpose(1, 2).contiguous(), None


def _causal(q: Tensor, k: Tensor, v: Tensor, scale: float | None, grouped: bool) -> Tensor:
    # One query is the next token of a cached conversation: it sees all.
    return nn.functional.scaled_dot_product_attention(
        q, k, v, is_causal=q.shape[2] > 1, scale=scale, enable_gqa=grouped
    )


def _has_kernel(value: Tensor) -> bool:
    half = value.dtype in (torch.bfloat16, torch.float16)
    return value.is_cuda and half and _kernel_on(value.device)


@functools.cache
def _kernel_on(device: torch.device) -> bool:
    """Whether PyTorch has the kernel (2.10 on), and this GPU runs it (Ampere on)."""
    there = importlib.util.find_spec("torch.nn.attention.varlen") is not None
    return there and torch.cuda.get_device_capability(device) >= (8, 0)


def _by_kernel(
    query: Tensor, key: Tensor, value: Tensor, seams: Tensor, longest: int, scale: float | None
) -> Tensor:
    """Attend by `torch.nn.attention.varlen`, which wants (S, heads, D) in half precision."""
    from torch.nn.attention.varlen import varlen_attn

    # Rotary embeddings leave queries and keys in float32 under autocast.
    q, k, v = (tensor[0].transpose(0, 1).to(value.dtype) for tensor in (query, key, value))
    settings: dict[str, Any] = {"scale": scale, "window_size": (-1, 0)}  # which means causal
    if query.shape[1] != key.shape[1]:
        settings["enable_gqa"] = True
    attended: Any = varlen_attn(q, k, v, seams, seams, longest, longest, **settings)
    whole: Tensor = attended[None]
    return whole
