from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from agentgym.errors import ConfigError
from agentgym_envs.world.apps import APPS
from agentgym_envs.world.behaviour import counts
from agentgym_envs.world.database import Database
from agentgym_envs.world.env import ApiWorld
from agentgym_envs.world.episode import play, start
from agentgym_envs.world.errors import ApiError
from agentgym_envs.world.modifiers import RETRYING, Modifiers
from agentgym_envs.world.service import Limits, Service
from agentgym_envs.world.tasks import WorldTasks

Made = Callable[..., Service]
ALWAYS = Modifiers(transient_errors=1.0)


@pytest.fixture
def made(world: Database) -> Made:
    """``made(modifiers, secret)`` returns the calls of the assistant of person 1."""
    person = world.one("SELECT * FROM people WHERE id = 1")

    def service(modifiers: Modifiers, secret: str = "secret") -> Service:
        return Service(world, APPS, person, secret, "", Limits(10**6, 10**6), modifiers=modifiers)

    return service


def twice(service: Service, app: str, api: str, **arguments: Any) -> Any:
    """Call what fails at first; return what it gives then."""
    with pytest.raises(ApiError) as refusal:
        service.call(app, api, **arguments)
    assert refusal.value.status == 503
    return service.call(app, api, **arguments)


def token(service: Service, app: str = "pay") -> str:
    row = service.db.one(
        "SELECT username, password FROM accounts WHERE app = ? AND person_id = 1", app
    )
    return str(twice(service, app, "login", **row)["access_token"])


def refused(service: Service, count: int) -> list[int]:
    """Which of so many different calls fail."""
    found = []
    for number in range(count):
        with pytest.raises(ApiError) as refusal:
            service.call("pay", "login", username=str(number), password="x")
        if refusal.value.status == 503:
            found.append(number)
    return found


def test_call_fails_once_and_then_works(made: Made) -> None:
    service = made(ALWAYS)
    assert len(token(service)) == 40
    assert service.call("supervisor", "show_profile")  # the helpers never fail
    assert service.call("api_docs", "show_app_descriptions")


def test_failed_write_writes_nothing_and_the_retry_writes_once(made: Made) -> None:
    service = made(ALWAYS)
    access = token(service, "notes")
    arguments = {"title": "T", "body": "B", "access_token": access}
    with pytest.raises(ApiError, match="503"):
        service.call("notes", "create_note", **arguments)
    assert (service.db.changes(), service.writes) == ([], 0)
    service.call("notes", "create_note", **arguments)
    assert (len(service.db.changes()), service.writes) == (1, 1)


def test_answer_of_a_failed_call_has_its_status(made: Made) -> None:
    text = '{"app": "pay", "api": "login", "arguments": {"username": "a", "password": "b"}}'
    assert '"status": 503' in made(ALWAYS).answer(text)


def test_share_of_calls_fails_the_same_for_a_seed(made: Made) -> None:
    some = Modifiers(transient_errors=0.2)
    first = refused(made(some), 500)
    assert 60 <= len(first) <= 140  # 100, give or take 4.5 standard deviations of 9
    assert first == refused(made(some), 500)
    assert first != refused(made(some, "other"), 500)
    assert refused(made(Modifiers()), 50) == []


def test_missing_api_answers_404_and_is_in_no_documentation(made: Made) -> None:
    service = made(Modifiers(missing_api="pay.show_balance"))
    with pytest.raises(ApiError) as refusal:
        service.call("pay", "show_balance")
    assert refusal.value.status == 404
    listed = service.call("api_docs", "show_api_descriptions", app_name="pay")
    names = {row["name"] for row in listed}
    assert names == set(APPS["pay"].apis) - {"show_balance"}
    with pytest.raises(ApiError, match="No API"):
        service.call("api_docs", "show_api_doc", app_name="pay", api_name="show_balance")
    found = service.call("api_docs", "search_api_docs", query="pay show balance", page_limit=20)
    assert "show_balance" not in {row["api_name"] for row in found}
    assert "show_balance" in made(Modifiers()).apps["pay"].apis  # nothing else has changed


def test_long_outputs_pad_lists_and_documentation_and_change_nothing_else(made: Made) -> None:
    plain, long = made(Modifiers()), made(Modifiers(long_outputs=True))
    calls: list[tuple[str, str, dict[str, Any]]] = [
        ("supervisor", "show_account_passwords", {}),
        ("api_docs", "show_api_descriptions", {"app_name": "mail"}),
        ("api_docs", "show_api_doc", {"app_name": "mail", "api_name": "login"}),
    ]
    for app, api, arguments in calls:
        short, padded = (each.call(app, api, **arguments) for each in (plain, long))
        assert padded == long.call(app, api, **arguments)
        rows = padded if isinstance(padded, list) else [padded]
        assert all(len(row.pop("additional_information")) > 200 for row in rows)
        assert padded == short
        assert plain.call(app, api, **arguments) == short  # shared documentation is not touched
    profile = long.call("supervisor", "show_profile")
    assert profile == plain.call("supervisor", "show_profile")


@pytest.mark.parametrize(
    "setting",
    [
        {"transient_errors": -0.1},
        {"transient_errors": 1.5},
        {"transient_errors": float("nan")},
        {"missing_api": "pay"},
        {"missing_api": "pay.fly"},
        {"missing_api": "pay.login"},
        {"missing_api": "supervisor.complete_task"},
        {"missing_api": "api_docs.show_api_doc"},
    ],
)
def test_bad_modifier_is_refused(setting: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        Modifiers(**setting)
    with pytest.raises(ConfigError):
        ApiWorld(**setting)


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "modifiers", [ALWAYS, Modifiers(transient_errors=0.3, long_outputs=True)], ids=["all", "some"]
)
def test_oracle_that_retries_passes(world: Database, modifiers: Modifiers) -> None:
    tasks = WorldTasks("small")
    failures = 0
    for split in tasks.splits:
        for task_id in tasks.ids(split)[::3]:  # one of each scenario
            situation = tasks.situation(task_id)
            assert situation is not None
            run = start(world, situation, modifiers=modifiers)
            play(run.service, [RETRYING, *situation.oracle()])
            assert run.verdict().score == 1.0, task_id
            failures += run.service.errors[503]
    assert failures > 20


def test_environment_takes_modifiers_and_its_oracle_passes() -> None:
    env = ApiWorld(size="small", transient_errors=0.5, long_outputs=True)
    seen = []
    for seed in (1, 1):
        env.reset(seed=seed, options={"task_id": "pay_total_sent_1"})
        for cell in env.oracle():
            _, reward, terminated, _, info = env.step(cell)
        assert (reward, terminated) == (1.0, True)
        seen.append((env.run.service.errors[503], counts(info["verdict"].rules)))
    assert seen[0] == seen[1]
    assert seen[0][0] > 0
    env.close()


def test_oracle_without_retry_fails_in_the_environment() -> None:
    env = ApiWorld(size="small", transient_errors=1.0)
    env.reset(seed=1, options={"task_id": "pay_total_sent_1"})
    code = next(env.oracle()).replace("apis = _Retrying(apis)", "")
    assert "Response status code is 503" in env.step(code)[0]
    env.close()
