"""The operators on recorded turns: what each changes, and that it changes nothing else."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from focal_eval.experiment.trace_mutants import OPERATORS, Altered, altered, mirrored
from focal_eval.experiment.trace_scene import Known, Scene
from focal_eval.experiment.trace_words import altered_text, negated, sentences
from focal_eval.records import (
    UNKNOWN,
    Candidate,
    Citation,
    Enforcement,
    MessageRecord,
    Reply,
    RuleMatch,
    ScenarioState,
    ToolCall,
    Transition,
    TurnRecord,
)
from tests.runner.desk import script_of

BEFORE = Reply(response="Hello.", scenario=ScenarioState("returns", "ask"), variables={"order": None, "old": 1})
REPLY = Reply(
    response="You can return it. It costs 4.95.\n\nIs that right?",
    messages=("You can return it. It costs 4.95.", "Is that right?"),
    rules=(RuleMatch("offer", 1.0), RuleMatch("label")),
    candidates=(Candidate("offer"), Candidate("late", suppressed="near-miss"), Candidate("gold", suppressed="scope")),
    tools=(
        ToolCall("lookup", {"order_id": "A-1003", "deep": {"ok": True, "counts": [1]}}, {"found": True, "price": 4.5}),
        ToolCall("label", {}, None),
    ),
    scenario=ScenarioState("returns", "confirm"),
    transitions=(
        Transition("transition", "ask", "confirm", "returns"),
        Transition("continue", "confirm", "confirm", "returns"),
    ),
    template="confirm-return",
    enforcement=(Enforcement("limit", "passed"),),
    outcome="awaiting-user",
    variables={"order": "A-1003", "old": 1},
    citations=(Citation(source="policy"), Citation(source="faq")),
    follow_ups=("Yes", "No"),
    turn_id="t2",
)
AFTER = Reply(response="Done.", scenario=None)
KNOWN = Known({"offer", "label", "late"}, {"lookup", "label", "refund"}, {"confirm-return", "welcome"})
SCRIPT = script_of("turns:\n  - user: hello\n  - user: my A-1003\n  - user: yes\n")
TURNS = (TurnRecord(0, "hello", BEFORE), TurnRecord(1, "my A-1003", REPLY), TurnRecord(2, "yes", AFTER))


def made(operator: str, reply: Reply = REPLY) -> list[Altered]:
    """The mutants an operator makes of the second turn."""
    turns = (TURNS[0], replace(TURNS[1], reply=reply), TURNS[2])
    found = altered(SCRIPT, turns, UNKNOWN, KNOWN)
    return [item for item in found if item.mutant.operator == operator and item.index == 1]


def replies(operator: str) -> list[Reply]:
    out = []
    for item in made(operator):
        assert item.turn is not None
        assert item.turn.reply is not None
        out.append(item.turn.reply)
    return out


def calls_of(reply: Reply) -> tuple[ToolCall, ...]:
    assert reply.tools is not UNKNOWN
    return reply.tools


@pytest.mark.parametrize("operator", OPERATORS)
def test_an_operator_changes_its_lane_and_nothing_else(operator: str) -> None:
    """Every mutant differs from the record, in the fields of its lane alone, and says so in a sentence."""
    found = made(operator)
    assert found
    lane = {"response": {"response", "messages"}}.get(OPERATORS[operator].lane, {OPERATORS[operator].lane})
    for item in found:
        assert item.turn is not None
        reply = item.turn.reply
        assert reply is not None
        changed = {spec.name for spec in fields(Reply) if getattr(reply, spec.name) != getattr(REPLY, spec.name)}
        assert changed
        assert changed <= lane
        assert item.mutant.text.startswith("turn 2: ")
        assert (item.mutant.file, item.mutant.line) == ("talk.yaml", 3)


@pytest.mark.parametrize("operator", OPERATORS)
def test_what_an_engine_does_not_report_cannot_be_altered(operator: str) -> None:
    """Unknown is neither empty nor something: there is nothing to take out of it."""
    assert made(operator, Reply()) == []


def test_ids_are_stable_and_tell_mutants_apart() -> None:
    """The same record gives the same ids, each once."""
    ids = [item.mutant.id for item in altered(SCRIPT, TURNS, UNKNOWN, KNOWN)]
    assert len(ids) == len(set(ids))
    assert ids == [item.mutant.id for item in altered(SCRIPT, TURNS, UNKNOWN, KNOWN)]


def test_calls_are_lost_doubled_moved_and_added() -> None:
    """Each in every place there is; a call that is added is one of a tool other turns call."""
    tools = [kind for kind in OPERATORS if "tool" in kind]
    names = {kind: [tuple(call.name for call in calls_of(reply)) for reply in replies(kind)] for kind in tools}
    assert names["drop-tool"] == [("label",), ("lookup",)]
    assert names["duplicate-tool"] == [("lookup", "lookup", "label"), ("lookup", "label", "label")]
    assert names["reorder-tools"] == [("label", "lookup")]
    assert names["add-tool"] == [("lookup", "label", "refund")]


def test_calls_made_at_once_have_no_order_to_change() -> None:
    """Parallel calls are not put in another order: that is no difference."""
    calls = (ToolCall("a", {}, group=1), ToolCall("b", {}, group=1))
    assert made("reorder-tools", replace(REPLY, tools=calls)) == []


def test_arguments_are_changed_leaf_by_leaf() -> None:
    """Texts to the next id, booleans flipped, numbers one more and one less; keys dropped."""
    seen = [(item.mutant.what, item.mutant.before, item.mutant.after) for item in made("change-argument")]
    assert seen == [
        ("argument:lookup.order_id", '"A-1003"', '"A-1004"'),
        ("argument:lookup.deep.ok", "true", "false"),
        ("argument:lookup.deep.counts.0", "1", "2"),
        ("argument:lookup.deep.counts.0", "1", "0"),
    ]
    assert [item.mutant.what for item in made("drop-argument")] == ["argument:lookup.order_id", "argument:lookup.deep"]
    assert [item.mutant.after for item in made("change-result")] == ["false", "5.5", "3.5"]
    assert REPLY.tools[0].arguments == {"order_id": "A-1003", "deep": {"ok": True, "counts": [1]}}  # type: ignore[index]


def test_a_result_that_the_script_says_is_not_altered() -> None:
    """It is the script's word, and no agent could have another one."""
    script = script_of("tools:\n  lookup:\n    - returns: {found: true}\nturns:\n  - user: hello\n  - user: x\n  - user: yes\n")
    operators = {item.mutant.operator for item in altered(script, TURNS, UNKNOWN, KNOWN)}
    assert operators >= {"drop-tool", "change-argument"}
    assert not operators & {"change-result", "drop-result"}


