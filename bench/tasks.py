"""What Warrener's side of the bench runs."""

from warrener import Warrener

app = Warrener()


@app.task(queue="bench")
async def nothing() -> None:
    """A job that costs nothing, so that what is measured is the framework."""


@app.task(queue="bench")
async def gathered(nothings: list[None]) -> int:
    """The body of a chord."""
    return len(nothings)
