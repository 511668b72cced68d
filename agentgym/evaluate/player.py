"""Plays the episodes of an evaluation, of one environment after another, many at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agentgym.policy.usage import Usage, metered
from agentgym.rollout.attempts import Attempts, group_seed
from agentgym.rollout.episode import Job
from agentgym.rollout.runner import together
from agentgym.rollout.spec import EnvSpec
from agentgym.rollout.worker import Worker
from agentgym.types import Episode

__all__ = ["Player", "Stage"]


@dataclass(frozen=True, slots=True)
class Stage:
    """One environment of an evaluation.

    Attributes:
        label: What it is called in this evaluation.
        env: What is played.
        split: Of its tasks.
        task_ids: The tasks that are asked for.
        rollouts: Episodes of each.
    """

    label: str
    env: EnvSpec
    split: str
    task_ids: tuple[str, ...]
    rollouts: int

    def places(self) -> list[tuple[str, int]]:
        """Return the task and number of each episode that is asked for."""
        return [(task, index) for task in self.task_ids for index in range(self.rollouts)]


Began = Callable[[str, Job], None]
Ended = Callable[[str, Job, Episode, Usage], None]


class Player:
    """Plays episodes until there are none left, or until it is told to stop.

    The environments are played in order, the next one as soon as places are free, so that no place
    waits for the slowest episode of each.

    Args:
        attempts: Label to how its episodes are played.
        began: Called as an episode begins.
        ended: Called as it ends, with what an endpoint charged for it.
        concurrency: Most episodes in flight.
    """

    def __init__(
        self, attempts: dict[str, Attempts], began: Began, ended: Ended, concurrency: int
    ) -> None:
        self._attempts = attempts
        self._began = began
        self._ended = ended
        self._concurrency = concurrency
        self._jobs: deque[tuple[str, Job]] = deque()
        self._active = 0

    def add(self, label: str, places: Sequence[tuple[str, int]], seed: int) -> None:
        """Add the episodes of an environment, behind those that are there."""
        groups = {task: number for number, task in enumerate(dict.fromkeys(t for t, _ in places))}
        self._jobs.extend(
            (label, Job(groups[task], index, task, group_seed(seed, task)))
            for task, index in places
        )

    def stop(self) -> None:
        """Begin no further episode; those in flight end as usual."""
        self._jobs.clear()

    async def run(self) -> None:
        """Play.

        Raises:
            UsageError: If an environment or the context cannot be as asked.
        """
        slots = min(self._concurrency, len(self._jobs))
        await together(self._slot() for _ in range(slots))

    async def _slot(self) -> None:
        place: str | None = None
        worker: Worker | None = None
        self._active += 1
        try:
            while self._jobs:
                label, job = self._jobs.popleft()
                attempts = self._attempts[label]
                if worker is None or label != place:
                    if worker is not None:
                        worker.close()
                    worker, place = attempts.fresh(), label
                self._began(label, job)
                with metered() as used:
                    episode, worker = await attempts.play(job, worker, lambda: self._active)
                self._ended(label, job, episode, used)
        finally:
            self._active -= 1
            if worker is not None:
                worker.close()