def test_rules_that_were_near_or_dropped_match_first() -> None:
    """Where there are none, a rule that matches elsewhere does."""
    assert [item.mutant.what for item in made("add-rule")] == ["rule:late", "rule:gold"]
    assert [item.mutant.what for item in made("add-rule", replace(REPLY, candidates=UNKNOWN))] == ["rule:late"]
    assert [item.mutant.what for item in made("drop-rule")] == ["rule:offer", "rule:label"]


def test_the_scenario_stays_goes_on_or_is_left() -> None:
    """As the turn before, as the turn after, and not at all; the edge that was no move is not lost."""
    assert [reply.scenario for reply in replies("stay-step")] == [ScenarioState("returns", "ask")]
    assert [reply.scenario for reply in replies("skip-step")] == [None]
    assert [reply.scenario for reply in replies("leave-scenario")] == [None]
    assert [len(reply.transitions) for reply in replies("drop-transition")] == [1]  # type: ignore[arg-type]


def test_only_what_a_turn_set_is_taken_back() -> None:
    """A variable that stood there before is not this turn's."""
    assert [reply.variables for reply in replies("keep-variable")] == [{"order": None, "old": 1}]
    assert [reply.variables for reply in replies("change-variable")] == [{"order": "A-1004", "old": 1}]


def test_responses_are_altered_within_their_messages() -> None:
    """The response stays what its messages say."""
    for operator in (name for name, one in OPERATORS.items() if one.lane == "response"):
        for reply in replies(operator):
            assert reply.response == "\n\n".join(reply.messages)
    assert [reply.messages for reply in replies("drop-sentence")] == [
        ("It costs 4.95.", "Is that right?"),
        ("You can return it.", "Is that right?"),
        ("You can return it. It costs 4.95.",),
    ]
    assert [reply.messages[0] for reply in replies("swap-sentences")] == ["It costs 4.95. You can return it."]
    assert [item.mutant.after for item in made("negate-sentence")] == [
        "You cannot return it.",
        "It does not cost 4.95.",
        "Is not that right?",
    ]
    assert [item.mutant.after for item in made("change-number")] == ["4.96"]


