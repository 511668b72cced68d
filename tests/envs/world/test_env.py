from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from agentgym.check import check
from agentgym.errors import ConfigError, EnvironmentFault, UnknownTask
from agentgym_envs.python.interpreter import close_sandboxes
from agentgym_envs.world.apps import APPS
from agentgym_envs.world.database import Database
from agentgym_envs.world.env import ApiWorld

APPROVE, TOTAL = "pay_approve_request_1", "pay_total_sent_1"
CANCEL = "pay_cancel_request_3"  # there is no such request


def fence(code: str) -> str:
    return f"```python\n{code}\n```"


@pytest.fixture
def env() -> Iterator[ApiWorld]:
    made = ApiWorld(size="small", cell_timeout_s=1.0, max_turns=8)
    made.reset(seed=0, options={"task_id": APPROVE})
    yield made
    made.close()


def played(
    env: ApiWorld, task_id: str, *last: str
) -> tuple[str, float, bool, bool, dict[str, Any]]:
    """Play the oracle, its last cell replaced if another is given."""
    env.reset(seed=1, options={"task_id": task_id})
    cells = list(env.oracle())
    for cell in [*cells[:-1], *last] if last else cells:
        reply = env.step(cell)
    return reply


@pytest.mark.timeout(120)
def test_environment_keeps_the_contract() -> None:
    report = check("agentgym/ApiWorld-v0", kwargs={"size": "small"})
    assert [row for row in report.rows if not row.ok] == []


def test_prompt_says_who_asks_what(env: ApiWorld) -> None:
    _, info = env.reset(seed=0, options={"task_id": APPROVE})
    system, user = (message["content"] for message in info["messages"])
    person = env.run.service.person
    for part in (person["first_name"], person["email"], person["phone"], env.task.prompt):
        assert part in user
    assert "apis.api_docs.show_app_descriptions()" in system


def test_cell_shows_what_it_prints_and_no_value(env: ApiWorld) -> None:
    assert env.step(fence("print(1)\n2"))[0] == "1"
    assert env.step(fence("1 + 1"))[0] == "Execution successful."


def test_variables_are_kept(env: ApiWorld) -> None:
    env.step(fence("x = 5"))
    assert env.step(fence("print(x)"))[0] == "5"


def test_tool_call_runs_a_cell(env: ApiWorld) -> None:
    text = '<tool_call>{"name": "python", "arguments": {"code": "print(7)"}}</tool_call>'
    observation, _, _, _, info = env.step(text)
    assert (observation, info["tool_calls"]) == ("7", ["python"])


def test_cell_that_raises_shows_its_own_line_and_the_error(env: ApiWorld) -> None:
    observation = env.step(fence("print('a')\napis.pay.send_money(amount=5)"))[0]
    lines = observation.splitlines()
    assert lines[:4] == [
        "a",
        "Execution failed. Traceback:",
        '  File "<cell 1>", line 2, in <module>',
        "    apis.pay.send_money(amount=5)",
    ]
    assert lines[4] == "Exception: Response status code is 401:"
    assert lines[5].startswith('{"message": "You are either not authorized')


def test_text_without_code_is_answered_and_costs_a_turn(env: ApiWorld) -> None:
    observation, reward, terminated, truncated, _ = env.step("I am done.")
    assert observation.startswith("No code was found, so nothing was run.")
    assert (reward, terminated, truncated, env.turns) == (0.0, False, False, 1)


def test_only_the_first_cell_is_run(env: ApiWorld) -> None:
    observation = env.step(fence("print(1)") + "\n\n" + fence("print(2)"))[0]
    assert observation == "1\n\nOnly the first cell was run: write one cell a turn."


def test_cell_out_of_time_is_stopped_and_the_session_goes_on(env: ApiWorld) -> None:
    env.step(fence("x = 1"))
    observation = env.step(fence("while True: pass"))[0]
    assert observation == "Execution failed. Traceback:\ntimed out after 1 s"
    assert env.step(fence("print(x)"))[0] == "1"


def test_long_observation_loses_its_middle(env: ApiWorld) -> None:
    observation = env.step(fence("print('x' * 20_000)"))[0]
    assert len(observation) < 8_100
    assert "characters cut" in observation


@pytest.mark.parametrize("task_id", [APPROVE, TOTAL, CANCEL])
def test_oracle_scores_1(env: ApiWorld, task_id: str) -> None:
    _, reward, terminated, truncated, info = played(env, task_id)
    assert (reward, terminated, truncated) == (1.0, True, False)
    assert info["verdict"].reason == "all rules hold"


def test_episode_ends_in_the_cell_that_completes(env: ApiWorld) -> None:
    code = "apis.supervisor.complete_task()\nprint(apis.supervisor.show_profile())"
    observation, reward, terminated, *_ = env.step(fence(code))
    assert (reward, terminated) == (0.0, True)
    assert "The task has been completed already." in observation


