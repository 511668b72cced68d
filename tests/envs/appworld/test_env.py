"""Episodes against the real package, on the task root that `task_root.py` builds."""

from __future__ import annotations

import json
import os
import signal
import threading
from typing import Any

import pytest

from agentgym.check import check
from agentgym.errors import EnvironmentFault, UnknownTask, UsageError
from agentgym.evaluate.runner import evaluate
from agentgym.policy.scripted import OraclePolicy
from agentgym_envs.appworld.env import AppWorld
from agentgym_envs.appworld.installation import Installation
from agentgym_envs.world.behaviour import counts
from agentgym_envs.world.env import ApiWorld
from agentgym_envs.world.goals import sgc, tgc

# Tasks of the task root: "make a note 'pears'", "what does 'Groceries' say", "delete 'Garden'",
# "how many titles of 5 letters".
MAKE, ASK, DELETE, COUNT = "0000000_1", "0000001_1", "0000002_2", "0000003_1"
SPLIT = {MAKE: "train", ASK: "dev", DELETE: "test_normal", COUNT: "test_challenge"}
COMPLETE = "apis.supervisor.complete_task()"
LOGIN = """
passwords = {p["account_name"]: p["password"] for p in apis.supervisor.show_account_passwords()}
email = apis.supervisor.show_profile()["email"]
token = apis.simple_note.login(username=email, password=passwords["simple_note"])["access_token"]
"""
NEW_NOTE = "apis.simple_note.create_note(title={!r}, content={!r}, access_token=token)"


def fence(*code: str) -> str:
    return "```python\n" + "\n".join(code) + "\n```"


def begun(env: AppWorld, task_id: str = MAKE) -> AppWorld:
    env.split = SPLIT[task_id]
    env.reset(seed=0, options={"task_id": task_id})
    return env


def said(env: AppWorld, *code: str) -> str:
    return env.step(fence(*code))[0]


@pytest.mark.usefixtures("warm", "variables")
def test_environment_keeps_the_contract() -> None:
    report = check("agentgym/AppWorld-v0", tasks=3)
    assert [row for row in report.rows if not row.ok] == []


@pytest.mark.parametrize("task_id", SPLIT)
def test_solution_scores_1(env: AppWorld, task_id: str) -> None:
    for action in begun(env, task_id).oracle():
        _, reward, terminated, truncated, info = env.step(action)
    assert (reward, terminated, truncated) == (1.0, True, False)
    assert info["verdict"].reason == "all tests pass"


