"""The producer's side: submissions in, records out."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple, TypeVar

from . import control, transitions
from .catalogue import Catalogue
from .declared import CatalogueEntry
from .errors import (
    BrokerRefusedLogin,
    BrokerUnavailable,
    IdempotencyConflict,
    InvalidPriority,
    PayloadTooLarge,
    StoreUnavailable,
    WarrenerError,
)
from .events import Announcer
from .joining import JoinedCalls, JoinedTurns
from .lists import Lists
from .messages import NO_ARGUMENTS, Message, Seal
from .outgoing import Outgoing, Publishes, check
from .publishing import Publisher
from .records import JobStatus
from .redis_connections import open_client
from .revoking import ask_revoke, warn_unheard
from .settings import Settings
from .store import Call, Store, log
from .submissions import Submission, job_id_of
from .uniqueness import UniqueJobs
from .waiting import Waiter

T = TypeVar("T")

_MOVES = 1000
"""How many records are written in one round trip, which Redis answers as a whole."""
_FEW = 10
"""Submissions of one call that are sent together with those of others."""


def _seal(settings: Settings) -> Seal | None:
    if not settings.signing_keys.get_secret_value():
        return None
    from .signing import Signer  # an optional part

    return Signer(settings)


class _Draft(NamedTuple):
    outgoing: Outgoing
    fingerprint: str
    """Of a submission with an idempotency key, or of a unique one; else empty."""


class Client:
    """Submits jobs and reads their records."""

    def __init__(
        self,
        settings: Settings,
        queues: Iterable[str],
        *,
        store: Store | None = None,
        publisher: Publishes | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.settings = settings
        # What takes the publisher's place in tests signs nothing.
        self.seal = None if publisher else _seal(settings)
        self.publisher: Publishes = publisher or Publisher(
            settings, "warrener producer", queues, self.seal
        )
        self.store = store or Store(settings, open_client(settings), clock)
        self.store.attach(Lists(settings.namespace))
        self._announcer = Announcer(settings.namespace, self.store, clock)
        self.store.attach(self._announcer)
        self.catalogue = Catalogue(settings, self.store)
        self._recording = JoinedCalls(self.store.apply, _MOVES, StoreUnavailable)
        self._sending: defaultdict[str, JoinedTurns[_Draft, WarrenerError | None]] = defaultdict(
            partial(JoinedTurns, self._send)
        )
        self._unique = UniqueJobs(settings, self.store)
        self._waiter = Waiter(self.store)
        self.clock = clock

    async def submit(self, submissions: Sequence[Submission]) -> list[str | WarrenerError]:
        """Publish, with confirms awaited together, then record. A record that cannot be written is no
        failure: the job is safe in its queue, and the worker that claims it makes the record."""
        answers: list[str | WarrenerError] = []
        drafts: list[tuple[int, _Draft]] = []
        for submission in submissions:
            try:
                outgoing = self._draft(submission)
                if submission.unique is not None:
                    outgoing, fingerprint, exists = await self._only(outgoing, submission)
                else:
                    fingerprint, exists = await self._reserve(outgoing, submission)
                answers.append(outgoing.message.job_id)
                if not exists:
                    drafts.append((len(answers) - 1, _Draft(outgoing, fingerprint)))
            except WarrenerError as error:
                answers.append(error)
        # A list is enough of a crowd by itself, of a delay the broker may have to be asked first, and none
        # is to wait for a queue that is not its own.
        queues = {one.outgoing.queue for _, one in drafts}
        alone = len(drafts) > _FEW or any(one.outgoing.delay for _, one in drafts)
        send = self._send if alone or len(queues) != 1 else self._sending[queues.pop()].do
        for (place, _), fault in zip(drafts, await send([one for _, one in drafts]), strict=True):
            if fault is not None:
                answers[place] = fault
        return answers

    async def _send(self, drafts: Sequence[_Draft]) -> Sequence[WarrenerError | None]:
        """Publish these, and record those that were confirmed: for each, what was wrong."""
        faults = await self.publisher.publish_many([one.outgoing for one in drafts])
        moves = []
        for (outgoing, fingerprint), fault in zip(drafts, faults, strict=True):
            message = outgoing.message
            if fault is None:
                moves.append(transitions.submit(message, outgoing.queue, fingerprint))
            elif fingerprint and not fault.may_arrive:
                moves.append(transitions.unreserve(message.job_id, fingerprint))
        await self._record(moves)
        return faults

    def _draft(self, submission: Submission) -> Outgoing:
        size, limit = len(submission.body), self.settings.max_payload_bytes
        if size > limit:
            raise PayloadTooLarge(task=submission.task, size=size, limit=limit)
        highest, priority = self.settings.max_priority, submission.priority
        if priority is not None and not (highest and 0 <= priority <= highest):
            raise InvalidPriority(priority=priority, limit=highest)
        now = self.clock()
        delay = submission.delay(now)
        message = Message(
            job_id=job_id_of(submission, self.settings.namespace),
            task=submission.task,
            body=submission.body,
            created=now,
            due=now + delay if delay else None,
            expires=submission.end(now),
            concurrency_key=submission.concurrency_key,
            priority=priority,
            workflow=submission.workflow,
            extra=dict(submission.headers),
        )
        outgoing = Outgoing(message, submission.queue, delay)
        # Before the key is reserved: a submission that is refused must not use it up.
        check(outgoing, self.settings)
        return outgoing

    async def _reserve(self, outgoing: Outgoing, submission: Submission) -> tuple[str, bool]:
        """The fingerprint of a submission with an idempotency key, and whether its job has been accepted
        before; empty and False without a key. Raises IdempotencyConflict."""
        if submission.key is None:
            return "", False
        message, fingerprint = outgoing.message, submission.fingerprint
        reservation = transitions.reserve(
            message.job_id, fingerprint, message.task, submission.queue, message.created
        )
        [[answer, *_]] = await self.store.apply([reservation])
        if answer == b"conflict":
            raise IdempotencyConflict(job_id=message.job_id)
        if answer == b"broken":
            reason = f"the record of job {message.job_id} cannot be used"
            raise StoreUnavailable(url=self.settings.shown_redis_url, reason=reason)
        return fingerprint, answer == b"exists"

    async def _only(self, outgoing: Outgoing, submission: Submission) -> tuple[Outgoing, str, bool]:
        """A unique submission, as the job that it comes to, with its fingerprint, and whether that job is
        there already. Raises DuplicateJob."""
        standing = await self._unique.take(
            outgoing.message,
            submission.queue,
            submission.unique or "",
            submission.unique_for,
            refuse=submission.refuse_duplicate,
        )
        message = outgoing.message._replace(job_id=standing.job_id)
        return replace(outgoing, message=message), standing.fingerprint, standing.exists

    async def _record(self, moves: list[transitions.Transition]) -> None:
        """Write these. Whoever submits waits no longer than `connect_timeout` for a Redis that answers
        nothing; what it has been asked by then is written all the same if it answers soon."""
        patience = self.settings.connect_timeout
        for start in range(0, len(moves), _MOVES):
            try:
                async with asyncio.timeout(patience):
                    await self._recording.do(moves[start : start + _MOVES])
            except (StoreUnavailable, TimeoutError) as error:
                left = len(moves) - start
                why = str(error) or f"Redis has not answered within {patience:g} s"
                log.warning("%d submission(s) are not recorded yet: %s", left, why)
                return

    async def find_task(self, task: str) -> CatalogueEntry | None:
        """What workers have published of a task, or None. Raises StoreUnavailable."""
        return await self.catalogue.find(task)

    async def status(self, job_id: str) -> JobStatus | None:
        """The job's record, or None if it is not known. Raises StoreUnavailable."""
        return await self.store.status(job_id)

    async def revoke(self, job_id: str, reason: str, *, terminate: bool) -> bool:
        """See Backend.revoke. Raises JobNotFound, JobEnded, StoreUnavailable."""
        now = self.clock()
        store, settings = self.store, self.settings
        asked = await ask_revoke(store, settings, job_id, now, reason, terminate=terminate)
        if asked.workflow:
            part = Message(job_id, asked.task, NO_ARGUMENTS, created=now, workflow=asked.workflow)
            [fault] = await self.publisher.publish_many([Outgoing(part, asked.queue)])
            if fault is not None:
                warn_unheard(job_id, fault)
        if not asked.waited:
            await self.look_for_revoked([job_id])
        return asked.waited

    async def look_for_revoked(self, job_ids: Sequence[str]) -> None:
        """Have workers look soon at which of these jobs are revoked, where they can be told."""
        try:
            await self.publisher.tell_workers(control.look_for_revoked(job_ids))
        except (BrokerUnavailable, BrokerRefusedLogin) as error:
            log.info("workers notice revocations by themselves: %s", error)

    async def call(self, calls: Sequence[Call]) -> list[transitions.Reply]:
        """See Store.call."""
        return await self.store.call(calls)

    async def apply(self, moves: Sequence[transitions.Transition]) -> list[transitions.Reply]:
        """See Store.apply."""
        return await self.store.apply(moves)

    async def until(
        self, look: Callable[[], Awaitable[T | None]], name: str, timeout: float | None
    ) -> T | None:
        """What `look` finds, as soon as it finds something, or None after `timeout` seconds; asked again
        after growing pauses. `name` says what is waited for."""
        try:
            async with asyncio.timeout(timeout):
                for pause in itertools.chain((0.02, 0.05, 0.1, 0.2), itertools.repeat(0.5)):
                    if (found := await look()) is not None:
                        return found
                    await asyncio.sleep(pause)
        except TimeoutError:
            pass
        return None

    async def wait(self, job_id: str, timeout: float | None) -> JobStatus | None:
        """See Backend.wait. Raises StoreUnavailable."""
        return await self._waiter.wait(job_id, timeout)

    async def close(self, patience: float | None = None) -> None:
        """Close the connections. Records under way have so many seconds, or `connect_timeout`."""
        await self._waiter.close()
        await self._recording.drain(self.settings.connect_timeout if patience is None else patience)
        await self._announcer.close()
        await self.publisher.close()
        await asyncio.gather(*(turns.end() for turns in self._sending.values()))
        await self.store.close()
