"""Task sets: rows of a file, or a seeded generator, in named splits.

Both are lazy. A file is read when the first task is asked for, a generated task is made when it is
asked for and depends on (seed, split, index) alone, so a set may be as large as one likes.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, overload

from agentgym.errors import ConfigError, UnknownTask
from agentgym.types import Task

__all__ = ["MakeTask", "TaskSet", "jsonl_rows", "split_of"]

MakeTask = Callable[[random.Random, str, int], Task]
"""Makes the task of (random state, split, index); its id and split are filled in afterwards."""

_SHARES: Mapping[str, int] = {"train": 8, "dev": 1, "test": 1}
_PROMPT = ("prompt", "problem", "question")
_ANSWER = ("answer", "solution")


def split_of(key: str, shares: Mapping[str, int] = _SHARES) -> str:
    """Return the split that a text belongs to, by its hash.

    A generator that draws until ``split_of(canonical text)`` is the split it was asked for has
    disjoint splits by construction, whatever it draws.

    Args:
        key: The canonical text of a problem: two tasks that count as the same have the same key.
        shares: Split to its share of all keys.
    """
    digest = hashlib.sha256(key.encode("utf-8", "replace")).digest()
    place = int.from_bytes(digest[:8], "big") % sum(shares.values())
    for split, share in shares.items():
        place -= share
        if place < 0:
            return split
    raise ConfigError(f"shares must be positive, not {dict(shares)}")


class TaskSet(ABC):
    """Tasks by id, in named splits."""

    @staticmethod
    def of(tasks: Iterable[Task]) -> TaskSet:
        """Return a set of given tasks.

        Raises:
            ConfigError: If two have the same id.
        """
        return _Listed(tasks)

    @staticmethod
    def from_jsonl(path: str | Path) -> TaskSet:
        """Return the rows of a JSON Lines file, read when first needed.

        A row has ``prompt`` (or ``problem``, ``question``) and may have ``answer`` (or
        ``solution``), ``split`` (else ``train``) and ``id`` (else the split and a number);
        whatever else it has becomes metadata.

        Args:
            path: The file; relative to the directory of the process when the set is made.

        Raises:
            ConfigError: When first used: no such file, or a bad row, named by file and line.
        """
        return _File(Path(path).absolute())

    @staticmethod
    def generate(make: MakeTask, sizes: Mapping[str, int], seed: int = 0) -> TaskSet:
        """Return tasks that are made when asked for, with ids like ``test-17``.

        Args:
            make: Called with ``(random.Random, split, index)``; must draw from that alone.
            sizes: How many tasks each split has.
            seed: Another seed gives other tasks.
        """
        return _Generated(make, sizes, seed)

    @property
    @abstractmethod
    def splits(self) -> tuple[str, ...]:
        """Names of the splits."""

    @abstractmethod
    def _ids(self, split: str) -> Sequence[str]:
        """Return the ids of a split that exists."""

    @abstractmethod
    def _find(self, task_id: str) -> Task | None:
        """Return the task, or None."""

    def ids(self, split: str) -> Sequence[str]:
        """Return the ids of a split.

        Raises:
            ConfigError: If there is no such split, or it is empty.
        """
        if split not in self.splits:
            near = difflib.get_close_matches(split, self.splits, 1)
            hint = f"did you mean '{near[0]}'?" if near else f"there are {list(self.splits)}"
            raise ConfigError(f"no split '{split}'; {hint}")
        found = self._ids(split)
        if not found:
            raise ConfigError(f"split '{split}' has no tasks; give it a size above 0")
        return found

    def get(self, task_id: str, split: str | None = None) -> Task:
        """Return a task.

        Args:
            task_id: Its id.
            split: Where it must be; None takes it from any split.

        Raises:
            UnknownTask: If there is none.
        """
        task = self._find(task_id)
        if task is None or split not in (None, task.split):
            where = self.splits[0] if split is None else split
            ids = self.ids(where)
            raise UnknownTask(
                f"no task '{task_id}' in split '{where}'; "
                f"it has {len(ids)} tasks, from '{ids[0]}' to '{ids[-1]}'"
            )
        return task

    def hash(self, task_id: str) -> str:
        """Return 16 hexadecimal digits that change only if what is asked or expected changes."""
        task = self.get(task_id)
        content = [task.prompt, task.answer, dict(task.metadata)]
        try:
            text = json.dumps(content, sort_keys=True, default=str)
        except (TypeError, ValueError):  # keys that JSON does not have, or a circle
            text = repr(content)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


class _Listed(TaskSet):
    def __init__(self, tasks: Iterable[Task]) -> None:
        self._given = tasks

    @cached_property
    def _tasks(self) -> dict[str, Task]:
        tasks: dict[str, Task] = {}
        for task in self._given:
            if task.id in tasks:
                raise ConfigError(f"two tasks have the id '{task.id}'; give each its own")
            tasks[task.id] = task
        return tasks

    @cached_property
    def _by_split(self) -> dict[str, tuple[str, ...]]:
        found: dict[str, list[str]] = {}
        for task in self._tasks.values():
            found.setdefault(task.split, []).append(task.id)
        return {split: tuple(ids) for split, ids in found.items()}

    @property
    def splits(self) -> tuple[str, ...]:
        return tuple(self._by_split)

    def _ids(self, split: str) -> Sequence[str]:
        return self._by_split[split]

    def _find(self, task_id: str) -> Task | None:
        return self._tasks.get(task_id)


class _File(_Listed):
    def __init__(self, path: Path) -> None:
        super().__init__(())
        self._path = path

    @cached_property
    def _tasks(self) -> dict[str, Task]:
        tasks: dict[str, Task] = {}
        counts: dict[str, int] = {}
        for place, row in jsonl_rows(self._path):
            task = _task(row, place, counts)
            if task.id in tasks:
                raise ConfigError(f"{place}: a row above has the id '{task.id}' too")
            tasks[task.id] = task
        if not tasks:
            raise ConfigError(f"{self._path} has no rows; write one JSON object a line")
        return tasks


class _Generated(TaskSet):
    def __init__(self, make: MakeTask, sizes: Mapping[str, int], seed: int) -> None:
        self._make = make
        self._sizes = dict(sizes)
        self._seed = seed

    @property
    def splits(self) -> tuple[str, ...]:
        return tuple(self._sizes)

    def _ids(self, split: str) -> Sequence[str]:
        return _NumberedIds(split, range(self._sizes[split]))

    def _find(self, task_id: str) -> Task | None:
        split, _, number = task_id.rpartition("-")
        if split not in self._sizes or task_id not in _NumberedIds(
            split, range(self._sizes[split])
        ):
            return None
        # A text as seed goes through SHA-512: neighbours are independent, every platform agrees.
        rng = random.Random(f"{self._seed}/{split}/{number}")
        return replace(self._make(rng, split, int(number)), id=task_id, split=split)


class _NumberedIds(Sequence[str]):
    """``split-0``, ``split-1``, ...: ids that take no memory."""

    def __init__(self, split: str, numbers: range) -> None:
        self._split = split
        self._numbers = numbers

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        if isinstance(index, slice):
            return _NumberedIds(self._split, self._numbers[index])
        return f"{self._split}-{self._numbers[index]}"

    def __contains__(self, value: object) -> bool:
        split, _, number = str(value).rpartition("-")
        # int() reads more than it writes (' 7', '07', '1_0'): only the canonical form is an id.
        if split != self._split or not number.isascii() or not number.isdigit() or len(number) > 18:
            return False
        return str(int(number)) == number and int(number) in self._numbers

    def __repr__(self) -> str:
        return f"<{len(self)} ids of '{self._split}'>"


def jsonl_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each object of a JSON Lines file with its place, ``file:line``.

    Raises:
        ConfigError: If the file cannot be read, or a line is no JSON object.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read tasks from '{path}': {error}") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        place = f"{path}:{number}"
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"{place}: not JSON: {error}") from error
        if not isinstance(row, dict):
            raise ConfigError(f"{place}: expected a JSON object, found {type(row).__name__}")
        yield place, row


def _task(row: dict[str, Any], place: str, counts: dict[str, int]) -> Task:
    rest = dict(row)
    prompt = _take(rest, _PROMPT, place)
    if not isinstance(prompt, str) or not prompt.strip():
        raise ConfigError(f"{place}: needs a text under one of {', '.join(_PROMPT)}")
    answer = _take(rest, _ANSWER, place)
    split = rest.pop("split", "train")
    if not isinstance(split, str) or not split:
        raise ConfigError(f"{place}: 'split' must be a text, not {split!r}")
    number = counts[split] = counts.get(split, -1) + 1
    task_id = rest.pop("id", f"{split}-{number}")
    if not isinstance(task_id, str | int) or task_id == "":
        raise ConfigError(f"{place}: 'id' must be a text or a whole number, not {task_id!r}")
    return Task(str(task_id), prompt, answer, split, rest)


def _take(row: dict[str, Any], names: tuple[str, ...], place: str) -> Any:
    """Remove and return the one of several names that a row uses."""
    used = [name for name in names if name in row]
    if len(used) > 1 and names is _PROMPT:
        raise ConfigError(f"{place}: has both '{used[0]}' and '{used[1]}'; keep one")
    return row.pop(used[0]) if used else None
