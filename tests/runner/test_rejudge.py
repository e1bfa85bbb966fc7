"""A recorded conversation, judged again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from focal_eval.clock import fixed_clock
from focal_eval.engines import SessionStart
from focal_eval.errors import EngineUnreachable
from focal_eval.evaluate.golden import with_golden
from focal_eval.records import Reply, RuleMatch, TurnRecord, Verdict
from focal_eval.runner.attempt import Attempt
from focal_eval.runner.journal import dumps
from focal_eval.runner.judge import CaseJudge, PreparedScript
from focal_eval.runner.opening import Terms
from focal_eval.runner.plan import cases_of
from focal_eval.runner.redact import Redactor
from focal_eval.runner.rejudge import Recorded, Rejudge, recorded_from_json
from focal_eval.runner.standing import Standing
from tests.runner.desk import ABLE, Desk, echo, script_of

TERMS = {"unreported": "skip", "prices": {"total": 1.0}, "tolerated": frozenset({"text-changed"})}


def played(text: str, desk: Desk | None = None, golden: float | None = None) -> tuple[Terms, list[bytes]]:
    """The first case of a script as an engine plays it: the journal's lines."""
    terms = Terms(engine=desk or Desk(), clock=fixed_clock(), **TERMS)  # type: ignore[arg-type]
    script = with_golden(script_of(text), golden)
    case = next(iter(cases_of(script, 1, "rotate")))
    lines: list[bytes] = []
    asyncio.run(Attempt(case, PreparedScript(script), terms, lines.append).play())
    return terms, [Redactor()(line) for line in lines]


def recorded_of(lines: list[bytes]) -> Recorded:
    """What a journal's lines hold of an attempt."""
    *turns, end = map(orjson.loads, lines[1:])
    return recorded_from_json(turns, end)


def again(text: str, lines: list[bytes], terms: Terms, golden: float | None = None) -> tuple[CaseJudge, list[bytes]]:
    """The recorded attempt judged with a script: the judge and the journal's lines it gives."""
    script = with_golden(script_of(text), golden)
    case = next(iter(cases_of(script, 1, "rotate")))
    out: list[bytes] = []
    judge = Rejudge(case, PreparedScript(script), terms.policy).judge(recorded_of(lines), out.append)
    stored = orjson.loads(lines[-1]).get("messages")
    out.append(judge.attempt_line(b"" if stored is None else dumps(stored)))
    return judge, out


def broken_at(word: str) -> Desk:
    def answer(message: str | None, start: SessionStart) -> Reply:
        if word in (message or ""):
            raise EngineUnreachable("the line is dead")
        return echo(message, start)

    return Desk(answer=answer)


def unable(*names: str) -> Desk:
    """A desk that does not take these as a start, so that they are replayed."""
    return Desk(abilities=replace(ABLE, seeds=ABLE.seeds - {*names}))


TALKS = {
    "failures": "turns:\n  - user: A REFUND\n    expect: {rules: [greet], response: {contains: nope, excludes: said}}\n",
    "soft": "turns:\n  - user: hi\n    expect: {rules: {includes: [greet], soft: true, because: nice}, scenario: none}\n",
    "skips": "turns:\n  - user: hi\n    expect: {citations: {count: 1}, latency_ms: 900, scenario: none}\n",
    "a crash": "turns:\n  - user: hi\n    expect: {python: nowhere.py:nothing}\n",
    "nothing expected": "turns:\n  - user: hi\n",
    "xfail": "xfail: not yet\nturns:\n  - user: hi\n    expect: {rules: [greet]}\n",
    "xpass": "xfail: not yet\nturns:\n  - user: A GREET\n    expect: {rules: [greet]}\n",
    "groups": "turns:\n  - user: A REFUND\n    expect:\n      any_of: [{rules: [bill], because: one}, {rules: [greet]}]\n"
    "      not: {rules: [refund]}\n      all_of: [{rules: [refund]}, {tools: {none: true}}]\n",
    "templates": "params: {what: [refund]}\nturns:\n  - user: A {{ what | upper }}\n"
    '    expect: {rules: ["{{ what }}"], response: {contains: "{{ what }}s"}}\n',
    "a template that cannot be filled": "turns:\n  - user: first\n    save: {no: response.never}\n  - user: say {{ no }}\n"
    "    expect: {rules: [x]}\n  - user: hi\n"
    "    expect: {scenario: none}\n",
    "saved": "turns:\n  - user: number 4711\n    expect: {response: {matches: 'number (?P<no>\\d+)'}}\n    save:\n"
    "      no: response.no\n      lost: response.never\n  - user: it is {{ no }}\n"
    '    expect: {response: {contains: "{{ no }}"}}\nconversation:\n  - saved: {no: "4711"}\n',
    "when": "turns:\n  - user: A REFUND\n  - user: not this\n    when: {rules: [greet]}\n    expect: {rules: [x]}\n"
    "  - user: but THIS\n    when: {rules: [refund]}\n    expect: {rules: [this]}\n",
    "stored": "turns:\n  - user: hi\n  - user: bye\n    expect: {scenario: none}\nconversation:\n  - records: consistent\n",
    "never": "turns:\n  - user: call:refund now\nconversation:\n  - never: {tool: refund}\n  - turns: 1\n",
    "the agent first": "turns:\n  - expect: {response: {contains: hello}}\n  - user: hi\n    expect: {rules: [x]}\n",
    "golden": "turns:\n  - user: hi\n    agent: You said hi to me\n",
    "history": "given:\n  history:\n    - user: before\n      agent: yes\nturns:\n  - user: now\n"
    "    expect: {scenario: none}\nconversation:\n  - records: consistent\n",
}

