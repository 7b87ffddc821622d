"""The app that the beat tests run: a schedule of every second, whose jobs note their ids."""

from __future__ import annotations

from typing import Any

from warrener import Job, Warrener, every

from .yard import note

app = Warrener(default_queue="yard")


@app.task
async def tick(*, job: Job[Any]) -> None:
    """Notes its id."""
    note("tick", job.id)


app.schedule("each-second", every(seconds=1), tick.s())
