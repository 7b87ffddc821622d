"""Properties read without pamqp: the same as it reads, or left to it."""

from __future__ import annotations

from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp.header import ContentHeader

from warrener.messages import Malformed, Message, decode, encode
from warrener_workers.arrivals import read_job

MESSAGE = Message("job-1", "shop.task", b"{}", created=1_750_000_000.0)

messages = st.builds(
    # Of a bare NamedTuple, hypothesis would make up the fields that are left out.
    partial(Message),
    job_id=st.text("abc0-", min_size=1, max_size=40),
    task=st.text(min_size=1, max_size=60),
    body=st.binary(max_size=9),
    attempt=st.integers(1, 2**40),
    generation=st.integers(0, 9),
    created=st.integers(0, 2**33).map(float),
    due=st.none() | st.integers(0, 2**33).map(float),
    concurrency_key=st.none() | st.text("ab", min_size=1),
    extra=st.dictionaries(st.text("xyz", min_size=1), st.text() | st.integers(-9, 9), max_size=3),
)


def header_of(message: Message) -> bytes:
    return bytes(ContentHeader(body_size=3, properties=encode(message, "m")).marshal())


@given(messages)
def test_what_we_publish_is_read_as_pamqp_reads_it(message: Message) -> None:
    header = header_of(message)
    slow = ContentHeader()
    slow.unmarshal(header)
    assert read_job(header, b"body") == decode(slow.properties, b"body")


@pytest.mark.parametrize("cut", range(15, 70, 7))
def test_a_header_that_is_cut_off_is_no_job_and_no_error(cut: int) -> None:
    read_job(header_of(MESSAGE)[:cut], b"")


def test_text_that_is_not_utf_8_is_malformed_as_it_is_on_the_plain_way() -> None:
    header = header_of(MESSAGE._replace(task="xxxx")).replace(b"xxxx", b"\xff\xff\xff\xff")
    assert isinstance(read_job(header, b""), Malformed)


def test_one_message_s_headers_are_not_another_s() -> None:
    first, second = (read_job(header_of(MESSAGE), b"") for _ in range(2))
    assert isinstance(first, Message)
    first.extra["mine"] = 1
    assert isinstance(second, Message)
    assert second.extra == {}
