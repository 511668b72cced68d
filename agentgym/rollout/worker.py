"""An environment in a thread of its own, off the event loop.

Everything that touches the environment (make, reset, step, close) happens in that one thread, so an
environment may hold what belongs to a thread, such as an SQLite connection. A call that hangs is
given up together with its thread: it can then block nobody but itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Protocol
from weakref import WeakKeyDictionary

from agentgym.errors import EnvironmentFault, UsageError
from agentgym.rollout.spec import EnvSpec
from agentgym.types import Message, Verdict

__all__ = ["EnvWorker", "Step", "Worker"]


@dataclass(frozen=True, slots=True)
class Step:
    """What an environment said, with the oracle's next action where it was asked for."""

    observation: str
    messages: tuple[Message, ...]
    reward: float = 0.0
    terminated: bool = False
    truncated: bool = False
    verdict: Verdict | None = None
    tool_calls: tuple[str, ...] = ()
    tools: tuple[dict[str, Any], ...] = ()
    oracle: str | None = None


def _messages(observation: str, info: dict[str, Any], role: str) -> tuple[Message, ...]:
    """Return the new messages; an environment that gives none speaks as ``role``."""
    rows = info.get("messages")
    if rows is None:
        return (Message(role, observation),) if observation else ()  # type: ignore[arg-type]
    return tuple(Message(row["role"], row["content"], row.get("name")) for row in rows)


class _Answers:
    """What threads have to say to an event loop: one wake-up for however many wait.

    Each wake-up is a system call, and at each of these threads and sampling change places.
    """

    def __init__(self) -> None:
        self._waiting: deque[tuple[asyncio.Future[Any], Any, BaseException | None]] = deque()
        self._woken = False

    def give(self, future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
        """Settle a future of the loop, from another thread."""
        self._waiting.append((future, result, error))
        if not self._woken:  # two threads may both find it so: the loop is woken twice
            self._woken = True
            try:
                future.get_loop().call_soon_threadsafe(self._deliver)
            except RuntimeError:  # the loop is closed: nobody waits any more
                self._woken = False
                self._waiting.clear()

    def _deliver(self) -> None:
        self._woken = False  # first: whoever comes from here on wakes the loop again
        while self._waiting:
            _deliver(*self._waiting.popleft())


_ANSWERS: WeakKeyDictionary[asyncio.AbstractEventLoop, _Answers] = WeakKeyDictionary()


def _answers(loop: asyncio.AbstractEventLoop) -> _Answers:
    """Return the loop's own; called in its thread only."""
    found = _ANSWERS.get(loop)
    if found is None:
        found = _ANSWERS[loop] = _Answers()
    return found


_Job = tuple[Callable[[], Any], asyncio.Future[Any], _Answers]


class Worker(Protocol):
    """One environment, wherever it runs: here in a thread, or in another process."""

    async def reset(self, seed: int, task_id: str, timeout_s: float) -> Step:
        """Begin an episode.

        Raises:
            UsageError: If there is no such task.
            EnvironmentFault: If the environment raised, hung or is gone.
        """
        ...

    async def step(self, action: str, timeout_s: float) -> Step:
        """Act.

        Raises:
            EnvironmentFault: If the environment raised, hung or is gone.
        """
        ...

    def close(self) -> None:
        """Let the environment be closed once it is free, without waiting for it."""
        ...


class EnvWorker:
    """One environment, made on first use and used again for episode after episode.

    Args:
        spec: What to make.
        with_oracle: Whether each `Step` carries the oracle's next action.
    """

    THREAD = "agentgym-env"

    def __init__(self, spec: EnvSpec, with_oracle: bool = False) -> None:
        self._spec = spec
        self._with_oracle = with_oracle
        self._env: Any = None
        self._meanwhile: Callable[[], None] | None = None
        self._oracle: Iterator[str] = iter(())
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=self.THREAD, daemon=True)
        self._thread.start()

    async def reset(self, seed: int, task_id: str, timeout_s: float) -> Step:
        """Begin an episode.

        Raises:
            UsageError: If there is no such task.
            EnvironmentFault: If the environment raised or hung.
        """
        return await self._guarded(lambda: self._reset(seed, task_id), "reset", timeout_s)

    async def step(self, action: str, timeout_s: float) -> Step:
        """Act.

        Raises:
            EnvironmentFault: If the environment raised or hung.
        """
        return await self._guarded(lambda: self._step(action), "step", timeout_s)

    def close(self) -> None:
        """Let the thread close the environment and end once it is free."""
        self._jobs.put(None)

    def join(self, timeout_s: float) -> None:
        """Wait for the thread to end, but not for ever."""
        self._thread.join(timeout_s)

    async def _guarded(self, job: Callable[[], Step], what: str, timeout_s: float) -> Step:
        try:
            step: Step = await self._call(job, timeout_s)
        except (EnvironmentFault, UsageError):
            raise
        except Exception as error:  # - here a bug in an environment becomes data
            raise EnvironmentFault(f"{what} raised {error!r}") from error
        return step

    async def _call(self, job: Callable[[], Any], timeout_s: float) -> Any:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self._jobs.put((job, future, _answers(loop)))
        try:
            async with asyncio.timeout(timeout_s):
                return await future
        except TimeoutError:
            raise EnvironmentFault(f"the environment hung for {timeout_s:g} s") from None

    def _run(self) -> None:
        while (item := self._jobs.get()) is not None:
            job, future, answers = item
            try:
                result, error = job(), None
            except BaseException as caught:  # noqa: BLE001 - delivered to whoever waits
                result, error = None, caught
            answers.give(future, result, error)
            self._use_the_wait()
        if self._env is not None:
            with contextlib.suppress(Exception):
                self._env.close()

    def _use_the_wait(self) -> None:
        """While nobody waits, set up what the next step needs, or clear up after the last one."""
        meanwhile, self._meanwhile = self._meanwhile, None
        if meanwhile is not None:
            # What fails here is found again, and reported, by the call that needs it.
            with contextlib.suppress(Exception):
                meanwhile()

    def _make(self) -> None:
        from agentgym.registry import make

        self._env = make(self._spec.id, **self._spec.kwargs)

    def _reset(self, seed: int, task_id: str) -> Step:
        if self._env is None:
            self._make()
        observation, info = self._env.reset(seed=seed, options={"task_id": task_id})
        core = self._env.unwrapped
        self._meanwhile = getattr(core, "prepare", None)
        self._oracle = iter(core.oracle()) if self._with_oracle else iter(())
        return Step(
            observation,
            _messages(observation, info, "user"),
            tools=tuple(getattr(core, "tools", ())),
            oracle=next(self._oracle, None),
        )

    def _step(self, action: str) -> Step:
        observation, reward, terminated, truncated, info = self._env.step(action)
        over = terminated or truncated
        if over:
            self._meanwhile = getattr(self._env.unwrapped, "release", None)
        return Step(
            observation,
            _messages(observation, info, "user"),
            float(reward),
            bool(terminated),
            bool(truncated),
            info.get("verdict"),
            tuple(info.get("tool_calls", ())),
            oracle=None if over else next(self._oracle, None),
        )


def _deliver(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result)
    elif isinstance(error, StopIteration | KeyboardInterrupt | SystemExit):
        future.set_exception(EnvironmentFault(f"the environment raised {error!r}"))
    else:
        future.set_exception(error)
