from __future__ import annotations

import json
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import cast

import pytest
from gymnasium.utils.env_checker import check_env

from agentgym.errors import ConfigError, EnvironmentFault
from agentgym.registry import make
from agentgym_envs.math.tasks import LEVELS
from agentgym_envs.python.env import PythonMath
from agentgym_envs.python.interpreter import Interpreter, close_sandboxes, shared_sandbox
from agentgym_sandbox import Limits

LIMITS = Limits(memory_mb=256, pids=32, output_bytes=65_536)
STUBBORN = """
import time
while True:
    try:
        time.sleep(60)
    except BaseException:
        pass
"""
LOST = "the session was restarted; its variables are lost"


def fence(code: str) -> str:
    return f"```python\n{code}\n```"


@pytest.fixture
def env() -> Iterator[PythonMath]:
    made = PythonMath(timeout_s=1.0)
    made.reset(seed=0)
    yield made
    made.close()


def test_prompt_of_level_1_is_just_the_problem(env: PythonMath) -> None:
    _, info = env.reset(options={"task_id": "train-0"})
    assert [message["role"] for message in info["messages"]] == ["system", "user"]
    assert info["messages"][1]["content"] == "What is 55+57+30?"


def test_call_shows_just_the_value(env: PythonMath) -> None:
    observation, reward, terminated, truncated, info = env.step(fence("12+7*3"))
    assert (observation, reward, terminated, truncated) == ("33", 0.0, False, False)
    assert info["tool_calls"] == ["python"]
    assert "verdict" not in info


def test_state_is_kept_between_calls(env: PythonMath) -> None:
    assert env.step(fence("x = 5"))[0] == "(no output)"
    assert env.step(fence("print(x)\nx + 1"))[0] == "5\n6"


@pytest.mark.parametrize(
    ("code", "observation"),
    [
        ("x", "NameError: name 'x' is not defined"),
        ("print('so far')\n1/0", "so far\nZeroDivisionError: division by zero"),
        ("raise ValueError('a\\nb')", "ValueError: a\nb"),
        ("def f(:", "SyntaxError: invalid syntax"),
        ("while True: pass", "timed out after 1 s"),
        ("x = 'x' * 10**9", "MemoryError: out of memory"),
        ("exit()", "the interpreter exited: SystemExit"),
        ("import os; os._exit(3)", f"the interpreter exited: exit code 3\n{LOST}"),
        ("import os; os.abort()", f"the interpreter crashed: killed by SIGABRT\n{LOST}"),
        (STUBBORN, f"timed out after 1 s\n{LOST}"),
    ],
    ids=range(10),
)
def test_mistake_in_code_is_an_observation(env: PythonMath, code: str, observation: str) -> None:
    assert env.step(fence(code))[:4] == (observation, 0.0, False, False)


def test_killed_session_is_replaced_without_its_state(env: PythonMath) -> None:
    env.step(fence("x = 1"))
    assert LOST in env.step(fence("import os; os._exit(0)"))[0]
    assert env.step(fence("x"))[0] == "NameError: name 'x' is not defined"
    assert env.step(fence("2 + 2"))[0] == "4"


def test_timeout_that_code_obeys_keeps_the_state(env: PythonMath) -> None:
    env.step(fence("x = 1"))
    env.step(fence("while True: pass"))
    assert env.step(fence("x"))[0] == "1"


def test_long_output_loses_its_middle(env: PythonMath) -> None:
    observation = env.step(fence("print('a' * 50_000)"))[0]
    assert observation.startswith("aaa")
    assert "characters cut" in observation
    assert len(observation) < 2_200


@pytest.mark.parametrize("level", LEVELS)
def test_oracle_scores_1_at_each_level(level: int) -> None:
    with make("agentgym/PythonMath-v0", split="test", level=level) as wrapped:
        env = cast("PythonMath", wrapped.unwrapped)
        for seed in range(12):
            env.reset(seed=seed)
            first, last = env.oracle()
            assert env.step(first)[0] == env.task.answer
            _, reward, terminated, truncated, info = env.step(last)
            assert (reward, terminated, truncated) == (1.0, True, False)
            assert info["verdict"].extracted == env.task.answer


@pytest.mark.parametrize("action", ["", "33", r"\boxed{}", r"\boxed{nan}", "no idea", "\ud800"])
def test_answer_that_is_none_ends_with_0(env: PythonMath, action: str) -> None:
    assert env.step(action)[1:4] == (0.0, True, False)


