"""Cutting deliveries out of a stream: at every split point, among everything else that a broker sends."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pamqp import commands, frame
from pamqp.body import ContentBody
from pamqp.header import ContentHeader
from pamqp.heartbeat import Heartbeat

from warrener.diverting import Diverted, Diverter

PIECE = 50
"""Bytes of a body in one frame, so that short ones take several."""


def method(said: object, channel: int = 1) -> bytes:
    return bytes(frame.marshal(said, channel))  # type: ignore[arg-type]


def content(body: bytes, channel: int) -> bytes:
    header = ContentHeader(
        body_size=len(body),
        properties=commands.Basic.Properties(message_id="m", message_type="task"),
    )
    pieces = [body[at : at + PIECE] for at in range(0, len(body), PIECE)]
    frames = [method(header, channel), *(method(ContentBody(piece), channel) for piece in pieces)]
    return b"".join(frames)


def deliver(tag: int, body: bytes, *, channel: int = 1, consumer: str = "ours.0") -> bytes:
    said = commands.Basic.Deliver(consumer, tag, False, "warrener.jobs", f"key.{tag}")
    return method(said, channel) + content(body, channel)


def returned(body: bytes, channel: int = 1) -> bytes:
    return method(commands.Basic.Return(312, "NO_ROUTE", "x", "k"), channel) + content(
        body, channel
    )


class Seen:
    """What came out, in order."""

    def __init__(self, prefix: bytes = b"ours.") -> None:
        self.diverter = Diverter()
        self.diverter.prefix = prefix
        self.batches: list[Sequence[Diverted]] = []
        self.resets: list[int] = []
        self.diverter.sink = self.batches.append
        self.diverter.on_reset = self.resets.append
        self.passed = b""

    def feed(self, *pieces: bytes) -> Seen:
        for piece in pieces:
            self.passed += self.diverter.feed(piece)
        return self

    @property
    def got(self) -> list[tuple[int, int, bytes]]:
        return [(one.channel, one.tag, one.body) for batch in self.batches for one in batch]


HEART = method(Heartbeat(), 0)
STREAM = b"".join(
    [
        HEART,
        deliver(1, b"one"),
        method(commands.Basic.Ack(3, False)),
        deliver(2, b""),
        deliver(3, b"3" * (2 * PIECE + 1)),
        returned(b"back" * PIECE),
        deliver(1, b"other consumer", consumer="theirs.0"),
        deliver(4, b"four", channel=2),
        method(commands.Basic.CancelOk("ours.0")),
    ]
)
PASSES = b"".join(
    [
        HEART,
        method(commands.Basic.Ack(3, False)),
        returned(b"back" * PIECE),
        deliver(1, b"other consumer", consumer="theirs.0"),
        method(commands.Basic.CancelOk("ours.0")),
    ]
)
GOT = [(1, 1, b"one"), (1, 2, b""), (1, 3, b"3" * (2 * PIECE + 1)), (2, 4, b"four")]


@pytest.mark.parametrize("at", range(1, len(STREAM)))
def test_every_split_point(at: int) -> None:
    seen = Seen().feed(STREAM[:at], STREAM[at:])
    assert (seen.got, seen.passed) == (GOT, PASSES)


def test_one_byte_at_a_time() -> None:
    seen = Seen().feed(*(STREAM[at : at + 1] for at in range(len(STREAM))))
    assert (seen.got, seen.passed) == (GOT, PASSES)


def test_one_read_is_one_batch_with_all_that_is_known_of_each() -> None:
    seen = Seen().feed(STREAM)
    assert len(seen.batches) == 1
    first = seen.batches[0][0]
    assert (first.consumer, first.routing_key) == (b"ours.0", b"key.1")
    header = ContentHeader()
    header.unmarshal(first.header)
    assert (header.body_size, header.properties.message_type) == (3, "task")


def test_without_a_prefix_everything_passes() -> None:
    seen = Seen(prefix=b"").feed(STREAM)
    assert (seen.got, seen.passed) == ([], STREAM)


FRAMES = st.lists(
    st.one_of(
        st.builds(
            lambda tag, body, channel, ours: (
                deliver(tag, body, channel=channel, consumer="ours.1" if ours else "theirs"),
                (channel, tag, body) if ours else None,
            ),
            st.integers(1, 2**63 - 1),  # pamqp packs it as a signed number
            st.binary(max_size=3 * PIECE),
            st.integers(1, 3),
            st.booleans(),
        ),
        st.builds(lambda body: (returned(body), None), st.binary(max_size=2 * PIECE)),
        st.just((HEART, None)),
    ),
    max_size=12,
)


@settings(max_examples=200)
@given(FRAMES, st.data())
def test_any_stream_in_any_pieces(
    frames: list[tuple[bytes, tuple[int, int, bytes] | None]], data: st.DataObject
) -> None:
    stream = b"".join(part for part, _ in frames)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=9)))
    edges = [0, *cuts, len(stream)]
    seen = Seen().feed(*(stream[a:b] for a, b in pairwise(edges)))
    assert seen.got == [ours for _, ours in frames if ours]
    assert seen.passed == b"".join(part for part, ours in frames if ours is None)


def test_bodies_of_several_channels_that_come_in_turns() -> None:
    one, two = deliver(1, b"a" * 120, channel=1), deliver(2, b"b" * 120, channel=2)
    turns = b"".join(piece for pair in zip(apart(one), apart(two), strict=True) for piece in pair)
    seen = Seen().feed(turns)
    assert sorted(seen.got) == [(1, 1, b"a" * 120), (2, 2, b"b" * 120)]
    assert seen.passed == b""


def apart(stream: bytes) -> list[bytes]:
    pieces = []
    while stream:
        size = frame.unmarshal(stream)[0]
        pieces.append(stream[:size])
        stream = stream[size:]
    return pieces


@pytest.mark.parametrize(
    "said",
    [
        commands.Channel.Close(406, "PRECONDITION_FAILED", 0, 0),
        commands.Channel.CloseOk(),
        commands.Channel.OpenOk(),
    ],
)
def test_the_end_of_a_channel_inside_a_body_forgets_what_had_come(said: object) -> None:
    half = b"".join(apart(deliver(1, b"x" * 120))[:-1])
    seen = Seen().feed(half + method(said) + deliver(1, b"again"))
    assert (seen.got, seen.resets, seen.passed) == ([(1, 1, b"again")], [1], method(said))


def test_a_cancel_inside_a_body_passes_and_the_body_goes_on() -> None:
    pieces = apart(deliver(1, b"x" * 120))
    cancel = method(commands.Basic.Cancel("ours.0", True))
    seen = Seen().feed(b"".join(pieces[:3]) + cancel + b"".join(pieces[3:]))
    assert (seen.got, seen.passed) == ([(1, 1, b"x" * 120)], cancel)


def test_a_body_of_16_mib() -> None:
    body = bytes(16 * 1024 * 1024)
    said = method(commands.Basic.Deliver("ours.0", 9, False, "x", "k"))
    header = method(ContentHeader(body_size=len(body)))
    size = 131_072 - 8
    frames = [method(ContentBody(body[at : at + size])) for at in range(0, len(body), size)]
    stream = said + header + b"".join(frames)
    read = 65_536
    seen = Seen().feed(*(stream[at : at + read] for at in range(0, len(stream), read)))
    assert seen.got == [(1, 9, body)]


def test_what_is_no_frame_passes_as_it_is_for_aiormq_to_refuse() -> None:
    broken = bytearray(deliver(1, b"one"))
    broken[-1] = 0
    seen = Seen().feed(HEART + bytes(broken))
    assert seen.got == []
    assert seen.passed.startswith(HEART)
    assert bytes(broken)[-11:] in seen.passed
