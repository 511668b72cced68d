"""Frames between host and interpreter: a length cap, a kind, a random id, fields of bytes.

No pickle and no JSON: nothing here runs code, recurses or calls what the code may have patched.
"""

from __future__ import annotations

import builtins
import struct
from dataclasses import dataclass

__all__ = [
    "CALL",
    "CALL_BYTES",
    "DONE",
    "EXECUTE",
    "GOOD_BYE",
    "HEADER",
    "ID_BYTES",
    "READY",
    "REPLY",
    "Frame",
    "FrameReader",
    "pack",
]

# The interpreter shares its process with hostile code, which may patch the builtins: keep our own.
globals()["__builtins__"] = dict(vars(builtins))

ID_BYTES = 16
GOOD_BYE = b"Q"  # to the zygote: the host needs no more sessions, and lives on
EXECUTE, DONE, READY, CALL, REPLY = 1, 2, 3, 4, 5
CALL_BYTES = 1024 * 1024  # of what code sends to the host in one call

HEADER = struct.Struct(f"!I{ID_BYTES}sBB")  # bytes of the body, id, kind, number of fields
_LENGTH = struct.Struct("!I")


@dataclass(frozen=True, slots=True)
class Frame:
    """One message; `fields` mean what `kind` says."""

    id: bytes
    kind: int
    fields: tuple[bytes, ...]


def pack(request_id: bytes, kind: int, *fields: bytes) -> bytes:
    """Write a frame."""
    body = b"".join([_LENGTH.pack(len(field)) + field for field in fields])
    return HEADER.pack(len(body), request_id, kind, len(fields)) + body


def _split(body: bytes, count: int) -> tuple[bytes, ...]:
    fields, at = [], 0
    for _ in range(count):
        if at + 4 > len(body):
            raise ValueError("a field's length is missing")
        end = at + 4 + int(_LENGTH.unpack_from(body, at)[0])
        if end > len(body):
            raise ValueError("a field is longer than its frame")
        fields.append(body[at + 4 : end])
        at = end
    if at != len(body):
        raise ValueError("bytes left over in a frame")
    return tuple(fields)


class FrameReader:
    """Cuts a stream of bytes into frames; never holds more than one frame of the cap."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._buffer = bytearray()

    @property
    def pending(self) -> bool:
        """Whether part of a frame is waiting for its rest."""
        return bool(self._buffer)

    def feed(self, data: bytes) -> None:
        """Take bytes from the stream."""
        self._buffer += data

    def next(self) -> Frame | None:
        """Give the next whole frame, or None until more bytes are fed.

        Raises:
            ValueError: If the bytes are no frame, or one above the cap.
        """
        if len(self._buffer) < HEADER.size:
            return None
        size, request_id, kind, count = HEADER.unpack_from(self._buffer)
        if size > self._limit:
            raise ValueError(f"a frame of {size} bytes; the limit is {self._limit}")
        end = HEADER.size + size
        if len(self._buffer) < end:
            return None
        body = bytes(self._buffer[HEADER.size : end])
        del self._buffer[:end]
        return Frame(request_id, kind, _split(body, count))
