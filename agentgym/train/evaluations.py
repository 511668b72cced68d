"""Evaluations within a run: kept task by task, so that a gain can be paired."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agentgym.evaluate.statistics import Interval, bounds, paired, score_interval
from agentgym.types import Group

__all__ = ["Evaluated", "EvaluationLog", "gain"]


@dataclass(frozen=True, slots=True)
class Evaluated:
    """Rewards of the policy after ``step`` steps.

    Attributes:
        step: Optimizer steps that the policy had taken.
        rewards: Task id to the rewards of its scored episodes.
        unscored: Episodes lost to faults.
    """

    step: int
    rewards: dict[str, list[float]]
    unscored: int = 0

    @classmethod
    def of(cls, step: int, groups: Sequence[Group]) -> Evaluated:
        """Gather the rewards of finished groups."""
        rewards = {
            group.task_id: [e.reward for e in group.episodes if e.reward is not None]
            for group in groups
        }
        unscored = sum(e.reward is None for group in groups for e in group.episodes)
        return cls(step, {task: values for task, values in rewards.items() if values}, unscored)

    def interval(self) -> Interval:
        """Return the mean over tasks with its 95% interval, as `agentgym eval` gives it.

        Raises:
            ValueError: If every episode is unscored.
        """
        return score_interval(self.rewards)

    def summary(self, rollouts: int) -> dict[str, Any]:
        """Return mean, 95% interval over task means, tasks and rollouts."""
        interval = self.interval() if self.rewards else None
        return {
            "mean": interval and interval.mean,
            "ci95": interval and bounds(interval),
            "tasks": len(self.rewards),
            "rollouts": rollouts,
            "unscored": self.unscored,
        }


class EvaluationLog:
    """The file ``evaluations.jsonl``: one evaluation a line, each step at most once."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> list[Evaluated]:
        """Return all whole evaluations, in order."""
        if not self._path.exists():
            return []
        lines = self._path.read_text().splitlines(keepends=True)
        rows = [json.loads(line) for line in lines if line.endswith("\n")]
        return [Evaluated(row["step"], row["rewards"], row["unscored"]) for row in rows]

    def at(self, step: int) -> Evaluated | None:
        """Return the evaluation at a step, if it was made."""
        return next((row for row in self.read() if row.step == step), None)

    def keep(self, rows: Sequence[Evaluated]) -> None:
        """Write these evaluations and no others."""
        lines = [
            json.dumps({"step": row.step, "rewards": row.rewards, "unscored": row.unscored})
            for row in rows
        ]
        aside = self._path.with_suffix(".tmp")
        aside.write_text("".join(f"{line}\n" for line in lines))
        aside.replace(self._path)


def gain(before: Evaluated, after: Evaluated) -> dict[str, Any]:
    """Return the gain, paired by task: mean, 95% interval and p-value; None where unknown."""
    if not before.rewards.keys() & after.rewards.keys():
        return {"mean": None, "ci95": None, "p": None}
    result = paired(before.rewards, after.rewards)
    return {"mean": result.mean, "ci95": bounds(result), "p": result.p}
