"""What is kept of an episode to count with: its end, its score and what it used.

Whole episodes may be large, and an evaluation has tens of thousands; they are on the disk.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from agentgym.types import Episode

__all__ = ["Outcome", "rewards_by_task"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an episode ended: scored, scored at a limit, or unscored by an error.

    Attributes:
        task_id: Its task.
        index: Which rollout of it.
        reward: None where it is unscored.
        reason: Why it is unscored.
        limit: The limit that ended it.
        turns: Actions.
        sampled_tokens: Tokens that the policy wrote.
        prompt_tokens: Tokens that the policy read, summed over turns.
    """

    task_id: str
    index: int
    reward: float | None
    reason: str
    limit: str | None
    turns: int
    sampled_tokens: int
    prompt_tokens: int

    @classmethod
    def of(cls, episode: Episode) -> Outcome:
        """Return the outcome of an episode that was played."""
        return cls(
            episode.task_id,
            episode.index,
            episode.reward,
            episode.reason if episode.reward is None else "",
            episode.limit,
            len(episode.turns),
            sum(turn.sampled_tokens for turn in episode.turns),
            sum(turn.prompt_tokens for turn in episode.turns),
        )

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Outcome:
        """Return the outcome of a line of ``episodes.jsonl``."""
        return cls(
            row["task_id"],
            row["index"],
            row["reward"],
            row["reason"] if row["reward"] is None else "",
            row["limit"],
            len(row["turns"]),
            sum(turn["sampled_tokens"] for turn in row["turns"]),
            sum(turn["prompt_tokens"] for turn in row["turns"]),
        )


def rewards_by_task(outcomes: Iterable[Outcome]) -> dict[str, list[float]]:
    """Return task id to the rewards of its scored episodes; a task without any has none."""
    found: dict[str, list[float]] = {}
    for outcome in outcomes:
        rewards = found.setdefault(outcome.task_id, [])
        if outcome.reward is not None:
            rewards.append(outcome.reward)
    return found
