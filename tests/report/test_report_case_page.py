"""The page of one case in a real browser: what it tells and offers."""

from __future__ import annotations

import shlex

import pytest

from focal_eval.runner.plan import keyword_filter
from tests.report.reader import Reader

pytestmark = pytest.mark.browser


def test_a_failing_case_tells_why(reader: Reader) -> None:
    """Beside the turn stand the rules with scores, what was dropped and why, the reason, and the script's line marked."""
    reader.open_case("late-parcel")
    page = reader.page
    assert page.inner_text(".wrong").split("\n")[:4] == [
        "What went wrong",
        "Turn 1",
        "rules",
        "rule 'offer-refund' did not match",
    ]
    rules = page.locator(".lane-rules")
    assert rules.locator(".chip").all_inner_texts() == ["apologise\n0.91"]
    rules.locator("summary").click()
    assert "cooldown: 1 of 2 turns left" in rules.locator("table").inner_text()
    assert rules.locator("mark").inner_text() == "offer-refund"
    assert "policy 4.2" in rules.inner_text()
    assert page.inner_text(".diff del >> nth=0") == "I can refund your parcel today, if you like"
    assert "Not sent: the case failed at turn 1" in page.inner_text("#detail")
    page.click(".wrong a >> nth=1")
    assert "'refund' is not in the response" in page.evaluate("document.activeElement.innerText")


def test_the_lanes_show_what_was_observed(reader: Reader) -> None:
    """Tools show arguments, result and error; the step its edge; the response its template, the stored messages their table."""
    reader.open_case("change-address")
    tools = reader.page.locator(".lane-tools")
    assert "SMTP gateway answered 451" in tools.inner_text()
    assert '"Invalidenstraße 116"' in tools.inner_text()
    assert "12345678901234567890" in tools.inner_text()
    reader.open_case("order=A-1005")
    assert reader.page.inner_text(".lane-step .edge >> nth=1").split() == [
        "transition",
        "confirm",
        "→",
        "done",
        "any_words:",
        "yes",
    ]
    assert "template\napologise-damage" in reader.page.inner_text(".lane-response >> nth=0")
    reader.page.click("text=4 stored messages, as said")
    reader.page.wait_for_selector(".records tbody tr >> nth=3")
    assert "Not reported by the engine" not in reader.page.inner_text("#detail")


def test_every_attempt_can_be_seen(reader: Reader) -> None:
    """The last attempt is shown, the earlier one is a link away, and linked."""
    reader.open_case("orders/status")
    assert "Your order A-77 is on its way." in reader.page.inner_text(".chat")
    reader.page.click("text=Attempt 1: failed")
    reader.page.wait_for_selector("text=One moment, please.")
    assert reader.hash.endswith("&attempt=1")


def test_the_command_that_runs_a_case_again_is_quoted(reader: Reader) -> None:
    """The command can be copied; a shell takes the name as one word, and `-k` finds the case, whatever its name holds."""
    reader.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    reader.open_case("hostile")
    reader.page.click(".rerun button")
    reader.page.wait_for_selector("#announce:text-is('Copied')", state="attached")
    copied = reader.page.evaluate("navigator.clipboard.readText()")
    assert copied == """focal-eval run evals/retail.yaml -k '"security/hostile<b>[p=" and "'\\''><script>]"'"""
    expression = shlex.split(copied)[-1]
    assert keyword_filter(expression)("""security/hostile<b>[p="'><script>]""")
    reader.open_case("order=A-1001")
    assert reader.page.inner_text(".rerun code") == "focal-eval run evals/retail.yaml -k 'returns/damaged-mug[order=A-1001]'"


def test_a_long_text_is_shown_whole_when_asked(reader: Reader) -> None:
    """A reply of 20 kB is cut with a button that shows the rest."""
    reader.open_case("hostile")
    bubble = reader.page.locator(".bubble.agent").last
    assert len(bubble.inner_text()) < 1_100
    bubble.locator("button").click()
    assert len(bubble.inner_text()) > 20_000
