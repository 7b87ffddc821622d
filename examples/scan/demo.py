"""The whole of Warrener in half a minute: scan, fail, look, repair, replay, count.

python -m examples.scan.demo [URL] [--keep]
"""

import argparse
import os
import signal
import tempfile
import uuid
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from shutil import rmtree

import httpx
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from examples.scan.demo_client import PATIENCE, Api, Counts, DeadLetter, JobView
from examples.scan.demo_stack import DemoFailed, Stack, running_stack, until
from examples.scan.models import Analysis, Scan, Summary
from warrener_workers.nodes import NodeError

# The bundled site has 17 pages that may be scanned: 17 analyses, one discovery, two reports.
# Two pages fail at first: one recovers by itself, one is dead-lettered until it is repaired.
EXPECTED = Counts(submitted=20, succeeded=20, retried=2, dead_lettered=1, replayed=1, lost=0)
DEAD = "scan.analysis"

console = Console(highlight=False, markup=False, soft_wrap=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m examples.scan.demo", description=__doc__)
    parser.add_argument("url", nargs="?", help="scan this site instead of the bundled one")
    parser.add_argument("--keep", action="store_true", help="leave it running until Ctrl-C")
    options = parser.parse_args(arguments)
    # So that everything is put away; a shell starts background jobs with SIGINT ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    directory = Path(tempfile.mkdtemp(prefix="warrener-scan-"))
    verdict, code = "demo failed: interrupted", 1
    try:
        verdict, code = f"demo ok: {_run(directory, options.url, options.keep)}", 0
    except (DemoFailed, NodeError, httpx.HTTPError) as error:
        verdict = f"demo failed: {error}"
    except KeyboardInterrupt:
        pass
    finally:
        rmtree(directory, ignore_errors=True)
    console.print(verdict)
    return code


def _run(directory: Path, url: str | None, keep: bool) -> Counts:
    console.print("starting RabbitMQ, Redis, the site, three workers and the API ...")
    reports = Path(os.environ.get("WARRENER_SCAN_REPORTS", "reports")).absolute()
    with running_stack(directory, reports) as stack:
        try:
            return _story(stack, url)
        except Exception as error:
            for name, tail in stack.crew.tails():
                console.print(f"--- {name}\n{tail}")
            console.print(f"--- {type(error).__name__}: {error}")
            raise
        finally:
            if keep:
                _stay(stack, directory)


def _story(stack: Stack, url: str | None) -> Counts:
    """Scan a site over HTTP; raises DemoFailed as soon as anything is not as it should be."""
    with httpx.Client(base_url=stack.api_url, timeout=30.0) as http:
        api = Api(http, stack.crew.check)
        api.wait_until_ready()
        scan, summary = _scan(api, url or stack.site_url)
        dead = _dead_letters(api, scan)
        replayed = 0
        if url is None:
            replayed, summary = _repair_and_replay(api, stack, scan, dead)
        counts = api.count(len(dead), replayed)
        _drained(api, dead_letters=len(dead) - replayed)
    _tell(counts, summary)
    if url is None and counts != EXPECTED:
        raise DemoFailed(f"{counts} (expected {EXPECTED})")
    if counts.lost:
        raise DemoFailed(str(counts))
    return counts


def _scan(api: Api, url: str) -> tuple[Scan, Summary]:
    key = str(uuid.uuid4())
    job = api.submit("discover", key, url=url)
    console.print(f"submitted: scan of {url}, job {job.id}")
    if api.submit("discover", key, url=url).id != job.id:
        raise DemoFailed("the same Idempotency-Key made a second job")
    console.print("submitted again with the same Idempotency-Key: still one job")

    with console.status("discovering") as status:

        def show(job: JobView) -> None:
            if job.progress:
                text = f"discovering, {job.progress.done:.0f} pages: {job.progress.note}"
                status.update(Text(text))  # no str: an address may look like markup

        scan = Scan.model_validate(api.succeed(job.id, show).result)
    console.print(f"discovered: {len(scan.analyses)} pages, {len(scan.skipped)} left alone")
    _watch(api, scan.analyses)
    summary = Summary.model_validate(api.succeed(scan.report_id).result)
    console.print(f"reported: {summary.analysed} analysed, {summary.unanalysed} could not be")
    return scan, summary


def _watch(api: Api, analyses: Sequence[Analysis]) -> None:
    """Show each analysis as it ends."""
    waiting = {analysis.id: analysis.url for analysis in analyses}
    with Progress(console=console, disable=not console.is_terminal, transient=True) as bar:
        shown = bar.add_task("analysing", total=len(waiting))

        def all_ended() -> bool:
            for job in [api.job(job_id) for job_id in waiting]:
                if job.ended:
                    bar.advance(shown)
                    console.print(_line(job, waiting.pop(job.id)))
            return not waiting

        until("every analysis ends", all_ended, PATIENCE)


def _line(job: JobView, url: str) -> str:
    again = f", attempt {job.attempt}" if job.attempt > 1 else ""
    return f"  {job.state:<8} {url}{again}"


def _dead_letters(api: Api, scan: Scan) -> list[DeadLetter]:
    failed = [job for a in scan.analyses if (job := api.jobs[a.id]).state == "FAILURE"]

    def listed() -> list[DeadLetter] | None:
        letters = api.dead_letters(DEAD)
        return letters if len(letters) == len(failed) else None

    letters = until("every failed job is listed as a dead letter", listed)
    for letter in letters:
        why = f"{letter.type}: {letter.message}"
        console.print(f"dead-lettered: job {letter.job_id}, reason {letter.reason}, {why}")
    return letters


def _repair_and_replay(
    api: Api, stack: Stack, scan: Scan, dead: Sequence[DeadLetter]
) -> tuple[int, Summary]:
    httpx.post(f"{stack.site_url}_repair").raise_for_status()
    replayed = api.replay(DEAD)
    console.print(f"repaired the site and replayed {replayed}")
    urls = {analysis.id: analysis.url for analysis in scan.analyses}
    for letter in dead:
        job = _replayed(api, letter)
        console.print(_line(job, urls[job.id]))
    # What discovery returned is what a report takes: the same analyses, read once more.
    again = api.submit("report", scan=scan.model_dump(mode="json"))
    summary = Summary.model_validate(api.succeed(again.id).result)
    if (summary.analysed, summary.unanalysed) != (len(scan.analyses), 0):
        raise DemoFailed(f"the second report is not complete: {summary}")
    return replayed, summary


def _replayed(api: Api, letter: DeadLetter) -> JobView:
    def succeeded() -> JobView | None:
        # Until a worker has claimed the replayed message, the job is still what it was.
        job = api.job(letter.job_id or "", wait=1.0)
        return job if job.state == "SUCCESS" else None

    return until(f"replayed job {letter.job_id} succeeds", succeeded)


def _drained(api: Api, dead_letters: int) -> None:
    """Wait until nothing is left in any queue, besides so many dead letters."""

    def empty() -> bool:
        queues = api.queues()
        left = sum(queue.dead for queue in queues)
        return left == dead_letters and not any(queue.ready for queue in queues)

    until("the queues are empty", empty, 30.0)


def _tell(counts: Counts, summary: Summary) -> None:
    table = Table("jobs", "", title=f"Scan of {summary.site}", title_justify="left")
    for name, number in counts.rows():
        table.add_row(name, str(number))
    console.print(table)
    console.print(f"found: {summary.errors} errors, {summary.warnings} warnings")
    console.print(f"report: {summary.html}")


def _stay(stack: Stack, directory: Path) -> None:
    console.print(f"API:  {stack.api_url}/")
    console.print(f"site: {stack.site_url}")
    console.print(f"WARRENER_AMQP_URL={stack.amqp_url}")
    console.print(f"WARRENER_REDIS_URL={stack.redis_url}")
    with suppress(KeyboardInterrupt):
        console.print(f"logs: {directory / 'logs'}\nrunning until Ctrl-C")
        signal.pause()


if __name__ == "__main__":
    raise SystemExit(main())
