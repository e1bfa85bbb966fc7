"""Stored messages in the reports: the page's lane in a real browser, and the findings in every other rendering."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from focal_eval.records import MessageRecord, Reply
from focal_eval.report import ReportModel, read_run
from focal_eval.report import junit as junit_report
from focal_eval.report.base import ReportOptions
from focal_eval.report.html import write
from focal_eval.report.jsonl import as_json
from focal_eval.report.markdown import render
from focal_eval.report.terminal import print_run
from tests.report.reader import DESKTOP, PHONE, Reader, Readers
from tests.report.sample_run import Attempt, Case, Turn, write_run
from tests.report.sample_stored import finding_names, stored_cases, wrong_case
from tests.report.test_report_page import violations

NAMES = ["text-changed", "rules-changed", "tools-changed", "message-not-stored", "message-never-said"]
HOLE = "tolerated: scenario-start-not-stored"


@pytest.fixture(scope="module")
def stored_run(tmp_path_factory: pytest.TempPathFactory) -> ReportModel:
    """A run of the samples."""
    return read_run(write_run(tmp_path_factory.mktemp("stored") / "run", stored_cases()))


@pytest.fixture(scope="module")
def url(stored_run: ReportModel, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Its page; the fixture `reader` opens it."""
    return write(stored_run, tmp_path_factory.mktemp("page")).as_uri()


@pytest.fixture
def failed_run(tmp_path: Path) -> ReportModel:
    """A run of the one case that fails."""
    return read_run(write_run(tmp_path / "run", [wrong_case()]))


def test_the_sample_has_every_kind_of_difference() -> None:
    """The samples are judged by the check itself: what is tested here is what it finds."""
    assert finding_names(wrong_case()) == [*((name, False) for name in NAMES), ("scenario-start-not-stored", True)]


@pytest.mark.browser
def test_differences_stand_beside_what_was_said(reader: Reader) -> None:
    """Both texts with the differing words marked, other parts with both sides, each finding by its name."""
    reader.open_case("stored/wrong")
    page = reader.page
    lane = page.locator(".stored")
    assert lane.locator("h3").inner_text().split("\n") == ["Stored messages", "5 messages differ, 6 as said"]
    row = lane.locator("#stored-2-assistant")
    assert row.locator("del").all_inner_texts() == ["18", "prefer"]
    assert row.locator("ins").all_inner_texts() == ["81", "want"]
    assert row.locator(".finding-name").all_inner_texts() == ["text-changed", "rules-changed", "tools-changed"]
    parts = row.locator(".stored-part").all_inner_texts()
    assert "not stored: offer-replacement; stored only: upsell" in parts[0]
    assert "lookup_order.arguments.order_id: 'A-1001' expected, 'A-1010' observed" in parts[1]
    assert lane.locator("#stored-3-user .stored-nothing").inner_text() == "nothing stored"
    stranger = lane.locator(".stored-row.differs").last
    assert [text for text in stranger.inner_text().split("\n") if text] == [
        *("No turn", "user", "never said", "Also cancel my account", "message-never-said", "a stored message was never said")
    ]


@pytest.mark.browser
def test_what_is_tolerated_stays_in_sight(reader: Reader) -> None:
    """It has its name and no alarm: beside the turn, with the expectation that held, in the lane and in the overview."""
    assert reader.page.inner_text(".lived-with") == "2 findings tolerated: scenario-start-not-stored (2)"
    reader.open_case("stored/tolerated")
    page = reader.page
    assert page.inner_text(".case-name .badge") == "passed"
    for place in (".lane-stored", ".closing .expectation.passed", ".stored"):
        assert page.locator(f"{place} .finding-name").all_inner_texts() == [HOLE], place
    assert page.locator(".finding-name.counts").count() == 0
    assert page.locator(".stored-row.tolerated").count() == 2
    assert page.get_attribute(".stored h3 .icon", "aria-label") == "tolerated"


@pytest.mark.browser
def test_messages_as_said_are_one_line(reader: Reader) -> None:
    """Nothing to see is one folded line, which unfolds to all messages; beside differences too."""
    reader.open_case("stored/same")
    page = reader.page
    assert page.locator(".stored").count() == 0
    assert page.inner_text(".records summary") == "10 stored messages, as said"
    page.click(".records summary")
    page.wait_for_selector(".records tbody tr >> nth=9")
    reader.open_case("stored/wrong")
    runs = page.locator(".stored-run summary")
    assert runs.all_inner_texts() == ["2 messages as said", "1 message as said", "3 messages as said"]
    runs.first.click()
    page.wait_for_selector(".stored-same .stored-row >> nth=1")
    assert page.locator(".stored-same .stored-row").all_inner_texts()[0].endswith("Hello there")


@pytest.mark.browser
def test_a_turn_leads_to_its_stored_messages(reader: Reader) -> None:
    """A link beside the turn, and one in the expectation's card, bring the focus to the row; the row leads back."""
    reader.open_case("stored/wrong")
    page = reader.page
    page.click(".lane-stored a >> nth=1")
    assert page.evaluate("document.activeElement.id") == "stored-2-assistant"
    page.click("#stored-2-assistant a")
    assert page.evaluate("document.activeElement.id") == "turn-2"
    page.click(".closing .stored-notes a >> nth=3")
    assert page.evaluate("document.activeElement.id") == "stored-3-user"
    page.click(".closing .stored-notes a >> nth=4")
    assert page.evaluate("document.activeElement.id") == "stored-title"


