from __future__ import annotations

import json
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from gymnasium.utils.env_checker import check_env

from agentgym.errors import ConfigError
from agentgym.registry import make
from agentgym_envs.math.env import Math
from agentgym_envs.math.tasks import LEVELS


def write(path: Path, *rows: object) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def test_right_answer_terminates_with_1() -> None:
    env = Math()
    env.reset(options={"task_id": "train-0"})
    observation, reward, terminated, truncated, info = env.step(r"55+57=112, so \boxed{142}")
    assert (observation, reward, terminated, truncated) == ("", 1.0, True, False)
    assert info["verdict"].reason.startswith("right: ")


@pytest.mark.parametrize(
    "action", ["", "I say 142", r"\boxed{143}", r"\boxed{55+57+30}", "```python\n```"]
)
def test_other_text_terminates_with_0(action: str) -> None:
    env = Math()
    env.reset(options={"task_id": "train-0"})
    assert env.step(action)[1:4] == (0.0, True, False)


@pytest.mark.parametrize("level", LEVELS)
def test_oracle_scores_1_at_each_level(level: int) -> None:
    env = Math(split="dev", level=level)
    for seed in range(20):
        env.reset(seed=seed)
        (action,) = env.oracle()
        assert env.step(action)[1:4] == (1.0, True, False)


def test_both_environments_have_the_same_tasks() -> None:
    prompts = []
    for name in ("Math", "PythonMath"):
        env = make(f"agentgym/{name}-v0", level=4, split="test").unwrapped
        _, info = env.reset(seed=3)
        prompts.append((info["task_id"], info["messages"][-1]["content"]))
    assert prompts[0] == prompts[1]


def test_file_of_problems_is_used_with_worked_solutions_read(tmp_path: Path) -> None:
    path = write(
        tmp_path / "rows.jsonl",
        {"problem": "One plus one?", "answer": 2},
        {"question": "Half of one?", "answer": "Divide by two.\n#### 1/2"},
        {"problem": "Three?", "solution": r"It is \boxed{3}.", "split": "test"},
    )
    env = Math(path=path)
    for task_id, right in (("train-0", "2"), ("train-1", "0.5")):
        env.reset(options={"task_id": task_id})
        assert env.step(rf"\boxed{{{right}}}")[1] == 1.0
        env.reset(options={"task_id": task_id})
        assert env.step(*env.oracle())[1] == 1.0
    held_out = Math(path=path, split="test")
    held_out.reset(seed=0)
    assert held_out.step(r"\boxed{3}")[1] == 1.0


def test_file_is_read_again_when_it_has_changed(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", {"problem": "a?", "answer": 1})
    assert Math(path=path).reset(seed=0)[0].endswith("a?")
    write(tmp_path / "rows.jsonl", {"problem": "b?", "answer": 1})
    assert Math(path=path).reset(seed=0)[0].endswith("b?")


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ({"problem": "a?"}, "task 'train-0' needs a text or a number as its answer, not None"),
        ({"problem": "a?", "answer": " "}, "task 'train-0' needs a text or a number"),
        ({"problem": "a?", "answer": [1, 2]}, "task 'train-0' needs a text or a number"),
        ({"problem": "a?", "answer": "nan"}, "'nan', that does not equal itself"),
        ({"problem": "a?", "answer": "}{"}, "does not equal itself"),
        ({"answer": 3}, "rows.jsonl:1: needs a value under one of problem, question"),
        (["a?", 3], "rows.jsonl:1: expected a JSON object, found list"),
    ],
    ids=range(7),
)
def test_bad_row_is_refused_when_made(tmp_path: Path, row: object, text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        Math(path=write(tmp_path / "rows.jsonl", row))


def test_missing_file_and_unknown_split_are_refused_when_made(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read tasks from"):
        Math(path=str(tmp_path / "none.jsonl"))
    path = write(tmp_path / "rows.jsonl", {"problem": "a?", "answer": 1})
    with pytest.raises(ConfigError, match="no split 'test'"):
        Math(path=path, split="test")
    with pytest.raises(ConfigError, match="level must be one of"):
        Math(level=0)


@pytest.mark.parametrize("level", LEVELS)
def test_gymnasium_accepts_it_without_warnings(level: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env = make("agentgym/Math-v0", level=level).unwrapped
        check_env(env)
    env.close()


def test_registering_imports_no_environment() -> None:
    code = (
        "import sys\nfrom agentgym.registry import spec\nspec('agentgym/Math-v0')\n"
        "names = ('agentgym_envs.', 'agentgym_sandbox')\n"
        "loaded = [name for name in sys.modules if name.startswith(names)]\n"
        "print(loaded)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "['agentgym_envs.suites']\n", done.stderr  # which are names and numbers
