"""One attempt at one task: the policy speaks, the environment answers, the transcript records."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from agentgym.errors import ConfigError
from agentgym.policy.base import Policy, TurnContext
from agentgym.rollout.spec import EpisodeLimits
from agentgym.rollout.transcript import Transcript
from agentgym.rollout.worker import Step, Worker
from agentgym.types import Episode, Rule, SamplingParams, Turn, Verdict

__all__ = ["Job", "play"]


@dataclass(frozen=True, slots=True)
class Job:
    """Which episode to play: sibling ``index`` of the group at ``group``."""

    group: int
    index: int
    task_id: str
    seed: int


@dataclass(slots=True)
class _Play:
    """An episode in the making."""

    policy: Policy
    worker: Worker
    job: Job
    sampling: SamplingParams
    limits: EpisodeLimits
    seed: int | None  # of the sampler; None leaves it free
    transcript: Transcript
    in_flight: Callable[[], int]
    turns: list[Turn] = field(default_factory=list)

    async def run(self, step: Step) -> Episode:
        self.transcript.observe(step.messages)
        self._check_first_prompt()
        while True:
            limit = self._limit()
            if limit is not None:
                return self._truncated(limit)
            step = await self._turn(step)
            if step.terminated or step.truncated:
                return self._finished(step)
            self.transcript.observe(step.messages)

    async def _turn(self, before: Step) -> Step:
        prompt_tokens = len(self.transcript.prompt_ids)
        context = TurnContext(
            tuple(self.transcript.messages),
            self.transcript.tools,
            before.oracle,
            self.in_flight(),
            self.job.task_id,
            self.job.index,
            self.job.seed,
            len(self.turns),
        )
        start = time.perf_counter()
        completion = await self.policy.sample(
            self.transcript.prompt_ids, self._params(prompt_tokens), context
        )
        sampled = time.perf_counter()
        action = self.transcript.act(completion)
        step = await self.worker.step(action, self.limits.env_s)
        self.turns.append(
            Turn(
                action,
                step.observation,
                prompt_tokens,
                len(completion.ids),
                completion.finish_reason,
                step.tool_calls,
                sampled - start,
                time.perf_counter() - sampled,
            )
        )
        return step

    def _params(self, prompt_tokens: int) -> SamplingParams:
        room = self.sampling.max_tokens
        if self._context is not None:
            room = min(room, self._context - prompt_tokens)
        if self.limits.tokens is not None:
            room = min(room, self.limits.tokens - self._sampled)
        seed = None if self.seed is None else (self.seed + 7919 * len(self.turns)) % (1 << 31)
        return replace(self.sampling, max_tokens=room, seed=seed)

    @property
    def _sampled(self) -> int:
        return sum(turn.sampled_tokens for turn in self.turns)

    @property
    def _context(self) -> int | None:
        limits = (self.limits.context, self.policy.context_limit)
        return min((limit for limit in limits if limit is not None), default=None)

    def _check_first_prompt(self) -> None:
        prompt, context = len(self.transcript.prompt_ids), self._context
        if context is not None and prompt >= context:
            raise ConfigError(
                f"the context of {context} tokens is too short: the first prompt of task "
                f"'{self.job.task_id}' takes {prompt}; raise it or use a model with a longer one"
            )

    def _limit(self) -> str | None:
        if len(self.turns) >= self.limits.turns:
            return "turns"
        if self._context is not None and len(self.transcript.prompt_ids) >= self._context:
            return "context"
        if self.limits.tokens is not None and self._sampled >= self.limits.tokens:
            return "tokens"
        return None

    def _truncated(self, limit: str) -> Episode:
        reason = f"the {limit} limit was reached without an answer"
        verdict = Verdict(0.0, (Rule("finished", 0.0, reason=reason),), reason)
        return self._episode(0.0, verdict, truncated=True, limit=limit)

    def _finished(self, step: Step) -> Episode:
        verdict = step.verdict or Verdict(step.reward)
        limit = "turns" if step.truncated else None
        return self._episode(
            step.reward, verdict, terminated=step.terminated, truncated=step.truncated, limit=limit
        )

    def _episode(
        self,
        reward: float,
        verdict: Verdict,
        *,
        terminated: bool = False,
        truncated: bool = False,
        limit: str | None = None,
    ) -> Episode:
        return Episode(
            task_id=self.job.task_id,
            index=self.job.index,
            seed=self.job.seed,
            status="scored",
            reward=reward,
            reason=verdict.reason,
            verdict=verdict,
            messages=tuple(self.transcript.messages),
            turns=tuple(self.turns),
            samples=self.transcript.samples(),
            terminated=terminated,
            truncated=truncated,
            limit=limit,
        )


async def play(
    policy: Policy,
    worker: Worker,
    job: Job,
    sampling: SamplingParams,
    limits: EpisodeLimits,
    seed: int | None = None,
    in_flight: Callable[[], int] = lambda: 1,
) -> Episode:
    """Play one episode to its end.

    Args:
        policy: Who acts.
        worker: The environment.
        job: Which episode.
        sampling: How each turn is sampled.
        limits: What the episode may use.
        seed: Of the sampler; None leaves it free.
        in_flight: How many episodes are under way just now.

    Raises:
        Fault: If the environment or the engine failed: the attempt does not count.
        ConfigError: If the context cannot hold the first prompt.
    """
    step = await worker.reset(job.seed, job.task_id, limits.env_s)
    transcript = Transcript(policy.template, step.tools)
    return await _Play(policy, worker, job, sampling, limits, seed, transcript, in_flight).run(step)
