"""Frames round-trip whole or in pieces, and nothing else is taken for one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentgym_sandbox import wire

ID = bytes(range(wire.ID_BYTES))


@given(st.lists(st.binary(max_size=50), max_size=5), st.integers(1, 20))
def test_frame_survives_being_cut_anywhere(fields: list[bytes], step: int) -> None:
    data = wire.pack(ID, wire.DONE, *fields)
    reader = wire.FrameReader(1000)
    for at in range(0, len(data), step):
        assert reader.next() is None
        reader.feed(data[at : at + step])
    assert reader.next() == wire.Frame(ID, wire.DONE, tuple(fields))
    assert not reader.pending


def test_frame_above_the_cap_is_refused_before_its_body_came() -> None:
    reader = wire.FrameReader(10)
    reader.feed(wire.HEADER.pack(11, ID, wire.DONE, 0))
    with pytest.raises(ValueError, match="limit is 10"):
        reader.next()


@given(st.binary(min_size=wire.HEADER.size, max_size=60))
def test_reader_gives_a_frame_or_a_value_error_on_any_bytes(data: bytes) -> None:
    reader = wire.FrameReader(40)
    reader.feed(data)
    try:
        frame = reader.next()
    except ValueError:
        return
    assert (
        frame is None
        or wire.pack(frame.id, frame.kind, *frame.fields)
        == data[: len(data)][: len(wire.pack(frame.id, frame.kind, *frame.fields))]
    )


def test_frame_with_a_field_longer_than_itself_is_refused() -> None:
    reader = wire.FrameReader(100)
    reader.feed(wire.HEADER.pack(5, ID, wire.DONE, 1) + b"\x00\x00\x00\x09x")
    with pytest.raises(ValueError, match="longer than its frame"):
        reader.next()


def test_frame_with_bytes_left_over_is_refused() -> None:
    reader = wire.FrameReader(100)
    reader.feed(wire.HEADER.pack(2, ID, wire.DONE, 0) + b"xx")
    with pytest.raises(ValueError, match="left over"):
        reader.next()
