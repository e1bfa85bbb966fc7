"""Decisions made in the page are applied by `approve --decisions`: the whole way, from two runs to the baseline's files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from focal_eval.cli import main
from focal_eval.compare import baseline
from focal_eval.evaluate import CompareRequest, compare
from focal_eval.evaluate.approval_units import Category
from focal_eval.evaluate.comparison_page import write_page
from tests.evaluate.approved_shop import GREET, Shop
from tests.report.reader import Reader, Readers

pytestmark = pytest.mark.browser
HELLO = "  - user: hello\n    expect: {rules: [greet]}\n"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """A shop whose approved conversation greets, takes leave and greets again."""
    monkeypatch.chdir(tmp_path)
    made = Shop(tmp_path)
    made.write("scripts/greet.yaml", GREET + HELLO)
    made.approve(played(made), Category.NEW)
    return made


def played(shop: Shop) -> str:
    """The suite's next run, played in a thread: in this one the browser's driver keeps an event loop."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(shop.run).result()


@pytest.fixture
def reader(readers: Readers) -> Iterator[Reader]:
    """A reader at a desk who keeps what is downloaded; no console message is allowed."""
    with readers.at("about:blank") as reader:
        yield reader
        assert reader.log == []


def open_conversation(reader: Reader, before: str, *after: str) -> None:
    """Opens the conversation `greet` on the page of a comparison."""
    compared = compare(CompareRequest(before, after[0], more=after[1:]))
    reader.url = write_page(compared, Path("page.html")).resolve().as_uri()
    reader.open("#case=greet")
    reader.page.wait_for_selector("#case-title")


def download(reader: Reader, to: Path) -> Path:
    """The decisions as the page hands them out."""
    reader.page.fill("#tray input", "Ada")
    with reader.page.expect_download() as found:
        reader.page.click("text=Download decisions")
    found.value.save_as(to)
    return to


def said(shop: Shop) -> list[tuple[str | None, object]]:
    """What the baseline holds of the conversation `greet`."""
    kept = {case.name: case for case in baseline.read(shop.folder / "baselines/evals")}["greet"]
    return [(turn.user, turn.reply and turn.reply["response"]) for turn in kept.turns]


def test_a_turn_that_was_taken_out_is_accepted_alone(shop: Shop, reader: Reader) -> None:
    """It carries the baseline's number; the reply that changed as well stays as it was approved."""
    shop.edit("agent.yaml", "Hello!", "Hi!")
    shop.write("scripts/greet.yaml", "turns:\n" + HELLO + HELLO)
    shorter = played(shop)
    open_conversation(reader, "baseline", shorter)
    gone = reader.page.locator("section.pair", has_text="Turn 2, gone")
    gone.locator(".decide-accept").click()
    reader.page.keyboard.type("said too early")
    reader.page.keyboard.press("Enter")
    assert "Accepted: said too early" in gone.inner_text()
    file = download(reader, shop.folder / "mine.json")
    accepted = {"accept": True, "case": "greet", "before_turn": 2, "reason": "said too early"}
    assert json.loads(file.read_text())["decisions"] == [accepted]
    assert main(["approve", shorter, "--decisions", str(file)]) == 0
    assert said(shop) == [("hello", "Hello!"), ("hello", "Hello!")]


def test_a_turn_that_was_taken_out_is_rejected_out_of_its_cause(shop: Shop, reader: Reader) -> None:
    """The cause is accepted, the turn is not: it stays in the baseline. The page keeps that after it was closed."""
    shop.edit("agent.yaml", "Hello!", "Hi!")
    shop.write("scripts/greet.yaml", "turns:\n" + HELLO + HELLO)
    shorter = played(shop)
    open_conversation(reader, "baseline", shorter)
    reader.page.locator(".why-decide .decide-accept").first.click()
    reader.page.keyboard.type("friendlier")
    reader.page.keyboard.press("Enter")
    reader.page.locator("section.pair", has_text="Turn 2, gone").locator(".decide-reject").focus()
    reader.page.keyboard.press("Enter")
    reader.page.keyboard.type("they have to say goodbye")
    reader.page.keyboard.press("Enter")
    reader.open("#case=greet")
    reader.page.wait_for_selector("#case-title")
    assert "Rejected: they have to say goodbye" in reader.page.locator("section.pair", has_text="Turn 2, gone").inner_text()
    assert main(["approve", shorter, "--decisions", str(download(reader, shop.folder / "mine.json"))]) == 0
    assert said(shop) == [("hello", "Hi!"), ("bye", "Goodbye."), ("hello", "Hi!")]


def test_what_cannot_be_approved_is_not_offered(shop: Shop, reader: Reader) -> None:
    """Turns of a repeated conversation are approved together; several runs read as one are not approved at all."""
    shop.edit("agent.yaml", "Hello!", "Hi!")
    shop.write("evals.yaml", (shop.folder / "evals.yaml").read_text() + "repeats: 2\n")
    one, other = played(shop), played(shop)
    for after, offered in (((one,), 2), ((one, other), 0)):
        open_conversation(reader, "baseline", *after)
        assert reader.page.locator(".why .decide").count() == offered
        assert reader.page.locator("section.pair.differs").count() >= 1
        assert reader.page.locator("section.pair .decide").count() == 0
    reader.open()
    assert reader.page.locator("article.cause").count() >= 1
    assert reader.page.locator(".decide").count() == 0
