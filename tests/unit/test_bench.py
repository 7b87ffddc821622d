"""The bench: bars judge what was measured, and the page shows it."""

from __future__ import annotations

from bench.bars import NOT_MEASURED, Bar, Found, Rounds, against_fastest, lines, ratio
from bench.page import cell_of, plot_of, text_of
from bench.parts import PARTS


def test_a_bar_is_met_not_met_shown_or_unknown() -> None:
    least, most, shown = Bar("a", least=2), Bar("b", most=1.05), Bar("c")
    assert [least.line(2, "2 ×"), least.line(1.9, "1.9 ×")] == [
        "met      a: 2 ×",
        "not met  a: 1.9 ×",
    ]
    assert [most.line(1.05, "5 %"), most.line(1.06, "6 %")] == [
        "met      b: 5 %",
        "not met  b: 6 %",
    ]
    assert shown.line(0.1, "x") == "shown    c: x"
    assert list(lines([least, shown], {shown: (1, "y")})) == [
        "unknown  a: not measured in this run",
        "shown    c: y",
    ]


def test_a_ratio_is_the_median_of_the_rounds_that_both_sides_had() -> None:
    middle, words = ratio([10, None, 30, 20], [1, 1, 1, None], "Celery")
    assert (middle, words) == (20, "20.00 × Celery (10.00 – 30.00, 2 rounds)")
    assert ratio([1, 2], [None, None]) == ratio([], []) == NOT_MEASURED


def test_the_fastest_peer_is_the_one_we_are_least_ahead_of() -> None:
    peers: dict[str, Rounds] = {"slow": [1.0], "fast": [5.0], "absent": [None]}
    assert against_fastest([10.0], peers) == (2, "2.00 × fast (1 round)")
    assert against_fastest([10.0], {}) == NOT_MEASURED


def test_the_page_has_every_table_with_medians_and_ranges() -> None:
    found = Found()
    found.table("No-op jobs, 100 slots", {"jobs/s": {"one": [1500, None, 500], "gone": [None]}})
    run = {"about": {"Redis": "7"}, "tables": found.tables, "bars": ["met      a: 2"]}
    text = text_of(run, "plots/")
    assert "| one | 1,000 (500 – 1,500) |" in text
    assert "gone" not in text
    assert "![No-op jobs, 100 slots](plots/no-op-jobs-100-slots.svg)" in text
    assert "met      a: 2" in text
    assert [cell_of([]), cell_of([12.34]), cell_of([1.234])] == ["–", "12.3", "1.23"]
    assert plot_of("≥ 5: a") == "5-a.svg"


def test_every_bar_has_a_name_of_its_own() -> None:
    names = [bar.name for part in PARTS.values() for bar in part.bars]
    assert len(names) == len(set(names))
