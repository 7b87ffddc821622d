"""Bad input, by name: docs/errors.md says what Warrener answers, and this provokes every row of it."""

from __future__ import annotations

import asyncio
import contextlib
import re
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

import warrener
from warrener import WarrenerError

from .place import Place
from .provocations import LIMIT, PROVOCATIONS, Provocation

SETTINGS = {"max_payload_bytes": LIMIT}
DOC = Path(__file__).parents[2] / "docs" / "errors.md"
ABSENT = "–"


@dataclass(frozen=True)
class Row:
    """One row of the table; None in a column that does not apply."""

    case: str
    exception: str | None
    http: tuple[int, str] | None
    exit_code: int | None
    words: tuple[tuple[str, str], ...]
    """Words of the message, and the one place that gives them, or "" for all."""

    def said(self, where: str) -> list[str]:
        """What the message must say there."""
        return [words for words, only in self.words if only in ("", where)]


def _rows() -> Iterator[Row]:
    lines = DOC.read_text().splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("| Case |"))
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            return
        case, python, http, cli, message = (cell.strip() for cell in line.strip("|").split("|"))
        status, _, kind = http.partition(" ")
        yield Row(
            case,
            None if python == ABSENT else python.strip("`"),
            None if http == ABSENT else (int(status), kind.strip("`")),
            None if cli == ABSENT else int(cli),
            tuple(re.findall(r"“([^”]+)”(?: \((\w+)\))?", message)),
        )


ROWS = {row.case: row for row in _rows()}


def _rows_with(column: str) -> list[str]:
    return [case for case, row in ROWS.items() if getattr(row, column) is not None]


@asynccontextmanager
async def _meanwhile(place: Place, wanted: Provocation) -> AsyncIterator[None]:
    """What the case needs meanwhile; and afterwards, that nothing was half-done."""
    kept: list[str] = []
    async with contextlib.AsyncExitStack() as stack:
        if wanted.needs is not None:
            log = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "log"
            process = place.background(log, lambda: " ready: " in log.read_text(), *wanted.needs)
            stack.enter_context(process)
        if wanted.reserved is not None:
            kept.append(await stack.enter_async_context(place.reserved(wanted.reserved)))
        if wanted.consumed is not None:
            client = await stack.enter_async_context(place.client())
            channel = await stack.enter_async_context(client.publisher.own_channel())
            await channel.basic_consume(wanted.consumed, _ignore)
        yield
        assert await place.messages() == {}
        assert await place.records() == kept


async def _ignore(_: object) -> None:
    """A consumer that does nothing."""


def test_every_row_is_provoked_and_every_provocation_has_a_row() -> None:
    assert list(ROWS) == list(PROVOCATIONS)
    for case, row in ROWS.items():
        wanted = PROVOCATIONS[case]
        assert (wanted.python is None) == (row.exception is None), case
        assert (wanted.http is None) == (row.http is None), case
        assert (wanted.cli is None) == (row.exit_code is None), case
        assert row.words, case


@pytest.mark.parametrize("case", _rows_with("exception"))
async def test_python_raises_what_the_table_says(
    place: Place, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    row, wanted = ROWS[case], PROVOCATIONS[case]
    assert wanted.python is not None
    for name, value in place.environment.items():  # a worker's child has its settings from there
        monkeypatch.setenv(name, value)
    async with _meanwhile(place, wanted), wanted.where(place).app() as app:
        with pytest.raises(WarrenerError) as caught:
            await wanted.python(app)
    assert row.exception is not None
    kind = getattr(warrener, row.exception, None) or getattr(warrener.errors, row.exception)
    assert type(caught.value) is kind
    _says(row, "Python", str(caught.value))


@pytest.mark.parametrize("case", _rows_with("http"))
async def test_http_answers_what_the_table_says(place: Place, case: str) -> None:
    row, wanted = ROWS[case], PROVOCATIONS[case]
    assert wanted.http is not None
    it = wanted.http
    body = {"json": it.json} if it.content is None else {"content": it.content}
    kind = {} if it.json is not None else {"Content-Type": it.kind}
    headers = {**kind, **it.headers}
    async with _meanwhile(place, wanted), wanted.where(place).http() as http:
        response = await http.request(it.method, it.path, headers=headers, **body)
    problem = response.json()
    assert response.headers["content-type"] == "application/problem+json"
    assert (response.status_code, problem["type"]) == (
        row.http and row.http[0],
        f"urn:warrener:{row.http and row.http[1]}",
    )
    assert problem["status"] == response.status_code
    assert ("retry-after" in response.headers) == (response.status_code == 503)
    _says(row, "HTTP", problem["detail"])


@pytest.mark.parametrize("case", _rows_with("exit_code"))
async def test_the_command_line_exits_as_the_table_says(place: Place, case: str) -> None:
    row, wanted = ROWS[case], PROVOCATIONS[case]
    assert wanted.cli is not None
    async with _meanwhile(place, wanted):
        where = wanted.where(place)
        where = replace(where, extra={**where.extra, **wanted.settings})
        done = await asyncio.to_thread(where.run, *wanted.cli)
    assert done.returncode == row.exit_code, done.stderr
    assert done.stdout == ""
    _says(row, "CLI", done.stderr)
    # What broke in a file of the user's own is shown with its traceback.
    shows_where = "broken" in case or "breaks" in case
    assert shows_where or "Traceback" not in done.stderr
    told_by_child = "given to a worker" in case
    if told_by_child or (
        row.exception is not None and wanted.cli[0] != "worker"
    ):  # which logs as well
        *before, line = done.stderr.splitlines()
        assert shows_where or not before
        assert line.startswith("warrener: ")


def _says(row: Row, where: str, message: str) -> None:
    message = " ".join(re.sub(r"[│╭╮╰╯─]", " ", message).split())
    for words in row.said(where):
        assert words in message
    assert "guest:guest" not in message
    assert "wrong@" not in message
