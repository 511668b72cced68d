from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from agentgym.errors import RunError, UsageError
from agentgym.evaluate.compare import compare, compare_results
from agentgym.evaluate.results import Results, TaskResults, open_results
from agentgym.evaluate.saved import SavedTask
from agentgym.rollout.ledger import episode_to_json
from agentgym.types import Episode, Turn

ENV = "demo/Cart-v0"
Scores = Mapping[str, Sequence[float | None]]


def results(environments: Mapping[str, Scores], hashes: Mapping[str, str] | None = None) -> Results:
    """Return results in which None stands for an unscored episode."""
    return Results("run", "policy", {}, {
        label: TaskResults(
            {task: [s for s in row if s is not None] for task, row in scores.items()},
            {task: sum(s is None for s in row) for task, row in scores.items()},
            sum(s is None for row in scores.values() for s in row),
            hashes or {},
        )
        for label, scores in environments.items()
    })  # fmt: skip


def tasks(scores: Sequence[float | None]) -> dict[str, list[float | None]]:
    return {f"t{n}": [score] for n, score in enumerate(scores)}


def write_eval(folder: Path, environments: Mapping[str, Scores], **settings: Any) -> Path:
    """Write the folder of an evaluation; each action is the reward's text."""
    folder.mkdir()
    config = {"policy": "oracle", "temperature": 1.0, **settings}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "summary.json").write_text("{}")
    lines = [
        episode_to_json(0, _episode(task, n, score), env=label)
        for label, scores in environments.items()
        for task, row in scores.items()
        for n, score in enumerate(row)
    ]
    (folder / "episodes.jsonl").write_text("".join(f"{line}\n" for line in lines))
    return folder


def _episode(task: str, index: int, score: float | None) -> Episode:
    status = "unscored" if score is None else "scored"
    turns = (Turn(f"try {index}", "", 1, 1, "stop"),)
    return Episode(task, index, 0, status, score, "sandbox died", turns=turns)


def write_train(folder: Path, rows: Mapping[int, Mapping[str, Sequence[float]]]) -> Path:
    folder.mkdir()
    config = {"algorithm": "rloo", "env": ENV, "temperature": 1.0}
    (folder / "config.json").write_text(json.dumps(config))
    lines = [
        json.dumps({"step": step, "rewards": rewards, "unscored": 0})
        for step, rewards in rows.items()
    ]
    (folder / "evaluations.jsonl").write_text("".join(f"{line}\n" for line in lines))
    return folder


def test_compare_pairs_evaluations_by_environment_and_task(tmp_path: Path) -> None:
    one = write_eval(tmp_path / "one", {ENV: {"x": [0.0, 1.0], "y": [0.0, 0.0], "z": [1.0]},
                                        "demo/Old-v0": {"x": [1.0]}})  # fmt: skip
    two = write_eval(tmp_path / "two", {ENV: {"x": [1.0], "y": [1.0, 0.0], "w": [1.0]},
                                        "demo/New-v0": {"x": [1.0]}})  # fmt: skip
    found = compare(one, two)
    row = found.environments[ENV]
    assert row.tested is not None
    assert row.scores is not None
    assert [score.mean for score in row.scores] == [0.25, 0.75]  # of x and y alone
    assert (row.tested.difference.mean, row.tested.difference.tasks) == (0.5, 2)
    assert (row.only_a, row.only_b) == (("z",), ("w",))
    assert (found.only_a, found.only_b) == (("demo/Old-v0",), ("demo/New-v0",))


def test_compare_tests_a_difference_as_scipy_does() -> None:
    from scipy import stats

    a, b = [0.0, 0.5, 0.5, 0.0, 1.0, 0.0, 0.5, 0.0], [1.0, 0.5, 1.0, 0.5, 1.0, 1.0, 0.0, 1.0]
    row = compare_results(results({ENV: tasks(a)}), results({ENV: tasks(b)})).environments[ENV]
    test = stats.ttest_rel(b, a)
    bounds = test.confidence_interval(0.95)
    assert row.tested is not None
    gap = row.tested.difference
    assert gap.p == pytest.approx(test.pvalue, rel=1e-10)
    assert (gap.low, gap.high) == pytest.approx((bounds.low, bounds.high), rel=1e-10)
    # differences 1, .5, .5, 1, -.5, 1 and two of 0: of 64 settings, 2 reach 4.5 and 6 reach 3.5
    assert row.tested.p_sign_flip == 8 / 64
    assert row.tested.p_holm == row.tested.p_sign_flip


