"""An episode's samples token by token, beside what the learner computed of them, small enough.

Log-probabilities are kept to a thousandth of a nat, and the learner's difference from them to a
ten-thousandth, so that a ratio keeps four digits. What the environment said is shared by siblings,
so it stands once in a chunk.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import Any

from agentgym.types import Sample

__all__ = ["LearnedRow", "mean_advantage", "sample_view"]

LearnedRow = Mapping[str, Any]
"""A row of ``learned.jsonl``."""

_FINE = 10_000
_FURTHEST = 20.0  # nats; beyond it a digit more says nothing


def sample_view(
    sample: Sample, learned: LearnedRow | None, shared: Callable[[tuple[int, ...]], int]
) -> dict[str, Any]:
    """Return one sample for the page.

    Args:
        sample: Token-exact, as it was sampled.
        learned: What the gradient saw of it, where that is on record.
        shared: Gives a run of ids that the environment said its number in the chunk.

    Returns:
        ``runs``: by turns what the environment said (a number) and what was sampled (ids,
        log-probabilities); then what the learner says, token by token over all that was sampled.
    """
    runs: list[Any] = []
    for sampled, places in groupby(range(len(sample.ids)), key=lambda i: sample.mask[i] == 1):
        ids = list(places)
        tokens = tuple(sample.ids[i] for i in ids)
        if sampled:
            runs.append([tokens, [_thousandths(sample.logprobs[i]) for i in ids]])
        else:
            runs.append(shared(tokens))
    view = {"agent": sample.agent, "version": sample.version, "runs": runs}
    versions = [v for v, sampled in zip(sample.versions, sample.mask, strict=False) if sampled]
    if len(set(versions)) > 1:
        view["versions"] = versions
    return view | (_learner(sample, learned) if learned is not None else {})


def _learner(sample: Sample, learned: LearnedRow) -> dict[str, Any]:
    behaviour = [p for p, sampled in zip(sample.logprobs, sample.mask, strict=True) if sampled]
    view: dict[str, Any] = {"dropped": str(learned.get("dropped") or "")}
    advantage = learned.get("advantage")
    view["advantage"] = (
        [_rounded(value) for value in advantage]
        if isinstance(advantage, list) and len(set(advantage)) > 1
        else mean_advantage(learned)
    )
    logprobs = learned.get("logprobs")
    if logprobs and len(logprobs) == len(behaviour):
        view["gaps"] = [_gap(new, old) for new, old in zip(logprobs, behaviour, strict=True)]
    kept = learned.get("kept")
    if kept and len(kept) == len(behaviour):
        view["kept"] = [int(bool(each)) for each in kept]
    return view


def mean_advantage(learned: LearnedRow) -> float | None:
    """Return the mean advantage over the sampled tokens, None where there is none."""
    value = learned.get("advantage")
    values: Sequence[float | None] = value if isinstance(value, list) else [value]
    finite = [each for each in values if each is not None and math.isfinite(each)]
    return _rounded(sum(finite) / len(finite)) if finite else None


def _rounded(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(f"{value:.4g}")


def _thousandths(logprob: float) -> int:
    """Return a log-probability in thousandths, its sign left out."""
    return round(1000 * min(-logprob, _FURTHEST)) if not math.isnan(logprob) else 0


def _gap(new: float | None, old: float) -> int | None:
    if new is None or not math.isfinite(new - old):
        return None
    return round(_FINE * max(-_FURTHEST, min(new - old, _FURTHEST)))
