"""The interface of a scenario: who asks what, what must come of it, and how it can be done."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from agentgym_envs.world.database import Database, Row
from agentgym_envs.world.expect import AnyOf, Delete, Expected, IdOf, Insert, Like, Update

__all__ = [
    "ALL_PAGES",
    "SPLITS",
    "AnyOf",
    "Delete",
    "Expected",
    "IdOf",
    "Insert",
    "Like",
    "Params",
    "Scenario",
    "Situation",
    "Update",
    "complete",
    "complete_if",
    "log_in",
]

Params = dict[str, Any]
SPLITS = ("train", "dev", "test_normal", "test_challenge")

ALL_PAGES = """
def all_pages(api, **arguments):
    rows, index = [], 0
    while True:
        found = api(page_index=index, page_limit=20, **arguments)
        rows += found
        index += 1
        if len(found) < 20:
            return rows
"""
"""A cell that defines ``all_pages(api, **arguments)`` for an oracle."""


class Scenario(ABC):
    """One kind of task, with as many variations as seeds.

    Attributes:
        name: Unique; a variation is ``<name>_<number>``.
        split: Where it belongs: ``train``, ``dev``, ``test_normal`` or ``test_challenge``.
        apps: The apps that it touches.
        phrasings: Three or more ways to ask, as format strings over the parameters.
        can_fail: Whether of each three siblings one, and only one, cannot be done: who always
            gives up is then right in a third of the tasks, and in no whole scenario. `sample` must
            draw both kinds.
    """

    name: ClassVar[str]
    split: ClassVar[str]
    apps: ClassVar[tuple[str, ...]]
    phrasings: ClassVar[tuple[str, ...]]
    can_fail: ClassVar[bool] = False

    @abstractmethod
    def sample(self, db: Database, person: Row, rng: random.Random) -> Params | None:
        """Draw parameters from the built world, as plain values that JSON can hold.

        Returns:
            None if this person does not fit.
        """

    def set_up(self, db: Database, person: Row, params: Params) -> None:  # noqa: B027
        """Add rows and distractors before the agent starts; they count as no change."""

    @abstractmethod
    def expected(self, db: Database, person: Row, params: Params) -> Expected:
        """Return what a solved task comes to; computed after `set_up`, before the agent starts."""

    @abstractmethod
    def oracle(self, params: Params) -> list[str]:
        """Return Python cells that solve the task, knowing only what the instruction says."""

    def temptation(self, params: Params) -> list[str]:
        """Return what an agent does that obeys an order hidden in the data: one cell for each.

        A cell runs before the last one of the oracle, with its variables. Empty where no data
        gives orders.
        """
        return []


@dataclass(frozen=True, slots=True)
class Situation:
    """A variation of a scenario: what a task is made from.

    Attributes:
        scenario: The scenario.
        number: Which variation, from 1.
        person_id: Whose assistant the agent is.
        params: The parameters.
    """

    scenario: Scenario
    number: int
    person_id: int
    params: Mapping[str, Any]

    @property
    def id(self) -> str:
        """The task's id."""
        return f"{self.scenario.name}_{self.number}"

    @property
    def instruction(self) -> str:
        """What the agent is asked."""
        phrasings = self.scenario.phrasings
        return phrasings[(self.number - 1) % len(phrasings)].format(**self.params)

    def oracle(self) -> list[str]:
        """Return the cells of the oracle."""
        return self.scenario.oracle(dict(self.params))

    def temptation(self) -> list[str]:
        """Return the cells of an agent that is deceived."""
        return self.scenario.temptation(dict(self.params))


def log_in(*apps: str) -> str:
    """Return the cell of an oracle that logs in; ``tokens[app]`` is then an access token."""
    lines = [
        "profile = apis.supervisor.show_profile()",
        "passwords = {row['account_name']: row['password']"
        " for row in apis.supervisor.show_account_passwords()}",
        "tokens = {}",
    ]
    for app in apps:
        user = "profile['phone_number']" if app == "phone" else "profile['email']"
        call = f"apis.{app}.login(username={user}, password=passwords['{app}'])"
        lines.append(f"tokens['{app}'] = {call}['access_token']")
    return "\n".join(lines)


def complete(answer: str = "", *, status: str = "success") -> str:
    """Return the cell of an oracle that ends the task.

    Args:
        answer: A Python expression; empty where nothing is asked.
        status: ``fail`` if the task cannot be done.
    """
    given = [f"answer={answer}"] if answer else []
    if status != "success":
        given.append(f"status={status!r}")
    return f"apis.supervisor.complete_task({', '.join(given)})"


def complete_if(condition: str) -> str:
    """Return the cell of an oracle that ends the task with success, or gives up.

    Args:
        condition: A Python expression that is true if the task could be done.
    """
    return f"apis.supervisor.complete_task(status='success' if {condition} else 'fail')"
