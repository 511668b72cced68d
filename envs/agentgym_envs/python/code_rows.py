"""Programming tasks of a JSON Lines file, in the shapes of MBPP, of HumanEval, or our own.

Tests that are ``assert`` statements become pairs of literal arguments and an expected value: the
statement itself, which holds the answer, is never run anywhere. A row whose tests cannot be read so
is refused.
"""

from __future__ import annotations

import ast
import json
import keyword
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from agentgym.errors import ConfigError
from agentgym.tasks import TaskSet, jsonl_rows
from agentgym.types import Task
from agentgym_envs.python.asserts import Unreadable, case_of, read_check, read_tests
from agentgym_envs.python.grade import Case

__all__ = ["file_tasks"]

Row = Mapping[str, Any]
_SHAPES = (
    "'prompt', 'entry_point' and 'tests' ([[arguments], expected] each), "
    "'prompt', 'entry_point' and 'test' as HumanEval has them, or "
    "'text' (or 'prompt') and 'test_list' as MBPP has them"
)


def file_tasks(path: str | Path, *, skip_unreadable: bool = False) -> TaskSet:
    """Return the tasks of a file, read at once.

    Args:
        path: JSON Lines. A row may have ``split`` (else ``train``) and ``id`` or ``task_id``.
        skip_unreadable: Leave out rows whose tests cannot be read, with one warning.

    Raises:
        ConfigError: If there is no such file, or a bad row, named by file and line.
    """
    tasks: list[Task] = []
    skipped: list[str] = []
    counts: dict[str, int] = {}
    seen: set[str] = set()
    for place, row in jsonl_rows(Path(path)):
        try:
            task = _task(row, counts)
        except Unreadable as error:
            if not skip_unreadable:
                way_out = "correct it, or leave such rows out by skip_unreadable=True"
                raise ConfigError(f"{place}: {error}; {way_out}") from error
            skipped.append(f"{place}: {error}")
            continue
        except ValueError as error:
            raise ConfigError(f"{place}: {error}") from error
        if task.id in seen:
            raise ConfigError(f"{place}: a row above has the id '{task.id}' too")
        seen.add(task.id)
        tasks.append(task)
    if skipped:
        warnings.warn(f"left out {len(skipped)} rows, the first {skipped[0]}", stacklevel=2)
    if not tasks:
        raise ConfigError(f"{path} has no tasks; write one JSON object a line")
    return TaskSet.of(tasks)


def _task(row: Row, counts: dict[str, int]) -> Task:
    read = next((read for key, read in _READERS.items() if key in row), None)
    if read is None:
        raise ValueError(f"no tests; a row has {_SHAPES}")
    split = _text(row, "split") or "train"
    number = counts[split] = counts.get(split, -1) + 1
    given = row.get("id", row.get("task_id", f"{split}-{number}"))
    if not isinstance(given, str | int) or given == "":
        raise ValueError(f"the id must be a text or a whole number, not {given!r}")
    prompt, cases, metadata = read(row)
    name = metadata["entry_point"]
    if not name.isidentifier() or keyword.iskeyword(name):
        raise ValueError(f"'entry_point' must be the name of a function, not {name!r}")
    if name not in prompt:
        prompt = f"{prompt}\n\nThe function is called `{name}`."
    return Task(str(given), prompt, cases, split, metadata)


Read = tuple[str, tuple[Case, ...], dict[str, str]]


def _own(row: Row) -> Read:
    """Read ``tests``: a list of pairs of the list of arguments and the expected value."""
    tests = row["tests"]
    if not isinstance(tests, list) or not tests:
        raise Unreadable("'tests' must be a list of [[arguments], expected]")
    cases = []
    for test in tests:
        if not isinstance(test, list) or len(test) != 2 or not isinstance(test[0], list):
            raise Unreadable(f"a test must be [[arguments], expected], not {json.dumps(test)[:80]}")
        cases.append(case_of(repr(tuple(test[0])), test[1], "exact"))
    solution = _text(row, "solution")
    return _wanted(row, "prompt"), tuple(cases), _metadata(_wanted(row, "entry_point"), solution)


def _humaneval(row: Row) -> Read:
    """Read ``test``: a function ``check(candidate)`` of asserts."""
    prompt, name = _wanted(row, "prompt"), _wanted(row, "entry_point")
    cases = read_check(_wanted(row, "test"))
    canonical = _text(row, "canonical_solution")
    return (
        f"Write the Python function `{name}`.\n\n{prompt.rstrip()}",
        cases,
        _metadata(name, f"{prompt}{canonical}" if canonical else "", _around(prompt, name)),
    )


def _around(prompt: str, name: str) -> str:
    """Return what a prompt defines beside the function itself: imports, and what it may call."""
    try:
        tree = ast.parse(prompt)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise Unreadable("'prompt' is no Python") from error
    tree.body = [node for node in tree.body if getattr(node, "name", None) != name]
    return ast.unparse(tree)


def _mbpp(row: Row) -> Read:
    """Read ``test_list``: asserts, of which the first is shown where there are several."""
    given = row["test_list"]
    if not isinstance(given, list) or not all(isinstance(test, str) for test in given):
        raise Unreadable("'test_list' must be a list of assert statements")
    name, cases = read_tests(given)
    prompt = _wanted(row, "text" if "text" in row else "prompt")
    if len(cases) == len(given) > 1:
        prompt, cases = f"{prompt}\n\nFor example: {given[0].strip()}", cases[1:]
    return prompt, cases, _metadata(name, _text(row, "code"), _text(row, "test_setup_code"))


_READERS: Mapping[str, Callable[[Row], Read]] = {
    "tests": _own,
    "test": _humaneval,
    "test_list": _mbpp,
}


def _metadata(entry_point: str, solution: str, setup: str = "") -> dict[str, str]:
    return {"entry_point": entry_point, "solution": solution, "setup": setup}


def _text(row: Row, key: str) -> str:
    value = row.get(key) or ""
    if not isinstance(value, str):
        raise ValueError(f"'{key}' must be a text, not {value!r}")
    return value


def _wanted(row: Row, key: str) -> str:
    if not _text(row, key).strip():
        raise ValueError(f"needs a text under '{key}'; a row has {_SHAPES}")
    return _text(row, key)
