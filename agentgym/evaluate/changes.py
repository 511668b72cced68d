"""What became of an episode when its actions were played again: the same, or what is different."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from itertools import takewhile

from agentgym.evaluate.saved import SavedEpisode
from agentgym.types import Episode, Verdict

__all__ = ["KINDS", "Change", "change"]

KINDS: Mapping[str, str] = {
    "reward": "the reward is another",
    "verdict": "the reward is the same, but not the verdict's reasons",
    "ending": "it ends at another turn or in another way",
    "observation": "the environment says something else",
    "unscored": "it cannot be scored any more",
    "gone": "its task is gone",
}

_LONGEST = 500  # characters of a reason that are kept


@dataclass(frozen=True, slots=True)
class Change:
    """An episode that is not what it was.

    Attributes:
        env: Its environment; in an evaluation, the label.
        step: As of `SavedEpisode`.
        task_id: Its task.
        index: Which sibling it is.
        what: Names in `KINDS`.
        old: The reward on record.
        new: Today's; None where there is none.
        old_reason: What decided it then.
        new_reason: What decides it today.
        turn: The first turn, from 1, that is answered differently; 0 is the prompt; None where
            all was said again.
    """

    env: str
    step: int
    task_id: str
    index: int
    what: tuple[str, ...]
    old: float
    new: float | None
    old_reason: str
    new_reason: str
    turn: int | None = None


def change(saved: SavedEpisode, again: Episode | None) -> Change | None:
    """Return how an episode that was scored differs from what it was; None if it does not.

    Args:
        saved: As it is on record.
        again: Its actions played again, and no more turns than those; None if the task is gone.
    """
    old = saved.episode
    if again is None:
        return _changed(saved, ("gone",), None, "the task is gone", None)
    if _ran_out(again):
        if _ran_out(old):  # the same limit, whatever was counted
            again = replace(again, verdict=old.verdict, reward=old.reward, limit=old.limit)
        else:
            reason = "the environment goes on after the last action on record"
            return _changed(saved, ("ending", "unscored"), None, reason, _diverged(old, again))
    if again.reward is None:
        return _changed(saved, ("unscored",), None, again.reason, None)
    turn = _diverged(old, again)
    same = {
        "reward": again.reward == old.reward,
        "verdict": again.reward != old.reward or _told(again.verdict) == _told(old.verdict),
        "ending": _ending(again) == _ending(old),
        "observation": turn is None,
    }
    what = tuple(kind for kind in KINDS if not same.get(kind, True))
    return _changed(saved, what, again.reward, again.reason, turn) if what else None


def _changed(
    saved: SavedEpisode, what: tuple[str, ...], new: float | None, reason: str, turn: int | None
) -> Change:
    old = saved.episode
    return Change(
        saved.env,
        saved.step,
        old.task_id,
        old.index,
        what,
        old.reward or 0.0,
        new,
        old.reason[:_LONGEST],
        reason[:_LONGEST],
        turn,
    )


def _ran_out(episode: Episode) -> bool:
    """Tell an episode that the rollout ended at a limit from one that the environment ended."""
    told = f"the {episode.limit} limit was reached without an answer"
    return episode.truncated and episode.reason == told


def _ending(episode: Episode) -> tuple[int, bool, bool, str | None]:
    return len(episode.turns), episode.terminated, episode.truncated, episode.limit


def _told(verdict: Verdict | None) -> str:
    """Return a verdict as the record has it, so that both sides have been written as JSON."""
    return json.dumps(verdict and asdict(verdict), sort_keys=True, default=str)


def _diverged(old: Episode, new: Episode) -> int | None:
    """Return the first turn that was answered differently, 0 for the prompt; None if none was."""
    if _prompt(old) != _prompt(new):
        return 0
    pairs = zip(old.turns, new.turns, strict=False)
    return next(
        (n for n, (was, is_) in enumerate(pairs, 1) if was.observation != is_.observation), None
    )


def _prompt(episode: Episode) -> list[tuple[str, str]]:
    """Return what stands before the first action, without the white space.

    A model's template breaks up control tokens in texts; a replay's does not.
    """
    asked = takewhile(lambda message: message.role != "assistant", episode.messages)
    return [(message.role, "".join(message.content.split())) for message in asked]
