"""Keys and values of many conversations, each in a slot, as transformers wants them of a cache."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

__all__ = ["SlotCache"]

_GRAIN = 64  # slots grow by this many tokens


class SlotCache:
    """What attention layers update, and read their keys and values from.

    One tensor a layer for the keys and one for the values, of shape (slots, places + 1, heads, D);
    what padding writes goes to the last place, which nobody sees.
    """

    def __init__(self) -> None:
        self._layers: dict[int, tuple[Tensor, Tensor]] = {}
        self._slots, self._places = 0, 0

    def aim(
        self,
        slots: list[int],
        places: Tensor,
        padding: Tensor,
        seen: int,
        device: torch.device,
    ) -> None:
        """Say where the next forward writes.

        Args:
            slots: Of the rows, in rising order.
            places: Of the new tokens, shape (B, T).
            padding: True where there is no token, shape (B, T).
            seen: How many places are read, of any row.
            device: Of the model.
        """
        if slots[-1] >= self._slots or seen > self._places:
            self._grow(max(slots[-1] + 1, self._slots), seen)
        self._seen = seen
        together = slots[-1] - slots[0] + 1 == len(slots)
        self._rows: Any = slice(slots[0], slots[-1] + 1) if together else None
        self._index = torch.tensor(slots, device=device)
        self._written = places.masked_fill(padding, self._places).to(device)

    def _grow(self, slots: int, places: int) -> None:
        if places > self._places:
            places = -(-max(places, self._places * 3 // 2) // _GRAIN) * _GRAIN
        else:
            places = self._places
        slots = max(slots, min(2 * self._slots, slots + 64))
        for layer, pair in self._layers.items():
            self._layers[layer] = (
                _grown(pair[0], slots, places + 1, self._places),
                _grown(pair[1], slots, places + 1, self._places),
            )
        self._slots, self._places = slots, places

    def copy(self, source: int, target: int, length: int) -> None:
        """Let a slot begin as another does."""
        if target >= self._slots:
            self._grow(target + 1, self._places)
        for pair in self._layers.values():
            for kept in pair:
                kept[target, :length] = kept[source, :length]

    def update(
        self, keys: Tensor, values: Tensor, layer_idx: int, *_: Any, **__: Any
    ) -> tuple[Tensor, Tensor]:
        """Write a layer's new keys and values and return all that its rows may see.

        Args:
            keys: Shape (B, heads, T, D).
            values: As the keys.
            layer_idx: The layer.

        Returns:
            Shapes (B, heads, seen, D).
        """
        if layer_idx not in self._layers:
            self._layers[layer_idx] = (
                _empty(keys, self._slots, self._places + 1),
                _empty(values, self._slots, self._places + 1),
            )
        whole = self._layers[layer_idx]
        for kept, new in zip(whole, (keys, values), strict=True):
            kept[self._index[:, None], self._written] = new.transpose(1, 2)
        return self._view(whole[0]), self._view(whole[1])

    def _view(self, kept: Tensor) -> Tensor:
        seen = kept[:, : self._seen]
        rows = seen.index_select(0, self._index) if self._rows is None else seen[self._rows]
        return rows.transpose(1, 2)

    def get_seq_length(self, *_: Any) -> int:
        """Return how many places are read, of any row."""
        return self._seen


def _empty(like: Tensor, slots: int, places: int) -> Tensor:
    return like.new_zeros((slots, places, like.shape[1], like.shape[3]))


def _grown(kept: Tensor, slots: int, places: int, filled: int) -> Tensor:
    larger = kept.new_zeros((slots, places, *kept.shape[2:]))
    larger[: kept.shape[0], :filled] = kept[:, :filled]
    return larger
