"""Flow control in the store: random jobs on injected time, held against what limits promise."""

import asyncio
import itertools
from collections.abc import AsyncIterator

import fakeredis
import pytest
import pytest_asyncio
from hypothesis import given, settings
from hypothesis import strategies as st

from warrener import ConfigurationError, Limits, Settings
from warrener.flow import PATIENT, Ask, Flow, Refusal
from warrener.limits import QueueRules, Rate, Scope, task_scopes
from warrener.store import Store

LEASE = Settings().presence_lifetime
TASK = Scope("task:shop.mail", max_in_flight=2)
NUMBERS = itertools.count()


class Bench:
    """A flow whose time is moved by hand, from where Unix times are."""

    def __init__(self) -> None:
        self.now = 1_750_000_000.0
        store = Store(Settings(), fakeredis.FakeAsyncRedis(), lambda: self.now)
        self.flow = Flow(Settings(), store, lambda: self.now)

    def ask(self, *scopes: Scope, parks: int = 0, job: str = "") -> Ask:
        token = f"token-{next(NUMBERS)}"
        return Ask(token, job or token, parks, scopes)

    async def one(self, ask: Ask, *, judge: bool = True, look: bool = False) -> Refusal | None:
        [answer] = await self.flow.take([ask], judge=judge, look=look)
        return answer

    async def in_flight(self, scope: Scope) -> int:
        return (await self.flow.usage([scope.name]))[0]


@pytest_asyncio.fixture
async def bench() -> AsyncIterator[Bench]:
    yield Bench()


rates = st.builds(Rate, st.integers(1, 400), st.sampled_from([1.0, 60.0, 3600.0]))


@given(rates, st.lists(st.floats(0, 2), min_size=1, max_size=80))
@settings(max_examples=60, deadline=None)
def test_no_window_has_more_starts_than_the_rate_allows(rate: Rate, waits: list[float]) -> None:
    """The waits are in parts of what a start takes on average, so that both too many and few ask."""
    unit = {1.0: "s", 60.0: "m", 3600.0: "h"}[rate.seconds]
    scope = Scope("task:shop.mail", rate=f"{rate.count}/{unit}")
    bench, starts = Bench(), []

    async def play() -> None:
        for wait in waits:
            bench.now += wait * rate.interval
            refusal = await bench.one(bench.ask(scope))
            if refusal is None:
                starts.append(bench.now)
            else:
                # What it says is when to come again.
                assert 0 < refusal.wait <= rate.interval + 0.002
                assert refusal.what == "rate"

    asyncio.run(play())
    for n, start in enumerate(starts):
        window = [other for other in starts[n:] if other < start + rate.seconds - 0.002]
        assert len(window) <= rate.count


@pytest.mark.parametrize("text", ["10/s", "100/s", "7/m", "1000/m", "100/h", "36000/h"])
async def test_who_comes_when_told_gets_nearly_the_whole_rate(bench: Bench, text: str) -> None:
    scope, rate = Scope("task:shop.mail", rate=text), Rate.parse(text)
    began, starts = bench.now, 0
    while bench.now < began + rate.seconds and starts < 200:
        refusal = await bench.one(bench.ask(scope))
        if refusal is None:
            starts += 1
        else:
            bench.now += refusal.wait
    expected = rate.count * (bench.now - began) / rate.seconds
    assert starts >= 0.9 * expected - 1


async def test_a_place_is_for_one_until_it_is_given_back(bench: Bench) -> None:
    first, second = bench.ask(TASK), bench.ask(TASK)
    assert await bench.one(first) is None
    assert await bench.one(second) is None
    # Asked again, because the answer was lost.
    assert await bench.one(first) is None
    third = bench.ask(TASK)
    assert await bench.one(third) == Refusal(TASK.name, "in_flight", 0, False)
    assert await bench.flow.why(third.job_id) == ("in_flight", TASK.name)
    assert await bench.flow.full() == [TASK.name]
    await bench.flow.leave([first])
    assert await bench.one(third) is None
    assert await bench.flow.why(third.job_id) is None
    bench.now += 31
    assert await bench.flow.full() == []


async def test_a_job_has_all_its_places_or_none(bench: Bench) -> None:
    key = Scope("key:shop.mail:ada", max_in_flight=1)
    assert await bench.one(bench.ask(TASK, key)) is None
    assert (await bench.one(bench.ask(TASK, key))) == Refusal(key.name, "in_flight", 0, False)
    assert await bench.in_flight(TASK) == 1


async def test_a_refused_job_uses_up_no_start(bench: Bench) -> None:
    rated, key = Scope("task:shop.mail", rate="1/h"), Scope("key:shop.mail:ada", max_in_flight=1)
    await bench.one(bench.ask(key))
    assert (await bench.one(bench.ask(rated, key))) == Refusal(key.name, "in_flight", 0, False)
    assert await bench.one(bench.ask(rated)) is None


