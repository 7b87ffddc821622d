"""Advancing workflows: what a job's end makes due is part of what the job owes, and is done before its
delivery is acknowledged. The plan counts each part once, and answers a repetition with what it answered
before."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from functools import partial

import orjson

from warrener.client import Client
from warrener.errors import WarrenerError
from warrener.settings import Settings
from warrener.states import State
from warrener.submissions import Submission
from warrener.workflows import Carrier, Part, part_of
from warrener.workflows.carrying import ENDED, Due, due_in

from .debts import PASSING
from .follow_ups import End
from .patience import patiently, pauses

log = logging.getLogger(__name__)

AT_ONCE = 500
"""Ends in one round trip."""


class _PatientCarrier(Carrier):
    """Tries again what may be over at the next try."""

    def __init__(self, client: Client, settings: Settings) -> None:
        super().__init__(client, settings, client.clock)
        self._client = client

    async def deliver(self, submissions: Sequence[Submission]) -> list[str | WarrenerError]:
        """Submit these, until the broker has confirmed or refused each for good."""
        answers: dict[str, str | WarrenerError] = {}
        left = list(submissions)
        for tries, pause in enumerate(pauses()):
            found = await self._client.submit(left)
            again = []
            for submission, answer in zip(left, found, strict=True):
                if isinstance(answer, PASSING) and (tries < MISSING_FOR or not _missing(answer)):
                    again.append(submission)
                answers[str(submission.job_id)] = answer
            if not again:
                break
            log.warning("%d part(s) of workflows are not published yet", len(again))
            left = again
            await asyncio.sleep(pause)
        return [answers[str(submission.job_id)] for submission in submissions]


MISSING_FOR = 5
"""Tries for which a queue may be missing, some seconds: then the workflow fails for it, rather than hold
what led there for as long as nobody declares the queue."""


def _missing(error: WarrenerError) -> bool:
    return type(error).__name__ == "QueueNotFound"


class Advancing:
    """Carries workflows on when their jobs have ended."""

    def __init__(self, client: Client) -> None:
        self.carrier = _PatientCarrier(client, client.settings)

    async def follow(self, ends: Sequence[End]) -> None:
        """See FollowUps."""
        found = [(end, part) for end in ends if (part := part_of(end.message)) is not None]
        for at in range(0, len(found), AT_ONCE):
            due = await patiently(partial(self._advance, found[at : at + AT_ONCE]))
            if due:
                await patiently(partial(self.carrier.carry_out, due))

    async def _advance(self, ends: Sequence[tuple[End, Part]]) -> list[Due]:
        make = self.carrier.calls.make
        calls = [
            make("advance", part.flow, part.node, part.round, *_outcome(end)) for end, part in ends
        ]
        replies = await self.carrier.call(*calls)
        due: list[Due] = []
        for (end, part), reply in zip(ends, replies, strict=True):
            if reply[0] != b"ok":
                log.info(
                    "the end of job %s changes nothing in workflow %s: %s",
                    end.message.job_id,
                    part.flow,
                    reply[0].decode(),
                )
            due += due_in(part.flow, reply)
        return due


def _outcome(end: End) -> tuple[str, bytes]:
    if end.state is State.SUCCESS:
        return "S", end.result
    error = end.error
    facts = {
        "type": error.type if error else "Unknown",
        "message": error.message if error else "its record is gone",
        "reason": error.reason if error else "",
        "task": end.message.task,
        "job_id": end.message.job_id,
    }
    text = orjson.dumps(facts)
    if end.state is State.REVOKED:
        return ("X" if facts["reason"] == ENDED else "R"), text
    return "F", text
