"""Which episodes an evaluation consists of: its environments, their tasks, and what is missing."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from agentgym.errors import ConfigError, RunError
from agentgym.evaluate.config import EvalConfig
from agentgym.evaluate.player import Stage
from agentgym.evaluate.record import Place, Record
from agentgym.evaluate.saved import SavedTask
from agentgym.evaluate.suites import SuiteEntry, entries_of, labelled
from agentgym.evaluate.tasklog import TaskLog, saved_task
from agentgym.rollout.spec import EnvSpec

__all__ = ["Planned", "asked_for", "missing", "planned"]


def asked_for(config: EvalConfig) -> dict[str, SuiteEntry]:
    """Return label to entry of all that is asked for, with what the flags say over the suites.

    Raises:
        ConfigError: If a suite cannot be found or read.
        UnknownEnvironment: If an environment cannot be found.
    """
    flags = {name: getattr(config, name) for name in ("tasks", "rollouts", "split")}
    given = {name: value for name, value in flags.items() if value is not None}
    entries = (_with(entry, given, config.env_kwargs) for entry in entries_of(config.what))
    return labelled(entries)


def _with(entry: SuiteEntry, given: Mapping[str, Any], kwargs: Mapping[str, Any]) -> SuiteEntry:
    return replace(entry, kwargs={**entry.kwargs, **kwargs}, **given)


@dataclass(frozen=True, slots=True)
class Planned:
    """An environment with what is to be played of it.

    Attributes:
        stage: What is asked for.
        left: The episodes that are not on record, each as its task and number.
    """

    stage: Stage
    left: tuple[Place, ...]


def planned(
    entries: Mapping[str, SuiteEntry],
    record: Record,
    log: TaskLog,
    known: Mapping[tuple[str, str], SavedTask],
) -> list[Planned]:
    """Return what is to be played, and put its tasks on record.

    Args:
        entries: Label to what is asked for.
        record: What is on record.
        log: Where tasks are recorded.
        known: Tasks of earlier parts of the run.

    Raises:
        ConfigError: If an environment has no such split or tasks.
        RunError: If a task is not what it was when the run was begun.
    """
    return [_planned(label, entry, record, log, known) for label, entry in entries.items()]


def _planned(
    label: str,
    entry: SuiteEntry,
    record: Record,
    log: TaskLog,
    known: Mapping[tuple[str, str], SavedTask],
) -> Planned:
    from agentgym.registry import make

    spec = EnvSpec(entry.env, {"split": entry.split, **entry.kwargs})
    made: Any = make(spec.id, **spec.kwargs)
    with contextlib.closing(made):
        core, split = made.unwrapped, spec.kwargs["split"]
        stage = Stage(label, spec, split, _ids(core, entry, split), entry.rollouts)
        left = missing(stage, record.scored.get(label, {}), record.lost.get(label, ()))
        if left:  # else nothing depends on the tasks, and to make them all may take long
            for task_id in stage.task_ids:
                if before := known.get((label, task_id)):
                    _check_same(before, core.tasks.hash(task_id))
            ids = log.missing(label, (task_id for task_id, _ in left))
            log.record(label, (saved_task(label, core, each) for each in ids))
    return Planned(stage, tuple(left))


def _ids(core: Any, entry: SuiteEntry, split: str) -> tuple[str, ...]:
    if not isinstance(entry.tasks, int):
        return tuple(dict.fromkeys(core.tasks.get(task_id, split).id for task_id in entry.tasks))
    found = tuple(core.tasks.ids(split)[: entry.tasks])
    if not found:
        raise ConfigError(f"'{entry.env}' has no tasks in split '{split}'; choose another split")
    return found


def _check_same(task: SavedTask, now: str) -> None:
    if task.hash != now:
        raise RunError(
            f"task '{task.id}' of '{task.env}' is not what it was when this run was begun (hash "
            f"{task.hash}, now {now}); choose another --out"
        )


def missing(stage: Stage, scored: Collection[Place], lost: Iterable[Place]) -> list[Place]:
    """Return the episodes that have to be played, each as its task and number.

    Args:
        stage: What is asked for.
        scored: Episodes that are on record; they may be more than what is asked for.
        lost: Episodes that were unscored: they are played again, whether or not asked for.
    """
    asked = dict.fromkeys([*stage.places(), *sorted(lost)])
    return [place for place in asked if place not in scored]
