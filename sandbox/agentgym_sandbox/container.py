"""The first process of a container: the supervisor's work, with all lines of a session on one.

The engine gives a container standard input and output and nothing else, so control messages, the
interpreter's frames and its output share them. The host grants a window of bytes to each of the
interpreter's streams: what is not read, the interpreter cannot write.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import resource
import select
import signal
import socket
import sys
from collections import deque
from typing import Any, NoReturn

from agentgym_sandbox import interpreter, kernel, kills, launch, muxer, root, seccomp, supervisor

__all__ = ["main"]

CHUNK = 65_536
LAST_READS = 64  # of what a dead interpreter has left in a pipe
MEMORY_UNIT = 1024 * 1024
# Of the container's own control group, by version 2 and 1; a runtime may show neither.
EVENTS = ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control")
FIRST_TO_GO = "1000"


def main(boot: dict[str, Any]) -> NoReturn:
    """Serve one session, then end the container.

    Args:
        boot: The settings, with the session's `id` in hexadecimal and its `environment`.
    """
    try:
        session_id = bytes.fromhex(boot.pop("id"))
        os.environ.clear()
        os.environ.update(boot.pop("environment"))
        settings = launch.Settings(**boot)
        os.makedirs(root.HOME, 0o755, exist_ok=True)
        folder = root.enter(root.HOME)
        sys.path.insert(0, "")
        for name in settings.preload:
            importlib.import_module(name)
        kernel.drop_capabilities()
        kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
        seccomp.session_filter().install()
        _Gate(folder, settings, session_id).run()
    except BaseException as error:  # noqa: BLE001 - the host raises it, with the text
        text = f"E{type(error).__name__}: {error}".encode()[:60_000]
        os.write(1, muxer.mix(muxer.CONTROL, text))
    finally:
        os._exit(0)


class _Gate(supervisor.Supervisor):
    """A supervisor that also carries the interpreter's streams."""

    def __init__(self, folder: int, settings: launch.Settings, session_id: bytes) -> None:
        super().__init__(0, folder, settings.disk_mb * MEMORY_UNIT)
        self._unmixer = muxer.Unmixer()
        self._messages: deque[bytes] = deque()
        self._poller = select.poll()
        self._wake = _wake_on_child()
        self._events = _memory_events()
        self._starved = False
        self._data, theirs = socket.socketpair()
        (out, their_out), (err, their_err) = os.pipe(), os.pipe()
        ends = (theirs.fileno(), their_out, their_err)
        self._worker = os.fork()
        if self._worker == 0:
            _become_interpreter(settings, session_id, ends)
        theirs.close()
        for fd in ends[1:]:
            os.close(fd)
        kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
        self._streams = {self._data.fileno(): muxer.DATA, out: muxer.OUT, err: muxer.ERR}
        self._open = set(self._streams)
        self._windows = dict.fromkeys(self._streams.values(), muxer.WINDOW)
        for fd in self._streams:
            os.set_blocking(fd, False)

    def run(self) -> None:
        """Answer until the host or the interpreter ends."""
        for fd in (0, self._wake):
            self._poller.register(fd, select.POLLIN)
        while True:
            watched = self._watch()
            ready = {fd for fd, _ in self._poller.poll()}
            for fd in watched:
                self._poller.unregister(fd)
            if self._wake in ready:
                os.read(self._wake, 4096)
                status = supervisor.reap(self._worker)
                if status is not None:
                    self._last_words(status)
                    return
            if 0 in ready and not self._hear_host():
                return
            self._forward(ready)

    def _watch(self) -> list[int]:
        """Register the streams that may be read; frames wait until the output before them left."""
        blocked = not (self._windows[muxer.OUT] and self._windows[muxer.ERR])
        watched = []
        for fd in self._open:
            channel = self._streams[fd]
            if self._windows[channel] > 0 and not (channel == muxer.DATA and blocked):
                self._poller.register(fd, select.POLLIN)
                watched.append(fd)
        return watched

    def _hear_host(self) -> bool:
        data = os.read(0, CHUNK)
        self._take(data)
        while self._messages:
            if not self._obey(self._messages.popleft()):
                return False
        return bool(data)

    def _take(self, data: bytes) -> None:
        for channel, content in self._unmixer.feed(data):
            if channel == muxer.CONTROL:
                self._messages.append(content)
            elif channel == muxer.DATA:
                self._to_worker(content)
            elif channel == muxer.GRANT:
                self._windows[content[0]] += int.from_bytes(content[1:])

    def _to_worker(self, content: bytes) -> None:
        """Hand code over; an interpreter that does not read has its session killed by the host."""
        try:
            self._data.setblocking(True)
            self._data.sendall(content)
        except OSError:
            return  # it has ended: SIGCHLD says so
        finally:
            self._data.setblocking(False)

    def _forward(self, ready: set[int]) -> None:
        if any(self._streams.get(fd) == muxer.DATA for fd in ready):
            ready = ready | self._open
        for fd, channel in reversed(self._streams.items()):  # the frames last
            if channel == muxer.DATA and not (
                self._windows[muxer.OUT] and self._windows[muxer.ERR]
            ):
                return
            while fd in ready & self._open and self._windows[channel] > 0:
                if not self._forward_one(fd, channel, min(CHUNK, self._windows[channel])):
                    break

    def _forward_one(self, fd: int, channel: int, size: int) -> bool:
        try:
            data = os.read(fd, size)
        except BlockingIOError:
            return False
        except ConnectionResetError:
            data = b""
        if channel == muxer.DATA:
            self._tell_starvation()
        if not data:
            self._open.discard(fd)
        self._windows[channel] -= len(data)
        _write_all(muxer.mix(channel, data))
        return bool(data)

    def _tell_starvation(self) -> None:
        """Say once that memory ran out, ahead of any answer or report of a death."""
        if not self._starved and self._events >= 0 and kills.count(self._events):
            self._starved = True
            self._send(muxer.STARVED)

    def _last_words(self, status: int) -> None:
        self._tell_starvation()
        for fd, channel in reversed(self._streams.items()):
            for _ in range(LAST_READS):
                if fd not in self._open or not self._forward_one(fd, channel, CHUNK):
                    break
        self._send(b"X" + supervisor.SIZE.pack(status))

    def _send(self, message: bytes) -> None:
        _write_all(muxer.mix(muxer.CONTROL, message))

    def _receive(self) -> bytes:
        while not self._messages:
            data = os.read(0, CHUNK)
            if not data:
                return b""
            self._take(data)
        return self._messages.popleft()


