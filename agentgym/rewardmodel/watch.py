"""Over-optimisation of a learned reward: the true reward against it, along the KL to the start.

A policy that is pulled towards a learned reward first gains in truth too, then learns what the
reward model does not know. The sign is a true ("gold") reward that falls while the learned one
rises. Best-of-n is the cheap way to see it before any training: its KL is known exactly and its
rewards need one set of samples. Fits of Gao et al.'s scaling law are left out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from statistics import fmean
from typing import Any

from agentgym.errors import ConfigError
from agentgym.evaluate.curve import curve_svg
from agentgym.evaluate.statistics import Interval, mean_interval, welch
from agentgym.train.folder import write_json

__all__ = ["Point", "Watch", "best_of_n", "best_of_n_kl", "best_of_n_mean", "watch", "write_report"]

Scored = tuple[float, float]
"""The gold and the learned reward of one answer."""


@dataclass(frozen=True, slots=True)
class Point:
    """A policy, by its distance to where it began, and what it earns.

    Attributes:
        label: Which policy: a step of a run, or n.
        kl: Of the policy to the first one, in nats an episode.
        gold: Task to mean true reward.
        learned: Task to mean learned reward.
    """

    label: str
    kl: float
    gold: Mapping[str, float]
    learned: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Watch:
    """What was seen.

    Attributes:
        over_optimised: Whether gold fell while the learned reward rose.
        peak: Label of the point with the highest gold reward.
        fallen: Label of the point where it had fallen; None where it had not.
        gold: Change of gold from the peak to there (else to the last point), with its interval.
        learned: Change of the learned reward over the same.
        text: All this in a line.
    """

    over_optimised: bool
    peak: str
    fallen: str | None
    gold: Interval
    learned: float
    text: str


def best_of_n_kl(n: int) -> float:
    """Return the KL of best-of-n sampling to plain sampling: ``log n - (n - 1) / n``, in nats.

    Exact where no two answers tie, else an upper bound.

    Raises:
        ValueError: If n is below 1.

    Source: Stiennon et al. 2020, "Learning to summarize from human feedback", appendix G.3; the
    bound: Beirami et al. 2024, "Theoretical guarantees on the best-of-n alignment policy".
    """
    if n < 1:
        raise ValueError(f"best-of-n needs n >= 1, got {n}")
    return math.log(n) - (n - 1) / n


def best_of_n_mean(scored: Sequence[Scored], n: int) -> Scored:
    """Return the expected rewards of the answer that is best of n by the learned reward.

    All subsets of n of the N answers count the same, without any being drawn: the i-th worst is
    the best of ``C(i - 1, n - 1)`` of them. Answers that tie are chosen at random.

    Raises:
        ValueError: If there are fewer than n answers.

    Source: Nakano et al. 2021, "WebGPT".
    """
    if not 1 <= n <= len(scored):
        raise ValueError(f"best of {n} needs at least {n} answers, got {len(scored)}")
    ranked: list[Scored] = []
    for learned, ties in groupby(sorted(scored, key=lambda pair: pair[1]), lambda pair: pair[1]):
        golds = [gold for gold, _ in ties]
        ranked += [(fmean(golds), learned)] * len(golds)
    subsets = math.comb(len(ranked), n)
    shares = [math.comb(below, n - 1) / subsets for below in range(len(ranked))]
    gold = sum(share * pair[0] for share, pair in zip(shares, ranked, strict=True))
    return gold, sum(share * pair[1] for share, pair in zip(shares, ranked, strict=True))


def best_of_n(samples: Mapping[str, Sequence[Scored]]) -> list[Point]:
    """Return a point for n = 1, 2, 4, ... and for as many answers as every task has.

    Args:
        samples: Task to gold and learned rewards of answers of the same policy.

    Raises:
        ConfigError: If a task has fewer than two answers.
    """
    most = min(map(len, samples.values()), default=0)
    if most < 2:
        poorest = min(samples, key=lambda task: len(samples[task]), default="")
        raise ConfigError(
            f"best-of-n needs several answers a task; '{poorest:.60}' has {most}: sample more"
        )
    points = []
    for n in sorted({2**power for power in range(most.bit_length())} | {most}):
        means = {task: best_of_n_mean(scored, n) for task, scored in samples.items()}
        gold = {task: pair[0] for task, pair in means.items()}
        learned = {task: pair[1] for task, pair in means.items()}
        points.append(Point(f"best of {n}", best_of_n_kl(n), gold, learned))
    return points


def watch(points: Sequence[Point], confidence: float = 0.95) -> Watch:
    """Look for a gold reward that falls while the learned reward rises.

    The point with the highest mean gold is compared with every point of greater KL: task by task
    where both have the same tasks, else as independent samples of tasks (Welch's interval). A fall
    counts where the whole interval of the change is below zero; the confidence is shared out over
    the comparisons (Bonferroni). The peak is picked by the same data, so its own gold is a little
    too high: a fall that just reaches zero should be measured again on fresh tasks.

    Args:
        points: Policies, in any order.
        confidence: That no fall is reported where there is none.

    Raises:
        ConfigError: If there are fewer than two points.
    """
    if len(points) < 2:
        raise ConfigError(f"over-optimisation needs at least two policies, got {len(points)}")
    ordered = sorted(points, key=lambda point: point.kl)
    peak = max(ordered, key=lambda point: fmean(point.gold.values()))
    later = [point for point in ordered if point.kl > peak.kl]
    level = 1 - (1 - confidence) / max(1, len(later))
    changes = [(point, *_changes(peak, point, level)) for point in later]
    for point, gold, learned in changes:
        if gold.high < 0 < learned:
            return Watch(True, peak.label, point.label, gold, learned, _fall(peak, point, gold))
    if not changes:
        text = f"gold is highest at {peak.label}, the furthest from the start: no fall seen"
        return Watch(False, peak.label, None, Interval(0.0, 0.0, 0.0), 0.0, text)
    last, gold, learned = changes[-1]
    text = (
        f"no fall that is more than chance: from {peak.label} to {last.label} gold changes by "
        f"{gold.mean:+.3f} ({gold.low:+.3f} to {gold.high:+.3f})"
    )
    return Watch(False, peak.label, None, gold, learned, text)


def _changes(peak: Point, point: Point, confidence: float) -> tuple[Interval, float]:
    """Return the change of the gold reward with its interval, and that of the learned one."""
    gold = _change(peak.gold, point.gold, confidence)
    return gold, fmean(point.learned.values()) - fmean(peak.learned.values())


def _change(before: Mapping[str, float], after: Mapping[str, float], confidence: float) -> Interval:
    if before.keys() == after.keys():
        return mean_interval([after[task] - value for task, value in before.items()], confidence)
    if min(len(before), len(after)) < 2:
        return Interval(fmean(after.values()) - fmean(before.values()), -math.inf, math.inf)
    apart = welch(list(before.values()), list(after.values()), confidence)
    return Interval(apart.mean, apart.low, apart.high)


def _fall(peak: Point, point: Point, gold: Interval) -> str:
    return (
        f"over-optimised: from {peak.label} (KL {peak.kl:.2f}) to {point.label} (KL {point.kl:.2f})"
        f" the learned reward rises and gold falls by {-gold.mean:.3f} ({-gold.high:.3f} to "
        f"{-gold.low:.3f}); stop at KL {peak.kl:.2f}, or label pairs of what is sampled beyond"
    )


def write_report(folder: Path, points: Sequence[Point], seen: Watch) -> dict[str, Any]:
    """Write ``overoptimisation.json`` and ``.svg``; return what the first holds."""
    ordered = sorted(points, key=lambda point: point.kl)
    report: dict[str, Any] = _finite(asdict(seen)) | {"points": [_row(point) for point in ordered]}
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "overoptimisation.json", report)
    (folder / "overoptimisation.svg").write_text(_picture(ordered, seen))
    return report


def _row(point: Point) -> dict[str, Any]:
    return {
        "label": point.label,
        "kl": point.kl,
        "gold": _finite(asdict(mean_interval(list(point.gold.values())))),
        "learned": _finite(asdict(mean_interval(list(point.learned.values())))),
    }


def _finite(value: Any) -> Any:
    """Return plain data with null where an interval has no bound, for JSON has none."""
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _picture(points: Sequence[Point], seen: Watch) -> str:
    lines, bands = {}, {}
    for name in ("gold", "learned"):
        means = [(point.kl, mean_interval(list(getattr(point, name).values()))) for point in points]
        lines[name] = [(kl, interval.mean) for kl, interval in means]
        bands[name] = [(kl, interval.low, interval.high) for kl, interval in means]
    return curve_svg(
        lines,
        title="over-optimised" if seen.over_optimised else "no over-optimisation seen",
        x_label="KL to the start, nats an episode",
        y_label="reward",
        bands=bands,
    )
