"""Evaluation tasks that are training tasks too: found, refused, allowed and told."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from parity_run import settings

import agentgym as ag
from agentgym.errors import UsageError
from agentgym.evaluate.saved import SavedTask
from agentgym.tasks import TaskSet
from agentgym.train.hygiene import Hygiene, check, compare, scheduled
from agentgym.types import Task

TRAIN = [Task(f"train-{n}", f"what is {n}+{n}?", 2 * n) for n in range(6)]
TEST = [Task(f"test-{n}", f"what is {n}+{n}?", 2 * n, "test") for n in range(4, 8)]


def saved(name: str, content: str, prompt: str = "") -> SavedTask:
    return SavedTask("demo/A-v0", name, "", content, prompt or content, None)


def checked(
    train: Sequence[Task], test: Sequence[Task], said: list[str] | None = None, **more: Any
) -> Hygiene:
    """Check these tasks, all of which the run will use."""
    given = {"begun": more.pop("begun", False)}
    given |= {"budget_s": more.pop("budget_s")} if "budget_s" in more else {}
    config = ag.TrainConfig(**{"steps": 10, "tasks_per_step": 4, **more})
    ids = [task.id for task in train], [task.id for task in test]
    core = SimpleNamespace(tasks=TaskSet.of([*train, *test]))
    return check(config, core, *ids, (said if said is not None else []).append, **given)


def test_compare_finds_one_content_under_two_ids() -> None:
    found = compare([saved("a", "x"), saved("b", "y"), saved("c", "x")], [saved("t", "x")])
    assert found == Hygiene(3, 1, same=(("t", "a"),))


def test_compare_counts_an_evaluation_task_that_comes_twice_twice() -> None:
    found = compare([saved("a", "x")], [saved("t", "x"), saved("u", "x"), saved("v", "z")])
    assert found.same == (("t", "a"), ("u", "a"))
    assert found.summary()["compared"] == [1, 3]


def test_compare_tells_a_prompt_that_comes_with_another_answer() -> None:
    found = compare([saved("a", "x", "What  is\n2?")], [saved("t", "y", "what is 2?")])
    assert (found.same, found.alike) == ((), (("t", "a"),))


def test_compare_is_silent_about_a_prompt_that_many_tasks_share() -> None:
    many = [saved("a", "x", "Fix the test."), saved("b", "y", "Fix the test.")]
    assert compare(many, [saved("t", "z", "Fix the test.")]).alike == ()
    assert compare([saved("t", "z", "Fix the test.")], many).alike == ()


def test_compare_with_nothing_finds_nothing() -> None:
    assert compare([], []).summary() == {
        "compared": [0, 0],
        "overlap": 0,
        "examples": [],
        "same_prompt": 0,
        "same_prompt_examples": [],
    }


def test_scheduled_is_each_task_once_and_no_more_than_the_run_takes() -> None:
    ids = [f"train-{n}" for n in range(10)]
    config = ag.TrainConfig(steps=2, tasks_per_step=3)
    assert len(list(scheduled(config, ids))) == len(set(scheduled(config, ids))) == 6
    whole = ag.TrainConfig(steps=50, tasks_per_step=3)
    assert sorted(scheduled(whole, ids)) == ids


def test_scheduled_has_the_tasks_that_dynamic_sampling_may_take() -> None:
    ids = [f"train-{n}" for n in range(1000)]
    dynamic = ag.TrainConfig(algorithm="rloo", steps=2, tasks_per_step=3, dynamic_sampling=2)
    plain = ag.TrainConfig(algorithm="rloo", steps=2, tasks_per_step=3)
    found = set(scheduled(dynamic, ids))
    assert set(scheduled(plain, ids)) < found
    assert 6 < len(found) <= 6 + 2 * 2 * 3


def test_check_refuses_and_names_share_example_and_way_out() -> None:
    with pytest.raises(UsageError) as refused:
        checked(TRAIN, TEST)
    text = str(refused.value)
    assert "2 of 4 evaluation tasks (50%)" in text
    assert "test-5 (in training: train-5)" in text or "test-4 (in training: train-4)" in text
    assert "--allow-overlap" in text


def test_check_warns_loudly_where_it_is_allowed() -> None:
    said: list[str] = []
    found = checked(TRAIN, TEST, said, allow_overlap=True)
    assert [line.split(":")[0] for line in said] == ["WARNING"]
    assert found.summary()["overlap"] == 2


def test_check_warns_of_a_run_that_is_begun() -> None:
    said: list[str] = []
    checked(TRAIN, TEST, said, begun=True)
    assert said[0].startswith("WARNING")


def test_check_is_silent_where_nothing_is_shared() -> None:
    said: list[str] = []
    assert checked(TRAIN, TEST[2:], said).summary()["compared"] == [6, 2]
    assert said == []


def test_check_notes_a_prompt_with_another_answer_and_goes_on() -> None:
    said: list[str] = []
    checked(TRAIN, [Task("test-0", "What is 0+0?", "0", "test")], said)
    assert len(said) == 1
    assert said[0].startswith("note: 1 of 1 evaluation tasks (100%) ask what a training task asks")


def test_check_stops_after_its_time_and_says_how_far_it_came() -> None:
    said: list[str] = []
    found = checked(TRAIN, TEST[2:], said, budget_s=0.0)
    assert found.training == 1
    assert "1 of 6 training tasks were compared" in said[0]


def test_a_training_on_its_evaluation_tasks_is_refused_before_it_loads_anything(
    tmp_path: Path,
) -> None:
    config = settings("no such model", str(tmp_path / "run"), 3, env="demo/Leaky-v0")
    with pytest.raises(UsageError, match=r"4 of 4 evaluation tasks \(100%\) are training tasks"):
        ag.train(config)


def test_a_training_that_allows_it_says_so_in_its_summary(tiny: Path, tmp_path: Path) -> None:
    said: list[str] = []
    given = {"env": "demo/Leaky-v0", "eval_tasks": 8, "eval_rollouts": 1, "tasks_per_step": 8}
    config = settings(str(tiny), str(tmp_path / "run"), 1, allow_overlap=True, **given)
    run = ag.train(config, say=said.append)
    assert sum(line.startswith("WARNING: 4 of 8 evaluation tasks (50%)") for line in said) == 1
    found = run.summary["hygiene"]
    assert (found["compared"], found["overlap"]) == ([8, 8], 4)
    assert sorted(found["examples"])[0] == "test-4 (in training: train-4)"
    rows = [json.loads(line) for line in (run.path / "tasks.jsonl").open()]
    assert {row["split"] for row in rows} == {"train", "test"}
    assert len(rows) == 16


def test_a_training_without_overlap_counts_what_it_compared(tiny: Path, tmp_path: Path) -> None:
    run = ag.train(settings(str(tiny), str(tmp_path / "run"), 1))
    assert run.summary["hygiene"]["compared"] == [3, 4]
    assert run.summary["hygiene"]["overlap"] == 0