DESKS: dict[str, Callable[[], Desk]] = {"history": lambda: unable("history")}


@pytest.mark.parametrize("name", TALKS)
def test_a_recording_judged_again_gives_the_same_lines(name: str) -> None:
    """The verdict and every result are those of the run, byte for byte, with the line as a whole."""
    terms, lines = played(TALKS[name], DESKS.get(name, Desk)(), golden=1.0)
    judge, found = again(TALKS[name], lines, terms, golden=1.0)
    assert found == lines[1:]
    assert judge.verdict.value == orjson.loads(lines[-1])["verdict"]


def test_the_talks_above_come_to_every_verdict() -> None:
    """The proof covers each way a case can end."""
    found = {orjson.loads(played(text, DESKS.get(name, Desk)(), golden=1.0)[1][-1])["verdict"] for name, text in TALKS.items()}
    assert found == set(Verdict)


@pytest.mark.parametrize("word", ["first", "second"])
def test_an_engine_that_broke_is_judged_as_it_was(word: str) -> None:
    """A fault in a turn ends the conversation there, and the rest is skipped as it was."""
    text = (
        "turns:\n  - user: first\n    expect: {rules: [x]}\n  - user: second\n  - user: third\n    expect: {scenario: none}\n"
    )
    terms, lines = played(text, broken_at(word))
    _, found = again(text, lines, terms)
    assert found == lines[1:]


def test_an_engine_that_could_not_be_opened_stays_errored() -> None:
    """Where no turn was recorded the fault is all there is to say."""

    class Shut(Desk):
        async def open(self, start: SessionStart) -> object:  # type: ignore[override]
            raise EngineUnreachable("nobody is there")

    text = "turns:\n  - user: hi\n    expect: {rules: [x]}\nconversation:\n  - turns: 1\n"
    terms, lines = played(text, Shut())
    judge, found = again(text, lines, terms)
    assert found == lines[1:]
    assert (judge.verdict, judge.reason) == (Verdict.ERRORED, "nobody is there")


def test_an_edited_expectation_is_judged_on_the_recorded_reply() -> None:
    """Only what is expected changed: the case passes now, without the engine."""
    terms, lines = played("turns:\n  - user: A REFUND\n    expect: {rules: [greet]}\n")
    judge, _ = again("turns:\n  - user: A REFUND\n    expect: {rules: [refund]}\n", lines, terms)
    assert judge.verdict is Verdict.PASSED


BASE = "turns:\n  - user: one\n    name: a\n  - user: the second thing I say\n  - user: three\n    expect: {scenario: none}\n"


