"""What has failed closes what is above it: nothing below begins any more, however deep. And that this is
looked at can fail."""

from __future__ import annotations

import pytest

from warrener import Retry, Warrener, chain, group
from warrener_workers.testing import WarrenerTest

from .test_workflow_mutants import mutate


async def began_after_a_failure() -> list[str]:
    """The steps that begin, some of them beside one that fails at once."""
    app, began = Warrener(default_queue="q"), list[str]()

    @app.task(name="breaks", retry=Retry(0))
    async def breaks() -> None:
        raise ValueError

    @app.task(name="step")
    async def step(name: str) -> None:
        began.append(name)

    in_time = chain(step.si("late").options(countdown=5), step.si("later"))
    deep = group(chain(step.si("deep").options(countdown=5), step.si("deeper")))
    async with WarrenerTest(app).installed() as test:
        # The whole takes the error for a value, and is still under way when their time comes.
        beside = step.si("beside").options(countdown=9)
        broken = group(breaks.s(), in_time, deep)
        handle = await group([broken, beside], on_error="continue").send()
        await test.drain()
        assert (await handle.status()).state == "SUCCESS"
    return began


async def test_nothing_begins_below_what_has_failed() -> None:
    assert await began_after_a_failure() == ["beside"]


@pytest.mark.parametrize(
    "old", ["if get('s' .. k) == 'F' then return true end", "(state == 'X' or closed(node(k)))"]
)
async def test_each_look_is_needed(monkeypatch: pytest.MonkeyPatch, old: str) -> None:
    new = "(state == 'X')" if "closed" in old else ""
    mutate(monkeypatch, "workflows/resolve", old, new)
    assert await began_after_a_failure() != ["beside"]
