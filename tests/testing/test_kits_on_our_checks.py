"""Every check that is built in is held to the kit that others are held to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from focal_eval.checks.base import Aids, Conversation, Moment
from focal_eval.document import Reader, read_text, shape_of
from focal_eval.records import (
    Answer,
    Candidate,
    Citation,
    Enforcement,
    MessageRecord,
    Reply,
    RuleMatch,
    ScenarioState,
    Tokens,
    ToolCall,
    Transition,
    TurnRecord,
    Vote,
)
from focal_eval.registry import find, names
from focal_eval.testing import CheckExample as Ex
from focal_eval.testing import check_conformance, moment, transcript

MUG = Reply(
    "Sorry, your refund of $18.50 is on its way.",
    rules=(RuleMatch("apologise", 0.9), RuleMatch("offer-refund", 0.7)),
    candidates=(Candidate("apologise", 0.9), Candidate("upsell", 0.2, "outranked", "apologise")),
    tools=(ToolCall("lookup", {"id": "A-1", "n": 1}, {"total": 18.5}), ToolCall("refund", {"amount": 18.5})),
    scenario=ScenarioState("returns", "done"),
    transitions=(Transition("transition", "confirm", "done", "returns"),),
    template="refunded",
    enforcement=(Enforcement("limit", "passed"), Enforcement("tone", "fallback", "too harsh")),
    outcome="resolved",
    variables={"tier": "gold"},
    citations=(Citation("30 days", "policy", "https://shop/policy", 1),),
    follow_ups=("Anything else?",),
    reasoning="the mug is broken",
    confidence=0.8,
    metadata={"lane": "a"},
    tokens=Tokens(100, 80, 20),
    latency_ms=40.0,
    progress=("Searching", "Reading policy.md"),
    model="small-2026-10",
    finish_reason="stop",
)
BARE = Reply(
    "Hello",
    rules=(),
    candidates=(),
    tools=(),
    scenario=None,
    transitions=(),
    template=None,
    enforcement=(),
    outcome="fallback",
    variables={},
    citations=(),
    follow_ups=(),
    reasoning=None,
    confidence=0.1,
    metadata={},
    tokens=Tokens(900, 800, 100),
    latency_ms=4000.0,
    progress=(),
    model="big-2026-10",
    finish_reason="length",
)
PRICES = {"prompt": 1000.0, "completion": 1000.0}
KEPT = (MessageRecord("user", "hello"), MessageRecord("assistant", MUG.response if isinstance(MUG.response, str) else ""))
LIKED, DISLIKED = ((KEPT[0], replace(KEPT[1], feedback={"thumb": thumb})) for thumb in ("up", "down"))
LIMIT = "{max: 500}"

EXAMPLES: dict[str, list[Ex]] = {
    "citations": [Ex("policy", MUG, BARE), Ex("{includes: [{url: {matches: shop}}], count: 1}", MUG, BARE)],
    "confidence": [Ex("{at_least: 0.5}", MUG, BARE)],
    "conversation.after": [Ex("{tool: lookup, then: {tool: refund}}", MUG, BARE)],
    "conversation.before": [Ex("{tool: lookup, then: {tool: {refund: {amount: 18.5}}}}", MUG, BARE)],
    "conversation.count": [Ex("{tool: lookup, times: 1}", MUG, BARE), Ex("{text: refund, times: {max: 0}}", BARE, MUG)],
    "conversation.feedback": [
        Ex("{is: {thumb: up}}", transcript(MUG, messages=LIKED), transcript(MUG, messages=DISLIKED)),
    ],
    "conversation.never": [Ex("{tool: refund}", BARE, MUG), Ex("[{rule: apologise}, {scenario: returns/*}]", BARE, MUG)],
    "conversation.records": [
        Ex("consistent", transcript(MUG, messages=KEPT), transcript(MUG, messages=(KEPT[0], MessageRecord("assistant", "x")))),
        Ex("{mask: [tools.*.result]}", transcript(MUG, messages=KEPT), transcript(MUG, messages=KEPT[:1])),
    ],
    "conversation.saved": [
        Ex(
            "{a: 1}",
            Conversation(transcript(MUG).turns, saved={"a": 1}),
            Conversation(transcript(MUG).turns, saved={}),
            blind=True,
        ),
    ],
    "conversation.total_cost": [
        Ex("0.5", Conversation(transcript(MUG).turns, prices=PRICES), Conversation(transcript(BARE).turns, prices=PRICES)),
    ],
    "conversation.total_latency_ms": [Ex("500", MUG, BARE), Ex("{max: 500, clock: engine}", MUG, BARE)],
    "conversation.total_tokens": [Ex("500", MUG, BARE), Ex("{min: 50, max: 500}", MUG, BARE)],
    "conversation.turns": [Ex("1", transcript(MUG), transcript(MUG, BARE), blind=True)],
    "conversation.visits": [Ex("[returns/done]", MUG, BARE), Ex("{exactly: [returns/done]}", MUG, BARE)],
    "cost": [Ex("0.5", moment(MUG, prices=PRICES), moment(BARE, prices=PRICES))],
    "enforcement": [Ex("tone", MUG, BARE), Ex("{clean: true}", BARE, MUG), Ex("{action: {tone: fallback}}", MUG, BARE)],
    "finish_reason": [Ex("stop", MUG, BARE)],
    "follow_ups": [Ex("anything else", MUG, BARE), Ex("{count: 0}", BARE, MUG)],
    "latency_ms": [Ex("500", MUG, BARE), Ex(LIMIT, MUG, BARE)],
    "messages": [Ex("[Hello]", BARE, MUG), Ex("{count: 1, at: {0: {matches: refund}}}", MUG, BARE)],
    "metadata": [Ex("{lane: a}", MUG, BARE)],
    "model": [Ex("{matches: '^small'}", MUG, BARE)],
    "outcome": [Ex("resolved", MUG, BARE)],
    "progress": [Ex("[searching, reading]", MUG, BARE), Ex("{count: 0}", BARE, MUG)],
    "reasoning": [Ex("{matches: mug}", MUG, BARE)],
    "response.contains": [Ex("refund", MUG, BARE), Ex("{text: [Sorry, refund], case: strict}", MUG, BARE)],
    "response.ends_with": [Ex("way.", MUG, BARE)],
    "response.equals": [Ex("hello", BARE, MUG)],
    "response.excludes": [Ex("[refund, credit]", BARE, MUG)],
    "response.golden": [
        Ex("equal", moment(BARE, golden="hello"), moment(MUG, golden="hello")),
        Ex("{policy: similar, at_least: 0.5}", moment(BARE, golden="Hello!"), moment(MUG, golden="Hello!")),
    ],
    "response.is_question": [Ex("true", "Which order?", "Done.")],
    "response.json": [
        Ex("true", '{"a": 1}', "no"),
        Ex("{where: {a: 1}}", '{"a": 1}', '{"a": 2}'),
        Ex("{schema: {required: [a]}}", '{"a": 1}', "{}"),
    ],
    "response.language": [
        Ex(
            "{code: en, among: [en, de]}",
            "The weather is very nice today, is it not?",
            "Das Wetter ist heute wirklich sehr schön.",
        ),
    ],
    "response.matches": [Ex(r"'refund of \$[\d.]+'", MUG, BARE)],
    "response.max_chars": [Ex("10", BARE, MUG)],
    "response.max_words": [Ex("3", BARE, MUG)],
    "response.min_chars": [Ex("10", MUG, BARE)],
    "response.min_words": [Ex("3", MUG, BARE)],
    "response.no_personal_data": [Ex("true", MUG, "Write to ada@example.org")],
    "response.no_provider_error": [Ex("true", MUG, "Error code: 429 - Rate limit reached for requests")],
    "response.no_secrets": [Ex("true", MUG, "Your key is AKIAIOSFODNN7EXAMPLQ")],
    "response.refusal": [Ex("false", MUG, "I'm sorry, but I can't help with that.")],
    "response.similar": [Ex("{to: Hello!, at_least: 0.8}", BARE, MUG)],
    "response.starts_with": [Ex("sorry", MUG, BARE)],
    "rules": [
        Ex("[apologise]", MUG, BARE),
        Ex("{exactly: [apologise, offer-refund], excludes: [upsell]}", MUG, BARE),
        Ex("{suppressed: [upsell]}", MUG, BARE),
    ],
    "scenario": [Ex("returns/done", MUG, BARE), Ex("none", BARE, MUG), Ex("{via: confirm->done}", MUG, BARE)],
    "template": [Ex("refunded", MUG, BARE)],
    "tokens": [Ex("500", MUG, BARE), Ex("{prompt: {max: 100}}", MUG, BARE)],
    "tools": [
        Ex("[lookup, {refund: {amount: {approx: 18.5}}}]", MUG, BARE),
        Ex("{exactly: [{lookup: {id: A-1}}, refund], order: any}", MUG, BARE),
        Ex("{none: true}", BARE, MUG),
        Ex("{count: {lookup: 1}, excludes: [delete]}", MUG, BARE),
    ],
    "variables": [Ex("{tier: gold}", MUG, BARE)],
}

PYTHON = """\
def alone(seen):
    return len(seen.turns) == 1 or f"{len(seen.turns)} turns"
