"""The scripts in any order: random calls of many runs of one job, each held against the table."""

import asyncio
import itertools
import time
from typing import Any

import fakeredis
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from warrener import Settings, State, transitions
from warrener.messages import Message
from warrener.store import Store
from warrener.transitions import Granted, Held, Settled, Stale, Transition, read_claim

from . import records
from .records import QUEUE, TTLS, Record, check_move, failing

SERVER = fakeredis.FakeServer()
NUMBERS = itertools.count()

HOLDER = "whoever holds it"
tokens = st.sampled_from([HOLDER, HOLDER, "a", "b", "c"])
# Steps from where the record is: mostly the current attempt, sometimes a late or an early message.
steps = st.sampled_from([0, 0, 0, 0, -1, 1])


def has_record(machine: "OneJob") -> bool:
    return machine.record.state is not None


class OneJob(RuleBasedStateMachine):
    """One job, its messages in any order, and runs that may call whatever they like."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.store = self.opened()
        self.job_id = f"machine-{next(NUMBERS)}"
        self.record = Record({})

    def opened(self) -> Store:
        """The store, on fakeredis here; tests/integration has it on a real Redis."""
        return Store(Settings(), fakeredis.FakeAsyncRedis(server=SERVER), time.time)

    def teardown(self) -> None:
        self.runner.run(self.store.close())
        self.runner.close()

    def message(self, generations: int = 0, attempts: int = 0) -> Message:
        """A message that many generations and attempts from where the record is."""
        message = self.record.message()._replace(job_id=self.job_id)
        return message._replace(
            generation=max(0, message.generation + generations),
            attempt=max(1, message.attempt + attempts),
        )

    def who(self, token: str) -> str:
        return (self.record.token or "a") if token == HOLDER else token

    async def _made(self, move: Transition) -> tuple[Any, dict[bytes, bytes]]:
        [reply] = await self.store.apply([move])
        found: Any = self.store.client.hgetall(self.store.keys.job(self.job_id))
        return reply, await found

    def make(self, move: Transition) -> tuple[Any, Record]:
        """Make a move; its answer, and the record before it."""
        before = self.record
        reply, fields = self.runner.run(self._made(move))
        self.record = Record(fields)
        check_move(before, self.record)
        if before.order[0] == self.record.order[0]:
            assert self.losses(before) <= self.losses(self.record)
        return reply, before

    @staticmethod
    def losses(record: Record) -> int:
        return int(record.fields.get(b"losses", 0))

    @rule(due=st.none() | st.just(30.0))
    def submit(self, due: float | None) -> None:
        message = records.FIRST._replace(job_id=self.job_id, due=due)
        self.make(transitions.submit(message, QUEUE))
        assert b"created" in self.record.fields

    @rule(fingerprint=st.sampled_from(["one", "other"]))
    def reserve(self, fingerprint: str) -> None:
        move = transitions.reserve(self.job_id, fingerprint, "t", QUEUE, 1.0)
        [answer], before = self.make(move)
        assert (answer == b"new") is (before.state is None)

    @rule(
        generations=steps,
        attempts=steps,
        token=tokens,
        abandoned=st.just("") | tokens,
        expires=st.sampled_from([None, None, None, 9.0, 11.0]),
    )
    def claim(
        self, generations: int, attempts: int, token: str, abandoned: str, expires: float | None
    ) -> None:
        token, abandoned = self.who(token), self.who(abandoned)
        runner = records.ME if token == "a" else records.OTHER
        message = self.message(generations, attempts)._replace(expires=expires)
        move = transitions.claim(message, QUEUE, token, runner, 10.0, TTLS[1], abandoned)
        reply, before = self.make(move)
        match read_claim(reply):
            case Granted(losses):
                assert expires != 9.0 or before.token == token, "it had expired"
                assert (self.record.state, self.record.token) == (State.STARTED, token)
                assert self.record.order == message.order
                assert losses == self.losses(self.record)
                if before.state is State.STARTED and before.order == self.record.order:
                    assert before.token in (token, abandoned), "two runs of one attempt"
            case Held(owner=owner, token=holder):
                assert self.record == before
                assert (before.state, before.token) == (State.STARTED, holder)
                assert owner
            case Settled() if self.record != before:
                assert self.record.state is State.REVOKED
                assert self.record.order == message.order
                assert expires == 9.0 or self.asked(before)
            case Settled(owed=owed):
                assert self.record == before
                assert before.state in (
                    State.SUCCESS,
                    State.REVOKED,
                    State.FAILURE,
                    State.RETRY,
                )
                assert owed == before.fields.get(b"owed", b"")
            case Stale():
                assert self.record == before
                assert message.order < before.order

    def ending(self, name: str, token: str) -> None:
        """A run says that it has ended; only the one that holds the job is heard."""
        move, state = {
            "succeed": (transitions.succeed(self.job_id, token, 20.0, b"1", TTLS), State.SUCCESS),
            "retry": (
                transitions.fail(self.job_id, token, 20.0, failing(b"1"), 30.0),
                State.RETRY,
            ),
            "fail": (
                transitions.fail(self.job_id, token, 20.0, failing(b"2")),
                State.FAILURE,
            ),
        }[name]
        reply, before = self.make(move)
        held = before.token == token and before.state in (State.STARTED, state)
        if name != "succeed" and before.token == token:
            if before.state is State.REVOKED:
                assert reply == [b"revoked"]
                assert self.record == before
                return
            if before.state is State.STARTED and self.asked(before):
                assert reply == [b"revoked"]
                assert self.record.state is State.REVOKED
                return
        assert reply[0] == (b"ok" if held else self.refused(before))
        if held:
            assert self.record.state is state
        if not held or before.state is state:
            assert self.record == before

    @staticmethod
    def refused(before: Any, name: str = "end") -> bytes:
        """What a run hears that does not hold the job: whether another has, or nobody."""
        nobody = not before.token and name not in ("lose", "progress")
        return b"forgotten" if nobody else b"superseded"

    def telling(self, name: str, token: str) -> None:
        """A run hands its job back, reports, or is lost."""
        losses = self.losses(self.record)
        move = {
            "release": transitions.release(self.job_id, token),
            "lose": transitions.lose(self.job_id, token, losses + 1),
            "progress": transitions.progress(self.job_id, token, b'{"done":1}'),
        }[name]
        reply, before = self.make(move)
        held = (before.state, before.token) == (State.STARTED, token)
        assert reply[0] == (b"ok" if held else self.refused(before, name))
        if not held:
            assert self.record == before
        elif name == "release":
            assert (self.record.state, self.record.token) == (State.PENDING, None)
        assert self.losses(self.record) == losses + (held and name == "lose")

    @precondition(lambda self: self.record.state is State.STARTED)
    @rule(name=st.sampled_from(["retry", "retry", "fail", "fail", "succeed"]))
    def end(self, name: str) -> None:
        self.ending(name, self.who(HOLDER))

    @precondition(has_record)
    @rule(name=st.sampled_from(["retry", "fail", "succeed"]), token=tokens)
    def end_late_or_again(self, name: str, token: str) -> None:
        self.ending(name, self.who(token))

    @precondition(has_record)
    @rule(name=st.sampled_from(["release", "lose", "progress"]), token=tokens)
    def tell(self, name: str, token: str) -> None:
        self.telling(name, self.who(token))

    @precondition(has_record)
    @rule(token=tokens)
    def pay(self, token: str) -> None:
        token = self.who(token)
        _, before = self.make(transitions.pay(self.job_id, token))
        if before.token == token:
            assert b"owed" not in self.record.fields
        else:
            assert self.record == before

    @precondition(lambda self: self.record.order > (0, 1))  # or few jobs would come far
    @rule(generations=steps, attempts=steps)
    def revoke(self, generations: int, attempts: int) -> None:
        message = self.message(generations, attempts)
        reply, before = self.make(transitions.revoke(message, 20.0, "by hand", TTLS[1]))
        if reply == [b"revoked"]:
            assert self.record.state is State.REVOKED
            assert before.state in (None, State.PENDING, State.SCHEDULED, State.RETRY)
            assert before.order <= message.order
        else:
            assert self.record == before

    @staticmethod
    def asked(record: Any) -> bool:
        """Whether the run of this record was asked to end."""
        return b"revoke" in record.fields

    @precondition(lambda self: self.record.order > (0, 1) or self.asked(self.record))
    @rule(terminate=st.booleans())
    def ask_revoke(self, terminate: bool) -> None:
        move = transitions.ask_revoke(self.job_id, 20.0, "asked", TTLS[1], terminate=terminate)
        [answer, *_], before = self.make(move)
        match before.state:
            case State.PENDING | State.SCHEDULED | State.RETRY if (
                b"unconfirmed" not in before.fields
            ):
                assert (answer, self.record.state) == (b"revoked", State.REVOKED)
            case State.STARTED:
                assert answer == b"asked"
                assert self.asked(self.record)
                assert self.record.state is State.STARTED
            case _:
                assert answer in (b"unknown", b"ended")
                assert self.record == before

    @rule(generations=steps)
    def replay(self, generations: int) -> None:
        message = self.message(generations)
        generation = message.generation
        reply, before = self.make(transitions.replay(message, QUEUE))
        failed = before.state is State.FAILURE and before.order[0] == generation
        assert reply == [b"ok" if failed or before.state is None else b"beyond"]
        if reply == [b"ok"]:
            assert self.record.state is State.PENDING
            assert self.record.order == (generation + 1, 1)
        else:
            assert self.record == before

    @precondition(lambda self: self.record.state in (State.SUCCESS, State.REVOKED))
    @rule()
    def look_at_another_job(self) -> None:
        self.job_id = f"machine-{next(NUMBERS)}"
        self.record = Record({})

    @precondition(lambda self: b"owed" in self.record.fields)
    @invariant()
    def only_an_ended_attempt_owes(self) -> None:
        assert self.record.state in (State.RETRY, State.FAILURE, State.SUCCESS)

    @precondition(lambda self: self.record.state is State.STARTED)
    @invariant()
    def a_running_job_has_a_runner(self) -> None:
        assert self.record.token
        assert {b"owner", b"worker", b"claimed", b"started"} <= self.record.fields.keys()


OneJob.TestCase.settings = settings(max_examples=120, stateful_step_count=50)
TestOneJob = OneJob.TestCase
