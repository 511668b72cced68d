"""What a batch of conversations is decoded with: which tokens the model reads, and what it keeps.

A `Decoder` turns conversations into the logits of their next tokens. `SlotDecoder` keeps the keys
and values of each conversation in a slot of its own, so that conversations join and leave at any
step, a later turn reads only what is new, and what begins alike is read once. Models whose state is
something else (recurrent layers, chunked attention, positions in the attention) are decoded by
`PaddedDecoder`, batch after batch; and so is every model with which slots, when they are tried,
do not give what its own forward gives.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from agentgym.policy.slot_cache import SlotCache

__all__ = ["Decoder", "PaddedDecoder", "Row", "SlotDecoder", "decoder_of"]

_WORTH = 16  # tokens in common from which on they are copied, and waited for
_MOST_TOKENS = 8192  # read at once, padding included: what bounds the memory of long prompts


@dataclass(slots=True, eq=False)
class Row:
    """A conversation that is being decoded; it is itself and no other, whatever it says.

    Attributes:
        tokens: All of it so far; the last one has not been read yet.
    """

    tokens: list[int]


class Decoder(Protocol):
    """Reads conversations and says what comes next."""

    def room(self, running: int) -> int:
        """Return how many more conversations may join those that run."""
        ...

    def logits(self, batch: Sequence[Row]) -> Tensor:
        """Return the logits of the next token of each, shape (B, V), on the model's device.

        Args:
            batch: All that run, and those that join; each object is one conversation until it is
                left out.
        """
        ...

    def forget(self) -> None:
        """Keep nothing: the weights have changed. What runs is read again."""
        ...


def decoder_of(model: Any, batch: int) -> Decoder:
    """Return the best decoder for a model, for at most ``batch`` conversations at once."""
    slots = _keeps_keys(model) and _agrees(model)
    return SlotDecoder(model, batch) if slots else PaddedDecoder(model, batch)


def _keeps_keys(model: Any) -> bool:
    """Return whether all that the model remembers seems to be keys and values under a mask."""
    config = model.config
    kinds = set(getattr(config, "layer_types", None) or ())
    plain = kinds <= {"full_attention", "sliding_attention"}
    more = getattr(config, "attention_chunk_size", None) or getattr(model, "_is_stateful", False)
    masked = config._attn_implementation in ("sdpa", "eager")  # others take no mask of pairs
    return plain and not more and masked and getattr(model, "_supports_attention_backend", False)


def _agrees(model: Any) -> bool:
    """Return whether slots give what the model's own forward gives, tried on a few tokens.

    A new kind of layer need not say anywhere that it remembers something else.
    """
    tokens = [(7 * number + 3) % model.get_input_embeddings().num_embeddings for number in range(9)]
    decoder, rows = SlotDecoder(model, 2), [Row(tokens[:4]), Row(tokens)]
    rounding = torch.finfo(model.dtype).eps ** 0.5  # 3e-4 in float32, 9% in bfloat16
    try:
        with torch.inference_mode():
            for _ in range(2):
                for row, mine in zip(rows, decoder.logits(rows), strict=True):
                    ids = torch.tensor([row.tokens], device=model.device)
                    whole = model(input_ids=ids).logits[0, -1]
                    if float((mine - whole).abs().max() / whole.abs().max()) > rounding:
                        return False
                    row.tokens.append(tokens[0])
    except Exception:  # noqa: BLE001 - whatever a layer asks of a cache that this one has not
        return False
    return True


class PaddedDecoder:
    """One left-padded batch with the model's own cache; the next starts when it is done."""

    def __init__(self, model: Any, batch: int) -> None:
        self._model = model
        self._batch = batch
        self._cache: Any = None
        self._rows: list[Row] = []
        self._seen = torch.zeros(0)
        self._settings = _last_logits_alone(model)

    def room(self, running: int) -> int:
        """Return how many may join: none while any runs."""
        return 0 if running else self._batch

    def logits(self, batch: Sequence[Row]) -> Tensor:
        """Return the logits of the next tokens; rows that are done stay where they are."""
        if self._cache is None or not set(batch) <= set(self._rows):
            self._rows, self._cache = list(batch), None
            ids, self._seen = _left_padded([row.tokens for row in batch])
        else:
            ids = torch.tensor([[row.tokens[-1]] for row in self._rows])
            # The next position of a row that is done may not exist.
            going = torch.tensor([[int(row in batch)] for row in self._rows])
            self._seen = torch.cat([self._seen, going], dim=1)
        device = self._model.device
        positions = (self._seen.cumsum(-1) - 1).clamp(min=0)[:, -ids.shape[1] :]
        output = self._model(
            input_ids=ids.to(device),
            attention_mask=self._seen.to(device),
            position_ids=positions.to(device),
            past_key_values=self._cache,
            use_cache=True,
            **self._settings,
        )
        self._cache = getattr(output, "past_key_values", None)  # without, all is read every time
        logits: Tensor = output.logits[:, -1][[self._rows.index(row) for row in batch]]
        return logits

    def forget(self) -> None:
        """Read everything again at the next step."""
        self._cache = None


