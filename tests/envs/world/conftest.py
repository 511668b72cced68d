from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from agentgym_envs.world.apps import APPS
from agentgym_envs.world.build import build
from agentgym_envs.world.database import Database
from agentgym_envs.world.service import Limits, Service


@pytest.fixture
def world() -> Iterator[Database]:
    """The small world, in an episode."""
    db = Database(build("small"))
    db.begin()
    yield db
    db.close()


@pytest.fixture
def service(world: Database) -> Service:
    """The calls of the assistant of person 1."""
    person = world.one("SELECT * FROM people WHERE id = 1")
    limits = Limits(calls_per_cell=100_000, calls=100_000)
    return Service(world, APPS, person, "secret", "Do the thing.", limits)


@pytest.fixture
def log_in(world: Database, service: Service) -> Callable[..., str]:
    """``log_in(app, person_id=1)`` returns an access token."""

    def token(app: str, person_id: int = 1) -> str:
        row = world.one(
            "SELECT username, password FROM accounts WHERE app = ? AND person_id = ?",
            app,
            person_id,
        )
        return str(service.call(app, "login", **row)["access_token"])

    return token
