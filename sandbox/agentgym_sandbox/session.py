"""The host's end of a local session: who may use it, its files, and its end."""

from __future__ import annotations

import contextlib
import math
import select
import struct
import threading
import time
from collections.abc import Callable, Iterator

from agentgym_sandbox.base import (
    ExecResult,
    Limits,
    PathRefused,
    SandboxDead,
    SandboxError,
    Session,
)
from agentgym_sandbox.exchange import DEATH_WAIT_S, Exchange, Handler, Handles, readable

__all__ = ["LocalSession"]

CHUNK = 65_536
SIZE = struct.Struct("!Q")
FILE_WAIT_S = 30.0
MAX_CODE_BYTES = 16 * 1024 * 1024


class LocalSession(Session):
    """One interpreter in namespaces of its own.

    Args:
        handles: Its descriptors; the session owns them.
        limits: What it may use.
        on_end: Called once, when nothing is left of it.
        take_back: Ends a session that is closed in good order; by default its end is the end.
    """

    def __init__(
        self,
        handles: Handles,
        limits: Limits,
        on_end: Callable[[LocalSession], None],
        take_back: Callable[[Handles], None] = Handles.end,
    ) -> None:
        self.handles = handles
        self.limits = limits
        self._on_end = on_end
        self._take_back = take_back
        self._handler: Handler | None = None
        self._gate = threading.Condition()
        self._user: int | None = None  # the thread that is in a call
        self._lost: str | None = None
        self._released = False

    @property
    def alive(self) -> bool:
        """Whether the session can still be used."""
        return self._lost is None

    def execute(self, code: str, *, timeout_s: float = 10.0) -> ExecResult:
        """Run code in the interpreter, whose state is kept between calls."""
        if not 0 < timeout_s < math.inf:
            raise ValueError(f"timeout_s is {timeout_s!r}; it must be positive and finite")
        source = code.encode("utf-8", "surrogatepass")
        with self._claimed():
            if len(source) > MAX_CODE_BYTES:
                detail = f"the code has {len(source)} bytes; the limit is {MAX_CODE_BYTES}"
                return ExecResult("error", exception=f"SyntaxError: {detail}", detail=detail)
            if readable(self.handles.control):
                raise SandboxDead("this session's interpreter died since the last call")
            result = Exchange(self.handles, self.limits, timeout_s, self._handler).run(source)
            if self._lost is not None:
                raise SandboxDead(f"the session was {self._lost} during the call")
            if not result.session_alive:
                self._lost = f"lost ({result.status}: {result.detail})"
            return result

    def rpc(self, handler: Handler | None) -> None:
        """Answer the calls that code makes with ``sandbox_host.call(text)``."""
        self._handler = handler

    def put(self, path: str, data: bytes) -> None:
        """Write a file below the work folder; missing folders are made."""
        name = _checked_path(path)
        if len(data) > self.limits.disk_mb * 2**20:
            raise SandboxError(f"{len(data)} bytes for {path!r}; disk_mb is {self.limits.disk_mb}")
        with self._claimed():
            deadline = time.monotonic() + FILE_WAIT_S
            self._tell(b"P" + SIZE.pack(len(data)) + name, deadline)
            for at in range(0, len(data), CHUNK):
                self._tell(data[at : at + CHUNK], deadline)
            self._file_answer(path, deadline)

    def get(self, path: str) -> bytes:
        """Read a plain file below the work folder."""
        name = _checked_path(path)
        with self._claimed():
            deadline = time.monotonic() + FILE_WAIT_S
            self._tell(b"G" + name, deadline)
            return self._file_answer(path, deadline)

    def close(self) -> None:
        """End the session with every process of it; breaks a call that hangs in another thread."""
        with self._gate:
            if self._lost is None:
                self._lost = "closed"
            if self._user is None:
                self._release(self._take_back)
            elif not self._released:
                self.handles.kill()
                if self._user != threading.get_ident():
                    self._gate.wait_for(lambda: self._released, DEATH_WAIT_S)

    @contextlib.contextmanager
    def _claimed(self) -> Iterator[None]:
        """Hold the session for one call; the last one out clears up a session that was lost."""
        with self._gate:
            if self._lost is not None:
                raise SandboxDead(f"this session is {self._lost}; make a new one")
            if self._user is not None:
                raise SandboxError("this session is in a call of another thread; give each its own")
            self._user = threading.get_ident()
        try:
            yield
        except (PathRefused, FileNotFoundError, _Full):
            raise
        except BaseException as error:
            self._lost = self._lost or f"lost (the call was broken off by {type(error).__name__})"
            raise
        finally:
            with self._gate:
                self._user = None
                if self._lost is not None:
                    self._release()
                self._gate.notify_all()

    def _release(self, end: Callable[[Handles], None] = Handles.end) -> None:
        if self._released:
            return
        self._released = True
        end(self.handles)
        self._on_end(self)

    def _tell(self, message: bytes, deadline: float) -> None:
        self._await_control(select.POLLOUT, deadline)
        try:
            self.handles.control.send(message)
        except OSError as error:
            raise SandboxDead("the session ended before the file was moved") from error

    def _await_control(self, event: int, deadline: float) -> None:
        poller = select.poll()
        poller.register(self.handles.control, event)
        if not poller.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise SandboxDead(f"no answer about a file for {FILE_WAIT_S:g} s; the session is lost")

    def _file_answer(self, path: str, deadline: float) -> bytes:
        parts: list[bytes] = []
        while True:
            self._await_control(select.POLLIN, deadline)
            message = self.handles.control.recv(CHUNK + 1)
            kind, rest = message[:1], message[1:]
            if kind == b"D":
                parts.append(rest)
            elif kind == b"K":
                return b"".join(parts)
            elif kind == b"N":
                raise FileNotFoundError(f"no file {path!r} in the work folder")
            elif kind == b"R":
                raise PathRefused(f"{path!r}: {rest.decode()}; name a plain file, without links")
            elif kind == b"F":
                raise _Full(f"{path!r}: {rest.decode()}")
            else:
                raise SandboxDead("the session ended before the file was moved")


class _Full(SandboxError):
    """A file could not be kept; the session is as good as before."""


def _checked_path(path: str) -> bytes:
    """Refuse what no session may name; links are found by the supervisor, inside."""
    name = path.encode("utf-8", "surrogateescape") if isinstance(path, str) else b""
    parts = name.split(b"/")
    steps = any(part in (b"", b".", b"..") for part in parts)  # also an absolute path
    if steps or len(name) > 1024 or b"\0" in name:
        raise PathRefused(f"{path!r} is no path below the work folder; use one like 'data/a.csv'")
    return name
