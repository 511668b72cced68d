"""Is an environment sound? Conformance, replay, hostile actions, and a reward that can be trusted.

Every row of `CHECKS` is one promise of the contract. A check returns what it saw, or raises; what
it raises becomes the row's detail, so that one report shows all that is wrong.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from agentgym.env import Env
from agentgym.registry import make, spec
from agentgym.types import Verdict

__all__ = ["CHECKS", "HOSTILE", "CheckReport", "CheckRow", "check"]

SEED = 7
LIMIT_S = 10.0  # for one hostile action; anything near it would stall a run
MAX_STEPS = 200  # of an oracle that never ends

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
CONSTANT = ("", "0", "42", "I do not know.", "\\boxed{0}")


class _Failed(Exception):
    """A promise of the contract is not kept."""


@dataclass(frozen=True, slots=True)
class CheckRow:
    """One promise: whether it is kept, and what was seen."""

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What `check` found out about an environment."""

    env_id: str
    rows: tuple[CheckRow, ...]

    @property
    def ok(self) -> bool:
        """Whether every promise is kept."""
        return all(row.ok for row in self.rows)


@dataclass(frozen=True, slots=True)
class _Subject:
    """The environment under test, and how many of its tasks are looked at."""

    id: str
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    tasks: int = 5

    def make(self) -> Env:
        return make(self.id, **self.kwargs)

    def task_ids(self, env: Env) -> list[str]:
        core = env.unwrapped
        return list(islice(core.tasks.ids(core.split), self.tasks))


def check(env_id: str, *, tasks: int = 5, kwargs: Mapping[str, Any] | None = None) -> CheckReport:
    """Check an environment against the contract.

    Args:
        env_id: Any registered id.
        tasks: How many tasks of its split are solved by the oracle and by constant answers.
        kwargs: Arguments of its constructor.

    Raises:
        UsageError: If there is no such environment, or it takes no such argument.
    """
    subject = _Subject(env_id, dict(kwargs or {}), tasks)
    probe = subject.make()
    with suppress(Exception):  # whether it can be closed is one of the checks
        probe.close()
    return CheckReport(env_id, tuple(_row(name, subject) for name in CHECKS))


def _row(name: str, subject: _Subject) -> CheckRow:
    try:
        return CheckRow(name, True, CHECKS[name](subject))
    except _Failed as error:
        return CheckRow(name, False, str(error))
    except Exception as error:  # noqa: BLE001 - whatever it raises is the finding
        return CheckRow(name, False, f"{type(error).__name__}: {error}")


def _gymnasium(subject: _Subject) -> str:
    from gymnasium.utils.env_checker import check_env

    env = subject.make()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            # Wrappers of ours are part of what is checked.
            warnings.filterwarnings("ignore", ".*is different from the unwrapped version.*")
            check_env(env)
    finally:
        env.close()
    return "check_env passes without a warning"


def _replay(subject: _Subject) -> str:
    actions = [*_oracle_actions(subject), *HOSTILE.values()]
    first, second = (_trace(subject, actions) for _ in range(2))
    for number, (one, other) in enumerate(zip(first, second, strict=True)):
        if one != other:
            what = "reset" if number == 0 else f"step {number}"
            raise _Failed(f"{what} differs on a replay: {_short(one)} against {_short(other)}")
    return f"{len(first)} results are the same on a replay"


def _oracle_actions(subject: _Subject) -> list[str]:
    """Return the actions of the first task's oracle, none where there is no oracle."""
    from agentgym.errors import UsageError

    env = subject.make()
    try:
        _reset(env, subject.task_ids(env)[0])
        return _play(env, env.unwrapped.oracle())[1]
    except UsageError:
        return []
    finally:
        env.close()


def _trace(subject: _Subject, actions: Iterable[str]) -> list[Any]:
    """Return what a fresh environment gives to each action, resetting where an episode ends."""
    env = subject.make()
    try:
        seen: list[Any] = [env.reset(seed=SEED)]
        for action in actions:
            seen.append(env.step(action))
            if seen[-1][2] or seen[-1][3]:
                seen.append(env.reset())
        return seen
    finally:
        env.close()


