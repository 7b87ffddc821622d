"""Job ids: new ones sort by time, derived ones are the same everywhere."""

import uuid
from types import SimpleNamespace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from warrener import Warrener, ids
from warrener.errors import IdempotencyKeyError, JobIdError, TaskNameError
from warrener.submissions import Submission

ALLOWED = "ABCXYZabcxyz0189._:~-"
words = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=10)
parts = st.lists(words, min_size=1, max_size=4)


def at(monkeypatch: pytest.MonkeyPatch, milliseconds: int) -> str:
    """A new id at this time."""
    clock = SimpleNamespace(time_ns=lambda: milliseconds * 1_000_000 + 999_999)
    monkeypatch.setattr(ids, "time", clock)
    return ids.new_id()


def test_a_new_id_is_a_uuid_of_version_7_that_begins_with_its_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = uuid.UUID(at(monkeypatch, 1_791_234_567_890))
    assert (found.version, found.variant) == (7, uuid.RFC_4122)
    assert found.int >> 80 == 1_791_234_567_890


def test_new_ids_sort_by_their_time(monkeypatch: pytest.MonkeyPatch) -> None:
    made = [at(monkeypatch, 1_791_234_567_890 + n) for n in range(1_000)]
    assert made == sorted(made)


def test_new_ids_of_one_millisecond_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len({at(monkeypatch, 1_791_234_567_890) for _ in range(10_000)}) == 10_000


def test_a_derived_id_never_changes_between_versions_and_machines() -> None:
    # Literal on purpose: another value here would let every idempotency key run its job once more.
    assert ids.derived_id("key", "warrener", "order-17") == "e34db58f-ceac-8b78-a0bc-2a56b6c24e27"


@given(parts)
def test_a_derived_id_is_a_valid_uuid_of_version_8(given_parts: list[str]) -> None:
    found = ids.derived_id(*given_parts)
    assert ids.is_job_id(found)
    assert (uuid.UUID(found).version, uuid.UUID(found).variant) == (8, uuid.RFC_4122)
    assert found == ids.derived_id(*given_parts)


@given(parts, parts)
@example(["key", "a"], ["keya"])
@example(["key", "", "a"], ["key", "a"])
def test_different_parts_give_different_ids(one: list[str], other: list[str]) -> None:
    assert (ids.derived_id(*one) == ids.derived_id(*other)) is (one == other)


@given(st.text(ALLOWED, min_size=1, max_size=128))
def test_ids_of_others_are_taken_as_they_are(text: str) -> None:
    assert ids.check_job_id(text) == text


@pytest.mark.parametrize(
    "text", ["", "a" * 129, "a b", "a\n", "\na", "é", "٣", "{a}", "a/b", "a*", "a\x00", "a'"]
)
def test_what_could_not_be_part_of_a_key_is_refused(text: str) -> None:
    assert not ids.is_job_id(text)
    with pytest.raises(JobIdError) as refused:
        ids.check_job_id(text)
    assert repr(text) in str(refused.value)


def test_new_and_derived_ids_are_job_ids() -> None:
    assert ids.is_job_id(ids.new_id())
    assert ids.is_job_id(ids.derived_id("a"))


@pytest.mark.parametrize("name", ["a", "shop.mail", "größe", "x" * 255, "a task"])
def test_a_task_may_be_called_so(name: str) -> None:
    assert ids.check_task_name(name) == name


@pytest.mark.parametrize(
    "name, reason",
    [
        ("", "empty"),
        ("x" * 256, "256 bytes"),
        ("ö" * 128, "256 bytes"),
        ("a\nb", "control characters"),
        ("a\x00", "control characters"),
        ("\ud800", "half a character"),
    ],
)
def test_a_task_may_not_be_called_so(name: str, reason: str) -> None:
    with pytest.raises(TaskNameError, match=reason):
        ids.check_task_name(name)
    with pytest.raises(TaskNameError, match=reason):
        Submission(name, "default", b"")
    with pytest.raises(TaskNameError, match=reason):
        Warrener().task(name=name)(print)


@pytest.mark.parametrize("key, reason", [("", "empty"), ("x" * 1025, "1025"), ("\ud800", "half")])
def test_no_key(key: str, reason: str) -> None:
    with pytest.raises(IdempotencyKeyError, match=reason):
        Submission("shop.mail", "default", b"", key=key)


def test_no_id() -> None:
    with pytest.raises(JobIdError):
        Submission("shop.mail", "default", b"", job_id="scan 7")
