"""What became of a mutant of a recorded conversation: who noticed, which expectation is too weak, and what would notice."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import orjson
import pytest

from focal_eval.clock import fixed_clock
from focal_eval.engines import SessionStart
from focal_eval.experiment.mutants import Fate, Tried
from focal_eval.experiment.trace_looking import lookers
from focal_eval.experiment.trace_mutants import Altered, altered
from focal_eval.experiment.trace_mutate import Talk, tried
from focal_eval.experiment.trace_proposals import kills
from focal_eval.experiment.trace_scene import Known
from focal_eval.records import MessageRecord, Reply, Verdict
from focal_eval.runner.attempt import Attempt
from focal_eval.runner.judge import PreparedScript
from focal_eval.runner.opening import Terms
from focal_eval.runner.plan import cases_of
from focal_eval.runner.rejudge import Rejudge, recorded_from_json
from focal_eval.runner.standing import Standing
from tests.runner.desk import Desk, DeskSession, echo, script_of

NOTE = "turns:\n  - user: A REFUND\n    expect: {{rules: [refund]}}\n  - user: call:note it\n    expect: {{{}}}\n"
KNOWN = Known({"refund", "greet"}, {"note", "label"}, set())


def talks(text: str, desk: Desk | None = None) -> list[Talk]:
    """The cases of a script as they were played."""
    terms = Terms(engine=desk or Desk(), clock=fixed_clock(), unreported="skip")
    script = script_of(text)
    prepared = PreparedScript(script)
    out = []
    for case in cases_of(script, 1, "rotate"):
        lines: list[bytes] = []
        asyncio.run(Attempt(case, prepared, terms, lines.append).play())
        *turns, end = map(orjson.loads, lines[1:])
        out.append(Talk(case.name, Standing(Rejudge(case, prepared, terms.policy), recorded_from_json(turns, end)), prepared))
    return out


def mutants(talk: Talk) -> list[Altered]:
    return list(altered(talk.prepared.script, talk.standing.turns, talk.standing.messages, KNOWN))


def result(talk: Talk, operator: str, what: str = "") -> tuple[Tried, Altered]:
    """What became of the first mutant of an operator, about that."""
    item = next(one for one in mutants(talk) if one.mutant.operator == operator and what in one.mutant.what)
    return tried([(talk, item)], [talk]), item


def test_the_expectation_that_noticed_is_named() -> None:
    """A killed mutant says by which expectation, in which case and turn."""
    (talk,) = talks(
        "turns:\n  - user: A REFUND\n    expect: {rules: [refund]}\n  - user: call:note it\n    expect: {tools: [note]}\n"
    )
    found, _ = result(talk, "drop-tool")
    assert found.fate is Fate.KILLED
    assert found.killer is not None
    assert (found.killer.case, found.killer.expectation, found.killer.turn) == ("talk", "tools called: note", 1)
    assert found.proposal is None


def test_nobody_looking_is_said_with_the_turn() -> None:
    """A lane that no expectation of the turn or the conversation reads is told as such, with one that would."""
    (talk,) = talks(
        "turns:\n  - user: A REFUND\n    expect: {rules: [refund]}\n  - user: call:note it\n    expect: {scenario: none}\n"
    )
    found, item = result(talk, "drop-tool")
    assert found.fate is Fate.SURVIVED
    assert found.weak == "nobody looks at the tool calls of turn 2"
    assert found.proposal == "expect:\n  tools:\n    exactly: [note]"
    assert found.at == ("talk.yaml", 4)
    assert found.covered == ("talk",)
    assert kills(found.proposal, item, talk.standing)


def test_an_expectation_that_lets_it_through_is_named() -> None:
    """The one that looks at the lane and holds all the same is the one that is too weak."""
    (talk,) = talks("turns:\n  - user: call:note call:label now\n    expect: {tools: [note]}\n")
    found, item = result(talk, "drop-tool", "label")
    assert found.weak == "'tools called: note' holds all the same"
    assert found.proposal == "expect:\n  tools:\n    exactly: [note, label]"
    other, _ = result(talk, "change-argument", "note")
    assert other.proposal is not None
    assert "- note: {q: 'call:note call:label now'}" in other.proposal
    assert not kills("expect:\n  tools: [note]", item, talk.standing)


def test_expectations_of_the_conversation_notice_too() -> None:
    """A count over the whole conversation kills what no turn looks at, and counts among those that look."""
    text = "turns:\n  - user: call:note it\nconversation:\n  - count: {tool: note, times: {min: 1}}\n"
    (talk,) = talks(text)
    lost, _ = result(talk, "drop-tool")
    assert lost.fate is Fate.KILLED
    assert lost.killer is not None
    assert lost.killer.turn is None
    twice, _ = result(talk, "duplicate-tool")
    assert twice.weak is not None
    assert "holds all the same" in twice.weak


def test_a_group_looks_at_what_its_parts_look_at() -> None:
    """any_of, not and templates are seen through."""
    text = (
        "params: {what: [note]}\nturns:\n  - user: call:note call:label\n"
        '    expect:\n      any_of: [{tools: ["{{ what }}"]}, {rules: [x]}]\n'
    )
    (talk,) = talks(text)
    found, _ = result(talk, "drop-tool", "label")
    assert found.weak is not None
    assert found.weak.startswith("'")


def test_no_mutant_is_noticed_for_disagreeing_with_its_own_record() -> None:
    """The stored messages say what the altered reply says; `records` judges only what the engine would have got wrong."""

    class Keeping(DeskSession):
        async def stored(self) -> tuple[MessageRecord, ...]:
            return tuple(replace(message, turn_id="t") if message.role == "assistant" else message for message in self.said)

    class Keeper(Desk):
        async def open(self, start: SessionStart) -> Keeping:
            return Keeping(self, start)

    def answer(message: str | None, start: SessionStart) -> Reply:
        return replace(echo(message, start), turn_id="t")

    text = "turns:\n  - user: pay 20 now\nconversation:\n  - records: consistent\n"
    (talk,) = talks(text, Keeper(answer=answer))
    assert talk.standing.judged.verdict is Verdict.PASSED
    number, _ = result(talk, "change-number")
    assert number.fate is Fate.SURVIVED
    assert number.proposal == "expect:\n  response: {contains: '20'}"
    lost, _ = result(talk, "lose-message")
    assert lost.fate is Fate.KILLED


def test_lost_messages_are_noticed_by_records() -> None:
    """Where nobody looks at the stored messages, that is what is proposed."""
    (talk,) = talks("turns:\n  - user: hi\n    expect: {scenario: none}\n")
    found, _ = result(talk, "lose-message")
    assert found.weak == "nobody looks at the stored messages"
    assert found.proposal == "conversation:\n  - {records: consistent}"


def test_a_proposal_that_is_true_of_one_row_alone_says_so() -> None:
    """What holds of all rows comes first; where nothing does, the comment stands above it."""
    text = "params: {n: [20, 30]}\nturns:\n  - user: pay {{ n }} now\n    expect: {rules: {exactly: []}}\n"
    group = talks(text)
    item = next(one for one in mutants(group[0]) if one.mutant.operator == "change-number")
    found = tried([(group[0], item)], group)
    assert found.proposal is not None
    assert found.proposal.startswith("# true of this case; others of the script differ\n")
    blank = next(one for one in mutants(group[0]) if one.mutant.operator == "blank-response")
    said = tried([(group[0], blank)], group).proposal
    assert said is not None


def test_the_same_mutant_is_tried_in_several_cases() -> None:
    """One case that notices is enough; it says how many were judged."""
    text = "params: {n: [20, 30]}\nturns:\n  - user: call:note now\n    expect: {any_of: [{tools: [note]}]}\n"
    group = talks(text)
    found = [(talk, next(one for one in mutants(talk) if one.mutant.operator == "drop-tool")) for talk in group]
    assert found[0][1].mutant.id == found[1][1].mutant.id
    done = tried(found, group)
    assert (done.fate, done.probes) == (Fate.KILLED, 1)


@pytest.mark.parametrize("said", ["any", "absent", "{{ name }}", "a: b # c", "'quoted'", "yes"])
def test_values_that_would_mean_something_are_written_as_text(said: str) -> None:
    """A proposal says the observed value, whatever YAML or a matcher would make of it; or there is none."""

    def answer(message: str | None, start: SessionStart) -> Reply:
        return replace(echo(message, start), outcome=said, variables={"v": said})

    (talk,) = talks("turns:\n  - user: hi\n    expect: {scenario: none}\n", Desk(answer=answer))
    found, item = result(talk, "change-outcome")
    if "{{" in said:
        assert found.proposal is None
    else:
        assert found.proposal is not None
        assert kills(found.proposal, item, talk.standing)


def test_an_expectation_with_a_template_is_told_as_it_is_for_the_case() -> None:
    """Its values are filled in, what the conversation saved among them, and it looks at what its filled form reads."""
    text = (
        "params: {what: [note]}\nturns:\n  - user: call:note call:label\n    save: {said: response.text}\n"
        '    expect: {tools: ["{{ what }}"]}\n  - user: hi\n'
        '    expect: {response: {contains: "{{ said }}"}, scenario: "{{ \'none\' }}"}\n'
    )
    (talk,) = talks(text, Desk(answer=lambda *_: echo("call:note call:label", _[1])))
    found, _ = result(talk, "drop-tool", "label")
    assert found.weak == "'tools called: note' holds all the same"
    said = lookers(talk.standing, "response", 1)
    assert said == ("response contains 'You said: call:note call:label'",)
    assert lookers(talk.standing, "scenario", 1) == ("scenario is none",)
