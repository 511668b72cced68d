"""What the families of programming tasks are made of."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from string import Template
from typing import Any

__all__ = ["Drawn", "Family", "Parameters", "integers", "text_of", "word"]

Parameters = Mapping[str, Any]
Drawn = Callable[[random.Random], Parameters]


@dataclass(frozen=True, slots=True)
class Family:
    """Programming tasks that differ in their parameters.

    Attributes:
        name: Of the function that is asked for.
        statement: What it does, with ``$parameter`` where one stands.
        parameters: Draws the parameters: numbers and texts, all that makes the task this task.
        source: Reference solution, with ``$parameter``; run on the host to know what is expected.
        arguments: Draws the arguments of one call.
    """

    name: str
    statement: str
    parameters: Drawn
    source: str
    arguments: Callable[[random.Random, Parameters], tuple[Any, ...]]

    def text(self, parameters: Parameters) -> str:
        """Return the statement for these parameters."""
        return Template(self.statement).substitute(parameters)

    def solution(self, parameters: Parameters) -> str:
        """Return the source of a correct function; texts are quoted."""
        quoted = {name: repr(value) for name, value in parameters.items()}
        return Template(self.source).substitute(quoted).strip()

    def solve(self, parameters: Parameters) -> Callable[..., Any]:
        """Return the reference solution, to be run on the host: the source is our own."""
        space: dict[str, Any] = {}
        exec(compile(self.solution(parameters), f"<{self.name}>", "exec"), space)
        function: Callable[..., Any] = space[self.name]
        return function


def integers(rng: random.Random, low: int, high: int, most: int = 12) -> list[int]:
    """Draw a list of whole numbers, now and then an empty one."""
    return [rng.randint(low, high) for _ in range(rng.randint(0, most))]


def word(rng: random.Random, letters: str, most: int = 6, least: int = 1) -> str:
    """Draw a word."""
    return "".join(rng.choice(letters) for _ in range(rng.randint(least, most)))


def text_of(rng: random.Random, letters: str, most: int = 8) -> str:
    """Draw words with single spaces between them, now and then an empty text."""
    return " ".join(word(rng, letters) for _ in range(rng.randint(0, most)))
