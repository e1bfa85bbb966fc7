"""One case, played and judged."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from focal_eval.clock import fixed_clock
from focal_eval.engines import SessionStart
from focal_eval.errors import EngineUnreachable
from focal_eval.records import Reply, Verdict
from focal_eval.runner.attempt import Attempt
from focal_eval.runner.judge import PreparedScript
from focal_eval.runner.opening import Terms
from focal_eval.runner.plan import cases_of
from tests.runner.desk import Desk, case_of, echo, play, script_of


def results(lines: list[dict[str, Any]], turn: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [line for line in lines if line["t"] == "turn"][turn]["results"]
    return found


def test_a_case_whose_expectations_hold_passes() -> None:
    """All expectations hold: passed, with a line for the case, each turn and the attempt."""
    attempt, lines = play("turns:\n  - user: A REFUND please\n    expect: {rules: [refund]}\n  - user: thanks\n")
    assert attempt.verdict is Verdict.PASSED
    assert [line["t"] for line in lines] == ["case", "turn", "turn", "attempt"]
    assert results(lines, 0)[0]["outcome"] == "passed"
    assert lines[1]["reply"]["rules"] == [{"name": "refund"}]


def test_a_failed_expectation_points_into_the_script_and_says_why() -> None:
    """The result of a failure has the place of the item, the script's lines and a reason."""
    attempt, lines = play("turns:\n  - user: A REFUND please\n    expect:\n      rules: [refund, greet]\n")
    assert attempt.verdict is Verdict.FAILED
    (result,) = results(lines, 0)
    assert result["outcome"] == "failed"
    assert result["at"] == ["talk.yaml", 4, 23, 4, 28]
    assert result["excerpt"][-1] == [4, "      rules: [refund, greet]"]
    assert "greet" in result["findings"][0]["message"]
    assert attempt.reason == result["findings"][0]["message"]


def test_a_soft_expectation_is_reported_and_fails_nothing() -> None:
    """`soft: true` shows the failure but the case passes."""
    attempt, lines = play("turns:\n  - user: hi\n    expect:\n      rules: {includes: [greet], soft: true, because: nice}\n")
    assert attempt.verdict is Verdict.PASSED
    (result,) = results(lines, 0)
    assert (result["outcome"], result["soft"], result["because"]) == ("failed", True, "nice")


@pytest.mark.parametrize(
    ("expect", "verdict"),
    [
        ("any_of: [{rules: [refund]}, {rules: [greet]}]", Verdict.PASSED),
        ("any_of: [{rules: [bill]}, {rules: [greet]}]", Verdict.FAILED),
        ("all_of: [{rules: [refund]}, {tools: {none: true}}]", Verdict.PASSED),
        ("all_of: [{rules: [refund]}, {tools: [lookup]}]", Verdict.FAILED),
        ("not: {rules: [greet]}", Verdict.PASSED),
        ("not: {rules: [refund]}", Verdict.FAILED),
        ("not: {rules: [refund], tools: [lookup]}", Verdict.PASSED),
        ("rules: {not: [greet]}", Verdict.PASSED),
        ("rules: {any_of: [[greet], [refund]]}", Verdict.PASSED),
        ("any_of: [{not: {rules: [refund]}}, {all_of: [{rules: [refund]}, {rules: [greet]}]}]", Verdict.FAILED),
    ],
)
def test_groups_and_negation_are_resolved(expect: str, verdict: Verdict) -> None:
    """any_of, all_of and not mean what they say, at every level."""
    attempt, _ = play(f"turns:\n  - user: A REFUND please\n    expect: {{{expect}}}\n")
    assert attempt.verdict is verdict


def test_because_inside_a_group_is_shown_with_its_part() -> None:
    """The reason an alternative gives stands behind what that alternative found."""
    expect = "any_of: [{rules: [bill], because: policy 1}, {rules: [greet]}]"
    _, lines = play(f"turns:\n  - user: A REFUND please\n    expect: {{{expect}}}\n")
    said = [finding["message"] for finding in results(lines, 0)[0]["findings"]]
    assert said[1].endswith("(policy 1)")
    assert "(" not in said[2]


def test_a_field_the_engine_does_not_report_is_skipped_and_never_passes() -> None:
    """Unknown is not empty: the only expectation was skipped, so the case is skipped."""
    silent = Desk(answer=lambda message, start: Reply(response="hm"))
    attempt, lines = play("turns:\n  - user: hi\n    expect: {rules: {excludes: [refund]}}\n", silent)
    assert attempt.verdict is Verdict.SKIPPED
    assert results(lines, 0)[0]["reason"] == "this engine does not report matched rules"


