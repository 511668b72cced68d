"""Exercises by topic and level, from arithmetic to calculus, in splits that cannot overlap.

A topic's families are imported when it is first asked for, for sympy takes half a second to load.
"""

from __future__ import annotations

import importlib
import random
from collections.abc import Mapping
from functools import lru_cache, partial

from agentgym.errors import ConfigError
from agentgym.tasks import TaskSet, split_of
from agentgym.types import Task
from agentgym_envs.math.exercise import ExerciseFamily, Topic
from agentgym_envs.math.tasks import LEVELS, SIZES

__all__ = ["TOPICS", "topic_families", "topic_tasks"]

TOPICS: Mapping[str, str] = {
    "arithmetic": "quantities:ARITHMETIC",
    "algebra": "algebra:ALGEBRA",
    "geometry": "geometry:GEOMETRY",
    "number_theory": "number_theory:NUMBER_THEORY",
    "combinatorics": "combinatorics:COMBINATORICS",
    "probability": "probability:PROBABILITY",
    "linear_algebra": "linear_algebra:LINEAR_ALGEBRA",
    "calculus": "calculus:CALCULUS",
}
ALL = "all"


def topic_tasks(
    topic: str, level: int | None = None, sizes: Mapping[str, int] = SIZES, seed: int = 0
) -> TaskSet:
    """Return the exercises of a topic.

    Args:
        topic: One of `TOPICS`, or ``all``.
        level: 1 to 5, the difficulty within the topic; None takes every level.
        sizes: How many tasks each of ``train``, ``dev`` and ``test`` has.
        seed: Another seed gives other exercises, each in the split that it always had.

    Raises:
        ConfigError: If there is no such topic or level.
    """
    if topic != ALL and topic not in TOPICS:
        raise ConfigError(f"no topic '{topic}'; there are {', '.join(TOPICS)} and {ALL}")
    if level is not None and level not in LEVELS:
        raise ConfigError(f"level must be one of {', '.join(map(str, LEVELS))}, not {level!r}")
    return TaskSet.generate(partial(_draw, topic, level), sizes, seed)


@lru_cache(maxsize=64)
def topic_families(
    topic: str, level: int | None = None
) -> tuple[tuple[str, int, ExerciseFamily], ...]:
    """Return (topic, level, family) of each family of a topic, or of all."""
    return tuple(
        (name, step, family)
        for name in (TOPICS if topic == ALL else (topic,))
        for step, families in _load(name).items()
        if level in (None, step)
        for family in families
    )


def _load(topic: str) -> Topic:
    module, _, table = TOPICS[topic].partition(":")
    found: Topic = getattr(importlib.import_module(f"agentgym_envs.math.{module}"), table)
    return found


def _draw(topic: str, level: int | None, rng: random.Random, split: str, index: int) -> Task:
    """Draw until an exercise falls into the split."""
    from agentgym_envs.math.gold import gold, kind

    families = topic_families(topic, level)
    while True:
        name, step, family = rng.choice(families)
        exercise = family(rng)
        key = " ".join([name, family.__name__, *map(str, exercise.numbers)])
        if split_of(key) == split:
            break
    metadata = {
        "topic": name,
        "level": step,
        "family": family.__name__,
        "kind": kind(exercise.value),
        "key": key,
    }
    return Task(f"{split}-{index}", exercise.text, gold(exercise.value), split, metadata)
