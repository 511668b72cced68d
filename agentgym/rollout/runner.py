"""Many episodes at once: tasks in, groups of scored or unscored episodes out."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from agentgym.blocking import wait_for
from agentgym.errors import ConfigError
from agentgym.policy.base import Policy
from agentgym.rollout.attempts import Attempts, group_seed
from agentgym.rollout.episode import Job
from agentgym.rollout.lockstep import Lockstep
from agentgym.rollout.pool import EnvPool
from agentgym.rollout.spec import EnvSpec, EpisodeLimits
from agentgym.types import Episode, Group, SamplingParams

__all__ = ["arollout", "group_seed", "rollout", "task_ids", "together"]


def task_ids(env: EnvSpec, split: str, count: int | None = None) -> list[str]:
    """Return the first ids of a split; all of them if ``count`` is None.

    Raises:
        ConfigError: If the environment has no tasks in that split.
    """
    from agentgym.registry import make

    made: Any = make(env.id, **env.kwargs)
    try:
        ids = made.unwrapped.tasks.ids(split)
        chosen = list(ids if count is None else ids[:count])
    finally:
        made.close()
    if not chosen:
        raise ConfigError(f"'{env.id}' has no tasks in split '{split}'; choose another split")
    return chosen


@dataclass(slots=True)
class _Rollout:
    """One call of `arollout`: the queue of episodes and what came of them."""

    attempts: Attempts
    jobs: deque[Job]
    results: list[dict[int, Episode]]
    group_size: int
    on_group: Callable[[Group], None] | None
    active: int = 0

    async def slot(self) -> None:
        """Play one episode after another until none is left."""
        policy, env = self.attempts.policy, self.attempts.env
        worker = self.attempts.envs.take(env, policy.needs_oracle)
        self.active += 1
        try:
            with policy.player() if isinstance(policy, Lockstep) else nullcontext():
                while self.jobs:
                    job = self.jobs.popleft()
                    if isinstance(policy, Lockstep):
                        policy.seat(job.group, job.index)
                    episode, worker = await self.attempts.play(job, worker, self.in_flight)
                    self._record(job, episode)
        except BaseException:
            worker.close()
            raise
        else:
            self.attempts.envs.give_back(env, policy.needs_oracle, worker)
        finally:
            self.active -= 1

    def in_flight(self) -> int:
        """Return how many episodes are under way."""
        return self.active

    def _record(self, job: Job, episode: Episode) -> None:
        done = self.results[job.group]
        done[job.index] = episode
        if len(done) == self.group_size and self.on_group is not None:
            self.on_group(self.group(job.group))

    def group(self, position: int) -> Group:
        """Return a finished group, its episodes in order."""
        done = self.results[position]
        episodes = tuple(done[index] for index in sorted(done))
        return Group(episodes[0].task_id, episodes[0].seed, episodes)


async def arollout(  # noqa: PLR0913 - the settings of a rollout, each with its default
    policy: Policy,
    env: str | EnvSpec,
    tasks: Sequence[str] | int,
    group_size: int = 1,
    *,
    split: str = "train",
    env_kwargs: Mapping[str, Any] | None = None,
    sampling: SamplingParams | None = None,
    limits: EpisodeLimits | None = None,
    concurrency: int = 64,
    retries: int = 2,
    seed: int = 0,
    deterministic: bool = False,
    on_group: Callable[[Group], None] | None = None,
    envs: EnvPool | None = None,
) -> list[Group]:
    """Play ``group_size`` episodes of each task, hundreds at once.

    Environments are stepped beside the sampling, in threads of their own or, by ``envs``, in other
    processes. A fault costs its own episode only: it is tried again on a fresh environment, then
    left unscored with the reason.

    Args:
        policy: Who acts.
        env: An id, or an id with keyword arguments.
        tasks: Task ids, or how many of the split's first tasks.
        group_size: Episodes of each task, all reset with the same seed.
        split: Of the environment's tasks.
        env_kwargs: Keyword arguments beside those of ``env``.
        sampling: How each turn is sampled.
        limits: What each episode may use.
        concurrency: Most episodes in flight.
        retries: Further attempts after a fault.
        seed: Decides the seeds of the environments (and of the sampler, if deterministic).
        deterministic: Sample in rounds, with a seed for each turn: slower, and the same result
            to the last bit each time.
        on_group: Called with each group as it is finished.
        envs: Where environments run, and are kept for the next rollout; None has threads of this
            process, and closes them at the end.

    Returns:
        One group per task, in the order of the tasks.

    Raises:
        UsageError: If the environment, a task or the context cannot be as asked.
    """
    given = env if isinstance(env, EnvSpec) else EnvSpec(env)
    spec = EnvSpec(given.id, {"split": split, **given.kwargs, **(env_kwargs or {})})
    ids = task_ids(spec, split, tasks) if isinstance(tasks, int) else list(tasks)
    if group_size < 1 or concurrency < 1:
        raise ConfigError("group_size and concurrency must be at least 1")
    jobs = deque(
        Job(position, index, task, group_seed(seed, task))
        for position, task in enumerate(ids)
        for index in range(group_size)
    )
    pool = envs or EnvPool()
    attempts = Attempts(
        Lockstep(policy) if deterministic else policy,
        spec,
        sampling or SamplingParams(),
        limits or EpisodeLimits(),
        retries,
        seed,
        pool,
    )
    run = _Rollout(attempts, jobs, [{} for _ in ids], group_size, on_group)
    try:
        await together(run.slot() for _ in range(min(concurrency, len(jobs))))
    finally:
        if envs is None:
            pool.close()
    return [run.group(position) for position in range(len(ids))]


async def together(slots: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Run all of them; the first failure ends the others and is raised as it is."""
    first: Exception | None = None
    try:
        async with asyncio.TaskGroup() as group:
            for slot in slots:
                group.create_task(slot)
    except ExceptionGroup as errors:
        first = errors.exceptions[0]  # it ended the others: a caller's mistake, a full disk, a bug
    if first is not None:  # raised here, it keeps its own cause
        raise first


def rollout(
    policy: Policy, env: str | EnvSpec, tasks: Sequence[str] | int, group_size: int = 1, **kw: Any
) -> list[Group]:
    """Do what `arollout` does, and wait for it; in a notebook too.

    Raises:
        UsageError: As `arollout`.
    """
    return wait_for(arollout(policy, env, tasks, group_size, **kw))
