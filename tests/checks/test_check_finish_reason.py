"""`finish_reason`: a reply that was cut off is found, and said to be."""

from __future__ import annotations

import pytest

from tests.checks.judged import check, moment, only_finding, passes, skipped_for


@pytest.mark.parametrize(
    ("yaml", "reason", "holds"),
    [
        ("stop", "stop", True),
        ("stop", "length", False),
        ("{one_of: [stop, end_turn]}", "end_turn", True),
        ("{not: length}", "length", False),
    ],
)
def test_the_reason_is_compared_by_a_matcher(yaml: str, reason: str, holds: bool) -> None:
    """Any matcher will do; the engine's word is compared as it is."""
    assert passes("finish_reason", yaml, moment(response="x", finish_reason=reason)) is holds


@pytest.mark.parametrize(
    ("reason", "near"),
    [
        ("length", "the reply was cut off at the limit of tokens"),
        ("content_filter", "the provider withheld words of the reply"),
        ("something new", None),
    ],
)
def test_a_reason_is_put_into_words(reason: str, near: str | None) -> None:
    """What a provider's word means stands beside it; of an unknown word nothing is guessed."""
    found = only_finding("finish_reason", "stop", moment(response="x", finish_reason=reason))
    assert (found.message, found.near) == ("the finish reason is not as expected", near)
    assert found.observed is not None
    assert reason in found.observed


def test_a_reply_without_a_reason_is_not_judged() -> None:
    """None is unknown here, and no check passes on it."""
    assert skipped_for("finish_reason", "stop", moment(response="x")) == "this engine does not report why its model stopped"
    assert check("finish_reason", "stop").describe() == "finish reason is 'stop'"
