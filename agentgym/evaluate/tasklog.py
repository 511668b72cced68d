"""Which tasks a run has played, what they asked and what was expected: ``tasks.jsonl``.

Episodes name their task by its id alone. This is written beside them, so that a run can be looked
at without its environment, and so that it can be told whether a task is still the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from agentgym.evaluate.saved import SavedTask
from agentgym.types import Task

__all__ = ["LONGEST", "TaskLog", "saved_task"]

LONGEST = 100_000
"""Characters of a prompt, or of a gold's JSON, that are kept; the hash is of the whole."""


class TaskLog:
    """The file ``tasks.jsonl`` of a run: each task once, however often the run is taken up.

    Opening it drops a last line that a killed process left torn.

    Args:
        path: The file; made with the first task.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: set[tuple[str, str]] = set()
        if path.exists():
            self._read()

    def _read(self) -> None:
        with self._path.open("r+b") as file:
            whole = 0
            for line in file:
                if not line.endswith(b"\n"):
                    break
                row = json.loads(line)
                self._known.add((row["env"], row["id"]))
                whole += len(line)
            file.truncate(whole)

    def missing(self, env: str, ids: Iterable[str]) -> list[str]:
        """Return which of these tasks are not there yet, each once, in their order."""
        return [each for each in dict.fromkeys(ids) if (env, each) not in self._known]

    def record(self, env: str, tasks: Iterable[SavedTask]) -> None:
        """Append the tasks that are not there yet, all at once.

        Args:
            env: Their environment's id, or its label in a suite.
            tasks: As `saved_task` returns them.

        Raises:
            OSError: If the file cannot be written.
        """
        fresh = {task.id: task for task in tasks if (env, task.id) not in self._known}
        if not fresh:
            return
        lines = "".join(json.dumps({**asdict(each), "env": env}) + "\n" for each in fresh.values())
        with self._path.open("ab") as file:
            file.write(lines.encode("ascii"))
        self._known.update((env, task_id) for task_id in fresh)


def saved_task(env: str, core: Any, task_id: str) -> SavedTask:
    """Return a task as it is put on record.

    Args:
        env: The environment's id, or its label in a suite.
        core: The environment itself, unwrapped: anything that has ``tasks``.
        task_id: Which task.

    Raises:
        UnknownTask: If there is none of this id.
    """
    task: Task = core.tasks.get(task_id)
    return SavedTask(
        env, task.id, task.split, core.tasks.hash(task_id), _shortened(task.prompt), _gold(task)
    )


def _gold(task: Task) -> Any:
    """Return the answer as JSON has it; as text where it is too long, or JSON has no such thing."""
    try:
        text = json.dumps(task.answer, default=str, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return _shortened(repr(task.answer))
    return json.loads(text) if len(text) <= LONGEST else _shortened(text)


def _shortened(text: str) -> str:
    if len(text) <= LONGEST:
        return text
    return f"{text[:LONGEST]}... ({len(text)} characters)"
