"""The regression report in a real browser: what a reader sees, can do and takes along."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest

from focal_eval.report.comparison import write
from tests.report.reader import DESKTOP, PHONE, Reader, Readers
from tests.report.sample_comparison import small_view

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser
CUP = "#case=returns/mug[item%3Dcup]"


@pytest.fixture(scope="module")
def page_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The small comparison's report."""
    return write(small_view(), tmp_path_factory.mktemp("comparison")).as_uri()


@pytest.fixture
def desk(readers: Readers, page_url: str) -> Iterator[Reader]:
    """A reader at a desk; no console message is allowed in any test."""
    with readers.at(page_url) as reader:
        yield reader
        assert reader.log == []


def shown(reader: Reader) -> str:
    """How many conversations the list has."""
    return reader.page.inner_text("#found")


def violations(page: Page) -> list[str]:
    """What axe finds wrong with the page as it stands."""
    from axe_playwright_python.sync_playwright import Axe

    found: list[dict[str, Any]] = Axe().run(page).response["violations"]
    return [f"{item['id']}: {item['nodes'][0]['html'][:200]}" for item in found]


CASES = ["orders/brand-new", "orders/extra", "orders/lost", "returns/shaky"]


@pytest.mark.parametrize(
    ("theme", "size", "cases"),
    [
        ("light", DESKTOP, CASES[:1]),
        *(
            pytest.param(*one, CASES, marks=pytest.mark.slow)
            for one in (("light", DESKTOP), ("dark", DESKTOP), ("light", (360, 740)), ("dark", PHONE))
        ),
    ],
)
def test_axe_finds_nothing(readers: Readers, page_url: str, theme: Any, size: tuple[int, int], cases: list[str]) -> None:
    """No view has an accessibility violation, light and dark, at a desk and on a phone; none is wider than the screen."""
    with readers.at(page_url, size, theme) as reader:
        views = ["#tab=causes", "#tab=conversations", "#q=verdct:x", "#tab=rules", "#tab=steps", "#tab=figures", CUP]
        for view in [*views, *(f"#case={case}" for case in cases)]:
            reader.open(view)
            if view.startswith("#case"):
                reader.page.wait_for_selector("#case-title")
            for _ in range(2):
                reader.page.evaluate("document.querySelectorAll('details:not(.menu)').forEach((fold) => { fold.open = true; })")
            assert violations(reader.page) == [], view
            assert reader.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), view
        reader.open()
        reader.page.click("article.cause .decide-accept >> nth=0")
        reader.page.fill(".decide-form input[type=text]", "as wanted")
        assert violations(reader.page) == []
        reader.page.keyboard.press("Enter")
        reader.page.wait_for_selector("#tray:visible")
        assert violations(reader.page) == []
        assert reader.log == []


def test_the_first_screen_tells_what_matters(desk: Reader) -> None:
    """Verdict, gates, figures with their n, counters and the first cause are in sight without scrolling."""
    assert desk.page.inner_text("#verdict").startswith("Failed: 2 of 16 conversations regressed")
    for selector in (
        "#verdict",
        ".gates:not(.own)",
        ".gates.own",
        ".tiles",
        ".flow",
        ".counters",
        "#search",
        "article.cause >> nth=0",
    ):
        box = desk.page.locator(selector).bounding_box()
        assert box is not None
        assert box["y"] < DESKTOP[1] - 40, selector
    first = desk.page.locator("article.cause").first.inner_text()
    assert "Rule offer-refund no longer matches (score 0.41 → 0.18" in first
    assert "2 regressed" in first
    assert "match.any_words" in first
    assert "n = " in desk.page.inner_text(".tiles")


