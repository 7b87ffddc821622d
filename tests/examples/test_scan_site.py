"""The demo site, over real HTTP: its faults come up the same in every run."""

from collections.abc import Awaitable, Callable

import httpx
import pytest

from examples.scan.fetch import SiteUnavailable, fetch, require_available
from examples.scan.models import Page
from examples.scan.site import BARE, BROKEN, FLAKY, HEAVY, MOVED, PAGES, SLOW, Shop, Site

Get = Callable[[str], Awaitable[Page]]

GOOD = sorted(set(PAGES) - {FLAKY, BROKEN})


async def post(site: Site, path: str) -> int:
    async with httpx.AsyncClient() as client:
        return (await client.post(site.url + path, content=b"ignored")).status_code


@pytest.mark.parametrize("path", GOOD)
async def test_good_pages_are_html_with_a_title(get: Get, path: str) -> None:
    page = await get(path)
    assert (page.status, page.is_html) == (200, True)
    assert b"<title>" in page.body
    assert ("X-Content-Type-Options" in page.headers) == (path != BARE)


async def test_the_flaky_page_fails_twice(get: Get) -> None:
    assert [(await get(FLAKY)).status for _ in range(4)] == [503, 503, 200, 200]


async def test_the_broken_page_stays_broken_until_it_is_repaired(site: Site, get: Get) -> None:
    assert [(await get(BROKEN)).status for _ in range(5)] == [500] * 5
    assert await post(site, "/_repair") == 204
    assert (await get(BROKEN)).status == 200


async def test_a_reset_brings_both_faults_back(site: Site, get: Get) -> None:
    assert await post(site, "/_repair") == 204
    assert [(await get(FLAKY)).status for _ in range(3)] == [503, 503, 200]
    assert await post(site, "/_reset") == 204
    assert (await get(BROKEN)).status == 500
    assert (await get(FLAKY)).status == 503


async def test_unknown_pages_and_actions_are_missing(site: Site, get: Get) -> None:
    assert (await get("/news/lost")).status == 404
    assert await post(site, "/_destroy") == 404


async def test_the_leaflet_is_not_html(get: Get) -> None:
    assert (await get("/leaflet.pdf")).content_type == "application/pdf"


async def test_the_moved_page_redirects_to_the_start(get: Get) -> None:
    page = await get(MOVED)
    assert (page.status, page.headers["location"]) == (301, "/")


async def test_a_query_makes_no_difference(get: Get) -> None:
    assert (await get("/about?from=mail")).status == 200


async def test_the_slow_page_takes_its_time() -> None:
    slept: list[float] = []
    shop = Shop(slow_seconds=1.5, pause=slept.append)
    assert shop.get(SLOW).status == 200
    assert slept == [1.5]


async def test_a_body_is_cut_off_at_the_limit(site: Site) -> None:
    async with httpx.AsyncClient() as client:
        page = await fetch(client, site.url + HEAVY, limit=1_000)
        whole = await fetch(client, site.url + HEAVY, limit=1_000_000)
    assert (len(page.body), page.truncated) == (1_000, True)
    assert len(whole.body) > 500_000
    assert not whole.truncated


async def test_a_redirect_is_followed_only_if_asked_to(site: Site) -> None:
    async with httpx.AsyncClient() as client:
        page = await fetch(client, site.url + MOVED, limit=1_000, follow=True)
    assert (page.status, page.url) == (200, f"{site.url}/")


async def test_an_unavailable_page_says_so(get: Get) -> None:
    page = await get(BROKEN)
    with pytest.raises(SiteUnavailable, match=r"/basket answered 500 Internal Server Error$"):
        require_available(page)
