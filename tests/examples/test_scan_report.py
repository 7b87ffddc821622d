"""The report: findings in, JSON and HTML out."""

import json
from datetime import UTC, datetime

from bs4 import BeautifulSoup

from examples.scan.models import Analysis, Finding, Issue, Report, Scan, Skipped, Unanalysed
from examples.scan.report import compose, to_html, to_json

HOME = "http://shop.example/"
NOW = datetime(2030, 5, 4, 12, 30, tzinfo=UTC)


def finding(path: str, status: int = 200, title: str = "", links: tuple[str, ...] = ()) -> Finding:
    lost = [Issue(check="status", severity="error", detail="answers 404")] if status == 404 else []
    return Finding(
        url=HOME + path,
        status=status,
        content_type="text/html",
        title=title,
        weight_bytes=1234,
        elapsed_ms=5.6,
        links=[HOME + link for link in links],
        issues=lost,
    )


def report(*findings: Finding) -> Report:
    scan = Scan(
        site=HOME,
        analyses=[Analysis(id="s.1", url=HOME)],
        report_id="s.report",
        skipped=[Skipped(url=f"{HOME}private", reason="disallowed by robots.txt")],
    )
    dead = Unanalysed(url=f"{HOME}basket", job_id="s.2", error="answered 500")
    return compose(scan, findings, [dead], NOW)


def test_broken_links_are_joined_from_all_findings() -> None:
    result = report(finding("", links=("lost", "fine")), finding("lost", 404), finding("fine"))
    issues = {page.url: [issue.check for issue in page.issues] for page in result.pages}
    assert issues == {HOME: ["broken links"], f"{HOME}lost": ["status"], f"{HOME}fine": []}
    assert result.count("error") == 2


def test_findings_are_left_as_they_were() -> None:
    start = finding("", links=("lost",))
    report(start, finding("lost", 404))
    assert start.issues == []


def test_the_worst_pages_come_first() -> None:
    result = report(finding("b"), finding("a"), finding("lost", 404))
    assert [page.url for page in result.pages] == [f"{HOME}lost", f"{HOME}a", f"{HOME}b"]


def test_the_json_holds_everything() -> None:
    result = report(finding("a"))
    data = json.loads(json.dumps(to_json(result)))
    assert Report.model_validate(data) == result
    assert data["created_at"] == "2030-05-04T12:30:00Z"


def test_the_html_shows_pages_failures_and_what_was_skipped() -> None:
    html = to_html(report(finding("a", title="A page"), finding("lost", 404)))
    text = BeautifulSoup(html, "html.parser").get_text(" ", strip=True)
    assert "2030-05-04 12:30 UTC" in text
    assert "A page" in text
    assert "1.2 kB" in text
    assert "error: answers 404" in text
    assert "answered 500 s.2" in text
    assert f"{HOME}private disallowed by robots.txt" in text


def test_the_html_without_failures_has_no_empty_sections() -> None:
    scan = Scan(site=HOME, analyses=[], report_id="s.report")
    soup = BeautifulSoup(to_html(compose(scan, [], [], NOW)), "html.parser")
    assert [heading.get_text() for heading in soup.find_all("h2")] == ["Pages"]


def test_what_the_site_says_is_never_markup() -> None:
    evil = finding("<img src=x>", title="<script>alert(1)</script>")
    html = to_html(report(evil))
    assert "<script>" not in html
    assert "<img" not in html
    assert "&lt;script&gt;" in html
