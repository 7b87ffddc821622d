"""Dead letters: buried, over the wire, read, revived."""

from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pamqp.header import ContentHeader

from warrener import JobError
from warrener.dead_letters import (
    KEPT_ATTEMPTS,
    LONGEST_BODY_SHOWN,
    DeadLetter,
    Death,
    bury,
    bury_malformed,
    read,
    revive,
)
from warrener.messages import Malformed, Message, decode, encode
from warrener_api.letter_schemas import DeadLetterView
from warrener_workers.cli.options import moment

FRAME_MAX = 131_072
"""RabbitMQ's default: all headers of a message travel in one frame."""
OVERHEAD = 8

words = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20)
attempts = st.fixed_dictionaries(
    {"attempt": st.integers(1, 9), "worker": words, "type": words, "message": words}
)
deaths = st.builds(
    Death,
    st.builds(JobError, words, words, words, words, words),
    st.integers(0, 2**32 - 1).map(float),
    words,
    st.lists(attempts, max_size=KEPT_ATTEMPTS),
)
messages = st.builds(
    partial(Message),
    job_id=st.from_regex(r"[a-z0-9~-]{1,40}", fullmatch=True),
    task=st.just("shop.mail"),
    body=words.map(str.encode),
    attempt=st.integers(1, 99),
    generation=st.integers(0, 99),
    created=st.integers(0, 2**32 - 1).map(float),
    parks=st.integers(0, 9),
    extra=st.dictionaries(st.sampled_from(["traceparent", "signed", "tenant"]), words),
)


def wire(message: Message) -> bytes:
    return ContentHeader(0, len(message.body), encode(message)).marshal()


def received(message: Message) -> Message:
    """The message as whoever consumes the dead queue gets it."""
    header = ContentHeader()
    header.unmarshal(wire(message))
    found = decode(header.properties, message.body)
    assert isinstance(found, Message)
    return found


def death(**changes: Any) -> Death:
    return replace(Death(JobError("ValueError", "no", "Traceback"), 1e9, "heavy-1"), **changes)


@given(messages, deaths)
def test_a_letter_reads_in_the_dead_queue_as_in_the_index(message: Message, why: Death) -> None:
    outgoing, letter = bury(message, "scan.analysis", why)
    assert (outgoing.queue, outgoing.dead, outgoing.delay) == ("scan.analysis", True, 0.0)
    corpse = received(outgoing.message)
    found = read(corpse, "scan.analysis")
    # A header holds seconds less exactly than the index does; the letter's own test is below.
    assert replace(found, died=0.0) == replace(letter, died=0.0)
    assert DeadLetter.from_json(letter.to_json()) == letter
    assert (letter.error, letter.reason, letter.worker) == (why.error, why.error.reason, why.worker)
    assert letter.attempts == why.attempts


@given(st.integers(1_700_000_000, 2_000_000_000))
@example(1_791_234_567)
def test_the_time_of_death_survives_the_wire(second: int) -> None:
    outgoing, _ = bury(Message("a", "t", b""), "q", death(died=second + 0.5))
    assert read(received(outgoing.message), "q").died == pytest.approx(second + 0.5, abs=0.001)


@given(messages, deaths)
def test_a_revived_job_is_the_same_job_one_generation_later(message: Message, why: Death) -> None:
    outgoing, _ = bury(message, "q", why)
    alive = revive(received(outgoing.message))
    fresh = message._replace(attempt=1, generation=message.generation + 1, parks=0)
    assert alive == fresh
    assert alive.order > message.order


def test_a_revived_job_gets_the_whole_grace_for_unknown_tasks_again() -> None:
    message = Message("a", "t", b"", waiting_since=1e9)
    outgoing, _ = bury(message, "q", death(error=JobError("UnknownTask", "…", "", "unknown_task")))
    assert revive(outgoing.message).waiting_since is None


def test_a_letter_published_twice_is_one_letter_and_each_generation_has_its_own() -> None:
    message = Message("a", "t", b"", generation=2)
    ids = [bury(message, "q", death(died=n))[1].id for n in (1.0, 2.0)]
    assert ids == ["a~2", "a~2"]
    assert bury(revive(message), "q", death())[1].id == "a~3"


@pytest.mark.parametrize(
    "error",
    [
        JobError("ValueError", "m", "line\n" * 1_000_000),
        JobError("ValueError", "é" * 1_000_000, "t"),
        JobError("V" * 1_000_000, "m" * 1_000_000, "€" * 1_000_000),
    ],
    ids=["traceback", "message", "everything"],
)
def test_a_huge_error_fits_into_the_headers_of_one_frame(error: JobError) -> None:
    history = [{"attempt": n, "message": "m" * 9_000} for n in range(50)]
    outgoing, letter = bury(Message("a", "t", b""), "q", death(error=error, attempts=history))
    assert len(wire(outgoing.message)) < FRAME_MAX - OVERHEAD
    found = read(received(outgoing.message), "q")
    assert error.message.startswith(found.error.message)
    assert len(found.error.message) > 0
    assert letter.error == error, "the index may keep it whole"


