"""One call, as the host sees it: a poll loop over five descriptors, and the last word on status."""

from __future__ import annotations

import contextlib
import math
import os
import secrets
import select
import shutil
import signal
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from agentgym_sandbox import cgroup, wire
from agentgym_sandbox.base import ExecResult, Limits, Status

__all__ = ["DEATH_WAIT_S", "Exchange", "Handler", "Handles", "readable"]

Handler = Callable[[str], str]

CHUNK = 65_536
UNSENT_BYTES = 16 * 1024 * 1024  # of answers that code has asked for and does not read
SIZE = struct.Struct("!Q")
DEATH_WAIT_S = 5.0  # a killed process is gone within milliseconds, unless the machine is swamped
LAST_WORD_S = 0.25  # between the channel's end and the supervisor's report of a death
OUTCOMES: dict[bytes, Status] = {b"ok": "ok", b"error": "error", b"exit": "exited"}


@dataclass(slots=True)
class Handles:
    """What the host holds of a session."""

    control: socket.socket  # sequenced packets to the supervisor
    data: socket.socket  # frames to the interpreter
    out: int
    err: int
    pidfd: int  # of the supervisor, readable once all processes are gone; -1 before it came
    folder: str = ""  # of the host, where the session has none of its own
    group: cgroup.Group | None = None  # limits the session as a whole
    awaited: bytes = b""  # the id with which a fresh interpreter has yet to say that it is ready
    renewals: int = 0  # how many sessions the same namespaces have served before

    def out_of_memory(self) -> bool:
        """Say whether the kernel has killed anything in there for want of memory."""
        return self.group is not None and self.group.out_of_memory()

    def in_group(self) -> bool:
        """Say whether the interpreter is in a control group of the session."""
        return self.group is not None and self.group.occupied()

    def kill(self) -> None:
        """Kill the supervisor, and with it the whole pid namespace."""
        if self.pidfd < 0:
            return
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)

    def wait_gone(self, seconds: float) -> bool:
        """Wait until every process of the session is gone."""
        if self.pidfd < 0:
            return True
        poller = select.poll()
        poller.register(self.pidfd, select.POLLIN)
        return bool(poller.poll(seconds * 1000))

    def end(self) -> None:
        """Kill the session, wait until nothing of it is left, and close every descriptor."""
        self.kill()
        self.wait_gone(DEATH_WAIT_S)
        self.close()

    def _reap(self) -> None:
        """Collect a supervisor that its zygote has left to us, where we are the first process."""
        if self.pidfd >= 0:
            with contextlib.suppress(ChildProcessError):
                os.waitid(os.P_PIDFD, self.pidfd, os.WEXITED | os.WNOHANG)

    def close_streams(self) -> None:
        """Close what belongs to the interpreter alone."""
        self.data.close()
        for fd in (self.out, self.err):
            if fd >= 0:
                os.close(fd)

    def close(self) -> None:
        """Close every descriptor."""
        self._reap()
        self.control.close()
        self.close_streams()
        if self.pidfd >= 0:
            os.close(self.pidfd)
        if self.group is not None:
            self.group.close()
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)


class _Output:
    """Collects one stream: the first bytes are kept, the rest is only counted."""

    def __init__(self, fd: int, limit_bytes: int) -> None:
        self.fd = fd
        self.total = 0
        self.open = True
        self._limit = limit_bytes
        self._kept = bytearray()

    def read(self) -> bool:
        """Take what one read gives; false when there is nothing more now."""
        try:
            data = os.read(self.fd, CHUNK)
        except BlockingIOError:
            return False
        if not data:
            self.open = False
            return False
        self.total += len(data)
        self._kept += data[: max(0, self._limit - len(self._kept))]
        return True

    @property
    def text(self) -> str:
        return self._kept.decode("utf-8", "replace")

    @property
    def cut(self) -> bool:
        return self.total > self._limit


