"""The page of an agent's mutants in a real browser: its two tabs, and problems only until all are asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from focal_eval.cli.main import main
from tests.experiment.kiosk import AGENT, write_kiosk
from tests.report.reader import PHONE, Readers

if TYPE_CHECKING:
    from playwright.sync_api import Page

HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of a kiosk that says something hostile; some survivors are explained."""
    folder = tmp_path_factory.mktemp("kiosk")
    suite, page, file = (
        write_kiosk(folder, AGENT.replace("How many", f"{HOSTILE} How many")),
        folder / "m.html",
        folder / "a.yaml",
    )
    file.write_text("accepted: [{part: 'template:pay', reason: a matter of taste}]\n", encoding="utf-8")
    assert main(["mutate", str(suite), "--html", str(page), "--accepted", str(file), "-q"]) == 1
    return page.as_uri()


@pytest.fixture
def page(readers: Readers, address: str) -> Iterator[Page]:
    """The page at a desk; no console message is allowed in any test."""
    with readers.at(address) as reader:
        yield reader.page
        assert reader.log == []


def shown(page: Page, section: str, kind: str) -> int:
    """How many articles of a kind are in sight."""
    return sum(item.is_visible() for item in page.locator(f"section.{section} article.{kind}").all())


def test_problems_only_until_all_are_asked_for(page: Page) -> None:
    """Both tabs begin with what somebody has to look at; the filter shows the others of both; explained ones are no problem."""
    assert shown(page, "mutants", "bad") > 0
    assert shown(page, "mutants", "fine") == 0
    assert shown(page, "scripts", "bad") == 0
    page.click("label[for=all]")
    assert shown(page, "mutants", "fine") > 0
    assert page.locator("article.fine", has_text="Explained: a matter of taste").first.is_visible()
    page.click("label[for=scripts]")
    assert shown(page, "scripts", "bad") > 0
    assert shown(page, "mutants", "bad") == 0
    assert page.locator("article.bad", has_text="Explained").count() == 0


def test_the_parts_of_which_most_survived_come_first(page: Page) -> None:
    """Each part tells its counts; its mutants are lines of the file with the words marked that differ."""
    survived = [
        int(found.group(1)) if (found := re.search(r"(\d+) survived", part.inner_text())) else 0
        for part in page.locator("details.part.bad > summary").all()
    ]
    assert survived == sorted(survived, reverse=True)
    assert survived[0] > 0
    changed = page.locator("article.bad", has=page.locator("ins mark")).first
    line = changed.locator("del .at").inner_text()
    assert re.fullmatch(r"\d+", line)
    assert changed.locator("del mark").count() + changed.locator("ins mark").count() > 0
    assert page.locator("svg[role=img]").first.get_attribute("aria-label") is not None


def test_the_tabs_are_reached_by_keys(page: Page) -> None:
    """Tab and the arrows choose a tab, the space bar the filter."""
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    assert shown(page, "scripts", "bad") > 0
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert page.locator("#all").is_checked()


@pytest.mark.parametrize("tab", ["mutants", "scripts"])
def test_a_phone_need_not_scroll_sideways(page: Page, tab: str) -> None:
    """Also with everything shown."""
    page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    page.click(f"label[for={tab}]")
    page.click("label[for=all]")
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE[0]


def test_what_the_agent_says_is_text(page: Page) -> None:
    """A tag in a template is shown and not drawn."""
    assert page.locator("img").count() == 0
    assert page.get_by_text(HOSTILE).count() > 0
