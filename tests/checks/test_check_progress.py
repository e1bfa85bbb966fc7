"""`progress`: what was shown while the engine worked."""

from __future__ import annotations

import pytest

from tests.checks.judged import check, moment, only_finding, passes, reading, skipped_for

SHOWN = ("Searching the knowledge base", "Reading policy.md", "Writing the answer")


@pytest.mark.parametrize(
    ("yaml", "holds"),
    [
        ("searching", True),
        ("[searching, READING]", True),
        ("[reading, searching]", False),
        ("[searching, searching]", False),
        ("[booking]", False),
        ("{contains: [writing], excludes: [wiki]}", True),
        ("{excludes: [policy]}", False),
        ("{count: 3}", True),
        ("{count: {max: 2}}", False),
        ("{count: 0}", False),
    ],
)
def test_progress_is_compared_in_order(yaml: str, holds: bool) -> None:
    """Each text is found in a message of its own, one behind the other; others may lie between."""
    assert passes("progress", yaml, moment(response="x", progress=SHOWN)) is holds


def test_none_at_all_can_be_asked_for() -> None:
    """An engine that reports progress and showed none is known to have shown none."""
    assert passes("progress", "{count: 0}", moment(response="x", progress=()))
    assert only_finding("progress", "searching", moment(response="x", progress=())).observed == "no progress"


@pytest.mark.parametrize(
    ("yaml", "message", "near", "path"),
    [
        ("[reading, searching]", "'searching' was shown too early", None, (1,)),
        ("{contains: [readin policy]}", "'readin policy' was shown nowhere", "closest passage", ("contains", 0)),
        ("{excludes: [x, policy]}", "'policy' was shown while the engine worked", None, ("excludes", 1)),
        ("{count: 1}", "progress was shown 3 times", None, ("count",)),
    ],
)
def test_a_finding_points_at_the_text(yaml: str, message: str, near: str | None, path: tuple[str | int, ...]) -> None:
    """The caret stands under what was not seen, and what comes nearest is told."""
    found = only_finding("progress", yaml, moment(response="x", progress=SHOWN))
    assert (found.message, found.path) == (message, path)
    assert (found.near or "").startswith(near or "")


def test_unknown_progress_is_not_judged() -> None:
    """An engine that does not report progress may have shown some."""
    assert skipped_for("progress", "searching", moment(response="x")) == "this engine does not report progress"
    assert check("progress", "searching").needed() == {"progress"}


@pytest.mark.parametrize(("yaml", "idle"), [("{}", True), ("{count: {min: 0}}", True), ("{count: 0}", False), ("[a]", False)])
def test_what_demands_nothing_is_warned_about(yaml: str, idle: bool) -> None:
    """An expectation that cannot fail is no expectation."""
    assert (check("progress", yaml).idle() is not None) is idle


def test_it_is_told_in_words() -> None:
    """As a list of results shows it; an empty text would be found in everything and is refused."""
    shown = check("progress", "{contains: [a], excludes: [b], count: {max: 2}}").describe()
    assert shown == "progress shows 'a', progress does not show 'b', progress: at most 2"
    assert len(reading("progress", "['']")[1]) == 1
