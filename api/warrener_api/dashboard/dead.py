"""Dead letters: grouped by cause, searched, shown, and what is to be done with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json, to_json

from warrener import BrokerUnavailable, Warrener
from warrener.asking import ask, forecast, require_reason
from warrener.dead_counts import DeadCount, dead_counts
from warrener.letter_index import PATIENCE, DeadLetterIndex
from warrener.operations import Wanted
from warrener.selecting import Selection

from ..clients import client_of
from ..letter_schemas import LetterFilter, LetterQuery
from ..problems import BadRequest
from ..security import caller_of
from .forms import form_of
from .rendering import HEADERS, page_class, render

PAGE = 50
"""Letters on one page."""
FAR = 253_402_300_800.0
"""The first time that has no four-digit year."""
CONDITIONS = ("task", "cause", "reason", "group", "text")
"""Those of a filter that the page offers."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Which letters a page shows: of one queue, or of all if that is empty."""

    queue: str
    wanted: LetterFilter

    @property
    def conditions(self) -> dict[str, str]:
        """What is asked for, by name, without what is not."""
        found = {name: getattr(self.wanted, name) for name in CONDITIONS}
        return {name: value for name, value in found.items() if value}

    def link(self, **other: str) -> str:
        """The query that asks for this, with these conditions in the place of its own."""
        facts = {"queue": self.queue, **self.conditions, **other}
        return urlencode({name: value for name, value in facts.items() if value})


def asked_of(facts: dict[str, str]) -> Asked:
    """What the fields of a query or of a form ask for. Raises BadRequest."""
    given = {name: facts[name].strip() for name in CONDITIONS if facts.get(name, "").strip()}
    ids = facts.get("ids", "").split()
    return Asked(facts.get("queue", ""), _checked(LetterFilter, {**given, "ids": ids}))


def _checked(kind: type[Any], facts: dict[str, Any]) -> Any:
    try:
        return kind(**facts)
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        raise BadRequest(422, "invalid-request", "; ".join(faults)) from error


def routes(app: Warrener) -> APIRouter:
    """The pages below /desk/dead."""
    router = APIRouter(route_class=page_class(app), include_in_schema=False)

    @router.get("/desk/dead", name="page_dead")
    async def dead(request: Request) -> Response:
        client, query = client_of(app), dict(request.query_params)
        asked = asked_of(query)
        cursor = _checked(LetterQuery, {"cursor": query.get("cursor", "")}).cursor
        index = DeadLetterIndex(app.settings, client.store)
        counts = await _counts(app)
        known = sorted({count.queue for count in counts} | set(await index.queues()))
        queues = [asked.queue] if asked.queue else known
        selection = asked.wanted.selection(everything=True)
        half = PATIENCE / 2  # for each of two looks
        groups, whole = await index.tally(queues, selection, half)
        page = await index.search(queues, selection, cursor=cursor, size=PAGE, patience=half)
        return render(
            request,
            "dead.html",
            asked=asked,
            counts=counts,
            known=known,
            groups=groups,
            whole=whole,
            page=page,
        )

    @router.get("/desk/dead/{queue}/{letter_id}", name="page_letter")
    async def letter(request: Request, queue: str, letter_id: str) -> Response:
        found = await DeadLetterIndex(app.settings, client_of(app).store).find(letter_id, [queue])
        if found is None:
            detail = (
                f"No dead letter {letter_id!r} is listed: it may have been replayed or discarded."
            )
            raise HTTPException(404, detail)
        whole = found.size == len(found.body.encode())
        return render(
            request,
            "letter.html",
            letter=found,
            whole=whole,
            attempts=[_attempt(one) for one in found.attempts],
            arguments=_arguments(found.body) if whole else "",
            body=_pretty(found.body),
        )

    router.include_router(_deeds(app))
    return router


async def _counts(app: Warrener) -> list[DeadCount]:
    """The queues that have dead letters, or should; none while RabbitMQ is away: the list is shown all the
    same."""
    try:
        counts = await dead_counts(client_of(app), app.queues)
    except BrokerUnavailable:
        return []
    return [count for count in counts if count.held or count.listed]


