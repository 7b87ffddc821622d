"""How pages are made: templates, headers, and errors as pages too."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

from fastapi import Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from warrener import Warrener

from ..answering import ProblemRoute, answers_in
from ..problems import Problem
from ..security import caller_of

HEADERS = {
    # Nothing but what this server itself serves, no script in a page, and no frame around it.
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; "
    "img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    # Not `no-referrer`: a browser would then not say whose page sent a form.
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}

_SECOND, _MINUTE, _HOUR, _DAY = 1, 60, 3600, 86_400


def moment(seconds: float | None) -> str:
    """A time in UTC; a dash for none."""
    if seconds is None:
        return "–"
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


def span(seconds: float | None) -> str:
    """A duration in one or two units; a dash for none."""
    if seconds is None:
        return "–"
    if seconds < _SECOND:
        return f"{seconds * 1000:.0f} ms"
    if seconds < _MINUTE:
        return f"{seconds:.1f} s"
    if seconds < _HOUR:
        return f"{seconds // _MINUTE:.0f} min {seconds % _MINUTE:.0f} s"
    if seconds < _DAY:
        return f"{seconds // _HOUR:.0f} h {seconds % _HOUR // _MINUTE:.0f} min"
    return f"{seconds // _DAY:.0f} d {seconds % _DAY // _HOUR:.0f} h"


def dotted(name: str) -> Markup:
    """A name that is broken over lines at its dots, if it has to be."""
    return Markup(".<wbr>").join(name.split("."))


TEMPLATES = Environment(
    loader=PackageLoader(__package__), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)
TEMPLATES.filters.update(moment=moment, span=span, dotted=dotted)


def root_of(request: Request) -> str:
    """The way from this page up to the overview. Relative, so that pages work behind any prefix."""
    depth = request.scope["route"].path_format.count("/") - 1
    return "../" * depth or "./"


def render(request: Request, template: str, *, status: int = 200, **facts: Any) -> HTMLResponse:
    """A page."""
    text = TEMPLATES.get_template(template).render(
        **facts, root=root_of(request), caller=caller_of(request), here=request.scope["route"].name
    )
    return HTMLResponse(text, status, HEADERS)


class PageRoute(ProblemRoute):
    """A route whose errors are pages; who must sign in is led to where one does."""

    def tell(self, request: Request, problem: Problem, error: Exception) -> Response:
        """How a problem is shown."""
        if problem.status == 401:
            return RedirectResponse(f"{root_of(request)}desk/sign-in", 303, HEADERS)
        return render(request, "problem.html", status=problem.status, problem=problem)


def page_class(app: Warrener) -> type[PageRoute]:
    """The class of pages of this app."""
    return type("PageRoute", (PageRoute,), {"warrener": app, "deadline": answers_in})


def asset(name: str) -> tuple[bytes, str] | None:
    """A file that pages load, and its media type; None for what is none."""
    kind = _KINDS.get(name.rpartition(".")[2])
    file = files(__package__) / "static" / name
    if kind is None or "/" in name or not file.is_file():
        return None
    return file.read_bytes(), kind


_KINDS = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
