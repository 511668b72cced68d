"""One episode of a task in a world slot: set up, served, judged; and oracles played in the host."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from agentgym.types import Verdict
from agentgym_envs.world.apps import APPS
from agentgym_envs.world.check import judge
from agentgym_envs.world.database import Database
from agentgym_envs.world.expect import Expected
from agentgym_envs.world.modifiers import Modifiers
from agentgym_envs.world.scenario import Situation
from agentgym_envs.world.service import Limits, Service
from agentgym_envs.world.surface import host_apis

__all__ = ["Run", "play", "start"]


@dataclass(frozen=True, slots=True)
class Run:
    """An episode that is under way.

    Attributes:
        service: Answers the calls.
        expected: What a solved task comes to; never shown.
    """

    service: Service
    expected: Expected

    def verdict(self) -> Verdict:
        """Judge what has been done so far."""
        return judge(self.expected, self.service.db.changes(), self.service.completed)


def start(
    db: Database,
    situation: Situation,
    *,
    secret: str = "",
    limits: Limits | None = None,
    dropped_write: int | None = None,
    modifiers: Modifiers | None = None,
) -> Run:
    """Begin an episode in a world slot; whatever the slot held is rolled back.

    Args:
        db: The slot.
        situation: The task.
        secret: What tokens are made from.
        limits: How much may be called.
        dropped_write: See `Service`.
        modifiers: What is made harder; nothing by default.
    """
    db.begin()
    scenario, params = situation.scenario, dict(situation.params)
    person = db.one("SELECT * FROM people WHERE id = ?", situation.person_id)
    scenario.set_up(db, person, params)
    db.forget_changes()
    expected = scenario.expected(db, person, params)
    service = Service(
        db,
        APPS,
        person,
        secret or situation.id,
        situation.instruction,
        limits or Limits(),
        dropped_write,
        modifiers or Modifiers(),
    )
    return Run(service, expected)


def play(service: Service, cells: Iterable[str]) -> list[str]:
    """Run an oracle's cells in this process: our own code, never an agent's.

    Returns:
        Every call and its reply, in their order.

    Raises:
        Exception: What a cell raised, or the fault of an API.
    """
    said: list[str] = []

    def ask(text: str) -> str:
        reply = service.answer(text)
        said.extend((text, reply))
        return reply

    space: dict[str, Any] = {"apis": host_apis(ask), "print": lambda *_, **__: None}
    for cell in cells:
        service.new_cell()
        try:
            exec(cell, space)
        finally:
            if service.fault is not None:
                raise service.fault
    return said
