"""How each case of docs/errors.md is provoked: in Python, over HTTP and on the command line."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial, reduce
from json import dumps
from typing import Any

from warrener import Warrener, chain, cron, every
from warrener.api_keys import KeyRing, Role
from warrener.asking import ask
from warrener.client import Client
from warrener.listed_schedules import Schedules
from warrener.loading import load_app
from warrener.operations import Operations, Wanted
from warrener.queues import Queues
from warrener.replaying import Replayer
from warrener.scheduling import Scheduled
from warrener.selecting import ALL, Selection
from warrener.tasks import Signature
from warrener.timing import Timing
from warrener_workers.child_process import ChildSettings, spawn
from warrener_workers.nodes.ports import free_ports
from warrener_workers.worker import Worker
from warrener_workers.worker_settings import WorkerSettings

from .place import APP, Place
from .shop import FAST, IDLE, add, clean

InPython = Callable[[Warrener], Awaitable[object]]
JOB = {"task": "shop.add", "kwargs": {"a": 1}}
BROKEN = "tests.acceptance.broken_shop:app"
ODD = "tests.acceptance.odd_shop:app"
LIMIT = 1000
"""Bytes of arguments that are allowed here."""


@dataclass(frozen=True)
class Request:
    """An HTTP request."""

    method: str
    path: str
    json: Any = None
    content: str | None = None
    kind: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Provocation:
    """One case; None where it cannot arise."""

    python: InPython | None = None
    http: Request | None = None
    cli: tuple[str, ...] | None = None
    where: Callable[[Place], Place] = lambda place: place
    """Where it is tried, instead of the servers that are there."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Of the command line's environment, besides the place's own."""
    consumed: str | None = None
    """This queue has a consumer meanwhile."""
    reserved: Signature[Any] | None = None
    """This unique job has its key meanwhile, and is not published yet."""
    needs: tuple[str, ...] | None = None
    """`warrener` with these arguments runs meanwhile, and says that it is ready."""


async def _no_steps(app: Warrener) -> None:
    await app.start(chain(*[]))


async def _named_part(app: Warrener) -> None:
    await app.start(chain(app.signature("shop.add", a=1).options(id="mine")))


def post(**job: Any) -> Request:
    """POST /jobs."""
    return Request("POST", "/jobs", json=job)


def raw(content: str, kind: str = "application/json") -> Request:
    """POST /jobs with this body."""
    return Request("POST", "/jobs", content=content, kind=kind)


def submit(*arguments: str) -> tuple[str, ...]:
    """`warrener submit`."""
    return ("submit", "--app", APP, *arguments)


def by_name(task: str, *args: Any, **kwargs: Any) -> InPython:
    """app.send()."""
    return lambda app: app.send(task, *args, **kwargs)


def with_options(**options: Any) -> InPython:
    """shop.add.options(...).send(1)."""

    async def call(_: Warrener) -> object:
        return await add.options(**options).send(1)

    return call


def _ring(app: Warrener) -> KeyRing:
    client = app.backend()
    assert isinstance(client, Client)
    return KeyRing(app.settings, client.store, client.clock)


async def _load(path: str, _: Warrener) -> object:
    return load_app(path)


def _app_with(**settings: Any) -> InPython:
    async def call(_: Warrener) -> object:
        return Warrener(**settings)

    return call


def replay_all(queue: str) -> Provocation:
    """A replay of all dead letters of a queue."""

    async def call(app: Warrener) -> object:
        client = app.backend()
        assert isinstance(client, Client)
        return await Replayer(client).replay(queue, Selection(everything=True))

    request = Request("POST", f"/dead-letters/{queue}/replay", json={"all": True})
    return Provocation(call, request, ("dead", "replay", queue, "--all"))


def _asks(wanted: Wanted) -> InPython:
    """An operation on dead letters."""

    async def call(app: Warrener) -> object:
        client = app.backend()
        assert isinstance(client, Client)
        return await ask(client, wanted)

    return call


async def _cancel_unknown(app: Warrener) -> object:
    client = app.backend()
    assert isinstance(client, Client)
    return await Operations(app.settings, client.store).cancel("no-such-operation", 0.0)


