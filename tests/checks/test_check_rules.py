"""`rules`: which rules matched."""

from __future__ import annotations

import pytest

from focal_eval.checks import Ref
from focal_eval.records import Candidate, RuleMatch
from tests.checks.judged import check, judged, moment, only_finding, passes, reading, skipped_for

MATCHED = moment(rules=[RuleMatch("apologise", 0.82), RuleMatch("offer", 0.7, id="u-2")])


@pytest.mark.parametrize(
    ("yaml", "holds"),
    [
        ("[apologise]", True),
        ("apologise", True),
        ("[offer, apologise]", True),
        ("u-2", True),
        ("[apologise, upsell]", False),
        ("{includes: apologise, excludes: upsell}", True),
        ("{excludes: [offer]}", False),
        ("{excludes: [u-2]}", False),
        ("{exactly: [offer, apologise]}", True),
        ("{exactly: [apologise, u-2]}", True),
        ("{exactly: [apologise]}", False),
        ("{exactly: []}", False),
        ("{includes: [apologise, offer], order: strict}", True),
        ("{includes: [offer, apologise], order: strict}", False),
        ("{exactly: [offer, apologise], order: strict}", False),
        ("{scores: {apologise: {at_least: 0.8}}}", True),
        ("{scores: {apologise: {at_least: 0.9}}}", False),
        ("{scores: {upsell: any}}", False),
    ],
)
def test_matched_rules_are_judged(yaml: str, holds: bool) -> None:
    """A list means "among them"; the long form excludes, closes, orders and scores."""
    assert passes("rules", yaml, MATCHED) is holds


def test_no_rule_at_all_can_be_expected() -> None:
    """`exactly: []` holds where nothing matched."""
    assert passes("rules", "{exactly: []}", moment(rules=[]))


def test_a_missing_rule_is_named_with_what_matched() -> None:
    """The finding points at the list's item and shows the matched rules with their scores."""
    found = only_finding("rules", "[apologise, ofer]", MATCHED)
    assert found.message == "rule 'ofer' did not match"
    assert (found.expected, found.observed) == ("ofer", "apologise (0.82), offer (0.70)")
    assert found.near == "'offer' matched; is that the name that was meant?"
    assert found.path == (1,)
    assert only_finding("rules", "{includes: [apologise, ofer]}", MATCHED).path == ("includes", 1)


@pytest.mark.parametrize(
    ("candidate", "near"),
    [
        (
            Candidate("upsell", 0.48, "near-miss", "threshold 0.50", "'more'"),
            "'upsell' scored 0.48, just below the threshold: threshold 0.50 ('more')",
        ),
        (
            Candidate("upsell", 0.9, "cooldown", "2 turns left"),
            "'upsell' scored 0.90, but was suppressed by cooldown: 2 turns left",
        ),
        (Candidate("upsell", None, "outranked", "apologise"), "'upsell' was suppressed by outranked: apologise"),
        (Candidate("other"), "'upsell' was no candidate; candidates: other"),
    ],
)
def test_a_missing_rule_says_what_dropped_it(candidate: Candidate, near: str) -> None:
    """Where the engine reports candidates the finding says why the rule is not among those matched."""
    seen = moment(rules=["apologise"], candidates=(candidate,))
    assert only_finding("rules", "upsell", seen).near == near


def test_an_unexpected_rule_says_why_it_matched() -> None:
    """`exactly` names each rule beyond it, and what made it a candidate."""
    seen = moment(rules=["apologise", "upsell"], candidates=(Candidate("upsell", 0.9, reason="the word 'more'"),))
    found = only_finding("rules", "{exactly: [apologise]}", seen)
    assert found.message == "rule 'upsell' matched, but is not among those expected"
    assert found.near == "'upsell' was a candidate because of the word 'more'"


def test_a_wrong_order_names_the_pair() -> None:
    """Order is judged only when asked, and the pair that is turned is named."""
    found = only_finding("rules", "{includes: [offer, apologise], order: strict}", MATCHED)
    assert (found.message, found.path) == ("rule 'apologise' matched before 'offer'", ("includes", 1))


def test_suppressed_and_near_look_at_candidates() -> None:
    """A dropped rule is found by name, by reason, or as a near miss."""
    candidates = (
        Candidate("upsell", 0.9, "cooldown", "2 turns"),
        Candidate("greet", 0.4, "near-miss"),
        Candidate("apologise", 0.8),
    )
    seen = moment(rules=["apologise"], candidates=candidates)
    assert passes("rules", "{suppressed: upsell}", seen)
    assert passes("rules", "{suppressed: {upsell: cooldown}, near: greet}", seen)
    found = only_finding("rules", "{suppressed: {upsell: disabled}}", seen)
    assert found.message == "rule 'upsell' was suppressed for another reason"
    assert found.observed == "'upsell' scored 0.90, but was suppressed by cooldown: 2 turns"
    assert found.path == ("suppressed", "upsell")
    matched = only_finding("rules", "{suppressed: apologise}", seen)
    assert matched.message == "rule 'apologise' matched instead of being suppressed"
    assert only_finding("rules", "{near: [upsel]}", seen).near == "'upsell' was"


def test_what_the_engine_does_not_report_is_skipped() -> None:
    """Unknown is not empty: neither an inclusion nor an exclusion is judged without matched rules."""
    assert skipped_for("rules", "apologise", moment(response="x")) == "this engine does not report matched rules"
    assert skipped_for("rules", "{excludes: x}", moment(response="x")) == "this engine does not report matched rules"
    assert skipped_for("rules", "{near: x}", MATCHED) == "this engine does not report which rules were candidates"
    reason = skipped_for("rules", "{scores: {x: any}}", moment(rules=["x"]))
    assert reason == "this engine does not report scores of rules"


@pytest.mark.parametrize(
    ("yaml", "problem"),
    [
        ("{includes: a, excludes: [a]}", "'a' cannot match and not match at once"),
        ("{exactly: [a], scores: {b: any}}", "'b' is expected, but 'exactly' leaves it out"),
        ("{order: strictly}", "'strictly' is not one of any, strict; did you mean 'strict'?"),
        ("{include: a}", "no key is named 'include' here; did you mean 'includes'?"),
        ("5", "expected text, found the number 5"),
    ],
)
def test_a_rules_entry_that_cannot_be_meant_is_refused(yaml: str, problem: str) -> None:
    """Contradictions, unknown words and wrong types are found while reading."""
    _, problems = reading("rules", yaml)
    assert len(problems) == 1
    assert problem in problems[0]


def test_rules_names_its_references_and_its_idleness() -> None:
    """Every name is given for the check against the agent; names not to be seen are marked."""
    assert check("rules", "[a]").refs() == (Ref("rule", "a", (0,)),)
    assert Ref("rule", "b", ("excludes", 0), absent=True) in check("rules", "{excludes: [b]}").refs()
    assert "exactly: []" in check("rules", "[]").idle()
    assert check("rules", "{exactly: []}").idle() is None


def test_rules_describes_itself() -> None:
    """The expectation in words, for a list of results."""
    assert check("rules", "[a, b]").describe() == "rules include a and b"
    said = check("rules", "{exactly: [a], excludes: b, suppressed: {c: cooldown}, order: strict}").describe()
    assert said == "rules exclude b, rules are exactly a, in this order, suppressed: c (cooldown)"


def test_a_passing_rules_check_has_no_findings() -> None:
    """Passing costs no findings and no reason."""
    outcome, findings, reason = judged("rules", "apologise", MATCHED)
    assert (str(outcome), findings, reason) == ("passed", (), None)
