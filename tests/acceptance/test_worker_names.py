"""A worker's name may have any character that a log can show; each can be shut down over HTTP and on the
command line."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import quote

import pytest

from warrener.presence import Presence, PresenceBoard

from .place import Place

NAMES = ("a/b", "/", "a/shutdown", "?x=1#y", "100%2f", 'é "quoted"')


@asynccontextmanager
async def living(place: Place, name: str) -> AsyncIterator[tuple[PresenceBoard, Presence]]:
    """A worker of this name, as far as anybody can see."""
    now = time.time()
    async with place.client() as client:
        board = PresenceBoard(place.settings, client.store)
        worker = Presence(name, name, "host", 1, "1", ["till"], "processes", 4, now, now)
        await board.renew(worker)
        try:
            yield board, worker
        finally:
            await board.leave(worker)


@pytest.mark.parametrize("name", NAMES)
async def test_over_http(place: Place, name: str) -> None:
    async with living(place, name) as (board, worker), place.http() as http:
        answer = await http.post(f"/workers/{quote(name, safe='')}/shutdown")
        assert (answer.status_code, answer.json()["name"]) == (202, name)
        assert await board.renew(worker), "it hears it on its next beat"


async def test_on_the_command_line(place: Place) -> None:
    async with living(place, "a/b") as (board, worker):
        done = place.run("shutdown", "a/b", "--wait", "0")
        assert "a/b was asked to stop" in done.stdout, done
        assert await board.renew(worker)
