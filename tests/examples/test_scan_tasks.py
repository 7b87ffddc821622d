"""The tasks, called as the functions they are, with a job made by hand."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import HttpUrl

from examples.scan import app
from examples.scan.app import Resources
from examples.scan.fetch import SiteUnavailable
from examples.scan.files import write
from examples.scan.models import Analysis, Finding, PageRef, Report, Scan, Summary
from examples.scan.site import BROKEN, FLAKY, Site
from examples.scan.tasks import analyse, discover, report
from warrener import Job, JobError, JobNotFound, JobStatus, RetryLater, State, WarrenerError
from warrener.declared import CatalogueEntry
from warrener.submissions import Submission


class FakeBackend:
    """Keeps what is sent, and knows the records it is given."""

    def __init__(self) -> None:
        self.sent: list[Submission] = []
        self.records: dict[str, JobStatus] = {}

    async def submit(self, submissions: Sequence[Submission]) -> list[str | WarrenerError]:
        self.sent += submissions
        return [str(submission.job_id) for submission in submissions]

    async def find_task(self, task: str) -> CatalogueEntry | None:
        return None

    async def status(self, job_id: str) -> JobStatus | None:
        return self.records.get(job_id)

    async def revoke(self, job_id: str, reason: str, *, terminate: bool) -> bool:
        raise NotImplementedError

    async def wait(self, job_id: str, timeout: float | None) -> JobStatus | None:
        return self.records.get(job_id)

    async def close(self) -> None:
        pass


@pytest.fixture
def backend() -> Iterator[FakeBackend]:
    fake = FakeBackend()
    app.use_backend(lambda: fake)
    yield fake
    app.use_backend(None)


def record(job_id: str, state: State, **facts: Any) -> JobStatus:
    empty: dict[str, Any] = dict.fromkeys(field.name for field in fields(JobStatus))
    return JobStatus(**empty | {"id": job_id, "state": state} | facts)


@pytest.fixture
async def job(tmp_path: Path) -> AsyncIterator[Job[Resources]]:
    async with httpx.AsyncClient() as client:
        yield Job("scan-1", Resources(client, tmp_path))


async def test_a_good_page_is_analysed(site: Site, job: Job[Resources]) -> None:
    finding: Finding = await analyse(job, PageRef(url=f"{site.url}/about", depth=1))
    assert (finding.status, finding.title, finding.issues) == (200, "About us", [])


async def test_a_missing_page_is_a_finding(site: Site, job: Job[Resources]) -> None:
    finding: Finding = await analyse(job, PageRef(url=f"{site.url}/news/lost", depth=2))
    assert [issue.detail for issue in finding.issues] == ["answers 404 Not Found"]


async def test_the_flaky_page_succeeds_at_the_third_attempt(
    site: Site, job: Job[Resources]
) -> None:
    page = PageRef(url=site.url + FLAKY, depth=3)
    for _ in range(2):
        with pytest.raises(SiteUnavailable, match="answered 503"):
            await analyse(job, page)
    assert (await analyse(job, page)).status == 200


async def test_the_broken_page_needs_a_repair(site: Site, job: Job[Resources]) -> None:
    page = PageRef(url=site.url + BROKEN, depth=2)
    retries = analyse.settings.retry.backoff.limit
    for _ in range(1 + retries):
        with pytest.raises(SiteUnavailable, match="answered 500"):
            await analyse(job, page)
    site.shop.repair()
    assert (await analyse(job, page)).status == 200


async def test_only_passing_troubles_are_retried() -> None:
    retry = analyse.settings.retry
    assert retry.covers(SiteUnavailable("down"))
    assert retry.covers(httpx.ConnectError("refused"))
    assert not retry.covers(httpx.InvalidURL("nonsense"))


async def test_a_discovery_sends_an_analysis_for_each_page_and_one_report(
    site: Site, job: Job[Resources], backend: FakeBackend
) -> None:
    scan: Scan = await discover(job, HttpUrl(site.url))
    *analyses, last = backend.sent
    assert scan.site == f"{site.url}/"
    assert len(scan.analyses) == 17
    assert [sent.job_id for sent in analyses] == [analysis.id for analysis in scan.analyses]
    assert {(sent.task, sent.queue) for sent in analyses} == {(analyse.name, "scan.analysis")}
    assert (last.task, last.queue, last.job_id) == (report.name, "scan.report", "scan-1.report")
    assert json.loads(last.body)["kwargs"]["scan"] == scan.model_dump()


async def test_a_discovery_that_runs_again_sends_the_same_jobs(
    site: Site, job: Job[Resources], backend: FakeBackend
) -> None:
    first = await discover(job, HttpUrl(site.url))
    assert await discover(replace(job, attempt=2), HttpUrl(site.url)) == first
    ids = [sent.job_id for sent in backend.sent]
    assert len(ids) == 2 * 18
    assert len(set(ids)) == 18


async def test_a_discovery_waits_for_a_start_page_that_answers(
    site: Site, job: Job[Resources], backend: FakeBackend
) -> None:
    with pytest.raises(SiteUnavailable):
        await discover(job, HttpUrl(site.url + BROKEN))
    assert backend.sent == []


SCAN = Scan(
    site="http://a.example/",
    analyses=[Analysis(id=f"scan-1.{name}", url=f"http://a.example/{name}") for name in "abc"],
    report_id="scan-1.report",
)
FOUND = Finding(
    url="http://a.example/a",
    status=200,
    content_type="text/html",
    title="A",
    weight_bytes=1,
    elapsed_ms=1,
    links=[],
    issues=[],
)


@pytest.mark.parametrize("state", [state for state in State if not state.is_terminal])
async def test_a_report_comes_back_while_an_analysis_is_on_its_way(
    job: Job[Resources], backend: FakeBackend, state: State
) -> None:
    success = record("scan-1.a", State.SUCCESS, result=FOUND.model_dump())
    backend.records = {"scan-1.a": success, "scan-1.b": record("scan-1.b", state)}
    for attempt, delay in ((1, 0.5), (2, 1.0), (600, 30.0)):
        with pytest.raises(RetryLater) as caught:
            await report(replace(job, attempt=attempt), SCAN)
        assert caught.value.delay == delay


async def test_a_report_comes_back_for_an_analysis_without_a_record(
    job: Job[Resources], backend: FakeBackend
) -> None:
    with pytest.raises(JobNotFound) as caught:
        await report(job, SCAN)
    assert report.settings.retry.covers(caught.value)


async def test_a_report_tells_what_could_not_be_analysed(
    job: Job[Resources], backend: FakeBackend
) -> None:
    down = JobError("SiteUnavailable", "it answered 500")
    backend.records = {
        "scan-1.a": record("scan-1.a", State.SUCCESS, result=FOUND.model_dump()),
        "scan-1.b": record("scan-1.b", State.FAILURE, error=down),
        "scan-1.c": record("scan-1.c", State.SUCCESS, result_expired=True),
    }
    summary: Summary = await report(job, SCAN)
    files = Path(summary.json_file), Path(summary.html)
    written_json, html = await asyncio.to_thread(lambda: [file.read_text() for file in files])
    written = Report.model_validate_json(written_json)
    assert (summary.analysed, summary.unanalysed) == (1, 2)
    assert written.pages == [FOUND]
    assert [(page.url, page.job_id, page.error) for page in written.unanalysed] == [
        ("http://a.example/b", "scan-1.b", "it answered 500"),
        ("http://a.example/c", "scan-1.c", "its result has expired"),
    ]
    assert "it answered 500" in html


def test_a_report_is_written_twice_to_the_same_files(tmp_path: Path) -> None:
    now = datetime(2030, 5, 4, tzinfo=UTC)
    empty = Report(site="http://a.example/", created_at=now, pages=[], unanalysed=[], skipped=[])
    folder = tmp_path / "reports"
    summary = write(empty, folder, "scan-1.report")
    assert write(empty, folder, "scan-1.report") == summary
    assert sorted(path.name for path in folder.iterdir()) == [
        "scan-1.report.html",
        "scan-1.report.json",
    ]
    assert Report.model_validate(json.loads(Path(summary.json_file).read_text())) == empty


def test_the_package_exports_the_app_with_its_three_tasks() -> None:
    queues = {name: task.settings.queue for name, task in app.tasks.items()}
    assert queues == {
        "examples.scan.tasks.discover": "scan.discovery",
        "examples.scan.tasks.analyse": "scan.analysis",
        "examples.scan.tasks.report": "scan.report",
    }
