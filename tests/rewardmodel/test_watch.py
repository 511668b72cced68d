"""Over-optimisation: best-of-n by hand, a hand-made fall, and none where there is none."""

from __future__ import annotations

import json
import math
from itertools import combinations
from pathlib import Path
from statistics import fmean

import pytest

from agentgym.errors import ConfigError
from agentgym.rewardmodel.watch import (
    Point,
    best_of_n,
    best_of_n_kl,
    best_of_n_mean,
    watch,
    write_report,
)


def test_kl_of_best_of_n_by_hand() -> None:
    assert best_of_n_kl(1) == 0.0
    assert best_of_n_kl(2) == pytest.approx(math.log(2) - 0.5)
    assert best_of_n_kl(16) == pytest.approx(math.log(16) - 15 / 16)
    with pytest.raises(ValueError, match="n >= 1, got 0"):
        best_of_n_kl(0)


def test_kl_of_best_of_n_is_that_of_the_distribution_of_the_best() -> None:
    # Best of 3 of m equally likely answers: the i-th has probability (i^3 - (i - 1)^3) / m^3.
    m = 2000
    shares = [(i**3 - (i - 1) ** 3) / m**3 for i in range(1, m + 1)]
    assert sum(p * math.log(p * m) for p in shares) == pytest.approx(best_of_n_kl(3), abs=1e-3)


def test_mean_of_best_of_n_by_hand() -> None:
    scored = [(3.0, 1.0), (6.0, 3.0), (0.0, 2.0)]  # (gold, learned)
    assert best_of_n_mean(scored, 1) == pytest.approx((3.0, 2.0))
    # Pairs by learned reward: {1, 2} picks gold 0, {1, 3} and {2, 3} pick gold 6.
    assert best_of_n_mean(scored, 2) == pytest.approx((4.0, 8 / 3))
    assert best_of_n_mean(scored, 3) == (6.0, 3.0)


def test_mean_of_best_of_n_is_that_over_all_subsets() -> None:
    scored = [(float(i * i % 7), float(i * 5 % 11)) for i in range(9)]
    for n in (1, 2, 4, 9):
        best = [max(some, key=lambda pair: pair[1]) for some in combinations(scored, n)]
        gold, learned = best_of_n_mean(scored, n)
        assert gold == pytest.approx(fmean(pair[0] for pair in best))
        assert learned == pytest.approx(fmean(pair[1] for pair in best))


def test_mean_of_best_of_n_chooses_among_ties_at_random() -> None:
    assert best_of_n_mean([(0.0, 1.0), (1.0, 1.0)], 2) == (0.5, 1.0)


def test_best_of_n_takes_powers_of_two_and_all() -> None:
    points = best_of_n({"a": [(0.0, float(i)) for i in range(6)], "b": [(1.0, 0.0)] * 7})
    assert [point.label for point in points] == [f"best of {n}" for n in (1, 2, 4, 6)]
    assert points[-1].learned == {"a": 5.0, "b": 0.0}


def test_best_of_n_needs_several_answers() -> None:
    with pytest.raises(ConfigError, match="'b' has 1"):
        best_of_n({"a": [(0.0, 0.0)] * 3, "b": [(0.0, 0.0)]})


def rising_and_falling(tasks: int = 20) -> list[Point]:
    """Gold 0.3, 0.6, 0.4 and learned 0.3, 0.6, 0.9, each a little different by task."""
    return [
        Point(
            f"step {step}",
            kl,
            {f"t{n}": gold + 0.01 * (n % 3) * step for n in range(tasks)},
            {f"t{n}": learned for n in range(tasks)},
        )
        for step, kl, gold, learned in ((0, 0.0, 0.3, 0.3), (1, 1.0, 0.6, 0.6), (2, 4.0, 0.4, 0.9))
    ]


def test_watch_sees_gold_fall_while_learned_rises() -> None:
    seen = watch(rising_and_falling())
    assert (seen.over_optimised, seen.peak, seen.fallen) == (True, "step 1", "step 2")
    # By task the change is -0.2 + 0.01 (n mod 3); n mod 3 sums to 7 (0+1+2) - 2 = 19 over 20.
    assert seen.gold.mean == pytest.approx(-0.2 + 0.01 * 19 / 20)
    assert seen.gold.high < 0
    assert seen.learned == pytest.approx(0.3)
    assert "from step 1 (KL 1.00) to step 2 (KL 4.00)" in seen.text


def test_watch_does_not_depend_on_the_order() -> None:
    points = rising_and_falling()
    assert watch(points[::-1]) == watch(points)


def test_watch_compares_other_tasks_as_independent() -> None:
    points = rising_and_falling()
    gold = {f"u{n}": value for n, value in enumerate(points[2].gold.values())}
    other = Point("step 2", 4.0, gold, points[2].learned)
    seen = watch([*points[:2], other])
    assert seen.over_optimised
    paired = watch(points)
    assert seen.gold.mean == pytest.approx(paired.gold.mean)
    assert seen.gold.high - seen.gold.low > paired.gold.high - paired.gold.low


def test_watch_is_quiet_where_both_fall() -> None:
    start, peak, last = rising_and_falling()
    worse = Point(last.label, last.kl, last.gold, {task: 0.1 for task in last.learned})
    assert not watch([start, peak, worse]).over_optimised


def test_watch_is_quiet_where_gold_rises_to_the_end() -> None:
    start, peak, _ = rising_and_falling()
    seen = watch([start, peak])
    assert (seen.over_optimised, seen.peak) == (False, "step 1")
    assert "furthest from the start" in seen.text


def test_watch_is_quiet_where_the_fall_may_be_chance() -> None:
    before = Point("a", 0.0, {"1": 0.0, "2": 1.0, "3": 1.0}, dict.fromkeys("123", 0.2))
    after = Point("b", 1.0, {"1": 1.0, "2": 0.0, "3": 0.5}, dict.fromkeys("123", 0.9))
    seen = watch([before, after])
    assert not seen.over_optimised
    assert "no fall that is more than chance" in seen.text


def test_watch_needs_two_points() -> None:
    with pytest.raises(ConfigError, match="at least two policies, got 1"):
        watch(rising_and_falling()[:1])


def test_report_is_json_and_a_picture(tmp_path: Path) -> None:
    points = rising_and_falling(tasks=1)  # one task: no interval, and JSON has no infinity
    write_report(tmp_path / "new", points, watch(points))
    report = json.loads((tmp_path / "new" / "overoptimisation.json").read_text())
    assert [row["kl"] for row in report["points"]] == [0.0, 1.0, 4.0]
    assert report["points"][0]["gold"] == {"mean": 0.3, "low": None, "high": None}
    picture = (tmp_path / "new" / "overoptimisation.svg").read_text()
    assert "KL to the start" in picture
