"""Messages: over the wire and back, and everything else that may come out of a queue."""

import math
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from aiormq import spec
from hypothesis import example, given
from hypothesis import strategies as st
from pamqp.header import ContentHeader

from warrener.ids import is_job_id
from warrener.messages import Foreign, Malformed, Message, decode, encode

Properties = spec.Basic.Properties
times = st.floats(0, 4e9)
plain = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20)
own = {"attempt", "generation", "due", "parks", "waiting_since"}
names = plain.filter(lambda name: name not in own and not name.startswith("x-") and name != "")
messages = st.builds(
    partial(Message),
    job_id=st.from_regex(r"[A-Za-z0-9._:~-]{1,128}", fullmatch=True),
    task=st.text("abc.é_", min_size=1, max_size=50),
    body=st.binary(max_size=100),
    attempt=st.integers(1, 2**53 - 1),
    generation=st.integers(0, 2**53 - 1),
    created=times,
    due=st.none() | times,
    parks=st.integers(0, 2**31),
    waiting_since=st.none() | times,
    extra=st.dictionaries(names, plain | st.integers(-(2**63), 2**63 - 1), max_size=4),
)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.text(max_size=10)
    | st.binary(max_size=10)
    | st.decimals()
    | st.datetimes(timezones=st.just(UTC)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(plain, inner, max_size=3),
    max_leaves=6,
)


def over_the_wire(properties: Properties) -> Properties:
    """What the other side reads of what this side writes."""
    received = ContentHeader()
    received.unmarshal(ContentHeader(0, 0, properties).marshal())
    return received.properties


def sent(message: Message) -> Message | Foreign | Malformed:
    return decode(over_the_wire(encode(message)), message.body)


@given(messages)
def test_a_message_comes_out_as_it_went_in(message: Message) -> None:
    found = sent(message)
    assert isinstance(found, Message)
    untimed: dict[str, Any] = {"created": 0.0, "due": None, "waiting_since": None}
    assert found._replace(**untimed) == message._replace(**untimed)


@given(messages)
@example(Message("a", "t", b"", due=1_791_234_567.3, waiting_since=1_791_234_567.3))
def test_times_come_out_to_the_millisecond(message: Message) -> None:
    found = sent(message)
    assert isinstance(found, Message)
    assert 0 <= message.created - found.created < 1, "an AMQP timestamp has whole seconds"
    for before, after in [
        (message.due, found.due),
        (message.waiting_since, found.waiting_since),
    ]:
        assert after == (None if before is None else pytest.approx(before, abs=0.001))


def test_every_publish_has_an_id_of_its_own_unless_given() -> None:
    message = Message("a", "t", b"")
    ids = {encode(message).message_id for _ in range(100)}
    assert len(ids) == 100
    assert encode(message, "mine").message_id == "mine"


def test_a_message_is_persistent_json_that_names_its_job_and_task() -> None:
    properties = encode(Message("job-1", "shop.mail", b"{}"))
    assert properties.delivery_mode == 2
    assert properties.content_type == "application/json"
    assert (properties.correlation_id, properties.message_type) == ("job-1", "shop.mail")


texts = st.none() | st.text(max_size=300)
whatever = st.builds(
    Properties,
    content_type=st.sampled_from([None, "", "application/json", "text/plain"]) | texts,
    correlation_id=texts | st.just("job-1"),
    message_id=texts,
    message_type=texts | st.just("shop.mail"),
    timestamp=st.none() | st.datetimes(timezones=st.just(UTC)),
    headers=st.none() | st.dictionaries(st.sampled_from(sorted(own)) | plain, values, max_size=6),
)


@given(whatever, st.binary(max_size=20))
def test_nothing_that_arrives_makes_decoding_raise(properties: Properties, body: bytes) -> None:
    found = decode(properties, body)
    if isinstance(found, Malformed):
        assert found.reason
        assert found.job_id is None or is_job_id(found.job_id)
    else:
        message = found.message if isinstance(found, Foreign) else found
        assert message.attempt >= 1
        assert message.generation >= 0
        assert message.due is None or math.isfinite(message.due)
        assert message.task
        assert isinstance(found, Foreign) or is_job_id(message.job_id)


def test_the_broker_s_own_headers_do_not_travel_on() -> None:
    died = datetime(2026, 1, 1, tzinfo=UTC)
    death = [{"queue": "q", "reason": "expired", "count": 1, "time": died}]
    broker = {"x-death": death, "x-first-death-queue": "q", "x-delivery-count": 3}
    headers: Any = {**broker, "traceparent": "00-1", "attempt": 2}
    found = decode(Properties(correlation_id="a", message_type="t", headers=headers), b"")
    assert isinstance(found, Message)
    assert found.extra == {"traceparent": "00-1"}
    assert encode(found).headers == {"traceparent": "00-1", "attempt": 2, "generation": 0}


def received(**properties: Any) -> Message | Foreign | Malformed:
    usual: dict[str, Any] = {"correlation_id": "job-1", "message_type": "shop.mail"}
    return decode(Properties(**{**usual, **properties}), b"body")