def _limit(rate: str | None = None, max_in_flight: int | None = None) -> InPython:
    async def call(app: Warrener) -> object:
        return await _queues(app).limit(IDLE, rate, max_in_flight)

    return call


def _pause(queue: str) -> InPython:
    return lambda app: _queues(app).pause(queue)


def _queues(app: Warrener) -> Queues:
    client = app.backend()
    assert isinstance(client, Client)
    return Queues(client)


async def _clean_with_key(_: Warrener) -> object:
    return await clean.options(idempotency_key="hall").send("hall")


async def _select_empty_text(_: Warrener) -> object:
    return Selection(text="")


async def _select_nothing(_: Warrener) -> object:
    return Selection()


async def _work_as_heavy_1(_: Warrener) -> object:
    settings = WorkerSettings("heavy-1", [FAST])
    await Worker(settings, partial(spawn, ChildSettings(APP, "heavy-1", 4))).run()
    return None


async def _work_under_two_lines(_: Warrener) -> object:
    return WorkerSettings("two\nlines", [FAST])


def _elsewhere(place: Place, **urls: str) -> Place:
    return replace(place, **urls)  # type: ignore[arg-type]


def _wrong_password(place: Place) -> Place:
    return _elsewhere(place, amqp_url=place.amqp_url.replace("guest:guest@", "guest:wrong@"))


def _no_such_vhost(place: Place) -> Place:
    return _elsewhere(place, amqp_url=place.amqp_url + "-gone")


def _classic(place: Place) -> Place:
    return replace(place, extra={**place.extra, "queue_type": "classic"})


def _nothing_declared(place: Place) -> Place:
    return replace(
        place, namespace="test-nothing-declared", extra={**place.extra, "declare": False}
    )


def no_rabbitmq(place: Place) -> Place:
    """The same with a port for RabbitMQ on which nobody listens."""
    return _elsewhere(place, amqp_url=f"amqp://guest:guest@127.0.0.1:{free_ports(1)[0]}/")


def no_redis(place: Place) -> Place:
    """The same with a port for Redis on which nobody listens."""
    return _elsewhere(place, redis_url=f"redis://127.0.0.1:{free_ports(1)[0]}/0")


_NOWHERE = "shop.nowhere"
_DEEP: list[Any] = reduce(lambda inner, _: [inner], range(300), [])
_HUGE = "99999999999999999999"
_LONG = "x" * (LIMIT + 1)
_NAIVE = datetime(2030, 1, 1)
_ANY = Provocation(by_name("shop.add", 1), post(**JOB), submit("shop.add", "a=1"))


def _schedules(app: Warrener) -> Schedules:
    client = app.backend()
    assert isinstance(client, Client)
    return Schedules(app, client)


def _scheduled(
    timing: Callable[[], Timing] | None = lambda: every(seconds=9),
    name: str = "often",
    task: str = "shop.add",
    a: object = 1,
    **facts: Any,
) -> Provocation:
    """Making a schedule, in all three ways; without a `timing` not in Python."""

    async def call(app: Warrener) -> None:
        assert timing is not None
        signature = Signature[Any](app, task, (), {"a": a})
        missed = facts.get("missed", "once")
        await _schedules(app).add(Scheduled(name, timing(), signature, missed, "allow"))

    options = [text for option in facts.items() for text in (f"--{option[0]}", str(option[1]))]
    return Provocation(
        None if timing is None else call,
        Request("POST", "/schedules", {"name": name, "task": task, "kwargs": {"a": a}, **facts}),
        ("schedules", "add", "--app", APP, name, task, f"a={a}", *options),
    )


