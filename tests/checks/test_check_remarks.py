"""Where an engine says why it called no tool or left words unsaid, the finding passes it on."""

from __future__ import annotations

from typing import Any

import pytest

from focal_eval.checks.remarks import MOST, WIDTH, what_was_left_out, why_skipped
from focal_eval.records import UNKNOWN, Reply
from tests.checks.judged import moment, only_finding

SKIPPED = {"skipped_tools": [{"tool": "refund", "why": "lacks order_id"}]}
LEFT_OUT = {"left_out": ["done"], "notes": ["template done was left out: 'order' is not defined", "something else"]}


@pytest.mark.parametrize(
    ("yaml", "tools"),
    [("[refund]", []), ("{count: {refund: 1}}", []), ("{exactly: [refund]}", []), ("[refund, refund]", ["refund"])],
)
def test_a_tool_that_was_skipped_is_explained(yaml: str, tools: list[str]) -> None:
    """A call that is missing has the engine's own reason as its nearest miss."""
    found = only_finding("tools", yaml, moment(tools=tools, metadata=SKIPPED))
    assert found.near == "the engine skipped 'refund': lacks order_id"


def test_the_engines_reason_comes_before_a_guess() -> None:
    """A tool with a like name was called, but the engine says why this one was not."""
    seen = moment(tools=["refunds"], metadata=SKIPPED)
    assert only_finding("tools", "[refund]", seen).near == "the engine skipped 'refund': lacks order_id"
    assert "is that the name that was meant" in (only_finding("tools", "[refund]", moment(tools=["refunds"])).near or "")


@pytest.mark.parametrize(
    ("key", "yaml"),
    [
        ("response.contains", "A-1001"),
        ("response.equals", "Refund for A-1001"),
        ("response.starts_with", "Refund"),
        ("response.matches", "'[A-Z]-1001'"),
        ("template", "done"),
    ],
)
def test_a_template_that_was_left_out_is_explained(key: str, yaml: str) -> None:
    """Words that are missing because their template could not be filled: the note is the first thing said of them."""
    found = only_finding(key, yaml, moment(response="Sorry, what was that?", template="sorry", metadata=LEFT_OUT))
    assert (found.near or "").startswith("template done was left out: 'order' is not defined")
    assert "something else" not in (found.near or "")


def test_a_template_without_a_note_is_named() -> None:
    """The engine names the template, but no reason."""
    reply = Reply(metadata={"left_out": ["done", "more"]})
    assert what_was_left_out(reply) == "the engine left out template done and more"


@pytest.mark.parametrize(
    "metadata",
    [
        UNKNOWN, {}, {"skipped_tools": None, "left_out": "done"}, {"skipped_tools": [1, {"tool": "refund"}], "left_out": [1]},
        {"skipped_tools": {"tool": "refund", "why": "x"}, "left_out": {}},
        {"skipped_tools": [{"tool": ["refund"], "why": {}}], "notes": 3},
    ],
)  # fmt: skip
def test_metadata_of_another_shape_says_nothing(metadata: Any) -> None:
    """What another engine keeps under these keys is no reason, and never an error."""
    reply = Reply(metadata=metadata)
    assert why_skipped(reply, "refund") is None
    assert what_was_left_out(reply) is None


def test_remarks_are_bounded() -> None:
    """An engine that says too much is cut."""
    reply = Reply(metadata={"left_out": ["x" * 900] * 900, "notes": ["x" * 900] * 900})
    told = what_was_left_out(reply)
    assert told is not None
    assert len(told) <= (WIDTH + 2) * MOST
