"""What became of a case, and why."""

from __future__ import annotations

import time

import pytest

from focal_eval.compare import Masks, compare_cases, compare_repeats, grouped
from focal_eval.compare.model import Change, Edit, Lane, RecordedCase
from tests.compare.recorded_turns import call, case, compared, dropped, reply, result, rule, told, turn

REFUND = [rule("offer-refund", 0.41)]
LOST = [dropped("offer-refund", "near-miss", "score 0.18 below 0.35", 0.18)]


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        ("passed", "failed", "regressed"),
        ("passed", "xpassed", "regressed"),
        ("failed", "passed", "fixed"),
        ("errored", "passed", "fixed"),
        ("passed", "errored", "errored"),
        ("failed", "errored", "errored"),
        ("errored", "failed", "changed"),
        ("passed", "xfailed", "same"),
        ("failed", "failed", "same"),
        ("skipped", "skipped", "same"),
        ("skipped", "passed", "new"),
        ("passed", "skipped", "gone"),
        (None, "failed", "new"),
        ("passed", None, "gone"),
    ],
)
def test_a_case_is_classed_by_its_verdicts(before: str | None, after: str | None, change: str) -> None:
    """Good and bad on each side decide; a case nobody judged is as good as not there."""
    one, other = (None if verdict is None else case(turn(), verdict=verdict) for verdict in (before, after))
    assert compared(one, other).change == change


def test_as_good_as_before_but_different_is_changed() -> None:
    """A difference without a change of verdict is told as such."""
    assert compared(case(turn(answer=reply("a"))), case(turn(answer=reply("b")))).change == "changed"


def test_repeats_that_disagree_are_flaky() -> None:
    """Of a case whose repeats disagree nothing can be said; shown are a good one before and a bad one after."""

    def repeats(*verdicts: str) -> list[RecordedCase]:
        return [case(turn(), verdict=word, name=f"a#{at}", repeat=at, id=f"{at}") for at, word in enumerate(verdicts, 1)]

    change = compare_repeats(repeats("passed", "passed"), repeats("passed", "failed", "errored"), Masks())
    assert (change.change, change.name, change.tried) == ("flaky", "a", (2, 2, 1, 2))
    assert (change.before_id, change.after_id) == ("1", "2")
    assert compare_repeats(repeats("passed", "passed"), repeats("failed", "failed"), Masks()).change == "regressed"
    assert compare_repeats(repeats("errored", "passed"), repeats("passed"), Masks()).change == "same"
    assert compare_repeats([], repeats("passed"), Masks()).change == "new"


def test_a_case_as_flaky_as_before_has_no_cause() -> None:
    """Where repeats disagree as often on both sides it was chance: shown like to like, with nothing to blame."""

    def repeats(*good: bool) -> list[RecordedCase]:
        return [
            case(
                turn(answer=reply("Yes." if well else "No.")),
                verdict="passed" if well else "failed",
                name=f"a#{at}",
                repeat=at,
                id=f"{at}",
            )
            for at, well in enumerate(good, 1)
        ]

    steady = compare_repeats(repeats(True, False), repeats(False, True), Masks())
    assert (steady.change, steady.as_before, steady.cause, steady.turn) == ("flaky", True, None, None)
    assert (steady.before_id, steady.after_id) == ("1", "2")
    assert grouped([steady], ()) == ()
    scaled = compare_repeats(repeats(True, False), repeats(False, True, False, True), Masks())
    assert (scaled.as_before, scaled.cause) == (True, None)
    worse = compare_repeats(repeats(True, True, False), repeats(False, True, False), Masks())
    assert (worse.change, worse.as_before, worse.cause and worse.cause.key) == ("flaky", False, "response:~response")


def test_an_inserted_turn_shifts_no_other() -> None:
    """The turns after it are compared with their own, and the script's edit is the cause."""
    before = case(turn("hi", reply("a")), turn("bye", reply("b")))
    after = case(turn("hi", reply("a")), turn("wait", reply("x")), turn("bye", reply("b")))
    change = compared(before, after)
    assert [(pair.before, pair.after, bool(pair.differences)) for pair in change.pairs] == [
        (0, 0, False),
        (None, 1, True),
        (1, 2, False),
    ]
    assert change.cause is not None
    assert change.cause.key == "input:returns/mug"
    assert change.cause.text == "the script was edited: a turn was added"


