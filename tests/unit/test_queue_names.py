"""An empty queue name is a mistake, and never the default queue."""

from __future__ import annotations

import pytest

from warrener import QueueNameError, Warrener
from warrener_workers.testing import WarrenerTest


def test_a_task_cannot_have_an_empty_queue() -> None:
    app = Warrener()
    with pytest.raises(QueueNameError, match="'' is no queue name: it is empty"):

        @app.task(queue="")
        def mail() -> None: ...


async def test_a_job_cannot_be_sent_to_an_empty_queue() -> None:
    app = Warrener()

    @app.task
    def mail() -> None: ...

    async with WarrenerTest(app).installed() as test:
        with pytest.raises(QueueNameError):
            await mail.options(queue="").send()
        with pytest.raises(QueueNameError):
            await mail.s().options(queue="").send()
        with pytest.raises(QueueNameError):
            await app.signature("elsewhere").options(queue="").send()
        assert test.sent(mail) == []
