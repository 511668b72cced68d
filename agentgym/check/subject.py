"""The environment under test: how its tasks are begun and played, and how its oracle fares."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Any

from agentgym.check.report import Failed, NotApplicable
from agentgym.env import Env
from agentgym.policy.base import Policy
from agentgym.registry import make
from agentgym.types import Task, Verdict

__all__ = ["SEED", "Act", "Played", "Solution", "Subject", "play", "reset", "scripted"]

SEED = 7
MAX_STEPS = 200  # of whoever never ends an episode

Act = Callable[[str], str | None]
"""Gives the action after an observation; None leaves the episode."""


@dataclass(frozen=True, slots=True)
class Played:
    """The reward of an episode, 0.0 where it was left, and the actions that were taken."""

    reward: float
    actions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Solution:
    """What the oracle did on a task, and what it got for it."""

    task: Task
    reward: float
    actions: tuple[str, ...]


@dataclass(frozen=True)
class Subject:
    """The environment under test, and how much of it is looked at.

    Attributes:
        id: Any registered id.
        kwargs: Arguments of its constructor.
        tasks: How many tasks of its split are played.
        policy: Who plays the groups; None where nobody does.
        group_size: Episodes of each group.
    """

    id: str
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    tasks: int = 5
    policy: str | Policy | None = None
    group_size: int = 8

    def make(self) -> Env:
        """Return a fresh environment."""
        return make(self.id, **self.kwargs)

    def task_ids(self, env: Env, count: int | None = None) -> list[str]:
        """Return the first tasks of the split."""
        core = env.unwrapped
        return list(islice(core.tasks.ids(core.split), self.tasks if count is None else count))

    def solutions(self) -> tuple[Solution, ...]:
        """Return what the oracle did on each task.

        Raises:
            Exception: Whatever the oracle or the environment raised.
        """
        found, error = self._oracle
        if error is not None:
            raise error
        return found

    def begun(self) -> tuple[Solution, ...]:
        """Return what the oracle did before it raised, if it did."""
        return self._oracle[0]

    def solved(self) -> tuple[Solution, ...]:
        """Return the tasks that the oracle solves.

        Raises:
            NotApplicable: If there is none.
        """
        found = tuple(each for each in self._oracle[0] if each.reward == 1.0)
        if not found:
            raise NotApplicable("the oracle solves no task")
        return found

    @cached_property
    def _oracle(self) -> tuple[tuple[Solution, ...], Exception | None]:
        found: list[Solution] = []
        try:
            with closing(self.make()) as env:
                for task_id in self.task_ids(env):
                    observation, _ = reset(env, task_id)
                    core = env.unwrapped
                    played = play(env, observation, scripted(core.oracle()))
                    found.append(Solution(core.task, played.reward, played.actions))
        except Exception as error:  # noqa: BLE001 - whoever asks for the solutions gets it
            return tuple(found), error
        return tuple(found), None


def reset(env: Env, task_id: str) -> tuple[str, dict[str, Any]]:
    """Begin a task; return the observation and the info.

    Raises:
        Failed: If it is another task, or there are no messages.
    """
    observation, info = env.reset(seed=SEED, options={"task_id": task_id})
    if info.get("task_id") != task_id:
        raise Failed(f"reset to task {task_id} gave info['task_id'] = {info.get('task_id')!r}")
    if not info.get("messages"):
        raise Failed("reset gave no info['messages']")
    return observation, info


def scripted(actions: Iterable[str]) -> Act:
    """Return what takes these actions, whatever it observes."""
    left = iter(actions)
    return lambda _: next(left, None)


def play(env: Env, observation: str, act: Act) -> Played:
    """Play until the episode ends or is left.

    Raises:
        Failed: If a reward, a verdict or a message breaks the contract on the way.
    """
    actions: list[str] = []
    while len(actions) < MAX_STEPS and (action := act(observation)) is not None:
        actions.append(action)
        observation, reward, terminated, truncated, info = env.step(action)
        if not isinstance(info.get("messages"), list):
            raise Failed("step gave no info['messages']")
        if terminated or truncated:
            verdict = info.get("verdict")
            if not isinstance(verdict, Verdict) or verdict.score != reward:
                raise Failed(f"reward {reward} at the end, but info['verdict'] is {verdict}")
            return Played(float(reward), tuple(actions))
        if reward != 0.0:
            raise Failed(f"reward {reward} before the end of the episode")
    return Played(0.0, tuple(actions))
