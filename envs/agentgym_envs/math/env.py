"""`agentgym/Math-v0`: one problem, one response, one verdict."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from agentgym.env import Env, Reply
from agentgym.errors import ConfigError
from agentgym.tasks import TaskSet
from agentgym.types import Task
from agentgym_envs.math.extract import extract
from agentgym_envs.math.tasks import level_tasks
from agentgym_envs.math.verify import verify

__all__ = ["Math"]


class Math(Env):
    r"""Answer a problem in one response; 1.0 if its final ``\boxed{}`` is right.

    Args:
        split: Which tasks: ``train``, ``dev`` or ``test``, or a split that the file names.
        level: 1 to 5, of the built-in problems.
        path: A JSON Lines file of (problem, answer) to use instead of them.
        render_mode: See `agentgym.env.Env`.

    Raises:
        ConfigError: If the level, the file, one of its rows or the split cannot be used.
    """

    instructions = (
        "Solve the problem. You may think first. Then put only the final answer in "
        r"\boxed{}, once."
    )

    def __init__(
        self,
        *,
        split: str = "train",
        level: int = 1,
        path: str | None = None,
        render_mode: str | None = None,
    ) -> None:
        super().__init__(split=split, render_mode=render_mode)
        self.tasks = level_tasks(level) if path is None else _load(path)
        self.tasks.ids(split)  # an unknown split is refused here, not at the first reset

    def respond(self, action: str) -> Reply:
        """Judge the response."""
        return Reply(verdict=verify(action, _gold(self.task.answer)))

    def oracle(self, task: Task) -> Iterator[str]:
        """Give the answer."""
        yield rf"\boxed{{{_gold(task.answer)}}}"


def _load(path: str) -> TaskSet:
    file = Path(path).expanduser().absolute()
    return _checked(file, file.stat().st_mtime_ns if file.is_file() else 0)


@lru_cache(maxsize=8)
def _checked(file: Path, changed_ns: int) -> TaskSet:
    """Read a file once for all environments, and again when it has changed."""
    tasks = TaskSet.from_jsonl(file)
    for split in tasks.splits:
        for task_id in tasks.ids(split):
            _check_gold(file, tasks.get(task_id, split))
    return tasks


def _check_gold(file: Path, task: Task) -> None:
    """Refuse a gold that no response could ever match."""
    if not isinstance(task.answer, str | int | float) or not str(task.answer).strip():
        raise ConfigError(
            f"{file}: task '{task.id}' needs a text or a number as its answer, "
            f"not {task.answer!r}; add it under 'answer'"
        )
    gold = _gold(task.answer)
    if verify(rf"\boxed{{{gold}}}", gold).score < 1.0:
        raise ConfigError(
            f"{file}: the answer of task '{task.id}', {gold!r}, does not equal itself"
        )


def _gold(answer: Any) -> str:
    """Return the final answer of a gold that may be a whole worked solution."""
    text = str(answer).strip()
    return extract(text) or text
