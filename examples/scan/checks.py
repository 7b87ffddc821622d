"""What is looked at on a page that was fetched. Pure: a page in, issues out."""

from collections.abc import Callable, Iterator, Mapping

import httpx

from examples.scan.crawl import links_of, parse
from examples.scan.models import Finding, Issue, Page

HEAVY_BYTES = 500_000
SLOW_MS = 1_000.0
MAX_LINKS = 500

SECURITY_HEADERS = (
    "Content-Security-Policy",
    "Referrer-Policy",
    "X-Content-Type-Options",
    "X-Frame-Options",
)


def status(page: Page) -> Iterator[Issue]:
    """An answer that is not the page itself."""
    if page.status >= 400:
        yield Issue(check="status", severity="error", detail=f"answers {_phrase(page.status)}")
    elif page.status >= 300:
        target = page.headers.get("location", "nowhere")
        detail = f"answers {_phrase(page.status)}, to {target}"
        yield Issue(check="status", severity="note", detail=detail)


def security_headers(page: Page) -> Iterator[Issue]:
    """Headers that protect a reader and are missing; only on pages that a browser renders."""
    if page.status >= 300 or not page.is_html:
        return
    wanted = list(SECURITY_HEADERS)
    if page.url.startswith("https:"):
        wanted.append("Strict-Transport-Security")
    if "frame-ancestors" in page.headers.get("content-security-policy", ""):
        wanted.remove("X-Frame-Options")  # which it supersedes
    for name in wanted:
        if name not in page.headers:
            yield Issue(check="security headers", severity="warning", detail=f"lacks {name}")


def weight(page: Page) -> Iterator[Issue]:
    """A body that is a burden on a slow line."""
    kilobytes = f"{len(page.body) / 1000:,.0f} kB"
    if page.truncated:
        detail = f"weighs more than {kilobytes}; the rest was not read"
        yield Issue(check="weight", severity="warning", detail=detail)
    elif len(page.body) > HEAVY_BYTES:
        yield Issue(check="weight", severity="warning", detail=f"weighs {kilobytes}")


def time(page: Page) -> Iterator[Issue]:
    """An answer that kept its reader waiting."""
    if page.elapsed_ms > SLOW_MS:
        detail = f"took {page.elapsed_ms:,.0f} ms"
        yield Issue(check="time", severity="warning", detail=detail)


CHECKS: tuple[Callable[[Page], Iterator[Issue]], ...] = (status, security_headers, weight, time)


def examine(page: Page) -> Finding:
    """Run every check on one page."""
    title = parse(page).title
    return Finding(
        url=page.url,
        status=page.status,
        content_type=page.content_type,
        title=title.get_text(strip=True)[:200] if title else "",
        weight_bytes=len(page.body),
        elapsed_ms=round(page.elapsed_ms, 1),
        links=links_of(page)[:MAX_LINKS],
        issues=[issue for check in CHECKS for issue in check(page)],
    )


def broken_links(finding: Finding, statuses: Mapping[str, int]) -> Iterator[Issue]:
    """Links to pages that are known to be missing; `statuses` are those of all analysed pages.

    It needs every page's answer and so runs last. Nothing is fetched twice for it.
    """
    for url in finding.links:
        if statuses.get(url, 0) >= 400:
            detail = f"leads to {url}, which answers {_phrase(statuses[url])}"
            yield Issue(check="broken links", severity="error", detail=detail)


def _phrase(code: int) -> str:
    return f"{code} {httpx.codes.get_reason_phrase(code)}".rstrip()