def test_solution_that_is_not_there_is_said(env: AppWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(env.tasks, "solution", lambda task_id: None)
    with pytest.raises(UsageError, match="comes without a solution"):
        list(begun(env).oracle())


@pytest.mark.parametrize(
    ("task_id", "cells", "failed"),
    [
        (MAKE, (COMPLETE,), "assert the note is as asked."),
        (MAKE, (LOGIN, NEW_NOTE.format("pears", "buy plums"), COMPLETE), "assert the note"),
        (ASK, (COMPLETE,), "assert answers match."),
        (ASK, ("apis.supervisor.complete_task(answer='eggs')",), "assert answers match."),
        (
            COUNT,
            (LOGIN, NEW_NOTE.format("x", "y"), "apis.supervisor.complete_task(answer=1)"),
            "assert only the allowed tables changed.",
        ),
    ],
)
def test_nothing_done_and_wrong_things_done_score_0(
    env: AppWorld, task_id: str, cells: tuple[str, ...], failed: str
) -> None:
    _, reward, terminated, _, info = begun(env, task_id).step(fence(*cells))
    assert (reward, terminated) == (0.0, True)
    assert info["verdict"].reason.startswith(f"failed: {failed}")


@pytest.mark.parametrize(("reward", "expected"), [("fraction", 2 / 3), ("guarded", 0.5)])
def test_reward_for_a_completion_alone(warm: Installation, reward: Any, expected: float) -> None:
    env = begun(AppWorld(python=warm.python, root=warm.root, reward=reward))
    # No answer is right, nothing was broken; but the note, the other deed, is not there.
    assert env.step(fence(COMPLETE))[1] == pytest.approx(expected)
    env.close()


def test_verdict_holds_no_ground_truth(env: AppWorld) -> None:
    verdict = begun(env, ASK).step(fence(COMPLETE))[4]["verdict"]
    assert "rice" not in repr(verdict)  # the right answer is 'milk, rice'


def test_episode_without_completion_is_truncated_with_0(env: AppWorld) -> None:
    begun(env)
    replies = [env.step(fence("x = 1")) for _ in range(8)]
    assert [reply[1:4] for reply in replies] == [(0.0, False, False)] * 7 + [(0.0, False, True)]
    assert replies[-1][4]["verdict"].reason == "complete_task was not called within 8 turns"


def test_prompt_and_instructions_are_those_of_the_api_world(env: AppWorld) -> None:
    env.split = "train"
    _, info = env.reset(seed=0, options={"task_id": MAKE})
    system, user = (message["content"] for message in info["messages"])
    assert system == ApiWorld.instructions
    assert user == (
        "I am your supervisor, Mira Okafor. My email is mira.okafor@example.com and my phone "
        "number is 5550142.\n\nMy task: Make a note titled 'pears' that says 'buy pears'."
    )


def test_observation_is_what_a_cell_prints(env: AppWorld) -> None:
    begun(env)
    assert said(env, "x = 5", "x") == "Execution successful."
    assert said(env, "print(x)") == "5"
    lines = said(env, "1 / 0").splitlines()
    assert (lines[0], lines[-1]) == (
        "Execution failed. Traceback:",
        "ZeroDivisionError: division by zero",
    )
    assert "Response status code is 401" in said(env, "apis.simple_note.show_note(note_id=1)")


def test_actions_are_read_as_in_the_api_world(env: AppWorld) -> None:
    begun(env)
    assert env.step("I am done.")[0].startswith("No code was found, so nothing was run.")
    assert said(env, "print(1)", "```", "```python", "print(2)") == (
        "1\n\nOnly the first cell was run: write one cell a turn."
    )
    call = '<tool_call>{"name": "python", "arguments": {"code": "print(7)"}}</tool_call>'
    observation, _, _, _, info = env.step(call)
    assert (observation, info["tool_calls"]) == ("7", ["python"])


def test_documentation_and_pages_are_as_the_instructions_say(env: AppWorld) -> None:
    begun(env)
    assert "simple_note" in said(env, "print(apis.api_docs.show_app_descriptions())")
    assert "create_note" in said(
        env, "print(apis.api_docs.show_api_descriptions(app_name='simple_note'))"
    )
    assert "title" in said(
        env, "print(apis.api_docs.show_api_doc(app_name='simple_note', api_name='create_note'))"
    )
    assert "api_name" in said(env, "print(apis.api_docs.search_api_docs(query='create a note'))")
    page = "found = apis.simple_note.search_notes(access_token=token, page_index=0, page_limit={})"
    assert said(env, LOGIN, page.format(20), "print(len(found))") == "3"
    assert "422" in said(env, page.format(21))


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("print('\\ud800')", "?"),
        ("x = '\x00'", "Execution failed. Traceback:"),
        ("x = " + "(" * 5_000 + ")" * 5_000, "Execution failed. Traceback:"),
        ("x = " + "-" * 50_000 + "1", "Execution failed. Traceback:"),
        ("raise SystemExit(3)", "Execution failed. Traceback:"),
        ("exit()", "Execution failed. Traceback:"),
        ("raise ValueError('\\ud800')", "Execution failed. Traceback:"),
        ("", "No code available to execute."),
    ],
)
def test_cell_that_appworld_stumbles_over_is_the_agents(
    env: AppWorld, code: str, expected: str
) -> None:
    begun(env)
    assert said(env, code).startswith(expected)
    assert said(env, "print(1)") == "1"


def test_world_closed_by_the_agent_is_no_fault(env: AppWorld) -> None:
    begun(env)
    said(env, "import appworld", "appworld.AppWorld.close_all()")
    assert said(env, COMPLETE).startswith("Execution failed. Traceback:")


def test_cell_out_of_time_is_stopped_and_the_world_goes_on(env: AppWorld) -> None:
    begun(env)
    said(env, "x = 1")
    assert said(env, "while True: pass").endswith("Execution timed out after 1 seconds.")
    assert said(env, "print(x)") == "1"


