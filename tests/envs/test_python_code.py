from __future__ import annotations

import json
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from gymnasium.utils.env_checker import check_env

from agentgym.chat.toolcalls import call, spell
from agentgym.check import check
from agentgym.errors import ConfigError, EnvironmentFault, UsageError
from agentgym.registry import make
from agentgym.types import Verdict
from agentgym_envs.python.code_env import PythonCode
from agentgym_envs.python.interpreter import close_sandboxes, shared_sandbox
from agentgym_sandbox import ExecResult, LocalSandbox, Session

DOUBLE = {
    "id": "double",
    "prompt": "Write double(n).",
    "entry_point": "double",
    "solution": "def double(n):\n    return 2 * n",
    "tests": [[[3], 6], [[-4], -8], [[10], 20]],
}
THREAD = """
import os, threading, time
def go():
    time.sleep(0.05)
    os._exit(0)
threading.Thread(target=go).start()
"""


def fence(code: str) -> str:
    return f"```python\n{code}\n```"


def submit(code: str) -> str:
    return spell(call("submit", code=code))


@pytest.fixture
def path(tmp_path: Path) -> str:
    (tmp_path / "tasks.jsonl").write_text(json.dumps(DOUBLE))
    return str(tmp_path / "tasks.jsonl")


@pytest.fixture
def env(path: str) -> Iterator[PythonCode]:
    made = PythonCode(path=path, timeout_s=1.0, max_turns=3)
    made.reset(seed=0)
    yield made
    made.close()


def judged(env: PythonCode, action: str) -> tuple[float, str]:
    _, reward, terminated, truncated, info = env.step(action)
    assert (terminated, truncated) == (True, False)
    verdict: Verdict = info["verdict"]
    return reward, verdict.reason


def test_right_function_scores_1(env: PythonCode) -> None:
    action = submit("def double(n): return n + n")
    assert judged(env, action) == (1.0, "passed 3 of 3")


def test_function_right_on_some_inputs_scores_0(env: PythonCode) -> None:
    reward, reason = judged(env, submit("def double(n): return 6 if n == 3 else n + 10"))
    assert (reward, reason) == (0.0, "passed 2 of 3: test 2 returned a wrong value")


def test_verdict_names_its_rules(env: PythonCode) -> None:
    verdict = env.step(submit("def double(n): return 6"))[4]["verdict"]
    assert {rule.name: rule.score for rule in verdict.rules} == {"loads": 1.0, "tests": 1 / 3}
    assert verdict.extracted == "def double(n): return 6"


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("def double(n:", "the code raised SyntaxError"),
        ("1 / 0", "the code raised ZeroDivisionError"),
        ("def triple(n): return 3 * n", "the code defines no 'double'"),
        ("double = 3", "test 1 raised TypeError"),
        ("def double(n): return None", "test 1 returned a wrong value"),
        ("", "the code defines no 'double'"),
    ],
    ids=range(6),
)
def test_code_that_is_no_solution_scores_0_with_the_reason(
    env: PythonCode, code: str, reason: str
) -> None:
    assert judged(env, submit(code)) == (0.0, f"passed 0 of 3: {reason}")


def test_code_is_tried_before_it_is_submitted(env: PythonCode) -> None:
    first = env.step(fence("def double(n): return n * 2\ndouble(21)"))
    assert first[:4] == ("42", 0.0, False, False)
    assert judged(env, submit("def double(n): return n * 2"))[0] == 1.0


def test_hidden_tests_run_without_the_state_of_the_tool(env: PythonCode) -> None:
    env.step(fence("def helper(n): return n * 2"))
    reward, reason = judged(env, submit("def double(n): return helper(n)"))
    assert (reward, reason) == (0.0, "passed 0 of 3: test 1 raised NameError")


def test_names_taken_by_the_code_do_no_harm(env: PythonCode) -> None:
    code = "list = str = type = repr = int = json = globals = 0\ndef double(n): return n * 2"
    assert judged(env, submit(code))[0] == 1.0


def test_text_with_a_plain_block_is_an_answer(env: PythonCode) -> None:
    text = "First\n```\nnonsense\n```\nthen\n```\ndef double(n): return 2 * n\n```\nDone."
    assert judged(env, text)[0] == 1.0


@pytest.mark.parametrize("text", ["", "def double(n): return 2 * n", "done"])
def test_text_without_a_block_scores_0(env: PythonCode, text: str) -> None:
    assert judged(env, text) == (0.0, "no call of submit, and no code block")


def test_only_the_first_submission_counts(env: PythonCode) -> None:
    both = submit("def double(n): return 0") + submit("def double(n): return 2 * n")
    assert judged(env, both)[0] == 0.0


def test_submission_of_a_wrong_type_is_an_observation(env: PythonCode) -> None:
    observation, reward, terminated, *_ = env.step(spell(call("submit", code=[7])))
    assert observation.startswith("error: submit: ")
    assert (reward, terminated) == (0.0, False)


def test_turn_limit_truncates_without_a_submission(env: PythonCode) -> None:
    env.step(fence("1"))
    env.step(fence("2"))
    _, reward, terminated, truncated, info = env.step(fence("3"))
    assert (reward, terminated, truncated) == (0.0, False, True)
    assert info["verdict"].reason == "no answer within 3 turns"


def test_submission_in_the_last_turn_counts(env: PythonCode) -> None:
    env.step(fence("1"))
    env.step(fence("2"))
    assert judged(env, submit(DOUBLE["solution"]))[0] == 1.0  # type: ignore[arg-type]


