"""What the page of a case leaves out or folds, so that what matters is seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from focal_eval.records import Fault, Finding, Outcome, Reply, ToolCall, Verdict
from focal_eval.report import read_run
from focal_eval.report.html import write
from tests.report.reader import Reader, Readers
from tests.report.sample_run import Attempt, Case, Turn, failed, unjudged, write_run

FILE = "scenarios/long/talk.yaml"
Open = Callable[..., Reader]


@pytest.fixture
def opened(readers: Readers, tmp_path: Path) -> Iterator[Open]:
    """Opens the page of a run of cases, at the first of them; no console message is allowed."""
    with readers.at("about:blank") as reader:

        def open_page(*cases: Case, listed: bool = False) -> Reader:
            reader.url = write(read_run(write_run(tmp_path, list(cases))), tmp_path).as_uri()
            if listed:
                reader.open()
            else:
                reader.open_case(cases[0].name)
            return reader

        yield open_page
        assert reader.log == []


def broken() -> Case:
    """An expectation fails in turn 1, the engine breaks in turn 2, five turns are never sent."""
    why = "not sent: the engine broke before"
    first = failed("rules", "rules include 'a'", FILE, 4, Finding("rule 'a' did not match"))
    skipped = [
        Turn(f"Message {number}", skipped=why, results=(unjudged(Outcome.SKIPPED, "rules", "rules include 'b'", FILE, 9, why),))
        for number in range(3, 8)
    ]
    fault = Turn("And then?", fault=Fault("engine-timeout", "no answer within 30 s"))
    reason = "the engine broke: no answer within 30 s"
    closing = tuple(unjudged(Outcome.SKIPPED, "conversation.never", f"never {tool}", FILE, 30, reason) for tool in "xyz")
    turns = [Turn("Hello", Reply(response="Hi", rules=()), (first,)), fault, *skipped]
    return Case("long/talk", "A long talk", [Attempt(turns, Verdict.ERRORED, closing, reason="no answer within 30 s")])


def test_the_fault_stands_first_among_what_went_wrong(opened: Open) -> None:
    """What broke in turn 2 comes before what failed in turn 1, in the list of cases too."""
    reader = opened(broken())
    assert reader.page.locator(".wrong-key").all_inner_texts() == ["engine-timeout", "rules"]
    reader.open()
    assert reader.page.inner_text(".row-message") == "turn 2: engine-timeout: no answer within 30 s"


def test_turns_that_were_not_sent_are_folded(opened: Open) -> None:
    """Five turns with one reason are one line, which unfolds to all of them; the reason is said once."""
    page = opened(broken()).page
    assert page.locator(".turn").count() == 2
    assert page.inner_text(".unsent-turns summary") == "Turns 3 to 7 were not sent: the engine broke before"
    page.click(".unsent-turns summary")
    page.wait_for_selector("#turn-2")
    assert page.locator(".turn").count() == 7
    assert page.inner_text("#turn-2 .turn-facts") == "not judged"
    assert page.locator(".unsent-turns .expectation-why").count() == 0
    assert "not sent: not sent" not in page.inner_text("#detail").lower()


def test_one_reason_for_all_closing_expectations_is_said_once(opened: Open) -> None:
    """Nothing of the conversation was judged: the reason stands above the expectations."""
    page = opened(broken()).page
    assert page.inner_text(".closing-reason") == "Not judged: the engine broke: no answer within 30 s"
    assert page.locator(".closing .expectation-why").count() == 0
    assert page.locator(".closing .expectation").count() == 3


def golden(said: str, wanted: str) -> Case:
    """A reply that differs from the golden one."""
    found = Finding("the response is 40% like the text", "what was wanted", "what was said", "[-a-] {+b+}")
    result = failed("response.golden", "response is at least 60% like the agent text", FILE, 6, found)
    return Case(
        "long/golden", "Golden", [Attempt([Turn("Hi", Reply(response=said), (result,), golden=wanted)], Verdict.FAILED)]
    )


def test_a_golden_reply_is_compared_once(opened: Open) -> None:
    """The chat marks what differs in whole phrases; the expectation does not repeat it."""
    case = golden("Your parcel is on its way and comes on Friday", "Your parcel is on its way, but it is late by two days")
    page = opened(case).page
    assert page.inner_text(".diff del") == ", but it is late by two days"
    assert page.inner_text(".diff ins").strip() == "and comes on Friday"
    assert page.locator(".lane .finding").count() == 0
    assert "40% like the text" in page.inner_text(".lane-response")


def test_replies_that_share_nothing_are_shown_without_marks(opened: Open) -> None:
    """Where every word differs, marks would only hide the words."""
    page = opened(golden("Goodbye", "How can I help you today?")).page
    assert page.locator(".diff del, .diff ins").count() == 0
    assert page.inner_text(".diff-side >> nth=0").endswith("How can I help you today?")


def test_json_breaks_at_blanks_and_texts_stay_as_they_are(opened: Open) -> None:
    """Results stand in one line with blanks between values; blanks, brackets and line feeds within texts are kept."""
    result = {"a": [1, {"b": "{ x,\n y }"}], "c": [], "d": {}}
    turn = Turn("Hi", Reply(response="Yes", tools=(ToolCall("look", {}, result, duration_ms=0.0),)))
    page = opened(Case("long/json", "JSON", [Attempt([turn])])).page
    assert page.inner_text(".call-result code") == '{"a": [1, {"b": "{ x,\\n y }"}], "c": [], "d": {}}'
    assert "0 ms" not in page.inner_text(".call")


def test_tags_are_whole_or_counted_and_tell_cases_apart(opened: Open) -> None:
    """A tag that every case has is left out; the others are shown whole as far as there is room, the rest is a number."""
    turn = Turn("Hi", Reply(response="Yes"))
    many = ("shared", "a-rather-long-tag-name", "another-long-tag-name", "third")
    cases = [
        Case("tags/many", "Many", [Attempt([turn])], many),
        Case("tags/few", "Few", [Attempt([turn])], ("shared", "es")),
        Case("tags/huge", "Huge", [Attempt([turn])], ("shared", "x" * 80)),
    ]
    page = opened(*cases, listed=True).page
    tags = [row.locator(".tag").all_inner_texts() for row in page.locator(".row").all()]
    assert sorted(tags) == [["a-rather-long-tag-name", "+2"], ["es"], ["x" * 80]]
    assert page.get_attribute(".tag.more", "title") == "another-long-tag-name, third"
    whole = "tag => tag.scrollWidth <= tag.clientWidth"
    assert all(tag.evaluate(whole) for tag in page.locator(".tag").all() if len(tag.inner_text()) < 60)


@pytest.mark.parametrize("width", [1440, 390])
def test_no_page_is_wider_than_the_window(opened: Open, width: int) -> None:
    """Neither list nor case makes a reader scroll sideways."""
    reader = opened(broken())
    reader.page.set_viewport_size({"width": width, "height": 844})
    wide = "document.documentElement.scrollWidth > innerWidth"
    assert not reader.page.evaluate(wide)
    reader.open()
    assert not reader.page.evaluate(wide)
