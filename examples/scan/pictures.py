"""The README's pictures of the dashboard: the example at work for some minutes, seen in a real Chromium.

python -m examples.scan.pictures [--minutes N] [--into FOLDER]
"""

import argparse
import itertools
import shutil
import tempfile
import time
from pathlib import Path

import httpx
from playwright.sync_api import Page, sync_playwright

from examples.scan.demo_client import Api
from examples.scan.demo_stack import ROOT, Stack, running_stack, until

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WIDTH, HEIGHT = 1200, 800
PAGES = {"overview": "/", "dead-letters": "/desk/dead?queue=scan.analysis"}
NOBODY = "http://127.0.0.1:9/"
"""A site that is down: nothing listens there."""


def main() -> None:
    """Take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long it works before")
    parser.add_argument("--into", type=Path, default=ROOT / "docs")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="warrener-pictures-") as folder:
        directory = Path(folder)
        with running_stack(directory, directory / "reports") as stack:
            _work(stack, 60 * options.minutes)
            _take(stack, options.into)


def _work(stack: Stack, seconds: float) -> None:
    """Have sites scanned, now fewer and now more, some of whose pages fail."""
    end = time.monotonic() + seconds
    with httpx.Client(base_url=stack.api_url, timeout=30.0) as http:
        api = Api(http, stack.crew.check)
        api.wait_until_ready()
        for turn in itertools.count():
            if turn % 3 == 0:
                httpx.post(f"{stack.site_url}_reset").raise_for_status()
            if turn % 4 == 1:
                api.submit("analyse", page={"url": NOBODY, "depth": 0})
            for _ in range(1 + turn % 3):
                api.submit("discover", url=stack.site_url)
            if time.monotonic() > end:
                break
            time.sleep(7 + 5 * (turn % 3))
        until("something died", lambda: api.dead_letters("scan.analysis"))


def _take(stack: Stack, into: Path) -> None:
    browser_path = next(filter(None, map(shutil.which, BROWSERS)))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        for name, path in PAGES.items():
            page.goto(stack.api_url + path, wait_until="networkidle")
            page.screenshot(path=into / f"{name}.png", full_page=_is_short(page))
        browser.close()


def _is_short(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollHeight") <= 1.6 * HEIGHT)


if __name__ == "__main__":
    main()