async def test_places_lapse_with_their_owner_and_not_while_nobody_may_judge(bench: Bench) -> None:
    asks = [bench.ask(TASK), bench.ask(TASK)]
    for ask in asks:
        assert await bench.one(ask) is None
    bench.now += LEASE - 1
    await bench.flow.renew(asks[:1])
    bench.now += 2
    # Redis was away for a while: the silence of others means nothing.
    assert await bench.one(bench.ask(TASK), judge=False) is not None
    assert await bench.one(bench.ask(TASK)) is None
    assert await bench.in_flight(TASK) == 2
    bench.now += LEASE
    # One that lives after all has its place again, and for a moment there are more than there may be.
    await bench.flow.renew(asks)
    assert await bench.one(bench.ask(TASK)) is not None


async def test_to_look_takes_nothing(bench: Bench) -> None:
    queue = Scope("queue:shop", max_in_flight=1, rate="1/h")
    assert await bench.one(bench.ask(queue), look=True) is None
    assert await bench.one(bench.ask(queue)) is None
    refusal = await bench.one(bench.ask(queue), look=True)
    assert refusal is not None
    assert await bench.flow.full() == []


@pytest.mark.parametrize("scope", [TASK, Scope("task:shop.mail", rate="1/m")])
async def test_the_next_place_is_kept_for_who_waited_longest(bench: Bench, scope: Scope) -> None:
    held = []
    while (await bench.one(ask := bench.ask(scope))) is None:
        held.append(ask)
    old = await bench.one(bench.ask(scope, parks=PATIENT, job="old"))
    older = await bench.one(bench.ask(scope, parks=PATIENT + 1, job="older"))
    assert old is not None
    assert older is not None
    assert (old.booked, older.booked) == (True, True)
    late = await bench.one(bench.ask(scope, parks=PATIENT, job="old"))
    assert late is not None
    assert not late.booked
    await bench.flow.leave(held[:1])
    bench.now += older.wait
    # Who has just come does not get it, nor who was parked less often.
    assert await bench.one(bench.ask(scope)) is not None
    assert await bench.one(bench.ask(scope, parks=PATIENT, job="old")) is not None
    assert await bench.one(bench.ask(scope, parks=PATIENT + 1, job="older")) is None
    # The place after that is free again for anyone, and at once.
    await bench.flow.leave(held[1:])
    bench.now += 0 if scope.rate is None else 60
    assert await bench.one(bench.ask(scope)) is None


async def test_a_booking_that_nobody_comes_for_lapses(bench: Bench) -> None:
    held = [bench.ask(TASK), bench.ask(TASK)]
    for ask in held:
        await bench.one(ask)
    await bench.one(bench.ask(TASK, parks=PATIENT, job="revoked meanwhile"))
    await bench.flow.leave(held[:1])
    assert await bench.one(bench.ask(TASK)) is not None
    bench.now += 5.1
    assert await bench.one(bench.ask(TASK)) is None


async def test_a_queue_keeps_no_place_for_a_job(bench: Bench) -> None:
    queue = Scope("queue:shop", max_in_flight=1)
    await bench.one(bench.ask(queue))
    refusal = await bench.one(bench.ask(queue, parks=PATIENT, job="old"))
    assert refusal == Refusal("queue:shop", "in_flight", 0, False)


async def test_what_operators_set_is_kept_apart(bench: Bench) -> None:
    await bench.flow.set("shop", paused=1)
    await bench.flow.set("shop", rate="5/s", max_in_flight=None)
    await bench.flow.set("other", max_in_flight=3)
    assert await bench.flow.rules() == {
        "shop": QueueRules(paused=True, rate="5/s"),
        "other": QueueRules(max_in_flight=3),
    }
    await bench.flow.set("shop", paused=None)
    assert (await bench.flow.rules())["shop"] == QueueRules(rate="5/s")


@pytest.mark.parametrize("text", ["", "10", "10/d", "0/s", "-1/s", "1.5/s", "9999999/s", "10 / s"])
def test_what_is_no_rate(text: str) -> None:
    with pytest.raises(ConfigurationError, match="is no rate: use 10/s, 10/m or 10/h"):
        Limits(rate=text)


def test_what_is_no_number_of_jobs() -> None:
    with pytest.raises(ConfigurationError, match="max_in_flight=0 must be from 1"):
        Limits(max_in_flight=0)
    with pytest.raises(ConfigurationError, match="max_per_key=0 must be from 1"):
        Limits(max_per_key=0)


def test_the_scopes_of_a_job() -> None:
    both = Limits("10/s", 4, key="customer", max_per_key=2)
    task, key = Scope("task:t", 4, "10/s"), Scope("key:t:ada", 2)
    assert task_scopes("t", both, "ada") == [task, key]
    assert task_scopes("t", both, None) == [task]
    assert task_scopes("t", Limits(key="customer"), "ada") == [Scope("key:t:ada", 1)]
    assert task_scopes("t", Limits("10/s"), "ada") == [Scope("task:t", None, "10/s")]
