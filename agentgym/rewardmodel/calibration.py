"""How good a model of preferences is on pairs it has not seen: accuracy and calibration.

``P = sigmoid(difference of the two rewards)`` is the model's own probability that the first answer
is preferred. Calibration asks whether of the pairs with P = 0.8 four in five are so. It is told of
the answer that the model prefers, so P is in [0.5, 1]; the table of the other one is its mirror
image. Recalibration by a fitted temperature is left out.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from agentgym.evaluate.statistics import Interval, score_interval, wilson

__all__ = ["Calibration", "ReliabilityRow", "accuracy", "calibration", "probability"]


@dataclass(frozen=True, slots=True)
class ReliabilityRow:
    """Pairs whose probability fell into one bin.

    Attributes:
        low: Lower end of the bin.
        high: Upper end; it belongs to the bin only if it is 1.
        pairs: How many.
        predicted: Mean probability; None where there is no pair, as the next.
        observed: Share of pairs in which the preferred answer was the chosen one.
        ci95: Wilson's interval of that share.
    """

    low: float
    high: float
    pairs: int
    predicted: float | None = None
    observed: float | None = None
    ci95: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Calibration:
    """Attributes: the expected calibration error, the mean log loss in nats, and the table."""

    error: float
    log_loss: float
    table: tuple[ReliabilityRow, ...]


def probability(margin: float) -> float:
    """Return sigmoid(margin), without overflow."""
    if margin >= 0:
        return 1.0 / (1.0 + math.exp(-margin))
    return math.exp(margin) / (1.0 + math.exp(margin))


def accuracy(margins: Sequence[float], groups: Sequence[str]) -> Interval:
    """Return the share of pairs in the right order, with its 95% interval.

    Args:
        margins: Reward of the chosen answer less that of the rejected one; 0 is wrong.
        groups: What names the prompt of each. Pairs of one prompt resemble each other: prompts
            count alike, and the interval is Wilson's for as many trials as their spread is worth
            (`agentgym.evaluate.statistics.score_interval`); with one pair a prompt, over pairs.

    Raises:
        ValueError: If there is no pair.
    """
    right: dict[str, list[float]] = defaultdict(list)
    for margin, group in zip(margins, groups, strict=True):
        right[group].append(float(margin > 0))
    if len(right) == len(margins):
        return wilson(sum(margin > 0 for margin in margins), len(margins))
    interval = score_interval(right)
    return Interval(interval.mean, max(0.0, interval.low), min(1.0, interval.high))


def calibration(margins: Sequence[float], bins: int = 10) -> Calibration:
    """Compare the model's probabilities with what was observed.

    Args:
        margins: Reward of the chosen answer less that of the rejected one. At 0 the model prefers
            neither, which counts as half observed.
        bins: Of equal width, between 0.5 and 1.

    Returns:
        The expected calibration error is the mean over pairs of ``|observed - predicted|`` of
        their bins. It is biased upwards where bins hold few pairs.

    Raises:
        ValueError: If there is no pair.

    Source: Guo et al. 2017, "On Calibration of Modern Neural Networks", eq. 3.
    """
    if not margins:
        raise ValueError("a calibration needs at least one pair")
    rows: list[list[tuple[float, float]]] = [[] for _ in range(bins)]
    for margin in margins:
        p = probability(abs(margin))
        hit = 0.5 if margin == 0 else float(margin > 0)
        rows[min(bins - 1, int((p - 0.5) * 2 * bins))].append((p, hit))
    table = tuple(_row(index, bins, row) for index, row in enumerate(rows))
    gaps = (
        row.pairs * abs(row.observed - row.predicted)
        for row in table
        if row.observed is not None and row.predicted is not None
    )
    loss = fmean(_softplus(-margin) for margin in margins)
    return Calibration(sum(gaps) / len(margins), loss, table)


def _row(index: int, bins: int, pairs: Sequence[tuple[float, float]]) -> ReliabilityRow:
    low, high = 0.5 + index / (2 * bins), 0.5 + (index + 1) / (2 * bins)
    if not pairs:
        return ReliabilityRow(low, high, 0)
    observed = fmean(hit for _, hit in pairs)
    interval = wilson(round(observed * len(pairs)), len(pairs))
    predicted = fmean(p for p, _ in pairs)
    return ReliabilityRow(low, high, len(pairs), predicted, observed, (interval.low, interval.high))


def _softplus(value: float) -> float:
    return max(value, 0.0) + math.log1p(math.exp(-abs(value)))