def _attempt(one: dict[str, Any]) -> dict[str, Any]:
    """What a page shows of an attempt; anybody may have written it."""
    began, ended = (_time(one.get(name)) for name in ("started", "finished"))
    return {
        "number": one.get("attempt"),
        "began": began,
        "ran": None if began is None or ended is None else max(0.0, ended - began),
        "worker": one.get("worker", ""),
        "error": f"{one.get('type', '')}: {one.get('message', '')}",
    }


def _time(found: object) -> float | None:
    return float(found) if isinstance(found, int | float) and 0 < found < FAR else None


def _arguments(body: str) -> str:
    """The arguments by name, as they can be edited; empty if they are not all by name."""
    try:
        found = _ARGUMENTS.validate_json(body)
    except ValidationError:
        return ""
    return "" if found.get("args") or not found.get("kwargs") else _indented(found["kwargs"])


def _pretty(body: str) -> str:
    try:
        return _indented(from_json(body))
    except ValueError:
        return body


def _indented(thing: Any) -> str:
    return to_json(thing, indent=2).decode()


def _deeds(app: Warrener) -> APIRouter:
    """What is done with letters: first counted, then asked for."""
    router = APIRouter(route_class=page_class(app), include_in_schema=False)

    @router.post("/desk/dead/count", name="count_deed")
    async def count(request: Request) -> Response:
        facts = await form_of(request)
        asked, wanted = asked_of(facts), _wanted(facts, caller_of(request).name)
        require_reason(wanted)
        found = await forecast(client_of(app), wanted.queue, wanted.selection, wanted.limit)
        return render(
            request, "forecast.html", asked=asked, wanted=wanted, found=found, facts=facts
        )

    @router.post("/desk/dead/begin", name="begin_deed")
    async def begin(request: Request) -> Response:
        wanted = _wanted(await form_of(request), caller_of(request).name)
        operation_id = await ask(client_of(app), wanted)
        return RedirectResponse(f"../operations/{operation_id}", 303, HEADERS)

    return router


def _wanted(facts: dict[str, str], who: str) -> Wanted:
    """The operation that a form asks for. Raises BadRequest."""
    asked = asked_of(facts)
    kind = facts.get("deed", "")
    if kind not in ("replay", "discard", "reindex"):
        raise BadRequest(
            422, "invalid-request", f"deed: it is replay, discard or reindex, not {kind!r}"
        )
    numbers = {name: _number(facts, name) for name in ("limit", "rate")}
    limit = numbers["limit"]
    return Wanted(
        kind=kind,  # type: ignore[arg-type]
        queue=asked.queue,
        by=f"desk:{who}",
        selection=_selection(asked, facts),
        limit=None if limit is None else int(limit),
        rate=numbers["rate"],
        to_queue=facts.get("to_queue", "").strip(),
        edit=_edit(facts) if kind == "replay" else None,
        reason=facts.get("because", "").strip(),
    )


def _selection(asked: Asked, facts: dict[str, str]) -> Selection:
    # All letters of a queue only if a form says so: a filter that was lost must not mean everything.
    return asked.wanted.selection(everything=facts.get("all") == "yes")


def _number(facts: dict[str, str], name: str) -> float | None:
    text = facts.get(name, "").strip()
    try:
        number = float(text) if text else None
    except ValueError:
        number = -1.0
    if number is not None and not 0 < number <= 1e6:
        raise BadRequest(422, "invalid-request", f"{name}: it is a number above 0, not {text!r}")
    return number


_ARGUMENTS = TypeAdapter(dict[str, Any])


def _edit(facts: dict[str, str]) -> dict[str, Any] | None:
    """The arguments that a form changes: all that it gives, or, of those that the letter `was` shown with,
    the others. None if it changes nothing."""
    text, was = facts.get("edit", "").strip(), facts.get("was", "").strip()
    if not text:
        return None
    edit, before = _json(text), _json(was) if was else {}
    if gone := sorted(set(before) - set(edit)):
        reason = f"arguments: {gone[0]!r} is left out: an argument can be changed, not taken out"
        raise BadRequest(422, "invalid-request", reason)
    return {name: v for name, v in edit.items() if name not in before or before[name] != v} or None


def _json(text: str) -> dict[str, Any]:
    try:
        return _ARGUMENTS.validate_json(text)
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
        raise BadRequest(422, "invalid-request", f"arguments: {reason}") from error