def _hostile(subject: _Subject) -> str:
    slowest = 0.0
    env = subject.make()
    try:
        for name, action in HOSTILE.items():
            env.reset(seed=SEED)
            started = time.perf_counter()
            try:
                observation, reward, *_ = env.step(action)
            except Exception as error:
                raise _Failed(f"{name}: step raised {type(error).__name__}: {error}") from error
            taken = time.perf_counter() - started
            slowest = max(slowest, taken)
            if taken > LIMIT_S:
                raise _Failed(f"{name}: step took {taken:.1f} s, more than {LIMIT_S:.0f} s")
            if observation not in env.observation_space:
                raise _Failed(f"{name}: the observation is not in the observation space")
            if reward != 0.0:
                raise _Failed(f"{name}: reward {reward} for a hostile action")
    finally:
        env.close()
    return f"{len(HOSTILE)} hostile actions, the slowest took {slowest * 1000:.0f} ms"


def _oracle(subject: _Subject) -> str:
    env = subject.make()
    try:
        ids = subject.task_ids(env)
        for task_id in ids:
            _reset(env, task_id)
            reward, actions = _play(env, env.unwrapped.oracle())
            if reward != 1.0:
                raise _Failed(f"task {task_id}: the oracle scores {reward} in {len(actions)} steps")
        return f"1.0 on each of {len(ids)} tasks"
    finally:
        env.close()


def _constants(subject: _Subject) -> str:
    env = subject.make()
    try:
        tried = 0
        for task_id in subject.task_ids(env):
            for answer in CONSTANT:
                _reset(env, task_id)
                if _is_gold(env, answer):
                    continue
                reward, _ = _play(env, [answer])
                tried += 1
                if reward != 0.0:
                    raise _Failed(f"task {task_id}: the answer {answer!r} scores {reward}")
        return f"0.0 for {tried} empty and constant answers"
    finally:
        env.close()


def _is_gold(env: Env, answer: str) -> bool:
    """Tell whether a constant happens to be right, so that it proves nothing."""
    gold = str(env.unwrapped.task.answer).strip()
    return answer != "" and gold in (answer, answer.removeprefix("\\boxed{").removesuffix("}"))


def _close(subject: _Subject) -> str:
    for resets in (0, 1):
        env = subject.make()
        for _ in range(resets):
            env.reset(seed=SEED)
        env.close()
        env.close()
    return "closing twice is safe"


def _spec(subject: _Subject) -> str:
    from gymnasium.envs.registration import EnvSpec

    original = spec(subject.id)
    again = EnvSpec.from_json(original.to_json())
    if again != original:
        raise _Failed("the spec is another one after JSON")
    again.make(**subject.kwargs).close()
    return "the spec survives JSON and makes the environment"


def _reset(env: Env, task_id: str) -> None:
    _, info = env.reset(seed=SEED, options={"task_id": task_id})
    if info.get("task_id") != task_id:
        raise _Failed(f"reset to task {task_id} gave info['task_id'] = {info.get('task_id')!r}")
    if not info.get("messages"):
        raise _Failed("reset gave no info['messages']")


def _play(env: Env, actions: Iterable[str]) -> tuple[float, list[str]]:
    """Play actions until the episode ends or they run out; return the reward and what was played.

    Raises:
        _Failed: If a reward, a verdict or a message breaks the contract on the way.
    """
    played: list[str] = []
    for action in islice(actions, MAX_STEPS):
        played.append(action)
        _, reward, terminated, truncated, info = env.step(action)
        if not isinstance(info.get("messages"), list):
            raise _Failed("step gave no info['messages']")
        if terminated or truncated:
            verdict = info.get("verdict")
            if not isinstance(verdict, Verdict) or verdict.score != reward:
                raise _Failed(f"reward {reward} at the end, but info['verdict'] is {verdict}")
            return float(reward), played
        if reward != 0.0:
            raise _Failed(f"reward {reward} before the end of the episode")
    return 0.0, played


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}..."


CHECKS: Mapping[str, Callable[[_Subject], str]] = {
    "gymnasium": _gymnasium,
    "replay": _replay,
    "hostile": _hostile,
    "oracle": _oracle,
    "constants": _constants,
    "close": _close,
    "spec": _spec,
}