class Exchange:
    """One execute: sends the code, collects what comes, and decides what it came to."""

    def __init__(
        self,
        handles: Handles,
        limits: Limits,
        timeout_s: float,
        handler: Handler | None = None,
    ) -> None:
        self._handles = handles
        self._handler = handler
        self._limits = limits
        self._timeout_s = timeout_s
        self._start = time.monotonic()
        self._deadline = self._start + timeout_s
        self._id = secrets.token_bytes(wire.ID_BYTES)
        self._reader = wire.FrameReader(max(2 * limits.output_bytes, wire.CALL_BYTES) + 4096)
        self._out = _Output(handles.out, limits.output_bytes)
        self._err = _Output(handles.err, limits.output_bytes)
        self._unsent = b""
        self._stopped: tuple[Status, str] | None = None  # why we interrupted
        self._interrupting = False  # until the supervisor says that the signal is on its way
        self._answer: ExecResult | None = None  # came, but an interrupt is still on its way
        self._ending: ExecResult | None = None

    def run(self, source: bytes) -> ExecResult:
        """Send the code and wait for its end, whatever that is."""
        if readable(self._handles.data):
            return self._finish(self._breach("bytes on the result channel before the call"))
        self._unsent = wire.pack(self._id, wire.EXECUTE, source)
        self._flush()
        poller = self._poller()
        while self._ending is None:
            wait_s = self._deadline - time.monotonic()
            if wait_s <= 0:
                self._out_of_time()
                continue
            for fd, _ in poller.poll(math.ceil(wait_s * 1000)):
                self._handle(fd, poller)
        return self._finish(self._ending)

    def _poller(self) -> select.poll:
        poller = select.poll()
        writing = select.POLLOUT if self._unsent else 0
        poller.register(self._handles.data, select.POLLIN | writing)
        for fd in (self._handles.control.fileno(), self._out.fd, self._err.fd):
            poller.register(fd, select.POLLIN)
        return poller

    def _handle(self, fd: int, poller: select.poll) -> None:
        if self._ending is not None:
            return
        if fd == self._handles.control.fileno():
            self._hear_control()
        elif fd == self._handles.data.fileno():
            self._hear_data(poller)
        else:
            stream = self._out if fd == self._out.fd else self._err
            stream.read()
            if not stream.open:
                poller.unregister(fd)
            if self._out.total + self._err.total > self._limits.flood_bytes and not self._stopped:
                self._interrupt("output_limit", f"printed over {self._limits.flood_bytes} bytes")

    def _flush(self) -> None:
        with contextlib.suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):
            while self._unsent:
                self._unsent = self._unsent[self._handles.data.send(self._unsent[: 4 * CHUNK]) :]

    def _hear_data(self, poller: select.poll) -> None:
        if self._unsent:
            self._flush()
            if not self._unsent:
                poller.modify(self._handles.data, select.POLLIN)
        try:
            data = self._handles.data.recv(CHUNK)
        except BlockingIOError:
            return
        except ConnectionResetError:
            data = b""
        if not data:  # the supervisor's report may be on its way
            poller.unregister(self._handles.data)
            self._stopped = self._stopped or ("protocol_error", "the result channel was closed")
            self._limit_wait(LAST_WORD_S)
            return
        try:
            self._reader.feed(data)
            while self._answer is None and (frame := self._reader.next()) is not None:
                if frame.kind == wire.CALL and frame.id == self._id:
                    self._serve_call(frame, poller)
                else:
                    self._answer = self._judge(frame)
            self._settle()
        except (ValueError, IndexError) as error:
            self._ending = self._breach(f"a malformed frame: {error}")

    def _serve_call(self, frame: wire.Frame, poller: select.poll) -> None:
        """Answer a call from inside; what it says is a claim, as all that comes from there."""
        serial, text = frame.fields
        if self._stopped or len(self._unsent) > UNSENT_BYTES:
            return  # interrupted, or it asks without listening: no answer, and time runs out
        if self._handler is None:
            answer, status = "the host offers no calls in this session", b"none"
        else:
            answer, status = self._handler(text.decode("utf-8", "replace")), b"ok"
        content = answer.encode("utf-8", "surrogatepass")
        self._unsent += wire.pack(self._id, wire.REPLY, serial, status, content)
        self._flush()
        if self._unsent:
            poller.modify(self._handles.data, select.POLLIN | select.POLLOUT)

    def _settle(self) -> None:
        """End with the answer, once no interrupt is left that could strike the next call."""
        if self._answer and not (self._interrupting and self._answer.session_alive):
            self._ending = self._answer

    def _judge(self, frame: wire.Frame) -> ExecResult:
        """Turn the interpreter's claim into a result; what the host saw itself comes first."""
        if frame.kind != wire.DONE or frame.id != self._id or self._reader.pending:
            return self._breach("a frame that does not answer this call")
        outcome, result, kind, exception = frame.fields
        status = OUTCOMES.get(outcome)
        if status is None:
            return self._breach("an unknown outcome")
        detail = ""
        if status != "ok":
            detail = kind.decode("utf-8", "replace")
            status = "oom" if kind == b"MemoryError" else status
        if self._stopped:
            status, detail = self._stopped
        cut = result[:1] == b"-" or exception[:1] == b"-"
        return ExecResult(
            status,
            result=result[1:].decode("utf-8", "replace") if result else None,
            exception=exception[1:].decode("utf-8", "replace") if kind else None,
            truncated=cut,
            detail=detail,
        )

    def _hear_control(self) -> None:
        try:
            message = self._handles.control.recv(CHUNK)
        except BlockingIOError:
            return
        except ConnectionResetError:
            message = b""
        if message == b"I":
            self._interrupting = False
            self._settle()
        elif message[:1] == b"X":
            self._ending = self._dead(SIZE.unpack(message[1:9])[0])
        else:
            detail = "the session's supervisor ended"
            self._ending = ExecResult("sandbox_error", session_alive=False, detail=detail)

    def _dead(self, wait_status: int) -> ExecResult:
        """Say how the interpreter died, unless we had stopped it."""
        code = os.waitstatus_to_exitcode(wait_status)
        status, detail = _signal_verdict(-code) if code < 0 else _exit_verdict(code)
        if self._stopped and self._stopped[0] != "protocol_error":
            status, detail = self._stopped
        return ExecResult(status, session_alive=False, detail=detail)

    def _interrupt(self, status: Status, detail: str) -> None:
        self._stopped = (status, detail)
        self._interrupting = True
        with contextlib.suppress(OSError):
            self._handles.control.send(b"I")
        self._deadline = time.monotonic() + self._limits.grace_s

    def _limit_wait(self, seconds: float) -> None:
        self._deadline = min(self._deadline, time.monotonic() + seconds)

    def _out_of_time(self) -> None:
        if self._stopped is None:
            self._interrupt("timeout", f"timed out after {self._timeout_s:g} s")
            return
        status, detail = self._stopped
        self._ending = ExecResult(status, session_alive=False, detail=f"{detail}; killed")

    def _breach(self, what: str) -> ExecResult:
        return ExecResult("protocol_error", session_alive=False, detail=what)

    def _finish(self, ending: ExecResult) -> ExecResult:
        """Kill what must not live on, then add the output that was written before the end."""
        if self._handles.out_of_memory():  # whatever the code made of a child's death
            detail = "the session used up its memory, and the kernel killed a process of it"
            ending = replace(ending, status="oom", session_alive=False, detail=detail)
        if not ending.session_alive:
            self._handles.kill()
            self._handles.wait_gone(DEATH_WAIT_S)
        for stream in (self._out, self._err):
            for _ in range(64):  # a pipe holds 64 kB, at most 1 MB; a thread may go on writing
                if not stream.read():
                    break
        return replace(
            ending,
            stdout=self._out.text,
            stderr=self._err.text,
            truncated=ending.truncated or self._out.cut or self._err.cut,
            duration_s=time.monotonic() - self._start,
        )


def readable(line: socket.socket) -> bool:
    """Say whether something waits to be read, without waiting."""
    poller = select.poll()
    poller.register(line, select.POLLIN)
    return bool(poller.poll(0))


def _signal_verdict(number: int) -> tuple[Status, str]:
    if number == signal.SIGXCPU:
        return "timeout", "used up its processor time"
    try:
        return "crashed", f"killed by {signal.Signals(number).name}"
    except ValueError:
        return "crashed", f"killed by signal {number}"


def _exit_verdict(code: int) -> tuple[Status, str]:
    return "exited", f"exit code {code}"
