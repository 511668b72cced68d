"""Several sequences in one row, without padding: what the model sees where `packing` is on.

Everything but attention works on single tokens, so a row of S tokens holds as many sequences as
fit. Positions start again at each of them, and attention does not cross their seams: on CUDA by
the variable-length kernel that PyTorch brings, elsewhere by one causal attention a sequence. The
work is that of the tokens that are there, in attention too.

A prompt that several sequences share may stand in the row once, see `agentgym.train.layout`.

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

from agentgym.errors import ConfigError
from agentgym.train.layout import laid_out

__all__ = ["packed_forward", "shares_prompts", "use_packed_attention"]

_NAME = "agentgym_packed"
_ROUNDING = 0.05  # of bfloat16, in averages of standard normal numbers
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


def shares_prompts(wanted: bool | None, packing: bool, *models: Any) -> bool:
    """Return whether shared prompts go through these models once.

    Args:
        wanted: The setting; None shares wherever that is possible.
        packing: Whether rows are packed.
        models: Hugging Face models, after `use_packed_attention`.

    Raises:
        ConfigError: If that is wanted where it is not possible.
    """
    able = packing and all(model.config._attn_implementation == _NAME for model in models)
    able = able and all(_sees_prompts(model.device) for model in models)
    if wanted and not packing:
        raise ConfigError(
            "share_prompts=True shares prompts of packed rows, and rows are padded here: set "
            "packing=True, or leave share_prompts out"
        )
    if wanted and not able:
        raise ConfigError(
            "share_prompts=True needs a model of full attention by 'sdpa', and a kernel that lets "
            "a branch see its prompt; here one of the two is missing: leave share_prompts out"
        )
    return able and wanted is not False


def packed_forward(
    body: Any, ids: Tensor, mask: Tensor, lengths: Tensor, output: str, *, share: bool = False
) -> Tensor:
    """Show a model the sequences in one row and return its states under the mask.

    Args:
        body: A Hugging Face model.
        ids: Token ids, right-padded, shape (B, T), int64.
        mask: True where the next token counts, shape (B, T - 1), bool.
        lengths: Of the sequences, shape (B,), int64.
        output: The field of the model's output that is wanted, of shape (1, S, H).
        share: Show it the prompt of several rows once, where its attention is ours.

    Returns:
        Shape (N, H), in the order of the mask's N places.
    """
    ours = body.config._attn_implementation == _NAME
    layout = laid_out(ids, mask, lengths, share=share and ours)
    states = getattr(
        body(
            input_ids=ids[layout.rows, layout.columns][None],
            position_ids=layout.columns[None],
            use_cache=False,
            cu_seq_lens_q=layout.seams,
            cu_seq_lens_k=layout.key_seams,
            max_length_q=layout.longest,
            max_length_k=layout.longest_keys,
            **({"key_places": layout.keys} if len(layout.keys) else {}),
        ),
        output,
    )
    selected: Tensor = states[0][layout.places(mask)]
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
        settings: Of transformers; ``cu_seq_lens_q`` and ``_k`` are the seams of a packed row, and
            ``key_places`` its keys where some are shared.

    Returns:
        Shape (B, S, heads, D), and no weights.
    """
    seams, scale = settings.get("cu_seq_lens_q"), settings.get("scaling")
    if settings.get("key_places") is not None:
        key, value = (_gathered(tensor, settings["key_places"]) for tensor in (key, value))
    if seams is None:
        parts = [_causal(query, key, value, scale)]
    elif _has_kernel(value):
        return _by_kernel(query, key, value, settings), None
    else:
        sizes, key_sizes = (settings[f"cu_seq_lens_{side}"].diff().tolist() for side in "qk")
        queries = torch.split(query, sizes, dim=2)
        keys, values = (torch.split(tensor, key_sizes, dim=2) for tensor in (key, value))
        parts = [_causal(q, k, v, scale) for q, k, v in zip(queries, keys, values, strict=True)]
    whole = parts[0] if len(parts) == 1 else torch.cat(parts, dim=2)
    return whole.transpose(1, 2).contiguous(), None


