from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentgym_envs.world.apps import APPS
from agentgym_envs.world.database import Database
from agentgym_envs.world.errors import ApiError
from agentgym_envs.world.registry import App, Context
from agentgym_envs.world.service import Limits, Service

LogIn = Callable[..., str]
box = App("box", "A box.")


@box.api(login=False, writes=True)
def rename(ctx: Context, *, name: str) -> dict[str, str]:
    """Rename person 1."""
    ctx.db.update("people", 1, first_name=name)
    if name == "bug":
        raise KeyError("a bug")
    if name == "refused":
        raise ApiError(409, "no")
    return {"message": name}


@box.api(login=False)
def show_lot(ctx: Context, *, size: int) -> str:
    """Show a lot."""
    return "x" * size


def sent(service: Service, **request: Any) -> dict[str, Any]:
    reply: dict[str, Any] = json.loads(service.answer(json.dumps(request)))
    return reply


def ask(service: Service, app: str, api: str, **arguments: Any) -> dict[str, Any]:
    return sent(service, app=app, api=api, arguments=arguments)


@pytest.fixture
def boxed(service: Service) -> Service:
    return replace(service, apps={**APPS, "box": box})


def test_answer_of_an_unknown_app_lists_the_apps(service: Service) -> None:
    reply = ask(service, "spotify", "login")
    assert reply["status"] == 422
    assert all(name in reply["message"] for name in APPS)


def test_answer_of_an_unknown_api_lists_the_apis(service: Service) -> None:
    reply = ask(service, "supervisor", "show_everything")
    assert reply["status"] == 422
    assert "complete_task" in reply["message"]


def test_login_refuses_a_wrong_password(service: Service) -> None:
    reply = ask(service, "mail", "login", username=service.person["email"], password="1234")
    assert reply == {"status": 401, "message": "Invalid credentials"}


def test_login_refuses_the_password_of_another_app(service: Service, world: Database) -> None:
    row = world.one("SELECT * FROM accounts WHERE app = 'pay' AND person_id = 1")
    reply = ask(service, "mail", "login", username=row["username"], password=row["password"])
    assert reply["status"] == 401


def test_token_opens_its_own_app_only(service: Service, log_in: LogIn) -> None:
    token = log_in("mail")
    name = service.person["first_name"]
    shown = ask(service, "mail", "show_account", access_token=token)["result"]
    assert shown["first_name"] == name
    for app in (each.name for each in APPS.values() if each.accounts and each.name != "mail"):
        assert ask(service, app, "show_account", access_token=token)["status"] == 401


@pytest.mark.parametrize("token", ["", "x", None, 7, [], {}, True, "0" * 40])
def test_answer_refuses_what_is_no_token(service: Service, token: Any) -> None:
    assert ask(service, "mail", "show_account", access_token=token)["status"] == 401


def test_answer_refuses_a_missing_token(service: Service) -> None:
    assert ask(service, "mail", "show_account")["status"] == 401


def test_logout_ends_the_token(service: Service, log_in: LogIn) -> None:
    token, other = log_in("mail"), log_in("pay")
    assert ask(service, "mail", "logout", access_token=token)["result"]["message"]
    assert ask(service, "mail", "show_account", access_token=token)["status"] == 401
    assert "result" in ask(service, "pay", "show_account", access_token=other)


def test_token_that_no_login_gave_out_is_none(service: Service, log_in: LogIn) -> None:
    token = log_in("mail")
    fresh = replace(service, _tokens={})
    assert ask(fresh, "mail", "show_account", access_token=token)["status"] == 401


def test_answer_refuses_more_calls_than_a_cell_may_make(service: Service) -> None:
    limited = replace(service, limits=Limits(calls_per_cell=2, calls=3))
    assert [ask(limited, "no", "api")["status"] for _ in range(4)] == [422, 422, 429, 429]
    limited.new_cell()
    assert [ask(limited, "no", "api")["status"] for _ in range(2)] == [422, 429]  # three in all


def test_answer_refuses_everything_after_completion(service: Service) -> None:
    assert "result" in ask(service, "supervisor", "complete_task", answer=3)
    assert service.completed == {"answer": 3, "status": "success"}
    assert ask(service, "supervisor", "complete_task", answer=4)["status"] == 409
    assert ask(service, "supervisor", "show_profile")["status"] == 409
    assert service.completed == {"answer": 3, "status": "success"}