def test_tool_session_ended_by_its_own_thread_is_an_observation(env: PythonCode) -> None:
    env.step(fence(THREAD))
    session = env.interpreter.open()
    deadline = time.monotonic() + 5
    while session.alive and time.monotonic() < deadline:
        observation, _, terminated, *_ = env.step(fence("1"))
        if observation != "1":
            break
        env.turns = 0
    assert "variables are lost" in observation
    assert not terminated


def test_sandbox_that_was_closed_is_a_fault_and_not_a_0(
    env: PythonCode, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = env.interpreter.limits
    closed = shared_sandbox(limits)
    close_sandboxes()
    monkeypatch.setattr("agentgym_envs.python.code_env.shared_sandbox", lambda limits: closed)
    with pytest.raises(EnvironmentFault, match="the python sandbox failed"):
        env.step(submit("def double(n): return 2 * n"))


def test_sandbox_closed_amid_the_tests_is_a_fault_and_not_a_0(
    env: PythonCode, monkeypatch: pytest.MonkeyPatch
) -> None:
    with LocalSandbox(limits=env.interpreter.limits) as own:
        monkeypatch.setattr("agentgym_envs.python.code_env.shared_sandbox", lambda limits: own)
        execute = _patched(monkeypatch, own, after=2)
        with pytest.raises(EnvironmentFault, match="the python sandbox failed"):
            env.step(submit("def double(n): return 2 * n"))
        assert len(execute) == 3


def _patched(monkeypatch: pytest.MonkeyPatch, own: LocalSandbox, after: int) -> list[str]:
    """Close the sandbox after some calls of any of its sessions; return the codes sent."""
    with own.session() as session:
        kind = type(session)
    sent: list[str] = []
    execute = kind.execute

    def closing(self: Session, code: str, *, timeout_s: float = 10.0) -> ExecResult:
        sent.append(code)
        if len(sent) > after:
            own.close()
        return execute(self, code, timeout_s=timeout_s)  # type: ignore[arg-type]

    monkeypatch.setattr(kind, "execute", closing)
    return sent


def test_set_up_that_fails_is_a_fault_that_names_the_task(tmp_path: Path) -> None:
    row = {"text": "t", "test_list": ["assert f(1) == 2"], "test_setup_code": "import nothing"}
    (tmp_path / "tasks.jsonl").write_text(json.dumps(row))
    env = PythonCode(path=str(tmp_path / "tasks.jsonl"))
    env.reset(seed=0)
    with pytest.raises(EnvironmentFault, match="set-up raised ModuleNotFoundError"):
        env.step(submit("def f(n): return n + 1"))
    env.close()


def test_expected_values_are_in_nothing_that_is_sent_or_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = {**DOUBLE, "tests": [[[n], 917_000_000 + n] for n in range(4)]}
    (tmp_path / "tasks.jsonl").write_text(json.dumps(row))
    env = PythonCode(path=str(tmp_path / "tasks.jsonl"))
    seen = [json.dumps(env.reset(seed=0))]
    kind = type(env.interpreter.open())
    execute = kind.execute
    sent: list[str] = []

    def recording(self: Session, code: str, *, timeout_s: float = 10.0) -> ExecResult:
        sent.append(code)
        return execute(self, code, timeout_s=timeout_s)  # type: ignore[arg-type]

    monkeypatch.setattr(kind, "execute", recording)
    seen += [json.dumps(env.step(fence("dir()"))), json.dumps(env.tools)]
    observation, reward, *_ = env.step(submit("def double(n): return 917_000 * 1000 - n"))
    assert reward == 0.0
    assert len(sent) == 1 + 3 + 4  # the trial; set-up, code and name; four tests
    assert "9170000" not in "".join([*sent, *seen, observation])
    env.close()


def test_nothing_is_sent_before_a_call(env: PythonCode) -> None:
    assert not env.interpreter.running
    judged(env, "no code")
    assert not env.interpreter.running


def test_oracle_tries_and_submits(env: PythonCode) -> None:
    trial, last = env.oracle()
    assert env.step(trial)[1:3] == (0.0, False)
    assert judged(env, last)[0] == 1.0


def test_oracle_of_a_row_without_a_solution_says_so(tmp_path: Path) -> None:
    row = {key: value for key, value in DOUBLE.items() if key != "solution"}
    (tmp_path / "tasks.jsonl").write_text(json.dumps(row))
    env = PythonCode(path=str(tmp_path / "tasks.jsonl"))
    env.reset(seed=0)
    with pytest.raises(UsageError, match="task 'double' has no solution; add it to its row"):
        next(env.oracle())


@pytest.mark.parametrize("split", ["train", "dev", "test"])
def test_python_code_keeps_the_contract(split: str) -> None:
    report = check("agentgym/PythonCode-v0", kwargs={"split": split})
    assert [row for row in report.rows if not row.ok] == []


def test_gymnasium_accepts_python_code_without_warnings() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env = make("agentgym/PythonCode-v0").unwrapped
        check_env(env)
    env.close()


@pytest.mark.parametrize(
    ("kwargs", "text"),
    [
        ({"split": "tets"}, "no split 'tets'; did you mean 'test'"),
        ({"timeout_s": 0.0}, "timeout_s=0.0"),
        ({"memory_mb": 1}, "memory_mb=1"),
        ({"path": "nowhere.jsonl"}, "cannot read tasks from 'nowhere.jsonl'"),
    ],
)
def test_wrong_argument_of_python_code_is_refused(kwargs: dict[str, object], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        PythonCode(**kwargs)  # type: ignore[arg-type]
