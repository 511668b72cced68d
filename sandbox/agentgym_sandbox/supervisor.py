"""The first process of a session: trusted, holds the control line, and its end is everyone's end.

It interrupts the interpreter, reads and writes files for the host, reports how the interpreter
died, and exits; the kernel then kills every process of the pid namespace. Messages on the control
line, a sequenced-packet socket, start with one byte:

    host -> here    I interrupt;  G path: read a file;  P size path: write one, then its bytes;
                    N id: end all code and begin anew, then F with the streams of the next
    here -> host    E error at the start;  I interrupted;  D data;  K done;  R refused;
                    N no such file, or all has ended;  F failed;  X how the interpreter died
"""

from __future__ import annotations

import errno
import os
import select
import signal
import socket
import stat
import struct
from collections.abc import Callable, Iterator

from agentgym_sandbox import kernel

__all__ = ["CHUNK", "LocalSupervisor", "Supervisor", "reap"]

CHUNK = 65_536
SIZE = struct.Struct("!Q")
REFUSED = {errno.ELOOP, errno.EXDEV, errno.ENXIO, errno.ENOTDIR, errno.EISDIR, errno.EWOULDBLOCK}


class Supervisor:
    """What every supervisor does: interrupt the interpreter, and move files.

    Args:
        control: Descriptor of the line to the host; nobody else holds this end.
        folder: Descriptor of the work folder.
        get_bytes: Files above this size are refused.
    """

    def __init__(self, control: int, folder: int, get_bytes: int) -> None:
        self._control = control
        self._folder = folder
        self._get_bytes = get_bytes
        self._worker = -1

    # Plain reads and writes carry whole packets too, and are cheaper than a socket object.

    def _send(self, message: bytes) -> None:
        os.write(self._control, message)

    def _receive(self) -> bytes:
        return os.read(self._control, CHUNK)

    def _obey(self, message: bytes) -> bool:
        """Do what one message says; false at the end of the line."""
        if message == b"I":
            os.kill(self._worker, signal.SIGINT)
            self._send(b"I")
        elif message[:1] == b"G":
            self._reply(self._read(message[1:]))
        elif message[:1] == b"P":
            self._reply(self._write(message[9:], SIZE.unpack(message[1:9])[0]))
        return bool(message)

    def _reply(self, messages: Iterator[bytes]) -> None:
        try:
            for message in messages:
                self._send(message)
        except OSError as error:
            if error.errno == errno.ENOENT:
                self._send(b"N")
            else:
                kind = b"R" if error.errno in REFUSED else b"F"
                self._send(kind + (error.strerror or "failed").encode())

    def _read(self, path: bytes) -> Iterator[bytes]:
        fd = kernel.open_beneath(self._folder, path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            _refuse_unless_plain(fd)
            left = self._get_bytes
            while left > 0 and (data := os.read(fd, min(CHUNK, left))):
                left -= len(data)
                yield b"D" + data
            yield b"K"
        finally:
            os.close(fd)

    def _write(self, path: bytes, size: int) -> Iterator[bytes]:
        """Write a file; the bytes are taken from the line even when they cannot be kept."""
        failure: OSError | None = None
        fd = -1
        try:
            fd = _create(self._folder, path)
            _refuse_unless_plain(fd)
            os.truncate(fd, 0)
        except OSError as error:
            failure = error
        while size > 0:
            data = self._receive()
            if not data:
                return
            size -= len(data)
            try:
                while data and failure is None:
                    data = data[os.write(fd, data) :]
            except OSError as error:
                failure = error
        if fd >= 0:
            os.close(fd)
        if failure is not None:
            raise failure
        yield b"K"


class LocalSupervisor(Supervisor):
    """Serves one session after the other until the host, or an interpreter, ends.

    Args:
        control: As for `Supervisor`.
        folder: As for `Supervisor`.
        get_bytes: As for `Supervisor`.
        owner: A pidfd of the host's process, readable once it is dead.
        start: Forks an interpreter, from a session id and its streams, and gives its process id.
        look: Takes a picture of what code may leave behind; None where nothing begins anew.
    """

    def __init__(
        self,
        control: int,
        folder: int,
        get_bytes: int,
        owner: int,
        start: Callable[[bytes, list[int]], int],
        look: Callable[[], object] | None,
    ) -> None:
        super().__init__(control, folder, get_bytes)
        self._owner = owner
        self._start = start
        self._look = look
        self._before = look() if look else None

    def serve(self, session_id: bytes, streams: list[int], wake: int) -> None:
        """Start an interpreter and answer until the end, which is that of every process here.

        Args:
            session_id: With which the interpreter says that it is ready.
            streams: Its data line, stdout and stderr; they are closed here.
            wake: Descriptor that becomes readable on SIGCHLD.
        """
        self._begin(session_id, streams)
        poller = select.poll()
        for fd in (self._control, self._owner, wake):
            poller.register(fd, select.POLLIN)
        while True:
            ready = {fd for fd, _ in poller.poll()}
            if self._owner in ready:
                return
            if wake in ready:
                os.read(wake, 4096)
                status = reap(self._worker)
                if status is not None:
                    self._send(b"X" + SIZE.pack(status))
                    return
            if self._control in ready and not self._obey(self._receive()):
                return

    def _begin(self, session_id: bytes, streams: list[int]) -> None:
        self._worker = self._start(session_id, streams)
        for fd in streams:
            os.close(fd)

    def _obey(self, message: bytes) -> bool:
        if message[:1] == b"N":
            return self._renew(message[1:])
        return super()._obey(message)

    def _renew(self, session_id: bytes) -> bool:
        """Kill all code; begin anew if it has left no trace, else this is the end."""
        line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, fileno=self._control)
        _, streams, _, _ = socket.recv_fds(line, 1, 3)
        line.detach()
        if self._look is None:  # no namespace of processes: to kill all would be to kill the host's
            return False
        os.kill(-1, signal.SIGKILL)
        _await_all()
        if self._look() != self._before:
            return False
        self._send(b"N")
        self._begin(session_id, streams)
        return True


def _await_all() -> None:
    """Wait until this process has no children; those of others become its own as those die."""
    try:
        while True:
            os.waitpid(-1, 0)
    except ChildProcessError:
        return


def reap(worker: int) -> int | None:
    """Collect dead processes; give the interpreter's wait status if it is among them."""
    found = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if pid == 0:
            return found
        if pid == worker:
            found = status


def _refuse_unless_plain(fd: int) -> None:
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        raise OSError(errno.ELOOP, "not a plain file")


def _create(folder: int, path: bytes) -> int:
    """Open a file for writing below a folder, making the folders on the way."""
    *parents, _ = path.split(b"/")
    for depth in range(1, len(parents) + 1):
        _make_folder(folder, b"/".join(parents[:depth]))
    return kernel.open_beneath(folder, path, os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK, 0o644)


def _make_folder(folder: int, path: bytes) -> None:
    above, _, name = path.rpartition(b"/")
    parent = kernel.open_beneath(folder, above or b".", os.O_PATH | os.O_DIRECTORY)
    try:
        os.mkdir(name, 0o755, dir_fd=parent)
    except FileExistsError:
        pass  # what it is, the next step finds out
    finally:
        os.close(parent)
