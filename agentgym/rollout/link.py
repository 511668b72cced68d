"""Numbered messages between two processes of ours, over a socket, in an event loop.

A frame is a length, a number and a pickle. Whoever can write to the socket can run code in the
reader: both ends are this library, of one user, and neither is more trusted than the other.

What is sent within one turn of the loop leaves with one system call, and whatever has arrived is
read with one: wake-ups are what the engine that samples in the same process pays for.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable

__all__ = ["Link"]

_HEADER = struct.Struct("!IQ")
_CHUNK_BYTES = 1 << 18


class Link:
    """One end.

    Args:
        end: Of a connected pair; the link owns it.
        heard: Called with number and payload of each frame.
        ended: Called once, when the other end is gone.
    """

    def __init__(
        self, end: socket.socket, heard: Callable[[int, bytes], None], ended: Callable[[], None]
    ) -> None:
        end.setblocking(False)
        self._socket = end
        self._heard = heard
        self._ended = ended
        self._loop: asyncio.AbstractEventLoop | None = None
        self._in = bytearray()
        self._out = bytearray()
        self._flushing = False

    def attach(self) -> None:
        """Let the running event loop read and write from now on; the last one is left."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._detach()
            self._loop, self._flushing = loop, bool(self._out)
            loop.add_reader(self._socket, self._read)
            if self._flushing:
                loop.call_soon(self._flush)

    def _detach(self) -> None:
        loop, self._loop = self._loop, None
        if loop is not None and not loop.is_closed():
            loop.remove_reader(self._socket)
            loop.remove_writer(self._socket)

    def send(self, number: int, payload: bytes) -> None:
        """Send a frame at the end of this turn of the loop; at once where the loop has ended."""
        self._out += _HEADER.pack(len(payload), number)
        self._out += payload
        if self._loop is None or self._loop.is_closed():
            self._flush()
        elif not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def close(self) -> None:
        """Close this end; the other one is told by it. Safe to call twice."""
        self._detach()
        self._socket.close()

    def _flush(self) -> None:
        self._flushing = False
        try:
            del self._out[: self._socket.send(self._out)]
        except BlockingIOError:
            pass
        except OSError:  # the other end is gone: reading tells
            self._out.clear()
        if self._loop is None or self._loop.is_closed():
            return
        if self._out:
            self._flushing = True
            self._loop.add_writer(self._socket, self._flush)
        else:
            self._loop.remove_writer(self._socket)

    def _read(self) -> None:
        try:
            chunk = self._socket.recv(_CHUNK_BYTES)
        except BlockingIOError:
            return
        except OSError:
            chunk = b""
        if chunk:
            self._in += chunk
            self._deliver()
        else:
            self.close()
            self._ended()

    def _deliver(self) -> None:
        at, have = 0, len(self._in)
        while have - at >= _HEADER.size:
            length, number = _HEADER.unpack_from(self._in, at)
            end = at + _HEADER.size + length
            if end > have:
                break
            self._heard(number, bytes(self._in[at + _HEADER.size : end]))
            at = end
        del self._in[:at]
