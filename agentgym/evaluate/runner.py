"""Evaluate a policy on an environment: play its tasks, count, and say how sure the number is."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from agentgym.blocking import wait_for
from agentgym.errors import UsageError
from agentgym.evaluate.statistics import Interval, mean_interval, pass_at_k
from agentgym.policy.base import Policy
from agentgym.rollout.runner import arollout, task_ids
from agentgym.rollout.spec import EnvSpec, EpisodeLimits
from agentgym.types import Episode, Group, SamplingParams

__all__ = ["Evaluation", "aevaluate", "evaluate", "summarise"]

SOLVED = 1.0  # the reward from which on pass@k counts a rollout as a success


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What came of an evaluation. Unscored episodes are in no number but ``errors``.

    Attributes:
        env: The environment's id.
        policy: The policy's name.
        split: The split that was played.
        score: Mean reward with its 95% interval over task means; None where nothing was scored.
        pass_at_k: k to the mean over tasks of the chance that one of k rollouts is solved.
        tasks: Tasks that were played.
        rollouts: Episodes of each task.
        scored: Episodes with a reward.
        errors: Episodes without one, by no fault of the policy.
        reasons: Why those are unscored, and how often.
        limits: Which limit truncated scored episodes, and how often.
        turns: Mean actions of a scored episode.
        sampled_tokens: Tokens that the policy wrote.
        prompt_tokens: Tokens that the policy read, summed over turns.
        wall_s: Seconds that it took.
        groups: Every episode.
    """

    env: str
    policy: str
    split: str
    score: Interval | None
    pass_at_k: Mapping[int, float]
    tasks: int
    rollouts: int
    scored: int
    errors: int
    reasons: Mapping[str, int]
    limits: Mapping[str, int]
    turns: float | None
    sampled_tokens: int
    prompt_tokens: int
    wall_s: float
    groups: tuple[Group, ...] = field(default=(), repr=False)

    def scores(self) -> dict[str, list[float]]:
        """Return task id to the rewards of its scored rollouts, for a paired comparison."""
        return _scores(self.groups)

    def summary(self) -> dict[str, Any]:
        """Return everything but the episodes, as it is written to JSON."""
        score = self.score
        return {
            "env": self.env,
            "policy": self.policy,
            "split": self.split,
            "mean": None if score is None else score.mean,
            "ci95": None if score is None else [_finite(score.low), _finite(score.high)],
            "pass_at_k": {str(k): value for k, value in self.pass_at_k.items()},
            "tasks": self.tasks,
            "rollouts": self.rollouts,
            "scored": self.scored,
            "errors": self.errors,
            "reasons": dict(self.reasons),
            "limits": dict(self.limits),
            "turns": self.turns,
            "tokens": {"sampled": self.sampled_tokens, "prompt": self.prompt_tokens},
            "wall_s": self.wall_s,
        }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _scores(groups: Sequence[Group]) -> dict[str, list[float]]:
    scores: dict[str, list[float]] = {}
    for group in groups:
        rewards = [e.reward for e in group.episodes if e.reward is not None]
        scores.setdefault(group.task_id, []).extend(rewards)
    return scores


def _tries(rollouts: int) -> list[int]:
    """Return the k of pass@k: powers of two, and all rollouts."""
    powers = (2**n for n in range(rollouts.bit_length()))
    return sorted({k for k in powers if k <= rollouts} | {rollouts})


def _pass_at(scores: Mapping[str, Sequence[float]], rollouts: int) -> dict[int, float]:
    """Return k to pass@k, over the tasks that have k scored rollouts."""
    result = {}
    for k in _tries(rollouts):
        full = [rewards for rewards in scores.values() if len(rewards) >= k]
        solved = [(len(rewards), sum(r >= SOLVED for r in rewards)) for rewards in full]
        if solved:
            result[k] = fmean(pass_at_k(n, c, k) for n, c in solved)
    return result


