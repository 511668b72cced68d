"""Where the tokens of a batch stand in one row: each sequence alone, or a shared prompt once.

Siblings of a group have the same prompt. With `share` its tokens stand in the row once, as a
segment, and each sibling goes on from there as a branch: positions go on at the prompt's length,
and a branch attends to the keys of its prompt and, causally, to its own. No token of the prompt
sees a branch, so states and gradients are those of whole sequences.

The last token of a prompt stays with the branch: it predicts the first sampled token, so every
state that is asked for belongs to one row.

Left out: beginnings that prompts of different tasks have in common.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

__all__ = ["LEAST_SHARED", "Layout", "laid_out", "shared_part"]

LEAST_SHARED = 16  # tokens; below, another segment costs about what it saves


def shared_part(ids: Sequence[int], first: int) -> tuple[int, ...]:
    """Return what siblings may share of a sequence: empty where that is too little.

    Args:
        ids: Its token ids.
        first: Place of the token from which the first sampled one is predicted.
    """
    return tuple(ids[:first]) if first >= LEAST_SHARED else ()


@dataclass(frozen=True, slots=True)
class Layout:
    """The tokens of (B, T) sequences in one row of S places, in n segments that attend causally.

    Attributes:
        rows: Of the batch, of each place, shape (S,), int64.
        columns: Of the batch, of each place: its position too, shape (S,), int64.
        seams: Between the segments, shape (n + 1,), int32.
        key_seams: Between their keys, shape (n + 1,), int32.
        keys: Places of their keys, those of a branch's prompt first, shape (K,), int64; empty where
            nothing is shared, for the keys of a segment are then its own.
        origins: Place at which column 0 of each row is, or would be, shape (B,), int64.
        longest: Tokens of the longest segment.
        longest_keys: Most keys of a segment.
    """

    rows: Tensor
    columns: Tensor
    seams: Tensor
    key_seams: Tensor
    keys: Tensor
    origins: Tensor
    longest: int
    longest_keys: int

    def to(self, device: torch.device) -> Layout:
        """Return the layout on another device."""
        values: dict[str, Any] = {each.name: getattr(self, each.name) for each in fields(self)}
        moved = {name: v.to(device) for name, v in values.items() if isinstance(v, Tensor)}
        return Layout(**(values | moved))

    def places(self, mask: Tensor) -> Tensor:
        """Return where the N tokens under a mask are, in its order.

        Args:
            mask: Shape (B, T - 1), bool, with nothing inside a shared prompt.
        """
        rows, columns = mask.nonzero(as_tuple=True)
        return self.origins[rows] + columns


def laid_out(ids: Tensor, mask: Tensor, lengths: Tensor, *, share: bool = False) -> Layout:
    """Return the layout of a batch, on its device.

    Args:
        ids: Token ids, right-padded, shape (B, T), int64.
        mask: True where the next token counts, shape (B, T - 1), bool.
        lengths: Of the sequences, shape (B,), int64.
        share: Whether a prompt of several rows stands there once.
    """
    siblings = _siblings(ids, mask) if share else {}
    segments: list[tuple[int, int, int, int, int]] = []  # row, column, size; prompt's place, size
    origins: list[int] = []
    begins: dict[int, int] = {}
    end = 0
    for row, length in enumerate(lengths.tolist()):
        leader, skip = siblings.get(row, (row, 0))
        if skip and leader == row:
            begins[row] = end
            segments.append((row, 0, skip, 0, 0))
            end += skip
        segments.append((row, skip, length - skip, begins.get(leader, 0), skip))
        origins.append(end - skip)
        end += length - skip
    return _indexed(segments, origins).to(ids.device)


def _siblings(ids: Tensor, mask: Tensor) -> dict[int, tuple[int, int]]:
    """Return the first row with the same prompt, and what is shared of it, of rows that share."""
    firsts = mask.int().argmax(1).tolist()  # the first of several; 0 where there is none
    rows_of: dict[tuple[int, ...], list[int]] = {}
    for row, (tokens, first) in enumerate(zip(ids.tolist(), firsts, strict=True)):
        rows_of.setdefault(shared_part(tokens, first), []).append(row)
    return {
        row: (rows[0], len(part)) for part, rows in rows_of.items() if len(rows) > 1 for row in rows
    }


def _indexed(segments: list[tuple[int, int, int, int, int]], origins: list[int]) -> Layout:
    row, column, size, prompt, skip = torch.tensor(segments).unbind(1)
    which, offset, seams = _counted(size)
    key_seams, keys, longest_keys = seams, torch.empty(0, dtype=torch.int64), size
    if bool(skip.any()):
        longest_keys = size + skip
        of, key, key_seams = _counted(longest_keys)
        own = seams[of] + key - skip[of]
        keys = torch.where(key < skip[of], prompt[of] + key, own)
    return Layout(
        rows=row[which],
        columns=column[which] + offset,
        seams=seams.to(torch.int32),
        key_seams=key_seams.to(torch.int32),
        keys=keys,
        origins=torch.tensor(origins),
        longest=int(size.max()),
        longest_keys=int(longest_keys.max()),
    )


def _counted(sizes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return of each place its segment and its number in there, and the seams."""
    seams = torch.nn.functional.pad(sizes.cumsum(0), (1, 0))
    which = torch.repeat_interleave(torch.arange(len(sizes)), sizes)
    return which, torch.arange(len(which)) - seams[which], seams
