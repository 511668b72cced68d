"""Several streams on one: a channel, a length, the bytes. For both ends of a container's line."""

from __future__ import annotations

import struct
from collections.abc import Iterator

__all__ = ["CONTROL", "DATA", "ERR", "GRANT", "OUT", "STARVED", "WINDOW", "Unmixer", "mix"]

CONTROL, DATA, OUT, ERR, GRANT = range(5)
STARVED = b"M"  # a control message for the relay alone: the kernel killed for want of memory
WINDOW = 64 * 1024  # bytes of a stream on the way at most, so that one cannot block the others
HEADER = struct.Struct("!BI")


def mix(channel: int, data: bytes) -> bytes:
    """Write a packet; one without bytes says that the channel has ended."""
    return HEADER.pack(channel, len(data)) + data


class Unmixer:
    """Cuts a stream into packets."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Take bytes and give each packet that is now whole: channel and content."""
        self._buffer += data
        while len(self._buffer) >= HEADER.size:
            channel, size = HEADER.unpack_from(self._buffer)
            end = HEADER.size + size
            if len(self._buffer) < end:
                return
            packet = bytes(self._buffer[HEADER.size : end])
            del self._buffer[:end]
            yield channel, packet
