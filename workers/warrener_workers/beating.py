"""The worker's own signs of life: its presence on the board, renewed on a beat."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import version

from warrener.errors import StoreUnavailable
from warrener.ids import new_id
from warrener.presence import Presence, PresenceBoard

from .claims import Claims
from .context import Context
from .deliveries import Run

log = logging.getLogger(__name__)


def first_presence(name: str, queues: Sequence[str], pool: str, slots: int, now: float) -> Presence:
    """What a worker says of itself as it starts."""
    return Presence(
        owner=new_id(),
        name=name,
        host=socket.gethostname(),
        pid=os.getpid(),
        version=version("warrener"),
        queues=list(queues),
        pool=pool,
        slots=slots,
        started=now,
        seen=now,
    )


class Beating:
    """Renews a worker's presence. `memory` says what its processes hold, in bytes. `give_up` gets the runs
    that must end because others may take them for abandoned; `asked_to_stop` is called on each beat once
    somebody wants the worker to stop."""

    def __init__(
        self,
        presence: Presence,
        context: Context,
        board: PresenceBoard,
        claims: Claims,
        give_up: Callable[[list[Run]], None],
        asked_to_stop: Callable[[], None] = lambda: None,
        memory: Callable[[], int] = lambda: 0,
    ) -> None:
        self._presence = presence
        self._context = context
        self._board = board
        self._claims = claims
        self._give_up = give_up
        self._asked_to_stop = asked_to_stop
        self._memory = memory
        self._lapse: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Renew it on every beat, without end."""
        beat = self._context.settings.beat
        while True:
            began, begun = asyncio.get_running_loop().time(), time.monotonic()
            try:
                # No longer than a beat: the next try may find a better connection.
                async with asyncio.timeout(beat):
                    asked = await self._board.renew(self._now())
            except (StoreUnavailable, TimeoutError) as error:
                self._claims.store_was_away()
                why = str(error) or f"Redis has not answered within {beat:g} s"
                log.warning("this worker's presence is not renewed: %s", why)
            else:
                if asked:
                    self._asked_to_stop()
                lifetime = self._context.settings.presence_lifetime - beat / 2
                self._context.tenure.renewed(begun + lifetime)
                self._lapses_at(began + lifetime)
            await asyncio.sleep(beat)

    def _now(self) -> Presence:
        """What the worker says of itself now: claims are listed once they are a beat old."""
        now = self._context.clock()
        old = now - self._context.settings.beat
        active = self._context.active.values()
        running = [
            {
                "id": run.message.job_id,
                "task": run.message.task,
                "queue": run.delivery.queue,
                "attempt": run.message.attempt,
                "token": run.token,
                "started": run.started,
                "begun": run.begun,
            }
            for run in active
            if run.claimed <= old
        ]
        claiming = [token for token, made in self._claims.asked if made <= old]
        return replace(
            self._presence,
            seen=now,
            busy=len(active),
            running=running,
            claiming=claiming,
            held=Counter(run.delivery.queue for run in active),
            memory=self._memory(),
        )

    def _lapses_at(self, then: float) -> None:
        if self._lapse is not None:
            self._lapse.cancel()
        self._lapse = asyncio.get_running_loop().call_at(then, self._lapsed)

    def _lapsed(self) -> None:
        """Nobody can see any more that this worker lives. What RabbitMQ has taken back may soon run
        elsewhere, so it must end here; what RabbitMQ has not taken back goes on."""
        stale = [run for run in self._context.active.values() if run.delivery.stale]
        if stale:
            log.warning("cut off from RabbitMQ and from Redis: %d job(s) are given up", len(stale))
            self._give_up(stale)
        self._lapses_at(asyncio.get_running_loop().time() + self._context.settings.beat / 4)

    def stop(self) -> None:
        """Look no more whether it lapses."""
        if self._lapse is not None:
            self._lapse.cancel()
