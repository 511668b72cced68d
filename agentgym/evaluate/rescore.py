"""Saved episodes verified again: their actions played in today's environment.

Each episode that was scored is played by the ordinary rollout, with the policy that says again what
was said, the same seed, task and keyword arguments. Nothing is sampled and no model is needed.
Episodes that were unscored stay so: there is nothing to play.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from agentgym.blocking import wait_for
from agentgym.errors import ConfigError, UnknownTask
from agentgym.evaluate.changes import KINDS, Change, change
from agentgym.evaluate.saved import SavedEpisode, SavedRun
from agentgym.evaluate.statistics import Interval, bounds, paired, score_interval
from agentgym.policy.replay import ReplayPolicy
from agentgym.rollout.attempts import Attempts
from agentgym.rollout.episode import Job
from agentgym.rollout.pool import EnvPool
from agentgym.rollout.spec import EnvSpec, EpisodeLimits
from agentgym.types import Episode, SamplingParams

__all__ = ["Rescored", "Tally", "rescore"]


@dataclass(slots=True)
class Tally:
    """What came of one environment's episodes.

    Attributes:
        scored: Episodes that were scored, and so were played again.
        unscored: Episodes that were not.
        kinds: Names in `agentgym.evaluate.changes.KINDS` to numbers of episodes.
        old: Task id to the rewards on record.
        new: Task id to today's.
        both: Task id to pairs of them, of the episodes that have both.
        changed_tasks: Tasks whose hash is another than on record.
        gone_tasks: Tasks that are no more.
    """

    scored: int = 0
    unscored: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    old: dict[str, list[float]] = field(default_factory=dict)
    new: dict[str, list[float]] = field(default_factory=dict)
    both: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    changed_tasks: list[str] = field(default_factory=list)
    gone_tasks: list[str] = field(default_factory=list)

    def count(self, saved: SavedEpisode, new: float | None) -> None:
        """Count an episode that was scored."""
        task, old = saved.episode.task_id, saved.episode.reward or 0.0
        self.scored += 1
        self.old.setdefault(task, []).append(old)
        if new is not None:
            self.new.setdefault(task, []).append(new)
            self.both.setdefault(task, []).append((old, new))

    def summary(self) -> dict[str, Any]:
        """Return the counts and the means as plain data."""
        before = {task: [old for old, _ in pairs] for task, pairs in self.both.items()}
        after = {task: [new for _, new in pairs] for task, pairs in self.both.items()}
        gap = paired(before, after) if self.both else None
        return {
            "scored": self.scored,
            "unscored": self.unscored,
            "changed": {kind: self.kinds[kind] for kind in KINDS if self.kinds[kind]},
            "old": _told(score_interval(self.old)) if self.old else None,
            "new": _told(score_interval(self.new)) if self.new else None,
            "difference": gap and _told(Interval(gap.mean, gap.low, gap.high)),
            "changed_tasks": self.changed_tasks,
            "gone_tasks": self.gone_tasks,
        }


@dataclass(frozen=True, slots=True)
class Rescored:
    """What came of a run.

    Attributes:
        environments: Label to what came of it.
        changes: Every episode that is not what it was.
        tasks_known: Whether the run has its tasks on record, so that changed ones are seen.
    """

    environments: dict[str, Tally]
    changes: list[Change]
    tasks_known: bool

    @property
    def changed(self) -> bool:
        """Whether anything is different."""
        tasks = any(t.changed_tasks or t.gone_tasks for t in self.environments.values())
        return bool(self.changes) or tasks

    def summary(self) -> dict[str, Any]:
        """Return all of it as plain data."""
        return {
            "changed": self.changed,
            "tasks_known": self.tasks_known,
            "environments": {label: t.summary() for label, t in self.environments.items()},
            "episodes": [asdict(each) for each in self.changes],
        }


def rescore(
    run: SavedRun,
    *,
    step: int | None = None,
    concurrency: int = 64,
    on_episode: Callable[[], None] = lambda: None,
) -> Rescored:
    """Verify the episodes of a run with today's environments; wait for it.

    Args:
        run: The run; nothing is written into it.
        step: Only the episodes of this step of a training; None is all.
        concurrency: Most episodes in flight.
        on_episode: Called after each episode.

    Raises:
        ConfigError: If there are no such episodes.
        RunError: If a line of the run cannot be read.
        UnknownEnvironment: If an environment is not there any more.
    """
    play = _Again(run, step, on_episode)
    wait_for(play.all(concurrency))
    if not play.found.environments:
        which = "no episodes" if step is None else f"no episodes of step {step}"
        raise ConfigError(f"the run in '{run.path}' has {which}; nothing can be verified")
    return play.found


class _Again:
    """The episodes of a run on their way through today's environments."""

    def __init__(self, run: SavedRun, step: int | None, on_episode: Callable[[], None]) -> None:
        self._run = run
        self._step = step
        self._on_episode = on_episode
        self._specs = run.specs()
        self._tasks = run.tasks()
        self._cores: dict[str, Any] = {}
        self._is_there: dict[tuple[str, str], bool] = {}
        self._stack = contextlib.ExitStack()
        self.found = Rescored({}, [], bool(self._tasks))

    async def all(self, concurrency: int) -> None:
        """Play every episode again."""
        episodes = self._wanted()
        with self._stack, EnvPool() as pool:
            try:
                async with asyncio.TaskGroup() as group:
                    for _ in range(concurrency):
                        group.create_task(self._slot(episodes, pool))
            except ExceptionGroup as errors:
                raise errors.exceptions[0] from None
        place = {label: number for number, label in enumerate(self._specs)}
        tallies = self.found.environments
        for label in sorted(tallies, key=place.__getitem__):
            tallies[label] = tallies.pop(label)
        self.found.changes.sort(
            key=lambda each: (place[each.env], each.step, each.task_id, each.index)
        )

    def _wanted(self) -> Iterator[SavedEpisode]:
        for glance in self._run.glances():
            saved = glance.saved
            if self._step not in (None, saved.step):
                continue
            self._spec(saved.env)  # an environment that is not known is told at once
            tally = self.found.environments.setdefault(saved.env, Tally())
            if saved.episode.reward is None:
                tally.unscored += 1
            else:
                yield saved

    async def _slot(self, episodes: Iterator[SavedEpisode], pool: EnvPool) -> None:
        for saved in episodes:
            again = await self._play(saved, pool) if self._has_task(saved) else None
            different = change(saved, again)
            tally = self.found.environments[saved.env]
            tally.count(saved, saved.episode.reward if different is None else different.new)
            if different is not None:
                tally.kinds.update(different.what)
                self.found.changes.append(different)
            self._on_episode()

    async def _play(self, saved: SavedEpisode, pool: EnvPool) -> Episode:
        old, spec = saved.episode, self._spec(saved.env)
        worker = pool.take(spec, with_oracle=False)
        limits = self._limits(len(old.turns))
        policy = ReplayPolicy([saved])
        attempts = Attempts(policy, spec, SamplingParams(), limits, retries=2, envs=pool)
        job = Job(0, old.index, old.task_id, old.seed)
        again, worker = await attempts.play(job, worker, lambda: 1)
        pool.give_back(spec, with_oracle=False, worker=worker)
        return again

    def _limits(self, turns: int) -> EpisodeLimits:
        """Return limits within which just the actions on record can be taken."""
        config, default = self._run.config, EpisodeLimits()
        wall_s = config.get("episode_timeout_s", default.wall_s)
        return EpisodeLimits(turns, None, wall_s, config.get("env_timeout_s", default.env_s))

    def _spec(self, label: str) -> EnvSpec:
        if label not in self._specs:
            raise ConfigError(f"the settings of the run in '{self._run.path}' name no '{label}'")
        return self._specs[label]

    def _has_task(self, saved: SavedEpisode) -> bool:
        """Tell whether an episode's task is still there; note if it is another one now."""
        key = saved.env, saved.episode.task_id
        if key not in self._is_there:
            self._is_there[key] = self._look(*key)
        return self._is_there[key]

    def _look(self, label: str, task_id: str) -> bool:
        tally, tasks = self.found.environments[label], self._core(label).tasks
        try:
            tasks.get(task_id, self._spec(label).kwargs.get("split"))
        except UnknownTask:
            tally.gone_tasks.append(task_id)
            return False
        before = self._tasks.get((label, task_id))
        if before is not None and before.hash != tasks.hash(task_id):
            tally.changed_tasks.append(task_id)
        return True

    def _core(self, label: str) -> Any:
        from agentgym.registry import make

        if label not in self._cores:
            spec = self._spec(label)
            env = self._stack.enter_context(contextlib.closing(make(spec.id, **spec.kwargs)))
            self._cores[label] = env.unwrapped
        return self._cores[label]


def _told(interval: Interval) -> dict[str, Any]:
    return {"mean": interval.mean, "ci95": bounds(interval)}
