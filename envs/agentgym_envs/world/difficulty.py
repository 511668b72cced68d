"""How hard a task is, by what its oracle does."""

from __future__ import annotations

import math
from functools import lru_cache

from agentgym_envs.world.build import Size, build
from agentgym_envs.world.database import Database
from agentgym_envs.world.episode import play, start
from agentgym_envs.world.scenario import Scenario, Situation
from agentgym_envs.world.variations import SIBLINGS, situation_of

__all__ = ["LEVELS", "level_of", "points"]

LEVELS = (1, 2, 3)
_BOUNDS = (6.0, 9.0)  # points below which a task is of level 1, and of level 2
_HELPERS = ("supervisor", "api_docs")


def points(calls: dict[str, int]) -> float:
    """Return how hard an oracle's calls are: distinct APIs, twice the apps, and log2 of calls.

    Args:
        calls: How often each ``app.api`` was called; logins and the helper apps do not count.
    """
    counted = {
        name: count
        for name, count in calls.items()
        if name.split(".")[0] not in _HELPERS and name.split(".")[1] not in ("login", "logout")
    }
    apps = {name.split(".")[0] for name in counted}
    return len(counted) + 2 * len(apps) + math.log2(1 + sum(counted.values()))


@lru_cache(maxsize=4096)
def level_of(scenario: Scenario, number: int, size: Size, seed: int) -> int:
    """Return 1, 2 or 3, by the executed oracle.

    Where a scenario can fail, the hardest of three siblings counts for all: nobody knows beforehand
    that there is nothing to do.
    """
    first = number - (number - 1) % SIBLINGS
    numbers = range(first, first + SIBLINGS) if scenario.can_fail else (number,)
    db = Database(build(size, seed))
    try:
        hardest = max(_played(db, situation_of(scenario, each, size, seed)) for each in numbers)
    finally:
        db.close()
    return 1 + sum(hardest >= bound for bound in _BOUNDS)


def _played(db: Database, situation: Situation) -> float:
    run = start(db, situation)
    play(run.service, situation.oracle())
    return points(run.service.calls)
