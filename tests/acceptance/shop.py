"""The app that the acceptance tests run from outside: over HTTP and on the command line."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path

from pydantic import BaseModel, Field, JsonValue, SecretStr

from warrener import Job, Retry, Unique, Warrener


@asynccontextmanager
async def no_resources() -> AsyncIterator[None]:
    """A lifespan that gives nothing."""
    yield


app = Warrener(lifespan=no_resources)

FAST, SLOW, IDLE = "shop.fast", "shop.slow", "shop.idle"
WORKED = (FAST, SLOW)
"""The queues that have a worker; IDLE has none."""


class Line(BaseModel):
    """One line of an order."""

    sku: str
    count: int = Field(gt=0)


class Order(BaseModel):
    """An argument with structure."""

    placed: date
    lines: list[Line]


class Box(BaseModel):
    """A model within itself."""

    grams: int
    inside: list[Box] = []

    @property
    def weight(self) -> int:
        return self.grams + sum(box.weight for box in self.inside)


@app.task(name="shop.add", queue=FAST)
async def add(a: int, b: int = 1) -> int:
    return a + b


@app.task(name="shop.keep", queue=FAST)
async def keep(thing: JsonValue) -> JsonValue:
    return thing


@app.task(name="shop.power", queue=FAST)
async def power(base: int, exponent: int) -> int:
    return int(base**exponent)


@app.task(name="shop.order", queue=FAST)
async def order(order: Order) -> int:
    return sum(line.count for line in order.lines)


@app.task(name="shop.weigh", queue=FAST)
def weigh(box: Box) -> int:
    return box.weight


@app.task(name="shop.sell", queue=SLOW, retry=Retry(0))
async def sell(job: Job[None], cause: str) -> str:
    """It fails until it is replayed."""
    if job.generation == 0:
        raise {"timeout": TimeoutError, "value": ValueError}[cause](f"no {cause}")
    return f"sold in generation {job.generation}"


@app.task(name="shop.hold", queue=FAST)
def hold(until: str) -> str:
    """It runs until a file exists."""
    while not Path(until).exists():
        time.sleep(0.02)
    return "let go"


@app.task(name="shop.clean", queue=FAST, unique=Unique(on_duplicate="error"))
async def clean(room: str) -> str:
    return f"{room} is clean"


@app.task(name="shop.note", queue=FAST)
def note(path: str, line: str) -> None:
    """It leaves a trace for each time that it runs."""
    with Path(path).open("a") as file:
        file.write(line + "\n")


@app.task(name="shop.wait_in_line", queue=IDLE)
async def wait_in_line(number: int) -> int:
    return number


@app.task(name="shop.sign_in", queue=FAST)
async def sign_in(token: SecretStr) -> int:
    return len(token.get_secret_value())
