"""Content headers that pamqp cannot decode are made readable, in the same number of bytes."""

from __future__ import annotations

import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from warrener.messages import Malformed, decode
from warrener.reading import readable

CORRELATION_ID, TIMESTAMP, HEADERS, TYPE = 0x0400, 0x0040, 0x2000, 0x0020


def payload(flags: int, properties: bytes) -> bytes:
    return struct.pack(">HHQ", 60, 0, 5) + struct.pack(">H", flags) + properties


def decoded(header: bytes) -> ContentHeader:
    found = ContentHeader()
    found.unmarshal(header)
    return found


def test_what_can_be_decoded_is_left_alone() -> None:
    header = ContentHeader(0, 5, Basic.Properties(message_type="t", correlation_id="ä"))
    sent = header.marshal()
    assert readable(sent) is sent


@pytest.mark.parametrize(
    "flags, properties",
    [
        (CORRELATION_ID | TYPE, b"\x02\xff\xfe\x08shop.job"),
        (TIMESTAMP | TYPE, struct.pack(">Q", 2**60) + b"\x08shop.job"),
        (CORRELATION_ID, b"\x14cut short"),
        (HEADERS, struct.pack(">I", 12) + b"\x04name?\x00\x00\x00\x00\x00\x00"),
    ],
)
def test_what_cannot_becomes_malformed(flags: int, properties: bytes) -> None:
    header = payload(flags, properties)
    made = readable(header)
    assert len(made) == len(header)
    assert decoded(made).body_size == 5
    fault = decode(decoded(made).properties, b"body!")
    assert isinstance(fault, Malformed)


@given(st.binary(max_size=80))
@example(b"")
@example(b"\xff")
def test_no_bytes_break_it(properties: bytes) -> None:
    header = struct.pack(">HHQ", 60, 0, 5) + b"\xff\xfe" + properties
    made = readable(header)
    assert len(made) == len(header)
    decode(decoded(made).properties, b"body!")
