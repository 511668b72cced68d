"""Variations of a scenario: whose task it is and with what parameters, by number."""

from __future__ import annotations

import json
import random
import threading
from functools import lru_cache

from agentgym_envs.world.build import Size, build
from agentgym_envs.world.database import Database
from agentgym_envs.world.scenario import Scenario, Situation

__all__ = ["SIBLINGS", "situation_of"]

SIBLINGS = 3
_ROUNDS = 3  # of trying everybody
_LOCK = threading.Lock()


@lru_cache(maxsize=4096)
def situation_of(scenario: Scenario, number: int, size: Size, seed: int) -> Situation:
    """Return a variation: another person for each number, as far as there are people.

    Each three of them, from 1, are siblings: no two have the same oracle, and where the scenario
    can fail, one of them, the seed says which, cannot be done.

    Raises:
        LookupError: If nobody in this world fits the scenario, or its oracle is the same for all.
    """
    first = number - (number - 1) % SIBLINGS
    siblings = [situation_of(scenario, each, size, seed) for each in range(first, number)]
    taken = [each.oracle() for each in siblings]
    rng = random.Random(f"{seed}/{scenario.name}/{number}")
    fails = first + random.Random(f"{seed}/{scenario.name}/{first}/fails").randrange(SIBLINGS)
    with _LOCK:
        db = _built(size, seed)
        people = db.all("SELECT * FROM people ORDER BY id")
        random.Random(f"{seed}/{scenario.name}").shuffle(people)
        for place in range(_ROUNDS * len(people)):
            person = people[(number - 1 + place * SIBLINGS) % len(people)]
            params = scenario.sample(db, person, rng)
            if params is None or scenario.oracle(params) in taken:
                continue
            situation = Situation(scenario, number, person["id"], json.loads(json.dumps(params)))
            if not scenario.can_fail or _fails(db, situation) == (number == fails):
                return situation
    raise LookupError(
        f"nobody fits variation {number} of '{scenario.name}' in world {size}/{seed}, with an "
        "oracle unlike its siblings'; draw other parameters"
    )


def _fails(db: Database, situation: Situation) -> bool:
    """Tell whether a task cannot be done."""
    person = db.one("SELECT * FROM people WHERE id = ?", situation.person_id)
    db.begin()
    try:
        situation.scenario.set_up(db, person, dict(situation.params))
        expected = situation.scenario.expected(db, person, dict(situation.params))
        return expected.status == "fail"
    finally:
        db.rollback()


@lru_cache(maxsize=4)
def _built(size: Size, seed: int) -> Database:
    return Database(build(size, seed))
