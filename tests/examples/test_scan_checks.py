"""The checks: a page in, issues out."""

import httpx
import pytest

from examples.scan import checks
from examples.scan.fetch import SiteUnavailable, require_available
from examples.scan.models import Page

URL = "http://shop.example/a"
SAFE = {
    "Content-Type": "text/html",
    "Content-Security-Policy": "default-src 'self'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def page(
    status: int = 200,
    headers: dict[str, str] | None = None,
    body: bytes = b"<title>A</title>",
    elapsed_ms: float = 5.0,
    truncated: bool = False,
    url: str = URL,
) -> Page:
    given = httpx.Headers(SAFE if headers is None else headers)
    return Page(url, status, given, body, elapsed_ms, truncated)


def details(found: Page) -> list[tuple[str, str, str]]:
    return [(i.check, i.severity, i.detail) for i in checks.examine(found).issues]


def test_a_good_page_has_no_issues() -> None:
    finding = checks.examine(page())
    assert finding.issues == []
    assert (finding.title, finding.content_type, finding.weight_bytes) == ("A", "text/html", 16)


def test_a_missing_page_is_an_error() -> None:
    assert details(page(status=404)) == [("status", "error", "answers 404 Not Found")]


def test_an_unknown_status_is_told_by_its_number() -> None:
    assert details(page(status=499)) == [("status", "error", "answers 499")]


def test_a_redirect_is_a_note() -> None:
    moved = page(status=301, headers={"Location": "/b"}, body=b"")
    assert details(moved) == [("status", "note", "answers 301 Moved Permanently, to /b")]
    assert checks.examine(moved).links == ["http://shop.example/b"]


def test_each_missing_header_is_a_warning() -> None:
    found = details(page(headers={"Content-Type": "text/html"}))
    assert [detail for _, _, detail in found] == [f"lacks {n}" for n in checks.SECURITY_HEADERS]
    assert {(check, severity) for check, severity, _ in found} == {("security headers", "warning")}


def test_frame_ancestors_stand_for_frame_options() -> None:
    headers = SAFE | {"Content-Security-Policy": "frame-ancestors 'none'"}
    del headers["X-Frame-Options"]
    assert details(page(headers=headers)) == []


def test_https_should_be_strict() -> None:
    found = details(page(url="https://shop.example/a"))
    assert [detail for _, _, detail in found] == ["lacks Strict-Transport-Security"]


def test_only_rendered_pages_need_security_headers() -> None:
    assert details(page(headers={"Content-Type": "application/pdf"})) == []


def test_a_heavy_page_is_a_warning() -> None:
    assert details(page(body=b"x" * checks.HEAVY_BYTES)) == []
    heavy = page(body=b"x" * 1_234_567)
    assert details(heavy) == [("weight", "warning", "weighs 1,235 kB")]


def test_a_body_that_was_cut_off_is_told() -> None:
    found = details(page(body=b"x" * 2_000, truncated=True))
    assert found == [("weight", "warning", "weighs more than 2 kB; the rest was not read")]


def test_a_slow_page_is_a_warning() -> None:
    assert details(page(elapsed_ms=checks.SLOW_MS)) == []
    assert details(page(elapsed_ms=1500.4)) == [("time", "warning", "took 1,500 ms")]


def test_links_to_missing_pages_are_broken() -> None:
    links = b"<a href='/lost'></a><a href='/fine'></a><a href='/unknown'></a>"
    finding = checks.examine(page(body=links))
    statuses = {"http://shop.example/lost": 404, "http://shop.example/fine": 200}
    issues = list(checks.broken_links(finding, statuses))
    assert [(issue.severity, issue.detail) for issue in issues] == [
        ("error", "leads to http://shop.example/lost, which answers 404 Not Found")
    ]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_in_trouble_is_asked_again_later(status: int) -> None:
    with pytest.raises(SiteUnavailable, match=f"{URL} answered {status} "):
        require_available(page(status=status))


@pytest.mark.parametrize("status", [200, 301, 404])
def test_an_answer_is_an_answer(status: int) -> None:
    answer = page(status=status)
    assert require_available(answer) is answer
