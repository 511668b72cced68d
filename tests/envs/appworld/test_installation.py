from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from agentgym.doctor import PROBES
from agentgym.errors import ConfigError, EnvironmentFault, UnknownTask
from agentgym.registry import list_envs
from agentgym_envs.appworld.env import AppWorld
from agentgym_envs.appworld.installation import PYTHON, ROOT, Installation, find
from agentgym_envs.appworld.tasks import AppWorldTasks

PERSON = {"first_name": "A", "last_name": "B", "email": "a@example.com", "phone_number": "1"}


def stub(path: Path, *lines: str) -> str:
    """Write a program that says what AppWorld's Python would say."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n" + "\n".join(f"echo {line}" for line in lines))
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A task root of two tasks in train, with a tag, and one in dev."""
    data = tmp_path / "root" / "data"
    (data / "datasets").mkdir(parents=True)
    (data / "datasets" / "train.txt").write_text("aaaaaaa_1\naaaaaaa_2:tagged\n")
    (data / "datasets" / "dev.txt").write_text("bbbbbbb_1\n")
    for task_id, difficulty in (("aaaaaaa_1", 1), ("aaaaaaa_2", 3), ("bbbbbbb_1", 2)):
        truth = data / "tasks" / task_id / "ground_truth"
        truth.mkdir(parents=True)
        specs = {"instruction": f"do {task_id}", "supervisor": PERSON, "datetime": "2023-05-18"}
        (truth.parent / "specs.json").write_text(json.dumps(specs))
        (truth / "metadata.json").write_text(json.dumps({"difficulty": difficulty}))
    return tmp_path / "root"


@pytest.fixture
def program(tmp_path: Path) -> str:
    return stub(tmp_path / "venv" / "bin" / "python", "0.1.3.post1", "True")


def test_nothing_said_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PYTHON, raising=False)
    with pytest.raises(ConfigError, match=rf"set {PYTHON} or pass python="):
        find()


def test_environment_variables_are_the_default(
    root: Path, program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PYTHON, program)
    monkeypatch.setenv(ROOT, str(root))
    assert find() == Installation(program, str(root), "0.1.3.post1")


def test_folder_or_appworld_program_stands_for_its_python(root: Path, program: str) -> None:
    beside = stub(Path(program).with_name("appworld"))
    folder = str(Path(program).parents[1])
    assert [find(given, str(root)).python for given in (beside, folder)] == [program, program]


@pytest.mark.parametrize("given", ["/nowhere/python", "no-such-program", "/etc/passwd"])
def test_no_python_is_said(root: Path, given: str) -> None:
    with pytest.raises(ConfigError, match="no Python at"):
        find(given, str(root))


def test_python_without_the_package_is_said(root: Path) -> None:
    with pytest.raises(ConfigError, match="has no package appworld; install it there"):
        find(sys.executable, str(root))


def test_package_that_is_not_unpacked_is_said(root: Path, tmp_path: Path) -> None:
    python = stub(tmp_path / "packed" / "python", "0.1.3.post1", "False")
    with pytest.raises(ConfigError, match=re.escape(f"run: {python} -m appworld.cli install")):
        find(python, str(root))


def test_root_without_data_is_said(program: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="run 'appworld download data' in the root"):
        find(program, str(tmp_path))


def test_root_that_appworld_would_take_for_memory_is_refused(
    program: str, root: Path, tmp_path: Path
) -> None:
    root.rename(tmp_path / "in-memory")
    with pytest.raises(ConfigError, match="move the root"):
        find(program, str(tmp_path / "in-memory"))


@pytest.mark.parametrize(
    "settings",
    [
        {"reward": "all"},
        {"level": 4},
        {"cell_timeout_s": 0},
        {"calls_per_cell": 0},
        {"memory_mb": 100},
        {"split": "trian"},
        {"split": "test_normal"},  # of which this root has no file
    ],
)
def test_setting_out_of_range_is_refused(
    root: Path, program: str, settings: dict[str, object]
) -> None:
    with pytest.raises(ConfigError):
        AppWorld(python=program, root=str(root), **settings)  # type: ignore[arg-type]


def test_splits_are_those_of_the_files(root: Path, program: str) -> None:
    tasks = AppWorldTasks(find(program, str(root)))
    assert tasks.splits == ("train", "dev", "test_normal", "test_challenge")
    assert list(tasks.ids("train")) == ["aaaaaaa_1", "aaaaaaa_2"]
    assert tasks.get("bbbbbbb_1").split == "dev"
    assert tasks.get("aaaaaaa_2").prompt == "do aaaaaaa_2"
    assert tasks.get("aaaaaaa_2").metadata["scenario"] == "aaaaaaa"


def test_level_keeps_the_tasks_of_one_difficulty(root: Path, program: str) -> None:
    installation = find(program, str(root))
    assert list(AppWorldTasks(installation, 3).ids("train")) == ["aaaaaaa_2"]
    with pytest.raises(ConfigError, match="has no tasks"):
        AppWorldTasks(installation, 2).ids("train")


def test_unknown_task_is_named(root: Path, program: str) -> None:
    tasks = AppWorldTasks(find(program, str(root)))
    with pytest.raises(UnknownTask, match="no task 'bbbbbbb_1' in split 'train'; it has 2 tasks"):
        tasks.get("bbbbbbb_1", "train")
    with pytest.raises(UnknownTask):
        tasks.get("../train")


def test_appworld_that_does_not_start_is_a_fault(root: Path, program: str) -> None:
    env = AppWorld(python=program, root=str(root))  # the program ends at once
    env.reset(seed=0)
    with pytest.raises(EnvironmentFault, match="AppWorld does not start: True"):
        env.step("```python\nprint(1)\n```")
    env.close()


def test_listing_works_without_appworld(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PYTHON, raising=False)
    assert "agentgym/AppWorld-v0" in {row.id for row in list_envs()}


def test_doctor_says_how_to_install_appworld(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PYTHON, raising=False)
    row = PROBES["appworld"]()
    assert row.status == "absent"
    assert "docs/appworld.md" in row.advice


def test_doctor_finds_appworld(root: Path, program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PYTHON, program)
    monkeypatch.setenv(ROOT, str(root))
    row = PROBES["appworld"]()
    assert (row.status, row.detail) == ("ok", f"0.1.3.post1 at {program}, tasks in {root}")
