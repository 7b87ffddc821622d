"""What waits for a queue and how fast it moves, by the lists, the counts and the workers' own words:
RabbitMQ tells neither without its management plugin, which an app may not reach."""

from __future__ import annotations

from dataclasses import dataclass

from .listing import AT_ONCE, START, Listing, Place, Wanted
from .lists import Lists, Name, read
from .presence import PresenceBoard
from .settings import Settings
from .states import State
from .stats import MINUTE, Stats
from .store import Call, Store

LOOKS = 5
"""Scripts that count what waits for its time: 100,000 jobs; those that are due later are not counted."""
_NEWEST = 1000
"""Jobs by which the rate of submissions is told, at most."""
_STRIDE, _SAMPLE = 5_000, 8
"""Members that one step of the search looks at, and states that it reads."""
_STEPS = 40
_CLOSE = 0.05
"""Seconds by which the search may be early."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """One queue. `unacked`: jobs that its workers held on their last beat. `delayed`: jobs that wait for
    their time or their next attempt. `oldest`: seconds for which the job whose turn it is has waited; None
    if that is not known. Rates a second, over the last minute or two: jobs `submitted`, runs `ended`."""

    unacked: int = 0
    delayed: int = 0
    oldest: float | None = None
    submitted: float = 0.0
    ended: float = 0.0


class Backlogs:
    """Reads them. Every method raises StoreUnavailable while Redis is away."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._store = store
        self._listing = Listing(settings, store)
        self._waiting = Lists(settings.namespace).key(Name.WAITING)
        self._stats = Stats(settings, store)
        self._board = PresenceBoard(settings, store)

    async def of(self, ready: dict[str, int], now: float) -> dict[str, Backlog]:
        """The backlogs of these queues, of which so many messages are ready."""
        held: dict[str, int] = {}
        for worker in await self._board.living():
            for queue, count in worker.held.items():
                held[queue] = held.get(queue, 0) + count
        waiting = await self._waits(now)
        ended = await self._ended(now)
        return {
            queue: Backlog(
                held.get(queue, 0),
                waiting.get(queue, (0, None))[0],
                await self._oldest(queue, waiting.get(queue, (0, None))[1], now) if count else None,
                await self._submitted(queue, now),
                ended.get(queue, 0.0),
            )
            for queue, count in ready.items()
        }

    async def _waits(self, now: float) -> dict[str, tuple[int, float | None]]:
        """By queue: how many are not due, and when the first was due that has not begun."""
        found: dict[str, tuple[int, float | None]] = {}
        for look in range(LOOKS):
            call = Call("listing/waiting", (self._waiting,), (now, look * AT_ONCE, AT_ONCE))
            [[looked, *words]] = await self._store.call([call])
            for queue, count, due in zip(*(words[n::3] for n in range(3)), strict=True):
                before, since = found.get(name := queue.decode(), (0, None))
                found[name] = (before + int(count), since or (float(due) if due else None))
            if int(looked) < AT_ONCE:
                break
        return found

    async def _ended(self, now: float) -> dict[str, float]:
        rates: dict[str, float] = {}
        for counts in await self._stats.minutes(now, 2):
            for end, count in counts.ends.items():
                rates[end.queue] = rates.get(end.queue, 0.0) + count / (MINUTE + now % MINUTE)
        return rates

    async def _submitted(self, queue: str, now: float) -> float:
        lines, _ = await self._listing.piece(Name.ALL, "down", START, Wanted(queue=queue), _NEWEST)
        lately = [float(score) for _, score in lines if float(score) > now - MINUTE]
        if not lately:
            return 0.0
        return len(lately) / (max(now - lately[-1], 0.001) if len(lately) == _NEWEST else MINUTE)

    # The oldest ----------------------------------------------------------------------------------

    async def _oldest(self, queue: str, due: float | None, now: float) -> float | None:
        created = await self._first_pending(queue, now)
        since = [when for when in (created, due) if when is not None]
        return max(0.0, now - min(since)) if since else None

    async def _first_pending(self, queue: str, now: float) -> float | None:
        """When the first job was created that waits in this queue. A queue is first in, first out, so that
        all before it have begun: it is found by halving the time between the first job there is and now.
        What was put back out of its turn, such as a replay, is passed over."""
        lines, _ = await self._listing.piece(Name.ALL, "up", START, Wanted(), 1)
        early, late = (float(lines[0][1]) if lines else now) - 1, now + 1
        found: float | None = None
        for _ in range(_STEPS):
            if late - early < _CLOSE:
                break
            middle = (early + late) / 2
            pending, looked = await self._sample(queue, middle)
            if pending is None and looked is not None:
                early = max(middle, looked)  # all up to there have begun, or are other queues'
            else:
                late, found = middle, pending if pending is not None else found
        return found

    async def _sample(self, queue: str, after: float) -> tuple[float | None, float | None]:
        """Of the next jobs of a queue, when the first was created that is PENDING, and up to where was
        looked; None at the end of the list."""
        lines, place = await self._listing.piece(
            Name.ALL, "up", Place(repr(after), ""), Wanted(queue=queue), _SAMPLE, _STRIDE
        )
        job = self._store.keys.job
        ids = [read(member).job_id for member, _ in lines]
        states = await self._store.send([("HGET", job(one), "state") for one in ids]) if ids else []
        for (_, score), state in zip(lines, states, strict=True):
            if state == State.PENDING.encode():
                return float(score), None
        return None, float(place.score) if place != START else None
