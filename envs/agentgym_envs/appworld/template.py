"""The host's side of AppWorld's warm process: start it, have it fork, end it.

An import of AppWorld and a first world take seconds; a fork of a process that has done both takes
milliseconds and shares its memory. Environments of one process share one template, which ends
with the last of them; whatever it has forked ends with it, also when this process is killed.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import agentgym_sandbox
from agentgym.errors import EnvironmentFault
from agentgym_envs.appworld import serve
from agentgym_envs.appworld.installation import SPLITS, Installation

__all__ = ["Forked", "Template", "last_line", "lease"]

START_S, END_S = 180.0, 10.0

_LOCK = threading.Lock()
_TEMPLATES: dict[tuple[int, Installation], Template] = {}


def lease(installation: Installation) -> Template:
    """Return this process's template, started now if there is none that works; `give_back` it.

    Raises:
        EnvironmentFault: If it does not start.
    """
    key = (os.getpid(), installation)
    with _LOCK:
        template = _TEMPLATES.get(key)
        if template is None or not template.alive:
            template = _TEMPLATES[key] = Template(installation)
        template.users += 1
        return template


class Forked:
    """A process that the template has forked; its end is told on the line."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._unread = b""
        self.code: int | None = None  # once it has ended; negative for a signal

    def read(self, timeout_s: float) -> dict[str, Any] | None:
        """Return the next thing that it said; None if it has ended.

        Raises:
            TimeoutError: If it says nothing.
        """
        self._line.settimeout(timeout_s)
        while b"\n" not in self._unread:
            try:
                more = self._line.recv(1 << 16)
            except ConnectionError:
                more = b""
            if not more:
                return None
            self._unread += more
        first, _, self._unread = self._unread.partition(b"\n")
        said: dict[str, Any] = json.loads(first)
        self.code = said.get("code", self.code)
        return said

    def ended(self, timeout_s: float = END_S) -> int | None:
        """Wait for its end and return its exit code; None if that is not known."""
        with suppress(TimeoutError):
            while self.read(timeout_s) is not None:
                pass
        return self.code

    def kill(self) -> None:
        """Kill it, and return once it is gone; may be called twice."""
        with suppress(OSError):
            self._line.shutdown(socket.SHUT_WR)
            self.ended()
        self._line.close()


class Template:
    """The warm process.

    Args:
        installation: Whose Python it runs.

    Attributes:
        folder: Where everything is written; it goes with the process.
        users: How many leases there are.

    Raises:
        EnvironmentFault: If it does not start.
    """

    def __init__(self, installation: Installation) -> None:
        self.users = 0
        self.folder = tempfile.mkdtemp(prefix="agentgym-appworld-")
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        first_task = next(id_ for split in SPLITS for id_ in installation.task_ids(split))
        with theirs, open(f"{self.folder}/log.txt", "wb") as log:
            self._process = subprocess.Popen(
                [
                    installation.python,
                    str(Path(serve.__file__)),
                    str(theirs.fileno()),
                    str(Path(agentgym_sandbox.__file__).parents[1]),
                    first_task,
                ],
                cwd=self.folder,
                env=_environment(installation.root, self.folder),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self._await_start()

    def _await_start(self) -> None:
        self._control.settimeout(START_S)
        try:
            said = json.loads(self._control.recv(1 << 16) or b"{}")
        except (OSError, ValueError) as error:
            said = {"error": repr(error)}
        if "ready" not in said:
            why = last_line(said.get("error") or _tail(f"{self.folder}/log.txt"))
            self.close()
            raise EnvironmentFault(f"AppWorld does not start: {why}")

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None

    def fork(self, request: dict[str, Any], *descriptors: int) -> Forked:
        """Have a process forked.

        Args:
            request: See `agentgym_envs.appworld.serve`.
            descriptors: What it needs besides its line; the caller closes its own.

        Raises:
            EnvironmentFault: If the template is gone.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                packet = json.dumps(request).encode()
                socket.send_fds(self._control, [packet], [theirs.fileno(), *descriptors])
            except OSError as error:
                ours.close()
                raise EnvironmentFault(f"AppWorld's template is gone: {error}") from error
        return Forked(ours)

    def give_back(self) -> None:
        """End a lease; the last one ends the process."""
        with _LOCK:
            self.users -= 1
            if self.users == 0:
                self.close()

    def close(self) -> None:
        """End the process, and whatever it has forked."""
        with suppress(OSError):
            self._control.shutdown(socket.SHUT_RDWR)
        self._control.close()
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def _environment(root: str, folder: str) -> dict[str, str]:
    """Return what AppWorld's Python is told: nothing of ours, no secrets of the user's."""
    kept = {
        name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TZ") if name in os.environ
    }
    return {
        **kept,
        "APPWORLD_ROOT": root,
        "APPWORLD_CACHE": f"{folder}/cache",
        "HOME": folder,
        "IPYTHONDIR": f"{folder}/ipython",
        "TMPDIR": folder,
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def _tail(path: str) -> str:
    with suppress(OSError):
        return Path(path).read_text(encoding="utf-8", errors="replace")[-4000:]
    return ""


def last_line(text: str) -> str:
    """Return the last line that is not blank, which names the exception."""
    lines = text.strip().splitlines()
    return lines[-1].strip()[:300] if lines else "nothing was said"
