"""The three tasks. Each has a queue of its own, so each is scaled and paused by itself."""

#   discover ──(one per page)──▶ analyse
#       └──────(one per scan)──▶ report, which waits until every analysis has ended

import asyncio
import hashlib
import os
from datetime import UTC, datetime
from typing import Annotated

import httpx
from pydantic import Field, HttpUrl

from examples.scan.app import Resources, app
from examples.scan.checks import examine
from examples.scan.crawl import Crawl, robots_of
from examples.scan.fetch import SiteUnavailable, require_available
from examples.scan.files import write
from examples.scan.models import Analysis, Finding, PageRef, Scan, Summary, Unanalysed
from examples.scan.report import compose
from warrener import (
    BrokerUnavailable,
    Job,
    JobNotFound,
    JobStatus,
    PublishTimeout,
    Retry,
    RetryLater,
    State,
    StoreUnavailable,
    cron,
)

# Troubles that pass by themselves: of the site, and of the nodes that jobs are sent through.
SITE = (httpx.TransportError, SiteUnavailable)
NODES = (BrokerUnavailable, PublishTimeout, StoreUnavailable)


@app.task(
    queue="scan.discovery",
    time_limit=3600,
    retry=Retry(5, on=(*SITE, *NODES), base=0.2, maximum=60),
)
async def discover(
    job: Job[Resources],
    url: HttpUrl,
    max_pages: Annotated[int, Field(ge=1, le=500)] = 50,
    max_depth: Annotated[int, Field(ge=0, le=20)] = 3,
) -> Scan:
    """Find the pages of a site; have each analysed, and then all of them reported.

    Raises `SiteUnavailable`, and is retried, while the start page or robots.txt cannot be had.
    """
    get = job.resources.get
    site = require_available(await get(str(url), follow=True)).url
    crawl = Crawl(site, get, await robots_of(site, get), max_pages, max_depth)
    analyses: list[Analysis] = []
    async for page in crawl.pages():
        # The id follows from the page: a second run of this job sends the same jobs, not more.
        page_id = hashlib.sha256(page.url.encode()).hexdigest()[:12]
        handle = await analyse.options(id=f"{job.id}.{page_id}").send(page)
        analyses.append(Analysis(id=handle.id, url=page.url))
        await job.report_progress(len(analyses), crawl.found, page.url)

    report_id = f"{job.id}.report"
    scan = Scan(site=site, analyses=analyses, report_id=report_id, skipped=crawl.skipped)
    await report.options(id=report_id).send(scan)
    return scan


@app.task(queue="scan.analysis", time_limit=120, retry=Retry(3, on=SITE, base=0.2, maximum=2))
async def analyse(job: Job[Resources], page: PageRef) -> Finding:
    """Fetch one page and check it.

    Raises `SiteUnavailable` if the server cannot answer: after three retries the job is
    dead-lettered, where it can be looked at, and replayed once the site is well again.
    """
    return examine(require_available(await job.resources.get(page.url)))


# JobNotFound: a job that was accepted while Redis was away has no record until it runs.
@app.task(
    queue="scan.report",
    retry=Retry(600, on=(OSError, JobNotFound, *NODES), base=0.5, maximum=30),
)
async def report(job: Job[Resources], scan: Scan) -> Summary:
    """Write the report of a scan, as soon as no analysis is on its way any more."""
    findings: list[Finding] = []
    unanalysed: list[Unanalysed] = []
    for analysis in scan.analyses:
        status = await app.job(analysis.id).status()
        if not status.is_terminal:
            # Not a sleep: it waits in the broker, each time a little longer, and holds no slot.
            raise RetryLater(min(0.5 * job.attempt, 30.0))
        if status.state is State.SUCCESS and status.result is not None:
            findings.append(Finding.model_validate(status.result))
        else:
            why = explain(status)
            unanalysed.append(Unanalysed(url=analysis.url, job_id=analysis.id, error=why))
    result = compose(scan, findings, unanalysed, datetime.now(UTC))
    return await asyncio.to_thread(write, result, job.resources.reports, job.id)


def check_every_hour(site: str) -> None:
    """Have `warrener beat` scan this site every hour, unless the scan before has not ended."""
    app.schedule("hourly-scan", cron("0 * * * *"), discover.s(HttpUrl(site)), overlap="skip")


if site := os.environ.get("WARRENER_SCAN_SITE"):
    check_every_hour(site)


def explain(status: JobStatus) -> str:
    """Why a job that has ended left no finding."""
    if status.result_expired:
        return "its result has expired"
    return status.error.message if status.error else f"its job ended {status.state}"
