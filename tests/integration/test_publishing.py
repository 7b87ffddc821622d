"""Publishing many at once, and where the topology is missing."""

from __future__ import annotations

from . import yard as tasks
from .conftest import Yard


async def test_a_long_list_is_sent_though_it_takes_longer_than_one_deadline(yard: Yard) -> None:
    yard.app.settings = yard.app.settings.model_copy(update={"publish_timeout": 5.0})
    handles = await yard.app.send_many([tasks.run.s(str(n)) for n in range(20_000)])
    depth = await yard.client.publisher.depth("yard")
    assert len({handle.id for handle in handles}) == 20_000
    assert depth is not None
    assert depth.message_count == 20_000
