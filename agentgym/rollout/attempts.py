"""One episode, played again after a fault: the boundary at which a rollout becomes data."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from agentgym.errors import EnvironmentFault, Fault
from agentgym.policy.base import Policy
from agentgym.rollout.env_process import Bystander
from agentgym.rollout.episode import Job, play
from agentgym.rollout.lockstep import Lockstep
from agentgym.rollout.pool import EnvPool
from agentgym.rollout.spec import EnvSpec, EpisodeLimits
from agentgym.rollout.worker import Worker
from agentgym.types import Episode, SamplingParams

__all__ = ["Attempts", "group_seed"]

# An episode beside one that crashes their process again and again is not charged for it; but what
# crashes while it is asked nothing must come to an end too.
_SPARED = 100


def group_seed(seed: int, task_id: str) -> int:
    """Return the environment's seed for one task of a run, the same on every machine."""
    digest = hashlib.sha256(f"{seed}/{task_id}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


@dataclass(frozen=True, slots=True)
class Attempts:
    """How each episode of a rollout is played.

    Attributes:
        policy: Who acts.
        env: What it acts in.
        sampling: How each turn is sampled.
        limits: What each attempt may use.
        retries: Further attempts after a fault.
        seed: Decides the seeds of the sampler, where the policy is in lockstep.
        envs: Where environments come from; threads of this process by default.
    """

    policy: Policy
    env: EnvSpec
    sampling: SamplingParams
    limits: EpisodeLimits
    retries: int
    seed: int = 0
    envs: EnvPool = field(default_factory=EnvPool)

    def fresh(self) -> Worker:
        """Return an environment that nobody has used.

        Raises:
            UsageError: If it cannot be made where the pool makes them.
        """
        return self.envs.fresh(self.env, self.policy.needs_oracle)

    async def play(
        self, job: Job, worker: Worker, in_flight: Callable[[], int]
    ) -> tuple[Episode, Worker]:
        """Play a job, after a fault again on a fresh environment, within the budget.

        Args:
            job: Which episode.
            worker: The environment.
            in_flight: How many episodes are under way just now.

        Returns:
            The episode, scored or unscored, and the environment that is there at its end.
        """
        reasons: list[str] = []
        spared = 0
        while len(reasons) <= self.retries:
            try:
                episode = await self._timed(job, worker, in_flight)
                return replace(episode, attempts=len(reasons) + 1), worker
            except Fault as fault:
                if isinstance(fault, Bystander) and spared < _SPARED:
                    spared += 1
                else:
                    reasons.append(str(fault))
                worker.close()
                worker = self.fresh()  # no idle one
            except BaseException:  # cancelled, or a mistake: the caller does not know this one
                worker.close()
                raise
        episode = Episode(
            task_id=job.task_id,
            index=job.index,
            seed=job.seed,
            status="unscored",
            reward=None,
            reason="; ".join(dict.fromkeys(reasons)),
            attempts=len(reasons),
        )
        return episode, worker

    async def _timed(self, job: Job, worker: Worker, in_flight: Callable[[], int]) -> Episode:
        sampler = None
        if isinstance(self.policy, Lockstep):
            sampler = group_seed(self.seed, f"{job.group}/{job.index}/{job.task_id}")
        try:
            async with asyncio.timeout(self.limits.wall_s):
                return await play(
                    self.policy, worker, job, self.sampling, self.limits, sampler, in_flight
                )
        except TimeoutError:
            limit = f"the episode outlived {self.limits.wall_s:g} s"
            raise EnvironmentFault(limit) from None
