"""One prepared process to fork sessions from, and the warm ones made of it."""

from __future__ import annotations

import threading

from agentgym_sandbox import cgroup
from agentgym_sandbox.base import Limits, SandboxError
from agentgym_sandbox.exchange import Handles
from agentgym_sandbox.pool import Pool
from agentgym_sandbox.renewal import is_fit, renew
from agentgym_sandbox.spawner import Spawner

__all__ = ["Template"]

KEEP = 16  # sessions that have begun anew and wait; each holds some 3 MB


class Template:
    """Gives sessions that have the same modules and set-up; may be used from many threads.

    Args:
        tier: As for `Spawner`.
        limits: What each session may use.
        preload: Modules to import before any session.
        setup: Code to run before any session.
        groups: Where sessions get control groups, if anywhere.
        warm: Sessions to keep ready once the first was asked for.
    """

    def __init__(
        self,
        tier: str,
        limits: Limits,
        preload: tuple[str, ...],
        setup: str,
        groups: cgroup.Groups | None = None,
        *,
        warm: int,
    ) -> None:
        self._recipe = (tier, limits, preload, setup, groups)
        self._gate = threading.Lock()
        self._closed = False
        self.spawner = Spawner(*self._recipe)
        self.pool = Pool(self.start, is_fit, Handles.end, size=warm, keep=KEEP if warm else 0)

    def start(self) -> Handles:
        """Start a session that belongs to nobody yet, from a new process if the last one died."""
        with self._gate:
            if self._closed:
                raise SandboxError("the sandbox is closed; make a new one")
            if not self.spawner.alive:
                self.spawner.close()
                self.spawner = Spawner(*self._recipe)
            spawner = self.spawner
        return spawner.start_session()

    def take_back(self, handles: Handles) -> None:
        """Let a session that is over begin anew for the next lease, or else end it."""
        fresh = renew(handles) if self.pool.has_room() else None
        if fresh is None:
            handles.end()
        else:
            self.pool.add(fresh)

    def close(self) -> None:
        """End the process and the sessions that wait; leased ones live on."""
        with self._gate:
            self._closed = True
        self.pool.close()
        self.spawner.close()