def test_an_unreported_field_fails_where_the_suite_says_so() -> None:
    """Under `unreported: fail` the same expectation fails."""
    silent = Desk(answer=lambda message, start: Reply(response="hm"))
    attempt, _ = play("turns:\n  - user: hi\n    expect: {rules: [refund]}\n", silent, unreported="fail")
    assert attempt.verdict is Verdict.FAILED


def test_a_script_that_expects_nothing_is_not_called_passed() -> None:
    """Nothing judged is skipped, and says so."""
    attempt, _ = play("turns: [hello]\n")
    assert (attempt.verdict, attempt.reason) == (Verdict.SKIPPED, "the script expects nothing")


def test_an_engine_that_breaks_gives_errored_and_leaves_the_rest_unsent() -> None:
    """The engine's error is the fault of its turn; later turns and expectations are skipped with the reason."""

    def broken(message: str | None, start: SessionStart) -> Reply:
        if message == "two":
            raise EngineUnreachable("nobody answers", detail="connect refused")
        return echo(message, start)

    text = "turns:\n  - {user: one, expect: {rules: {excludes: [x]}}}\n  - {user: two, expect: {rules: [x]}}\n  - three\n"
    attempt, lines = play(text, Desk(answer=broken))
    turns = [line for line in lines if line["t"] == "turn"]
    assert attempt.verdict is Verdict.ERRORED
    assert turns[1]["fault"] == {"kind": "engine-unreachable", "message": "nobody answers", "detail": "connect refused"}
    assert turns[1]["results"][0]["outcome"] == "skipped"
    assert turns[2]["skipped"] == "not sent: the engine broke before"


def test_an_adapter_that_crashes_is_the_engines_fault() -> None:
    """An unforeseen exception never gets out; its type and words are kept."""

    def crash(message: str | None, start: SessionStart) -> Reply:
        raise KeyError("session")

    attempt, lines = play("turns: [hi]\n", Desk(answer=crash))
    assert attempt.verdict is Verdict.ERRORED
    assert lines[1]["fault"]["message"] == "the engine's adapter crashed: KeyError: 'session'"


def test_a_turn_that_takes_too_long_is_an_engine_timeout() -> None:
    """The time limit of a turn ends the attempt as errored."""
    attempt, lines = play("turns:\n  - {user: hi, timeout_s: 0.02}\n", Desk(delay=5))
    assert attempt.verdict is Verdict.ERRORED
    assert lines[1]["fault"]["kind"] == "engine-timeout"
    assert lines[1]["fault"]["message"] == "the turn took longer than 0.02 s"


def test_the_time_limit_of_a_case_covers_all_its_turns() -> None:
    """A case's limit runs over its turns together."""
    attempt, _ = play("timeout_s: 0.05\nturns: [a, b, c, d, e]\n", Desk(delay=0.03))
    assert attempt.verdict is Verdict.ERRORED
    assert attempt.reason is not None
    assert attempt.reason.startswith("the case took longer")


def test_a_giant_reply_breaks_the_contract() -> None:
    """A reply beyond the bound is refused as the engine's fault."""
    attempt, _ = play("turns: [hi]\n", Desk(answer=lambda message, start: Reply(response="x" * 1_000_001)))
    assert attempt.reason == "the reply is longer than 1,000,000 characters"


def test_saved_values_reach_later_turns_expectations_and_the_journal() -> None:
    """`save` reads templates and JMESPath; later turns use the values."""
    text = """
turns:
  - user: "order A-7 call:lookup"
    save: {whole: "{{ response.text }}", status: tools.lookup.result.status}
  - user: "is it {{ status }}?"
    expect: {tools: {none: true}}
tools: {lookup: {returns: {status: SENT}}}
"""
    _, lines = play(text)
    assert lines[1]["saved"] == {"whole": "You said: order A-7 call:lookup", "status": "SENT"}
    assert lines[2]["user"] == "is it SENT?"


