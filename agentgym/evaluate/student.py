"""Student's t distribution, central and not, on the standard library alone."""

from __future__ import annotations

import math
from functools import lru_cache

__all__ = ["t_cdf", "t_power", "t_quantile"]

_POINTS = 800  # of the integral over the spread; 600 give all digits where it is hardest, at df 1


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


@lru_cache(512)  # a display asks for the same one again and again
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


def t_power(shift: float, df: float, alpha: float = 0.05) -> float:
    """Return the chance that a two-sided t test rejects: the power.

    Given the estimated over the true spread, s, the statistic is normal; s is integrated out by
    the trapezoid rule in log s, which converges faster than any power of the step.

    Args:
        shift: The true mean in units of its true standard error (the noncentrality).
        df: Degrees of freedom of the spread.
        alpha: Level of the test.

    Source: Johnson, Kotz and Balakrishnan 1995, "Continuous Univariate Distributions", ch. 31.
    """
    critical = t_quantile(1.0 - alpha / 2, df)
    reach = math.sqrt(40.0 / df)  # beyond it the density is below e^-40 of its peak
    low, step = -(reach + 40.0 / df), (2 * reach + 40.0 / df) / _POINTS
    total = power = 0.0
    for n in range(_POINTS + 1):
        log_s = low + n * step
        s = math.exp(log_s)
        weight = math.exp(df * (log_s - (s * s - 1.0) / 2))
        total += weight
        power += weight * (_normal(shift - critical * s) + _normal(-shift - critical * s))
    return power / total


def _normal(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2.0))
