"""What Celery's side of the bench runs, set as its documentation advises for durable work."""

import os
import time

from celery import Celery  # type: ignore[import-not-found,unused-ignore]

app = Celery(
    "celery_tasks",
    broker=os.environ["BENCH_AMQP_URL"],
    backend=os.environ["BENCH_REDIS_URL"],
)
app.conf.update(
    task_acks_late=True,
    task_default_queue="celery-bench",
    task_default_queue_type="quorum",
    broker_transport_options={"confirm_publish": True},
    worker_detect_quorum_queues=True,
    worker_prefetch_multiplier=int(os.environ.get("BENCH_SLOTS", "100")),
    worker_concurrency=1,
)


@app.task(name="nothing")  # type: ignore[untyped-decorator,unused-ignore]
def nothing(seconds: float = 0) -> None:
    """A job that costs nothing, or waits."""
    if seconds:
        time.sleep(seconds)


if __name__ == "__main__":
    import sys

    # Printed keys let the bench look at the results in Redis itself.
    for _ in range(int(sys.argv[1])):
        print(f"celery-task-meta-{nothing.delay(float(sys.argv[2])).id}")