def test_counters_are_filters_and_stand_in_the_address(desk: Reader) -> None:
    """A counter shows its conversations, a second one both; the address can be read, and brings the view back."""
    desk.page.click("[data-change=regressed]")
    assert shown(desk).startswith("2 conversations of 16")
    assert desk.hash == "#q=verdict:regressed"
    desk.page.click("[data-change=fixed]")
    assert desk.hash == "#q=verdict:regressed,fixed"
    assert desk.page.get_attribute("[data-change=fixed]", "aria-pressed") == "true"
    desk.page.reload()
    assert shown(desk).startswith("3 conversations of 16")
    desk.page.click("[data-change='']")
    assert shown(desk).startswith("16 conversations")


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("verdict:regressed", 2),
        ("VERDICT:Regressed", 2),
        ("rule:offer-voucher", 5),
        ("rule:offer-*", 7),
        ("rule:offer-voucher -verdict:regressed", 3),
        ("tool:make_voucher tag:smoke", 5),
        ("step:returns/voucher before:failed", 1),
        ("after:errored", 1),
        ("cause:rules:-offer-refund", 4),
        ('"one more"', 1),
        ("and one more", 1),
        ("before:none", 1),
        ('tag:"smoke"', 16),
        ("orders", 5),
    ],
)
def test_queries(desk: Reader, query: str, count: int) -> None:
    """Filters, their negation, wildcards and free words, in names and in what was said."""
    desk.page.fill("#search", query)
    desk.page.wait_for_selector(f"#found:text-matches('^{count} conversation')", state="attached")
    assert desk.page.inner_text("#query-problem") == ""


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("verdct:regressed", "Did you mean “verdict:”?"),
        ("verdict:regresed", "Did you mean “regressed”?"),
        ("verdict:passed", "write “after:passed”"),
        ("rule:offer-refnd", "Did you mean “offer-refund”?"),
        ('rule:"offer', "A quotation mark is still open."),
        ("tag:", "needs a value after it"),
    ],
)
def test_mistakes_in_a_query_are_told(desk: Reader, query: str, words: str) -> None:
    """What cannot be meant is said below the filter, with the nearest that could."""
    desk.page.fill("#search", query)
    assert words in desk.page.inner_text("#query-problem")


def test_previous_and_next_stay_inside_the_filter(desk: Reader) -> None:
    """Of a filter's conversations the neighbours are those of the filter, by pointer and by key; Back keeps the filter."""
    desk.open("#q=verdict:regressed")
    desk.page.click(".row-link >> nth=0")
    desk.page.wait_for_selector("#case-title")
    assert "1 of 2 in this filter" in desk.page.inner_text(".case-nav")
    desk.page.keyboard.press("j")
    desk.page.wait_for_selector(".place:has-text('2 of 2')")
    assert desk.page.locator(".neighbours a[rel=next]").count() == 0
    desk.page.click(".neighbours a[rel=prev]")
    desk.page.wait_for_selector(".place:has-text('1 of 2')")
    desk.page.keyboard.press("Escape")
    desk.page.wait_for_selector("#list .row")
    assert desk.hash == "#q=verdict:regressed"
    assert desk.page.evaluate("document.activeElement.dataset.row") == "0"


def test_a_conversation_shows_both_sides(desk: Reader) -> None:
    """Equal turns are folded; words, chips, arguments, the nearest miss, the step and the expectations stand side by side."""
    desk.open(CUP)
    desk.page.wait_for_selector("#pair-1")
    assert desk.page.locator("details.equal-turns").count() == 2
    turn = desk.page.locator("section.pair").first
    assert turn.locator(".chat-row del").all_inner_texts() != []
    assert turn.locator(".chip.removed").first.inner_text().replace("\n", " ").endswith("offer-refund 0.41")
    assert "offer-voucher" in turn.locator(".chip.added").first.inner_text()
    assert "0.91 → 0.88" in turn.locator(".score.moved").inner_text()
    assert "score 0.18, near-miss: below the threshold 0.3" in turn.locator(".side.after .near-miss").inner_text()
    assert turn.locator(".call del").all_inner_texts() == ['"10115"']
    assert turn.locator(".call ins").all_inner_texts() == ['"10117"']
    assert "make_voucher" in turn.locator(".call.added").inner_text()
    assert "confirm" in turn.locator(".side.before .chip.strong").inner_text()
    assert "rules include offer-refund" in turn.locator(".side.after .expectation.failed").inner_text()
    desk.page.click("text=Raw request and response >> nth=0")
    assert desk.page.locator(".raw pre").first.inner_text().startswith("{")


def test_repeats_show_where_they_part(desk: Reader) -> None:
    """A flaky conversation has a strip of its repeats and says where they first differ."""
    desk.open("#case=returns/shaky")
    desk.page.wait_for_selector(".strip")
    assert "1 of 2 good" in desk.page.inner_text(".strip")
    assert "repeats first part in turn 2" in desk.page.inner_text(".strip")


def test_one_sided_conversations_and_turns(desk: Reader) -> None:
    """New conversations, added turns and faults are shown with the other side empty."""
    desk.open("#case=orders/brand-new")
    desk.page.wait_for_selector("#case-title")
    assert "not there" in desk.page.inner_text(".case-name")
    desk.open("#case=orders/extra")
    desk.page.wait_for_selector("#case-title")
    assert "No such turn on this side." in desk.page.inner_text(".side.before")
    desk.open("#case=orders/lost")
    desk.page.wait_for_selector("#case-title")
    assert "no answer in 5 s" in desk.page.inner_text("#detail .fault")


