r"""Written-out episodes of `PythonMath`: correct ones, and ones that show a bad habit.

A policy that is warm-started on correct episodes alone has little left to learn, and one that
never saw a correct episode finds none. These show what small models really do: they guess, look at
half of the problem, forget precedence, misread a result, or write code that does not parse.
Observations are what the environment would have said, worked out without running it; a test
replays them.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

from agentgym.types import Task

__all__ = ["flawed_actions", "proper_actions"]

Exchange = tuple[str, str]
"""What the agent says, and what it hears then; nothing after the last action."""

_THREE = re.compile(r"(\d+)([+*-])(\d+)([+*-])(\d+)")
_BROKEN = "SyntaxError: invalid syntax"


def _call(code: str) -> str:
    return f"```python\n{code}\n```"


def _boxed(answer: object) -> str:
    return rf"\boxed{{{answer}}}"


def _apply(operator: str, left: int, right: int) -> int:
    return {"+": left + right, "-": left - right, "*": left * right}[operator]


def proper_actions(task: Task) -> list[Exchange]:
    """Return the oracle's episode."""
    return [(_call(task.metadata["solution"]), str(task.answer)), (_boxed(task.answer), "")]


def _guess(task: Task, rng: random.Random) -> list[Exchange]:
    return [(_boxed(rng.randint(0, 999)), "")]


def _misread(task: Task, rng: random.Random) -> list[Exchange]:
    return [proper_actions(task)[0], (_boxed(rng.randint(0, 999)), "")]


def _broken(task: Task, rng: random.Random) -> list[Exchange]:
    return [(_call(f"{task.metadata['solution']}+"), _BROKEN), *_guess(task, rng)]


def _half(task: Task, rng: random.Random) -> list[Exchange]:
    """Stop reading after two of three operands."""
    a, first, b, _, _ = _operands(task)
    result = _apply(first, int(a), int(b))
    return [(_call(f"{a}{first}{b}"), str(result)), (_boxed(result), "")]


def _left_to_right(task: Task, rng: random.Random) -> list[Exchange]:
    """Group the first two operands, whatever the precedence."""
    a, first, b, second, c = _operands(task)
    result = _apply(second, _apply(first, int(a), int(b)), int(c))
    return [(_call(f"({a}{first}{b}){second}{c}"), str(result)), (_boxed(result), "")]


def _operands(task: Task) -> Sequence[str]:
    match = _THREE.fullmatch(task.metadata["solution"])
    assert match is not None  # level 1 has no other form
    return match.groups()


Habit = Callable[[Task, random.Random], list[Exchange]]
_ANYWHERE: tuple[Habit, ...] = (_guess, _misread, _broken)
_LEVEL_1: tuple[Habit, ...] = (*_ANYWHERE, _half, _left_to_right)


def flawed_actions(task: Task, rng: random.Random) -> list[Exchange]:
    """Return an episode that shows one bad habit; by luck it may still end with the answer."""
    habits = _LEVEL_1 if task.metadata["level"] == 1 else _ANYWHERE
    return rng.choice(habits)(task, rng)
