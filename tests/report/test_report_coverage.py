"""The report's Coverage view in a real browser, and what it costs a report that has none."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from focal_eval.coverage import items_of, trace_case
from focal_eval.coverage.matrix import Matrix
from focal_eval.report import read_run
from focal_eval.report.base import ReportOptions
from focal_eval.report.coverage_page import CoverageView
from focal_eval.report.html import write
from tests.coverage.shop import AGENT, agent, dropped, enforced, move, reply, turns
from tests.report.reader import DESKTOP, PHONE, Readers

if TYPE_CHECKING:
    from playwright.sync_api import Page

HOSTILE = "</script><img src=x onerror=window.pwned=1>"


def view_of(folder: Path, text: str = AGENT, **more: Any) -> CoverageView:
    """Coverage of the shop with an item of each state."""
    matrix = Matrix(items_of(agent(folder, text)))
    first = reply(
        "greet",
        candidates=(dropped("start", "near-miss"), dropped("old", "disabled")),
        template="hello",
        enforcement=(enforced("limit", "passed"),),
    )
    second = reply("greet", transitions=(move("start", None, "ask"), move("transition", "ask", "sure", reason="other words")))
    checked = {("rule", "greet"): (0,), ("start", "refund"): (1,)}
    matrix.add(trace_case("one", f"one {HOSTILE}", turns(first, second)), checked, {("rule", "start"): (0,)})
    matrix.add(trace_case("two", "two", turns(first)), {}, {})
    given = {"words": "1 of 3 rules asserted (33.3 %), 2 hit", "file": f"shop.yaml {HOSTILE}", "text": text, **more}
    return CoverageView(matrix, matrix.rows(), **given)


@pytest.fixture(scope="module")
def url(rich_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of the rich run with a Coverage view; its agent says hostile things."""
    folder = tmp_path_factory.mktemp("covered")
    text = AGENT.replace("text: Sorry", f'text: "{HOSTILE}"')
    path = write(read_run(rich_folder), folder / "report.html", ReportOptions(coverage=view_of(folder, text, notes=(HOSTILE,))))
    return path.as_uri()


def opened(page: Page, url: str, address: str = "#coverage=") -> Page:
    """The page at an address of the view, drawn."""
    page.goto(url + address)
    page.wait_for_selector("#cov-list li")
    return page


def names(page: Page) -> list[str]:
    """The items of the list, in its order."""
    return [str(link.get_attribute("data-item")) for link in page.locator(".cov-item").all()]


def test_a_report_without_coverage_pays_nothing_for_it(rich_folder: Path, tmp_path: Path) -> None:
    """Neither script nor style nor markup of the view is in a page that has none, and the same view gives the same bytes."""
    run = read_run(rich_folder)
    plain = write(run, tmp_path / "plain.html").read_text(encoding="utf-8")
    assert "cov-" not in plain
    assert "drawCoverage()" not in plain
    one, other = (write(run, tmp_path / f"{n}.html", ReportOptions(coverage=view_of(tmp_path))).read_bytes() for n in (1, 2))
    assert one == other
    policies = [re.search(r'Security-Policy" content="([^"]+)"', text) for text in (plain, one.decode())]
    assert all(policy is not None and "unsafe" not in policy[1] for policy in policies)


@pytest.mark.browser
@pytest.mark.parametrize(
    ("theme", "size"),
    [
        ("light", DESKTOP),
        ("dark", PHONE),
        pytest.param("dark", DESKTOP, marks=pytest.mark.slow),
        pytest.param("light", PHONE, marks=pytest.mark.slow),
    ],
)
def test_it_is_accessible_fits_and_does_not_act(readers: Readers, url: str, theme: Any, size: tuple[int, int]) -> None:
    """Light and dark, at a desk and on a phone: nothing for axe, no sideways scrolling, no error, no hostile text that runs."""
    from axe_playwright_python.sync_playwright import Axe

    with readers.at("about:blank", size, theme) as reader:
        page = reader.page
        for address in ("#coverage=", "#coverage=&item=rule%3Agreet"):
            opened(page, url, address)
            assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
            found: list[dict[str, Any]] = Axe().run(page).response["violations"]
            assert [f"{item['id']}: {item['nodes'][0]['html'][:160]}" for item in found] == []
        assert page.evaluate("window.pwned") is None
        assert page.locator("#coverage-view img").count() == 0
        assert reader.log == []


