"""A process of environments: the other side of `agentgym.rollout.env_process`.

Each environment has its thread, as in the caller's process. The event loop always reads, so that
one environment keeps no other waiting, and answers that are ready together leave together. When
the caller is gone, however it ended, environments are closed and the process ends.
"""

from __future__ import annotations

import asyncio
import faulthandler
import os
import pickle
import signal
import socket
import sys
import threading
import time
from typing import Any

from agentgym.errors import ConfigError, EnvironmentFault
from agentgym.rollout.env_process import Answer, way_out
from agentgym.rollout.link import Link
from agentgym.rollout.spec import EnvSpec
from agentgym.rollout.worker import EnvWorker

__all__ = ["main"]

_CLOSE_S = 10


class _Hosted(EnvWorker):
    """An environment that is made from what the caller's process knows of it."""

    def __init__(self, made_from: bytes, with_oracle: bool) -> None:
        super().__init__(EnvSpec(""), with_oracle)
        self._made_from = made_from

    def _make(self) -> None:
        self._spec = _registered(self._made_from)
        super()._make()


def _registered(made_from: bytes) -> EnvSpec:
    """Register an environment as it is in the caller's process.

    Raises:
        ConfigError: If it cannot be loaded here.
    """
    from gymnasium.envs.registration import load_env_creator, registry

    try:
        spec, kwargs = pickle.loads(made_from)
        if isinstance(spec.entry_point, str):
            load_env_creator(spec.entry_point)
    except Exception as error:
        raise ConfigError(
            f"the environments' process cannot load the environment: {error!r}; {way_out()}"
        ) from error
    registry[spec.id] = spec
    return EnvSpec(spec.id, kwargs)


class _Server:
    """Hosts environments for whoever holds the other end."""

    def __init__(self, end: socket.socket) -> None:
        self._envs: dict[int, EnvWorker] = {}
        self._calls: set[asyncio.Task[None]] = set()
        self._gone = asyncio.Event()
        self._link = Link(end, self._heard, self._gone.set)
        self._link.attach()

    async def serve(self) -> None:
        """Serve until the caller is gone; then close what is left."""
        await self._gone.wait()
        for env in self._envs.values():
            env.close()

    def _heard(self, number: int, payload: bytes) -> None:
        env, what, args = pickle.loads(payload)
        if what == "open":
            self._envs[env] = _Hosted(*args)
        elif what == "close":
            self._envs.pop(env).close()
        else:
            call = asyncio.create_task(self._call(number, self._envs[env], what, args))
            self._calls.add(call)
            call.add_done_callback(self._calls.discard)

    async def _call(self, number: int, env: EnvWorker, what: str, args: tuple[Any, ...]) -> None:
        try:
            answer: Answer = await getattr(env, what)(*args), None
        except Exception as error:  # noqa: BLE001 - raised where it was asked
            answer = None, (type(error), str(error))
        try:
            payload = pickle.dumps(answer)
        except Exception as error:  # noqa: BLE001 - whatever pickling its parts raises
            text = f"{what} gave what cannot be sent: {answer}: {error!r}"
            payload = pickle.dumps((None, (EnvironmentFault, text)))
        self._link.send(number, payload)


async def _serve(end: socket.socket) -> None:
    await _Server(end).serve()


def _leave_a_core() -> None:
    """Keep environments, and what they start, off one core, where there are several."""
    if sys.platform == "linux":
        cores = os.sched_getaffinity(0)
        if len(cores) > 1:
            os.sched_setaffinity(0, cores - {min(cores)})


def main(descriptor: int, *, spare_core: bool = False) -> None:
    """Serve the caller at the other end of a socket until it is gone.

    Args:
        descriptor: Of the socket.
        spare_core: Whether one core is left to the caller.
    """
    faulthandler.enable()  # where an environment crashed is told on stderr
    if spare_core:
        _leave_a_core()
    asyncio.run(_serve(socket.socket(fileno=descriptor)))
    signal.alarm(2 * _CLOSE_S)  # whatever happens at exit, nothing stays behind
    deadline = time.monotonic() + _CLOSE_S
    for thread in threading.enumerate():  # also of environments that were closed just before
        if thread.name == EnvWorker.THREAD:
            thread.join(max(0.0, deadline - time.monotonic()))