def _gathered(tensor: Tensor, places: Tensor) -> Tensor:
    """Return what is at these K places, shape (1, heads, K, D), of shape (1, heads, S, D).

    As an embedding: its backward pass adds up what belongs to one place in one order, and half
    precision in float32.
    """
    _, heads, _, width = tensor.shape
    table = tensor[0].transpose(0, 1).flatten(1)
    return nn.functional.embedding(places, table).view(1, -1, heads, width).transpose(1, 2)


def _causal(q: Tensor, k: Tensor, v: Tensor, scale: float | None) -> Tensor:
    """Attend causally; the last query sees the last key, as the kernel has it."""
    many, all_keys, mask = q.shape[2], k.shape[2], None
    if 1 < many < all_keys:
        mask = torch.ones(many, all_keys, dtype=torch.bool, device=q.device).tril(all_keys - many)
    return nn.functional.scaled_dot_product_attention(
        q,
        k,
        v,
        attn_mask=mask,
        is_causal=mask is None and many > 1,
        scale=scale,
        enable_gqa=q.shape[1] != k.shape[1],
    )


def _has_kernel(value: Tensor) -> bool:
    half = value.dtype in (torch.bfloat16, torch.float16)
    return value.is_cuda and half and _kernel_on(value.device)


@functools.cache
def _kernel_on(device: torch.device) -> bool:
    """Whether PyTorch has the kernel (2.10 on), and this GPU runs it (Ampere on)."""
    there = importlib.util.find_spec("torch.nn.attention.varlen") is not None
    return there and torch.cuda.get_device_capability(device) >= (8, 0)


def _sees_prompts(device: torch.device) -> bool:
    uses_kernel = device.type == "cuda" and _kernel_on(device)
    return not uses_kernel or _kernel_sees_prompts(device)


@functools.cache
def _kernel_sees_prompts(device: torch.device) -> bool:
    """Whether the kernel lets a branch see its prompt: tried once, on a few numbers.

    It rests on how the kernel aligns its causal mask, which no signature says.
    """
    made = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn((1, 2, size, 64), generator=made) for size in (3, 8, 8))
    settings: dict[str, Any] = {"max_length_q": 3, "max_length_k": 8, "scaling": 0.125}
    for side, size in (("q", 3), ("k", 8)):
        seams = torch.tensor([0, size], dtype=torch.int32, device=device)
        settings[f"cu_seq_lens_{side}"] = seams
    half = [each.to(device, torch.bfloat16) for each in (q, k, v)]
    attended = _by_kernel(half[0], half[1], half[2], settings).float().cpu()
    expected = _causal(q, k, v, 0.125).transpose(1, 2)
    return bool((attended - expected).abs().max() < _ROUNDING)


def _by_kernel(query: Tensor, key: Tensor, value: Tensor, settings: dict[str, Any]) -> Tensor:
    """Attend by `torch.nn.attention.varlen`, which wants (S, heads, D) in half precision.

    Where keys are more than queries, the causal mask ends at the last of both: flash attention
    aligns it to the bottom right since 2.1 ("If causal=True, the causal mask is aligned to the
    bottom right corner of the attention matrix", its ``flash_attn_varlen_func``), and PyTorch's
    `causal_lower_right` counts on that of the same kernel.
    """
    from torch.nn.attention.varlen import varlen_attn

    # Rotary embeddings leave queries and keys in float32 under autocast.
    q, k, v = (tensor[0].transpose(0, 1).to(value.dtype) for tensor in (query, key, value))
    more: dict[str, Any] = {"enable_gqa": True} if query.shape[1] != key.shape[1] else {}
    attended: Any = varlen_attn(
        q,
        k,
        v,
        settings["cu_seq_lens_q"],
        settings["cu_seq_lens_k"],
        settings["max_length_q"],
        settings["max_length_k"],
        scale=settings.get("scaling"),
        window_size=(-1, 0),  # which means causal
        **more,
    )
    whole: Tensor = attended[None]
    return whole
