"""What the families of the topics make: a text, its answer as a value, and a second way to it."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Exercise", "ExerciseFamily", "Topic", "nonzero"]


@dataclass(frozen=True, slots=True)
class Exercise:
    """One exercise of a topic.

    No formula of its text is its own answer: a policy that copies one earns nothing.

    Attributes:
        text: What the agent reads, formulas in LaTeX between dollars.
        value: The answer, as a number, a sympy object or a value of `agentgym_envs.math.gold`.
        again: Finds the answer in another way; for tests, and as slow as it likes.
        numbers: What makes it this exercise of its family: two with the same numbers ask the same.
    """

    text: str
    value: Any
    again: Callable[[], Any]
    numbers: tuple[Any, ...]


ExerciseFamily = Callable[[random.Random], Exercise]
Topic = Mapping[int, tuple[ExerciseFamily, ...]]


def nonzero(rng: random.Random, bound: int) -> int:
    """Return a whole number from -bound to bound that is not 0."""
    return rng.choice((-1, 1)) * rng.randint(1, bound)