@pytest.mark.browser
def test_items_stand_worst_first_beside_their_lines(readers: Readers, url: str) -> None:
    """The list begins with what was missed; the gutter has a state and a count on the first line of each item."""
    with readers.at("about:blank") as reader:
        page = opened(reader.page, url)
        shown = names(page)
        states = [str(link.get_attribute("class")).split(" s-")[1] for link in page.locator(".cov-item").all()]
        order = ["missed", "near", "suppressed", "off", "unknown", "hit", "asserted"]
        assert [order.index(state) for state in states] == sorted(order.index(state) for state in states)
        assert shown[-1] in ("rule:greet", "start:refund")
        line = next(number for number, text in enumerate(AGENT.split("\n"), 1) if "id: greet" in text)
        mark = page.locator(f"#L{line} .cov-mark")
        assert mark.get_attribute("aria-label") == f"Line {line}: rule greet, Asserted, 3 turns"
        assert "s-asserted" in str(page.locator(f"#L{line + 1}").get_attribute("class"))
        assert page.locator(".cov-line").count() == len(AGENT.rstrip("\n").split("\n"))


@pytest.mark.browser
def test_an_item_opens_with_the_scripts_behind_it(readers: Readers, url: str) -> None:
    """From the gutter or the list; its address can be sent on, and a script leads to its cases."""
    with readers.at("about:blank") as reader:
        page = opened(reader.page, url)
        page.click('.cov-item[data-item="rule:greet"]')
        detail = page.locator(".cov-detail")
        told = detail.inner_text()
        assert "Asserted by 1 script" in told
        assert "Hit by 2 scripts" in told
        assert HOSTILE in told
        assert "item=rule%3Agreet" in page.url
        page.click('.cov-mark[data-item="rule:greet"]')
        detail.wait_for(state="detached")
        page.click('.cov-mark[data-item="rule:greet"]')
        detail.locator("a", has_text="two").first.click()
        page.locator("#coverage-view").wait_for(state="hidden")
        assert page.input_value("#search") == "two"
        assert page.locator("#coverage-view").is_hidden()


@pytest.mark.browser
def test_kinds_states_and_search_narrow_the_list(readers: Readers, url: str) -> None:
    """Each filter is in the address, the counters follow, and Escape takes all of them away."""
    with readers.at("about:blank") as reader:
        page = opened(reader.page, url)
        everything = len(names(page))
        page.click('.cov-kind[data-kind="rule"]')
        assert {name.partition(":")[0] for name in names(page)} == {"rule"}
        page.click('#cov-states [data-state="near"]')
        assert names(page) == ["rule:start"]
        assert "kind=rule&state=near" in page.url
        page.keyboard.press("Escape")
        assert len(names(page)) == everything
        page.keyboard.press("/")
        page.keyboard.type("limit")
        assert set(names(page)) == {"rule:limit", "constraint:limit"}
        page.fill("#cov-search", "nothing like it")
        assert "Nothing fits" in page.locator("#cov-list").inner_text()


@pytest.mark.browser
def test_the_keyboard_goes_through_the_list(readers: Readers, url: str) -> None:
    """`j` and `k` step, `n` and `p` only where there is something to look at, Escape closes and keeps the place."""
    with readers.at("about:blank") as reader:
        page = opened(reader.page, url)
        shown = names(page)
        for key, wanted in (("j", shown[0]), ("j", shown[1]), ("k", shown[0]), ("n", shown[1])):
            page.keyboard.press(key)
            page.locator(f'.cov-item[data-item="{wanted}"][aria-current="true"]').wait_for()
        page.keyboard.press("Escape")
        page.locator(f'.cov-item[data-item="{shown[1]}"]:focus').wait_for()
        page.click("#tab-cases")
        page.wait_for_selector("#overview")
        page.keyboard.press("j")
        assert page.locator("#coverage-view").is_hidden()


@pytest.mark.browser
def test_without_a_text_an_item_opens_in_the_list(readers: Readers, rich_folder: Path, tmp_path: Path) -> None:
    """Of a run whose agent file is not known the list is all there is."""
    bare = view_of(tmp_path)
    bare = CoverageView(bare.matrix, bare.rows, bare.words, bare.file, None)
    path = write(read_run(rich_folder), tmp_path / "r.html", ReportOptions(coverage=bare))
    with readers.at("about:blank", PHONE) as reader:
        page = opened(reader.page, path.as_uri(), "#coverage=&item=rule%3Agreet")
        assert page.locator("#cov-list .cov-detail").count() == 1
        assert page.locator("#cov-source").count() == 0
