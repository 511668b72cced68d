"""Environments in another process, seen from here.

An environment that computes in Python then takes no time from an engine that samples in this
process, uses a core of its own, and a crash of it costs a few episodes an attempt, not the run.
There is no thread here: the event loop that plays the episodes also reads the answers.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pickle
import signal
import socket
import subprocess
import sys
from itertools import count
from typing import Any

from agentgym.errors import ConfigError, EnvironmentFault
from agentgym.rollout.link import Link
from agentgym.rollout.spec import EnvSpec
from agentgym.rollout.worker import Step

__all__ = ["Answer", "Bystander", "EnvProcess", "HostedEnv", "way_out"]

Answer = tuple[Step | None, tuple[type[Exception], str] | None]

_GRACE_S = 10.0  # beyond a call's own limit: then not the environment is stuck, but its process
_END_S = 15.0  # the other side takes 10 to close its environments
_SILENT = 0  # the number of what is not answered

# Not by `-m`: that finds what PYTHONPATH says, and not what the caller's own sys.path does.
_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[2]); "
    "from agentgym.rollout.env_server import main; "
    "main(int(sys.argv[1]), spare_core=bool(int(sys.argv[3])))"
)


class Bystander(EnvironmentFault):
    """The process ended, and not while it computed for this environment: another's doing."""


class EnvProcess:
    """A process that hosts environments, started at once; `leave` and `end` end it.

    Args:
        spare_core: Whether it leaves a core to this process.
    """

    def __init__(self, *, spare_core: bool = False) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            more = [str(theirs.fileno()), json.dumps(sys.path), str(int(spare_core))]
            self._process = subprocess.Popen(
                [sys.executable, "-c", _START, *more],
                stdin=subprocess.DEVNULL,
                stdout=2,  # what environments print is not the caller's output
                pass_fds=(theirs.fileno(),),
                start_new_session=True,  # an interrupt of the terminal is the caller's
            )
        self._link = Link(ours, self._heard, self._found_dead)
        self._numbers = count(1)  # of calls, and of environments
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._lost: str | None = None  # how it ended
        self.hosted = 0

    @property
    def pid(self) -> int:
        """Return its process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether environments can still be asked."""
        return self._lost is None and self._process.poll() is None

    def host(self, spec: EnvSpec, with_oracle: bool) -> HostedEnv:
        """Return a new environment in it, which is made on first use.

        Raises:
            UnknownEnvironment: If there is none of this id.
            ConfigError: If another process cannot make it.
        """
        made_from = _made_from(spec)
        self._link.attach()
        hosted = HostedEnv(self, next(self._numbers))
        self.tell(hosted.number, "open", (made_from, with_oracle))
        self.hosted += 1
        return hosted

    def tell(self, env: int, what: str, args: tuple[Any, ...] = ()) -> None:
        """Say what is not answered."""
        if self._lost is None:
            self._link.send(_SILENT, pickle.dumps((env, what, args)))

    async def call(self, env: int, what: str, args: tuple[Any, ...], timeout_s: float) -> Step:
        """Call a method of an environment.

        Raises:
            EnvironmentFault: If the environment raised or hung, or the process ended meanwhile.
            Bystander: If it had ended before.
            UsageError: What it said of a caller's mistake.
        """
        if self._lost is not None:
            raise Bystander(self._lost)
        self._link.attach()
        number = next(self._numbers)
        future = self._waiting[number] = asyncio.get_running_loop().create_future()
        self._link.send(number, pickle.dumps((env, what, args)))
        try:
            async with asyncio.timeout(timeout_s + _GRACE_S):
                step: Step = await future
                return step
        except TimeoutError:
            self._kill()
            self._end_calls(f"the environments' process hung for {timeout_s + _GRACE_S:g} s")
            raise EnvironmentFault(self._lost) from None
        finally:
            self._waiting.pop(number, None)

    def leave(self) -> None:
        """Ask it to close its environments and end."""
        self._lost = self._lost or "the environments' process was closed"
        self._link.close()

    def end(self) -> None:
        """Wait for its end after `leave`, for a while; then end it by force."""
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._kill()

    def _kill(self) -> None:
        """Kill it with what its environments have started."""
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _heard(self, number: int, payload: bytes) -> None:
        future = self._waiting.get(number)
        if future is None or future.done():
            return
        try:
            answer: Answer = pickle.loads(payload)
        except Exception as error:  # noqa: BLE001 - of classes that only the environment knows
            answer = None, (EnvironmentFault, f"its answer cannot be read: {error!r}")
        result, failure = answer
        if failure is None:
            future.set_result(result)
        else:  # of the same kind and text, whatever its constructor asks for
            kind, text = failure
            future.set_exception(kind.__new__(kind, text))

    def _found_dead(self) -> None:
        try:
            status = self._process.wait(1)
        except subprocess.TimeoutExpired:  # it only lost its line
            self._kill()
            status = self._process.returncode
        self._end_calls(f"the environments' process {_how(status)}")

    def _end_calls(self, lost: str) -> None:
        self._lost = self._lost or lost
        self._link.close()
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(EnvironmentFault(self._lost))


class HostedEnv:
    """One environment of an `EnvProcess`; asked as `agentgym.rollout.worker.EnvWorker` is."""

    def __init__(self, process: EnvProcess, number: int) -> None:
        self.process = process
        self.number = number
        self._open = True

    async def reset(self, seed: int, task_id: str, timeout_s: float) -> Step:
        """Begin an episode.

        Raises:
            UsageError: If there is no such task, or the process cannot make the environment.
            EnvironmentFault: If the environment raised or hung, or the process ended.
        """
        return await self.process.call(self.number, "reset", (seed, task_id, timeout_s), timeout_s)

    async def step(self, action: str, timeout_s: float) -> Step:
        """Act.

        Raises:
            EnvironmentFault: If the environment raised or hung, or the process ended.
        """
        return await self.process.call(self.number, "step", (action, timeout_s), timeout_s)

    def close(self) -> None:
        """Let the process close the environment once it is free; safe to call twice."""
        if self._open:
            self._open = False
            self.process.hosted -= 1
            self.process.tell(self.number, "close")


def _made_from(spec: EnvSpec) -> bytes:
    """Return what another process makes the environment from: its registration here, and kwargs.

    Raises:
        UnknownEnvironment: If there is none of this id.
        ConfigError: If it cannot be made elsewhere.
    """
    from agentgym.registry import spec as registered

    found = registered(spec.id)
    point = found.entry_point
    module = point.partition(":")[0] if isinstance(point, str) else point.__module__
    if module == "__main__":
        raise ConfigError(f"environment '{found.id}' is defined in the script; {way_out()}")
    try:
        return pickle.dumps((found, dict(spec.kwargs)))
    except Exception as error:
        raise ConfigError(
            f"environment '{found.id}' cannot be sent to a process ({error}); {way_out()}"
        ) from error


def way_out() -> str:
    """Return what to do about an environment that no other process can make."""
    return (
        "put what it needs into a module that can be imported, or leave environments in threads "
        "(env_processes=0)"
    )


def _how(status: int) -> str:
    if status >= 0:
        return f"ended with exit status {status}"
    with contextlib.suppress(ValueError):
        return f"was killed by {signal.Signals(-status).name}"
    return f"was killed by signal {-status}"
