"""Seeded programming tasks with hidden tests, in splits that cannot overlap.

A task belongs to the split that a hash of its family and parameters names, whatever drew it: no
function of ``test`` is ever asked for in ``train``, for any seed and any size. A task may come more
than once in its split, with other tests.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from typing import Any

from agentgym.tasks import TaskSet, split_of
from agentgym.types import Task
from agentgym_envs.python.code_family import Family, Parameters
from agentgym_envs.python.code_lists import LIST_FAMILIES
from agentgym_envs.python.code_numbers import NUMBER_FAMILIES
from agentgym_envs.python.code_texts import TEXT_FAMILIES
from agentgym_envs.python.grade import Case
from agentgym_envs.python.values import encode

__all__ = ["CODE_FAMILIES", "SIZES", "code_tasks", "make_task"]

CODE_FAMILIES: tuple[Family, ...] = (*NUMBER_FAMILIES, *LIST_FAMILIES, *TEXT_FAMILIES)
SIZES: Mapping[str, int] = {"train": 20_000, "dev": 1_000, "test": 1_000}
EXAMPLES, HIDDEN = 2, 16
DRAWS = 200  # of arguments, before other parameters are tried
SHARE = 0.75  # no value may be expected by more of the tests: a constant function would be near

Call = tuple[str, Any]
"""The source of a tuple of arguments, and the value."""


def code_tasks(sizes: Mapping[str, int] = SIZES, seed: int = 0) -> TaskSet:
    """Return the built-in tasks.

    Args:
        sizes: How many tasks each of ``train``, ``dev`` and ``test`` has.
        seed: Another seed gives other tasks, each in the split that it always had.
    """
    return TaskSet.generate(_draw, sizes, seed)


def _draw(rng: random.Random, split: str, index: int) -> Task:
    while True:
        family = rng.choice(CODE_FAMILIES)
        parameters = family.parameters(rng)
        if split_of(_key(family, parameters)) != split:
            continue
        task = make_task(family, parameters, rng)
        if task is not None:
            return task


def _key(family: Family, parameters: Parameters) -> str:
    return f"{family.name} {sorted(parameters.items())}"


def make_task(family: Family, parameters: Parameters, rng: random.Random) -> Task | None:
    """Return the task of these parameters, in the split that it belongs to.

    Returns:
        None if a function of these parameters gives nearly always the same.
    """
    calls = _calls(family, parameters, rng)
    hidden = calls[EXAMPLES:]
    counts = Counter(encode(value) for _, value in hidden)
    if len(hidden) < HIDDEN or counts.most_common(1)[0][1] > SHARE * HIDDEN:
        return None
    key = _key(family, parameters)
    solution = family.solution(parameters)
    metadata = {
        "family": family.name,
        "key": key,
        "entry_point": family.name,
        "solution": solution,
        "setup": "",
        "example": f"{family.name}(*{calls[0][0]})",
    }
    cases = tuple(Case(arguments, encode(value)) for arguments, value in hidden)
    prompt = _prompt(family, parameters, calls[:EXAMPLES])
    return Task("", prompt, cases, split_of(key), metadata)


def _calls(family: Family, parameters: Parameters, rng: random.Random) -> list[Call]:
    """Draw arguments, all different, and work out the values."""
    solve = family.solve(parameters)
    calls: dict[str, Any] = {}
    for _ in range(DRAWS):
        arguments = family.arguments(rng, parameters)
        source = repr(arguments)
        if source not in calls:
            calls[source] = solve(*arguments)
        if len(calls) == EXAMPLES + HIDDEN:
            break
    return list(calls.items())


def _prompt(family: Family, parameters: Parameters, examples: list[Call]) -> str:
    header = family.solution(parameters).splitlines()[0].removesuffix(":")
    lines = [f"Write the Python function `{header.removeprefix('def ')}`."]
    lines += [family.text(parameters), "", "Examples:"]
    for source, value in examples:
        arguments = source.removeprefix("(").removesuffix(",)")  # each takes one argument
        lines += [f">>> {family.name}({arguments})", repr(value)]
    return "\n".join(lines)
