"""Evaluate a policy on an environment: play its tasks, count, and say how sure the number is."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from agentgym.blocking import wait_for
from agentgym.errors import UsageError
from agentgym.evaluate.evaluation import Evaluation, summarise
from agentgym.evaluate.statistics import SOLVED
from agentgym.policy.base import Policy
from agentgym.rollout.pool import EnvPool
from agentgym.rollout.runner import arollout, task_ids
from agentgym.rollout.spec import EnvSpec, EpisodeLimits
from agentgym.types import Group, SamplingParams

__all__ = ["SOLVED", "Evaluation", "aevaluate", "evaluate", "summarise"]


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
    envs: EnvPool | None = None,
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
        envs: Where environments run, as for `arollout`.

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
        envs=envs,
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
