"""Frames: what is said comes out whole, however the stream is cut; what is no frame is noticed."""

import asyncio
import struct
from typing import Any, cast

import orjson
import pytest
from hypothesis import event, example, given
from hypothesis import strategies as st

from warrener_workers.frames import LONGEST, BrokenFrame, Frame, FrameLink, Kind, Splitter, encode

words = st.text(st.characters(codec="utf-8"), max_size=10)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=5,
)
frames = st.builds(
    Frame,
    st.sampled_from(Kind),
    st.dictionaries(words, json_values, max_size=4),
    st.binary(max_size=200),
)


@given(st.lists(frames, max_size=8), st.data())
def test_frames_come_out_the_same_wherever_the_stream_is_cut(
    said: list[Frame], data: st.DataObject
) -> None:
    stream = b"".join(map(encode, said))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    splitter, heard = Splitter(), []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        heard += splitter.feed(stream[start:end])
    assert heard == said


@given(frames)
def test_a_frame_comes_out_with_its_last_byte(frame: Frame) -> None:
    splitter, stream = Splitter(), encode(frame)
    heard = [splitter.feed(stream[n : n + 1]) for n in range(len(stream))]
    assert heard == [*[[]] * (len(stream) - 1), [frame]]


@given(st.lists(st.binary(max_size=40), max_size=8))
@example([b"\0\0\0\0"])
@example([struct.pack(">IBI", 5, 1, 0)])
@example([struct.pack(">IBI", 7, 1, 2) + b"[]"])
@example([struct.pack(">IBI", 7, 99, 2) + b"{}"])
@example([struct.pack(">IBI", 7, 1, 2) + b"\xff\xff"])
def test_bytes_that_are_no_frames_are_broken_or_not_enough(pieces: list[bytes]) -> None:
    splitter = Splitter()
    try:
        for piece in pieces:
            assert all(isinstance(frame, Frame) for frame in splitter.feed(piece))
    except BrokenFrame:
        event("broken")
    else:
        event("not enough")


@pytest.mark.parametrize(
    "stream, reason",
    [
        (struct.pack(">IBI", LONGEST + 1, 1, 2), "lengths"),
        (struct.pack(">IBI", 6, 1, 2), "lengths 6 and 2"),
        (struct.pack(">IBI", 0, 1, 0), "lengths"),
        (struct.pack(">IBI", 5, 1, 0), "empty"),
        (struct.pack(">IBI", 7, 1, 2) + b"[]", "the header is no object"),
        (struct.pack(">IBI", 7, 99, 2) + b"{}", "99"),
        (struct.pack(">IBI", 7, 1, 2) + b"{x", "unexpected|JSON|expected"),
    ],
)
def test_a_broken_frame_says_what_is_wrong(stream: bytes, reason: str) -> None:
    with pytest.raises(BrokenFrame, match=reason):
        Splitter().feed(stream)


def test_a_length_beyond_the_longest_is_refused_before_it_is_waited_for() -> None:
    with pytest.raises(BrokenFrame):
        Splitter().feed(struct.pack(">IBI", 2**32 - 1, 1, 2))


class Wire(asyncio.Transport):
    """A transport that notes what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.closed = False

    def write(self, data: Any) -> None:
        self.writes.append(bytes(data))

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True


class End:
    """One end of a link, with what it was told."""

    def __init__(self) -> None:
        self.heard: list[list[Frame]] = []
        self.lost: list[str] = []
        self.link = FrameLink(self.heard.append, self.lost.append)
        self.wire = Wire()
        self.link.connection_made(self.wire)


async def turn() -> None:
    """Let everything that is due on the loop happen."""
    done = asyncio.Event()
    asyncio.get_running_loop().call_soon(done.set)
    await done.wait()


async def test_what_is_said_in_one_turn_of_the_loop_leaves_in_one_write() -> None:
    end = End()
    for n in range(100):
        end.link.say(Kind.RUN, {"n": n}, b"body")
    assert end.wire.writes == []
    await turn()
    end.link.say(Kind.STOP, {})
    await turn()
    assert [len(Splitter().feed(write)) for write in end.wire.writes] == [100, 1]


async def test_frames_of_one_read_are_handed_on_together() -> None:
    end = End()
    said = [Frame(Kind.DONE, {"n": n}) for n in range(3)]
    stream = b"".join(map(encode, said))
    end.link.data_received(stream[:-1])
    end.link.data_received(stream[-1:])
    assert end.heard == [said[:2], said[2:]]


async def test_closing_sends_what_was_said_before() -> None:
    end = End()
    end.link.say(Kind.DONE, {"token": "t"})
    end.link.close()
    assert end.wire.closed
    assert Splitter().feed(b"".join(end.wire.writes)) == [Frame(Kind.DONE, {"token": "t"})]
    await turn()
    assert len(end.wire.writes) == 1


async def test_what_is_said_to_a_closed_end_is_dropped() -> None:
    end = End()
    end.link.close()
    end.link.say(Kind.DONE, {})
    await turn()
    assert end.wire.writes == []


async def test_a_lost_connection_is_told_with_its_reason() -> None:
    end = End()
    end.link.connection_lost(ConnectionResetError("reset by peer"))
    assert end.lost == ["reset by peer"]
    other = End()
    other.link.connection_lost(None)
    assert other.lost == ["its end was closed"]


async def test_bytes_that_are_no_frame_close_the_link_and_are_told_once() -> None:
    end = End()
    end.link.data_received(b"\0" * 20)
    assert end.wire.closed
    end.link.connection_lost(None)  # what asyncio calls after close()
    assert len(end.lost) == 1
    assert "no frame" in end.lost[0]


async def test_a_frame_that_json_cannot_hold_does_not_take_others_along() -> None:
    end = End()
    end.link.say(Kind.DONE, {"n": 1})
    with pytest.raises(TypeError):
        end.link.say(Kind.DONE, {"n": cast(Any, object())})
    end.link.say(Kind.DONE, {"n": 2})
    await turn()
    heard = Splitter().feed(b"".join(end.wire.writes))
    assert [frame.header["n"] for frame in heard] == [1, 2]


async def test_a_frame_is_its_length_kind_header_and_body() -> None:
    header = orjson.dumps({"token": "t"})
    expected = struct.pack(">IBI", 5 + len(header) + 4, 4, len(header)) + header + b"body"
    assert encode(Frame(Kind.DONE, {"token": "t"}, b"body")) == expected