PROVOCATIONS: Mapping[str, Provocation] = {
    "invalid JSON": Provocation(
        http=raw('{"task": "shop.add", '), cli=submit("shop.add", "--kwargs", '{"a": ')
    ),
    "arguments that are no JSON object": Provocation(
        http=post(task="shop.add", kwargs=[1]), cli=submit("shop.add", "--kwargs", "[1]")
    ),
    "arguments nested too deeply": Provocation(
        by_name("shop.keep", _DEEP),
        raw(dumps({"task": "shop.keep", "args": [_DEEP]})),
        submit("shop.keep", f"thing={dumps(_DEEP)}"),
    ),
    "a number that no float holds": Provocation(
        http=raw('{"task": "shop.add", "kwargs": {"a": 1e400}}'), cli=submit("shop.add", "a=1e400")
    ),
    "a number that is out of bounds": Provocation(
        http=Request("GET", f"/dead-letters/{FAST}?size={_HUGE}"),
        cli=("dead", "list", FAST, "--limit", _HUGE),
    ),
    "another content type": Provocation(
        http=raw("task=shop.add", "application/x-www-form-urlencoded")
    ),
    "a replay of another content type": Provocation(
        http=Request("POST", f"/dead-letters/{FAST}/replay", content="all=true", kind="text/plain")
    ),
    "a field that does not exist": Provocation(
        http=post(**JOB, retries=3), cli=submit("shop.add", "a=1", "--retries", "3")
    ),
    "a call that does not exist": Provocation(http=Request("GET", "/job"), cli=("tasks",)),
    "a method that a call does not have": Provocation(http=Request("PUT", "/jobs", json=JOB)),
    "an argument without a name": Provocation(cli=submit("shop.add", "1")),
    "no task given": Provocation(http=post(kwargs={"a": 1}), cli=submit()),
    "an unknown task": Provocation(
        by_name("shop.nothing"), post(task="shop.nothing"), submit("shop.nothing")
    ),
    "an argument of another type": Provocation(
        by_name("shop.add", "x"),
        post(task="shop.add", kwargs={"a": "x"}),
        submit("shop.add", "a=x"),
    ),
    "an argument that is missing": Provocation(
        by_name("shop.add"), post(task="shop.add"), submit("shop.add")
    ),
    "an argument too many": Provocation(
        by_name("shop.add", 1, c=3),
        post(task="shop.add", kwargs={"a": 1, "c": 3}),
        submit("shop.add", "a=1", "c=3"),
    ),
    "an argument given twice": Provocation(
        by_name("shop.add", 1, a=1),
        post(task="shop.add", args=[1], kwargs={"a": 1}),
        submit("shop.add", "--args", "[1]", "a=1"),
    ),
    "a queue that nobody declared": Provocation(
        with_options(queue=_NOWHERE),
        post(**JOB, queue=_NOWHERE),
        submit("shop.add", "a=1", "--queue", _NOWHERE),
    ),
    "the same with a countdown": Provocation(
        with_options(queue=_NOWHERE, countdown=3),
        post(**JOB, queue=_NOWHERE, countdown=3),
        submit("shop.add", "a=1", "--queue", _NOWHERE, "--countdown", "3"),
    ),
    "a queue name with wildcards": Provocation(
        with_options(queue="shop.*"),
        post(**JOB, queue="shop.*"),
        submit("shop.add", "a=1", "--queue", "shop.*"),
    ),
    "a worker for such a queue": Provocation(cli=("worker", "shop.*", "--app", APP)),
    "an empty queue name": Provocation(
        with_options(queue=""),
        post(**JOB, queue=""),
        submit("shop.add", "a=1", "--queue", ""),
    ),
    "a worker for an empty queue name": Provocation(cli=("worker", "", "--app", APP)),
    "a payload over the limit": Provocation(
        by_name("shop.hold", until=_LONG),
        post(task="shop.hold", kwargs={"until": _LONG}),
        submit("shop.hold", f"until={_LONG}"),
    ),
    "a request far over the limit": Provocation(
        http=post(task="shop.hold", kwargs={"until": 20 * _LONG})
    ),
    "a negative countdown": Provocation(
        with_options(countdown=-5.0),
        post(**JOB, countdown=-5),
        submit("shop.add", "a=1", "--countdown", "-5"),
    ),
    "a countdown and an eta": Provocation(
        with_options(countdown=5, eta=datetime.fromisoformat("2030-01-01T00:00:00Z")),
        post(**JOB, countdown=5, eta="2030-01-01T00:00:00Z"),
    ),
    "an eta without a time zone": Provocation(
        with_options(eta=_NAIVE), post(**JOB, eta="2030-01-01T00:00:00")
    ),
    "a job id with other characters": Provocation(
        with_options(id="scan 7"), cli=submit("shop.add", "a=1", "--id", "scan 7")
    ),
    "a task name that no message could carry": Provocation(
        by_name(_LONG), post(task=_LONG), submit(_LONG)
    ),
    "an empty idempotency key": Provocation(
        with_options(idempotency_key=""),
        replace(post(**JOB), headers={"Idempotency-Key": ""}),
    ),
    "an idempotency key that is no text": Provocation(with_options(idempotency_key="\ud800")),
    "an id that does not exist": Provocation(
        lambda app: app.job("never-sent").status(),
        Request("GET", "/jobs/never-sent"),
        ("job", "never-sent"),
    ),
    "an id that is no text": Provocation(lambda app: app.job("scan-\ud800").result()),
    "a workflow that does not exist": Provocation(
        lambda app: app.workflow("never-sent").status(),
        Request("GET", "/workflows/never-sent"),
        ("workflow", "show", "never-sent"),
    ),
    "a chain without steps": Provocation(
        _no_steps, Request("POST", "/workflows", json={"workflow": {"chain": []}})
    ),
    "a part of a workflow with an id of its own": Provocation(_named_part),
    "an id that does not exist, revoked": Provocation(
        lambda app: app.job("never-sent").revoke(),
        Request("DELETE", "/jobs/never-sent"),
        ("revoke", "never-sent"),
    ),
    "a dead letter that is not listed": Provocation(
        http=Request("GET", f"/dead-letters/{FAST}/letters/no-such~0"),
        cli=("dead", "show", "no-such~0"),
    ),
    "an age that is none": Provocation(
        http=Request("GET", f"/dead-letters/{FAST}?older_than=soon"),
        cli=("dead", "list", FAST, "--older-than", "soon"),
    ),
    "a cursor that is none": Provocation(
        http=Request("GET", f"/dead-letters/{FAST}?cursor=next"),
        cli=("dead", "list", FAST, "--cursor", "next"),
    ),
    "a cursor of jobs that is none": Provocation(
        http=Request("GET", "/jobs?cursor=next"), cli=("jobs", "list", "--cursor", "next")
    ),
    "a place in the events that is none": Provocation(
        http=Request("GET", "/events", headers={"Last-Event-ID": "now"})
    ),
    "a batch of no jobs": Provocation(http=Request("POST", "/jobs/batch", json={"jobs": []})),
    "a worker that does not live": Provocation(
        http=Request("POST", "/workers/nobody/shutdown"), cli=("shutdown", "nobody")
    ),
    "a state that does not exist": Provocation(
        http=Request("GET", "/jobs?state=DONE"), cli=("jobs", "list", "--state", "done")
    ),
    "a job that expires at once": Provocation(
        with_options(expires=0),
        post(**JOB, expires=0),
        submit("shop.add", "a=1", "--expires", "0"),
    ),
    "a cron expression that is none": _scheduled(lambda: cron("61 * * * *"), cron="61 * * * *"),
    "a time zone that is none": _scheduled(
        lambda: cron("0 * * * *", tz="Europe/Wien"), cron="0 * * * *", tz="Europe/Wien"
    ),
    "an interval of no time": _scheduled(every, every=0),
    "a schedule that is never due": _scheduled(None),
    "a schedule's name that is none": _scheduled(name="a b", every=9),
    "a schedule of an unknown task": _scheduled(task="shop.nothing", every=9),
    "a schedule with arguments that do not fit": _scheduled(a="x", every=9),
    "a policy that is none": _scheduled(missed=0, every=9),
    "a scheduled call with a time of its own": Provocation(
        lambda app: _schedules(app).add(
            Scheduled("often", every(seconds=9), add.options(countdown=1).s(1), "once", "allow")
        )
    ),
    "a schedule that does not exist": Provocation(
        lambda app: _schedules(app).remove("no-such"),
        Request("DELETE", "/schedules/no-such"),
        ("schedules", "remove", "no-such"),
    ),
    "a rate that is none": Provocation(
        _limit(rate="10/day"),
        Request("PUT", f"/queues/{IDLE}/limits", json={"rate": "10/day"}),
        ("limit", IDLE, "--rate", "10/day"),
    ),
    "a limit of no jobs at all": Provocation(
        _limit(max_in_flight=0),
        Request("PUT", f"/queues/{IDLE}/limits", json={"max_in_flight": 0}),
        ("limit", IDLE, "--in-flight", "0"),
    ),
    "a limit that is none": Provocation(cli=("limit", IDLE)),
    "a pause of a queue that nobody declared": Provocation(
        _pause(_NOWHERE),
        Request("POST", f"/queues/{_NOWHERE}/pause"),
        ("pause", _NOWHERE),
    ),
    "a concurrency key for a task without a limit per key": Provocation(
        with_options(concurrency_key="ada"),
        post(**JOB, concurrency_key="ada"),
        submit("shop.add", "a=1", "--concurrency-key", "ada"),
    ),
    "a concurrency key that is too long": Provocation(with_options(concurrency_key=_LONG)),
    "a second job that must be the only one": Provocation(
        by_name("shop.clean", room="kitchen"),
        post(task="shop.clean", kwargs={"room": "kitchen"}),
        submit("shop.clean", "room=kitchen"),
        reserved=clean.s("kitchen"),
    ),
    "an idempotency key for a unique task": Provocation(
        _clean_with_key,
        replace(
            post(task="shop.clean", kwargs={"room": "hall"}), headers={"Idempotency-Key": "hall"}
        ),
    ),
    "a priority where there are none": Provocation(
        with_options(priority=5),
        post(**JOB, priority=5),
        submit("shop.add", "a=1", "--priority", "5"),
    ),
    "an eta that is no time": Provocation(
        http=post(**JOB, eta="tomorrow"), cli=submit("shop.add", "a=1", "--eta", "tomorrow")
    ),
    "a replay that does not say of what": Provocation(
        _select_nothing,
        Request("POST", f"/dead-letters/{FAST}/replay", json={}),
        ("dead", "replay", FAST),
    ),
    "a replay of what holds an empty text": Provocation(
        _select_empty_text,
        Request("POST", f"/dead-letters/{FAST}/replay", json={"text": ""}),
        ("dead", "replay", FAST, "--text", ""),
    ),
    "a replay for a queue that nobody declared": replay_all(_NOWHERE),
    "a replay of a dead queue that somebody consumes": replace(
        replay_all(FAST), consumed=f"{FAST}.dead"
    ),
    "a replay to a queue that nobody declared": Provocation(
        _asks(Wanted("replay", FAST, "mx", ALL, to_queue=_NOWHERE)),
        Request("POST", f"/dead-letters/{FAST}/replay", json={"all": True, "to_queue": _NOWHERE}),
        ("dead", "replay", FAST, "--all", "--to-queue", _NOWHERE),
    ),
    "a replay at a rate of nothing": Provocation(
        http=Request("POST", f"/dead-letters/{FAST}/replay", json={"all": True, "rate": 0}),
        cli=("dead", "replay", FAST, "--all", "--rate", "0"),
    ),
    "a discard without a reason": Provocation(
        _asks(Wanted("discard", FAST, "mx", ALL)),
        Request("POST", f"/dead-letters/{FAST}/discard", json={"all": True}),
        ("dead", "discard", FAST, "--all", "--because", "", "--yes"),
    ),
    "an operation that is not known": Provocation(
        _cancel_unknown,
        Request("DELETE", "/operations/no-such-operation"),
        ("dead", "cancel", "no-such-operation"),
    ),
    "a wrong password for RabbitMQ": replace(_ANY, where=_wrong_password),
    "a virtual host that does not exist": replace(_ANY, where=_no_such_vhost),
    "a RabbitMQ that is not there": replace(_ANY, where=no_rabbitmq),
    "a Redis that is not there": Provocation(
        with_options(idempotency_key="order-7"),
        post(**JOB),
        submit("shop.add", "a=1", "--wait"),
        where=no_redis,
    ),
    "a queue that exists with other arguments": replace(_ANY, where=_classic),
    "a broker on which nothing was declared, with `declare=False`": replace(
        _ANY, where=_nothing_declared
    ),
    "a setting that does not fit": Provocation(
        _app_with(heartbeat="often"), cli=submit("shop.add", "a=1"), settings={"heartbeat": "often"}
    ),
    "a beat that is too short": Provocation(
        _app_with(beat=0.1), cli=submit("shop.add", "a=1"), settings={"beat": "0.1"}
    ),
    "a URL of another kind": Provocation(
        _app_with(redis_url="http://x"),
        cli=submit("shop.add", "a=1"),
        settings={"redis_url": "http://x"},
    ),
    "a log level that does not exist": Provocation(
        cli=("api", "--app", APP, "--log-level", "loud")
    ),
    "an app that cannot be imported": Provocation(
        partial(_load, "no_such_shop:app"), cli=("submit", "--app", "no_such_shop:app", "shop.add")
    ),
    "the same, given to a worker": Provocation(cli=("worker", FAST, "--app", "no_such_shop:app")),
    "an app that breaks as it is imported": Provocation(
        partial(_load, BROKEN), cli=("submit", "--app", BROKEN, "shop.add")
    ),
    "the same broken app, given to a worker": Provocation(cli=("worker", FAST, "--app", BROKEN)),
    "a task with a type that JSON cannot carry": Provocation(
        lambda app: load_app(ODD).tasks["odd.take"].send(None)
    ),
    "the same task, given to a worker": Provocation(cli=("worker", FAST, "--app", ODD)),
    "an app without a module": Provocation(
        partial(_load, "app"), cli=("submit", "--app", "app", "shop.add")
    ),
    "an API key that does not exist": Provocation(
        lambda app: _ring(app).revoke("some-id"), cli=("keys", "revoke", "some-id")
    ),
    "a call with an API key that is none": Provocation(
        http=Request("GET", "/queues", headers={"Authorization": "Bearer wrn_x"})
    ),
    "a call under another name, without API keys": Provocation(
        http=Request("GET", "/queues", headers={"Host": "rebound.example"})
    ),
    "an API key's name that no list could show": Provocation(
        lambda app: _ring(app).create("two\nlines", [Role.READ]),
        cli=("keys", "create", "two\nlines", "--role", "read"),
    ),
    "a role that does not exist": Provocation(cli=("keys", "create", "x", "--role", "king")),
    "a worker's name that no log could show": Provocation(
        _work_under_two_lines, cli=("worker", FAST, "--app", APP, "--name", "two\nlines")
    ),
    "an argument that is no text": Provocation(cli=("job", "scan-\udcff")),
    "a living worker's name": Provocation(
        _work_as_heavy_1,
        cli=("worker", FAST, "--app", APP, "--name", "heavy-1"),
        needs=("worker", FAST, "--app", APP, "--name", "heavy-1"),
    ),
    "the mask of a secret": Provocation(
        by_name("shop.sign_in", token="**********"),
        post(task="shop.sign_in", kwargs={"token": "**********"}),
        submit("shop.sign_in", "token=**********"),
    ),
    "a file for TLS that does not exist": Provocation(
        cli=("queues", "--app", APP), settings={"tls_ca": "/no/such.pem"}
    ),
    "an option of RabbitMQ's URL that nobody would heed": Provocation(
        cli=("queues", "--app", APP),
        settings={"amqp_url": "amqps://127.0.0.1/?ssl_min_version=TLSv1_3"},
    ),
    "two ways to say how to verify": Provocation(
        cli=("queues", "--app", APP),
        settings={"amqp_url": "amqps://127.0.0.1/?no_verify_ssl=1", "tls_ca": __file__},
    ),
    "an option of Redis's URL that it does not have": Provocation(
        cli=("queues", "--app", APP),
        settings={"redis_url": "redis://127.0.0.1/?ssl_min_version=771"},
    ),
}
