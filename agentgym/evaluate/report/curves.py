"""The figures of trainings step by step, as the page draws them: runs share a chart."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from agentgym.evaluate.saved import SavedRun
from agentgym.evaluate.statistics import ends, score_interval

__all__ = ["charts"]

_MOST_POINTS = 400  # of one line; longer ones are thinned, first and last kept

# Key in metrics.jsonl, title, unit or what it means. Charts in which nothing happens are left out.
_FIGURES = (
    ("entropy", "Entropy", "nats a token"),
    ("no_signal", "Groups without signal", "share"),
    ("grad_norm", "Gradient norm", "before clipping"),
    ("gap_max", "Learner against sampler", "largest difference, nats"),
    ("mismatch_max", "Mismatch ratio", "largest"),
    ("ratio_max", "Policy ratio", "largest"),
    ("clip_fraction", "Clipped tokens", "share"),
    ("step_kl", "KL of a step", "nats a token"),
    ("reference_kl", "KL to the first model", "nats a token"),
    ("turns", "Turns", "an episode"),
    ("unscored", "Unscored episodes", "a step"),
    ("stale", "Stale episodes", "a step"),
    ("value_loss", "Loss of the critic", ""),
    ("lr", "Learning rate", ""),
    ("tokens", "Sampled tokens", "learned from, a step"),
)


def charts(runs: Sequence[SavedRun]) -> list[dict[str, Any]]:
    """Return charts of all trainings among the runs.

    Returns:
        Each with ``title``, ``unit`` and ``lines``: the run's number, points (step, value), and
        on the first chart ``marks``: evaluations (step, mean, low, high).
    """
    metrics = {number: run.metrics() for number, run in enumerate(runs) if run.kind == "train"}
    if not any(metrics.values()):
        return []
    main = _chart("Reward", "as sampled; evaluations with 95% intervals", "reward", metrics)
    main["marks"] = [{"run": number, "points": _marks(runs[number])} for number in metrics]
    rest = [_chart(title, unit, key, metrics) for key, title, unit in _FIGURES]
    return [main, *(chart for chart in rest if _moves(chart))]


def _chart(
    title: str, unit: str, key: str, metrics: Mapping[int, Sequence[Mapping[str, Any]]]
) -> dict[str, Any]:
    lines = []
    for number, rows in metrics.items():
        points = [[row["step"], float(f"{row[key]:.5g}")] for row in rows if _is_finite(row, key)]
        if points:
            lines.append({"run": number, "points": _thinned(points)})
    return {"title": title, "unit": unit, "lines": lines}


def _is_finite(row: Mapping[str, Any], key: str) -> bool:
    value = row.get(key)
    return isinstance(value, int | float) and math.isfinite(value)


def _thinned(points: list[list[float]]) -> list[list[float]]:
    stride = -(-len(points) // _MOST_POINTS)
    return points[::stride] if stride == 1 else [*points[:-1:stride], points[-1]]


def _moves(chart: Mapping[str, Any]) -> bool:
    return any(len({value for _, value in line["points"]}) > 1 for line in chart["lines"])


def _marks(run: SavedRun) -> list[list[float | None]]:
    marks = []
    for row in run.evaluations():
        if not row.get("rewards"):
            continue
        found = score_interval(row["rewards"])
        marks.append([row["step"], found.mean, *ends(found)])
    return marks
