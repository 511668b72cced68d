"""Whether a difference is more than chance, and how small a one could have been seen."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from fractions import Fraction
from itertools import compress

from agentgym.evaluate.student import t_power

__all__ = ["holm", "minimum_detectable", "sign_flip"]

_WORK = 2_000_000  # most sums formed for an exact distribution: half a second
_FINENESS = 2**40  # of the whole numbers that stand for differences which are no simple fractions


def sign_flip(differences: Sequence[float], *, draws: int = 10_000, seed: int = 0) -> float:
    """Return the two-sided p-value of paired differences under flips of their signs.

    If the two policies are equally good at each task, a difference is as likely to be negative as
    positive: p is the share of the 2^N ways to set the signs whose sum is as far from zero as the
    sum that was seen. It supposes no normal distribution. With N differences that are not zero it
    is at least 2^(1 - N).

    Args:
        differences: One a task.
        draws: Of the Monte Carlo estimate, ``(1 + as far) / (1 + draws)``, which stands in where
            the sums take too many values to be counted. 19 differences of any kind are counted
            exactly, and hundreds that are shares of a few rollouts.
        seed: Of the draws.

    Source: Fisher 1935, "The Design of Experiments", section 21; the + 1: Phipson and Smyth 2010,
    "Permutation P-values Should Never Be Zero", eq. 2.
    """
    units, slack = _whole([value for value in differences if value != 0.0])
    far = abs(sum(units)) - slack
    sums = _distribution(units)
    if sums is not None:
        return sum(ways for total, ways in sums.items() if abs(total) >= far) / (1 << len(units))
    rng, total, count = random.Random(seed), sum(units), len(units)
    hits = 0
    for _ in range(draws):
        kept = compress(units, map(int, f"{rng.getrandbits(count):0{count}b}"))
        hits += abs(2 * sum(kept) - total) >= far
    return (1 + hits) / (1 + draws)


def _whole(values: Sequence[float]) -> tuple[list[int], int]:
    """Return the values as whole numbers of one unit, and how far rounding can move their sum."""
    fractions = [Fraction(value).limit_denominator(1000) for value in values]
    if all(abs(float(f) - v) <= 1e-14 for f, v in zip(fractions, values, strict=True)):
        scale = math.lcm(*(fraction.denominator for fraction in fractions))
        return [int(fraction * scale) for fraction in fractions], 0
    largest = max(map(abs, values))
    return [round(value / largest * _FINENESS) for value in values], len(values)


def _distribution(units: Sequence[int]) -> dict[int, int] | None:
    """Return each sum with the number of sign settings that give it; None if that is too much."""
    sums, work = {0: 1}, 0
    for unit in units:
        work += 2 * len(sums)
        if work > _WORK:
            return None
        flipped: dict[int, int] = {}
        for total, ways in sums.items():
            for moved in (total + unit, total - unit):
                flipped[moved] = flipped.get(moved, 0) + ways
        sums = flipped
    return sums


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values that account for all of the comparisons, in the same order.

    Whoever calls every adjusted p below 5% a finding makes no false one in 95% of families.

    Source: Holm 1979, "A Simple Sequentially Rejective Multiple Test Procedure".
    """
    adjusted, bound = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda n: p_values[n])):
        bound = max(bound, min(1.0, p_values[place] * (len(p_values) - rank)))
        adjusted[place] = bound
    return adjusted


def minimum_detectable(
    spread: float, tasks: int, *, alpha: float = 0.05, power: float = 0.8
) -> float:
    """Return the least true difference that a paired t test would probably have shown.

    Args:
        spread: Standard deviation over tasks of the differences of their means.
        tasks: How many tasks are paired.
        alpha: Two-sided level of the test.
        power: How probably.

    Returns:
        The difference, in units of the score; infinite for a single task.

    Raises:
        ValueError: If not ``0 < alpha < power < 1``.

    Source: Miller 2024, arXiv 2411.00640, on power; here by the noncentral t distribution instead
    of the normal one.
    """
    if not 0.0 < alpha < power < 1.0:
        raise ValueError(f"the power needs 0 < alpha < power < 1, got alpha {alpha}, power {power}")
    if tasks < 2:
        return math.inf
    low, high = 0.0, 1.0
    while t_power(high, tasks - 1, alpha) < power:
        low, high = high, high * 2
    while high - low > 1e-12 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if t_power(middle, tasks - 1, alpha) < power else (low, middle)
    return (low + high) / 2 * spread / math.sqrt(tasks)