def _write_all(data: bytes) -> None:
    while data:
        data = data[os.write(1, data) :]


def _volunteer() -> None:
    """Ask to be killed before the supervisor, who has to tell of it, where memory runs out."""
    with (
        contextlib.suppress(OSError),  # not every runtime has it
        open("/proc/self/oom_score_adj", "w", encoding="ascii") as file,
    ):
        file.write(FIRST_TO_GO)


def _memory_events() -> int:
    for path in EVENTS:
        try:
            return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            continue
    return -1


def _wake_on_child() -> int:
    reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # for pid 1 that means: ignored
    return reading


def _become_interpreter(
    settings: launch.Settings, session_id: bytes, ends: tuple[int, int, int]
) -> NoReturn:
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        _volunteer()
        null = os.open("/dev/null", os.O_RDONLY)
        high = [os.dup2(fd, 100 + at) for at, fd in enumerate((null, *ends[1:], ends[0]))]
        for target, fd in enumerate(high):
            os.dup2(fd, target, inheritable=target < 3)
        os.closerange(4, 65_536)
        for name, bounds in launch.process_limits(settings):
            resource.setrlimit(name, bounds)
        worker = interpreter.Interpreter(3, settings.output_bytes)
        with open("/proc/self/statm", encoding="ascii") as file:
            used = int(file.read().split()[0]) * resource.getpagesize()
        worker.memory_bytes = used + settings.memory_mb * MEMORY_UNIT
        for module in [m for m in sys.modules if m.startswith("agentgym_sandbox")]:
            del sys.modules[module]
        gc.collect()
        worker.serve(session_id)
    finally:
        os._exit(interpreter.LOST_CHANNEL)
