"""Whatever arrives can be read, and what it is can be written again: a job that could not be published once
more, or a letter that could not be buried, would be stuck."""

from aiormq import spec
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pamqp.header import ContentHeader

from warrener.dead_letters import bury_malformed, read, revive
from warrener.messages import Foreign, Malformed, Message, decode, encode
from warrener.reading import readable

from .wire import bits, content_header, properties, tables


def received(header: bytes) -> spec.Basic.Properties:
    found = ContentHeader()
    found.unmarshal(readable(header))
    return found.properties


def written(message: Message) -> bytes:
    return ContentHeader(0, 1, encode(message, "mine")).marshal()


def as_job(found: Message | Foreign | Malformed) -> Message:
    """What a worker publishes of it."""
    if isinstance(found, Malformed):
        return bury_malformed(found, "q", 1.0, "heavy-1")[0].message
    return found.message if isinstance(found, Foreign) else found


@settings(max_examples=400)
@given(tables(), bits, bits)
@example(b"\x01kS\x00\x00\x00\x01\xff", b"j", b"t")  # text that is not UTF-8
@example(b"\x01kd\x7f\xe0" + bytes(6), b"j", b"t")  # a double that is no float
@example(b"\x01kD\x00\xff\xff\xff\xff", b"j", b"t")
@example(b"\x01kl" + b"\xff" * 8, b"j", b"t")
@example(b"\x01kF\x00\x00\x00\x08\x01kS\x00\x00\x00\x01\xff", b"j", b"t")
def test_what_arrives_can_be_published_again_and_stays_as_it_is(
    table: bytes, job_id: bytes, task: bytes
) -> None:
    found = decode(received(content_header(properties(table, job_id, task))), b"x")
    message = as_job(found)
    sent = written(message)
    read(message, "q")
    written(revive(message))
    if isinstance(found, Message):
        again = decode(received(sent), b"x")
        assert isinstance(again, Message)
        assert again.order == found.order
        assert written(again) == sent


@settings(max_examples=400)
@given(st.binary(max_size=120))
def test_no_bytes_at_all_break_it(payload: bytes) -> None:
    written(as_job(decode(received(content_header(payload.ljust(2, b"\0"))), b"x")))
