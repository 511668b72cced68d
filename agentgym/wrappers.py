"""Wrappers that keep the contract of `agentgym.Env`.

TurnLimit    at most so many actions, then the episode is truncated
TimeLimit    at most so many seconds, then the episode is unscored
Trials       several attempts at one task, of which the last or the best counts
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any, Literal, cast

import gymnasium
from gymnasium.error import ResetNeeded
from gymnasium.utils import RecordConstructorArgs

from agentgym.env import Env
from agentgym.errors import EnvironmentFault, UsageError
from agentgym.types import Rule, Verdict

__all__ = ["EnvWrapper", "TextEnv", "TextStep", "TimeLimit", "Trials", "TurnLimit"]

TextEnv = gymnasium.Env[str, str]
TextStep = tuple[str, float, bool, bool, dict[str, Any]]


class EnvWrapper(gymnasium.Wrapper[str, str, str, str], RecordConstructorArgs):
    """Base of the wrappers: Gymnasium's, plus the attributes that `agentgym.Env` adds."""

    def __init__(self, env: TextEnv, **settings: Any) -> None:
        RecordConstructorArgs.__init__(self, **settings)
        gymnasium.Wrapper.__init__(self, env)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or "env" not in vars(self):
            raise AttributeError(f"'{type(self).__name__}' has no attribute '{name}'")
        return getattr(self.env, name)

    @property
    def core(self) -> Env:
        """The environment inside all wrappers."""
        return cast(Env, self.unwrapped)


class TurnLimit(EnvWrapper):
    """Truncate an episode after so many actions, with reward 0.0 and a verdict that says so.

    A limit of one turn terminates instead, as a single-turn environment does.

    Args:
        env: The environment.
        turns: Most actions.
    """

    def __init__(self, env: TextEnv, turns: int) -> None:
        super().__init__(env, turns=turns)
        if turns < 1:
            raise UsageError(f"turns must be at least 1, not {turns}")
        self._limit = turns
        self._left = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[str, dict[str, Any]]:
        """Begin an episode, with all its turns left."""
        self._left = 0
        begun = self.env.reset(seed=seed, options=options)
        self._left = self._limit
        return begun

    def step(self, action: str) -> TextStep:
        """Take an action."""
        _need_reset(self._left < 1)
        observation, reward, terminated, truncated, info = self.env.step(action)
        self._left -= 1
        if terminated or truncated:
            self._left = 0
        elif self._left == 0:
            reason = f"not finished within {self._limit} turn{'s' if self._limit > 1 else ''}"
            info["verdict"] = Verdict(0.0, (Rule("finished", 0.0, reason=reason),), reason)
            terminated, truncated = self._limit == 1, self._limit > 1
        return observation, float(reward), terminated, truncated, info


class TimeLimit(EnvWrapper):
    """End an episode that outlives so many seconds as a fault.

    Time is not the model's to spend: how long a turn takes depends on the machine and on what else
    runs there. So there is no reward for running late, not even 0.0: `step` raises
    `EnvironmentFault`, and the episode is unscored. Counted are the seconds since `reset`, the
    policy's included, looked at before and after each step; a step that hangs is not interrupted.

    Args:
        env: The environment.
        seconds: Most seconds from the end of `reset`.
    """

    def __init__(self, env: TextEnv, seconds: float) -> None:
        super().__init__(env, seconds=seconds)
        if not seconds > 0:
            raise UsageError(f"seconds must be above 0, not {seconds}")
        self._limit_s = seconds
        self._deadline: float | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[str, dict[str, Any]]:
        """Begin an episode and start its clock."""
        self._deadline = None
        begun = self.env.reset(seed=seed, options=options)
        self._deadline = time.monotonic() + self._limit_s
        return begun

    def step(self, action: str) -> TextStep:
        """Take an action.

        Raises:
            EnvironmentFault: If the time is up.
        """
        self._look()
        observation, reward, terminated, truncated, info = self.env.step(action)
        self._look()
        if terminated or truncated:
            self._deadline = None
        return observation, float(reward), terminated, truncated, info

    def _look(self) -> None:
        _need_reset(self._deadline is None)
        if time.monotonic() > cast(float, self._deadline):
            self._deadline = None
            raise EnvironmentFault(f"the episode outlived its {self._limit_s} s")


class Trials(EnvWrapper):
    """Give several attempts at the same task; the episode ends with a perfect score or the last.

    After an attempt that is not perfect the agent reads that it was not accepted, and the prompt
    again; it is not told the score or why. The environment is reset with the task and, where there
    was one, the seed of the first attempt. Rewards are 0.0 until the end, where the kept attempt's
    verdict counts. The oracle of the environment inside solves the first attempt.

    Args:
        env: The environment.
        attempts: Most attempts.
        keep: Whether the ``last`` attempt counts or the ``best`` (the earliest of equals).
    """

    def __init__(
        self, env: TextEnv, attempts: int = 2, keep: Literal["last", "best"] = "last"
    ) -> None:
        super().__init__(env, attempts=attempts, keep=keep)
        if attempts < 1 or keep not in ("last", "best"):
            raise UsageError(
                f"attempts must be at least 1 and keep 'last' or 'best', not {attempts}, {keep!r}"
            )
        self._attempts = attempts
        self._keep = keep
        self._seed: int | None = None
        self._verdicts: list[Verdict] = []

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[str, dict[str, Any]]:
        """Begin the first attempt."""
        self._seed = seed
        self._verdicts = []
        return self.env.reset(seed=seed, options=options)

    def step(self, action: str) -> TextStep:
        """Take an action; after a failed attempt the next one begins in the same step."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        if not terminated and not truncated:
            return observation, float(reward), terminated, truncated, info
        verdict: Verdict = info["verdict"]
        self._verdicts.append(verdict)
        if verdict.score < 1.0 and len(self._verdicts) < self._attempts:
            return self._again(observation, info)
        info["verdict"] = self._kept()
        return observation, float(info["verdict"].score), terminated, truncated, info

    def _again(self, observation: str, info: dict[str, Any]) -> TextStep:
        del info["verdict"]
        count = len(self._verdicts)
        _, begun = self.env.reset(seed=self._seed, options={"task_id": info["task_id"]})
        prompt = "\n\n".join(m["content"] for m in begun["messages"] if m["role"] != "system")
        notice = f"Attempt {count} of {self._attempts} was not accepted. Try again.\n\n{prompt}"
        info["messages"].append({"role": "user", "content": notice})
        parts = [part for part in (observation, notice) if part]
        return "\n\n".join(parts), 0.0, False, False, info

    def _kept(self) -> Verdict:
        last = len(self._verdicts) - 1
        best = max(range(last + 1), key=lambda index: self._verdicts[index].score)
        kept = last if self._keep == "last" else best
        verdict = self._verdicts[kept]
        reason = f"attempt {kept + 1} of {self._attempts}: {verdict.reason}"
        return replace(verdict, reason=reason)


def _need_reset(needed: bool) -> None:
    if needed:
        raise ResetNeeded("no episode is running; call reset() first")
