"""An episode's Python session, and the text that a model reads of what its code did."""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable

from agentgym.errors import EnvironmentFault
from agentgym_sandbox import (
    ExecResult,
    Limits,
    LocalSandbox,
    Sandbox,
    SandboxDead,
    SandboxError,
    Session,
)

__all__ = [
    "ENDED",
    "Interpreter",
    "close_sandboxes",
    "describe",
    "last_lines",
    "shared_sandbox",
    "works",
]

# Statuses that no code is expected to bring about: the sandbox can no longer be trusted.
_FAULTS = ("sandbox_error",)
_LOST = "the session was restarted; its variables are lost"
ENDED = "the interpreter ended before this call"

_LOCK = threading.Lock()
_SANDBOXES: dict[tuple[int, Limits], LocalSandbox] = {}


def shared_sandbox(limits: Limits) -> LocalSandbox:
    """Return this process's sandbox of these limits, made at the first call, closed at exit.

    Hundreds of episodes in one process fork their sessions from one warm process. A forked child
    makes a sandbox of its own.

    Raises:
        SandboxError: If sessions cannot be isolated on this machine.
    """
    key = (os.getpid(), limits)
    with _LOCK:
        if key not in _SANDBOXES:
            if not _SANDBOXES:
                atexit.register(close_sandboxes)
            _SANDBOXES[key] = LocalSandbox(limits=limits)
        return _SANDBOXES[key]


def close_sandboxes() -> None:
    """Close the sandboxes that this process has made; the next call makes new ones."""
    with _LOCK:
        mine = [key for key in _SANDBOXES if key[0] == os.getpid()]
        closing = [_SANDBOXES.pop(key) for key in mine]
    for sandbox in closing:
        sandbox.close()


class Interpreter:
    """The Python of one episode: a session made at the first call and again after a loss.

    Args:
        limits: What the session may use.
        timeout_s: Most seconds for one call.
        setup: Our own code that has run before, in every session.
        handler: Answers what the session's code asks the host; None offers nothing.
    """

    def __init__(
        self,
        limits: Limits,
        timeout_s: float,
        *,
        setup: str = "",
        handler: Callable[[str], str] | None = None,
    ) -> None:
        self.limits = limits
        self.timeout_s = timeout_s
        self.setup = setup
        self.handler = handler
        self._session: Session | None = None
        self._sandbox: Sandbox | None = None  # that made the session

    @property
    def running(self) -> bool:
        """Whether it holds a session now."""
        return self._session is not None

    def open(self) -> Session:
        """Return the session, made now if there is none.

        Raises:
            SandboxError: If no session can be made.
        """
        if self._session is None:
            self._sandbox = shared_sandbox(self.limits)
            self._session = self._sandbox.session(setup=self.setup)
            self._session.rpc(self.handler)
        return self._session

    def run(self, code: str) -> str:
        """Run code and say what it did.

        Raises:
            EnvironmentFault: If the sandbox failed; never for what the code did.
        """
        result = self.execute(code)
        return f"{ENDED}; {_LOST}" if result is None else describe(result, self.timeout_s)

    def execute(self, code: str) -> ExecResult | None:
        """Run code; None if the session had ended, through no fault of ours, before it ran.

        Raises:
            EnvironmentFault: If the sandbox failed; never for what the code did.
        """
        made_by = self._sandbox if self.running else None
        try:
            result = self.open().execute(code, timeout_s=self.timeout_s)
        except SandboxError as error:
            self.close()
            if made_by and isinstance(error, SandboxDead) and works(made_by):
                # A thread that earlier code left behind ended the session: no fault of ours.
                return None
            raise EnvironmentFault(f"the python sandbox failed: {error}") from error
        if not result.session_alive:
            self.close()
        if result.status in _FAULTS:
            raise EnvironmentFault(f"the python sandbox failed: {result.status}: {result.detail}")
        return result

    def close(self) -> None:
        """End the session, if there is one; may be called twice."""
        session, self._session = self._session, None
        if session is not None:
            session.close()


def works(sandbox: Sandbox) -> bool:
    """Tell whether the sandbox can still be used, so that a lost session was its code's doing."""
    try:
        with sandbox.session() as session:
            return session.execute("None").status == "ok"
    except SandboxError:
        return False


def describe(result: ExecResult, timeout_s: float) -> str:
    """Return what a model reads of a call: output, then the value or what went wrong."""
    parts = [result.stdout, result.stderr]
    if result.status == "ok":
        parts.append(result.result or "")
    elif result.status == "timeout":
        parts.append(f"timed out after {timeout_s:g} s")
    elif result.status == "oom":
        parts.append("MemoryError: out of memory")
    elif result.status == "error":
        parts.append(last_lines(result.exception or "the code failed"))
    else:
        parts.append(_ended(result))
    if not result.session_alive:
        parts.append(_LOST)
    return "\n".join(part.rstrip("\n") for part in parts if part.strip("\n")) or "(no output)"


def _ended(result: ExecResult) -> str:
    words = {
        "crashed": "the interpreter crashed",
        "exited": "the interpreter exited",
        "output_limit": "too much output",
        # Only the session's own code can forge a frame: no way to have an episode unscored.
        "protocol_error": "the interpreter's channel was disturbed",
    }
    return f"{words[result.status]}: {result.detail}" if result.detail else words[result.status]


def last_lines(traceback: str) -> str:
    """Return the exception's own lines: those after the last one that a traceback indents."""
    lines = traceback.rstrip().splitlines()
    at = max((n for n, line in enumerate(lines[:-1]) if line.startswith("  ")), default=-1)
    return "\n".join(lines[at + 1 :])
