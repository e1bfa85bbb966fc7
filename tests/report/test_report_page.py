"""`report.html` in a real browser: what a reader sees, can do, and what hostile texts cannot."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from focal_eval.report import ReportModel, read_run
from focal_eval.report.html import write
from tests.report.reader import DESKTOP, PHONE, Reader, Readers
from tests.report.sample_run import write_run
from tests.report.sample_volume import volume_cases

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser


def violations(page: Page) -> list[str]:
    """What axe finds wrong with the page as it stands."""
    from axe_playwright_python.sync_playwright import Axe

    found: list[dict[str, Any]] = Axe().run(page).response["violations"]
    return [f"{item['id']}: {item['nodes'][0]['html'][:200]}" for item in found]


@pytest.mark.parametrize(
    ("theme", "size", "names"),
    [
        ("light", DESKTOP, ["late-parcel", "order=A-1001"]),
        ("dark", PHONE, ["wrong-size", "hostile"]),
        pytest.param("light", DESKTOP, ["wrong-size", "invoice-copy", "orders/status"], marks=pytest.mark.slow),
        pytest.param("dark", PHONE, ["change-address", "bot-first"], marks=pytest.mark.slow),
        pytest.param("dark", DESKTOP, ["late-parcel"], marks=pytest.mark.slow),
        pytest.param("light", PHONE, ["invoice-copy"], marks=pytest.mark.slow),
    ],
)
def test_axe_finds_nothing(readers: Readers, url: str, theme: Any, size: tuple[int, int], names: list[str]) -> None:
    """List, dialog, menu and the pages of cases have no accessibility violation, light and dark, at a desk and on a phone."""
    with readers.at(url, size, theme) as reader:
        assert violations(reader.page) == []
        reader.page.click("#tags-menu summary")
        assert violations(reader.page) == []
        reader.page.keyboard.press("Escape")
        reader.page.keyboard.press("?")
        assert violations(reader.page) == []
        for name in names:
            reader.open_case(name)
            for summary in reader.page.locator("#detail details summary").all():
                summary.click()
            assert violations(reader.page) == [], name


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_hostile_texts_do_not_act(readers: Readers, url: str, size: tuple[int, int]) -> None:
    """No text of a run runs as script, in the list, on the case's page or unfolded; nothing is fetched or reported."""
    with readers.at(url, size) as reader:
        page = reader.page
        reader.open_case("hostile")
        for summary in page.locator("#detail details summary").all():
            summary.click()
        assert page.evaluate("window.pwned") is None
        assert page.locator("#detail img, #detail script, #detail a[href^=javascript]").count() == 0
        assert {link.split("#")[0] for link in reader.asked if link.startswith("http") or link.startswith("file")} == {url}
        assert reader.log == []
        assert "\u202e" not in page.inner_text("#detail")


def test_the_policy_is_in_force(reader: Reader) -> None:
    """A script or an image that got into the page all the same would be refused."""
    reader.page.evaluate("""() => {
        const script = document.createElement('script'); script.textContent = 'window.pwned = 1'; document.body.append(script);
        const image = document.createElement('img'); image.src = 'https://example.com/x.png'; document.body.append(image);
    }""")
    reader.page.wait_for_timeout(100)
    assert reader.page.evaluate("window.pwned") is None
    assert len(reader.log) == 2
    assert all("Content Security Policy" in message for message in reader.log)
    reader.log.clear()


def test_the_first_screen_tells_what_matters(reader: Reader) -> None:
    """Verdict, facts, gates, counters and the worst case are in sight without scrolling."""
    for selector in ("#verdict", ".facts", ".gates", ".counters", "#search"):
        box = reader.page.locator(selector).bounding_box()
        assert box is not None
        assert box["y"] + box["height"] < DESKTOP[1]
    assert reader.names[0].split("\n")[0] == "An invoice is sent again"