def test_compare_corrects_over_environments_by_holm() -> None:
    better = tasks([1.0] * 9)
    a = results({"e1": tasks([0.0] * 9), "e2": tasks([0.0] * 9), "e3": tasks([1.0] * 9)})
    b = results({"e1": better, "e2": better, "e3": better})
    found = compare_results(a, b)
    # p is 2/512 in e1 and e2: 3 * 2/512, then not below it
    rows = found.environments
    p_values = [row.tested.p_holm for row in rows.values() if row.tested]
    assert p_values == pytest.approx([6 / 512, 6 / 512, 1.0])
    assert [row.better for row in rows.values()] == ["b", "b", None]
    assert found.verdict == (
        "of 3 environments, B is better in 2 and A in 0; no difference is shown in 1"
    )


def test_compare_says_what_it_could_have_seen() -> None:
    from statsmodels.stats.power import TTestPower

    gains = [0.0, 1.0, -1.0, 0.0, 1.0, 0.0, 0.0, -1.0, 1.0, 0.0]
    a = results({ENV: tasks([max(0.0, -gain) for gain in gains])})
    b = results({ENV: tasks([max(0.0, gain) for gain in gains])})
    row = compare_results(a, b).environments[ENV]
    assert row.tested is not None
    assert row.tested.detectable is not None
    deviation = ((5 - 10 * 0.1**2) / 9) ** 0.5  # of the gains: five are 1 or -1, the mean is 0.1
    power = TTestPower().power(row.tested.detectable / deviation, 10, 0.05)
    assert power == pytest.approx(0.8, abs=1e-8)
    assert row.verdict == (
        f"no difference shown; this comparison could have seen one of "
        f"{row.tested.detectable:.3f} or more (with a probability of 0.8)"
    )


def test_compare_says_which_run_is_better_and_by_how_much() -> None:
    a = results({ENV: tasks([1.0] * 12 + [0.0, 1.0])})
    b = results({ENV: tasks([0.0] * 12 + [0.0, 1.0])})
    row = compare_results(a, b).environments[ENV]
    assert row.better == "a"
    # mean 12/14, s = sqrt(12/7 / 13) = 0.363137, t(0.975, 13) = 2.160369: half width 0.209668
    assert row.verdict == "A is better by 0.857 (0.647 to 1.067)"


@pytest.mark.parametrize(
    ("a", "b", "verdict"),
    [
        ([1.0] * 50, [1.0] * 50, "no difference: the same score on each of the 50 shared tasks"),
        ([0.0] * 50, [1.0] * 50, "B is better by 1.000 on each of the 50 shared tasks"),
        ([0.0] * 5, [1.0] * 5,
         "no difference shown: 5 shared tasks are too few to show one; take 6 or more"),
        ([0.0], [1.0], "no difference shown: 1 shared task is too few to show one; take 6 or more"),
        ([None], [1.0], "the runs have no scored task in common"),
    ],
)  # fmt: skip
def test_compare_has_a_verdict_where_t_has_none(
    a: list[float | None], b: list[float | None], verdict: str
) -> None:
    found = compare_results(results({ENV: tasks(a)}), results({ENV: tasks(b)}))
    assert found.verdict == verdict
    json.dumps(found.summary(), allow_nan=False)


def test_compare_takes_the_last_evaluation_of_a_training(tmp_path: Path) -> None:
    before, after = {"x": [0.0], "y": [0.0]}, {"x": [1.0], "y": [0.0]}
    run = str(write_train(tmp_path / "run@7", {0: before, 40: after}))
    found = compare(f"{run}@0", run)
    assert (found.a.policy, found.b.policy) == ("run@7 after 0 steps", "run@7 after 40 steps")
    tested = found.environments[ENV].tested
    assert tested is not None
    assert tested.difference.mean == 0.5
    assert found.summary()["environments"][ENV]["a"]["diversity"] is None


def test_compare_holds_a_training_against_an_evaluation(tmp_path: Path) -> None:
    run = write_train(tmp_path / "run", {40: {"x": [0.0], "y": [0.0]}})
    other = write_eval(tmp_path / "other", {ENV: {"x": [1.0], "y": [1.0]}}, temperature=0.0)
    found = compare(run, other)
    assert found.environments[ENV].verdict.startswith("no difference shown: 2 shared tasks")
    assert found.warnings == ("the runs have different settings: temperature (1.0 and 0.0)",)


