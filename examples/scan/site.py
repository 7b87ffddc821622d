"""The demo's own site: a small garden shop with faults that come up the same in every run.

python -m examples.scan.site --host 127.0.0.1 --port 8080
"""

import argparse
import html
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from typing import Any

HARDENED = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

# What each page is called and where it leads. Clicks from the start: see the indentation.
PAGES: dict[str, tuple[str, tuple[str, ...]]] = {
    "/": (
        "Burrow & Bloom, a garden shop",
        (
            *("/about", "/about#hours", "/contact", "/garden", "/news", "/leaflet.pdf", "/home"),
            *("/private/accounts", "mailto:hello@shop.example", "https://elsewhere.example/"),
        ),
    ),
    # one
    "/about": ("About us", ("/", "/team")),
    "/contact": ("Where to find us", ("/", "/about#hours")),
    "/garden": ("The garden", ("/", "/garden/carrots", "/garden/clover", "/garden/snails")),
    "/news": ("News", ("/", "/news/spring", "/news/older", "/news/lost", "/basket")),
    # two
    "/team": ("Four rabbits", ("/about",)),
    "/garden/carrots": ("Carrots", ("/garden", "/garden/carrots/stock")),
    "/garden/clover": ("Clover", ("/garden", "/garden/clover/gallery")),
    "/garden/snails": ("Snails, which take their time", ("/garden",)),
    "/news/spring": ("Spring is here", ("/news",)),
    "/basket": ("Your basket", ("/",)),
    # three
    "/garden/carrots/stock": ("Carrots in stock", ("/garden/carrots",)),
    "/garden/clover/gallery": ("Clover, in large pictures", ("/garden/clover",)),
    # never to be seen by a scanner
    "/private/accounts": ("Accounts", ()),
}
ROBOTS = "User-agent: *\nDisallow: /private/\n"

FLAKY = "/garden/carrots/stock"  # 503, as often as `flaky_failures`, and then well
BROKEN = "/basket"  # 500 until somebody posts to /_repair
SLOW = "/garden/snails"
HEAVY = "/garden/clover/gallery"
BARE = "/team"  # without any of the HARDENED headers
MOVED = "/home"  # redirects to the start


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back over the wire."""

    status: int
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)


class Shop:
    """What the site remembers between requests; safe to ask from many threads."""

    def __init__(
        self,
        slow_seconds: float = 1.5,
        flaky_failures: int = 2,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        self._slow_seconds = slow_seconds
        self._flaky_failures = flaky_failures
        self._pause = pause
        self._lock = Lock()
        self.reset()

    def reset(self) -> None:
        """Go back to the state of a fresh start."""
        with self._lock:
            self._failures_left = self._flaky_failures
            self._repaired = False

    def repair(self) -> None:
        """Make the broken page work from now on."""
        with self._lock:
            self._repaired = True

    def get(self, path: str) -> Answer:
        """Answer one GET; the slow page blocks its thread for as long as it is slow."""
        if self._fails(path):
            return Answer(503 if path == FLAKY else 500, b"out of carrots\n")
        if path == SLOW:
            self._pause(self._slow_seconds)
        if path in PAGES:
            headers = {} if path == BARE else HARDENED
            return Answer(200, render(path), "text/html; charset=utf-8", headers)
        if path == "/robots.txt":
            return Answer(200, ROBOTS.encode())
        if path == "/leaflet.pdf":
            return Answer(200, b"%PDF-1.4\n% a leaflet\n%%EOF\n", "application/pdf")
        if path == MOVED:
            return Answer(301, headers={"Location": "/"})
        return Answer(404, b"no such page\n")

    def _fails(self, path: str) -> bool:
        with self._lock:
            if path == FLAKY and self._failures_left:
                self._failures_left -= 1
                return True
            return path == BROKEN and not self._repaired


def render(path: str) -> bytes:
    """The HTML of one of the PAGES."""
    title, links = PAGES[path]
    items = "".join(f'<li><a href="{html.escape(to)}">{html.escape(to)}</a></li>' for to in links)
    filler = "<!-- clover -->" * 40_000 if path == HEAVY else ""
    page = f"<!doctype html><title>{html.escape(title)}</title><ul>{items}</ul>{filler}"
    return page.encode()


class Handler(BaseHTTPRequestHandler):
    """HTTP on the one side, the shop on the other."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are two writes
    timeout = 60
    server: "Site"

    def do_GET(self) -> None:
        """Answer with the page of the path; a query makes no difference."""
        self._send(self.server.shop.get(self.path.partition("?")[0]))

    def do_POST(self) -> None:
        """Repair or reset the shop."""
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        actions = {"/_repair": self.server.shop.repair, "/_reset": self.server.shop.reset}
        if action := actions.get(self.path):
            action()
        self._send(Answer(204 if action else 404))

    def log_message(self, format: str, *args: Any) -> None:
        """Log one line a request, without the time and address."""
        print(format % args, flush=True)

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        if answer.status != 204:
            self.send_header("Content-Type", answer.content_type)
            self.send_header("Content-Length", str(len(answer.body)))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.body)


class Site(ThreadingHTTPServer):
    """The shop, served; `port=0` takes any free one, `url` tells which."""

    daemon_threads = True

    def __init__(self, shop: Shop, host: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__((host, port), Handler)
        self.shop = shop
        self.url = f"http://{host}:{self.server_address[1]}"


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description="A small garden shop with faults, to be scanned.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080)
    options = parser.parse_args()
    with Site(Shop(), options.host, options.port) as site:
        print(f"serving on {site.url}/", flush=True)
        try:
            site.serve_forever()
        except KeyboardInterrupt:
            print("closed")


if __name__ == "__main__":
    main()
