"""Fetching one page, bounded in bytes and in seconds."""

import asyncio
import time

import httpx

from examples.scan.models import Page

USER_AGENT = "warrener-scan"
TOTAL_SECONDS = 30.0


class SiteUnavailable(Exception):
    """The site cannot answer now and may be able to later."""


async def fetch(client: httpx.AsyncClient, url: str, *, limit: int, follow: bool = False) -> Page:
    """Fetch one page, whatever its status; a body is cut off after `limit` bytes.

    Raises `SiteUnavailable` after 30 seconds, and httpx's own errors.
    """
    started = time.perf_counter()
    try:
        # httpx times each read; only this bounds a server that sends a byte every few seconds.
        async with asyncio.timeout(TOTAL_SECONDS):
            response, body = await _read(client, url, limit, follow)
    except TimeoutError as error:
        raise SiteUnavailable(f"{url} took longer than {TOTAL_SECONDS:.0f} s") from error
    return Page(
        url=str(response.url.copy_with(fragment=None)),
        status=response.status_code,
        headers=response.headers,
        body=body[:limit],
        elapsed_ms=(time.perf_counter() - started) * 1000,
        truncated=len(body) > limit,
    )


async def _read(
    client: httpx.AsyncClient, url: str, limit: int, follow: bool
) -> tuple[httpx.Response, bytes]:
    body = bytearray()
    async with client.stream("GET", url, follow_redirects=follow) as response:
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > limit:
                break
    return response, bytes(body)


def require_available(page: Page) -> Page:
    """Return the page; raises `SiteUnavailable` if its status asks to be tried again."""
    if page.is_unavailable:
        phrase = httpx.codes.get_reason_phrase(page.status)
        raise SiteUnavailable(f"{page.url} answered {page.status} {phrase}".rstrip())
    return page
