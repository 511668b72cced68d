"""What the gradient saw of every sample, one line a sample: ``learned.jsonl``.

    step        of the episode's line in ``episodes.jsonl``
    launch      as there; only where sampling is asynchronous
    task_id     the task
    index       which sibling of its group
    sample      which of the episode's samples, from 0
    dropped     why it was left out, empty where it was learned from: "unscored", "stale",
                "no signal", "small advantage", "not imitated" or "no scored sibling"
    advantage   a number; a list where the sampled tokens differ; null where there is none
    logprobs    of the sampled tokens by the learner before the step's first update, at the run's
                temperature; null where the sample was left out
    kept        0 for each sampled token that the correction of the sampler's mismatch gave no
                weight, 1 for the others; null where all have some

Sampled tokens are those of mask 1, in order. Numbers are rounded to six digits. A task that comes
twice in a step has its lines in the order of those in ``episodes.jsonl``.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from agentgym.algorithms.ratios import Correction
from agentgym.train.batch import Batch, WeightedSample
from agentgym.train.credit import Weighed
from agentgym.train.prepared import Prepared
from agentgym.types import Group, Sample

__all__ = ["LearnedLog", "Trace", "learned_rows"]

_DIGITS = 6


class Trace:
    """Collects what is so before a step's first update, and moves it off the device at the end."""

    def __init__(self) -> None:
        self._samples: list[Sample] = []
        self._logprobs: list[Tensor] = []
        self._kept: list[Tensor] = []
        self._credited: Sequence[Prepared] = ()

    def add(
        self, items: Sequence[WeightedSample], batch: Batch, old: Tensor, correction: Correction
    ) -> None:
        """Take in a micro-batch.

        Args:
            items: Its rows.
            batch: It.
            old: Log-probabilities before the first update, shape (B, T).
            correction: How the sampler's mismatch is made up for.
        """
        self._samples += [item.sample for item in items]
        self._logprobs.append(old.detach()[batch.mask])
        if correction.band is not None or correction.how.endswith("_mask"):
            weights = correction.weights(old, batch.behaviour_logprobs, batch.mask)
            self._kept.append(weights[batch.mask] > 0)

    def credit(self, items: Sequence[Prepared]) -> None:
        """Take in the advantages by token, after all else that changes them."""
        self._credited = items

    def seen(self) -> dict[int, dict[str, Any]]:
        """Return ``logprobs``, ``kept`` and perhaps ``advantage``, by the identity of a sample."""
        found: dict[int, dict[str, Any]] = {
            id(sample): {"logprobs": logprobs, "kept": None}
            for sample, logprobs in _shared_out(self._samples, self._logprobs)
        }
        for sample, kept in _shared_out(self._samples, self._kept):
            if not all(kept):
                found[id(sample)]["kept"] = [int(each) for each in kept]
        samples = [item.sample for item in self._credited]
        for sample, worth in _shared_out(samples, [_masked(item) for item in self._credited]):
            found[id(sample)]["advantage"] = worth[0] if len(set(worth)) == 1 else worth
        return found


def _masked(item: Prepared) -> Tensor:
    row = item.rows["advantages"]
    return row[torch.tensor(item.sample.mask[1:], dtype=torch.bool, device=row.device)]


def _shared_out(
    samples: Sequence[Sample], parts: Sequence[Tensor]
) -> Iterator[tuple[Sample, list[Any]]]:
    """Yield each sample with its share of the parts in a row, a value a sampled token."""
    if not parts:
        return
    values = _rounded(torch.cat(list(parts)))
    first = 0
    for sample in samples:
        last = first + sum(sample.mask[1:])
        yield sample, values[first:last]
        first = last


def _rounded(values: Tensor) -> list[Any]:
    """Return numbers as they are written; None for one that is not finite, which JSON has not."""
    if not values.is_floating_point():
        return values.tolist()
    rounded = values.double().cpu().round(decimals=_DIGITS)
    numbers: list[Any] = rounded.tolist()
    if rounded.isfinite().all():
        return numbers
    return [each if math.isfinite(each) else None for each in numbers]


def learned_rows(
    places: Sequence[Mapping[str, int]],
    groups: Sequence[Group],
    weighed: Weighed,
    trace: Trace,
) -> Iterator[dict[str, Any]]:
    """Yield the lines of a step.

    Args:
        places: ``step``, and perhaps ``launch``, of each group.
        groups: As they were sampled: stale episodes have their rewards.
        weighed: What credit made of them.
        trace: What the learner saw.
    """
    seen = trace.seen()
    rows = zip(places, groups, weighed.worths, weighed.dropped, strict=True)
    for place, group, worths, dropped in rows:
        for episode, worth, reason in zip(group.episodes, worths, dropped, strict=True):
            stale = reason == "unscored" and episode.reward is not None
            for number, sample in enumerate(episode.samples):
                yield {
                    **place,
                    "task_id": episode.task_id,
                    "index": episode.index,
                    "sample": number,
                    "dropped": "stale" if stale else reason,
                    "advantage": None if worth is None else round(worth, _DIGITS),
                    "logprobs": None,
                    "kept": None,
                    **({} if reason else seen.get(id(sample), {})),
                }


@dataclass(frozen=True, slots=True)
class LearnedLog:
    """The file ``learned.jsonl``, appended to a step at a time.

    Its size goes into a checkpoint; on resume `rewind` drops what was written after it.

    Args:
        path: The file; made with the first step.
    """

    path: Path

    def append(self, rows: Iterator[dict[str, Any]]) -> None:
        """Write the lines of a step, all at once.

        Raises:
            OSError: If the file cannot be written.
        """
        lines = "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows)
        with self.path.open("ab") as file:
            file.write(lines.encode("ascii"))

    def position(self) -> int:
        """Return the size in bytes; 0 where there is no file."""
        return self.path.stat().st_size if self.path.exists() else 0

    def sync(self) -> None:
        """Force what was written to the disk."""
        if self.path.exists():
            with self.path.open("rb") as file:
                os.fsync(file.fileno())

    def rewind(self, size: int) -> None:
        """Forget what came after a checkpoint.

        Nothing of a run depends on this file: one that someone has cut or removed meanwhile goes
        on from what there is.
        """
        if self.position() > size:
            os.truncate(self.path, size)
