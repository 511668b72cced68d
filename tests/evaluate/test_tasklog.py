"""The record of played tasks: each once, whole lines only, golds as JSON."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from agentgym.errors import UnknownTask
from agentgym.evaluate.saved import SavedTask
from agentgym.evaluate.tasklog import LONGEST, TaskLog, saved_task
from agentgym.tasks import TaskSet
from agentgym.types import Task


def core(*tasks: Task) -> Any:
    return SimpleNamespace(tasks=TaskSet.of(tasks))


def task(name: str) -> SavedTask:
    return SavedTask("demo/A-v0", name, "test", "00ff", f"say {name}", 1)


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_saved_task_holds_what_was_asked_and_expected() -> None:
    env = core(Task("a", "What is 1+1?", "2", "test", {"level": 1}))
    saved = saved_task("demo/A-v0#hard", env, "a")
    assert saved == SavedTask(
        "demo/A-v0#hard", "a", "test", env.tasks.hash("a"), "What is 1+1?", "2"
    )


def test_saved_task_of_an_unknown_id_raises() -> None:
    with pytest.raises(UnknownTask):
        saved_task("demo/A-v0", core(Task("a", "?", "2")), "b")


@pytest.mark.parametrize(
    ("answer", "gold"),
    [
        (None, None),
        ({"cart": ("tea", 2)}, {"cart": ["tea", 2]}),
        (Path("a/b"), "a/b"),
        (math.nan, "nan"),
        ({(1, 2): 3}, "{(1, 2): 3}"),
        ("\ud800", "\ud800"),
    ],
)
def test_saved_task_makes_json_of_any_gold(answer: Any, gold: Any, tmp_path: Path) -> None:
    saved = saved_task("demo/A-v0", core(Task("a", "?", answer)), "a")
    assert saved.gold == gold
    log = TaskLog(tmp_path / "tasks.jsonl")
    log.record("demo/A-v0", [saved])
    assert rows(tmp_path / "tasks.jsonl")[0]["gold"] == gold


def test_saved_task_cuts_what_is_too_long_and_says_how_long_it_was() -> None:
    long = "x" * (LONGEST + 1)
    saved = saved_task("demo/A-v0", core(Task("a", long, [long])), "a")
    assert saved.prompt == "x" * LONGEST + f"... ({LONGEST + 1} characters)"
    assert saved.gold == '["' + "x" * (LONGEST - 2) + f"... ({LONGEST + 5} characters)"
    fits = saved_task("demo/A-v0", core(Task("a", "x" * LONGEST, 1)), "a")
    assert fits.prompt == "x" * LONGEST


def test_record_writes_each_task_once(tmp_path: Path) -> None:
    log = TaskLog(tmp_path / "tasks.jsonl")
    log.record("demo/A-v0", [task("a"), task("b"), task("a")])
    log.record("demo/A-v0", [task("b"), task("c")])
    assert [row["id"] for row in rows(tmp_path / "tasks.jsonl")] == ["a", "b", "c"]


def test_record_keeps_environments_apart(tmp_path: Path) -> None:
    log = TaskLog(tmp_path / "tasks.jsonl")
    log.record("demo/A-v0", [task("a")])
    log.record("demo/A-v0#hard", [task("a")])
    written = [row["env"] for row in rows(tmp_path / "tasks.jsonl")]
    assert written == ["demo/A-v0", "demo/A-v0#hard"]


def test_log_goes_on_after_a_kill_in_the_middle_of_a_line(tmp_path: Path) -> None:
    path = tmp_path / "tasks.jsonl"
    TaskLog(path).record("demo/A-v0", [task("a"), task("b")])
    path.write_bytes(path.read_bytes()[:-7])
    log = TaskLog(path)
    assert log.missing("demo/A-v0", ["c", "b", "a", "b"]) == ["c", "b"]
    log.record("demo/A-v0", [task("a"), task("b"), task("c")])
    assert [row["id"] for row in rows(path)] == ["a", "b", "c"]


def test_an_empty_log_writes_no_file(tmp_path: Path) -> None:
    TaskLog(tmp_path / "tasks.jsonl").record("demo/A-v0", [])
    assert not (tmp_path / "tasks.jsonl").exists()
