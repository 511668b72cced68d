"""The host's end of a container's line: a thread parts it into the descriptors of a session."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import struct
import threading
from collections import deque

from agentgym_sandbox import muxer

__all__ = ["Relay"]

CHUNK = 256 * 1024
ENGINE_HEADER = struct.Struct("!BxxxI")  # 1: standard output, 2: standard error; length
KEPT_ERRORS = 4096


class Relay(threading.Thread):
    """Moves bytes between an attached container and what `Exchange` and `LocalSession` use.

    It never waits to write to the host's side: output that nobody reads waits here, at most a
    window of it, and frames and the report of a death wait behind the output before them.

    Args:
        line: The attached stream.

    Attributes:
        line: The attached stream.
        control: The host's end of the control line.
        data: The host's end of the interpreter's frames.
        out: Descriptor of standard output.
        err: Descriptor of standard error.
        errors: What the container's first process said before it could speak properly.
        starved: Whether the kernel has killed a process in there for want of memory; it is set
            before the host can read what that came to.
    """

    def __init__(self, line: socket.socket) -> None:
        super().__init__(name="sandbox-relay", daemon=True)
        self.line = line
        self.line.settimeout(None)
        self.control, self._control = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.data, self._data = socket.socketpair()
        self.out, out = os.pipe()
        self.err, err = os.pipe()
        self._pipes = {muxer.OUT: out, muxer.ERR: err}
        self._pending = {muxer.OUT: deque[bytes](), muxer.ERR: deque[bytes]()}
        self._held: deque[tuple[int, bytes]] = deque()
        self._unmixer = muxer.Unmixer()
        self._raw = bytearray()
        self.errors = b""
        self.starved = False
        for fd in self._pipes.values():
            os.set_blocking(fd, False)

    def run(self) -> None:
        """Move bytes until one side ends."""
        try:
            while self._step():
                pass
        except OSError:
            pass  # either side went away: the same end
        finally:
            self._end()

    def _step(self) -> bool:
        poller = select.poll()
        for end in (self.line, self._control, self._data):
            if end.fileno() >= 0:
                poller.register(end, select.POLLIN)
        for channel, fd in self._pipes.items():
            if self._pending[channel]:
                poller.register(fd, select.POLLOUT)
        ready = {fd for fd, _ in poller.poll()}
        if self.line.fileno() in ready and not self._hear_container():
            return False
        if self._control.fileno() in ready:
            message = self._control.recv(CHUNK)
            if not message:
                return False
            self._tell(muxer.CONTROL, message)
        if self._data.fileno() in ready and (data := self._data.recv(CHUNK)):
            self._tell(muxer.DATA, data)
        self._flush()
        return True

    def _tell(self, channel: int, data: bytes) -> None:
        self.line.sendall(muxer.mix(channel, data))

    def _hear_container(self) -> bool:
        data = self.line.recv(CHUNK)
        self._raw += data
        while len(self._raw) >= ENGINE_HEADER.size:
            stream, size = ENGINE_HEADER.unpack_from(self._raw)
            end = ENGINE_HEADER.size + size
            if len(self._raw) < end:
                break
            content = bytes(self._raw[ENGINE_HEADER.size : end])
            del self._raw[:end]
            if stream == 2:
                self.errors = (self.errors + content)[-KEPT_ERRORS:]
                continue
            for channel, packet in self._unmixer.feed(content):
                self._deliver(channel, packet)
        return bool(data)

    def _deliver(self, channel: int, packet: bytes) -> None:
        if channel in self._pipes:
            self._pending[channel].append(packet)
        elif channel == muxer.CONTROL and packet == muxer.STARVED:
            self.starved = True
        elif channel == muxer.CONTROL and packet[:1] != b"X":
            self._control.send(packet)
        else:
            self._held.append((channel, packet))

    def _flush(self) -> None:
        for channel in list(self._pipes):
            self._flush_output(channel)
        if not any(self._pending.values()):
            self._release()

    def _flush_output(self, channel: int) -> None:
        waiting = self._pending[channel]
        while waiting:
            packet = waiting.popleft()
            if not packet:  # the code closed the stream
                os.close(self._pipes.pop(channel))
                return
            try:
                written = os.write(self._pipes[channel], packet)
            except BlockingIOError:
                written = 0
            if written:
                self._grant(channel, written)
            if written < len(packet):
                waiting.appendleft(packet[written:])
                return

    def _release(self) -> None:
        """Hand on what waited for the output before it; the host reads all of it, or has ended."""
        while self._held:
            channel, packet = self._held.popleft()
            if channel == muxer.CONTROL:
                self._control.send(packet)
            elif packet:
                self._data.sendall(packet)
                self._grant(channel, len(packet))
            else:
                self._data.shutdown(socket.SHUT_WR)

    def _grant(self, channel: int, size: int) -> None:
        self._tell(muxer.GRANT, bytes([channel]) + size.to_bytes(4))

    def _end(self) -> None:
        with contextlib.suppress(OSError):
            self._flush()
        with contextlib.suppress(OSError):
            self._release()
        for end in (self.line, self._control, self._data):
            end.close()
        for fd in self._pipes.values():
            os.close(fd)
