"""What the tasks hand to each other, and what the reader of a report gets."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import httpx
from pydantic import BaseModel

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True)
class Page:
    """One answer of a web server; it lives inside one job and is never sent anywhere."""

    url: str
    status: int
    headers: httpx.Headers
    body: bytes
    elapsed_ms: float
    truncated: bool = False

    @property
    def content_type(self) -> str:
        """The media type without its parameters, in lower case; empty when there is none."""
        declared: str = self.headers.get("content-type", "")
        return declared.partition(";")[0].strip().lower()

    @property
    def is_html(self) -> bool:
        """Whether links can be read from it."""
        return self.content_type in ("text/html", "application/xhtml+xml")

    @property
    def is_unavailable(self) -> bool:
        """Whether the server asks, by its status, to be tried again later."""
        return self.status >= 500 or self.status == httpx.codes.TOO_MANY_REQUESTS


class PageRef(BaseModel):
    """A page that was found and is still to be analysed; `depth` in clicks from the start."""

    url: str
    depth: int
    found_on: str | None = None


class Issue(BaseModel):
    """One thing a check has to say about a page."""

    check: str
    severity: Severity
    detail: str


class Finding(BaseModel):
    """What the analysis of one page found."""

    url: str
    status: int
    content_type: str
    title: str
    weight_bytes: int
    elapsed_ms: float
    links: list[str]
    issues: list[Issue]

    def count(self, severity: Severity) -> int:
        """How many issues of this severity there are."""
        return sum(issue.severity == severity for issue in self.issues)


class Analysis(BaseModel):
    """The job that analyses one page."""

    id: str
    url: str


class Skipped(BaseModel):
    """A page that was found and deliberately left alone."""

    url: str
    reason: str


class Scan(BaseModel):
    """What discovery found and which jobs it started; the argument of `report`."""

    site: str
    analyses: list[Analysis]
    report_id: str
    skipped: list[Skipped] = []


class Unanalysed(BaseModel):
    """A page whose analysis ended without a finding."""

    url: str
    job_id: str
    error: str


class Report(BaseModel):
    """Everything known about a site, the worst pages first."""

    site: str
    created_at: datetime
    pages: list[Finding]
    unanalysed: list[Unanalysed]
    skipped: list[Skipped]

    def count(self, severity: Severity) -> int:
        """How many issues of this severity there are on all pages."""
        return sum(page.count(severity) for page in self.pages)


class Summary(BaseModel):
    """The result of `report`: the numbers, and where the files are."""

    site: str
    analysed: int
    unanalysed: int
    skipped: int
    errors: int
    warnings: int
    notes: int
    html: str
    json_file: str