def test_a_value_that_cannot_be_saved_fails_and_withholds_the_turn_that_needs_it() -> None:
    """Nothing to save is a failure of its own; the next turn is not sent and says why."""
    attempt, lines = play("turns:\n  - {user: hi, save: {x: response.json.id}}\n  - 'use {{ x }}'\n")
    assert attempt.verdict is Verdict.FAILED
    assert lines[1]["results"][0]["findings"][0]["message"] == "nothing to save as 'x': nothing is at 'response.json.id'"
    assert lines[2]["skipped"] == "not sent: 'x' is not defined"


def test_params_fill_every_part_of_a_case() -> None:
    """Params reach the user's text, expectations, metadata, variables and stubs."""
    text = """
params: {order: [A-1], tier: [gold]}
metadata: {ref: "{{ order }}"}
given: {variables: {tier: "{{ tier }}"}}
tools:
  lookup: {when: {q: {contains: "{{ order }}"}}, returns: {id: "{{ order }}"}}
turns:
  - user: "about {{ order }} call:lookup"
    expect:
      tools: [{lookup: {args: {q: "about {{ order }} call:lookup"}, result: {id: "{{ order }}"}}}]
"""
    desk = Desk()
    attempt, lines = play(text, desk)
    assert attempt.verdict is Verdict.PASSED, attempt.reason
    assert desk.opened[0].metadata == {"ref": "A-1"}
    assert desk.opened[0].variables == {"tier": "gold"}
    assert lines[0]["name"] == "talk[order=A-1,tier=gold]"


def test_a_turn_with_when_is_sent_only_if_it_holds() -> None:
    """`when` looks at the turns so far; a withheld turn is skipped and says which condition did not hold."""
    text = """
turns:
  - {user: a REFUND, expect: {rules: [refund]}}
  - {user: only if greeted, when: {rules: [greet]}, expect: {rules: [greet]}}
  - {user: only if REFUND, when: {rules: [refund]}, expect: {rules: [refund]}}
"""
    attempt, lines = play(text)
    turns = [line for line in lines if line["t"] == "turn"]
    assert turns[1]["skipped"].startswith("not sent: 'when' does not hold: ")
    assert "greet" in turns[1]["skipped"]
    assert turns[2]["reply"]["rules"] == [{"name": "refund"}]
    assert attempt.verdict is Verdict.PASSED


def test_sequences_and_limited_stubs_answer_call_by_call() -> None:
    """A sequence gives one answer a call, `times` hands over to the next answer, and a failure is an error."""
    text = """
tools:
  lookup:
    - {times: 1, fails: busy}
    - {sequence: [{returns: 1}, {returns: 2}]}
turns: ["call:lookup", "call:lookup", "call:lookup", "call:lookup"]
"""
    _, lines = play(text)
    calls = [line["reply"]["tools"][0] for line in lines if line["t"] == "turn"]
    assert [call.get("error", call["result"]) for call in calls] == ["busy", 1, 2, 2]


def test_history_is_replayed_unjudged_where_an_engine_cannot_be_seeded() -> None:
    """An engine without seeds really hears the history, and the judged turns start after it."""
    heard: list[str | None] = []

    def listen(message: str | None, start: SessionStart) -> Reply:
        heard.append(message)
        return echo(message, start)

    desk = Desk(answer=listen)
    desk.abilities = type(desk.abilities)(reports=desk.abilities.reports)
    _, lines = play("given: {history: [{user: before, agent: yes}]}\nturns: [now]\n", desk)
    assert heard == ["before", "now"]
    assert [line["user"] for line in lines if line["t"] == "turn"] == ["now"]


@pytest.mark.parametrize(
    ("mark", "rules", "verdict"),
    [("xfail", "[greet]", Verdict.XFAILED), ("xfail", "[refund]", Verdict.XPASSED)],
)
def test_xfail_turns_a_failure_into_an_expected_one(mark: str, rules: str, verdict: Verdict) -> None:
    """A marked script that fails is xfailed; one that passes is xpassed, which is looked at."""
    attempt, _ = play(f"{mark}: known\nturns:\n  - {{user: a REFUND, expect: {{rules: {rules}}}}}\n")
    assert attempt.verdict is verdict


def test_an_xfail_does_not_hide_a_broken_engine() -> None:
    """An engine that breaks stays errored, whatever the script is marked as."""

    def broken(message: str | None, start: SessionStart) -> Reply:
        raise EngineUnreachable("gone")

    attempt, _ = play("xfail: known\nturns: [hi]\n", Desk(answer=broken))
    assert attempt.verdict is Verdict.ERRORED