def test_the_cause_is_the_first_difference_in_the_pipeline() -> None:
    """A rule that no longer matches is the cause of the step, the tool and the reply that follow."""
    before = case(turn(answer=reply("Refunded.", rules=REFUND, tools=[call("refund")], template="refunded")))
    after = case(turn(answer=reply("Sorry.", candidates=LOST)), verdict="failed")
    change = compared(before, after)
    assert change.cause is not None
    assert (change.cause.key, change.cause.text) == ("rules:-offer-refund", "rule offer-refund no longer matches")
    assert (change.turn, change.score) == (0, (0.41, 0.18))


def test_a_candidate_is_the_cause_only_where_nothing_else_differs() -> None:
    """What was only looked at did nothing."""
    before = reply("a", candidates=[])
    only = compared(case(turn(answer=before)), case(turn(answer=reply("a", candidates=[dropped("c", "scope", "x")]))))
    assert only.cause is not None
    assert (only.change, only.cause.lane) == ("changed", Lane.CANDIDATES)
    both = compared(case(turn(answer=before)), case(turn(answer=reply("b", candidates=[dropped("c", "scope", "x")]))))
    assert both.cause is not None
    assert both.cause.lane is Lane.RESPONSE


def test_an_earlier_difference_that_left_no_trace_broke_nothing() -> None:
    """A reply that is worded otherwise in the first turn is not why an expectation breaks in the third."""
    fine, broken = [result("rules include offer-refund")], [result("rules include offer-refund", "failed")]
    before = case(turn("hi", reply("Hello")), turn("refund", reply("ok", rules=REFUND), results=tuple(fine)))
    after = case(turn("hi", reply("Hi!")), turn("refund", reply("no"), results=tuple(broken)), verdict="failed")
    change = compared(before, after)
    assert change.cause is not None
    assert (change.cause.key, change.turn) == ("rules:-offer-refund", 1)


def test_an_earlier_difference_that_was_carried_on_is_the_cause() -> None:
    """Where the conversation stands elsewhere after it, it explains what breaks later."""
    at = {"id": "returns", "step": "ask"}
    broken = (result("scenario is returns/ask", "failed", "scenario"),)
    before = case(
        turn("a", reply(rules=REFUND, scenario=at)),
        turn("b", reply(scenario=at), results=(result("scenario is returns/ask", key="scenario"),)),
    )
    after = case(turn("a", reply(candidates=LOST)), turn("b", reply(), results=broken), verdict="failed")
    change = compared(before, after)
    assert change.cause is not None
    assert (change.cause.key, change.turn) == ("rules:-offer-refund", 0)


def test_an_expectation_is_known_by_its_words() -> None:
    """One that moved in its file is the same; one that is new and fails is told as new."""
    before = case(turn(results=(result("a"), result("b", "failed"))), verdict="failed")
    moved = result("a") | {"at": ["x.yaml", 9, 1, 9, 2]}
    after = case(turn(results=(result("b"), moved, result("c", "failed"))), verdict="failed")
    assert told(list(compared(before, after).pairs[0].differences)) == [("verdict", "changed", "b"), ("verdict", "added", "c")]


def test_a_baseline_without_results_held() -> None:
    """Against a good baseline every expectation that fails is a difference; against a bad one nobody knows."""
    after = case(turn(results=(result("a", "failed"),)), verdict="failed")
    change = compared(case(turn()), after)
    assert change.cause is not None
    assert change.cause.text == "expectation no longer holds: a"
    unknown = compared(case(turn(), verdict="failed"), after)
    assert (unknown.change, unknown.uncompared) == ("same", {"verdict": 1})


def test_what_one_side_does_not_know_is_counted() -> None:
    """Lanes that could not be compared are listed with the number of turns."""
    blind = {key: value for key, value in reply().items() if key not in ("rules", "tools")}
    change = compared(case(turn(answer=blind), turn(answer=blind)), case(turn(), turn()))
    assert (change.change, change.uncompared) == ("same", {"rules": 2, "tool": 2})


