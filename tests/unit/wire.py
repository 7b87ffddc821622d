"""Content headers as anybody may write them: any types, any bytes."""

import struct

from hypothesis import strategies as st

_SIZES = {b"b": 1, b"B": 1, b"s": 2, b"u": 2, b"I": 4, b"i": 4, b"l": 8}
_SIZES |= {b"f": 4, b"d": 8, b"D": 5, b"T": 8, b"V": 0, b"t": 1}
OURS = (b"attempt", b"generation", b"parks", b"signature", b"dead_id", b"dead_queue", b"x-death")
HEADERS, CORRELATION_ID, TYPE = 0x2000, 0x0400, 0x0020
bits = st.binary(max_size=6) | st.text(max_size=6).map(str.encode)
names = st.text(min_size=1, max_size=5).map(str.encode) | st.sampled_from(OURS)


@st.composite
def values(draw: st.DrawFn, depth: int) -> bytes:
    """A typed value of a header table."""
    nested = [b"F", b"A"] if depth else []
    kind = draw(st.sampled_from([*_SIZES, b"S", b"S", b"x", *nested]))
    if kind in _SIZES:
        return kind + draw(st.binary(min_size=_SIZES[kind], max_size=_SIZES[kind]))
    if kind == b"A":
        body = b"".join(draw(st.lists(values(depth - 1), max_size=3)))
    else:
        body = draw(tables(depth - 1)) if kind == b"F" else draw(bits)
    return kind + struct.pack(">I", len(body)) + body


@st.composite
def tables(draw: st.DrawFn, depth: int = 2) -> bytes:
    """A header table, without its length."""
    rows = draw(st.lists(st.tuples(names, values(depth)), max_size=4))
    return b"".join(bytes([len(name)]) + name + value for name, value in rows)


def properties(table: bytes, job_id: bytes, task: bytes) -> bytes:
    """Property flags and values: these headers, `correlation_id` and `type`."""
    texts = b"".join(bytes([len(text)]) + text for text in (job_id, task))
    flags = HEADERS | CORRELATION_ID | TYPE
    return struct.pack(">HI", flags, len(table)) + table + texts


def content_header(payload: bytes) -> bytes:
    """The payload of a content header frame."""
    return struct.pack(">HHQ", 60, 0, 1) + payload
