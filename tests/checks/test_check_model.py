"""`model`: another model than the one that was meant is found."""

from __future__ import annotations

import pytest

from tests.checks.judged import check, moment, only_finding, passes, skipped_for


@pytest.mark.parametrize(
    ("yaml", "holds"),
    [
        ("small-2026-10", True),
        ("{matches: '^small-'}", True),
        ("{one_of: [small-2026-09, big-2026-10]}", False),
        ("small-2026-09", False),
    ],
)
def test_the_model_is_compared_by_a_matcher(yaml: str, holds: bool) -> None:
    """Exactly, or by a pattern that lets a family through."""
    assert passes("model", yaml, moment(response="x", model="small-2026-10")) is holds


def test_another_model_is_named() -> None:
    """The finding shows both."""
    found = only_finding("model", "small-2026-09", moment(response="x", model="small-2026-10"))
    assert (found.expected, found.observed) == ("'small-2026-09'", "'small-2026-10'")


def test_a_reply_that_names_no_model_is_not_judged() -> None:
    """None is unknown here, and no check passes on it."""
    seen = moment(response="x")
    assert skipped_for("model", "small", seen) == "this engine does not report the model that wrote a reply"
    assert check("model", "small").describe() == "model is 'small'"
