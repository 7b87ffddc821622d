"""Asking all workers whether they hear: by the way that control messages go, and back by the store."""

from __future__ import annotations

import time
from dataclasses import dataclass

from . import control
from .client import Client
from .ids import new_id
from .presence import Presence, PresenceBoard


@dataclass(frozen=True, slots=True)
class Pong:
    """A living worker, and the seconds after which its answer was seen; None if there was none."""

    worker: Presence
    seconds: float | None


async def ping(client: Client, timeout: float, name: str = "") -> list[Pong]:
    """Ask the living workers, or the one of this name, and wait until all have answered, for `timeout`
    seconds at most. Raises BrokerUnavailable, BrokerRefusedLogin, StoreUnavailable."""
    board = PresenceBoard(client.settings, client.store)
    workers = [worker for worker in await board.living() if name in ("", worker.name)]
    if not workers:
        return []
    asked, token, began = {one.owner for one in workers}, new_id(), time.monotonic()
    seen: dict[str, float] = {}
    await client.publisher.tell_workers(control.ping(token))

    async def look() -> bool | None:
        for owner in await board.answered(token):
            seen.setdefault(owner, time.monotonic() - began)
        return True if asked <= seen.keys() else None

    await client.until(look, "answers", timeout)
    return [Pong(worker, seen.get(worker.owner)) for worker in workers]
