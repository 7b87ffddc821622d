"""Claims: the store is asked which deliveries this worker may run, many in one round trip, and what a lost
worker holds is taken over."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, NamedTuple

from warrener import transitions
from warrener.errors import StoreUnavailable
from warrener.presence import PresenceBoard
from warrener.transitions import Granted, Held, Verdict

from .context import Context
from .deliveries import Delivery
from .patience import patiently

log = logging.getLogger(__name__)


class Claim(NamedTuple):
    """A delivery for which the store is asked, `made` at this Unix time and in this tenure."""

    delivery: Delivery
    token: str
    made: float
    tenure: int


class Claims:
    """Claims deliveries. `answered` gets each claim with its verdict, `failed` the deliveries of claims
    that came to none."""

    def __init__(
        self,
        context: Context,
        board: PresenceBoard,
        answered: Callable[[Claim, Verdict], None],
        failed: Callable[[Sequence[Delivery]], None],
    ) -> None:
        self._context = context
        self._lapse = context.settings.presence_lifetime
        self._store = context.store
        self._clock = context.clock
        self._board = board
        self._answered = answered
        self._failed = failed
        self._waiting: list[Delivery] = []
        self._asking = False
        # The owner is this start of this worker: nobody else has such tokens, and none comes again.
        self._tokens = (f"{context.runner.owner}.{n}" for n in itertools.count(1))
        self._work: set[asyncio.Task[None]] = set()
        self._asked: dict[str, Claim] = {}
        self._store_answers_since = context.clock()

    def make(self, deliveries: Sequence[Delivery]) -> None:
        """Claim these; returns at once."""
        self._waiting.extend(deliveries)
        if self._waiting and not self._asking:
            self._asking = True
            self._start(self._claim_all())

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    async def _claim_all(self) -> None:
        """One round trip at a time: what arrives during one is claimed together in the next, so that the
        batches grow with the load."""
        try:
            while self._waiting:
                deliveries, self._waiting = self._waiting, []
                now = self._clock()
                await self._claim([self._new(one, next(self._tokens), now) for one in deliveries])
        finally:
            self._asking = False

    def _new(self, delivery: Delivery, token: str, now: float) -> Claim:
        return Claim(delivery, token, now, self._context.tenure.number)

    async def _claim(self, claims: Sequence[Claim]) -> None:
        verdicts = await self.verdicts(claims)
        held = []
        for claim, verdict in zip(claims, verdicts, strict=False):
            if isinstance(verdict, Held):
                held.append((claim, verdict))
            else:
                self._answered(claim, verdict)
        if held:
            self._start(self._contest(held))

    async def verdicts(
        self, claims: Sequence[Claim], abandoned: Sequence[str] = ()
    ) -> list[Verdict]:
        """What the store says to these claims, the last ones made in place of `abandoned` ones; nothing
        when asking failed in a way that nobody foresaw. While it has not answered, they count as held
        here: it may have granted them."""
        olds = abandoned or [""] * len(claims)
        try:
            moves = [
                self._context.claim(claim.delivery, claim.token, claim.made, old)
                for claim, old in zip(claims, olds, strict=True)
            ]
            self._asked.update({claim.token: claim for claim in claims})
            replies = await patiently(lambda: self._store.apply(moves), self.store_was_away)
            return [transitions.read_claim(reply) for reply in replies]
        except Exception:
            log.exception("claiming failed")
            self._failed([claim.delivery for claim in claims])
            return []
        finally:
            for claim in claims:
                self._asked.pop(claim.token, None)

    def store_was_away(self) -> None:
        """Redis did not answer: the silence of other workers means nothing for a while."""
        self._store_answers_since = self._clock()

    async def _contest(self, held: list[tuple[Claim, Held]]) -> None:
        """Take over what nobody runs any more; of the rest, say that it is held."""
        abandoned = await self._abandoned([verdict for _, verdict in held])
        claims = []
        for claim, verdict in held:
            if verdict.token in abandoned:
                claims.append(self._new(claim.delivery, claim.token, self._clock()))
            else:
                self._answered(claim, verdict)
        tokens = [verdict.token for _, verdict in held if verdict.token in abandoned]
        for claim, answer in zip(claims, await self.verdicts(claims, tokens), strict=False):
            if isinstance(answer, Granted):
                job_id, facts = claim.delivery.message.job_id, claim.delivery.facts
                log.warning("job %s is taken over from a lost worker", job_id, extra=facts)
            self._answered(claim, answer)

    async def _abandoned(self, held: Sequence[Held]) -> set[str]:
        """The tokens of those claims whose worker has been silent for too long."""
        if self._clock() - self._store_answers_since < self._lapse:
            return set()
        try:
            presences = await self._board.of_many({verdict.owner for verdict in held})
        except StoreUnavailable:
            return set()
        except Exception:
            log.exception("nothing is taken over: the presence of other workers is not readable")
            return set()
        return {
            verdict.token
            for verdict in held
            if self._board.abandoned(presences.get(verdict.owner), verdict.token, verdict.claimed)
        }

    @property
    def asked(self) -> list[tuple[str, float]]:
        """Token and time of each claim whose answer is awaited."""
        return [(claim.token, claim.made) for claim in self._asked.values()]

    async def drain(self, until: float | None = None) -> None:
        """Return once all claims under way are answered. Those that are not by this time of the loop are
        given up, and their deliveries come again elsewhere."""
        try:
            async with asyncio.timeout_at(until):
                while self._work:
                    await asyncio.gather(*self._work, return_exceptions=True)
        except TimeoutError:
            log.warning("claims that the store has not answered are given up")