def test_variants_rotate_over_rows() -> None:
    """Without `variants: all` each row takes the next variant."""

    script = script_of("params: {n: [1, 2, 3]}\nturns:\n  - user: ['{{ n }} a', '{{ n }} b']\n")
    assert [case.pick for case in cases_of(script, 1, "rotate")] == [0, 1, 2]
    assert len(list(cases_of(script, 1, "all"))) == 6


def test_cancelling_leaves_no_attempt_line() -> None:
    """A case that is cut off has turns in the journal, but no verdict; its session is closed."""

    async def cut() -> tuple[list[bytes], Desk]:
        lines: list[bytes] = []
        desk = Desk(delay=0.01)
        case = case_of("turns: [a, b, c, d, e, f, g, h]\n")
        attempt = Attempt(case, PreparedScript(case.script), Terms(desk, fixed_clock()), lines.append)
        task = asyncio.create_task(attempt.play())
        await asyncio.sleep(0.035)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return lines, desk

    lines, desk = asyncio.run(cut())
    assert any(b'"t":"turn"' in line for line in lines)
    assert not any(b'"t":"attempt"' in line for line in lines)
    assert desk.closed == 1


class ClosedDesk(Desk):
    """Nobody opens."""

    async def open(self, start: SessionStart) -> Any:
        raise EngineUnreachable("the desk is closed")


def test_a_fault_outside_a_turn_is_kept_with_the_attempt() -> None:
    """No session could be opened: the attempt's line holds the fault; a fault of a turn stands in the turn's line alone."""
    attempt, lines = play("turns: [hi]\n", ClosedDesk())
    assert (attempt.verdict, attempt.reason) == (Verdict.ERRORED, "the desk is closed")
    assert lines[-1]["fault"] == {"kind": "engine-unreachable", "message": "the desk is closed"}

    def broken(message: str | None, start: SessionStart) -> Reply:
        raise EngineUnreachable("nobody answers")

    _, lines = play("turns: [hi]\n", Desk(answer=broken))
    assert "fault" not in lines[-1]


class Odd:
    """Data no JSON knows, which cannot even be shown."""

    def __repr__(self) -> str:
        raise RuntimeError("no words")


@pytest.mark.parametrize(
    "data", ["a\ud800b", {"\udfff": 1}, [Odd()], float("nan"), 10**5000, {1: {2}}], ids=lambda value: type(value).__name__
)
def test_a_reply_that_json_cannot_say_is_recorded_and_judged_all_the_same(data: Any) -> None:
    """Lone surrogates, odd objects and giant numbers end up in the journal as text; the case fails as any other."""

    def answer(message: str | None, start: SessionStart) -> Reply:
        return Reply(response="lone \ud83d", metadata={"data": data})

    expect = "{response: {contains: zebra}, metadata: {data: {equals: zebra}}}"
    attempt, lines = play(f"turns:\n  - user: hi\n    expect: {expect}\n", Desk(answer))
    assert results(lines, 0)[0]["outcome"] == "failed"
    assert lines[1]["reply"]["response"] == "lone ?"
    assert attempt.verdict in (Verdict.FAILED, Verdict.ERRORED)


def test_an_adapter_that_exits_breaks_its_case_and_nothing_else() -> None:
    """`sys.exit(0)` in an engine's adapter is a fault of the engine, not the end of the run with exit code 0."""

    def answer(message: str | None, start: SessionStart) -> Reply:
        raise SystemExit(0)

    attempt, lines = play("turns:\n  - user: hi\n    expect: {rules: [greet]}\n", Desk(answer))
    assert attempt.verdict is Verdict.ERRORED
    assert lines[1]["fault"] == {"kind": "engine-crash", "message": "the engine's adapter crashed: SystemExit: 0"}


@pytest.mark.parametrize("text", ['{"id": "r-1"}', ' \n{"id": "r-1"}', 'Here:\n```json\n{"id": "r-1"}\n```\nDone.'])
def test_save_finds_the_json_that_the_check_finds(text: str) -> None:
    """JSON after white space or in a fenced block is read by `save` as `response.json` reads it."""
    script = """
turns:
  - user: go
    expect: {response: {json: {where: {id: r-1}}}}
    save: {id: response.json.id}
  - user: "then {{ id }}"
"""
    _, lines = play(script, Desk(lambda message, start: Reply(response=text if message == "go" else "ok")))
    assert lines[1]["results"][0]["outcome"] == "passed"
    assert lines[2]["user"] == "then r-1"