"""


def timed(ms: float) -> list[TurnRecord]:
    """One answered turn whose first token came after so long."""
    return [replace(moment(MUG).turn, first_token_ms=ms)]


def voted(name: str, yaml: str, verdict: str) -> Moment | Conversation:
    """A conversation of one turn with the votes that the check asks for."""
    document = read_text(yaml, "example.yaml")
    assert document.root is not None
    check = shape_of(find("checks", name)).read(document.root, Reader(document))
    talk = Conversation(transcript(MUG).turns)
    seen = moment(MUG) if name.startswith("response.") else talk
    answers = {one.digest: Answer(one.digest, (Vote(verdict),)) for one in check.questions(seen)}
    return replace(seen, aids=Aids(answers))


def examples(name: str, folder: Path) -> list[Ex]:
    """The examples of one check; those of local Python need a file."""
    if name.endswith("python"):
        (folder / "local.py").write_text(PYTHON, encoding="utf-8")
        around = moment if name == "python" else lambda *replies, root: Conversation(transcript(*replies).turns, root=root)
        return [Ex("local.py:alone", around(MUG, root=folder), around(MUG, BARE, root=folder), blind=True)]
    if name == "first_token_ms":
        fast, slow = (replace(moment(MUG), turns=timed(ms)) for ms in (5.0, 5000.0))
        return [Ex("500", fast, slow, blind=True), Ex(LIMIT, fast, slow, blind=True)]
    if name.endswith(".judge"):
        return [Ex(yaml, voted(name, yaml, "pass"), voted(name, yaml, "fail")) for yaml in ("is kind", "{rubric: is kind}")]
    if name == "response.means":
        aids = Aids(fallback="lexical")  # where no encoder is installed
        told = moment(Reply("Your refund of 18.50 is on its way, sorry."), aids=aids), moment(BARE, aids=aids)
        return [
            Ex("Your refund of $18.50 is on its way", *told),
            Ex("{text: [Your refund is on its way], at_least: 0.5}", *told),
        ]
    return EXAMPLES[name]


@pytest.mark.parametrize("name", names("checks", installed=False))
def test_a_check_keeps_every_promise(name: str, tmp_path: Path) -> None:
    """Its forms read, describe and point as promised; it passes and fails as its examples say, and never on the unknown."""
    check_conformance(find("checks", name), examples(name, tmp_path))
