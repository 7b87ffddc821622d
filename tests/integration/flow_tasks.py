"""Tasks that are parts of workflows, on the yard's app."""

from __future__ import annotations

from warrener import Job, Retry

from .yard import app, note


@app.task
async def gathers(names: list[str]) -> str:
    """The body of a chord."""
    note("start", "body")
    return "+".join(names)


@app.task
async def told(causes: list[dict[str, str]]) -> list[str]:
    """The callback of a workflow that failed."""
    note("start", "told")
    return [cause["message"] for cause in causes]


@app.task
async def revokes(job_id: str) -> bool:
    """A job that revokes another one."""
    return await app.job(job_id).revoke()


@app.task(retry=Retry(1, base=3600, jitter=0))
async def retries_in_an_hour(name: str) -> str:
    """Fails, and waits for its second attempt."""
    raise ValueError(name)


@app.task
async def numbered(job: Job[str], n: int) -> int:
    """Notes each of its runs."""
    note("start", f"n{n}")
    return n


@app.task
async def adds(numbers: list[int]) -> int:
    """The sum of what a chord's members give."""
    note("start", "sum")
    return sum(numbers)
