"""The statistics of an evaluation, on the standard library alone.

Rollouts of one task resemble each other, so the task is the unit: intervals are Student's t over
task means. Counting every rollout as independent gives intervals that are far too narrow.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean, stdev

__all__ = [
    "Interval",
    "Paired",
    "mean_interval",
    "paired",
    "pass_at_k",
    "t_cdf",
    "t_quantile",
    "wilson",
]


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and its confidence interval; unbounded where one value says nothing of the spread."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Paired:
    """A difference paired by task: after minus before.

    Attributes:
        mean: Mean over tasks of the differences of their means.
        low: Lower end of the confidence interval.
        high: Upper end of the confidence interval.
        p: Two-sided p-value of a zero difference.
        tasks: How many tasks both sides have.
    """

    mean: float
    low: float
    high: float
    p: float
    tasks: int


def t_cdf(t: float, df: float) -> float:
    """Return the probability that Student's t with ``df`` degrees of freedom is at most ``t``.

    Source: Abramowitz and Stegun, 26.7.1 (by the regularised incomplete beta function).
    """
    if df <= 0:
        raise ValueError(f"degrees of freedom must be positive, got {df}")
    if math.isinf(t):
        return 1.0 if t > 0 else 0.0
    square = t * t
    if square < df:  # each side where its argument keeps its digits
        half = 0.5 * _incomplete_beta(0.5, df / 2, square / (df + square))
        return 0.5 + half if t > 0 else 0.5 - half
    tail = 0.5 * _incomplete_beta(df / 2, 0.5, df / (df + square))
    return 1.0 - tail if t > 0 else tail


def t_quantile(p: float, df: float) -> float:
    """Return the ``t`` with ``t_cdf(t, df) == p``, by bisection.

    Raises:
        ValueError: If ``p`` is not strictly between 0 and 1.
    """
    if not 0.0 < p < 1.0:
        raise ValueError(f"a quantile needs a probability between 0 and 1, got {p}")
    if p < 0.5:
        return -t_quantile(1.0 - p, df)
    low, high = 0.0, 1.0
    while t_cdf(high, df) < p:
        low, high = high, high * 2
    for _ in range(200):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if t_cdf(middle, df) < p else (low, middle)
    return (low + high) / 2


def _incomplete_beta(a: float, b: float, x: float) -> float:
    """Return the regularised incomplete beta function I_x(a, b)."""
    if x <= 0.0 or x >= 1.0:
        return 0.0 if x <= 0.0 else 1.0
    if x > (a + 1) / (a + b + 2):  # the fraction converges fast only on the other side
        return 1.0 - _incomplete_beta(b, a, 1.0 - x)
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    log_front += a * math.log(x) + b * math.log1p(-x)
    return math.exp(log_front) * _beta_fraction(a, b, x) / a


def _beta_fraction(a: float, b: float, x: float) -> float:
    """Evaluate the continued fraction of I_x(a, b) by Lentz's method.

    Source: Abramowitz and Stegun, 26.5.8.
    """
    tiny = 1e-300
    c, d = 1.0, 1.0 / _away_from_zero(1.0 - (a + b) * x / (a + 1.0), tiny)
    value = d
    for m in range(1, 10_000):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1.0 / _away_from_zero(1.0 + term * d, tiny)
            c = _away_from_zero(1.0 + term / c, tiny)
            step = c * d
            value *= step
        if abs(step - 1.0) < 1e-15:
            return value
    raise ArithmeticError(f"the incomplete beta function of {a}, {b}, {x} does not converge")


def _away_from_zero(value: float, tiny: float) -> float:
    return value if abs(value) > tiny else tiny


def mean_interval(task_means: Sequence[float], confidence: float = 0.95) -> Interval:
    """Return the mean over tasks with a t interval, N - 1 degrees of freedom.

    Args:
        task_means: One number a task: the mean of its scored rollouts.
        confidence: Coverage of the interval.

    Returns:
        The interval; from minus to plus infinity for a single task. It is not cut to [0, 1], and
        it has no width where all tasks agree: then it says nothing of tasks that were not seen.

    Raises:
        ValueError: If there is no task.
    """
    if not task_means:
        raise ValueError("an interval needs at least one task")
    mean = fmean(task_means)
    if len(task_means) == 1:
        return Interval(mean, -math.inf, math.inf)
    half = _half_width(task_means, confidence)
    return Interval(mean, mean - half, mean + half)


def _half_width(values: Sequence[float], confidence: float) -> float:
    error = stdev(values) / math.sqrt(len(values))
    return t_quantile(0.5 + confidence / 2, len(values) - 1) * error


def wilson(successes: int, n: int, confidence: float = 0.95) -> Interval:
    """Return a proportion of independent trials with Wilson's score interval.

    Raises:
        ValueError: If there is no trial, or more successes than trials.

    Source: Wilson 1927, "Probable Inference, the Law of Succession, and Statistical Inference".
    """
    if n <= 0 or not 0 <= successes <= n:
        raise ValueError(f"a proportion needs 0 <= successes <= n and n > 0, got {successes}/{n}")
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    p, scale = successes / n, 1 + z * z / n
    centre = (p + z * z / (2 * n)) / scale
    half = z / scale * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return Interval(p, max(0.0, centre - half), min(1.0, centre + half))


def pass_at_k(n: int, c: int, k: int) -> float:
    """Return the unbiased chance that at least one of k rollouts succeeds.

    Args:
        n: Rollouts of one task.
        c: Those that succeeded.
        k: How many tries; at most ``n``.

    Raises:
        ValueError: If not ``0 <= c <= n`` and ``1 <= k <= n``.

    Source: Chen et al. 2021, "Evaluating Large Language Models Trained on Code", eq. 1.
    """
    if not (0 <= c <= n and 1 <= k <= n):
        raise ValueError(f"pass@k needs 0 <= c <= n and 1 <= k <= n, got n={n}, c={c}, k={k}")
    return 1.0 - math.comb(n - c, k) / math.comb(n, k)


def paired(
    before: Mapping[str, Sequence[float]],
    after: Mapping[str, Sequence[float]],
    confidence: float = 0.95,
) -> Paired:
    """Compare two evaluations of the same tasks, task by task.

    Args:
        before: Task id to the scores of its rollouts.
        after: The same, of the other policy; tasks that only one side has are left out.
        confidence: Coverage of the interval.

    Raises:
        ValueError: If the two have no scored task in common.
    """
    shared = [task for task in before if before[task] and after.get(task)]
    if not shared:
        raise ValueError("a paired comparison needs at least one task that both sides scored")
    gains = [fmean(after[task]) - fmean(before[task]) for task in shared]
    interval = mean_interval(gains, confidence)
    return Paired(interval.mean, interval.low, interval.high, _p_value(gains), len(gains))


def _p_value(gains: Sequence[float]) -> float:
    if len(gains) == 1:
        return 1.0
    error = stdev(gains) / math.sqrt(len(gains))
    mean = fmean(gains)
    if error == 0.0:
        return 1.0 if mean == 0.0 else 0.0
    return min(1.0, 2 * t_cdf(-abs(mean / error), len(gains) - 1))