def test_a_letter_fits_one_frame_even_with_the_headers_that_came_with_its_job() -> None:
    message = Message("a", "t", b"", extra={f"h{n}": "x" * 10_000 for n in range(10)})
    assert len(wire(message)) < FRAME_MAX - OVERHEAD, "RabbitMQ delivered it"
    error = JobError("ValueError", "m" * 20_000, "t" * 20_000)
    outgoing, _ = bury(message, "q", death(error=error))
    assert len(wire(outgoing.message)) < FRAME_MAX - OVERHEAD


def test_the_last_attempts_are_the_ones_that_are_kept() -> None:
    history = [{"attempt": n} for n in range(KEPT_ATTEMPTS + 5)]
    outgoing, letter = bury(Message("a", "t", b""), "q", death(attempts=history))
    assert letter.attempts == history[5:]
    assert read(received(outgoing.message), "q").attempts == history[5:]
    big = [{"attempt": n, "message": "m" * 3_000} for n in range(10)]
    outgoing, _ = bury(Message("a", "t", b""), "q", death(attempts=big))
    kept = read(received(outgoing.message), "q").attempts
    assert [attempt["attempt"] for attempt in kept] == [5, 6, 7, 8, 9]


@pytest.mark.parametrize("body", [b"x" * 20_000, "é".encode() * 20_000, b"\xff\x00" * 20_000])
def test_a_listing_shows_the_beginning_of_a_body_whatever_it_is(body: bytes) -> None:
    outgoing, letter = bury(Message("a", "t", body), "q", death())
    assert outgoing.message.body == body
    assert 0 < len(letter.body) <= LONGEST_BODY_SHOWN
    assert DeadLetter.from_json(letter.to_json()) == letter


@pytest.mark.parametrize(
    "found, job_id",
    [
        (Malformed("no task name", b"\xff", {}, "job-1", None), "job-1"),
        (Malformed("content type 'text/plain'", b"x", {}, None, "shop.mail"), ""),
    ],
)
def test_what_was_no_job_is_kept_with_what_was_wrong(found: Malformed, job_id: str) -> None:
    outgoing, letter = bury_malformed(found, "q", 5.0, "heavy-1")
    assert (letter.job_id, letter.reason, letter.died) == (job_id, "malformed", 5.0)
    assert letter.error.message == found.reason
    assert letter.id
    assert (outgoing.message.body, outgoing.dead) == (found.body, True)


def test_letters_without_a_job_id_have_ids_of_their_own() -> None:
    found = Malformed("no task name", b"", {}, None, None)
    assert len({bury_malformed(found, "q", 5.0, "w")[1].id for _ in range(100)}) == 100


def test_what_was_no_job_keeps_its_headers() -> None:
    found = Malformed("no task name", b"", {"traceparent": "00-1"}, "job-1", None)
    outgoing, _ = bury_malformed(found, "q", 5.0, "w")
    assert outgoing.message.extra["traceparent"] == "00-1"


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | words
    | st.binary(max_size=9),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)
names = st.sampled_from(
    [f"dead_{name}" for name in ("id", "queue", "reason", "type", "message", "at", "attempts")]
)


@given(st.dictionaries(names, anything))
@example({"dead_attempts": "5"})
@example({"dead_attempts": "{"})
@example({"dead_attempts": "[{}]"})
@example({"dead_attempts": '[{"attempt": 1, "worker": []}]'})
@example({"dead_at": float("nan")})
@example({"dead_at": 2**62})
@example({"dead_at": -(2**62)})
def test_whatever_lies_in_a_dead_queue_can_be_listed(headers: dict[str, Any]) -> None:
    letter = read(Message("a", "t", b"\xff", extra=headers), "q")
    assert all(isinstance(attempt["attempt"], int) for attempt in letter.attempts)
    assert letter.id
    assert DeadLetterView.of(letter).id == letter.id
    assert letter.died == 0 or moment(letter.died)
    assert DeadLetter.from_json(letter.to_json()) == letter


def test_a_time_that_no_calendar_has_is_none() -> None:
    _, letter = bury(Message("a", "t", b""), "q", death())
    for died in (2.0**62, -(2.0**62), float("inf"), float("nan")):
        assert DeadLetterView.of(replace(letter, died=died)).died is None
        assert moment(died) == ""


def test_what_came_there_by_other_ways_says_so() -> None:
    letter = read(Message("a", "t", b"{}", generation=1), "scan.analysis")
    assert (letter.id, letter.queue, letter.reason) == ("a~1", "scan.analysis", "undelivered")
    assert letter.error.type == "Undelivered"


def test_an_id_that_is_too_long_for_a_letter_is_still_one_of_its_own() -> None:
    ids = {
        read(Message("a", "t", b"", extra={"dead_id": "x" * n}), "q").id for n in (255, 256, 900)
    }
    assert len(ids) == 3
    assert all(len(letter_id) <= 255 for letter_id in ids)
