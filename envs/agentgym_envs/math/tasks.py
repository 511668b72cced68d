"""Seeded problems in five levels, in splits that cannot overlap.

A problem belongs to the split that a hash of its key names, whatever drew it; the generator draws
until a problem falls into the split that is wanted. So no problem of ``test`` is ever trained on,
for any seed and any size.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from functools import partial

from agentgym.errors import ConfigError
from agentgym.tasks import TaskSet, split_of
from agentgym.types import Task
from agentgym_envs.math.arithmetic import LEVEL_1, LEVEL_2
from agentgym_envs.math.computing import LEVEL_5
from agentgym_envs.math.problem import Family
from agentgym_envs.math.stories import LEVEL_3, LEVEL_4

__all__ = ["FAMILIES", "LEVELS", "SIZES", "level_tasks"]

FAMILIES: Mapping[int, tuple[Family, ...]] = {
    1: LEVEL_1,
    2: LEVEL_2,
    3: LEVEL_3,
    4: LEVEL_4,
    5: LEVEL_5,
}
LEVELS = tuple(FAMILIES)
SIZES: Mapping[str, int] = {"train": 20_000, "dev": 1_000, "test": 1_000}


def level_tasks(level: int, sizes: Mapping[str, int] = SIZES, seed: int = 0) -> TaskSet:
    """Return the problems of one level.

    Args:
        level: 1 (one line of arithmetic) to 5 (where code pays).
        sizes: How many tasks each of ``train``, ``dev`` and ``test`` has.
        seed: Another seed gives other problems, each in the split that it always had.

    Raises:
        ConfigError: If there is no such level.
    """
    if level not in FAMILIES:
        raise ConfigError(f"level must be one of {', '.join(map(str, LEVELS))}, not {level!r}")
    return TaskSet.generate(partial(_draw, level), sizes, seed)


def _draw(level: int, rng: random.Random, split: str, index: int) -> Task:
    """Draw until a problem falls into the split; the solution in its metadata is the oracle's."""
    while True:
        family = rng.choice(FAMILIES[level])
        problem = family(rng)
        if split_of(problem.key) == split:
            break
    metadata = {
        "level": level,
        "family": family.__name__,
        "key": problem.key,
        "solution": problem.code,
    }
    return Task(f"{split}-{index}", problem.text, problem.answer, split, metadata)
