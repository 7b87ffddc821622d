"""Schedules on the double: controlled time fires them."""

from __future__ import annotations

from warrener import Warrener, every
from warrener_workers.testing import WarrenerTest


async def test_time_that_passes_fires_schedules() -> None:
    app = Warrener()
    ran: list[tuple[str, float]] = []

    @app.task(name="note")
    async def note(name: str) -> None:
        ran.append((name, test.now))

    app.schedule("often", every(minutes=10), note.s("often"))
    app.schedule("hourly", every(hours=1), note.s("hourly"))
    async with WarrenerTest(app).installed() as test:
        start = test.now
        await test.drain()
        assert ran == []  # which would never end
        await test.advance(3600)
        ten = [t for name, t in ran if name == "often"]
        assert len(ten) == 6
        assert all(t % 600 == 0 and start < t <= start + 3600 for t in ten)
        assert [name for name, _ in ran].count("hourly") == 1
        await test.advance(365 * 3600)
        assert len(ran) == 7 * 366
