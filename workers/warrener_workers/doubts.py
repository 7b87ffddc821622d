"""Doubts: what was claimed before this worker fell silent may have been taken over, and have ended,
elsewhere. Before it begins, the store is asked whether its claim still stands, for many in a round trip."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from warrener.transitions import Granted, Verdict

from .claims import Claim, Claims
from .context import Context
from .deliveries import Run

log = logging.getLogger(__name__)


class Doubts:
    """Asks; `assured` gets each run whose claim stands, `give_up` those whose claim does not."""

    def __init__(
        self,
        context: Context,
        claims: Claims,
        assured: Callable[[Run], None],
        give_up: Callable[[list[Run]], None],
    ) -> None:
        self._tenure = context.tenure
        self._active = context.active
        self._claims = claims
        self._assured = assured
        self._give_up = give_up
        self._waiting: list[Run] = []
        self._asking: asyncio.Task[None] | None = None

    def ask(self, run: Run) -> None:
        """Ask about this run; returns at once."""
        self._waiting.append(run)
        if self._asking is None or self._asking.done():
            self._asking = asyncio.get_running_loop().create_task(self._ask_all())

    async def _ask_all(self) -> None:
        while self._waiting:
            runs, self._waiting = self._waiting, []
            number = self._tenure.number
            # The same claim again: granted if it stands.
            claims = [Claim(run.delivery, run.token, run.claimed, number) for run in runs]
            verdicts = await self._claims.verdicts(claims)
            for run, verdict in zip(runs, [*verdicts, *[None] * len(runs)], strict=False):
                if self._active.get(run.message.job_id) is run:
                    await self._follow(run, verdict, number)

    async def _follow(self, run: Run, verdict: Verdict | None, number: int) -> None:
        if isinstance(verdict, Granted):
            run.tenure = number
            self._assured(run)
            return
        log.warning(
            "job %s is given up: it may have run elsewhere while this worker was silent",
            run.message.job_id,
            extra=run.delivery.facts,
        )
        self._give_up([run])
        # To be settled by what its record says, if RabbitMQ has not taken it back anyway.
        await run.delivery.requeue()

    def stop(self) -> None:
        """Ask no more."""
        if self._asking is not None:
            self._asking.cancel()