def test_counters_filter(reader: Reader) -> None:
    """A counter shows its verdict only, two show both, All shows everything again."""
    reader.page.click("[data-verdict=xpassed]")
    assert [name.split("\n")[0] for name in reader.names] == ["Members are greeted by name"]
    reader.page.click("[data-verdict=skipped]")
    assert len(reader.names) == 2
    assert reader.hash == "#v=xpassed%2Cskipped"
    assert reader.page.get_attribute("[data-verdict=skipped]", "aria-pressed") == "true"
    reader.page.click("[data-verdict='']")
    assert reader.page.inner_text("#found") == "26 cases of 26 shown"


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("late-parcel", 1),
        ("damaged mug", 12),
        ("smoke", 15),
        ("zip", 1),
        ("order=A-1007", 1),
        ("SMOKE  Mug", 12),
        ("<script>window", 1),
    ],
)
def test_search_looks_at_names_titles_tags_and_messages(reader: Reader, query: str, count: int) -> None:
    """Every word has to be found, whatever its case, in name, title, tags or message."""
    reader.page.fill("#search", query)
    assert reader.page.inner_text("#found").startswith(f"{count} case")


def test_tags_filter_and_counters_follow(reader: Reader) -> None:
    """Chosen tags narrow the list, and the counters count what is left."""
    reader.page.click("#tags-menu summary")
    reader.page.click(".tag-choice:has-text('exchange')")
    assert [name.split("\n")[0] for name in reader.names] == ["A wrong size is exchanged"]
    assert reader.page.inner_text("[data-verdict=passed] b") == "0"
    assert reader.page.inner_text("#tags-menu summary") == "Tags (1)"


def test_nothing_found_offers_the_way_back(reader: Reader) -> None:
    """An empty list says so and shows everything again at a click."""
    reader.page.fill("#search", "no such thing")
    assert "No case matches these filters." in reader.page.inner_text("#list")
    reader.page.click("text=Show all cases")
    assert reader.page.inner_text("#found") == "26 cases of 26 shown"
    assert reader.hash == ""


def test_an_address_restores_its_view(reader: Reader) -> None:
    """A linked view shows the same search, verdicts, tags and case; an address that makes no sense shows the list."""
    reader.open("#q=mug&v=passed&t=smoke")
    assert reader.page.input_value("#search") == "mug"
    assert reader.page.inner_text("#found").startswith("12 cases")
    reader.page.click(".row-link >> nth=3")
    reader.page.wait_for_selector("#case-title")
    linked = reader.hash
    reader.open(linked)
    reader.page.wait_for_selector("#case-title")
    assert "returns/damaged-mug[order=A-1004]" in reader.page.inner_text(".case-name")
    reader.open("#case=nothing&v=wrong&t=none&attempt=x")
    assert reader.page.inner_text("#found") == "26 cases of 26 shown"


def test_back_leads_to_the_same_place_in_the_list(reader: Reader) -> None:
    """Back from a case the list stands where it stood, with the focus on that case."""
    reader.page.evaluate("scrollTo(0, 600)")
    before = reader.page.evaluate("scrollY")
    reader.page.click(".row-link:has-text('order=A-1003')")
    reader.page.wait_for_selector("#case-title")
    assert reader.page.evaluate("scrollY") == 0
    reader.page.go_back()
    reader.page.wait_for_selector(".row-link:has-text('order=A-1003')")
    assert reader.page.evaluate("scrollY") == before
    assert "order=A-1003" in reader.page.evaluate("document.activeElement.innerText")


def test_the_keyboard_is_enough(reader: Reader) -> None:
    """Move, open, go to the next failing case, back, search and clear without a mouse."""
    press = reader.page.keyboard.press
    focused = "document.activeElement.innerText.split('\\n')[0]"
    press("j")
    press("j")
    assert reader.page.evaluate(focused) == "VAT is explained"
    press("ArrowUp")
    assert reader.page.evaluate(focused) == "An invoice is sent again"
    press("Enter")
    reader.page.wait_for_selector("#case-title:has-text('An invoice is sent again')")
    press("n")
    reader.page.wait_for_selector("#case-title:has-text('VAT is explained')")
    press("p")
    reader.page.wait_for_selector("#case-title:has-text('An invoice is sent again')")
    press("Escape")
    reader.page.wait_for_selector("#list .row")
    assert reader.page.evaluate(focused) == "An invoice is sent again"
    press("/")
    reader.page.wait_for_selector("#search:focus")
    reader.page.keyboard.type("points j k")
    assert reader.page.input_value("#search") == "points j k"
    press("Escape")
    assert reader.page.input_value("#search") == ""
    press("Escape")
    press("?")
    assert reader.page.locator("#keys-dialog").is_visible()
    press("Enter")
    assert not reader.page.locator("#keys-dialog").is_visible()


