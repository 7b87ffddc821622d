"""Pages in a real Chromium."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from tests.support import PATIENCE

expect.set_options(timeout=PATIENCE * 1000)

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SHOTS = Path(__file__).parents[3] / "reports" / "screenshots"
"""What the pages look like, for people."""
EXAMINED = (("light", 1280), ("dark", 390))
"""Where faults of accessibility are looked for: tables are tables on the one and cards on the other."""


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """One browser for all tests; it runs as root too, where its sandbox cannot."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    assert found, "chromium is missing: ./dev test installs it"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A page of a browser that knows nothing yet. Whatever it complains of fails the test."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.extend(_faults(message)))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    context.close()
    assert complaints == []


def _faults(message: ConsoleMessage) -> list[str]:
    # That a page answered with a problem is for its test to judge.
    fault = message.type in ("error", "warning") and "Failed to load" not in message.text
    return [message.text] if fault else []


def check_looks(page: Page, name: str) -> None:
    """Keep pictures of a page, wide and narrow, light and dark; it scrolls sideways on none, and has no
    fault of accessibility."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for width in (1280, 390):
            page.set_viewport_size({"width": width, "height": 900})
            page.screenshot(path=SHOTS / f"{name}-{scheme}-{width}.png", full_page=True)
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            if (scheme, width) in EXAMINED:
                found = Axe().run(page)
                assert found.violations_count == 0, found.generate_report()
    page.set_viewport_size({"width": 1280, "height": 900})


_NAME = """() => {
    const it = document.activeElement, label = it.labels?.[0]?.firstChild?.textContent.trim();
    return it.getAttribute("aria-label") || label || it.innerText;
}"""
_SEEN = """() => {
    const style = getComputedStyle(document.activeElement);
    return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
}"""


def tab_to(page: Page, name: str) -> None:
    """Press Tab until what has this name has the focus; each stop on the way can be seen to have it."""
    for _ in range(80):
        page.keyboard.press("Tab")
        found = page.evaluate(_NAME)
        assert page.evaluate(_SEEN) or page.evaluate("document.activeElement === document.body"), (
            f"{found!r} does not show that it has the focus"
        )
        if found == name:
            return
    raise AssertionError(f"no way to {name!r} by Tab")
