"""The first process of a session: trusted, holds the control line, and its end is everyone's end.

It interrupts the interpreter, reads and writes files for the host, reports how the interpreter
died, and exits; the kernel then kills every process of the pid namespace. Messages on the control
line, a sequenced-packet socket, start with one byte:

    host -> here    I interrupt;  G path: read a file;  P size path: write one, then its bytes
    here -> host    E error at the start;  I interrupted;  D data;  K done;  R refused;
                    N no such file;  F failed;  X how the interpreter died
"""

from __future__ import annotations

import errno
import os
import select
import signal
import stat
import struct
from collections.abc import Iterator

from agentgym_sandbox import kernel

__all__ = ["CHUNK", "Supervisor", "reap"]

CHUNK = 65_536
SIZE = struct.Struct("!Q")
REFUSED = {errno.ELOOP, errno.EXDEV, errno.ENXIO, errno.ENOTDIR, errno.EISDIR, errno.EWOULDBLOCK}


class Supervisor:
    """Serves one session's control line until the host or the interpreter ends.

    Args:
        control: Descriptor of the line to the host; nobody else holds this end.
        owner: A pidfd of the host's process, readable once it is dead.
        folder: Descriptor of the work folder.
        get_bytes: Files above this size are refused.
    """

    def __init__(self, control: int, owner: int, folder: int, get_bytes: int) -> None:
        self._control = control
        self._owner = owner
        self._folder = folder
        self._get_bytes = get_bytes

    def serve(self, worker: int, wake: int) -> None:
        """Answer until the end; returning is the end of every process of the session.

        Args:
            worker: Process id of the interpreter.
            wake: Descriptor that becomes readable on SIGCHLD.
        """
        poller = select.poll()
        for fd in (self._control, self._owner, wake):
            poller.register(fd, select.POLLIN)
        while True:
            ready = {fd for fd, _ in poller.poll()}
            if self._owner in ready:
                return
            if wake in ready:
                os.read(wake, 4096)
                status = reap(worker)
                if status is not None:
                    self._send(b"X" + SIZE.pack(status))
                    return
            if self._control in ready and not self._handle(worker):
                return

    # Plain reads and writes carry whole packets too, and are cheaper than a socket object.

    def _send(self, message: bytes) -> None:
        os.write(self._control, message)

    def _receive(self) -> bytes:
        return os.read(self._control, CHUNK)

    def _handle(self, worker: int) -> bool:
        return self._obey(self._receive(), worker)

    def _obey(self, message: bytes, worker: int) -> bool:
        """Do what one message says; false at the end of the line."""
        if message == b"I":
            os.kill(worker, signal.SIGINT)
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
