"""The index of dead letters: it lists, searches and groups what the letters themselves say."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from dataclasses import replace
from typing import Any

import pytest

from warrener import ConfigurationError, JobError, Settings, letter_index
from warrener.catalogue import Catalogue
from warrener.dead_letters import DeadLetter
from warrener.declared import CatalogueEntry
from warrener.letter_index import CAUSES_LOOKED_AT, DeadLetterIndex
from warrener.letter_lines import cause_id, line_of, parse_line, place_of
from warrener.selecting import ALL, Selection
from warrener.store import Store

ERROR = JobError("builtins.ValueError", "no", "Traceback", frame="shop.till.charge:7")
LETTER = DeadLetter("j~0", "j", "shop.charge", "q", 0, 1, "error", ERROR, 1e9, "heavy-1", body="{}")
TEXTS = ["order 17", "Order\n18", "ünlauter", "\x1fj17\x1f", "", "a%d[", "x" * 3000 + "order 17"]
TYPES = ["TimeoutError", "httpx.ReadTimeout", "shop.TimeoutError", "a.b.TimeoutError", ""]


@pytest.fixture(autouse=True)
async def published(store: Store) -> None:
    """Nothing that these tasks take is secret."""
    tasks = ["shop.charge", "shop.greet", "shop\x1fgreet", *(f"t{n}" for n in range(600))]
    entries = [CatalogueEntry(name, "q", {"type": "object"}, {}) for name in tasks]
    await Catalogue(Settings(), store).publish(entries)


def _letter(chance: random.Random, number: int) -> DeadLetter:
    pick = chance.choice
    error = JobError(
        pick(TYPES), pick(TEXTS), "Traceback", pick(["error", "worker_lost"]), pick(["", "m.f:7"])
    )
    return DeadLetter(
        id=f"j{number}~{number % 3}",
        job_id=f"j{number}",
        task=pick(["shop.charge", "shop.greet", "shop\x1fgreet"]),
        queue=pick(["q", "p"]),
        generation=number % 3,
        attempt=chance.randint(1, 5),
        reason=error.reason,
        error=error,
        died=chance.randint(0, 50) / 1000,
        worker=pick(["heavy-1", "ü"]),
        body=pick(TEXTS),
    )


def _selection(chance: random.Random, letters: list[DeadLetter]) -> Selection:
    conditions: dict[str, Any] = {
        "ids": frozenset(chance.choice([x.id, x.job_id, "j"]) for x in chance.sample(letters, 40)),
        "task": chance.choice(["shop.charge", "shop", "shop\x1fgreet"]),
        "cause": chance.choice([*TYPES, "Timeout", "b.TimeoutError"]),
        "reason": chance.choice(["error", "err"]),
        "group": chance.choice([cause_id(chance.choice(letters)), "no such"]),
        "text": chance.choice(
            ["ORDER 1", "order", "ÜNLAUTER", "ünLAUTER", "%d[", "17\x1f", "x" * 999]
        ),
        "min_attempts": chance.randint(1, 5),
        "max_attempts": chance.randint(1, 5),
        "min_replays": chance.randint(0, 2),
        "max_replays": chance.randint(0, 2),
        "died_before": chance.randint(0, 50) / 1000,
        "died_after": chance.randint(0, 50) / 1000,
    }
    chosen = chance.sample(sorted(conditions), chance.choice([1, 1, 2, 3]))
    return Selection(**{name: conditions[name] for name in chosen})


def _newest_first(letters: list[DeadLetter]) -> list[str]:
    return [x.id for x in sorted(letters, key=lambda x: (x.died, x.id), reverse=True)]


async def _found(
    index: DeadLetterIndex,
    queues: list[str],
    selection: Selection,
    size: int,
    patience: float = math.inf,
) -> list[str]:
    ids: list[str] = []
    cursor = ""
    while True:
        page = await index.search(queues, selection, cursor=cursor, size=size, patience=patience)
        ids += [line.id for line in page.letters]
        cursor = page.next
        if not cursor:
            return ids
        assert len(page.letters) == size or page.cut is not None


@pytest.mark.parametrize("seed", range(60))
async def test_a_search_finds_what_a_pass_would_take(store: Store, seed: int) -> None:
    chance = random.Random(seed)
    index = DeadLetterIndex(Settings(), store)
    letters = [_letter(chance, number) for number in range(120)]
    await index.add(letters)
    for queues in (["q"], ["p", "q"]):
        selection = _selection(chance, letters)
        expected = [x for x in letters if x.queue in queues and selection.takes(x)]
        for size, patience in ((7, 0.0), (500, math.inf)):
            found = await _found(index, queues, selection, size, patience)
            assert found == _newest_first(expected)
        assert sum([await index.count(queue, selection) for queue in queues]) == len(expected)
        causes = defaultdict(list)
        for letter in expected:
            causes[cause_id(letter)].append(letter.died)
        groups = await index.groups(queues, selection)
        assert {g.id: (g.count, g.first, g.last) for g in groups} == {
            cause: (len(times), min(times), max(times)) for cause, times in causes.items()
        }
        assert [g.count for g in groups] == sorted((g.count for g in groups), reverse=True)


async def test_more_letters_than_one_script_looks_at_are_paged_without_a_gap(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(letter_index, "LOOKED_AT", 1500)
    index = DeadLetterIndex(Settings(), store)
    many = 2 * 1500 + 10
    letters = [
        replace(LETTER, id=f"j{n}~0", job_id=f"j{n}", died=float(n // 3), body=str(n % 1500))
        for n in range(many)
    ]
    for start in range(0, many, 500):
        await index.add(letters[start : start + 500])
    assert await _found(index, ["q"], ALL, 1500) == _newest_first(letters)
    rare = Selection(text="1499")
    assert await _found(index, ["q"], rare, 1) == ["j2999~0", "j1499~0"]
    # Out of patience after each script, a page says how far it is, and the next goes on there.
    page = await index.search(["q"], Selection(text="no such"), size=1, patience=0)
    assert (page.letters, page.cut) == ([], float((many - 1500) // 3))
    assert await _found(index, ["q"], rare, 2, patience=0) == ["j2999~0", "j1499~0"]
    assert await index.tally(["q"], Selection(text="no such"), patience=0) == ([], False)
    [group] = await index.groups(["q"])
    assert (group.count, group.first, group.last) == (many, 0.0, float((many - 1) // 3))


async def test_a_letter_that_is_listed_again_is_listed_as_it_is_now(store: Store) -> None:
    index = DeadLetterIndex(Settings(), store)
    await index.add([LETTER, replace(LETTER, died=2e9, body="now")])
    assert await index.count("q") == 1
    [line] = (await index.search(["q"])).letters
    assert (line.died, line.arguments) == (2e9, "now")
    assert await index.find("j~0") == replace(LETTER, died=2e9, body="now")
    assert await index.find("j~1") is None


async def test_letters_leave_the_index_and_are_counted_once(store: Store) -> None:
    index = DeadLetterIndex(Settings(), store)
    letters = [replace(LETTER, id=f"j{n}~0", died=float(n)) for n in range(3)]
    await index.add(letters)
    for gone in (2, 0):
        assert await index.remove("q", ["j0~0", "j2~0", "j9~0"], "discarded") == gone
    assert await index.remove("q", []) == 0
    assert await index.page("q") == [letters[1]]
    assert await index.find("j0~0") is None
    assert await index.became("q") == {"discarded": 2}
    assert await index.queues() == ["q"]


async def test_what_the_index_keeps_of_a_letter_is_bounded(store: Store) -> None:
    index = DeadLetterIndex(Settings(), store)
    chance = random.Random(1)
    noise = "".join(chr(chance.randint(32, 0x2FFF)) for _ in range(50_000))
    error = JobError(noise, noise, noise, noise, noise)
    await index.add(
        [
            replace(
                LETTER,
                error=error,
                task=noise,
                worker=noise,
                body=noise,
                reason=noise,
                attempts=[{"message": noise}],
            )
        ]
    )
    prefix = "warrener:dead:{q}:"
    line: Any = await store.client.hget(f"{prefix}lines", "j~0")
    details: Any = await store.client.hget(f"{prefix}details", "j~0")
    assert len(line) < 5_000
    assert len(details) < 27_000


def test_a_line_holds_what_listings_show() -> None:
    letter = replace(LETTER, error=replace(ERROR, message="m" * 1001), body="é" * 600)
    line = parse_line(line_of(letter), letter.id, "q")
    assert (line.id, line.job_id, line.task, line.queue) == ("j~0", "j", "shop.charge", "q")
    assert (line.generation, line.attempt, line.reason, line.worker) == (0, 1, "error", "heavy-1")
    assert (line.type, line.frame, line.died) == (ERROR.type, ERROR.frame, 1e9)
    assert (line.message, line.arguments) == ("m" * 1000, "é" * 500)
    assert line.cause == cause_id(letter)


def test_a_cause_is_a_type_and_a_place_in_the_users_code() -> None:
    same = replace(LETTER, error=replace(ERROR, message="else"), task="shop.other", attempt=3)
    assert cause_id(same) == cause_id(LETTER)
    for other in (replace(ERROR, type="KeyError"), replace(ERROR, frame="shop.till.charge:8")):
        assert cause_id(replace(LETTER, error=other)) != cause_id(LETTER)
    lost = replace(LETTER, error=JobError("WorkerLost", "it ended"))
    assert cause_id(lost) != cause_id(replace(lost, task="shop.other"))


def test_a_selection_says_of_what_and_survives_json() -> None:
    with pytest.raises(ConfigurationError, match="say which dead letters"):
        Selection()
    for selection in (
        ALL,
        Selection(ids=frozenset("ab"), died_before=5.0),
        Selection(max_replays=0),
    ):
        assert Selection.from_json(selection.to_json()) == selection


async def test_one_that_is_listed_again_with_another_cause_is_in_one_group(store: Store) -> None:
    index = DeadLetterIndex(Settings(), store)
    other = replace(LETTER, task="shop.greet", error=replace(ERROR, type="a.B", frame="m.f:7"))
    await index.add([LETTER])
    await index.add([other])
    assert [(g.id, g.count) for g in await index.groups(["q"])] == [(cause_id(other), 1)]
    for gone in ({"task": LETTER.task}, {"group": cause_id(LETTER)}, {"cause": "ValueError"}):
        assert await index.count("q", Selection(**gone)) == 0  # type: ignore[arg-type]
    assert await index.count("q", Selection(task="shop.greet", cause="B")) == 1


async def test_more_causes_than_one_script_looks_at(store: Store) -> None:
    index = DeadLetterIndex(Settings(), store)
    many = CAUSES_LOOKED_AT + 1
    for start in range(0, many, 100):
        numbers = range(start, min(start + 100, many))
        await index.add(
            [replace(LETTER, id=f"j{n}~0", task=f"t{n}", error=_at(n)) for n in numbers]
        )
    assert len(await index.groups(["q"])) == many
    assert len(await index.groups(["q"], Selection(died_after=0.0))) == many
    assert await index.groups(["q"], Selection(died_before=1e9)) == []


def _at(line: int) -> JobError:
    return replace(ERROR, frame=f"shop.till.charge:{line}")


async def test_an_order_that_another_version_wrote_is_made_anew(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(letter_index, "LOOKED_AT", 2)
    index = DeadLetterIndex(Settings(), store)
    letters = [replace(LETTER, id=f"j{n}~0", died=float(n), body=str(n)) for n in range(5)]
    await index.add(letters)
    order = "warrener:dead:{q}:order"
    right: Any = await store.client.zrange(order, 0, -1)
    # Places alone, as they once were, an entry of a line that has changed, and one of no line.
    wrong = [place_of(float(n), f"j{n}~0") for n in range(5)]
    wrong += [right[0] + b"x", place_of(7.0, "gone~0")]
    await store.client.zadd(order, dict.fromkeys(wrong, 0))
    assert await index.count("q") == 12
    assert await index.tidy("q") == 7
    assert await store.client.zrange(order, 0, -1) == right
    assert await index.tidy("q") == 0


async def test_nothing_is_left_of_letters_that_are_all_gone(store: Store) -> None:
    index = DeadLetterIndex(Settings(), store)
    chance = random.Random(1)
    letters = [_letter(chance, number) for number in range(30)]
    await index.add(letters)
    for queue in ("p", "q"):
        await index.remove(queue, await index.ids(queue))
    assert [key async for key in store.client.scan_iter("warrener:dead:*")] == []