@pytest.mark.parametrize(
    "properties, reason",
    [
        ({"message_type": None}, "no task name (property `type`)"),
        ({"message_type": ""}, "no task name (property `type`)"),
        ({"content_type": "text/plain"}, "content type 'text/plain' instead of application/json"),
        ({"correlation_id": "a b"}, "the job id (correlation_id) has characters"),
        ({"correlation_id": "a" * 129}, "a length that are not allowed"),
        ({"correlation_id": None, "message_id": "{a}"}, "the job id"),
        ({"message_type": "t" * 256}, "the task name is longer than 255 characters"),
        ({"headers": {"attempt": 0}}, "header 'attempt' is 0 instead of a whole number from 1"),
        ({"headers": {"attempt": True}}, "header 'attempt' is True instead of a whole number"),
        ({"headers": {"attempt": "1"}}, "header 'attempt' is '1' instead of a whole number"),
        ({"headers": {"attempt": 1.5}}, "header 'attempt' is 1.5 instead of a whole number"),
        ({"headers": {"attempt": 2**53}}, "header 'attempt' is"),
        ({"headers": {"generation": -1}}, "header 'generation' is -1 instead of a whole number"),
        ({"headers": {"generation": None}}, "header 'generation' is None"),
        ({"headers": {"parks": Decimal(1)}}, "header 'parks' is Decimal('1')"),
        ({"headers": {"due": math.nan}}, "header 'due' is nan instead of Unix milliseconds"),
        ({"headers": {"due": 1.5e12}}, "header 'due' is 1500000000000.0 instead of Unix"),
        ({"headers": {"due": -1}}, "header 'due' is -1 instead of Unix milliseconds"),
        ({"headers": {"due": "soon"}}, "header 'due' is 'soon' instead of Unix milliseconds"),
        ({"headers": {"due": True}}, "header 'due' is True instead of Unix milliseconds"),
        ({"headers": {"due": 2**62}}, "header 'due' is 4611686018427387904 instead of Unix"),
        ({"headers": {"waiting_since": False}}, "header 'waiting_since' is False"),
    ],
)
def test_what_is_no_job_says_why(properties: dict[str, Any], reason: str) -> None:
    found = received(**properties)
    assert isinstance(found, Malformed)
    assert reason in found.reason


def test_what_is_no_job_keeps_all_that_was_readable() -> None:
    found = received(headers={"attempt": 0, "traceparent": "00-1"})
    assert isinstance(found, Malformed)
    assert (found.job_id, found.task, found.body) == ("job-1", "shop.mail", b"body")
    assert found.headers == {"attempt": 0, "traceparent": "00-1"}


def test_an_id_that_could_not_be_a_key_is_not_kept() -> None:
    found = received(correlation_id="a b")
    assert isinstance(found, Malformed)
    assert found.job_id is None


@pytest.mark.parametrize(
    "content_type",
    [None, "", "application/json", "application/json; charset=utf-8", "Application/JSON"],
)
def test_json_is_json_however_it_is_written(content_type: str | None) -> None:
    assert isinstance(received(content_type=content_type), Message)


def test_a_job_of_another_client_needs_a_type_and_an_id_alone() -> None:
    found = decode(Properties(message_type="shop.mail", message_id="their-1"), b"{}")
    assert found == Message("their-1", "shop.mail", b"{}", foreign=True)


def test_the_correlation_id_wins_over_the_message_id() -> None:
    found = received(message_id="other")
    assert isinstance(found, Message)
    assert found.job_id == "job-1"


def test_a_job_without_an_id_is_foreign() -> None:
    found = received(correlation_id=None)
    assert isinstance(found, Foreign)
    assert found.message.task == "shop.mail"


def test_a_due_time_travels_as_whole_milliseconds() -> None:
    found = received(headers={"due": 1_791_234_567_890})
    assert isinstance(found, Message)
    assert found.due == 1_791_234_567.89


@pytest.mark.parametrize("due", [1e12, 1e18, 1e300])
def test_a_job_that_is_due_in_the_far_future_is_still_a_job(due: float) -> None:
    # Nothing checks what a task asks for with RetryLater.
    assert isinstance(sent(Message("a", "t", b"", due=due)), Message)


def test_the_next_attempt_starts_with_a_clean_slate() -> None:
    message = Message("a", "t", b"", attempt=2, generation=3, parks=5, waiting_since=1.0)
    following = message.next_attempt()
    assert (following.attempt, following.generation, following.parks) == (3, 3, 0)
    assert following.waiting_since is None
    assert following.order > message.order


def test_a_parked_message_is_the_same_attempt() -> None:
    message = Message("a", "t", b"", attempt=2, generation=3, parks=5, waiting_since=1.0)
    assert message.parked() == message._replace(parks=6)
    assert message.parked().order == message.order


def test_a_generation_counts_before_an_attempt() -> None:
    replayed = Message("a", "t", b"", attempt=1, generation=1)
    assert replayed.order > Message("a", "t", b"", attempt=9).order