def test_an_engine_that_broke_is_a_fault() -> None:
    """The turn without a reply says what broke, and unknown lanes are no difference."""
    fault = {"kind": "engine-timeout", "message": "slow"}
    change = compared(case(turn()), case(turn(fault=fault), verdict="errored"))
    assert change.cause is not None
    assert (change.change, change.cause.key) == ("errored", "fault:+engine-timeout")


def test_stored_messages_are_aligned() -> None:
    """A message stored once more is one difference; the rest is compared with its own."""

    def stored(*texts: str) -> tuple[dict[str, object], ...]:
        return tuple({"role": "assistant", "text": text, "id": str(at)} for at, text in enumerate(texts))

    change = compared(case(turn(), messages=stored("a", "b")), case(turn(), messages=stored("a", "a", "b")))
    assert told(list(change.records)) == [("records", "added", "assistant message")]
    assert change.cause is not None
    assert change.turn is None


def named(name: str, after: RecordedCase) -> tuple[RecordedCase, RecordedCase]:
    before = case(turn(answer=reply("Refunded.", rules=REFUND, template="t")), name=name)
    return before, RecordedCase(**{key: getattr(after, key) for key in after.__dataclass_fields__} | {"name": name})


def test_cases_of_one_reason_form_one_group() -> None:
    """Groups are ranked by regressions, then size; figures are ranges where the cases differ; what followed is counted."""
    low = [dropped("offer-refund", "near-miss", "x", 0.2)]
    lost = case(turn(answer=reply("Sorry.", candidates=LOST)), verdict="failed")
    less = case(turn(answer=reply("Sorry.", candidates=low)))
    said = case(turn(answer=reply("Refunded today.", rules=REFUND, template="t")))
    cases = [compared(*named(name, after)) for name, after in (("c", said), ("d", said), ("e", said), ("a", less), ("b", lost))]
    first, second = grouped(cases, None)
    assert first.cases == ("b", "a")
    assert first.counts == {"regressed": 1, "changed": 1}
    assert first.text == "rule offer-refund no longer matches (score 0.41 → 0.18–0.20, a near miss)"
    assert first.knock_on == (("template t is no longer said", 2), ("the reply differs", 2))
    assert second.cases == ("c", "d", "e")
    assert second.text == "the words of template t differ (with “today”)"


def test_a_group_is_linked_to_the_edits_that_touch_it() -> None:
    """An edit of the rule itself; else of one that has to do with it; else of what was at work in the turn."""
    change = compared(*named("a", case(turn(answer=reply("Sorry.", candidates=LOST)), verdict="failed")))
    other = Edit("rule", "limit", "edited", touches=("rule:limit", "rule:offer-refund"))
    own = Edit("rule", "offer-refund", "edited", touches=("rule:offer-refund",))
    far = Edit("rule", "greet", "edited", touches=("rule:greet",))
    wide = Edit("setting", "settings.threshold", "edited", touches=("setting:settings.threshold", "rule:*"))
    assert grouped([change], (far, other, own))[0].edits == (2,)
    assert grouped([change], (far, other))[0].edits == (1,)
    assert grouped([change], (far, wide))[0].edits == (1,)
    assert grouped([change], (far,))[0].edits == ()
    said = compared(case(turn(answer=reply("a", rules=REFUND))), case(turn(answer=reply("b", rules=REFUND))))
    assert grouped([said], (far, own))[0].edits == (1,)


def test_equal_turns_cost_microseconds() -> None:
    """Most turns are equal: two thousand of them, each with data worth a kilobyte, take far less than a second."""
    answer = reply(
        "Hello. " * 20, variables={f"v{at}": "x" * 20 for at in range(30)}, tools=[call("look", {"id": 1}, {"ok": True})]
    )
    one, other = (case(*(turn(f"t{at}", answer | {"turn_id": f"{side}{at}"}) for at in range(100))) for side in "ab")
    start = time.perf_counter()
    for _ in range(20):
        assert compare_cases(one, other, Masks()).change is Change.SAME
    assert time.perf_counter() - start < 0.5