def _left_padded(rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    width = max(map(len, rows))
    ids = torch.zeros((len(rows), width), dtype=torch.int64)
    seen = torch.zeros((len(rows), width), dtype=torch.int64)
    for place, row in enumerate(rows):
        ids[place, width - len(row) :] = torch.tensor(row)
        seen[place, width - len(row) :] = 1
    return ids, seen


class _Slot:
    """Where one conversation's keys and values are.

    Attributes:
        number: Its row in every tensor of the cache.
        tokens: What has been read into it.
        owner: Whose it is; None once that conversation is left out.
        used: The step at which it was last read.
    """

    __slots__ = ("number", "owner", "tokens", "used")

    def __init__(self, number: int) -> None:
        self.number = number
        self.tokens: list[int] = []
        self.owner: Row | None = None
        self.used = 0

    @property
    def news(self) -> list[int]:
        """Return what its owner has that was not read yet."""
        return [] if self.owner is None else self.owner.tokens[len(self.tokens) :]

    @property
    def unread(self) -> int:
        """Return the number of those."""
        return 0 if self.owner is None else len(self.owner.tokens) - len(self.tokens)


class SlotDecoder:
    """Conversations in slots.

    Args:
        model: A Hugging Face causal language model that keeps keys and values.
        batch: How many slots there are.
    """

    def __init__(self, model: Any, batch: int) -> None:
        self._model = model
        self._batch = batch
        self._slots: list[_Slot] = []
        self._cache = SlotCache()
        self._step = 0
        self._settings = _last_logits_alone(model)
        config = model.config
        self._window: int | None = getattr(config, "sliding_window", None)
        self._kinds = sorted(set(getattr(config, "layer_types", None) or ()))
        if not self._kinds and self._window:
            self._kinds = ["sliding_attention"]

    def room(self, running: int) -> int:
        """Return how many more may join."""
        return self._batch - running

    def logits(self, batch: Sequence[Row]) -> Tensor:
        """Return the logits of the next tokens; only what is new is read."""
        self._step += 1
        kept = {slot.owner: slot for slot in self._slots if slot.owner is not None}
        owned = {row: kept[row] for row in batch if row in kept}
        for slot in self._slots:
            slot.owner = slot.owner if slot.owner in owned else None
        read: list[_Slot] = []
        parts: list[Tensor] = []
        waiting = [row for row in batch if row not in owned]
        while waiting:
            wave, waiting = self._wave(waiting)
            owned |= {row: self._given(row) for row in wave}
            self._read([owned[row] for row in wave if owned[row].unread > 1], read, parts)
        done = set(read)
        self._read([owned[row] for row in batch if owned[row] not in done], read, parts)
        place = {slot: number for number, slot in enumerate(read)}
        order = [place[owned[row]] for row in batch]
        whole = parts[0] if len(parts) == 1 else torch.cat(parts)
        return whole if order == list(range(len(order))) else whole[order]

    def forget(self) -> None:
        """Give up all slots: who had which would decide the order of rows, and so last bits."""
        self._slots.clear()

    def _wave(self, waiting: Sequence[Row]) -> tuple[list[Row], list[Row]]:
        """Return who is read now, and who waits to copy what one of those begins with.

        Those of whom most is known come first: nobody else is given the slot of their last turn.
        """
        wave: list[tuple[int, Row]] = []
        later: list[Row] = []
        for row in waiting:
            known = self._known(row)[0]
            worth = row.tokens[: known + _WORTH]
            alike = len(worth) < len(row.tokens) and any(
                other.tokens[: len(worth)] == worth for _, other in wave
            )
            if alike:
                later.append(row)
            else:
                wave.append((known, row))
        return [row for _, row in sorted(wave, key=lambda each: -each[0])], later

    def _known(self, row: Row) -> tuple[int, _Slot | None]:
        """Return how much of a conversation some slot holds at most, and which one."""
        last = len(row.tokens) - 1  # read in any case: its logits are wanted
        known, source = 0, None
        for slot in self._slots:
            # Most slots are no better than the best so far, which one comparison shows.
            if len(slot.tokens) > known and slot.tokens[: known + 1] == row.tokens[: known + 1]:
                common = min(_common(slot.tokens, row.tokens), last)
                if common > known:
                    known, source = common, slot
        return known, source

    def _given(self, row: Row) -> _Slot:
        """Give a conversation a slot that holds as much of it as any does."""
        known, source = self._known(row)
        if source is not None and source.owner is None and known == len(source.tokens):
            slot = source  # the turn before
        else:
            slot = self._free()
            if source is not slot:  # else what is known is there already
                known = known if known >= _WORTH else 0
                if source is not None and known:
                    self._cache.copy(source.number, slot.number, known)
            slot.tokens = row.tokens[:known]
        slot.owner = row
        return slot

    def _free(self) -> _Slot:
        """Return a new slot, or the one that has not been read for longest."""
        if len(self._slots) < self._batch:
            self._slots.append(_Slot(len(self._slots)))
            return self._slots[-1]
        return min((slot for slot in self._slots if slot.owner is None), key=lambda s: s.used)

    def _read(self, slots: Sequence[_Slot], read: list[_Slot], parts: list[Tensor]) -> None:
        """Read what is new of these conversations, those of about a length together."""
        by_size: dict[int, list[_Slot]] = {}
        for slot in slots:
            by_size.setdefault((slot.unread - 1).bit_length(), []).append(slot)
        for alike in by_size.values():
            alike.sort(key=lambda slot: slot.number)
            rows = max(1, _MOST_TOKENS // max(slot.unread for slot in alike))
            for start in range(0, len(alike), rows):
                part = alike[start : start + rows]
                parts.append(self._forward(part))
                read.extend(part)

    def _forward(self, slots: Sequence[_Slot]) -> Tensor:
        """Return the logits after the last token of each, shape (B, V)."""
        pieces = [slot.news for slot in slots]
        width = max(map(len, pieces))
        ids = torch.tensor([[0] * (width - len(piece)) + piece for piece in pieces])
        starts = torch.tensor([[len(slot.tokens)] for slot in slots])
        ends = starts + torch.tensor([[len(piece)] for piece in pieces])
        places = ends + torch.arange(-width, 0)
        padding = places < starts
        places.masked_fill_(padding, 0)
        seen = int(ends.max())
        device = self._model.device
        self._cache.aim([slot.number for slot in slots], places, padding, seen, device)
        output = self._model(
            input_ids=ids.to(device),
            attention_mask=self._masks(places.to(device), seen),
            position_ids=places.to(device),
            past_key_values=self._cache,
            use_cache=True,
            **self._settings,
        )
        for slot, piece in zip(slots, pieces, strict=True):
            slot.tokens.extend(piece)
            slot.used = self._step
        logits: Tensor = output.logits[:, -1]
        return logits

    def _masks(self, places: Tensor, seen: int) -> Any:
        """Return what is added to the attention's scores, shape (B, 1, T, seen), by kind of layer.

        Padding sees the first place, for what sees nothing is not a number.
        """
        keys = torch.arange(seen, device=places.device)
        visible = keys <= places[..., None]
        masks = {"full_attention": visible}
        if self._window:
            masks["sliding_attention"] = visible & (keys > places[..., None] - self._window)
        kind = self._model.dtype
        added = {
            name: torch.zeros(mask.shape, dtype=kind, device=mask.device)
            .masked_fill_(~mask, torch.finfo(kind).min)
            .unsqueeze(1)
            for name, mask in masks.items()
            if name in (self._kinds or ["full_attention"])
        }
        return added if len(added) > 1 else next(iter(added.values()))


def _common(one: Sequence[int], other: Sequence[int]) -> int:
    """Return how many tokens two conversations begin with alike."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _last_logits_alone(model: Any) -> dict[str, int]:
    """Return what tells a model to make no logits of the prompt, where it can be told."""
    known = inspect.signature(model.forward).parameters
    return {"logits_to_keep": 1} if "logits_to_keep" in known else {}
