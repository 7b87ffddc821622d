"""Finding the pages of one site: breadth first, bounded, within what robots.txt allows."""

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from urllib.robotparser import RobotFileParser

import httpx
from bs4 import BeautifulSoup

from examples.scan.fetch import USER_AGENT, SiteUnavailable, require_available
from examples.scan.models import Page, PageRef, Skipped


def absolute(base: str, href: str) -> str | None:
    """The http(s) address that `href` means on the page `base`, fragment stripped; or None."""
    try:
        url = httpx.URL(base).join(href.strip())
        # The raw path is "/" where an address has none, so that both spellings are one page.
        url = url.copy_with(raw_path=url.raw_path, fragment=None)
    except (httpx.InvalidURL, ValueError):
        return None
    return str(url) if url.scheme in ("http", "https") and url.host else None


def same_origin(one: str, other: str) -> bool:
    """Whether two addresses share scheme, host and port."""
    a, b = httpx.URL(one), httpx.URL(other)
    return (a.scheme, a.host, a.port) == (b.scheme, b.host, b.port)


def parse(page: Page) -> BeautifulSoup:
    """The page as a tree; an empty one if it is not HTML."""
    return BeautifulSoup(page.body if page.is_html else "", "html.parser")


def links_of(page: Page) -> list[str]:
    """Where the page leads, each address once and in order; a redirect leads to its target."""
    if "location" in page.headers:
        target = absolute(page.url, page.headers["location"])
        return [target] if target else []
    soup = parse(page)
    declared = soup.find("base", href=True)
    base = absolute(page.url, str(declared["href"])) if declared else None
    found = (absolute(base or page.url, str(tag["href"])) for tag in soup.find_all("a", href=True))
    return list(dict.fromkeys(url for url in found if url))


def robots_rules(text: str) -> Callable[[str], bool]:
    """What the text of a robots.txt allows us to fetch, as a predicate on addresses."""
    rules = RobotFileParser()
    rules.parse(text.splitlines())
    return lambda url: rules.can_fetch(USER_AGENT, url)


async def robots_of(site: str, fetch: Callable[..., Awaitable[Page]]) -> Callable[[str], bool]:
    """Fetch the site's robots.txt; everything is allowed if there is none.

    Raises `SiteUnavailable` while it cannot be had: then nobody knows what is allowed.
    """
    url = str(httpx.URL(site).join("/robots.txt"))
    page = require_available(await fetch(url, follow=True))
    return robots_rules(page.body.decode(errors="replace") if page.status == 200 else "")


@dataclass(slots=True)
class Crawl:
    """One walk over one site, which never leaves the origin of `start`."""

    start: str
    fetch: Callable[[str], Awaitable[Page]]
    allowed: Callable[[str], bool]
    max_pages: int
    max_depth: int
    found: int = 0
    skipped: list[Skipped] = field(default_factory=list)
    _seen: set[str] = field(default_factory=set)
    _ahead: deque[PageRef] = field(default_factory=deque)

    async def pages(self) -> AsyncIterator[PageRef]:
        """Yield each page as soon as its turn comes, nearest first."""
        self._consider(PageRef(url=self.start, depth=0))
        while self._ahead:
            page = self._ahead.popleft()
            yield page
            # The deepest pages are not opened: wherever they lead would be too deep.
            if page.depth < self.max_depth:
                for url in await self._links(page):
                    self._consider(PageRef(url=url, depth=page.depth + 1, found_on=page.url))

    def _consider(self, page: PageRef) -> None:
        if page.url in self._seen or not same_origin(self.start, page.url):
            return
        self._seen.add(page.url)
        if not self.allowed(page.url):
            self._skip(page, "disallowed by robots.txt")
        elif self.found == self.max_pages:
            self._skip(page, f"beyond the limit of {self.max_pages} pages")
        else:
            self.found += 1
            self._ahead.append(page)

    def _skip(self, page: PageRef, reason: str) -> None:
        # As many as there may be pages: the list travels in a message.
        if len(self.skipped) < self.max_pages:
            self.skipped.append(Skipped(url=page.url, reason=reason))

    async def _links(self, page: PageRef) -> list[str]:
        # A page that cannot be read now is no reason to stop: its own analysis will say why.
        try:
            return links_of(await self.fetch(page.url))
        except (httpx.HTTPError, httpx.InvalidURL, SiteUnavailable):
            return []
