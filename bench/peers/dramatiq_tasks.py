"""What Dramatiq's side of the bench runs: confirms on, results in Redis. Its queues are durable classic
ones: it has no quorum queues. It acknowledges late by itself."""

# mypy: ignore-errors
import os
import time

import dramatiq
from asking import answer
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

backend = RedisBackend(url=os.environ["BENCH_REDIS_URL"])
broker = RabbitmqBroker(url=os.environ["BENCH_AMQP_URL"], confirm_delivery=True)
broker.add_middleware(Results(backend=backend, store_results=True))
dramatiq.set_broker(broker)


@dramatiq.actor(queue_name="dramatiq-bench", max_retries=3)
def nothing(seconds: float = 0) -> str:
    """A job that costs nothing, or waits."""
    if seconds:
        time.sleep(seconds)
    return ""


def send(seconds: float) -> str:
    return backend.build_message_key(nothing.send(seconds))


def wait() -> None:
    nothing.send(0).get_result(backend=backend, block=True, timeout=60_000)


if __name__ == "__main__":
    answer(send, wait)
