"""How far an evaluation is: counts, scores so far, speed, what is in flight. No output here."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from statistics import fmean

from agentgym.evaluate.outcomes import Outcome, rewards_by_task
from agentgym.evaluate.statistics import Interval, score_interval
from agentgym.rollout.episode import Job

__all__ = ["Progress", "Standing"]


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one environment stands.

    Attributes:
        label: The environment's.
        done: Episodes that ended, those of earlier parts of the run included.
        total: Episodes that are asked for.
        score: Of those that are scored; None where there is none yet.
        errors: Unscored episodes of this part of the run.
        limits: Episodes that a limit ended.
        turns: Mean actions of the scored episodes; None where there is none.
    """

    label: str
    done: int
    total: int
    score: Interval | None
    errors: int
    limits: int
    turns: float | None


@dataclass(slots=True)
class _Side:
    """What is known of one environment."""

    total: int
    outcomes: list[Outcome]
    spent_s: float  # in earlier parts of the run
    began: float | None = None
    ended: float = 0.0  # the last episode that did


@dataclass(slots=True)
class _Session:
    """What this part of the run has done."""

    done: int = 0
    tokens: int = 0
    began: float | None = None
    flying: dict[tuple[str, str, int], float] = field(default_factory=dict)


class Progress:
    """Told of each episode that begins and ends.

    Args:
        clock: Seconds of a monotonic clock.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._sides: dict[str, _Side] = {}
        self._session = _Session()

    def add(self, label: str, total: int, outcomes: Iterable[Outcome], spent_s: float) -> None:
        """Add an environment, with what earlier parts of the run have done of it."""
        self._sides[label] = _Side(total, list(outcomes), spent_s)

    def began(self, label: str, job: Job) -> None:
        """Note that an episode begins."""
        now = self._clock()
        self._session.flying[label, job.task_id, job.index] = now
        for each in (self._session, self._sides[label]):
            if each.began is None:
                each.began = now

    def ended(self, label: str, outcome: Outcome, tokens: int) -> None:
        """Note that an episode ended, for which so many tokens were sampled."""
        del self._session.flying[label, outcome.task_id, outcome.index]
        self._session.done += 1
        self._session.tokens += tokens
        side = self._sides[label]
        side.outcomes.append(outcome)
        side.ended = self._clock()

    def spent_s(self, label: str) -> float:
        """Return the seconds up to the last episode that ended, of all parts of the run."""
        side = self._sides[label]
        return round(side.spent_s + max(0.0, side.ended - (side.began or side.ended)), 3)

    def standings(self) -> list[Standing]:
        """Return where each environment stands."""
        return [_standing(label, side) for label, side in self._sides.items()]

    @property
    def running_s(self) -> float:
        """Seconds of this part of the run."""
        began = self._session.began
        return 0.0 if began is None else self._clock() - began

    def tokens_per_s(self) -> float:
        """Return how many tokens were sampled a second, in this part of the run."""
        return self._session.tokens / max(self.running_s, 1e-9)

    def left_s(self) -> float | None:
        """Return about how many seconds are left; None where nothing is known of the speed."""
        if not self._session.done:
            return None
        left = sum(side.total - len(side.outcomes) for side in self._sides.values())
        return self.running_s / self._session.done * left

    def slowest(self, count: int) -> list[tuple[str, str, float]]:
        """Return label, task and seconds of the episodes that are in flight the longest."""
        now = self._clock()
        rows = sorted(self._session.flying.items(), key=lambda row: row[1])
        return [(label, task, now - began) for (label, task, _), began in rows[:count]]


def _standing(label: str, side: _Side) -> Standing:
    scored = [outcome for outcome in side.outcomes if outcome.reward is not None]
    return Standing(
        label=label,
        done=len(side.outcomes),
        total=side.total,
        score=score_interval(rewards_by_task(scored)) if scored else None,
        errors=len(side.outcomes) - len(scored),
        limits=sum(outcome.limit is not None for outcome in scored),
        turns=fmean(outcome.turns for outcome in scored) if scored else None,
    )
