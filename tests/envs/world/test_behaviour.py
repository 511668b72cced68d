from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from agentgym.evaluate.runner import evaluate
from agentgym.policy.scripted import OraclePolicy
from agentgym.rollout.ledger import episode_from_json, episode_to_json
from agentgym.rollout.spec import EnvSpec
from agentgym.types import Rule
from agentgym_envs.world.behaviour import Behaviour, counts
from agentgym_envs.world.env import ApiWorld

TASK = "pay_total_sent_1"


def invented(*cells: str, shown: str = "Send 12.50 to Nora Adler, amount 300") -> int:
    behaviour = Behaviour()
    behaviour.show(shown)
    for cell in cells:
        behaviour.ran(cell, False, None)
    return behaviour.invented_values


@pytest.fixture
def env() -> Iterator[ApiWorld]:
    made = ApiWorld(size="small", max_turns=4)
    made.reset(seed=0, options={"task_id": TASK})
    yield made
    made.close()


def played(env: ApiWorld, *cells: str) -> dict[str, int]:
    for cell in cells:
        info = env.step(f"```python\n{cell}\n```")[4]
    return counts(info["verdict"].rules)


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("apis.pay.send_money(email='a@b.example')", 1),  # one value, however many words
        ("apis.pay.send_money(name='nora ADLER')", 0),  # shown
        ("apis.pay.send_money(amount=1250)", 0),  # 12.50 in cents
        ("apis.pay.send_money(amount=3.00)", 0),  # 300 cents
        ("apis.pay.send_money(amount=1251)", 1),
        ("apis.pay.send_money(page_limit=20, login=True, note='')", 0),
        ("apis.pay.send_money(tags=['Nora', 'secret'], extra={'k': 'other'})", 2),
        ("apis.pay.send_money(note=f'{x} secret')", 0),  # an f-string is computed
        ("apis.api_docs.search_api_docs(query='transfer')", 0),  # a look-up claims nothing
        ("password = 'dummy'", 1),
        ("print('dummy')", 0),  # no value of anything
        ("row['dummy'] == 'dummy'", 0),
        ("password = 'dummy", 0),  # cannot be read
        ("x = '\0'", 0),
        ("x = " + "(" * 5000, 0),
        ("x = " + "-" * 19_000 + "1", 0),
        ("x = 0x" + "f" * 19_000, 0),
        ("x = 'dummy'" + " " * 20_000, 0),  # too long to be looked at
    ],
)
def test_invented_values_are_new_literals_of_calls_and_names(cell: str, expected: int) -> None:
    assert invented(cell) == expected


def test_invented_value_counts_once() -> None:
    assert invented("x = 'dummy'", "y = 'dummy'", "z = 'dummy 777'") == 2


def test_value_that_was_shown_later_is_not_invented() -> None:
    behaviour = Behaviour()
    behaviour.show("{'access_token': 'a3f9b2'}")
    behaviour.ran("apis.pay.show_balance(access_token='a3f9b2')", False, None)
    assert behaviour.invented_values == 0


@pytest.mark.parametrize(
    ("failures", "status", "expected"),
    [((False,), "success", 0), ((True,), "success", 1), ((False,), "fail", 1),
     ((True, False), "success", 0)],
)  # fmt: skip
def test_give_up_is_status_fail_or_right_after_a_failure(
    failures: tuple[bool, ...], status: str, expected: int
) -> None:
    behaviour = Behaviour()
    for failed in failures:
        behaviour.ran("1", failed, None)
    behaviour.ran("2", False, {"answer": None, "status": status})
    assert behaviour.give_ups == expected


def test_repeated_cells_are_equal_up_to_outer_blanks() -> None:
    behaviour = Behaviour()
    for cell in ("f()", " f()\n", "g()", "f()"):
        behaviour.ran(cell, False, None)
    assert behaviour.repeated_cells == 2


def test_rules_weigh_nothing_and_read_back() -> None:
    rules = Behaviour(failed_executions=2).rules({"pay.login": 1, "api_docs.x": 3, "pay.y": 4})
    assert {rule.weight for rule in rules} == {0.0}
    assert counts((*rules, Rule("answer", 1.0))) == {
        "doc_lookups": 3,
        "failed_executions": 2,
        "give_ups": 0,
        "repeated_cells": 0,
        "invented_values": 0,
        "calls": 8,
        "calls.api_docs": 3,
        "calls.pay": 5,
    }


def test_rules_name_the_apps_that_were_called_most() -> None:
    calls = {f"app{number:03d}.x": number for number in range(1, 301)}
    found = counts(Behaviour().rules(calls))
    named = [name for name in found if name.startswith("calls.")]
    assert named == [f"calls.app{number}" for number in range(281, 301)]
    assert found["calls"] == 300 * 301 // 2


def test_verdict_carries_the_counters(env: ApiWorld) -> None:
    found = played(
        env,
        "apis.api_docs.show_app_descriptions()",
        "apis.pay.login(username='nobody', password='dummy')",
        "apis.supervisor.complete_task(answer=98765)",
    )
    assert found == {
        "doc_lookups": 1,
        "failed_executions": 1,
        "give_ups": 1,
        "repeated_cells": 0,
        "invented_values": 3,
        "calls": 3,
        "calls.api_docs": 1,
        "calls.pay": 1,
        "calls.supervisor": 1,
    }


def test_truncated_episode_has_counters_and_the_next_starts_anew(env: ApiWorld) -> None:
    assert played(env, "pass", "pass", "1 / 0", "pass")["repeated_cells"] == 2
    env.reset(seed=0, options={"task_id": TASK})
    found = played(env, *["print(7)"] * 4)
    assert (found["repeated_cells"], found["failed_executions"], found["calls"]) == (3, 0, 0)


def test_printed_value_is_known(env: ApiWorld) -> None:
    service = env.run.service
    password = service.call("supervisor", "show_account_passwords")[0]["password"]
    found = played(
        env,
        "print(apis.supervisor.show_account_passwords())",
        f"password = {password!r}",
        "apis.supervisor.complete_task(status='fail')",
    )
    assert (found["invented_values"], found["give_ups"]) == (0, 1)


def test_oracle_does_none_of_it(env: ApiWorld) -> None:
    for cell in env.oracle():
        info = env.step(cell)[4]
    found = counts(info["verdict"].rules)
    names = ("doc_lookups", "failed_executions", "give_ups", "repeated_cells", "invented_values")
    assert [found[name] for name in names] == [0] * 5


def test_evaluation_and_its_records_keep_the_counters() -> None:
    spec = EnvSpec("agentgym/ApiWorld-v0", {"size": "small", "transient_errors": 1.0})
    result = evaluate(spec, OraclePolicy(), tasks=[TASK], split="train")
    episode = result.groups[0].episodes[0]
    assert episode.verdict is not None
    assert episode.reward == 1.0
    found = counts(episode.verdict.rules)
    assert (found["failed_executions"], found["calls.pay"] > 1) == (0, True)
    again = episode_from_json(json.loads(episode_to_json(0, episode)))
    assert again.verdict is not None
    assert counts(again.verdict.rules) == found
