"""Groups that are sampled without end, beside whoever learns from them.

A stream lives in one event loop. It plays at most so many episodes at once, in the order in which
their groups were launched, tells of each group that is finished, and can cut one that is not.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from agentgym.policy.base import NamedTensors, Policy, TurnContext
from agentgym.rollout.attempts import Attempts
from agentgym.rollout.episode import Job
from agentgym.types import Completion, Episode, Group, SamplingParams

__all__ = ["Progress", "Stream"]


@dataclass(slots=True)
class Progress:
    """How far an episode is: what is reported where it is cut.

    Attributes:
        turns: That were sampled to their end, in all attempts.
        tokens: In these turns.
        began: When it got a place, in seconds of the monotonic clock; None while it waits.
        finished: Whether it ended.
    """

    turns: int = 0
    tokens: int = 0
    began: float | None = None
    finished: bool = False


@dataclass(slots=True)
class _Flying:
    """A group under way."""

    jobs: tuple[Job, ...]
    episodes: dict[int, Episode] = field(default_factory=dict)
    progress: list[Progress] = field(default_factory=list)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)


class Stream:
    """Plays groups as they are launched.

    Args:
        attempts: How each episode is played; their environments are closed with the stream.
        concurrency: Most episodes in flight; further ones wait in the order of their launch.
        on_group: Called with the number and the group when all of its episodes are finished.
        on_error: Called with what no episode can be unscored for: a caller's mistake, a bug.
    """

    def __init__(
        self,
        attempts: Attempts,
        concurrency: int,
        on_group: Callable[[int, Group], None],
        on_error: Callable[[BaseException], None],
    ) -> None:
        self._attempts = attempts
        self._room = asyncio.Semaphore(concurrency)
        self._on_group = on_group
        self._on_error = on_error
        self._flying: dict[int, _Flying] = {}
        self._active = 0

    def launch(self, number: int, task_id: str, seed: int, group_size: int) -> None:
        """Begin a group; it must be called in the stream's event loop."""
        jobs = tuple(Job(number, index, task_id, seed) for index in range(group_size))
        flying = self._flying[number] = _Flying(jobs, progress=[Progress() for _ in jobs])
        for job, progress in zip(jobs, flying.progress, strict=True):
            flying.tasks.append(asyncio.create_task(self._episode(job, progress)))

    async def _episode(self, job: Job, progress: Progress) -> None:
        try:
            async with self._room:
                episode = await self._played(job, progress)
            self._record(job, episode)
        except Exception as error:  # noqa: BLE001 - told to whoever waits for the group
            self._on_error(error)

    async def _played(self, job: Job, progress: Progress) -> Episode:
        env, oracle = self._attempts.env, self._attempts.policy.needs_oracle
        worker = self._attempts.envs.take(env, oracle)
        progress.began = time.monotonic()
        self._active += 1
        try:
            watched = replace(self._attempts, policy=_Watched(self._attempts.policy, progress))
            episode, worker = await watched.play(job, worker, lambda: self._active)
        except BaseException:
            worker.close()
            raise
        finally:
            self._active -= 1
        self._attempts.envs.give_back(env, oracle, worker)
        progress.finished = True
        return episode

    def _record(self, job: Job, episode: Episode) -> None:
        flying = self._flying[job.group]
        flying.episodes[job.index] = episode
        if len(flying.episodes) == len(flying.jobs):
            del self._flying[job.group]
            episodes = tuple(flying.episodes[index] for index in sorted(flying.episodes))
            self._on_group(job.group, Group(job.task_id, job.seed, episodes))

    def cut(self, number: int) -> tuple[str, list[Progress]]:
        """Give an unfinished group up; return its task and how far each episode was."""
        flying = self._flying.pop(number)
        for task in flying.tasks:
            task.cancel()
        return flying.jobs[0].task_id, flying.progress

    async def close(self) -> None:
        """End whatever is in flight; safe to call twice."""
        tasks = [task for flying in self._flying.values() for task in flying.tasks]
        for task in tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)
        self._flying.clear()
        self._attempts.envs.close()


class _Watched:
    """A policy that counts what one episode was given."""

    def __init__(self, policy: Policy, progress: Progress) -> None:
        self._policy = policy
        self._progress = progress
        self.name = policy.name
        self.needs_oracle = policy.needs_oracle
        self.context_limit = policy.context_limit
        self.version = policy.version
        self.template: Any = policy.template

    async def sample(
        self, prompt_ids: Sequence[int], params: SamplingParams, context: TurnContext | None = None
    ) -> Completion:
        """Sample, and count."""
        completion = await self._policy.sample(prompt_ids, params, context)
        self._progress.turns += 1
        self._progress.tokens += len(completion.ids)
        return completion

    async def load_weights(self, named_tensors: NamedTensors, version: int) -> None:
        """Pass weights on."""
        await self._policy.load_weights(named_tensors, version)

    def close(self) -> None:
        """Leave the wrapped policy to its owner."""