SECOND = "  - user: the second thing I say\n"
CHANGES = {
    "reworded": ("one", "uno", "turn 1 says 'uno' now, and the recording answers 'one'"),
    "one more": (SECOND, SECOND + "  - user: x\n", "turn 3 ('x') was not sent when this was recorded"),
    "one less": (SECOND, "", "turn 2 of the recording ('the second thing I say') is not sent by the script as it is now"),
    "one before": ("  - user: one", "  - user: zero\n  - user: one", "turn 1 ('zero') was not sent when this was recorded"),
    "held back": (
        SECOND,
        SECOND + "    when: {rules: [x]}\n",
        "turn 2 of the recording ('the second thing I say') is not sent by the script as it is now",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_case_whose_conversation_changed_is_never_judged_on_the_wrong_turn(change: str) -> None:
    """It is errored, and says which turn differs; turns are matched as a comparison matches them."""
    was, now, why = CHANGES[change]
    terms, lines = played(BASE)
    judge, found = again(BASE.replace(was, now, 1), lines, terms)
    assert (judge.verdict, judge.reason) == (Verdict.ERRORED, why)
    assert orjson.loads(found[-1])["fault"]["kind"] == "conversation-changed"
    *_, third, _ = map(orjson.loads, found)
    assert third["results"][0]["outcome"] == "skipped"


def test_a_turn_that_was_held_back_and_is_sent_now_does_not_fit() -> None:
    """What was never sent has no reply to judge."""
    text = "turns:\n  - user: A REFUND\n  - user: more\n    when: {rules: [greet]}\n    expect: {scenario: none}\n"
    terms, lines = played(text)
    judge, _ = again(text.replace("[greet]", "[refund]"), lines, terms)
    assert judge.verdict is Verdict.ERRORED
    assert judge.reason == "turn 2 ('more') was not sent when this was recorded"


def test_any_wording_of_a_turn_fits() -> None:
    """A turn that was recorded in one of its wordings is judged, whichever comes first now."""
    terms, lines = played("turns:\n  - user: [hi, hello]\n    expect: {scenario: none}\n")
    judge, _ = again("turns:\n  - user: [good morning, hello, hi]\n    expect: {scenario: none}\n", lines, terms)
    assert judge.verdict is Verdict.PASSED


def test_a_secret_that_was_kept_out_of_the_record_is_no_difference() -> None:
    """Where the record is redacted, what stands around it decides."""
    text = "turns:\n  - user: my key is sk-abcdefghijklmnopqrstuvwx, ok\n    expect: {scenario: none}\n"
    terms, lines = played(text)
    assert b"sk-abc" not in lines[1]
    assert again(text, lines, terms)[0].verdict is Verdict.PASSED
    assert again(text.replace("my key", "the key"), lines, terms)[0].verdict is Verdict.ERRORED


def standing(text: str) -> Standing:
    """A talk as it was judged."""
    terms, lines = played(text)
    script = script_of(text)
    case = next(iter(cases_of(script, 1, "rotate")))
    return Standing(Rejudge(case, PreparedScript(script), terms.policy), recorded_of(lines))


def with_reply(turn: TurnRecord, **changes: Any) -> TurnRecord:
    assert turn.reply is not None
    return replace(turn, reply=replace(turn.reply, **changes))


def test_one_altered_turn_is_judged_with_the_conversation() -> None:
    """The altered turn fails its own expectation, and the conversation's; the others are left as they were."""
    talk = standing(
        "turns:\n  - user: A REFUND\n    expect: {rules: [refund]}\n  - user: call:note this\n    expect: {tools: [note]}\n"
        "conversation:\n  - count: {tool: note, times: 1}\n"
    )
    assert talk.judged.verdict is Verdict.PASSED
    lost = talk.altered(0, with_reply(talk.turns[0], rules=(RuleMatch("greet"),)))
    assert [(turn, result.key) for turn, result in lost.bad] == [(0, "rules")]
    silent = talk.altered(1, with_reply(talk.turns[1], tools=()))
    assert [(turn, result.key) for turn, result in silent.bad] == [(1, "tools"), (None, "conversation.count")]
    assert talk.altered(0, talk.turns[0]).verdict is Verdict.PASSED


def test_what_an_altered_turn_saves_reaches_the_turns_after_it() -> None:
    """A value saved from the altered reply is what later expectations are filled with."""
    talk = standing(
        "turns:\n  - user: number 4711\n    save: {text: response.text}\n  - user: well\n  - user: number 4711\n"
        '    expect: {response: {equals: "{{ text }}"}}\nconversation:\n  - saved: {text: "You said: number 4711"}\n'
    )
    assert talk.judged.verdict is Verdict.PASSED
    assert talk.altered(1, with_reply(talk.turns[1], response="else")).verdict is Verdict.PASSED
    other = talk.altered(0, with_reply(talk.turns[0], response="else"))
    assert [(turn, result.key) for turn, result in other.bad] == [(2, "response.equals"), (None, "conversation.saved")]


def test_python_of_the_suite_may_look_back(tmp_path: Path) -> None:
    """A later turn is judged again where its expectation can see the altered one."""
    (tmp_path / "look.py").write_text("def same(moment):\n    return moment.turns[0].reply.response == 'You said: hi'\n")
    text = "turns:\n  - user: hi\n  - user: again\n    expect: {python: look.py:same}\n"
    script = script_of(text)
    case = next(iter(cases_of(script, 1, "rotate")))
    terms = Terms(engine=Desk(), clock=fixed_clock(), root=tmp_path)
    lines: list[bytes] = []
    asyncio.run(Attempt(case, PreparedScript(script), terms, lines.append).play())
    talk = Standing(Rejudge(case, PreparedScript(script), terms.policy), recorded_of(lines))
    assert talk.judged.verdict is Verdict.PASSED
    assert talk.altered(0, with_reply(talk.turns[0], response="else")).verdict is not Verdict.PASSED


def test_other_stored_messages_are_judged_with_what_was_said() -> None:
    """A message that is lost fails `records: consistent`."""
    talk = standing("turns:\n  - user: hi\n  - user: bye\nconversation:\n  - records: consistent\n")
    messages = talk.messages
    assert isinstance(messages, tuple)
    assert talk.with_messages(messages).verdict is Verdict.PASSED
    assert talk.with_messages(messages[:-1]).verdict is Verdict.FAILED
