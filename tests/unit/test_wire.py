"""Publishes written without pamqp: the same bytes, byte by byte."""

from __future__ import annotations

import pytest
from aiormq import spec
from aiormq.abc import ChannelFrame
from hypothesis import given
from hypothesis import strategies as st
from pamqp.body import ContentBody
from pamqp.header import ContentHeader

from warrener import wire
from warrener.messages import Message, encode

from .test_arrivals import messages


def by_pamqp(message: Message, key: str, properties: spec.Basic.Properties, most: int) -> bytes:
    body = message.body
    pieces = [ContentBody(body[at : at + most]) for at in range(0, len(body), most)]
    method = spec.Basic.Publish(exchange="warrener.jobs", routing_key=key, mandatory=True)
    header = ContentHeader(body_size=len(body), properties=properties)
    return ChannelFrame.marshall(7, [method, header, *pieces]).payload


@given(messages, st.none() | st.integers(0, 9), st.integers(1, 9))
def test_a_publish_is_what_pamqp_writes(message: Message, priority: int | None, most: int) -> None:
    properties = encode(message._replace(priority=priority))
    key = "scan.discovery"
    ours = wire.publish(7, "warrener.jobs", key, properties, message.body, most)
    assert ours == by_pamqp(message, key, properties, most)


@pytest.mark.parametrize(
    "properties",
    [
        spec.Basic.Properties(),
        spec.Basic.Properties(message_type="t", headers={"attempt": True, "generation": 0}),
        spec.Basic.Properties(app_id="another client", content_type="text/plain"),
    ],
)
def test_properties_that_are_not_ours_are_written_too(properties: spec.Basic.Properties) -> None:
    expected = ContentHeader(body_size=3, properties=properties).marshal()
    assert wire.content_header(properties, 3) == expected


def test_text_that_is_too_long_is_refused() -> None:
    properties = encode(Message("job-1", "é" * 200, b"{}"))
    with pytest.raises(ValueError, match="range"):
        wire.publish(1, "warrener.jobs", "q", properties, b"{}", 9)
