"""The tasks of a task root, in the official splits."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from agentgym.errors import ConfigError
from agentgym.tasks import TaskSet
from agentgym.types import Task
from agentgym_envs.appworld.installation import GUIDE, SPLITS, Installation

__all__ = ["AppWorldTasks"]


class AppWorldTasks(TaskSet):
    """The tasks of an installation; files are read when first needed.

    Args:
        installation: Where they are.
        level: 1 to 3 keeps the tasks of AppWorld's difficulty of that number; None keeps all.
    """

    def __init__(self, installation: Installation, level: int | None = None) -> None:
        self.installation = installation
        self.level = level
        self._kept: dict[str, tuple[str, ...]] = {}

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits."""
        return SPLITS

    def _ids(self, split: str) -> Sequence[str]:
        if split not in self._kept:
            ids = self.installation.task_ids(split)
            level = self.level
            self._kept[split] = tuple(
                each for each in ids if level is None or self._difficulty(each) == level
            )
        return self._kept[split]

    @cached_property
    def _split_of(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for split in SPLITS:
            try:
                found |= dict.fromkeys(self.installation.task_ids(split), split)
            except ConfigError:
                continue
        return found

    def _difficulty(self, task_id: str) -> int | None:
        path = self.installation.tasks / task_id / "ground_truth" / "metadata.json"
        try:
            return int(json.loads(path.read_text(encoding="utf-8"))["difficulty"])
        except (OSError, ValueError, KeyError):
            return None  # the benchmark may leave it out

    def _find(self, task_id: str) -> Task | None:
        if task_id not in self._split_of:
            return None
        specs = _specs(self.installation.tasks / task_id / "specs.json")
        person = specs.get("supervisor") or specs["main_user"]
        metadata = {
            "scenario": task_id.rpartition("_")[0],
            "supervisor": {key: person[key] for key in _PERSON},
            "datetime": specs["datetime"],
        }
        split = self._split_of[task_id]
        return Task(task_id, specs["instruction"], split=split, metadata=metadata)

    def solution(self, task_id: str) -> str | None:
        """Return the benchmark's own solution, where it comes with one: only for train and dev."""
        path = self.installation.tasks / task_id / "ground_truth" / "compiled_solution.py"
        try:
            return path.read_text(encoding="utf-8")
        except OSError:
            return None


_PERSON = ("first_name", "last_name", "email", "phone_number")


def _specs(path: Path) -> Mapping[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot read the task '{path}': {error}; {GUIDE}") from error
    return found