def test_decisions_are_kept_and_downloaded(desk: Reader, tmp_path: Path) -> None:
    """Accepting a cause by pointer and rejecting a turn by keyboard leave one file in the form `approve` reads."""
    page = desk.page
    page.click("article.cause .decide-accept >> nth=0")
    page.keyboard.press("Enter")
    assert page.locator(".decide-form").count() == 1  # a reason is asked for
    page.keyboard.type("vouchers are wanted")
    page.keyboard.press("Enter")
    assert "Accepted: vouchers are wanted" in page.inner_text("article.cause >> nth=0")
    desk.open(CUP)
    page.wait_for_selector("#pair-1")
    page.focus(".pair-title .decide-reject")
    page.keyboard.press("Enter")
    page.wait_for_selector(".decide-form input:focus")
    page.keyboard.type("wrong zip")
    page.keyboard.press("Enter")
    assert "2 decisions: 1 accepted, 1 rejected" in page.inner_text("#tray")
    page.click("text=Download decisions")
    page.wait_for_selector("#tray input:focus")  # who decided is asked for
    page.keyboard.type("Ada")
    with page.expect_download() as download:
        page.click("text=Download decisions")
    download.value.save_as(tmp_path / "decisions.json")
    assert json.loads((tmp_path / "decisions.json").read_text()) == {
        "kind": "focal-eval decisions",
        "format": 1,
        "run": "20261121-100000-aaaa",
        "author": "Ada",
        "decisions": [
            {"accept": True, "cause": "rules:-offer-refund", "reason": "vouchers are wanted"},
            {"accept": False, "case": "returns/mug[item=cup]", "turn": 2, "reason": "wrong zip"},
        ],
    }
    page.reload()
    page.wait_for_selector("#tray:visible")
    page.click("text=Undo >> nth=0")
    assert "1 decision: 1 rejected" in page.inner_text("#tray") or "1 decision: 1 accepted" in page.inner_text("#tray")


def test_a_conversation_is_copied(chromium: Browser, page_url: str) -> None:
    """As text, as a script and as requests for a terminal."""
    with chromium.new_context(permissions=["clipboard-read", "clipboard-write"]) as context:
        reader = Reader(context.new_page(), page_url)
        reader.open(CUP)
        reader.page.wait_for_selector(".copy-ways")
        copied = {}
        for way in ("text", "script", "curl"):
            reader.page.click(f".copy-ways button:has-text('{way}')")
            copied[way] = reader.page.evaluate("navigator.clipboard.readText()")
    assert "agent: I can offer a voucher for the mug today." in copied["text"]
    assert "rules: {exactly: [apologise, offer-voucher]}" in copied["script"]
    assert copied["curl"].count("/v1/chat") == 3


def test_the_keyboard_is_enough(desk: Reader) -> None:
    """Filter, move, open, jump between turns that differ, go back, all without a pointer; every tab is reached."""
    press = desk.page.keyboard.press
    press("/")
    desk.page.wait_for_selector("#search:focus")
    desk.page.keyboard.type("verdict:regressed")
    press("ArrowDown")
    assert desk.page.evaluate("document.activeElement.dataset.row") == "0"
    press("ArrowDown")
    press("Enter")
    desk.page.wait_for_selector("#case-title")
    press("n")
    assert desk.page.evaluate("document.activeElement.id") == "pair-1"
    press("Escape")
    desk.page.wait_for_selector("#list .row")
    press("Escape")
    assert desk.page.input_value("#search") == ""
    press("?")
    assert desk.page.locator("#keys-dialog").is_visible()
    press("Escape")
    for tab in ("causes", "rules", "steps", "figures", "conversations"):
        desk.page.focus(f"#tabs a[data-tab={tab}]")
        press("Enter")
        desk.page.wait_for_selector(f"#view-{tab}:not([hidden])")


def test_rules_and_steps_lead_to_their_conversations(desk: Reader) -> None:
    """A rule's row and a step's row are filters; the graph says what changed in words."""
    desk.open("#tab=rules")
    row = desk.page.locator("#view-rules tr", has_text="offer-voucher")
    assert "+" in row.inner_text()
    row.locator("th a").click()
    desk.page.wait_for_selector("#view-conversations:not([hidden])")
    assert desk.hash == "#q=rule:offer-voucher"
    desk.open("#tab=steps")
    label = desk.page.get_attribute(".graph svg", "aria-label")
    assert label is not None
    assert "start to voucher" in label


