"""The statistics of an evaluation, on the standard library alone.

Rollouts of one task resemble each other, so the task is the unit: intervals are over task means.
Counting every rollout as independent gives intervals that are far too narrow. Every formula that a
report shows is here, or is exported here.

Sources: Miller 2024, "Adding Error Bars to Evals", arXiv 2411.00640 (tasks as clusters, pairing,
power); Bowyer et al. 2025, "Don't Use the CLT in LLM Evals With Fewer Than a Few Hundred
Datapoints", arXiv 2503.01747 (Wilson's interval where results are few or all but equal).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean, stdev

from agentgym.evaluate.significance import holm, minimum_detectable, sign_flip
from agentgym.evaluate.student import t_cdf, t_quantile

__all__ = [
    "SOLVED",
    "Interval",
    "Paired",
    "bounds",
    "differences",
    "ends",
    "holm",
    "mean_interval",
    "minimum_detectable",
    "paired",
    "pass_at_k",
    "pass_hat_k",
    "pass_interval",
    "score_interval",
    "sign_flip",
    "spread",
    "t_cdf",
    "t_quantile",
    "welch",
    "wilson",
]

SOLVED = 1.0  # the reward from which on a rollout counts as a success

Scores = Mapping[str, Sequence[float]]
"""Task to the scores of its scored rollouts; a task may have none."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and its confidence interval; unbounded where nothing is known of the spread."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Paired:
    """A difference of two means: after minus before.

    Attributes:
        mean: The difference; where tasks are paired, the mean of their differences.
        low: Lower end of the confidence interval.
        high: Upper end of the confidence interval.
        p: Two-sided p-value of a zero difference.
        tasks: How many tasks it is of.
    """

    mean: float
    low: float
    high: float
    p: float
    tasks: int


def ends(found: Interval | Paired) -> list[float | None]:
    """Return both ends, None for one that is infinite: JSON has no infinity."""
    return [end if math.isfinite(end) else None for end in (found.low, found.high)]


def bounds(found: Interval | Paired) -> list[float] | None:
    """Return both ends, None where one of them is infinite."""
    return [found.low, found.high] if math.isfinite(found.high - found.low) else None


def spread(values: Sequence[float]) -> float:
    """Return the sample standard deviation; exactly 0 where values differ by rounding alone."""
    largest = max(map(abs, values), default=0.0)
    if len(values) < 2 or max(values) - min(values) <= 1e-12 * largest:
        return 0.0
    return stdev(values)


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
    error = spread(task_means) / math.sqrt(len(task_means))
    half = t_quantile(0.5 + confidence / 2, len(task_means) - 1) * error
    return Interval(mean, mean - half, mean + half)


def score_interval(scores: Scores, confidence: float = 0.95) -> Interval:
    """Return the mean score over tasks with the interval that suits the scores.

    Args:
        scores: Tasks without a scored rollout are left out.
        confidence: Coverage of the interval.

    Returns:
        - Of one task: from minus to plus infinity, as its rollouts say nothing of other tasks.
        - Where every score is 0 or 1: Wilson's. With one rollout a task, tasks are the trials;
          with several, the number of trials is what the spread of the task means is worth (see
          `_proportion`). It never leaves [0, 1], and has a width where all tasks agree.
        - Else: Student's t over task means. Where all means agree it would have no width: then
          Wilson's with a trial a task if all scores lie in [0, 1] (nothing there varies more than
          a proportion of the same mean does), and no bounds at all if they do not.

    Raises:
        ValueError: If there is no score.
    """
    results = [rollouts for rollouts in scores.values() if rollouts]
    means = [fmean(rollouts) for rollouts in results]
    if len(means) < 2:
        return mean_interval(means, confidence)
    values = {score for rollouts in results for score in rollouts}
    if values <= {0.0, 1.0}:
        return _proportion(means, [len(rollouts) for rollouts in results], confidence)
    if spread(means) > 0.0:
        return mean_interval(means, confidence)
    if min(values) >= 0.0 and max(values) <= 1.0:
        return _proportion(means, [1] * len(means), confidence)
    return Interval(fmean(means), -math.inf, math.inf)


def _proportion(means: Sequence[float], trials: Sequence[float], confidence: float) -> Interval:
    """Return Wilson's interval of a proportion whose trials come in clusters.

    Args:
        means: The proportion in each task, two or more.
        trials: How many trials each task counts for at most.
        confidence: Coverage of the interval.

    With one trial a task this is Wilson's interval. Else the effective number of trials is
    ``p (1 - p) / (s^2 / N)``, s being the standard deviation of the task means, at most as many as
    independent trials would be, and N where all tasks agree; and as s is estimated, the normal
    quantile gives way to that of t with N - 1 degrees of freedom.

    Source: Franco et al. 2019, "Comparative Study of Confidence Intervals for Proportions in
    Complex Sample Surveys", J. Survey Statistics and Methodology 7(3).
    """
    tasks, mean = len(means), fmean(means)
    if max(trials) <= 1:
        return _wilson(mean, tasks, NormalDist().inv_cdf(0.5 + confidence / 2))
    square = spread(means) ** 2 / tasks
    most = tasks**2 / sum(1 / count for count in trials)
    effective = min(most, mean * (1 - mean) / square) if square > 0 else tasks
    return _wilson(mean, effective, t_quantile(0.5 + confidence / 2, tasks - 1))