def test_problem_in_a_box_scores_0(env: PythonMath) -> None:
    env.reset(options={"task_id": "train-0"})
    assert env.step(r"\boxed{55+57+30}")[1:3] == (0.0, True)


def test_turn_limit_truncates_with_0() -> None:
    env = PythonMath(max_turns=2)
    env.reset(seed=0)
    assert env.step(fence("1"))[2:4] == (False, False)
    observation, reward, terminated, truncated, info = env.step(fence("2"))
    assert (observation, reward, terminated, truncated) == ("2", 0.0, False, True)
    assert info["verdict"].reason == "no answer within 2 turns"
    env.close()


def test_answer_without_a_call_costs_no_session(env: PythonMath) -> None:
    env.reset(options={"task_id": "train-0"})
    assert env.step(r"\boxed{142}")[1] == 1.0
    assert not env.interpreter.running


def test_episode_has_its_own_session(env: PythonMath) -> None:
    env.step(fence("x = 1"))
    env.reset(seed=1)
    assert not env.interpreter.running
    assert env.step(fence("x"))[0] == "NameError: name 'x' is not defined"
    env.close()
    assert not env.interpreter.running


def test_info_before_the_end_holds_no_gold_and_no_solution() -> None:
    env = PythonMath(level=3)
    observation, info = env.reset(seed=4)
    env.step(fence("'gold'"))
    seen = json.dumps([observation, info, env.tools, env.step(fence("dir()"))])
    assert f'"{env.task.answer}"' not in seen
    assert env.task.metadata["solution"].splitlines()[0] not in seen
    env.close()


def test_sandbox_cannot_read_the_checker_or_the_gold(env: PythonMath) -> None:
    env.reset(options={"task_id": "train-0"})
    for module in ("agentgym_envs.math.tasks", "agentgym"):
        observation = env.step(fence(f"import {module}"))[0]
        assert observation.startswith("ModuleNotFoundError: No module named 'agentgym")
    assert env.step(fence("import os\n'142' in str(dict(os.environ))"))[0] == "False"


def test_many_threads_share_one_sandbox() -> None:
    def episode(seed: int) -> float:
        env = PythonMath(level=2)
        env.reset(seed=seed)
        for action in env.oracle():
            reward = env.step(action)[1]
        env.close()
        return reward

    with ThreadPoolExecutor(16) as threads:
        assert list(threads.map(episode, range(48))) == [1.0] * 48
    assert shared_sandbox(LIMITS) is shared_sandbox(Limits(memory_mb=256, pids=32))


def test_lost_sandbox_is_a_fault_and_the_next_episode_works() -> None:
    interpreter = Interpreter(LIMITS, timeout_s=1.0)
    assert interpreter.run("1") == "1"
    close_sandboxes()
    with pytest.raises(EnvironmentFault, match="the python sandbox failed: this session is"):
        interpreter.run("2")
    assert interpreter.run("3") == "3"
    interpreter.close()


def test_process_that_forgets_to_close_leaves_nothing_running() -> None:
    code = (
        "from agentgym_envs.python.env import PythonMath\n"
        "env = PythonMath(); env.reset(seed=0)\n"
        "print(env.step('```python\\n6*7\\n```')[0])\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("42\n", "", 0)


@pytest.mark.parametrize("level", LEVELS)
def test_gymnasium_accepts_it_without_warnings(level: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env = make("agentgym/PythonMath-v0", level=level).unwrapped
        check_env(env)
    env.close()


@pytest.mark.parametrize(
    ("kwargs", "text"),
    [
        ({"level": 9}, "level must be one of 1, 2, 3, 4, 5, not 9"),
        ({"split": "tets"}, "no split 'tets'; did you mean 'test'"),
        ({"sandbox": "none"}, "no sandbox 'none'"),
        ({"timeout_s": 0.0}, "timeout_s=0.0"),
        ({"memory_mb": 1}, "memory_mb=1"),
    ],
)
def test_wrong_argument_is_refused_when_made(kwargs: dict[str, object], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        PythonMath(**kwargs)  # type: ignore[arg-type]


def test_a_session_that_code_ends_between_two_calls_is_no_fault(env: PythonMath) -> None:
    """A policy must not be able to have a hopeless episode left out of the batch."""
    env.step(fence("import os, threading\nthreading.Timer(0.05, os._exit, (0,)).start()"))
    deadline = time.monotonic() + 5
    observation = "1"
    while observation == "1" and time.monotonic() < deadline:
        env.turns = 0
        observation = env.step(fence("1"))[0]
    assert LOST in observation
    assert env.step(fence("1 + 1"))[0] == "2"
