"""The figures of an evaluation: what was played, how good it was, and how sure that is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from agentgym.evaluate.outcomes import Outcome, rewards_by_task
from agentgym.evaluate.statistics import (
    Interval,
    ends,
    pass_at_k,
    pass_hat_k,
    pass_interval,
    score_interval,
)
from agentgym.types import Group

__all__ = ["Evaluation", "counted", "summarise"]

Tries = Mapping[int, Interval]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What came of an evaluation. Unscored episodes are in no number but ``errors``.

    Attributes:
        env: The environment's id.
        policy: The policy's name.
        split: The split that was played.
        score: Mean reward over tasks with its 95% interval; None where nothing was scored.
        pass_at_k: k to the chance that one of k rollouts is solved, the mean over tasks.
        pass_hat_k: k to the chance that all of k rollouts are solved, written pass^k.
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
        groups: Every episode, where they were kept.
        rewards: Task id to the rewards of its scored rollouts.
    """

    env: str
    policy: str
    split: str
    score: Interval | None
    tries: Mapping[str, Tries] = field(repr=False)
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
    rewards: Mapping[str, Sequence[float]] = field(default_factory=dict, repr=False)

    @property
    def pass_at_k(self) -> dict[int, float]:
        """Return k to pass@k."""
        return {k: interval.mean for k, interval in self.tries["pass_at_k"].items()}

    @property
    def pass_hat_k(self) -> dict[int, float]:
        """Return k to pass^k."""
        return {k: interval.mean for k, interval in self.tries["pass_hat_k"].items()}

    def scores(self) -> dict[str, list[float]]:
        """Return task id to the rewards of its scored rollouts, for a paired comparison."""
        return {task: list(rewards) for task, rewards in self.rewards.items()}

    def block(self) -> dict[str, Any]:
        """Return the figures of this environment, as they are written to JSON."""
        score = self.score
        return {
            "env": self.env,
            "split": self.split,
            "score": None if score is None else {"mean": score.mean, "ci95": ends(score)},
            **{
                name: {str(k): interval.mean for k, interval in tries.items()}
                for name, tries in self.tries.items()
            },
            **{
                f"{name}_ci95": {str(k): ends(interval) for k, interval in tries.items()}
                for name, tries in self.tries.items()
            },
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

    def summary(self) -> dict[str, Any]:
        """Return everything but the episodes, as it is written to JSON."""
        score = self.score
        flat = {
            "mean": None if score is None else score.mean,
            "ci95": None if score is None else ends(score),
        }
        return {"policy": self.policy, **self.block(), **flat}


_TRIES: Mapping[str, Callable[[int, int, int], float]] = {
    "pass_at_k": pass_at_k,
    "pass_hat_k": pass_hat_k,
}


def _ks(rollouts: int) -> list[int]:
    """Return the k of pass@k: powers of two, and all rollouts."""
    powers = (2**n for n in range(rollouts.bit_length()))
    return sorted({k for k in powers if k <= rollouts} | {rollouts})


def _tries(rewards: Mapping[str, Sequence[float]], rollouts: int) -> dict[str, Tries]:
    """Return pass@k and pass^k over the tasks that have k scored rollouts."""
    return {
        name: {
            k: interval
            for k in _ks(rollouts)
            if (interval := pass_interval(rewards, k, estimate)) is not None
        }
        for name, estimate in _TRIES.items()
    }


def counted(
    outcomes: Iterable[Outcome],
    *,
    env: str,
    policy: str,
    split: str,
    rollouts: int,
    wall_s: float = 0.0,
    tokens: tuple[int, int] | None = None,
    groups: Sequence[Group] = (),
) -> Evaluation:
    """Count how episodes ended.

    Args:
        outcomes: Of all episodes.
        env: The environment's id.
        policy: The policy's name.
        split: The split that was played.
        rollouts: Episodes of each task.
        wall_s: Seconds that it took.
        tokens: Sampled and prompt tokens, where an endpoint counts them better than the turns do.
        groups: The episodes themselves, where they are at hand.
    """
    played = list(outcomes)
    scored = [outcome for outcome in played if outcome.reward is not None]
    rewards = rewards_by_task(played)
    sampled, prompt = tokens or (
        sum(outcome.sampled_tokens for outcome in played),
        sum(outcome.prompt_tokens for outcome in played),
    )
    return Evaluation(
        env=env,
        policy=policy,
        split=split,
        score=score_interval(rewards) if scored else None,
        tries=_tries(rewards, rollouts),
        tasks=len(rewards),
        rollouts=rollouts,
        scored=len(scored),
        errors=len(played) - len(scored),
        reasons=Counter(outcome.reason for outcome in played if outcome.reward is None),
        limits=Counter(outcome.limit for outcome in scored if outcome.limit is not None),
        turns=fmean(outcome.turns for outcome in scored) if scored else None,
        sampled_tokens=sampled,
        prompt_tokens=prompt,
        wall_s=wall_s,
        groups=tuple(groups),
        rewards=rewards,
    )


def summarise(groups: Sequence[Group], **what: Any) -> Evaluation:
    """Count what was played: `counted`, of whole groups."""
    episodes = (episode for group in groups for episode in group.episodes)
    return counted(map(Outcome.of, episodes), groups=groups, **what)