@pytest.mark.browser
def test_nothing_is_claimed_that_nobody_judged(reader: Reader) -> None:
    """Differences without an expectation are shown without a verdict; an engine that keeps nothing is said to."""
    reader.open_case("stored/unjudged")
    lane = reader.page.locator(".stored")
    assert "No expectation of this script judges them" in lane.inner_text()
    assert lane.locator(".stored-nothing").count() == 2
    assert lane.locator(".finding-name").count() == 0
    reader.open_case("stored/nothing")
    assert reader.page.inner_text(".stored-none") == "Stored messages: not reported by the engine."


@pytest.mark.browser
def test_hostile_stored_texts_do_not_act(reader: Reader) -> None:
    """What an engine stores is shown as it is, never read as markup, and turns no reading direction."""
    reader.open_case("stored/hostile")
    page = reader.page
    for summary in page.locator("#detail details summary").all():
        summary.click()
    assert page.evaluate("window.pwned") is None
    assert page.locator("#detail img, #detail script").count() == 0
    assert "</script><script>window.pwned=1</script>" in page.inner_text(".stored")
    assert "\u202e" not in page.inner_text(".stored")


@pytest.mark.browser
@pytest.mark.parametrize(
    ("theme", "size", "names"),
    [
        ("dark", PHONE, ["wrong", "more"]),
        *(
            pytest.param(*one, ["wrong", "tolerated", "unjudged", "same", "more"], marks=pytest.mark.slow)
            for one in (("light", DESKTOP), ("dark", DESKTOP), ("light", PHONE), ("dark", PHONE))
        ),
    ],
)
def test_the_lane_is_accessible_and_fits(
    readers: Readers, url: str, theme: Any, size: tuple[int, int], names: list[str]
) -> None:
    """No violation with everything unfolded, and nobody has to scroll sideways."""
    with readers.at(url, size, theme) as reader:
        for name in names:
            reader.open_case(f"stored/{name}")
            for summary in reader.page.locator("#detail details summary").all():
                summary.click()
            assert violations(reader.page) == [], name
            assert not reader.page.evaluate("document.documentElement.scrollWidth > innerWidth"), name


@pytest.mark.browser
def test_very_many_messages_do_not_stop_the_page(readers: Readers, tmp_path: Path) -> None:
    """Ten thousand stored strangers are counted, the first ones shown."""
    strangers = tuple(MessageRecord("user", f"buy {number}") for number in range(10_000))
    case = Case("stored/many", "Very many", [Attempt([Turn("hi", Reply(response="Hello!"))], messages=strangers)])
    url = write(read_run(write_run(tmp_path / "run", [case])), tmp_path).as_uri()
    with readers.at(url) as reader:
        reader.open_case("stored/many")
        assert reader.page.locator(".stored-row").count() == 200
        assert "more messages that differ" in reader.page.inner_text(".stored")
        reader.page.click(".records summary")
        reader.page.wait_for_selector(".records tbody tr >> nth=499")
        assert "500 of 10,000 shown" in reader.page.inner_text(".records")
        assert reader.log == []


def test_the_terminal_tells_findings_and_what_is_tolerated(failed_run: ReportModel) -> None:
    """The failing ones with both sides at the expectation's place, the tolerated ones counted by name."""
    stream = io.StringIO()
    print_run(failed_run, stream, environ={"NO_COLOR": "1"})
    text = stream.getvalue()
    assert "talk.yaml:21:14: failed[conversation.records]: the agent's message of turn 3 is stored with another text" in text
    assert "Which do you [-prefer?-] {+want?+}" in text
    assert "1 finding tolerated: scenario-start-not-stored\n" in text


def test_markdown_tells_findings_and_what_is_tolerated(failed_run: ReportModel) -> None:
    """On a pull request the name of the hole is read as well."""
    text = render(failed_run, ReportOptions())
    assert "(rules-changed)" in text
    assert "1 finding tolerated: scenario-start-not-stored" in text


def test_junit_tells_findings_and_what_is_tolerated(failed_run: ReportModel, tmp_path: Path) -> None:
    """A failure for the expectation; tolerated findings are in the output of the case, and are no failures."""
    root = ElementTree.parse(junit_report.write(failed_run, tmp_path)).getroot()
    (test,) = root.iter("testcase")
    (failure,) = test.findall("failure")
    assert "(text-changed)" in str(failure.get("message"))
    assert "scenario-start-not-stored" not in str(failure.text)
    out = test.findtext("system-out") or ""
    assert out.splitlines()[-1] == "tolerated: turn 2 is missing from the stored messages (scenario-start-not-stored)"


def test_json_tells_findings_and_what_is_tolerated(stored_run: ReportModel) -> None:
    """Counts for the run, the findings themselves for the case, also where it passed."""
    document = as_json(stored_run)
    assert document["tolerated"] == {"scenario-start-not-stored": 2}
    cases = {case["name"]: case for case in document["cases"]}
    (finding,) = cases["stored/tolerated"]["tolerated"]
    assert (finding["name"], finding["turn"], finding["tolerated"]) == ("scenario-start-not-stored", 1, True)
    assert "tolerated" not in cases["stored/same"]
    names = [one["name"] for one in cases["stored/wrong"]["failures"][0]["findings"]]
    assert names == [*NAMES, "scenario-start-not-stored"]