@pytest.mark.parametrize(
    ("task_id", "last", "failed"),
    [
        (TOTAL, "apis.supervisor.complete_task(answer=total + 1)", "answer"),
        (TOTAL, "apis.supervisor.complete_task()", "answer"),
        (TOTAL, "apis.supervisor.complete_task(answer=total, status='fail')", "status"),
        (APPROVE, "apis.supervisor.complete_task(answer='done')", "answer"),
        (CANCEL, "apis.supervisor.complete_task()", "status"),
        (
            APPROVE,
            "apis.pay.request_money(email='nora.adler@example.com', amount=1,"
            " access_token=tokens['pay'])\napis.supervisor.complete_task()",
            "no collateral damage",
        ),
    ],
)
def test_verdict_names_what_failed(env: ApiWorld, task_id: str, last: str, failed: str) -> None:
    email = env.run.service.db.one("SELECT email FROM people WHERE first_name = 'Nora'")["email"]
    cell = fence(last.replace("nora.adler@example.com", email))
    _, reward, terminated, _, info = played(env, task_id, cell)
    assert (reward, terminated) == (0.0, True)
    assert info["verdict"].reason == f"failed: {failed}"


def test_episode_without_completion_is_truncated_with_0(env: ApiWorld) -> None:
    replies = [env.step(fence("pass")) for _ in range(8)]
    assert [reply[1:4] for reply in replies] == [(0.0, False, False)] * 7 + [(0.0, False, True)]
    assert "not called within 8 turns" in replies[-1][4]["verdict"].reason


@pytest.mark.parametrize(
    ("reward", "expected"), [("binary", 0.0), ("fraction", 6 / 7), ("guarded", 0.0)]
)
def test_reward_mode_pays_for_collateral_damage(reward: Any, expected: float) -> None:
    env = ApiWorld(size="small", reward=reward)
    env.reset(options={"task_id": APPROVE})
    stray = "apis.pay.request_money(email=profile['email'], amount=1, access_token=tokens['pay'])"
    email = env.run.service.db.one("SELECT email FROM people WHERE first_name = 'Nora'")["email"]
    stray = stray.replace("profile['email']", repr(email))
    done = "apis.supervisor.complete_task()"
    assert played(env, APPROVE, fence(f"{stray}\n{done}"))[1] == pytest.approx(expected)
    env.close()


def test_reset_returns_the_built_world(env: ApiWorld) -> None:
    played(env, APPROVE)
    service = env.run.service
    env.reset(seed=2, options={"task_id": TOTAL})
    assert service.db is env.run.service.db
    assert service.db.changes() == []
    service.db.rollback()
    with_build = Database(service.db.dump()).contents()
    fresh = ApiWorld(size="small")
    fresh.reset(options={"task_id": TOTAL})
    fresh.run.service.db.rollback()
    assert fresh.run.service.db.contents() == with_build
    fresh.close()


def test_same_seed_gives_the_same_tokens_and_another_gives_others(env: ApiWorld) -> None:
    seen = []
    for seed in (1, 1, 2):
        env.reset(seed=seed, options={"task_id": APPROVE})
        env.step(next(env.oracle()))
        seen.append(env.step(fence("print(tokens)"))[0])
    assert seen[0] == seen[1] != seen[2]


def test_bug_of_an_api_is_a_fault_and_no_observation(
    env: ApiWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(ctx: object) -> None:
        """Break."""
        raise ZeroDivisionError("a bug")

    api = APPS["supervisor"].apis["show_addresses"]
    monkeypatch.setitem(APPS["supervisor"].apis, "show_addresses", replace(api, function=broken))
    code = "try:\n    apis.supervisor.show_addresses()\nexcept Exception:\n    pass"
    with pytest.raises(EnvironmentFault, match="an API raised ZeroDivisionError: a bug"):
        env.step(fence(code))


def test_lost_sandbox_is_a_fault(env: ApiWorld) -> None:
    env.step(fence("x = 1"))
    close_sandboxes()
    with pytest.raises(EnvironmentFault, match="the python sandbox failed"):
        env.step(fence("print(x)"))


def test_environment_can_be_used_again_after_close(env: ApiWorld) -> None:
    env.close()
    assert played(env, APPROVE)[1] == 1.0


def test_two_environments_do_not_touch_each_other(env: ApiWorld) -> None:
    other = ApiWorld(size="small")
    other.reset(options={"task_id": APPROVE})
    cells = list(env.oracle())
    for cell in cells[:-1]:
        env.step(cell)
    assert env.run.service.db.changes()
    assert other.run.service.db.changes() == []
    other.close()


def test_task_of_any_number_can_be_asked_for(env: ApiWorld) -> None:
    assert played(env, "pay_total_sent_29")[1] == 1.0
    assert "pay_total_sent_29" not in env.tasks.ids("train")


@pytest.mark.parametrize(
    "task_id", ["pay_total_sent_0", "pay_total_sent_01", "pay_total_sent_x", "no_1", "", "_", "²"]
)
def test_unknown_task_is_refused(env: ApiWorld, task_id: str) -> None:
    with pytest.raises(UnknownTask):
        env.reset(options={"task_id": task_id})


@pytest.mark.parametrize(
    "setting",
    [
        {"reward": "best"},
        {"size": "huge"},
        {"level": 4},
        {"split": "exam"},
        {"cell_timeout_s": 0.0},
        {"calls_per_cell": 0},
        {"memory_mb": 1},
    ],
)
def test_bad_setting_is_refused(setting: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        ApiWorld(**setting)
