"""What the problem families make: a text, its answer, and code that finds the answer."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Family", "Problem"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem.

    Attributes:
        text: What the agent reads.
        answer: An integer, or a reduced fraction as ``a/b``; worked out apart from the code.
        code: Python whose last expression is the answer.
        key: What makes it this problem: the family and its numbers, without names and objects. Two
            texts with one key ask the same, so they belong to one split.
    """

    text: str
    answer: str
    code: str
    key: str


Family = Callable[[random.Random], Problem]
