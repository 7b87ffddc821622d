"""Signatures: what was signed is taken as it was and where it was meant to be, and nothing else is."""

import hashlib
import hmac
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp.header import ContentHeader

from warrener import ConfigurationError, Settings, Warrener
from warrener.client import Client
from warrener.dead_letters import bury_malformed
from warrener.messages import BAD_SIGNATURE, Foreign, Malformed, Message, decode, encode
from warrener.signing import Signer, signed_bytes
from warrener_workers import registry

from .test_messages import messages, whatever

SECRET = "0123456789abcdef-old"
NEW_SECRET = "fedcba9876543210-new"
QUEUE = "scan.discovery"
JOB = Message("job-1", "shop.mail", b'{"kwargs":{}}', created=1.0, due=30.0)


def signer(keys: str = f"old:{SECRET}") -> Signer:
    return Signer(Settings(signing_keys=keys))


def arrived(message: Message) -> Message | Foreign | Malformed:
    """The message as the other side reads it."""
    received = ContentHeader()
    received.unmarshal(ContentHeader(0, 0, encode(message)).marshal())
    return decode(received.properties, message.body)


@given(messages)
def test_what_was_signed_is_taken_on_the_other_side(message: Message) -> None:
    found = signer().check(arrived(signer().seal(message, QUEUE)), QUEUE)
    assert isinstance(found, Message)
    assert (found.job_id, found.task, found.body, found.order) == (
        message.job_id,
        message.task,
        message.body,
        message.order,
    )


ALTERED: dict[str, Callable[[Message], Message]] = {
    "body": lambda m: m._replace(body=b'{"kwargs":{"to":"me"}}'),
    "task": lambda m: m._replace(task="shop.refund"),
    "id": lambda m: m._replace(job_id="job-2"),
    "attempt": lambda m: m._replace(attempt=2),
    "generation": lambda m: m._replace(generation=1),
    "due": lambda m: m._replace(due=31.0),
    "expires": lambda m: m._replace(expires=31.0),
    "due now": lambda m: m._replace(due=None),
    "signature": lambda m: m._replace(extra={"signature": "old:" + "0" * 64}),
    "key id": lambda m: m._replace(extra={"signature": m.extra["signature"].replace("old", "new")}),
    "cut": lambda m: m._replace(extra={"signature": m.extra["signature"][:-1]}),
    "not ASCII": lambda m: m._replace(extra={"signature": "old:é"}),
    "bytes": lambda m: m._replace(extra={"signature": b"old:1"}),
    "none": lambda m: m._replace(extra={}),
}


@pytest.mark.parametrize("what", ALTERED)
def test_what_was_altered_is_refused_and_kept_without_a_signature(what: str) -> None:
    altered = ALTERED[what](signer().seal(JOB, QUEUE))
    found = signer(f"old:{SECRET},new:{NEW_SECRET}").check(altered, QUEUE)
    assert isinstance(found, Malformed)
    assert found.unsigned == altered._replace(extra={})
    assert "sign" in found.reason
    outgoing, letter = bury_malformed(found, QUEUE, 5.0, "heavy-1")
    assert (letter.reason, letter.error.type) == (BAD_SIGNATURE, "BadSignature")
    assert (letter.job_id, letter.error.message) == (altered.job_id, found.reason)
    assert outgoing.message.order == altered.order
    # Signed, the letter would make a job of what nobody vouches for.
    assert outgoing.refused


def test_headers_of_others_and_of_the_way_are_not_covered() -> None:
    message = signer().seal(JOB, QUEUE)
    extra = {**message.extra, "traceparent": "00-1", "dead_message": "x"}
    on_its_way = message._replace(parks=3, waiting_since=9.0, extra=extra)
    assert signer().check(on_its_way, QUEUE) is on_its_way


def test_a_message_is_signed_for_one_queue() -> None:
    message = signer().seal(JOB, QUEUE)
    for place in ("scan.analysis", f"{QUEUE}.dead"):
        found = signer().check(message, place)
        assert isinstance(found, Malformed)
        assert repr(place) in found.reason


