"""The scripts in any order, on a real Redis: the machine that the unit tests run on a fake one."""

import time

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test
from pydantic import SecretStr

from tests.unit.test_store_machine import OneJob
from warrener import Settings
from warrener.redis_connections import open_client
from warrener.store import Store


@pytest.mark.timeout(240)
def test_one_job_on_a_real_redis(redis_url: str) -> None:
    ours = Settings(redis_url=SecretStr(redis_url))

    class OnRedis(OneJob):
        def opened(self) -> Store:
            return Store(ours, open_client(ours), time.time)

    few = settings(max_examples=40, stateful_step_count=40, deadline=None, derandomize=True)
    run_state_machine_as_test(OnRedis, settings=few)