def wilson(successes: int, n: int, confidence: float = 0.95) -> Interval:
    """Return a proportion of independent trials with Wilson's score interval.

    Raises:
        ValueError: If there is no trial, or more successes than trials.

    Source: Wilson 1927, "Probable Inference, the Law of Succession, and Statistical Inference".
    """
    if n <= 0 or not 0 <= successes <= n:
        raise ValueError(f"a proportion needs 0 <= successes <= n and n > 0, got {successes}/{n}")
    return _wilson(successes / n, n, NormalDist().inv_cdf(0.5 + confidence / 2))


def _wilson(p: float, n: float, quantile: float) -> Interval:
    square = quantile * quantile
    scale = 1 + square / n
    centre = (p + square / (2 * n)) / scale
    half = quantile / scale * math.sqrt(p * (1 - p) / n + square / (4 * n * n))
    return Interval(p, max(0.0, min(p, centre - half)), min(1.0, max(p, centre + half)))


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
    _check_tries("pass@k", n, c, k)
    return (math.comb(n, k) - math.comb(n - c, k)) / math.comb(n, k)


def pass_hat_k(n: int, c: int, k: int) -> float:
    """Return the unbiased chance that all of k rollouts succeed, written pass^k.

    Args:
        n: Rollouts of one task.
        c: Those that succeeded.
        k: How many tries; at most ``n``.

    Raises:
        ValueError: If not ``0 <= c <= n`` and ``1 <= k <= n``.

    Source: Yao et al. 2024, "tau-bench: A Benchmark for Tool-Agent-User Interaction in Real-World
    Domains".
    """
    _check_tries("pass^k", n, c, k)
    return math.comb(c, k) / math.comb(n, k)


def _check_tries(name: str, n: int, c: int, k: int) -> None:
    if not (0 <= c <= n and 1 <= k <= n):
        raise ValueError(f"{name} needs 0 <= c <= n and 1 <= k <= n, got n={n}, c={c}, k={k}")


def pass_interval(
    scores: Scores,
    k: int,
    estimate: Callable[[int, int, int], float] = pass_at_k,
    *,
    solved: float = SOLVED,
    confidence: float = 0.95,
) -> Interval | None:
    """Return the mean over tasks of pass@k or pass^k with its interval.

    Args:
        scores: Only tasks with k scored rollouts or more count.
        k: How many tries.
        estimate: `pass_at_k` or `pass_hat_k`.
        solved: The score from which on a rollout is a success.
        confidence: Coverage of the interval.

    Returns:
        The interval, Wilson's as in `score_interval` (n rollouts count for at most n / k trials);
        from minus to plus infinity for one task; None where no task has k scored rollouts.
    """
    full = [rollouts for rollouts in scores.values() if len(rollouts) >= k]
    solutions = [sum(score >= solved for score in rollouts) for rollouts in full]
    values = [estimate(len(row), c, k) for row, c in zip(full, solutions, strict=True)]
    if len(values) < 2:
        return mean_interval(values, confidence) if values else None
    return _proportion(values, [len(rollouts) / k for rollouts in full], confidence)


def differences(before: Scores, after: Scores) -> dict[str, float]:
    """Return each task's mean after, less its mean before, of the tasks that both sides scored."""
    shared = (task for task in before if before[task] and after.get(task))
    return {task: _less(fmean(after[task]), fmean(before[task])) for task in shared}


def _less(after: float, before: float) -> float:
    """Return the difference; exactly 0 where it is one of rounding."""
    return 0.0 if math.isclose(after, before, rel_tol=1e-12) else after - before


def paired(before: Scores, after: Scores, confidence: float = 0.95) -> Paired:
    """Compare two evaluations of the same tasks, task by task.

    Args:
        before: Task id to the scores of its rollouts.
        after: The same, of the other policy; tasks that only one side has are left out.
        confidence: Coverage of the interval.

    Returns:
        The difference with the t interval and p-value of N - 1 degrees of freedom. Where every
        task differs by the same, they have no width and are 0: see `sign_flip` then.

    Raises:
        ValueError: If the two have no scored task in common.
    """
    gains = list(differences(before, after).values())
    if not gains:
        raise ValueError("a paired comparison needs at least one task that both sides scored")
    interval = mean_interval(gains, confidence)
    error = spread(gains) / math.sqrt(len(gains))
    p = 1.0 if len(gains) == 1 else _p_value(interval.mean, error, len(gains) - 1)
    return Paired(interval.mean, interval.low, interval.high, p, len(gains))


def welch(before: Sequence[float], after: Sequence[float], confidence: float = 0.95) -> Paired:
    """Compare the means of two sets of tasks that are not the same: after minus before.

    Raises:
        ValueError: If one side has fewer than two tasks.

    Source: Welch 1947, "The Generalization of 'Student's' Problem When Several Different
    Population Variances Are Involved".
    """
    if min(len(before), len(after)) < 2:
        raise ValueError(f"Welch's test needs two values a side, got {len(before)}, {len(after)}")
    mean = fmean(after) - fmean(before)
    parts = [(spread(values) ** 2 / len(values), len(values) - 1) for values in (before, after)]
    square = sum(part for part, _ in parts)
    tasks = len(before) + len(after)
    if square == 0.0:
        return Paired(mean, mean, mean, _p_value(mean, 0.0, 1), tasks)
    df = square**2 / sum(part**2 / count for part, count in parts)
    half = t_quantile(0.5 + confidence / 2, df) * math.sqrt(square)
    return Paired(mean, mean - half, mean + half, _p_value(mean, math.sqrt(square), df), tasks)


def _p_value(mean: float, error: float, df: float) -> float:
    if error == 0.0:
        return 1.0 if mean == 0.0 else 0.0
    return min(1.0, 2 * t_cdf(-abs(mean / error), df))
