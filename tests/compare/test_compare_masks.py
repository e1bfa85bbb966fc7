"""What is volatile is not compared, and is counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from focal_eval.compare import Masks, masks_of
from focal_eval.document import read_text
from focal_eval.script.suite import read_suite
from focal_eval.script.suite_compare import masks_from_json, masks_to_json
from tests.compare.recorded_turns import between, call, case, compared, reply, turn

SUITE = "scripts: [a.yaml]\nengine: {{kind: embedded, agent: a.yaml}}\ncompare:\n  mask: {mask}\n"


def masks(*given: object) -> Masks:
    return Masks(masks_from_json(list(given)))


def test_ids_times_and_tokens_are_masked_by_default() -> None:
    """Nobody has to say that these differ from run to run; how many were masked is told."""
    volatile: dict[str, Any] = {
        "session_id": "a",
        "turn_id": "b",
        "created_at": "1",
        "latency_ms": 3.0,
        "tokens": {"total": 5},
        "raw": {"x": 1},
    }
    other: dict[str, Any] = {
        "session_id": "c",
        "turn_id": "d",
        "created_at": "2",
        "latency_ms": 4.0,
        "tokens": {"total": 6},
        "raw": {"x": 2},
    }
    before = reply(tools=[call("pay", id="1", duration_ms=2.0)], metadata={"request_id": "x", "locale": "de"}, **volatile)
    after = reply(tools=[call("pay", id="2", duration_ms=9.0)], metadata={"request_id": "y", "locale": "de"}, **other)
    given = Masks()
    assert between(before, after, given) == []
    assert given.as_counts() == {
        **dict.fromkeys(("created_at", "latency_ms", "raw", "session_id", "tokens", "turn_id"), 2),
        **dict.fromkeys(("tools[*].duration_ms", "tools[*].id", "metadata.request_id"), 2),
    }


def test_a_path_masks_what_it_leads_to_and_nothing_beside() -> None:
    """`*` stands for any key or number; what lies beside the path is still compared."""
    before = reply(tools=[call("look", {}, {"at": 1, "ok": True}), call("look", {}, {"at": 2, "ok": True})])
    after = reply(tools=[call("look", {}, {"at": 3, "ok": True}), call("look", {}, {"at": 4, "ok": False})])
    given = masks("tools[*].result.at")
    (found,) = between(before, after, given)
    assert found.what == "look.ok"
    assert given.as_counts()["tools[*].result.at"] == 4


@pytest.mark.parametrize("path", ["reply.variables.at", "variables.at", "variables.*"])
def test_a_path_may_begin_with_reply(path: str) -> None:
    """A path starts at the reply, whether that is said or not."""
    assert between(reply(variables={"at": 1}), reply(variables={"at": 2}), masks(path)) == []


def test_a_whole_part_can_be_masked() -> None:
    """What is masked as a whole counts as neither different nor unknown."""
    change = compared(case(turn(answer=reply("a"))), case(turn(answer=reply("b"))), masks("response"))
    assert change.change == "same"
    assert change.uncompared == {}


def test_a_pattern_masks_in_what_is_said() -> None:
    """In the user's words and in the reply's what the pattern finds is one and the same thing; data is left alone."""
    given = masks({"pattern": r"\d{4}-\d\d-\d\d", "name": "date"})
    before = case(turn("on 2026-01-02", reply("Until 2026-01-03.")))
    after = case(turn("on 2026-02-02", reply("Until 2026-02-03.")))
    assert compared(before, after, given).change == "same"
    assert given.as_counts() == {r"date (/\d{4}-\d\d-\d\d/)": 4}
    assert between(reply(variables={"d": "2026-01-02"}), reply(variables={"d": "2026-02-02"}), given)


def test_a_pattern_without_end_is_given_up() -> None:
    """A pattern that takes too long masks nothing, is not tried for ever, and is told."""
    given = masks({"pattern": r"(a|aa)+$", "name": "slow"})
    for _ in range(5):
        assert given.text("a" * 60 + "!") == "a" * 60 + "!"
    assert given.as_counts() == {"slow (/(a|aa)+$/), out of time": 3}


def test_a_reply_is_never_changed() -> None:
    """Masking makes new data; what was recorded stays as it is."""
    kept = reply(variables={"at": {"x": 1}}, session_id="s")
    masks("variables.at.x").reply(kept)
    assert kept["variables"] == {"at": {"x": 1}}
    assert kept["session_id"] == "s"


def test_a_suites_masks_reach_the_comparison_through_a_runs_header() -> None:
    """What the suite says is read with its places, kept as plain JSON, and read back."""
    document = read_text(SUITE.format(mask="[reply.metadata.trace, {pattern: '[A-Z]-[0-9]+', name: order}]"), "suite.yaml")
    suite = read_suite(document, Path("suite.yaml"))
    assert suite is not None
    kept = masks_to_json(suite.fields.compare.mask)
    assert kept == ["metadata.trace", {"pattern": "[A-Z]-[0-9]+", "name": "order"}]
    assert masks_of({"options": {"compare": {"mask": kept}}}).text("order A-12") == "order ‹order›"
    assert masks_of({}).text("order A-12") == "order A-12"


@pytest.mark.parametrize(
    ("mask", "place", "code"),
    [
        ("[metdata.x]", "4:10", "unknown-word"),
        ("['tools[x].y']", "4:10", "bad-value"),
        ("[tools..y]", "4:10", "bad-value"),
        ("[{pattern: '('}]", "4:20", "bad-pattern"),
        ("[{patern: a}]", "4:11", "unknown-key"),
        ("[3]", "4:10", "wrong-type"),
    ],
)
def test_a_wrong_mask_is_told_at_its_place(mask: str, place: str, code: str) -> None:
    """Each mistake has its place and its code."""
    document = read_text(SUITE.format(mask=mask), "suite.yaml")
    assert read_suite(document, Path("suite.yaml")) is None
    found = next(iter(document.problems.errors))
    assert (f"{found.span.line}:{found.span.column}", found.code) == (place, code)


@pytest.mark.parametrize("data", ["tools", [3], [{"name": "x"}], ["a..b"], [{"pattern": "("}]])
def test_a_header_with_something_else_is_refused(data: object) -> None:
    """A header somebody wrote by hand is no bug of ours."""
    with pytest.raises(ValueError, match=r"mask|pattern"):
        masks_of({"options": {"compare": {"mask": data}}})