def test_tab_reaches_rows_and_shows_the_focus(reader: Reader) -> None:
    """The skip link comes first; every focus has something to see."""
    reader.page.keyboard.press("Tab")
    assert reader.page.evaluate("document.activeElement.className") == "skip-link"
    for _ in range(18):
        reader.page.keyboard.press("Tab")
        seen = reader.page.evaluate("""() => {
            const element = document.activeElement, row = element.closest('.row');
            return getComputedStyle(element).outlineStyle !== 'none' || (row && getComputedStyle(row).boxShadow !== 'none');
        }""")
        assert seen, reader.page.evaluate("document.activeElement.outerHTML")
    assert reader.page.evaluate("document.activeElement.className") == "row-link"


def test_the_theme_can_be_chosen_and_is_kept(reader: Reader) -> None:
    """The switch goes from the system's theme to light and dark, and a reload keeps the choice."""
    background = "getComputedStyle(document.body).backgroundColor"
    reader.page.click("#theme")
    assert reader.page.evaluate(background) == "rgb(255, 255, 255)"
    reader.page.click("#theme")
    assert reader.page.evaluate(background) == "rgb(16, 18, 22)"
    reader.open()
    assert reader.page.evaluate(background) == "rgb(16, 18, 22)"
    assert reader.page.inner_text("#theme") == "Theme: dark"


def test_a_phone_never_scrolls_sideways(chromium: Browser, url: str) -> None:
    """At 390 pixels neither the list nor any kind of case is wider than the screen."""
    with chromium.new_context(viewport={"width": PHONE[0], "height": PHONE[1]}, has_touch=True, is_mobile=True) as context:
        reader = Reader(context.new_page(), url)
        width = "document.documentElement.scrollWidth"
        assert reader.page.evaluate(width) <= PHONE[0]
        for name in ("late-parcel", "change-address", "wrong-size", "invoice-copy", "hostile", "order=A-1001", "bot-first"):
            reader.open_case(name)
            for summary in reader.page.locator("#detail details summary").all():
                summary.click()
            assert reader.page.evaluate(width) <= PHONE[0], name


def test_failures_are_readable_without_script(chromium: Browser, url: str) -> None:
    """With JavaScript off the page shows verdict, gates and the failing cases as text, and no dead control."""
    with chromium.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(url)
        assert page.locator("article.plain").count() == 7
        assert not page.locator("#toolbar").is_visible()
        assert not page.locator("#theme").is_visible()


def test_print_shows_the_list(reader: Reader) -> None:
    """On paper there are rows and no controls."""
    reader.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    reader.page.emulate_media(media="print")
    assert reader.page.locator(".row-link").count() == 26
    assert not reader.page.locator("#toolbar").is_visible()


def test_a_partial_run_says_so_first(readers: Readers, partial: ReportModel, tmp_path: Path) -> None:
    """The note stands under the verdict; the case that was cut off says it on its page."""
    with readers.at(write(partial, tmp_path).as_uri()) as reader:
        assert "Partial run: it was killed" in reader.page.inner_text(".summary .partial-note")
        reader.page.click("[data-verdict=not_run]")
        reader.page.click(".row-link")
        reader.page.wait_for_selector("#case-title")
        assert "Cut off. This attempt was not over when the run ended." in reader.page.inner_text("#detail")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_ten_thousand_cases_open_at_once(chromium: Browser, tmp_path: Path) -> None:
    """10,000 cases of 5 turns: under 25 MB, few elements, the last case found; benchmarks/page.py has the times."""
    path = write(read_run(write_run(tmp_path / "run", volume_cases(10_000))), tmp_path)
    assert path.stat().st_size < 25_000_000
    with chromium.new_context(viewport={"width": DESKTOP[0], "height": DESKTOP[1]}) as context:
        page = context.new_page()
        page.goto(path.as_uri())
        page.wait_for_selector(".row-link")
        assert int(page.get_attribute("#list [role=table]", "aria-rowcount") or 0) > 10_000
        assert page.locator("#list .row").count() < 80
        page.fill("#search", "headset vip")
        page.evaluate("scrollTo(0, document.body.scrollHeight)")
        page.wait_for_timeout(200)
        page.locator(".row-link").last.click()
        page.wait_for_selector("#case-title", timeout=1_000)
        assert page.locator(".turn").count() == 5