def test_cell_that_does_not_stop_ends_the_episode_with_0(
    env: AppWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agentgym_envs.appworld.server.GRACE_S", 0.5)
    pid = begun(env).serve().pid
    stubborn = (
        "def f():",
        "    while True:",
        "        try:",
        "            while True: sum(range(99))",
        "        except BaseException: continue",
        "f()",
    )
    observation, reward, terminated, truncated, info = env.step(fence(*stubborn))
    assert observation == (
        "Execution failed. Traceback:\ntimed out after 1 s; the world was lost with it, and the "
        "episode is over"
    )
    assert (reward, terminated, truncated) == (0.0, True, False)
    assert info["verdict"].reason == "timed out after 1 s"
    assert not alive(pid)
    assert said(begun(env), "print(1)") == "1"


def test_cell_that_crashes_its_process_ends_the_episode_with_0(env: AppWorld) -> None:
    begun(env)
    crash = "appworld.environment.sys.modules['ctypes'].string_at(0)"
    observation, reward, terminated, *_ = env.step(fence("import appworld", crash))
    assert "the interpreter exited" in observation
    assert (reward, terminated) == (0.0, True)
    assert said(begun(env), "print(1)") == "1"


def test_crash_after_a_cell_ends_the_episode_with_0(env: AppWorld) -> None:
    begun(env)
    crash = (
        "import appworld",
        "modules = appworld.environment.sys.modules",
        "modules['threading'].Timer(0.3, modules['ctypes'].string_at, [0]).start()",
    )
    observation, reward, terminated, *_ = env.step(fence(*crash))
    if not terminated:  # it crashes between two cells
        observation, reward, terminated, *_ = env.step(fence("for _ in range(10**8): pass"))
    assert "the interpreter exited" in observation
    assert (reward, terminated) == (0.0, True)


def test_killed_server_is_a_fault_and_the_next_episode_works(env: AppWorld) -> None:
    begun(env)
    said(env, "x = 1")
    os.kill(env.serve().pid, signal.SIGKILL)
    with pytest.raises(EnvironmentFault, match="AppWorld's server failed in execute"):
        said(env, "print(x)")
    assert said(begun(env), "print(1)") == "1"


def test_server_that_cannot_write_is_a_fault(env: AppWorld) -> None:
    begun(env)
    outputs = env.serve().folder / "experiments" / "outputs"
    outputs.rename(outputs.with_name("gone"))
    outputs.touch()
    with pytest.raises(EnvironmentFault, match="AppWorld answered 500 to execute: NotADirectory"):
        said(env, "x = 1")
    assert said(begun(env), "print(1)") == "1"


def test_unknown_task_is_said_before_anything_is_served(env: AppWorld) -> None:
    with pytest.raises(UnknownTask, match="no task 'fffffff_1' in split 'train'"):
        env.reset(options={"task_id": "fffffff_1"})


def test_task_that_appworld_cannot_load_is_a_fault(
    env: AppWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(env)
    monkeypatch.setattr("agentgym_envs.appworld.serve.EXPERIMENT", "\x00")
    with pytest.raises(EnvironmentFault, match="AppWorld answered 500 to initialize: ValueError"):
        said(env, "x = 1")


def test_environments_do_not_share_a_world(warm: Installation, env: AppWorld) -> None:
    other = begun(AppWorld(python=warm.python, root=warm.root))
    begun(env)
    said(env, LOGIN, NEW_NOTE.format("mine", "x"), "import builtins", "builtins.mark = 1")
    count = "print(len(apis.simple_note.search_notes(access_token=token)))"
    assert (said(env, count), said(other, LOGIN, count)) == ("4", "3")
    assert env.serve().pid != other.serve().pid
    assert "NameError" in said(other, "mark")
    other.close()


def test_environments_work_in_threads(warm: Installation) -> None:
    scores: list[float] = []

    def play() -> None:
        env = begun(AppWorld(python=warm.python, root=warm.root))
        scores.extend(env.step(action)[1] for action in env.oracle())
        env.close()

    threads = [threading.Thread(target=play) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert scores == [1.0] * 4


def test_goals_of_an_evaluation(warm: Installation) -> None:
    settings = {"python": warm.python, "root": warm.root}
    result = evaluate("agentgym/AppWorld-v0", OraclePolicy(), split="dev", env_kwargs=settings)
    scores = [(task_id, value) for task_id, some in result.scores().items() for value in some]
    assert sorted(scores) == [("0000001_1", 1.0), ("0000001_2", 1.0), ("0000001_3", 1.0)]
    assert (tgc(scores), sgc(scores)) == (1.0, 1.0)
    one_failed = [*scores[:2], (scores[2][0], 0.0)]
    assert (tgc(one_failed), sgc(one_failed)) == (pytest.approx(2 / 3), 0.0)


def test_counters_say_how_the_agent_behaved(env: AppWorld) -> None:
    begun(env)
    said(env, "apis.api_docs.show_app_descriptions()", "1 / 0")
    done = 'apis.supervisor.complete_task(status="fail")'
    found = counts(env.step(fence(LOGIN, done))[4]["verdict"].rules)
    assert {
        "doc_lookups": 1,
        "failed_executions": 1,
        "give_ups": 1,
        "calls": 5,
        "calls.simple_note": 1,
    }.items() <= found.items()


MADE_UP = ("/\x1b[2J/notes", "/\ud800", "/" + "a" * 99, "notes", "/simple_note/ x", "/A/b")


def test_calls_that_the_agent_made_up_are_not_counted(env: AppWorld) -> None:
    begun(env)
    said(env, LOGIN)
    server = env.serve()
    honest = server.calls()
    (log,) = server.folder.glob("experiments/outputs/*/tasks/*/logs/api_calls.jsonl")
    with log.open("a") as lines:
        lines.writelines(json.dumps({"url": url, "data": {}}) + "\n" for url in MADE_UP)
    assert server.calls() == honest
    assert set(honest) == {
        "supervisor.account_passwords",
        "supervisor.profile",
        "simple_note.auth/token",
    }


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