def test_open_results_counts_an_episode_that_was_played_again_once(tmp_path: Path) -> None:
    run = write_eval(tmp_path / "run", {ENV: {"x": [None, 1.0], "y": [None]}})
    again = episode_to_json(0, _episode("x", 0, 0.0), env=ENV)
    with (run / "episodes.jsonl").open("a") as file:
        file.write(f"{again}\n")
    found = open_results(run).environments[ENV]
    assert found.scores == {"x": [0.0, 1.0], "y": []}
    assert (found.errors, found.unscored) == ({"y": 1}, 1)
    assert found.error_share == pytest.approx(1 / 3)


def test_open_results_counts_the_solutions_of_successes(tmp_path: Path) -> None:
    run = write_eval(tmp_path / "run", {ENV: {"x": [1.0, 1.0, 0.0], "y": [None]}})
    found = compare(run, run).environments[ENV].diversity[0]
    assert found is not None
    assert (found.successes, found.distinct) == (2, 2)  # "try 0" and "try 1"


def test_compare_refuses_runs_without_a_common_environment() -> None:
    with pytest.raises(UsageError, match=r"\(e1\) and .* \(e2\) have no environment in common"):
        compare_results(results({"e1": tasks([1.0])}), results({"e2": tasks([1.0])}))


def test_open_results_refuses_what_has_nothing_to_compare(tmp_path: Path) -> None:
    empty = write_train(tmp_path / "train", {})
    with pytest.raises(RunError, match="no evaluation yet"):
        open_results(empty)
    write_train(tmp_path / "some", {0: {"x": [1.0]}, 20: {"x": [1.0]}})
    with pytest.raises(RunError, match="no evaluation after 10 steps, only after 0, 20"):
        open_results(f"{tmp_path / 'some'}@10")
    run = write_eval(tmp_path / "eval", {})
    with pytest.raises(RunError, match="no episodes yet"):
        open_results(run)
    with pytest.raises(RunError, match="leave '@3' out"):
        open_results(f"{run}@3")


def test_compare_warns_where_a_task_is_not_the_same_any_more(tmp_path: Path) -> None:
    runs = [write_eval(tmp_path / name, {ENV: tasks([1.0, 1.0])}) for name in ("a", "b")]
    for run, digest in zip(runs, ("0ld", "new"), strict=True):
        rows = [SavedTask(ENV, "t0", "test", digest, "?", 1),
                SavedTask(ENV, "t1", "test", "same", "?", 1)]  # fmt: skip
        lines = "".join(f"{json.dumps(asdict(row))}\n" for row in rows)
        (run / "tasks.jsonl").write_text(lines)
    found = compare(*runs)
    assert found.warnings == (
        f"{ENV}: 1 of 2 shared tasks have other contents in the two runs, so the same id is not "
        "the same task: 't0'",
    )


def test_compare_warns_of_a_run_that_is_not_finished(tmp_path: Path) -> None:
    runs = [write_eval(tmp_path / name, {ENV: tasks([1.0, 1.0])}) for name in ("a", "b")]
    (runs[1] / "summary.json").unlink()
    assert compare(*runs).warnings == (
        "B is not finished, so its figures are those of what was played so far",
    )


def test_compare_warns_where_one_run_lost_more() -> None:
    a = results({ENV: tasks([1.0, 0.0] * 10)})
    b = results({ENV: tasks([1.0, 0.0] * 9 + [None, None])})
    (warning,) = compare_results(a, b).warnings
    assert "A has 0 unscored episodes (0.0%) and B 2 (10.0%)" in warning


def test_compare_warns_where_tasks_with_errors_score_unlike_the_rest() -> None:
    hard: list[float | None] = [0.0, None]
    scores = {f"t{n}": hard if n < 4 else [1.0, float(n % 2)] for n in range(20)}
    same = results({ENV: scores})
    warnings = compare_results(same, same).warnings
    assert len(warnings) == 2
    assert warnings[0] == (
        f"{ENV}: episodes were not lost at random: A scores 0.000 on the 4 tasks with errors and "
        "0.750 on the other 16"
    )


def test_compare_does_not_warn_of_a_few_errors_like_the_rest() -> None:
    scores = {f"t{n}": [1.0, float(n % 2)] for n in range(100)}
    lossy = {**scores, "t0": [1.0, None], "t1": [1.0, None], "t2": [0.5, None]}
    assert compare_results(results({ENV: scores}), results({ENV: lossy})).warnings == ()
