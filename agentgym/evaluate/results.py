"""The results of a run, environment by environment and task by task, for whoever compares runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agentgym.errors import RunError
from agentgym.evaluate.diversity import solution
from agentgym.evaluate.saved import SavedRun, open_run
from agentgym.evaluate.statistics import SOLVED

__all__ = ["Results", "TaskResults", "open_results"]


@dataclass(frozen=True, slots=True)
class TaskResults:
    """What a run came to in one environment.

    Attributes:
        scores: Task to the scores of its scored episodes.
        errors: Task to how many of its episodes are unscored; None where only their number is
            known, as of a training's evaluations.
        unscored: Episodes that are unscored.
        hashes: Task to what changes with its content; empty for older runs.
        solutions: Task to solution to how many successes have it; None where episodes are not kept.
    """

    scores: Mapping[str, list[float]]
    errors: Mapping[str, int] | None
    unscored: int
    hashes: Mapping[str, str] = field(default_factory=dict, repr=False)
    solutions: Mapping[str, Counter[str]] | None = field(default=None, repr=False)

    @property
    def error_share(self) -> float:
        """Return the share of episodes that are unscored."""
        scored = sum(map(len, self.scores.values()))
        return self.unscored / max(1, scored + self.unscored)


@dataclass(frozen=True, slots=True)
class Results:
    """What a run came to.

    Attributes:
        name: Of the run.
        policy: What was evaluated.
        settings: Of the run, as its ``config.json`` has them.
        environments: Label to results.
        finished: Whether the run has reached its end.
    """

    name: str
    policy: str
    settings: Mapping[str, Any] = field(repr=False)
    environments: Mapping[str, TaskResults]
    finished: bool = True


def open_results(run: str | Path) -> Results:
    """Read an evaluation, or an evaluation of a training.

    Args:
        run: Folder of the run. ``FOLDER@STEP`` is the evaluation that a training made after so
            many steps; its last one without.

    Raises:
        RunError: If it is no run folder, or has no such evaluation.
    """
    folder, step = _place(str(run))
    saved = open_run(folder)
    if saved.kind == "train":
        return _training(saved, step)
    if step is not None:
        raise RunError(f"'{folder}' is an evaluation, which has no steps; leave '@{step}' out")
    return _evaluation(saved)


def _place(run: str) -> tuple[str, int | None]:
    folder, at, step = run.rpartition("@")
    if at and step.isascii() and step.isdigit() and not Path(run).expanduser().exists():
        return folder, int(step)
    return run, None


def _evaluation(saved: SavedRun) -> Results:
    rewards: dict[str, dict[tuple[str, int], float | None]] = {}
    solutions: dict[str, dict[str, Counter[str]]] = {}
    for row in saved.episodes():
        episode = row.episode
        place = episode.task_id, episode.index
        if rewards.setdefault(row.env, {}).get(place) is not None:
            continue  # it is on record
        rewards[row.env][place] = episode.reward
        if episode.reward is not None and episode.reward >= SOLVED:
            counts = solutions.setdefault(row.env, {}).setdefault(episode.task_id, Counter())
            counts[solution(episode)] += 1
    if not rewards:
        raise RunError(
            f"'{saved.path}' has no episodes yet; run the same command again to finish it"
        )
    hashes = _hashes(saved)
    found = {
        label: _by_task(outcomes, hashes.get(label, {}), solutions.get(label, {}))
        for label, outcomes in rewards.items()
    }
    policy = str(saved.config["policy"])
    return Results(saved.name, policy, saved.config, found, saved.summary() is not None)


def _by_task(
    outcomes: Mapping[tuple[str, int], float | None],
    hashes: Mapping[str, str],
    solutions: Mapping[str, Counter[str]],
) -> TaskResults:
    scores: dict[str, list[float]] = {}
    errors: Counter[str] = Counter()
    for (task, _), reward in outcomes.items():
        kept = scores.setdefault(task, [])
        if reward is None:
            errors[task] += 1
        else:
            kept.append(reward)
    return TaskResults(scores, errors, errors.total(), hashes, solutions)


def _training(saved: SavedRun, step: int | None) -> Results:
    rows = {row["step"]: row for row in saved.evaluations()}
    if not rows:
        raise RunError(f"'{saved.path}' has no evaluation yet; a training needs eval_tasks for one")
    step = max(rows) if step is None else step
    if step not in rows:
        made = ", ".join(map(str, sorted(rows)))
        raise RunError(f"'{saved.path}' has no evaluation after {step} steps, only after {made}")
    row, env = rows[step], saved.config["env"]
    found = TaskResults(row["rewards"], None, row["unscored"], _hashes(saved).get(env, {}))
    policy = f"{saved.name} after {step} steps"  # whole, even if the training goes on
    return Results(saved.name, policy, saved.config, {env: found})


def _hashes(saved: SavedRun) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for (label, task_id), task in saved.tasks().items():
        found.setdefault(label, {})[task_id] = task.hash
    return found
