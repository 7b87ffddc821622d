"""Bringing a job's record into each of its states, and looking at it as the store keeps it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, cast

from warrener import State, transitions
from warrener.messages import Message
from warrener.states import TRANSITIONS
from warrener.store import Store
from warrener.transitions import Failing, Reply, Runner, Transition

JOB = "job-1"
QUEUE = "scan.analysis"
FIRST = Message(JOB, "shop.task", b"{}", created=1.0)
ME = Runner("boot-1", "heavy-1")
OTHER = Runner("boot-2", "heavy-2")
ERROR = b'{"type":"ValueError","message":"no","traceback":"","reason":"error"}'
TTLS = (100.0, 1000.0)


@dataclass(frozen=True)
class Record:
    """One look at a job's hash."""

    fields: dict[bytes, bytes]

    @property
    def state(self) -> State | None:
        """As written; None without a record."""
        found = self.fields.get(b"state")
        return State(found.decode()) if found else None

    @property
    def sources(self) -> set[State | None]:
        """What a move may count as its start: nobody has accepted an unconfirmed job yet."""
        return {self.state, None} if b"unconfirmed" in self.fields else {self.state}

    @property
    def order(self) -> tuple[int, int]:
        """(generation, attempt)."""
        if not self.fields:
            return (-1, -1)
        return int(self.fields[b"generation"]), int(self.fields[b"attempt"])

    @property
    def token(self) -> str | None:
        """The run that holds it, or that ended it."""
        found = self.fields.get(b"token")
        return found.decode() if found else None

    def message(self) -> Message:
        """The message of the attempt at which it is."""
        generation, attempt = self.order if self.fields else (0, 1)
        return FIRST._replace(generation=generation, attempt=attempt)


def check_move(before: Record, after: Record) -> None:
    """That the table knows this move, that it goes forward, and that a final state stays as it is."""
    assert after.order >= before.order
    if before.state != after.state or before.order != after.order:
        assert any(after.state in TRANSITIONS[source] for source in before.sources)
    if before.state in (State.SUCCESS, State.REVOKED):
        assert (after.state, after.order) == (before.state, before.order)
        assert before.fields.get(b"finished") == after.fields.get(b"finished")


async def look(store: Store) -> Record:
    found: Any = store.client.hgetall(store.keys.job(JOB))
    return Record(cast(dict[bytes, bytes], await found))


async def ttl(store: Store, key: str | None = None) -> int:
    """Seconds that the record (or another key) lives; -1 for no end, -2 for no such key."""
    return await store.client.ttl(key or store.keys.job(JOB))


async def do(store: Store, move: Transition) -> Reply:
    """Make one move, and hold it against the table."""
    before = await look(store)
    [reply] = await store.apply([move])
    check_move(before, await look(store))
    return reply


def claimed(message: Message, token: str, runner: Runner = ME, abandoned: str = "") -> Transition:
    return transitions.claim(message, QUEUE, token, runner, 10.0, TTLS[1], abandoned)


def succeeded(token: str, result: bytes = b'"result"', owed: bytes = b"") -> Transition:
    return transitions.succeed(JOB, token, 20.0, result, TTLS, owed)


def failing(owed: bytes, entry: bytes = b'{"attempt":1}') -> Failing:
    return Failing(ERROR, entry, owed, TTLS[1])


def retried(token: str) -> Transition:
    return transitions.fail(JOB, token, 20.0, failing(b'{"retry":30.0}'), 30.0)


def buried(token: str) -> Transition:
    return transitions.fail(JOB, token, 20.0, failing(b'{"dead":20.0}'))


def revoked(message: Message) -> Transition:
    return transitions.revoke(message, 20.0, "by hand", TTLS[1])


def reserved(fingerprint: str = "print") -> Transition:
    return transitions.reserve(JOB, fingerprint, FIRST.task, QUEUE, 1.0)


Way = Callable[[Store], Awaitable[Any]]


def way(*moves: Transition) -> Way:
    async def walk(store: Store) -> None:
        for move in moves:
            await do(store, move)

    return walk


SUBMITTED = transitions.submit(FIRST, QUEUE)
SECOND = FIRST.next_attempt()
REPLAYED = FIRST._replace(generation=1)
# The runs that end hold the token "mine".
WAYS: dict[str, Way] = {
    "nothing": way(),
    "unconfirmed": way(reserved()),
    "PENDING": way(SUBMITTED),
    "PENDING handed back": way(claimed(FIRST, "mine"), transitions.release(JOB, "mine")),
    "PENDING replayed": way(
        SUBMITTED, claimed(FIRST, "a"), buried("a"), transitions.replay(FIRST, QUEUE)
    ),
    "SCHEDULED": way(transitions.submit(FIRST._replace(due=30.0), QUEUE)),
    "STARTED": way(SUBMITTED, claimed(FIRST, "mine")),
    "STARTED again": way(SUBMITTED, claimed(FIRST, "a"), retried("a"), claimed(SECOND, "mine")),
    "STARTED replayed": way(SUBMITTED, claimed(FIRST, "a"), buried("a"), claimed(REPLAYED, "mine")),
    "RETRY": way(SUBMITTED, claimed(FIRST, "mine"), retried("mine")),
    "SUCCESS": way(SUBMITTED, claimed(FIRST, "mine"), succeeded("mine")),
    "FAILURE": way(SUBMITTED, claimed(FIRST, "mine"), buried("mine")),
    "REVOKED": way(SUBMITTED, revoked(FIRST)),
}
