"""From findings to something to read. Pure: nothing is fetched, nothing is written."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import jinja2

from examples.scan.checks import broken_links
from examples.scan.models import Finding, Report, Scan, Unanalysed

# Everything shown comes from somebody else's site: escape always, and fail on a misspelt name.
_templates = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def compose(
    scan: Scan, findings: Sequence[Finding], unanalysed: Sequence[Unanalysed], now: datetime
) -> Report:
    """Put the findings together, broken links included, the worst pages first."""
    statuses = {finding.url: finding.status for finding in findings}
    pages = [
        finding.model_copy(update={"issues": [*finding.issues, *broken_links(finding, statuses)]})
        for finding in findings
    ]
    pages.sort(key=lambda page: (-page.count("error"), -page.count("warning"), page.url))
    return Report(
        site=scan.site,
        created_at=now,
        pages=pages,
        unanalysed=list(unanalysed),
        skipped=scan.skipped,
    )


def to_json(report: Report) -> dict[str, Any]:
    """The report for programs: JSON values only."""
    return report.model_dump(mode="json")


def to_html(report: Report) -> str:
    """The report for people: one page that needs nothing else."""
    return _templates.get_template("report.html.jinja").render(report=report)