def summarise(
    groups: Sequence[Group],
    *,
    env: str,
    policy: str,
    split: str,
    rollouts: int,
    wall_s: float = 0.0,
    tokens: tuple[int, int] | None = None,
) -> Evaluation:
    """Count what was played.

    Args:
        groups: One per task.
        env: The environment's id.
        policy: The policy's name.
        split: The split that was played.
        rollouts: Episodes of each task.
        wall_s: Seconds that it took.
        tokens: Sampled and prompt tokens, where an endpoint counts them better than the turns do.
    """
    episodes = [episode for group in groups for episode in group.episodes]
    scored = [episode for episode in episodes if episode.reward is not None]
    scores = _scores(groups)
    means = [fmean(rewards) for rewards in scores.values() if rewards]
    sampled, prompt = tokens or _tokens(episodes)
    return Evaluation(
        env=env,
        policy=policy,
        split=split,
        score=mean_interval(means) if means else None,
        pass_at_k=_pass_at(scores, rollouts),
        tasks=len(groups),
        rollouts=rollouts,
        scored=len(scored),
        errors=len(episodes) - len(scored),
        reasons=Counter(e.reason for e in episodes if e.reward is None),
        limits=Counter(e.limit for e in scored if e.limit is not None),
        turns=fmean(len(e.turns) for e in scored) if scored else None,
        sampled_tokens=sampled,
        prompt_tokens=prompt,
        wall_s=wall_s,
        groups=tuple(groups),
    )


def _tokens(episodes: Sequence[Episode]) -> tuple[int, int]:
    turns = [turn for episode in episodes for turn in episode.turns]
    return sum(t.sampled_tokens for t in turns), sum(t.prompt_tokens for t in turns)


def _usage(policy: Policy) -> tuple[int, int] | None:
    """Return what an endpoint says that it sampled and read so far; None for other policies."""
    usage = getattr(policy, "usage", None)
    return None if usage is None else (usage.sampled_tokens, usage.prompt_tokens)


async def aevaluate(  # noqa: PLR0913 - what an evaluation may be asked
    env: str | EnvSpec,
    policy: Policy,
    *,
    tasks: Sequence[str] | int | None = None,
    rollouts: int = 1,
    split: str = "test",
    env_kwargs: Mapping[str, Any] | None = None,
    limits: EpisodeLimits | None = None,
    sampling: SamplingParams | None = None,
    concurrency: int = 64,
    retries: int = 2,
    seed: int = 0,
    deterministic: bool = False,
    on_group: Callable[[Group], None] | None = None,
) -> Evaluation:
    """Play tasks and count.

    Args:
        env: An environment's id, or an id with keyword arguments.
        policy: Who acts.
        tasks: Task ids, or how many of the split's first tasks; None is all of them.
        rollouts: Episodes of each task.
        split: Of the environment's tasks.
        env_kwargs: Keyword arguments of the environment beside those of ``env``.
        limits: What each episode may use.
        sampling: How each turn is sampled.
        concurrency: Most episodes in flight.
        retries: Further attempts after a fault.
        seed: Decides the seeds of the environments.
        deterministic: Sample in rounds, with a seed for each turn.
        on_group: Called with each group as it is finished.

    Raises:
        UsageError: If the environment, a task or the context cannot be as asked.
    """
    if rollouts < 1 or (isinstance(tasks, int) and tasks < 1):
        raise UsageError(f"an evaluation needs a task and a rollout, got {tasks} and {rollouts}")
    given = env if isinstance(env, EnvSpec) else EnvSpec(env)
    spec = EnvSpec(given.id, {"split": split, **given.kwargs, **(env_kwargs or {})})
    ids = task_ids(spec, split, tasks) if tasks is None or isinstance(tasks, int) else tasks
    before, start = _usage(policy), time.perf_counter()
    groups = await arollout(
        policy,
        spec,
        ids,
        rollouts,
        split=split,
        sampling=sampling,
        limits=limits,
        concurrency=concurrency,
        retries=retries,
        seed=seed,
        deterministic=deterministic,
        on_group=on_group,
    )
    after = _usage(policy)
    return summarise(
        groups,
        env=spec.id,
        policy=policy.name,
        split=split,
        rollouts=rollouts,
        wall_s=time.perf_counter() - start,
        tokens=(after[0] - before[0], after[1] - before[1]) if after and before else None,
    )


def evaluate(env: str | EnvSpec, policy: Policy, **options: Any) -> Evaluation:
    """Do what `aevaluate` does, and wait for it; in a notebook too.

    Raises:
        UsageError: As `aevaluate`.
    """
    return wait_for(aevaluate(env, policy, **options))
