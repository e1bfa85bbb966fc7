"""The order of the list of cases, by its columns; and what else an engine tells of a turn."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from focal_eval.records import Reply, Verdict
from focal_eval.report import read_run
from focal_eval.report.html import write
from tests.report.reader import Reader, Readers
from tests.report.sample_run import Attempt, Case, Turn, write_run
from tests.report.sample_stored import more_case
from tests.report.test_report_page import violations

pytestmark = pytest.mark.browser


def _case(name: str, verdict: Verdict, turns: int, ms: float) -> Case:
    turn = Turn("hi", Reply(response="Hello!", session_id="s", turn_id="t"))
    return Case(f"order/{name}", name, [Attempt([turn] * turns, verdict, elapsed_ms=ms)])


CASES = [
    _case("b 10", Verdict.PASSED, 3, 900.0),
    _case("b 2", Verdict.FAILED, 1, 20.0),
    _case("a", Verdict.PASSED, 2, 1_500.0),
    _case("c", Verdict.ERRORED, 2, 30.0),
    more_case(),
]
MORE = "All that an engine tells"


@pytest.fixture
def table(readers: Readers, tmp_path: Path) -> Iterator[Reader]:
    """The page with cases that differ in every column."""
    url = write(read_run(write_run(tmp_path / "run", CASES)), tmp_path).as_uri()
    with readers.at(url) as reader:
        yield reader
        assert reader.log == []


def titles(reader: Reader) -> list[str]:
    """The titles of the rows as a reader sees them."""
    return [name.split("\n")[0] for name in reader.names]


OWN = ["c", "b 2", "a", "b 10", MORE]


@pytest.mark.parametrize(
    ("column", "first", "then"),
    [
        ("verdict", ["c", "b 2", "a", "b 10", MORE], ["a", "b 10", MORE, "b 2", "c"]),
        ("case", ["a", MORE, "b 2", "b 10", "c"], ["c", "b 10", "b 2", MORE, "a"]),
        ("turns", ["b 10", "c", "a", "b 2", MORE], ["b 2", MORE, "c", "a", "b 10"]),
        ("time", ["a", "b 10", "c", MORE, "b 2"], ["b 2", MORE, "c", "b 10", "a"]),
    ],
)
def test_a_column_orders_the_list_and_gives_it_back(table: Reader, column: str, first: list[str], then: list[str]) -> None:
    """By keyboard alone: its order, the other way round, then the page's own; the focus stays on the title."""
    page = table.page
    assert titles(table) == OWN
    page.focus(f".sorter[data-order={column}]")
    head = page.locator(f"[role=columnheader]:has([data-order={column}])")
    assert head.get_attribute("aria-sort") == "none"
    page.keyboard.press("Enter")
    assert titles(table) == first
    assert table.hash == f"#s={column}"
    falls = "ascending" if column == "case" else "descending"
    assert head.get_attribute("aria-sort") == falls
    page.keyboard.press("Space")
    assert titles(table) == then
    assert table.hash == f"#s=-{column}"
    assert head.get_attribute("aria-sort") == ("descending" if column == "case" else "ascending")
    assert page.evaluate("document.activeElement.dataset.order") == column
    page.keyboard.press("Enter")
    assert titles(table) == OWN
    assert page.locator(".row.section").count() == 2


def test_an_order_can_be_linked_and_is_kept(table: Reader) -> None:
    """The address holds it; filters, cases and the way back keep it; `j` goes on in that order; nonsense is no order."""
    page = table.page
    page.goto(f"{table.url}#s=time")
    page.reload()
    assert titles(table) == ["a", "b 10", "c", MORE, "b 2"]
    assert page.locator(".row.section, .row.group").count() == 0
    page.fill("#search", "order/")
    assert titles(table) == ["a", "b 10", "c", "b 2"]
    page.click(".row-link >> nth=0")
    page.wait_for_selector("#case-title")
    page.keyboard.press("j")
    page.wait_for_selector("#case-title:has-text('b 10')")
    page.click("#back")
    page.wait_for_selector("#list .row")
    assert titles(table) == ["a", "b 10", "c", "b 2"]
    page.goto(f"{table.url}#s=-constructor")
    page.reload()
    assert titles(table) == OWN


def test_the_ordered_list_is_accessible(table: Reader) -> None:
    """Titles are buttons with a name, their state is told, and so is the change."""
    table.page.click(".sorter[data-order=time]")
    assert violations(table.page) == []
    assert table.page.text_content("#announce") == "Ordered by time, slowest first"


def test_times_of_both_clocks_stand_together(table: Reader) -> None:
    """Our measure and the engine's, and when the first words came."""
    table.open_case("stored/more")
    facts = table.page.inner_text(".lane-response .small-facts >> nth=0")
    assert "time\n1.7 s measured, 1.6 s by the engine" in facts
    assert "first token\nafter 420 ms" in facts
    for told in ("small-2026-10", "stop", "$0.0031", "64 written to the cache"):
        assert told in facts
    table.open_case("order/a")
    assert table.page.locator(".lane-response").count() == 0, "ids alone are no news"


def test_more_from_the_engine_is_folded(table: Reader) -> None:
    """One quiet line that names what it holds; unfolded it has all of it."""
    table.open_case("stored/more")
    fold = table.page.locator(".more-fold")
    assert fold.locator(".fold-names").inner_text() == (
        "reasoning, 840 ms · progress · type, format · metadata · citations in their place · ids"
    )
    assert fold.locator(".more").count() == 0
    fold.locator("summary").first.click()
    told = fold.locator(".more").inner_text()
    for part in ("the policy says thirty days", "Searching the knowledge base", "MARKDOWN", "policy found", "doc-7", "trk-9"):
        assert part in told
    table.page.click(".records > summary")
    table.page.wait_for_selector(".records th:has-text('Feedback')")
    assert '{"rating": 5}' in table.page.inner_text(".records")