@pytest.mark.parametrize(
    ("sentence", "language", "opposite"),
    [
        ("You cannot return it.", "en", "You can return it."),
        ("Nothing was changed.", "en", "Everything was changed."),
        ("It does not fit.", "en", "It does fit."),
        ("We will call you.", "en", "We will not call you."),
        ("Sie können das zurückgeben.", "de", "Sie können nicht das zurückgeben."),
        ("Das geht nicht mehr.", "de", "Das geht mehr."),
        ("Es ist keine Rückgabe möglich.", None, "Es ist eine Rückgabe möglich."),
        ("No puede devolverlo.", "es", "Puede devolverlo."),
        ("El pedido está en camino.", "es", "El pedido no está en camino."),
        ("Nunca llega tarde.", None, "Siempre llega tarde."),
        ("Thanks!", "en", None),
    ],
)
def test_a_sentence_is_turned_around(sentence: str, language: str | None, opposite: str | None) -> None:
    """A negation is taken out, else put in, in the three languages of the tables."""
    found = negated(sentence, language)
    assert found is None if opposite is None else found is not None and found.casefold() == opposite.casefold()


def test_sentences_and_what_parts_them_are_the_text() -> None:
    """Nothing is lost by taking a text apart; a decimal point ends no sentence."""
    text = "It costs 4.95.  Really? Yes!\nGood."
    assert "".join(sentences(text)) == text
    assert sentences(text)[::2] == ["It costs 4.95.", "Really?", "Yes!", "Good."]


@pytest.mark.parametrize(("text", "other"), [("A-1009", "A-1000"), ("gift", "gifu"), ("Zoz", "Zoa"), ("é!", "é!x"), ("", "x")])
def test_another_text_looks_the_same(text: str, other: str) -> None:
    """An id stays an id of its form."""
    assert altered_text(text) == other


def test_stored_messages_follow_the_reply() -> None:
    """What held the reply's words, calls and rules holds the altered ones; what held something else is left."""
    stored = (
        MessageRecord("user", "my A-1003", turn_id="t2"),
        MessageRecord("assistant", REPLY.messages[0], turn_id="t2", rules=REPLY.rules),
        MessageRecord("assistant", REPLY.messages[1], turn_id="t2", rules=()),
        MessageRecord("assistant", REPLY.messages[1], turn_id="t1"),
    )
    changed = replace(REPLY, rules=REPLY.rules[:1], response="A.\n\nB?", messages=("A.", "B?"))  # type: ignore[index]
    found = mirrored(stored, REPLY, changed)
    assert isinstance(found, tuple)
    assert [message.text for message in found] == ["my A-1003", "A.", "B?", REPLY.messages[1]]
    assert [message.rules for message in found] == [UNKNOWN, REPLY.rules[:1], (), UNKNOWN]  # type: ignore[index]


def test_each_stored_message_is_lost_and_doubled() -> None:
    """Two mutants for each; none where the engine keeps nothing."""
    stored = (MessageRecord("user", "hello"), MessageRecord("assistant", "Hello."))
    found = list(altered(SCRIPT, (), stored, KNOWN))
    assert [(item.mutant.operator, len(item.messages)) for item in found] == [  # type: ignore[arg-type]
        ("lose-message", 1),
        ("duplicate-message", 3),
    ] * 2
    assert list(altered(SCRIPT, (), UNKNOWN, KNOWN)) == []


def test_names_are_taken_from_the_records() -> None:
    """What an agent could have done instead is what it does elsewhere in the run."""
    known = Known()
    known.add(TURNS)
    assert (known.rules, known.tools, known.templates) == ({"offer", "label"}, {"lookup", "label"}, {"confirm-return"})
    assert list(OPERATORS["add-tool"].make(Scene(REPLY, None, None, known))) == []


def test_what_an_engine_sends_without_end_is_altered_in_bounds() -> None:
    """Thousands of calls, numbers, sentences and nested values give no more than some thousand mutants, and no wait."""
    nested: dict[str, object] = {}
    for _ in range(500):
        nested = {"in": nested, "n": list(range(50))}
    calls = tuple(ToolCall("lookup", {"order": nested}, {"n": list(range(1_000))}) for _ in range(1_000))
    flood = Reply(
        response="7. " * 50_000,
        rules=tuple(RuleMatch(f"rule-{number}") for number in range(5_000)),
        tools=calls,
        variables={f"v{number}": number for number in range(5_000)},
        follow_ups=("Yes",) * 5_000,
    )
    turns = (TURNS[0], replace(TURNS[1], reply=flood), TURNS[2])
    stored = tuple(MessageRecord("user", "hi") for _ in range(5_000))
    assert sum(1 for _ in altered(SCRIPT, turns, stored, KNOWN)) < 10_000
