"""The tasks of the world: each scenario has three, and further variations without end.

With ``variations`` there are as many as one likes, and a split ``held_out`` of further variations
of the training scenarios. What an oracle does decides by its hash which of the two a variation is
in: no solution of a held-out task is one of a training task.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import islice

from agentgym.errors import ConfigError
from agentgym.suggest import perhaps_you_meant
from agentgym.tasks import TaskSet, split_of
from agentgym.types import Task
from agentgym_envs.world.build import Size
from agentgym_envs.world.difficulty import level_of
from agentgym_envs.world.scenario import SPLITS, Scenario, Situation
from agentgym_envs.world.scenarios import all_scenarios
from agentgym_envs.world.variations import SIBLINGS, situation_of

__all__ = ["HELD_OUT", "WorldTasks", "scenarios_named"]

HELD_OUT = "held_out"

_MAX_NUMBER = 10**6
_SHARES = {"train": 4, HELD_OUT: 1}
_TRIES = 50  # numbers looked at for each variation that is wanted


class WorldTasks(TaskSet):
    """The tasks of one world.

    Args:
        size: Which world.
        seed: Which world.
        level: 1 to 3 keeps the scenarios of one difficulty; None keeps all.
        scenarios: Instead of all there are.
        variations: Of each scenario, in each split; None keeps the official three, and has no
            split ``held_out``.

    Raises:
        ConfigError: If two scenarios have one name, or variations are fewer than one.
    """

    def __init__(
        self,
        size: Size = "full",
        seed: int = 0,
        level: int | None = None,
        scenarios: Iterable[Scenario] | None = None,
        variations: int | None = None,
    ) -> None:
        found = list(all_scenarios() if scenarios is None else scenarios)
        self._scenarios = {each.name: each for each in found}
        if len(self._scenarios) < len(found):
            raise ConfigError(f"two scenarios have one name: {sorted(s.name for s in found)}")
        if variations is not None and variations < 1:
            raise ConfigError(f"variations must be at least 1, not {variations}")
        self._size = size
        self._seed = seed
        self._level = level
        self._variations = variations

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits."""
        return SPLITS if self._variations is None else (*SPLITS, HELD_OUT)

    def _ids(self, split: str) -> Sequence[str]:
        home = "train" if split == HELD_OUT else split
        names = [
            [f"{each.name}_{number}" for number in self._numbers(each, split)]
            for each in self._scenarios.values()
            if each.split == home and self._has_level(each)
        ]
        # The official three stand side by side; of many variations any first part has all kinds.
        order = names if self._variations is None else zip(*names, strict=True)
        return [name for some in order for name in some]

    def _numbers(self, scenario: Scenario, split: str) -> Sequence[int]:
        if self._variations is None:
            return range(1, SIBLINGS + 1)
        return _first(scenario, split, self._variations, self._size, self._seed)

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
        official = self._variations is None
        split = situation.scenario.split if official else _split_of(situation)
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


def scenarios_named(names: Iterable[str] | None) -> tuple[Scenario, ...]:
    """Return the scenarios of these names; all there are for None.

    Raises:
        ConfigError: If there is none of a name.
    """
    known = {each.name: each for each in all_scenarios()}
    if names is None:
        return tuple(known.values())
    wanted = list(names)
    for name in wanted:
        if name not in known:
            raise ConfigError(f"no scenario '{name}'; {perhaps_you_meant(name, known)}")
    return tuple(known[name] for name in wanted)


def _split_of(situation: Situation) -> str:
    scenario = situation.scenario
    if scenario.split != "train":
        return scenario.split
    return split_of("\n".join((scenario.name, *situation.oracle())), _SHARES)


@lru_cache(maxsize=1024)
def _first(scenario: Scenario, split: str, count: int, size: Size, seed: int) -> tuple[int, ...]:
    """Return the numbers of a scenario's first variations that are in a split.

    Raises:
        ConfigError: If they are too rare to be found.
    """
    numbers = range(1, min(_TRIES * count + _TRIES, _MAX_NUMBER) + 1)
    found = (n for n in numbers if _split_of(situation_of(scenario, n, size, seed)) == split)
    first = tuple(islice(found, count))
    if len(first) < count:
        raise ConfigError(
            f"scenario '{scenario.name}' has {len(first)} of {count} variations in split "
            f"'{split}' among the first {len(numbers)}; ask for fewer, or leave it out"
        )
    return first
