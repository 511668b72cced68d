"""The contract's own rows: conformance, replay, hostile actions, closing, the spec as JSON."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable, Mapping
from contextlib import closing
from typing import Any

from agentgym.check.report import Failed, Seen
from agentgym.check.subject import SEED, Subject
from agentgym.registry import spec

__all__ = ["HOSTILE", "LIMIT_S", "conformance", "hostile", "replay", "spec_as_json", "twice_closed"]

LIMIT_S = 10.0  # for one hostile action; anything near it would stall a run

HOSTILE: Mapping[str, str] = {
    "empty": "",
    "blank": " \n\t",
    "NULs": "\x00" * 64,
    "lone surrogates": "\ud800 answer \udfff",
    "100 kB": "x" * 100_000,
    "100 kB of brackets": "[{" * 50_000,
    "100 kB of tags": "<tool_call>" * 9_000,
    "broken JSON": '<tool_call>{"name": "x", "arguments": {</tool_call>',
    "unclosed tool call": '<tool_call>{"name": "x"',
    "unknown tool": '<tool_call>{"name": "no such tool", "arguments": {}}</tool_call>',
    "arguments of a wrong type": '<tool_call>{"name": 7, "arguments": [1]}</tool_call>',
    "deep nesting": '<tool_call>{"name": "x", "arguments": ' + "[" * 20_000 + "</tool_call>",
    "long number": '<tool_call>{"name": "x", "arguments": {"n": ' + "9" * 9_999 + "}}</tool_call>",
    "unclosed fence": "```python\nprint(1",
}


def conformance(subject: Subject) -> Seen:
    """Let Gymnasium's own checker look, its warnings taken as errors."""
    from gymnasium.utils.env_checker import check_env

    with closing(subject.make()) as env, warnings.catch_warnings():
        warnings.simplefilter("error")
        # Wrappers of ours are part of what is checked.
        warnings.filterwarnings("ignore", ".*is different from the unwrapped version.*")
        check_env(env)
    return Seen("check_env passes without a warning")


def replay(subject: Subject) -> Seen:
    """Play the same actions twice, the oracle's and the hostile ones, on fresh environments."""
    oracle = [action for each in subject.begun()[:1] for action in each.actions]
    actions = [*oracle, *HOSTILE.values()]
    first, second = (_trace(subject, actions) for _ in range(2))
    for number, (one, other) in enumerate(zip(first, second, strict=True)):
        if one != other:
            what = "reset" if number == 0 else f"step {number}"
            raise Failed(f"{what} differs on a replay: {_short(one)} against {_short(other)}")
    return Seen(f"{len(first)} results are the same on a replay")


def _trace(subject: Subject, actions: Iterable[str]) -> list[Any]:
    """Return what a fresh environment gives to each action, resetting where an episode ends."""
    with closing(subject.make()) as env:
        ids = subject.task_ids(env)
        seen: list[Any] = [env.reset(seed=SEED, options={"task_id": ids[0]})]
        for action in actions:
            seen.append(env.step(action))
            if seen[-1][2] or seen[-1][3]:
                seen.append(env.reset())
        return seen


def hostile(subject: Subject) -> Seen:
    """Take actions that no sane policy takes, each at the start of an episode."""
    slowest = 0.0
    with closing(subject.make()) as env:
        for name, action in HOSTILE.items():
            env.reset(seed=SEED)
            started = time.perf_counter()
            try:
                observation, reward, *_ = env.step(action)
            except Exception as error:
                raise Failed(f"{name}: step raised {type(error).__name__}: {error}") from error
            taken = time.perf_counter() - started
            slowest = max(slowest, taken)
            if taken > LIMIT_S:
                raise Failed(f"{name}: step took {taken:.1f} s, more than {LIMIT_S:.0f} s")
            if observation not in env.observation_space:
                raise Failed(f"{name}: the observation is not in the observation space")
            if reward != 0.0:
                raise Failed(f"{name}: reward {reward} for a hostile action")
    text = f"{len(HOSTILE)} hostile actions, the slowest took {slowest * 1000:.0f} ms"
    return Seen(text, {"slowest_ms": slowest * 1000})


def twice_closed(subject: Subject) -> Seen:
    """Close twice, with an episode running and without."""
    for resets in (0, 1):
        env = subject.make()
        for _ in range(resets):
            env.reset(seed=SEED)
        env.close()
        env.close()
    return Seen("closing twice is safe")


def spec_as_json(subject: Subject) -> Seen:
    """Write the spec as JSON, read it, and make the environment from it."""
    from gymnasium.envs.registration import EnvSpec

    original = spec(subject.id)
    again = EnvSpec.from_json(original.to_json())
    if again != original:
        raise Failed("the spec is another one after JSON")
    again.make(**subject.kwargs).close()
    return Seen("the spec survives JSON and makes the environment")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}..."
