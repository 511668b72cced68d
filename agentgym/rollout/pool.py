"""Environments that are kept from one rollout to the next, in threads or in processes."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from agentgym.errors import ConfigError
from agentgym.rollout.env_process import EnvProcess, HostedEnv
from agentgym.rollout.spec import EnvSpec
from agentgym.rollout.worker import EnvWorker, Worker

__all__ = ["EnvPool"]


class EnvPool:
    """Environments that are kept from one rollout to the next; a context manager.

    Making an environment may be dear (a world, a container), and so are hundreds of threads. A pool
    serves one event loop at a time.

    Args:
        processes: How many processes host the environments; 0 has them in threads of this one.
        spare_core: Whether processes, and the sandboxes that they start, leave one core to this
            process and its engine; None does where there are more than two. On two it pays only
            where the engine has more to do than the environments. (Left to the kernel, an engine
            on a CPU was measured to wait for a core for a tenth of its time while another idled.)

    Raises:
        ConfigError: If ``processes`` is negative.
    """

    def __init__(self, processes: int = 0, *, spare_core: bool | None = None) -> None:
        if processes < 0:
            raise ConfigError(
                f"environments cannot be in {processes} processes; 0 is threads of this one"
            )
        self._count = processes
        self._spare_core = _cores() > 2 if spare_core is None else spare_core
        self._processes: list[EnvProcess] = []
        self._idle: dict[str, list[Worker]] = {}

    def __enter__(self) -> EnvPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def take(self, spec: EnvSpec, with_oracle: bool) -> Worker:
        """Return an idle environment of this spec, or a fresh one.

        Raises:
            UsageError: As `fresh`.
        """
        idle = self._idle.get(_key(spec, with_oracle), [])
        while idle:
            worker = idle.pop()
            if not isinstance(worker, HostedEnv) or worker.process.alive:
                return worker
        return self.fresh(spec, with_oracle)

    def fresh(self, spec: EnvSpec, with_oracle: bool) -> Worker:
        """Return an environment that nobody has used.

        Raises:
            UnknownEnvironment: If there is none of this id, where processes host it.
            ConfigError: If another process cannot make it.
        """
        if not self._count:
            return EnvWorker(spec, with_oracle)
        self._processes = [process for process in self._processes if process.alive]
        while len(self._processes) < self._count:
            self._processes.append(EnvProcess(spare_core=self._spare_core))
        return min(self._processes, key=lambda process: process.hosted).host(spec, with_oracle)

    def give_back(self, spec: EnvSpec, with_oracle: bool, worker: Worker) -> None:
        """Keep an environment that is between two episodes."""
        self._idle.setdefault(_key(spec, with_oracle), []).append(worker)

    def close(self) -> None:
        """Close every idle environment, and end the processes; safe to call twice."""
        for workers in self._idle.values():
            for worker in workers:
                worker.close()
        self._idle.clear()
        for process in self._processes:
            process.leave()
        for process in self._processes:
            process.end()
        self._processes.clear()


def _cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def _key(spec: EnvSpec, with_oracle: bool) -> str:
    kwargs: dict[str, Any] = dict(spec.kwargs)
    return json.dumps([spec.id, kwargs, with_oracle], sort_keys=True, default=str)
