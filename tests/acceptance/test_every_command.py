"""Every command there is: it explains itself, and it says in one line that a server is away."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import typer

from warrener import topology
from warrener.messages import Message, encode
from warrener_workers.cli.commands import app

from .place import APP, Place
from .provocations import no_rabbitmq, no_redis
from .shop import IDLE

DOC = Path(__file__).parents[2] / "docs" / "errors.md"
AWAY = 4
NOBODY = 1
NOT_FOUND = 5
PROBLEM = 9
STARTS = None
"""In the table below: what starts all the same, or brings its own servers, and has its own tests."""


@dataclass(frozen=True)
class Exits:
    """The exit codes of a command with these arguments."""

    arguments: tuple[str, ...]
    without_rabbitmq: int | None
    without_redis: int | None


COMMANDS: dict[str, Exits] = {
    "api": Exits((), STARTS, STARTS),
    "audit": Exits((), 0, AWAY),
    "beat": Exits(("--app", APP), STARTS, STARTS),
    "dead cancel": Exits(("some-id",), NOT_FOUND, AWAY),
    "dead counts": Exits(("--app", APP), AWAY, AWAY),
    "dead discard": Exits((IDLE, "--all", "--because", "x", "--yes"), AWAY, AWAY),
    "dead groups": Exits((), 0, AWAY),
    "dead list": Exits((), 0, AWAY),
    "dead operations": Exits((), 0, AWAY),
    "dead reindex": Exits((IDLE,), AWAY, AWAY),
    "dead replay": Exits((IDLE, "--all"), AWAY, AWAY),
    "dead show": Exits(("some-id",), NOT_FOUND, AWAY),
    "dev": Exits((), STARTS, STARTS),
    "doctor": Exits(("--app", APP), PROBLEM, PROBLEM),
    "events": Exits((), STARTS, AWAY),
    "inspect active": Exits((), 0, AWAY),
    "inspect registered": Exits((), 0, AWAY),
    "inspect reserved": Exits((), 0, AWAY),
    "inspect scheduled": Exits((), 0, AWAY),
    "job": Exits(("some-id",), NOT_FOUND, AWAY),
    "jobs list": Exits((), 0, AWAY),
    "jobs reindex": Exits((), 0, AWAY),
    "keys create": Exits(("somebody", "--role", "read", "--json"), 0, AWAY),
    "keys list": Exits((), 0, AWAY),
    "keys revoke": Exits(("some-id",), NOT_FOUND, AWAY),
    "limit": Exits((IDLE, "--rate", "5/s"), AWAY, AWAY),
    "pause": Exits((IDLE,), AWAY, AWAY),
    "ping": Exits((), NOBODY, AWAY),
    "purge": Exits((IDLE, "--yes"), AWAY, AWAY),
    "queues": Exits(("--app", APP), AWAY, AWAY),
    "resume": Exits((IDLE,), AWAY, AWAY),
    "revoke": Exits(("some-id",), NOT_FOUND, AWAY),
    "schedules add": Exits(("--app", APP, "often", "shop.add", "a=1", "--every", "9"), 0, AWAY),
    "schedules change": Exits(
        ("--app", APP, "no-such", "shop.add", "a=1", "--every", "9"), NOT_FOUND, AWAY
    ),
    "schedules fire-now": Exits(("no-such", "--app", APP), NOT_FOUND, AWAY),
    "schedules list": Exits((), 0, AWAY),
    "schedules pause": Exits(("no-such",), NOT_FOUND, AWAY),
    "schedules remove": Exits(("no-such",), NOT_FOUND, AWAY),
    "schedules resume": Exits(("no-such",), NOT_FOUND, AWAY),
    "shutdown": Exits(("nobody",), NOT_FOUND, AWAY),
    "status": Exits((), 0, AWAY),
    "submit": Exits(("--app", APP, "shop.add", "a=1", "--wait"), AWAY, AWAY),
    "topology declare": Exits(("--app", APP), AWAY, 0),
    "topology migrate": Exits((IDLE,), AWAY, AWAY),
    "topology show": Exits(("--app", APP), 0, 0),
    "worker": Exits((IDLE, "--app", APP), AWAY, AWAY),
    "workflow cancel": Exits(("some-id",), NOT_FOUND, AWAY),
    "workflow show": Exits(("some-id",), NOT_FOUND, AWAY),
}


def _commands(command: Any, name: str = "") -> Iterator[str]:
    """The names of a command and of all below it; the groups end in a space."""
    below = getattr(command, "commands", None)
    yield name if below is None else f"{name} "
    for word, one in (below or {}).items():
        yield from _commands(one, f"{name} {word}".strip())


EVERY = sorted(_commands(typer.main.get_command(app)))
CASES = [
    pytest.param(command, without, id=f"{command} without {without.__name__[3:]}")
    for command, exits in COMMANDS.items()
    for without in (no_rabbitmq, no_redis)
    if exits.without_rabbitmq is not STARTS
]


def test_every_command_is_in_the_table() -> None:
    assert [name for name in EVERY if not name.endswith(" ")] == sorted(COMMANDS)


@pytest.mark.parametrize("command", EVERY, ids=lambda name: name.strip() or "warrener")
def test_every_command_explains_itself(place: Place, command: str) -> None:
    done = place.run(*command.split(), "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Usage: " in done.stdout
    assert "--help" in done.stdout
    for line in re.findall(r"│ (\w[\w-]*) +(.*)│", done.stdout):
        assert line[1].strip(), f"{line[0]} is not explained"


@pytest_asyncio.fixture
async def waiting(place: Place) -> None:
    """A message in the work queue and one in its dead queue, so that commands on them have work."""
    dead = topology.Names(place.namespace).dead_queue(IDLE)
    message = encode(Message("job-1", "shop.wait_in_line", b"{}"))
    async with place.client() as client, client.publisher.own_channel() as channel:
        for queue in (IDLE, dead):
            await channel.queue_purge(queue)
            await channel.basic_publish(b"{}", routing_key=queue, properties=message)


@pytest.mark.usefixtures("waiting")
@pytest.mark.parametrize("command, without", CASES)
async def test_a_server_that_is_away_is_one_line_and_the_documented_code(
    place: Place, command: str, without: Callable[[Place], Place]
) -> None:
    exits, before = COMMANDS[command], await place.messages()
    code = exits.without_redis if without is no_redis else exits.without_rabbitmq
    done = await asyncio.to_thread(without(place).run, *command.split(), *exits.arguments)
    assert done.returncode == code, done
    assert "Traceback" not in done.stderr
    if code == AWAY:
        assert "4 a server is away" in " ".join(DOC.read_text().split())
        assert done.stdout == ""
        lines = [line for line in done.stderr.splitlines() if line.startswith("warrener: ")]
        assert len(lines) == 1
        assert f"{'Redis' if without is no_redis else 'RabbitMQ'} at " in lines[0]
        if command != "worker":  # which logs as well
            assert done.stderr.splitlines() == lines
        assert await place.messages() == before
    elif code == 0:
        assert done.stderr == ""