def test_refused_completion_completes_nothing(service: Service) -> None:
    assert ask(service, "supervisor", "complete_task", status="done")["status"] == 422
    assert service.completed is None


def test_bug_of_an_api_is_a_fault_and_leaves_nothing(boxed: Service) -> None:
    reply = ask(boxed, "box", "rename", name="bug")
    assert reply == {"status": 500, "message": "Internal server error."}
    assert isinstance(boxed.fault, KeyError)
    assert boxed.db.changes() == []


def test_refusal_leaves_nothing_and_is_no_fault(boxed: Service) -> None:
    assert ask(boxed, "box", "rename", name="refused") == {"status": 409, "message": "no"}
    assert (boxed.fault, boxed.db.changes(), boxed.errors[409]) == (None, [], 1)


def test_dropped_write_answers_and_leaves_nothing(boxed: Service) -> None:
    dropping = replace(boxed, dropped_write=2)
    for name in ("one", "two"):
        assert ask(dropping, "box", "rename", name=name)["result"] == {"message": name}
    (change,) = dropping.db.changes()
    assert (change.columns, dropping.writes) == ({"first_name": "one"}, 2)


def test_answer_refuses_a_response_that_is_too_large(boxed: Service) -> None:
    assert ask(boxed, "box", "show_lot", size=250_000)["status"] == 422


@pytest.mark.parametrize(
    "value",
    [
        "\ud800",
        "a\0b",
        "x" * 24_001,
        "€" * 8_001,
        2**63,
        -(2**63) - 1,
        10**4000,
        math.nan,
        math.inf,
        {"a": {"b": "\udfff"}},
        [[[[[[[[[[[[]]]]]]]]]]]],
        "9" * 30,
    ],
)
def test_answer_refuses_what_no_database_can_hold(boxed: Service, value: Any) -> None:
    assert ask(boxed, "box", "show_lot", size=value)["status"] == 422
    assert boxed.fault is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "7",
        "{}",
        "{",
        '"app"',
        '{"app": 1, "api": 2, "arguments": 3}',
        '{"app": "mail", "api": "login", "arguments": []}',
        '{"app": ["mail"], "api": "login", "arguments": {}}',
        '{"app": "\\ud800", "api": "\\udc00", "arguments": {"\\udfff": 1}}',
        '{"app": "mail", "api": "login", "arguments": {"\\udfff": 1}}',
        '{"app": "mail", "api": "__class__", "arguments": {}}',
        '{"app": "mail", "api": "login", "arguments": {"ctx": 1, "self": 2, "service": 3}}',
        '{"app": "supervisor", "api": "show_profile", "arguments": {"ctx": {}}}',
        "[" * 99_000,
        '{"app": ' + "[" * 90_000,
        '{"app": "mail", "api": "login", "arguments": {"username": ' + "9" * 9_999 + "}}",
        '{"app": "mail", "api": "login", "arguments": {"username": NaN, "password": -Infinity}}',
        '{"app": "mail", "api": "login", "arguments": {"username": 1e999, "password": "x"}}',
        "x" * 200_000,
        "\ud800",
        "\0",
    ],
)
def test_answer_refuses_hostile_text(service: Service, text: str) -> None:
    reply = json.loads(service.answer(text))
    assert reply["status"] in (401, 422)
    assert (service.fault, service.db.changes()) == (None, [])


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=10,
)


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_answer_never_faults_and_no_read_writes_whatever_the_arguments(
    service: Service, log_in: LogIn, data: st.DataObject
) -> None:
    apis = [
        api
        for app in APPS.values()
        for api in app.apis.values()
        if api.name not in ("complete_task", "logout")
    ]
    api = data.draw(st.sampled_from(apis))
    names = [row["name"] for row in api.parameters if row["name"] != "access_token"]
    chosen = data.draw(st.fixed_dictionaries({}, optional=dict.fromkeys(names, _json)))
    if api.login:
        chosen["access_token"] = log_in(api.app)
    logged = service.db.logged()
    reply = ask(service, api.app, api.name, **chosen)
    assert service.fault is None
    assert api.writes or service.db.logged() == logged
    assert "result" in reply or reply["status"] in (401, 409, 422)


def test_service_counts_its_calls(service: Service) -> None:
    ask(service, "supervisor", "show_profile")
    ask(service, "supervisor", "show_profile")
    ask(service, "no", "api")
    assert service.calls == {"supervisor.show_profile": 2}
    assert (service.asked, service.errors) == (3, {422: 1})
