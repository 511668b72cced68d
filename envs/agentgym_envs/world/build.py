"""A world from a seed: the same seed and size give the same bytes."""

from __future__ import annotations

import random
from collections.abc import Mapping
from functools import lru_cache
from typing import Literal

from agentgym_envs.world.apps import APPS
from agentgym_envs.world.database import Database
from agentgym_envs.world.people import SCHEMA, Person, make_people
from agentgym_envs.world.registry import App

__all__ = ["SCALES", "Size", "build"]

Size = Literal["small", "full"]
SCALES: Mapping[str, float] = {"small": 0.14, "full": 1.0}  # some 2,900 rows are in any
PEOPLE = 40


@lru_cache(maxsize=4)
def build(size: Size = "full", seed: int = 0) -> bytes:
    """Return a world as bytes that `Database` loads.

    Args:
        size: ``full`` has about 50,000 rows, ``small`` about 10,000.
        seed: All of its randomness.
    """
    db = Database()
    db.define(SCHEMA)
    for app in APPS.values():
        if app.schema:
            db.define(app.schema)
    db.run("BEGIN")
    rng = random.Random(f"world/{seed}")
    people = make_people(db, rng, PEOPLE)
    for app in APPS.values():
        _fill(db, app, random.Random(f"world/{seed}/{app.name}"), people, SCALES[size])
    db.run("COMMIT")
    db.watch()
    blob = db.dump()
    db.close()
    return blob


def _fill(db: Database, app: App, rng: random.Random, people: list[Person], scale: float) -> None:
    if app.accounts:
        for person in people:
            username = person.phone if app.name == "phone" else person.email
            password = "".join(rng.choices("abcdefghijkmnpqrstuvwxyz23456789", k=9))
            row = {"app": app.name, "person_id": person.id, "username": username}
            db.insert("accounts", {**row, "password": password})
    if app.populate is not None:
        app.populate(db, rng, people, scale)
