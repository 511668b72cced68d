"""The host's side of one judging process: start it, ask it, hear it, kill it.

Nothing here blocks, so that one thread can drive several.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import agentgym
import agentgym_envs
from agentgym.errors import Unscored

__all__ = ["OUT_OF_MEMORY", "Judge"]

WORKER = "agentgym_envs.math.worker"
MEMORY_BYTES = 2**30
OUT_OF_MEMORY = 86  # the exit status
CHUNK = 1 << 18
# A pool of threads reserves more address space than the limit allows, and is of no use here.
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Judge:
    """One judging process, owned by whoever leases it.

    Attributes:
        ready: Whether it has warmed up.
        ended: Whether it closed its output, which it does by dying.
        asked: How many orders it was given.
        started: When, on the monotonic clock.
    """

    def __init__(self) -> None:
        command = [sys.executable, "-P", "-m", WORKER, *_arguments()]
        try:
            self._process = subprocess.Popen(
                command,
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=_environment(),
                start_new_session=True,  # Ctrl-C in a terminal is the owner's to handle
            )
        except (OSError, ValueError, TypeError) as error:
            raise Unscored(f"cannot start a judging process: {error}") from error
        streams = (self._process.stdin, self._process.stdout, self._process.stderr)
        self._streams = [stream for stream in streams if stream is not None]
        self._input, self._output, self._errors = (each.fileno() for each in self._streams)
        for descriptor in (self._input, self._output, self._errors):
            os.set_blocking(descriptor, False)
        self._unsent = memoryview(b"")
        self._heard = bytearray()
        self.ready, self.ended, self.asked = False, False, 0
        self._greeted = False
        self.started = time.monotonic()

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    @property
    def descriptors(self) -> tuple[int, int | None]:
        """What to read from, and, while an order is not all sent, what to write to."""
        return self._output, self._input if self._unsent else None

    def is_ready(self) -> bool:
        """Look whether it has warmed up or ended; `reply` finds out what it really said."""
        self._hear()
        self.ready = self.ready or b"\n" in self._heard
        return self.ready or self.ended

    def ask(self, order: dict[str, Any]) -> None:
        """Give an order; the reply carries its number."""
        self.asked += 1
        self._unsent = memoryview(json.dumps({**order, "id": self.asked}).encode() + b"\n")
        self.send()

    def send(self) -> None:
        """Send as much of the order as the pipe takes."""
        with contextlib.suppress(BlockingIOError, BrokenPipeError):  # the output tells of an end
            while self._unsent:
                self._unsent = self._unsent[os.write(self._input, self._unsent) :]

    def reply(self) -> dict[str, Any] | None:
        """Return the reply to the last order, once it is there.

        Raises:
            Unscored: If the process says what no worker says.
        """
        self._hear()
        while (end := self._heard.find(b"\n")) >= 0:
            line = bytes(self._heard[:end])
            del self._heard[: end + 1]
            message = _message(line)
            if not self._greeted and "ready" in message:
                self._greeted = self.ready = True
            elif message.get("id") == self.asked and ("verdict" in message or "fault" in message):
                return message
            else:
                raise Unscored(f"a judging process said {line[:200]!r}")
        return None

    def _hear(self) -> None:
        try:
            while chunk := os.read(self._output, CHUNK):
                self._heard += chunk
                if len(chunk) < CHUNK and chunk.endswith(b"\n"):
                    return
            self.ended = True
        except BlockingIOError:
            return

    def why_it_ended(self) -> str:
        """Say what a process that closed its output died of."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(0.1)
        status = self._process.poll()
        if status is None:
            return "it closed its output"
        if status == OUT_OF_MEMORY:
            return f"more than {MEMORY_BYTES >> 20} MB of memory"
        if status < 0:
            return f"killed by {signal.Signals(-status).name}"
        return f"exit status {status}"

    def last_words(self) -> str:
        """Return the last line that it wrote to its standard error before it was ready."""
        try:
            text = os.read(self._errors, 1 << 16).decode(errors="replace")
        except OSError:
            return ""
        return (text.strip().splitlines() or [""])[-1]

    def kill(self) -> None:
        """Kill it, whatever it does; `bury` must follow."""
        self._process.kill()

    def close(self) -> None:
        """Give back the descriptors."""
        for stream in self._streams:
            stream.close()

    def bury(self, wait_s: float = 0.0) -> bool:
        """Say whether a killed process is gone, so that no zombie is left."""
        try:
            self._process.wait(wait_s)
            return True
        except subprocess.TimeoutExpired:
            return False


def _arguments() -> list[str]:
    on_main_thread = threading.get_native_id() == os.getpid()
    return [str(os.getpid()), str(int(on_main_thread)), str(MEMORY_BYTES)]


def _environment() -> dict[str, str]:
    """Return ours, so amended that the worker finds the same packages."""
    roots = [Path(next(iter(each.__path__))).parent for each in (agentgym, agentgym_envs)]
    # What is installed is found anyway, and would here come before the standard library.
    added = [str(root) for root in roots if root.name not in ("site-packages", "dist-packages")]
    path = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), *added]))
    settings = dict.fromkeys(ONE_THREAD, "1") | {"PYTHONUTF8": "1", "MALLOC_ARENA_MAX": "2"}
    return {**os.environ, **settings, "PYTHONPATH": path}


def _message(line: bytes) -> dict[str, Any]:
    try:
        message = json.loads(line)
    except ValueError:
        message = None
    if not isinstance(message, dict):
        raise Unscored(f"a judging process said {line[:200]!r}")
    return message
