"""A child that talks nonsense costs itself alone: the parent ends it, and goes on."""

import asyncio
from typing import Any

import orjson
from hypothesis import example, given, settings
from hypothesis import strategies as st

from warrener_workers import child_backend
from warrener_workers.child_pool import ChildPool
from warrener_workers.child_process import Child
from warrener_workers.frames import Frame, FrameLink, Kind, encode

from .test_frames import Wire, frames

words = ("token", "failed", "error", "n", "jobs", "answers", "misfit")
headers = st.dictionaries(
    st.sampled_from(words),
    st.recursive(
        st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(words), inner, max_size=3)
        ),
        max_leaves=6,
    ),
    max_size=4,
)
likely = st.builds(Frame, st.sampled_from(Kind), headers, st.binary(max_size=20))


class Events:
    """The worker's ears, as far as they read what was said."""

    def asked_to_send(self, _: Child, frame: Frame) -> None:
        child_backend.unpack(frame)
        frame.header["n"]

    def ended(self, *_: Any) -> None: ...

    def lost(self, *_: Any, **__: Any) -> None: ...

    def progressed(self, *_: Any) -> None: ...

    def doubted(self, *_: Any) -> None: ...


async def hear(pieces: list[bytes]) -> tuple[Child, Wire, list[str]]:
    """A pool's child that says these bytes."""

    async def spawn(**_: Any) -> Child:
        raise OSError("there is but one child here")

    pool = ChildPool(spawn, Events(), processes=1, slots=1)
    ends: list[str] = []
    wire = Wire()

    def lost(reason: str) -> None:
        child.lost_link(reason)

    link = FrameLink(lambda said: pool._take(child, said), lost)
    child = Child(False, link, end=lambda: ends.append("killed"))
    link.connection_made(wire)
    for piece in pieces:
        link.data_received(piece)
    return child, wire, ends


@settings(max_examples=300)
@given(st.lists(likely | frames, max_size=5), st.binary(max_size=9), st.integers(1, 40))
@example([Frame(Kind.DONE, {})], b"", 40)
@example([Frame(Kind.DONE, {"token": []})], b"", 40)
@example([Frame(Kind.SEND, {"n": 1, "jobs": [1]})], b"", 40)
@example([Frame(Kind.REGISTRY, {}, b"no JSON")], b"", 40)
@example([Frame(Kind.REGISTRY, {}, orjson.dumps([]))], b"", 1)
def test_nonsense_ends_the_child_and_nothing_else(
    said: list[Frame], garbage: bytes, size: int
) -> None:
    stream = b"".join(map(encode, said)) + garbage
    pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
    child, wire, ends = asyncio.run(hear(pieces))
    assert child.link.broken is wire.closed
    assert ends == (["killed"] if child.link.broken else [])
