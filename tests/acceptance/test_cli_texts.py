"""Texts that others wrote, such as an error's message, are printed as they are."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from warrener import JobError
from warrener.client import Client
from warrener.dead_letters import DeadLetter
from warrener.letter_index import DeadLetterIndex
from warrener.presence import Presence, PresenceBoard

from .place import Place
from .shop import FAST

MARKUP = ["expected [/items] in [bold]", "[red]", "[/]", "a [link=x]b[/link]", "\\[", ":smile:", ""]
"""What a library for terminals takes for its own."""

LETTER = DeadLetter(
    id="job-1~0",
    job_id="job-1",
    task="shop.add",
    queue=FAST,
    generation=0,
    attempt=1,
    reason="error",
    error=JobError("ValueError", "no"),
    died=1e9,
    worker="shop-1",
    body="{}",
)


def _with_client(place: Place, call: Callable[[Client], Awaitable[Any]]) -> None:
    async def main() -> None:
        async with place.client() as client:
            await call(client)

    asyncio.run(main())


def _list(place: Place, letter: DeadLetter) -> None:
    _with_client(place, lambda c: DeadLetterIndex(place.settings, c.store).add([letter]))


@pytest.mark.parametrize("text", MARKUP)
def test_dead_letters_are_printed_as_their_errors_say(place: Place, text: str) -> None:
    attempt = {"attempt": 1, "worker": text, "type": text, "message": text}
    error = JobError("ValueError", text, f"Traceback {text}")
    _list(place, replace(LETTER, error=error, task=text, worker=text, attempts=[attempt]))
    listed = place.run("dead", "list", FAST)
    assert listed.returncode == 0
    # This letter is in no dead queue, which is said.
    assert "the index lists 1 dead letter(s), and the dead queue holds 0" in listed.stderr
    assert "a replay goes by the queue" in listed.stderr
    assert f"ValueError: {text}".rstrip() in listed.stdout
    shown = place.run("dead", "show", "job-1~0")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert f"attempt 1 on {text}: {text}: {text}".rstrip() in shown.stdout
    assert f"Traceback {text}".rstrip() in shown.stdout


@pytest.mark.parametrize("text", MARKUP)
def test_workers_are_printed_as_they_are_called(place: Place, text: str) -> None:
    running = {"id": f"job {text}", "task": text, "queue": FAST, "attempt": 1, "token": "t"}
    worker = Presence(
        owner="o",
        name=f"heavy {text}",
        host=text,
        pid=1,
        version="",
        queues=[text],
        pool="",
        slots=1,
        started=0.0,
        seen=0.0,
        running=[{**running, "started": 0.0}],
    )
    _with_client(place, lambda c: PresenceBoard(place.settings, c.store).renew(worker))
    for command, expected in (("status",), worker.name), (("inspect", "active"), running["id"]):
        done = place.run(*command)
        assert (done.returncode, done.stderr) == (0, "")
        assert str(expected).rstrip() in done.stdout
