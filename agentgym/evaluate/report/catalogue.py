"""Every episode of a run in a line: what a list of them shows, filters by and sorts by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from agentgym.evaluate.saved import SavedGlance, SavedRun, SavedTask
from agentgym.evaluate.statistics import SOLVED
from agentgym.types import Episode

__all__ = ["Entry", "Groups", "Outcome", "catalogue", "columns", "entry_of", "outcome"]

_GLIMPSE = 200  # characters of a prompt in the list

Outcome = Literal["solved", "failed", "limit", "error"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One episode.

    Attributes:
        number: Its place in the run, by which the report calls it.
        place: Where its line begins, for `SavedRun.episode_at`.
        env: The environment, or its label.
        step: Optimizer steps that the policy had taken.
        task_id: The task.
        prompt: The beginning of what was asked.
        index: Which sibling it is.
        group: The number of its group.
        outcome: How it ended.
        cut: Whether a limit cut it, or a turn of it.
        reward: None where it is unscored.
        reason: What decided.
        turns: Actions.
        tokens: Sampled tokens.
    """

    number: int
    place: int
    env: str
    step: int
    task_id: str
    prompt: str
    index: int
    group: int
    outcome: Outcome
    cut: bool
    reward: float | None
    reason: str
    turns: int
    tokens: int


def outcome(episode: Episode) -> Outcome:
    """Return how an episode ended; a limit is told of only where the episode is not solved."""
    if episode.reward is None:
        return "error"
    if episode.reward >= SOLVED:
        return "solved"
    return "limit" if episode.limit is not None else "failed"


def catalogue(run: SavedRun) -> list[Entry]:
    """Read every episode of a run, without its samples."""
    groups, tasks = Groups(), run.tasks()
    entries = []
    for number, glance in enumerate(run.glances()):
        task = tasks.get((glance.saved.env, glance.saved.episode.task_id))
        entries.append(entry_of(number, glance, groups, task))
    return entries


class Groups:
    """Numbers groups as their first episodes come; a task played anew is another group."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, int, str, int], tuple[int, set[int]]] = {}
        self._count = 0

    def number(self, env: str, step: int, episode: Episode) -> int:
        """Return the number of the group that the next episode is of."""
        key = (env, step, episode.task_id, episode.seed)
        number, indices = self._open.get(key, (-1, {episode.index}))
        if episode.index in indices:
            number, indices = self._count, set()
            self._open[key] = number, indices
            self._count += 1
        indices.add(episode.index)
        return number


def entry_of(
    number: int, glance: SavedGlance, groups: Groups, task: SavedTask | None = None
) -> Entry:
    """Return the line of an episode, the next of its run.

    Args:
        number: Its place in the run.
        glance: It.
        groups: Those of all episodes before it.
        task: What it was about, where that is on record.
    """
    saved, episode = glance.saved, glance.saved.episode
    return Entry(
        number,
        glance.place,
        saved.env,
        saved.step,
        episode.task_id,
        _prompt(episode, task),
        episode.index,
        groups.number(saved.env, saved.step, episode),
        outcome(episode),
        episode.truncated or any(turn.finish_reason == "length" for turn in episode.turns),
        episode.reward,
        episode.reason,
        len(episode.turns),
        sum(turn.sampled_tokens for turn in episode.turns),
    )


def _prompt(episode: Episode, task: SavedTask | None) -> str:
    known = "" if task is None else task.prompt  # of a lost episode no message is kept
    asked = next((m.content for m in episode.messages if m.role == "user"), known)
    return asked if len(asked) <= _GLIMPSE else f"{asked[:_GLIMPSE]}..."


def columns(
    entries: Sequence[Entry],
    chunk_of: Mapping[int, int],
    advantage_of: Mapping[int, float | None],
    dropped: Mapping[int, str],
) -> dict[str, Any]:
    """Return the entries as columns, texts by number, which is small once it is compressed.

    Args:
        entries: All of a run.
        chunk_of: Number of an episode to the chunk that its page is in.
        advantage_of: Number of an episode to its mean advantage, where the gradient saw it.
        dropped: Number of an episode to why nothing was learned from it.
    """
    texts = _Numbered()
    return {
        "env": [texts(e.env) for e in entries],
        "step": [e.step for e in entries],
        "task": [texts(e.task_id) for e in entries],
        "prompt": [texts(e.prompt) for e in entries],
        "index": [e.index for e in entries],
        "group": [e.group for e in entries],
        "outcome": [e.outcome[0] for e in entries],
        "cut": [int(e.cut) for e in entries],
        "reward": [e.reward for e in entries],
        "reason": [texts(e.reason[:200]) for e in entries],
        "turns": [e.turns for e in entries],
        "tokens": [e.tokens for e in entries],
        "chunk": [chunk_of.get(e.number, -1) for e in entries],
        "advantage": [advantage_of.get(e.number) for e in entries],
        "dropped": [texts(dropped.get(e.number, "")) for e in entries],
        "texts": list(texts),
    }


class _Numbered(Iterable[str]):
    """Gives each text a number."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def __call__(self, text: str) -> int:
        return self._numbers.setdefault(text, len(self._numbers))

    def __iter__(self) -> Iterator[str]:
        return iter(self._numbers)