def test_both_sides_stack_on_a_phone(readers: Readers, page_url: str) -> None:
    """On a phone the candidate stands below the baseline, each with its name."""
    with readers.at(page_url, PHONE) as reader:
        reader.open(CUP)
        reader.page.wait_for_selector("#pair-1")
        row = reader.page.locator(".lane-rules").first
        before, after = row.locator(".side.before").bounding_box(), row.locator(".side.after").bounding_box()
        assert before is not None
        assert after is not None
        assert after["y"] >= before["y"] + before["height"]
        assert row.locator(".side-label").first.is_visible()


def test_print_leaves_the_words(desk: Reader) -> None:
    """On paper there are causes and conversations, no buttons."""
    desk.page.emulate_media(media="print")
    assert desk.page.locator("article.cause").first.is_visible()
    assert not desk.page.locator(".decide").first.is_visible()
    assert not desk.page.locator("#toolbar").is_visible()
    desk.open(CUP)
    desk.page.wait_for_selector("#pair-1")
    assert desk.page.locator(".chat-row").first.is_visible()
    assert not desk.page.locator(".case-nav").is_visible()


def test_without_javascript_the_causes_are_text(chromium: Browser, page_url: str) -> None:
    """Verdict, gates, rules, graphs and causes can be read where scripts are off."""
    with chromium.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(page_url)
        assert "Failed: 2 of 16" in page.inner_text("#verdict")
        assert "offer-refund no longer matches" in page.inner_text("noscript")


def test_a_judges_preferences_are_a_lane_of_their_own(readers: Readers, tmp_path: Path) -> None:
    """On a phone too: its tab is in sight, nothing overflows, what it said is text, and axe finds nothing."""
    evil = "<img src=x onerror=document.title='hacked'>" + "wide" * 60
    order = {"first": "before", "prefers": "before", "told": "3 of 3 votes", "why": evil, "quote": evil}
    pair = {"case": "returns/mug[item=cup]", "turn": 1, "better": "before", "abstained": False, "consistent": True, "why": evil}
    pair |= {"before": evil, "after": "", "orders": [order, {**order, "first": "after"}]}
    pairs = [
        pair,
        {**pair, "case": evil, "better": "tie", "orders": [order, {**order, "first": "after", "prefers": "after"}]},
        {**pair, "better": "tie", "abstained": True, "orders": [{**order, "prefers": "abstain", "quote": None}] * 2},
        {**pair, "better": "error", "why": evil, "orders": []},
    ]
    told: dict[str, Any] = {
        **{"model": evil, "pairs": pairs, "share_after": 0.0, "low": 0.0, "high": 0.8, "p": 1.0, "left_out": 3, "tokens": 9},
        **{"cost": None, "swap": {"agreed": 1, "of": 2, "low": 0.1, "high": 0.9}, "inconsistent": 1, "abstained": 1},
        "audit": {
            **{
                "planted": 2,
                "agreed": 1,
                "low": 0.1,
                "high": 0.9,
                "errored": 0,
                "warning": f"the judge cannot be trusted {evil}",
            },
            "missed": [{"kind": "empty", "case": evil, "turn": 0, "text": "", "said": "it abstained"}],
        },
    }
    url = write(replace(small_view(), preference=told), tmp_path).as_uri()
    themes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    for theme in themes:
        with readers.at(f"{url}#tab=judge", PHONE, theme) as reader:
            page = reader.page
            page.wait_for_selector("#view-judge:not([hidden])")
            strip, tab = (page.locator(name).bounding_box() for name in ("#tabs", "#tabs [data-tab=judge]"))
            assert strip is not None
            assert tab is not None
            assert tab["x"] + tab["width"] <= strip["x"] + strip["width"] + 1
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            words = page.inner_text("#view-judge")
            for part in (
                "judged",
                "Baseline preferred",
                "The order decided",
                "The judge abstained",
                "Could not be asked",
                "Both orders",
            ):
                assert part in words
            assert "both orders agreed on 1 of 2 pairs" in words.lower()
            assert page.locator("#view-judge img").count() == 0
            assert violations(page) == []
            page.click("#view-judge article a")
            page.wait_for_selector("#case-title")
            assert "hacked" not in page.title()
            assert reader.log == []
