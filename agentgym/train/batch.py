"""Samples to padded micro-batches.

Position ``t`` of every tensor speaks of the token ``ids[:, t + 1]``, the one that the model
predicts there. Masks come from lengths and from the record, never from ``ids != pad``: a policy
may sample the pad token.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import TypeVar

import torch
from torch import Tensor

from agentgym.train.layout import shared_part
from agentgym.types import Sample

__all__ = ["Batch", "WeightedSample", "micro_batches", "pad", "shared_out"]

# What a token keeps for the gradient is about so many times its keys and values.
_KEYS_OF_A_TOKEN = 16


@dataclass(frozen=True, slots=True)
class WeightedSample:
    """A sample and the advantage of the episode that it belongs to."""

    sample: Sample
    advantage: float = 1.0


@dataclass(frozen=True, slots=True)
class Batch:
    """A padded micro-batch of B sequences of at most T tokens.

    Attributes:
        ids: Token ids, shape (B, T), int64, padded with 0.
        mask: True where the next token was sampled, shape (B, T - 1), bool.
        behaviour_logprobs: Of the next token, 0.0 outside the mask, shape (B, T - 1), float32.
        advantages: Of the episode, shape (B, T - 1), float32.
        lengths: Of the sequences, shape (B,), int64.
    """

    ids: Tensor
    mask: Tensor
    behaviour_logprobs: Tensor
    advantages: Tensor
    lengths: Tensor

    def to(self, device: torch.device) -> Batch:
        """Return the batch on another device."""
        moved = (getattr(self, field.name) for field in fields(self))
        return Batch(*(tensor.to(device, non_blocking=True) for tensor in moved))


def pad(items: Sequence[WeightedSample]) -> Batch:
    """Return one batch of right-padded sequences.

    Raises:
        ValueError: If there are none, or one has fewer than two tokens.
    """
    lengths = [len(item.sample.ids) for item in items]
    if min(lengths, default=0) < 2:
        raise ValueError("every sequence of a batch needs at least two tokens")
    shape = (len(items), max(lengths))
    ids = torch.zeros(shape, dtype=torch.int64)
    mask = torch.zeros(shape, dtype=torch.bool)
    logprobs = torch.zeros(shape, dtype=torch.float32)
    for row, (item, length) in enumerate(zip(items, lengths, strict=True)):
        ids[row, :length] = torch.tensor(item.sample.ids)
        mask[row, :length] = torch.tensor(item.sample.mask, dtype=torch.bool)
        logprobs[row, :length] = torch.tensor(item.sample.logprobs, dtype=torch.float32)
    advantages = torch.tensor([item.advantage for item in items], dtype=torch.float32)
    per_token = advantages[:, None].expand(-1, shape[1] - 1).contiguous()
    return Batch(
        ids,
        mask[:, 1:].contiguous(),
        logprobs[:, 1:].contiguous(),
        per_token,
        torch.tensor(lengths),
    )


Item = TypeVar("Item", bound=WeightedSample)


def shared_out(
    items: Sequence[Item], tokens: int, *, packed: bool = False, share: bool = False
) -> Iterator[list[Item]]:
    """Yield items that go through the model together: at most ``tokens`` places, near in length.

    A sequence longer than ``tokens`` gets a batch of its own.

    Args:
        items: What is shared out.
        tokens: Most places of a batch.
        packed: Count tokens: the model will see no padding. Else padding takes places too.
        share: Keep packed rows of one prompt together, and count what they share of it once, and
            a little more for each: attention holds its keys and values beside those of each.
    """
    ordered = sorted(items, key=lambda item: len(item.sample.ids))
    prompts = [_shared_part(item.sample) if share else () for item in ordered]
    if share:
        ordered, prompts = _side_by_side(ordered, prompts)
    chosen: list[Item] = []
    there: set[tuple[int, ...]] = set()
    filled = 0
    for item, prompt in zip(ordered, prompts, strict=True):
        length = len(item.sample.ids)
        shared = len(prompt) if prompt in there else 0
        own = length - shared + shared // _KEYS_OF_A_TOKEN
        needed = filled + own if packed else (len(chosen) + 1) * length
        if chosen and needed > tokens:
            yield chosen
            chosen, there, needed = [], set(), length
        chosen.append(item)
        there.add(prompt)
        filled = needed
    if chosen:
        yield chosen


def _shared_part(sample: Sample) -> tuple[int, ...]:
    first = sample.mask.index(1, 1) if 1 in sample.mask[1:] else 1
    return shared_part(sample.ids, first - 1)


def _side_by_side(
    items: list[Item], prompts: list[tuple[int, ...]]
) -> tuple[list[Item], list[tuple[int, ...]]]:
    """Move items to the first of their prompt; those that share nothing stay in their order."""
    place: dict[tuple[int, ...], int] = {}
    keys = [place.setdefault(prompt, n) if prompt else n for n, prompt in enumerate(prompts)]
    order = sorted(range(len(items)), key=keys.__getitem__)
    return [items[n] for n in order], [prompts[n] for n in order]


def micro_batches(
    items: Sequence[WeightedSample], tokens: int, *, packed: bool = False, share: bool = False
) -> Iterator[Batch]:
    """Yield the batches of `shared_out`."""
    for chosen in shared_out(items, tokens, packed=packed, share=share):
        yield pad(chosen)
