"""What Celery's side of the bench runs, set as its documentation advises for durable work."""

# mypy: ignore-errors
import os
import time

from asking import answer
from celery import Celery

app = Celery(
    "celery_tasks",
    broker=os.environ["BENCH_AMQP_URL"],
    backend=os.environ["BENCH_REDIS_URL"],
)
app.conf.update(
    task_acks_late=True,
    task_default_queue="celery-bench",
    task_default_queue_type=os.environ.get("BENCH_QUEUE_TYPE", "quorum"),
    broker_transport_options={"confirm_publish": True},
    worker_detect_quorum_queues=True,
    worker_prefetch_multiplier=int(os.environ.get("BENCH_SLOTS", "100")),
    worker_concurrency=1,
)


@app.task(name="nothing")
def nothing(seconds: float = 0) -> None:
    """A job that costs nothing, or waits."""
    if seconds:
        time.sleep(seconds)


def send(seconds: float) -> str:
    return f"celery-task-meta-{nothing.delay(seconds).id}"


def wait() -> None:
    nothing.delay(0).get(timeout=60)


if __name__ == "__main__":
    answer(send, wait)
