"""Random calls that mostly make sense: no API has a bug that they bring out."""

from __future__ import annotations

import ast
import json
import random
from collections import defaultdict
from typing import Any

import pytest

from agentgym_envs.world.apps import APPS
from agentgym_envs.world.database import Database
from agentgym_envs.world.service import Limits, Service

CALLS = 2_000
APIS = [
    api
    for app in APPS.values()
    for api in app.apis.values()
    if api.name not in ("complete_task", "login", "logout")
]
NUMBERS = [-(2**63), -1, 0, 1, 2, 3, 5, 20, 21, 100, 2**63 - 1]
# fmt: off
TEXTS = [
    "", "a", "%", "_", "\\", "'", "\"", "a'b", "[", "*", "é", "😀", " ", "\n", "²", "/", "//",
    "/..", "../x", "~", "/docs/a.txt", "2025-05-18", "2025-02-30", "0000-00-00", "9999-12-31",
    "0001-01-01T00:00:00", "9999-12-31T23:59:59", "2025-05-18T12:00:00", "12:30", "24:00",
    "99:99", "NaN",
    "x" * 300, "%" * 12_000,
]
# fmt: on


class Caller:
    """Calls with values that earlier calls returned, and with odd ones."""

    def __init__(self, world: Database, seed: int) -> None:
        self.rng = random.Random(seed)
        people = world.all("SELECT * FROM people ORDER BY id")
        person = self.rng.choice(people)
        self.service = Service(world, APPS, person, "secret", limits=Limits(10**6, 10**6))
        self.tokens = {
            row["app"]: self.service.log_in(row["app"], row["username"], row["password"])
            for row in world.all("SELECT * FROM accounts WHERE person_id = ?", person["id"])
        }
        self.seen: dict[str, list[Any]] = defaultdict(list)
        self.seen["email"] = [each["email"] for each in people]
        self.seen["phone_number"] = [each["phone"] for each in people]

    def value(self, name: str, kind: str, constraints: list[str]) -> Any:
        choices = [line.removeprefix("value in ") for line in constraints if "value in" in line]
        if choices and self.rng.random() < 0.9:
            return self.rng.choice(ast.literal_eval(choices[0]))
        if kind.startswith("list["):
            one = (name.rstrip("s"), kind[5:-1], [])
            return [self.value(*one) for _ in range(self.rng.choice((0, 1, 2, 30)))]
        if self.seen[name] and self.rng.random() < 0.6:
            return self.rng.choice(self.seen[name])
        if "boolean" in kind:
            return self.rng.random() < 0.5
        return self.rng.choice(NUMBERS if "integer" in kind or "number" in kind else TEXTS)

    def call(self) -> tuple[str, dict[str, Any], dict[str, Any]]:
        api = self.rng.choice(APIS)
        arguments: dict[str, Any] = {}
        for row in api.parameters:
            if row["name"] == "access_token":
                arguments["access_token"] = self.tokens[api.app]["access_token"]
            elif row["required"] or self.rng.random() < 0.4:
                arguments[row["name"]] = self.value(row["name"], row["type"], row["constraints"])
        self.service.new_cell()
        logged = self.service.db.logged()
        request = {"app": api.app, "api": api.name, "arguments": arguments}
        reply = json.loads(self.service.answer(json.dumps(request)))
        assert api.writes or self.service.db.logged() == logged, f"{api.app}.{api.name} wrote"
        self.learn("", reply.get("result"))
        return f"{api.app}.{api.name}", arguments, reply

    def learn(self, name: str, value: Any) -> None:
        if isinstance(value, dict):
            for key, item in value.items():
                self.learn(key, item)
        elif isinstance(value, list):
            for item in value[:5]:
                self.learn(name.rstrip("s"), item)
        elif isinstance(value, str | int):
            self.seen[name].append(value)


@pytest.mark.parametrize("seed", range(4))
def test_no_sequence_of_calls_brings_out_a_bug(world: Database, seed: int) -> None:
    before = world.contents()
    caller = Caller(world, seed)
    done = 0
    for _ in range(CALLS):
        name, arguments, reply = caller.call()
        assert caller.service.fault is None, f"{name} {arguments}: {caller.service.fault!r}"
        assert "result" in reply or reply["status"] in (401, 409, 422), f"{name}: {reply}"
        done += "result" in reply
    assert done > CALLS / 5  # most of the calls that fail are odd ones
    assert world.all("PRAGMA foreign_key_check") == []
    after = world.contents()
    made = {(each.table, each.id): each.after for each in world.changes()}
    for table, rows in after.items():
        old = {row["id"]: row for row in before[table]}
        new = {row["id"]: row for row in rows}
        differ = {id_ for id_ in old.keys() | new.keys() if old.get(id_) != new.get(id_)}
        assert {id_ for where, id_ in made if where == table} == differ
        assert all(made[table, id_] == new.get(id_) for id_ in differ)
    world.rollback()
    assert world.contents() == before