def test_the_first_key_signs_and_all_verify() -> None:
    rotated = signer(f"new:{NEW_SECRET}, old:{SECRET}")
    before, after = signer().seal(JOB, QUEUE), rotated.seal(JOB, QUEUE)
    assert after.extra["signature"].startswith("new:")
    assert rotated.check(before, QUEUE) is before
    assert rotated.check(after, QUEUE) is after
    found = signer().check(after, QUEUE)
    assert isinstance(found, Malformed)
    assert "key 'new', which is not in WARRENER_SIGNING_KEYS" in found.reason


def test_a_signature_is_made_anew_with_each_attempt() -> None:
    first = signer().seal(JOB, QUEUE)
    second = signer().seal(first.next_attempt(), QUEUE)
    assert signer().check(second, QUEUE) is second
    assert isinstance(signer().check(first.next_attempt(), QUEUE), Malformed)


def test_a_job_without_an_id_cannot_be_signed() -> None:
    found = signer().check(Foreign(JOB._replace(job_id="")), QUEUE)
    assert isinstance(found, Malformed)
    assert "needs a job id" in found.reason


def test_what_is_malformed_stays_so() -> None:
    found = Malformed("why", b"", {})
    assert signer().check(found, QUEUE) is found
    outgoing, letter = bury_malformed(found, QUEUE, 5.0, "heavy-1")
    assert (outgoing.refused, letter.reason) == (True, "malformed")


@given(whatever, st.binary(max_size=20), st.none() | st.text() | st.integers() | st.binary())
def test_nothing_that_arrives_is_taken_or_makes_checking_raise(
    properties: Any, body: bytes, given_signature: Any
) -> None:
    headers = {**(properties.headers or {}), "signature": given_signature}
    properties.headers = headers
    assert isinstance(signer().check(decode(properties, body), QUEUE), Malformed)


lines = st.text("a\n1", max_size=4)


@given(st.lists(st.builds(partial(Message, "j"), lines, lines.map(str.encode)), min_size=2))
def test_no_two_messages_have_the_same_signed_bytes(found: list[Message]) -> None:
    assert len({signed_bytes(one, QUEUE) for one in found}) == len(
        {(one.task, one.body) for one in found}
    )


def test_the_signed_bytes_are_those_of_the_page() -> None:
    body = hashlib.sha256(JOB.body).hexdigest()
    text = f"warrener-signature-1\n{QUEUE}\njob-1\n1\n0\n30000\n\nshop.mail\n{body}"
    assert signed_bytes(JOB, QUEUE) == text.encode()
    digest = hmac.new(SECRET.encode(), text.encode(), "sha256").hexdigest()
    assert signer().seal(JOB, QUEUE).extra == {"signature": f"old:{digest}"}


# The setting -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "keys, why",
    [
        ("hunter2hunter2hunter2", "id:secret"),
        ("a:short", "16 characters"),
        (f"a b:{SECRET}", "id:secret"),
        (f"a:{SECRET},", "id:secret"),
        (f"a:{SECRET},a:{NEW_SECRET}", "the same key id twice"),
    ],
)
def test_keys_that_cannot_work_are_refused_without_being_shown(keys: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match="signing_keys") as refused:
        Warrener(signing_keys=keys)
    assert why in str(refused.value)
    for secret in ("hunter2", "short", SECRET, NEW_SECRET):
        assert secret not in str(refused.value)


def test_secrets_are_in_no_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WARRENER_SIGNING_KEYS", f"old:{SECRET}")
    settings = Warrener().settings
    assert SECRET not in f"{settings!r} {settings} {settings.model_dump_json()}"
    found = signer().check(JOB, QUEUE)
    assert SECRET not in f"{found!r} {signer()!r}"


def test_a_worker_gets_the_keys_of_its_app() -> None:
    app = Warrener(signing_keys=f"old:{SECRET}")
    settings = registry.parse(registry.describe(app)).settings
    assert settings.signing_keys.get_secret_value() == f"old:{SECRET}"


async def test_without_keys_nothing_is_signed() -> None:
    assert Client(Settings(), []).seal is None
    assert Client(Settings(signing_keys=f"a:{SECRET}"), []).seal is not None
