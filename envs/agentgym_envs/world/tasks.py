"""The tasks of the world: each scenario has three, and further variations without end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from agentgym.errors import ConfigError
from agentgym.tasks import TaskSet
from agentgym.types import Task
from agentgym_envs.world.build import Size
from agentgym_envs.world.difficulty import level_of
from agentgym_envs.world.scenario import SPLITS, Scenario, Situation
from agentgym_envs.world.scenarios import all_scenarios
from agentgym_envs.world.variations import SIBLINGS, situation_of

__all__ = ["WorldTasks"]

_MAX_NUMBER = 10**6


class WorldTasks(TaskSet):
    """The tasks of one world.

    Args:
        size: Which world.
        seed: Which world.
        level: 1 to 3 keeps the scenarios of one difficulty; None keeps all.
        scenarios: Instead of all there are.

    Raises:
        ConfigError: If two scenarios have one name.
    """

    def __init__(
        self,
        size: Size = "full",
        seed: int = 0,
        level: int | None = None,
        scenarios: Iterable[Scenario] | None = None,
    ) -> None:
        found = list(all_scenarios() if scenarios is None else scenarios)
        self._scenarios = {each.name: each for each in found}
        if len(self._scenarios) < len(found):
            raise ConfigError(f"two scenarios have one name: {sorted(s.name for s in found)}")
        self._size = size
        self._seed = seed
        self._level = level

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits."""
        return SPLITS

    def _ids(self, split: str) -> Sequence[str]:
        return [
            f"{each.name}_{number}"
            for each in self._scenarios.values()
            if each.split == split and self._has_level(each)
            for number in range(1, SIBLINGS + 1)
        ]

    def _has_level(self, scenario: Scenario) -> bool:
        if self._level is None:
            return True
        return level_of(scenario, 1, self._size, self._seed) == self._level

    def _find(self, task_id: str) -> Task | None:
        situation = self.situation(task_id)
        if situation is None:
            return None
        metadata = {
            "scenario": situation.scenario.name,
            "person_id": situation.person_id,
            "params": dict(situation.params),
        }
        split = situation.scenario.split
        return Task(situation.id, situation.instruction, split=split, metadata=metadata)

    def situation(self, task_id: str) -> Situation | None:
        """Return what a task is made from; None if there is no such task."""
        name, _, number = task_id.rpartition("_")
        # Only the canonical form of a number is an id.
        if name not in self._scenarios or not (number.isascii() and number.isdigit()):
            return None
        if number != str(int(number[:9])) or not 1 <= int(number) <= _MAX_NUMBER:
            return None
        return situation_of(self._scenarios[name], int(number), self._size, self._seed)
