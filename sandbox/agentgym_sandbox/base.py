"""The contract of every backend: a sandbox makes sessions, a session runs code and keeps its state.

    SandboxError                  the sandbox itself failed or was misused; never the code's doing
    ├── SandboxDead               this session is lost; make a new one
    └── PathRefused               the path does not name a plain file inside the work folder

Whatever the code does comes back as an `ExecResult`; only the sandbox's own faults are raised.
"""

from __future__ import annotations

import abc
import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache, partial
from types import TracebackType
from typing import Literal, Self, TypeVar, get_args

__all__ = [
    "STATUSES",
    "ExecResult",
    "IsolationReport",
    "Limits",
    "PathRefused",
    "Sandbox",
    "SandboxDead",
    "SandboxError",
    "Session",
    "Status",
]

T = TypeVar("T")
ASYNC_THREADS = 256

Status = Literal[
    "ok",
    "error",
    "timeout",
    "oom",
    "crashed",
    "exited",
    "output_limit",
    "protocol_error",
    "sandbox_error",
]
STATUSES: tuple[Status, ...] = get_args(Status)


class SandboxError(Exception):
    """The sandbox could not do its work; the text says why and what to do."""


class SandboxDead(SandboxError):
    """The session is lost: closed, killed or crashed. Its state is gone."""


class PathRefused(SandboxError):
    """The path leaves the work folder, passes a link, or is not a plain file."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one session may use.

    Attributes:
        memory_mb: Address space of each process beyond the bare interpreter's.
        disk_mb: Size of the work folder and ``/tmp`` together; also of any one file.
        pids: Processes and threads at a time.
        output_bytes: Kept of each of stdout, stderr, result and exception; more is cut.
        flood_bytes: Code that prints more than this in one call is stopped.
        open_files: Descriptors of each process.
        inodes: Files and folders in the work folder and ``/tmp`` together.
        cpu_s: Processor time of each process over the whole session.
        grace_s: Time between the interrupt of a timeout and the kill.
    """

    memory_mb: int = 256
    disk_mb: int = 64
    pids: int = 32
    output_bytes: int = 65_536
    flood_bytes: int = 256 * 1024 * 1024
    open_files: int = 128
    inodes: int = 4096
    cpu_s: int = 3600
    grace_s: float = 0.5

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if not 0 < value < 2**40:
                raise ValueError(f"limit {name} is {value!r}; it must be positive and finite")


@dataclass(frozen=True, slots=True)
class ExecResult:
    """What one call came to. The status is the host's judgement, the texts are the code's claims.

    Attributes:
        status: ``ok``; ``error`` (an exception); ``timeout``; ``oom`` (memory ran out);
            ``crashed`` (killed by a signal); ``exited`` (``exit()`` or the process ended);
            ``output_limit``; ``protocol_error`` (forged frames); ``sandbox_error`` (our fault).
        result: The repr of a last expression, unless that is None.
        stdout: What was printed, cut at the limit.
        stderr: The same of standard error.
        exception: The traceback; its last line names the exception.
        truncated: Whether any of the texts was cut.
        duration_s: Wall time as the host saw it.
        session_alive: Whether the session, and its state, can still be used.
        detail: One line of the host's on anything but ``ok``.
    """

    status: Status
    result: str | None = None
    stdout: str = ""
    stderr: str = ""
    exception: str | None = None
    truncated: bool = False
    duration_s: float = 0.0
    session_alive: bool = True
    detail: str = ""


@dataclass(frozen=True, slots=True)
class IsolationReport:
    """What is really in force, found by probes in a real session.

    Attributes:
        backend: ``local`` or ``docker``.
        tier: ``namespaces``, or ``unsafe`` where only ``allow_unsafe=True`` let it run.
        mechanisms: Each mechanism and whether the probe found it in force.
        notes: What is weaker than it could be, one line each.
    """

    backend: str
    tier: str
    mechanisms: dict[str, bool] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def missing(self) -> tuple[str, ...]:
        """Names of the mechanisms that are not in force."""
        return tuple(name for name, there in self.mechanisms.items() if not there)


@cache
def _threads() -> ThreadPoolExecutor:
    """Give our own threads: asyncio's few would make sessions wait for one another."""
    return ThreadPoolExecutor(ASYNC_THREADS, "sandbox-async")


async def _in_thread(call: Callable[[], T]) -> T:
    return await asyncio.wrap_future(_threads().submit(call))


def _close_unwanted(starting: Future[Session]) -> None:
    if not starting.cancelled() and starting.exception() is None:
        starting.result().close()


class Session(abc.ABC):
    """One interpreter with its own state and work folder; used by one thread at a time."""

    @abc.abstractmethod
    def execute(self, code: str, *, timeout_s: float = 10.0) -> ExecResult:
        """Run code in the interpreter, whose state is kept between calls.

        Args:
            code: Python source; the value of a last expression becomes the result.
            timeout_s: Wall time before the interrupt, then the grace, then the kill.

        Raises:
            SandboxDead: If the session was lost before this call, or closed during it.
        """

    async def aexecute(self, code: str, *, timeout_s: float = 10.0) -> ExecResult:
        """Do `execute` in a thread; cancelling it ends the session."""
        try:
            return await _in_thread(partial(self.execute, code, timeout_s=timeout_s))
        except asyncio.CancelledError:
            await _in_thread(self.close)
            raise

    @abc.abstractmethod
    def rpc(self, handler: Callable[[str], str] | None) -> None:
        """Answer the calls that code makes with ``sandbox_host.call(text)``; None: no longer.

        The handler runs in the thread that is in `execute`, within its time. What it is sent is
        hostile input. If it raises, so does `execute`, and the session is lost.
        """

    @abc.abstractmethod
    def put(self, path: str, data: bytes) -> None:
        """Write a file below the work folder; missing folders are made.

        Raises:
            PathRefused: If the path leaves the folder, passes a link or is not a plain file.
            SandboxDead: If the session is lost.
            SandboxError: If the folder is full.
        """

    @abc.abstractmethod
    def get(self, path: str) -> bytes:
        """Read a plain file below the work folder.

        Raises:
            FileNotFoundError: If there is none of this name.
            PathRefused: If the path leaves the folder, passes a link or is not a plain file.
            SandboxDead: If the session is lost.
        """

    @property
    @abc.abstractmethod
    def alive(self) -> bool:
        """Whether the session can still be used."""

    @abc.abstractmethod
    def close(self) -> None:
        """End the session with every process of it; may be called twice and from any thread."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Sandbox(abc.ABC):
    """A maker of sessions; may be used from many threads."""

    @abc.abstractmethod
    def session(self, *, setup: str = "") -> Session:
        """Start a fresh session, which the caller closes.

        Args:
            setup: The caller's own code, run before; backends may keep its outcome and copy it.

        Raises:
            SandboxError: If the sandbox is closed or no session can be made.
        """

    async def asession(self, *, setup: str = "") -> Session:
        """Do `session` in a thread; one that comes after a cancellation is closed."""
        starting = _threads().submit(partial(self.session, setup=setup))
        try:
            return await asyncio.shield(asyncio.wrap_future(starting))
        except asyncio.CancelledError:
            starting.add_done_callback(_close_unwanted)
            raise

    @abc.abstractmethod
    def report(self) -> IsolationReport:
        """Say what is really in force, by probes in a real session."""

    @abc.abstractmethod
    def close(self) -> None:
        """End every session and leave nothing behind; may be called twice."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
