"""`records`, `feedback`: the messages an engine stores, against what was said."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from focal_eval.checks import judge_check
from focal_eval.checks.stored import MOST
from focal_eval.records import (
    UNKNOWN,
    Citation,
    Finding,
    MessageRecord,
    Outcome,
    Reply,
    RuleMatch,
    ScenarioState,
    Tokens,
    ToolCall,
    TurnRecord,
)
from focal_eval.script.masks import COMPARED
from focal_eval.script.suite import TOLERABLE
from tests.checks.judged import check, conversation, judged, only_finding, passes, reading, skipped_for, turn


def findings_of(seen: Any, yaml: str = "consistent") -> tuple[Finding, ...]:
    """What `records` finds."""
    return judged("conversation.records", yaml, seen)[1]


def names_of(seen: Any, yaml: str = "consistent") -> list[str | None]:
    """The names of what `records` finds."""
    return [one.name for one in findings_of(seen, yaml)]


def stored(*messages: tuple[str, str], **details: Any) -> tuple[MessageRecord, ...]:
    """Stored messages from (role, text) or (role, text) with the turn's id after a `@`."""
    out = []
    for role, text in messages:
        body, _, turn_id = text.partition("@")
        out.append(MessageRecord(role, body, turn_id=turn_id or None, **details))
    return tuple(out)


def talk(*messages: MessageRecord, ids: bool = False) -> Any:
    """A conversation of two turns and these stored messages."""
    turns = [turn(i, said, response=reply, turn_id=f"t{i}" if ids else None) for i, (said, reply) in enumerate(SAID)]
    return conversation(*turns, messages=messages)


SAID = (("hi there", "Hello!"), ("bye", "Good  bye.\n\nCome again."))
PLAIN = (("user", "hi there"), ("assistant", "Hello!"), ("user", "bye"), ("assistant", "Good bye. Come again."))
BY_ID = (("user", "hi there@t0"), ("assistant", "Hello!@t0"), ("user", "bye@t1"), ("assistant", "Good bye. Come again.@t1"))


def test_stored_messages_that_agree_pass() -> None:
    """White space is folded, several stored messages of one reply are joined, other roles are left out."""
    assert passes("conversation.records", "consistent", talk(*stored(*PLAIN)))
    assert passes("conversation.records", "consistent", talk(*stored(*BY_ID), ids=True))
    parts = (*PLAIN[:3], ("assistant", "Good bye."), ("tool", "…"), ("assistant", "Come again."))
    assert passes("conversation.records", "{are: consistent}", talk(*stored(*parts)))


@pytest.mark.parametrize(
    ("messages", "ids", "message"),
    [
        ((*PLAIN[:2],), False, "turn 2 is missing from the stored messages"),
        ((PLAIN[0], *PLAIN[2:]), False, "the agent's message of turn 1 is not stored"),
        ((*PLAIN, ("user", "more")), False, "a stored message was never said"),
        ((PLAIN[0], ("assistant", "Hallo!"), *PLAIN[2:]), False, "the agent's message of turn 1 is stored with another text"),
        (BY_ID[2:], True, "turn 1 is missing from the stored messages"),
        ((*BY_ID[:3], ("assistant", "Bye.@t1")), True, "the agent's message of turn 2 is stored with another text"),
        (BY_ID[:3], True, "the agent's message of turn 2 is not stored"),
        ((*BY_ID, ("user", "x@t9")), True, "a stored message was never said"),
        (
            (*BY_ID[2:], *BY_ID[:2]),
            True,
            "stored messages are out of order: user 'hi there' stands after assistant 'Good bye. Come again.'",
        ),
    ],
)
def test_stored_messages_that_disagree_are_named(messages: tuple[tuple[str, str], ...], ids: bool, message: str) -> None:
    """A missing, extra, altered or displaced message is named with its turn, and one fault does not make the rest differ."""
    _, findings, _ = judged("conversation.records", "consistent", talk(*stored(*messages), ids=ids))
    assert findings[0].message == f"{message} ({findings[0].name})"
    assert findings[0].path == ()
    assert len(findings) <= 2
    tolerant = replace(talk(*stored(*messages), ids=ids), tolerated=frozenset(str(one.name) for one in findings))
    outcome, told, _ = judged("conversation.records", "consistent", tolerant)
    assert outcome is Outcome.PASSED
    assert [replace(one, tolerated=False) for one in told] == list(findings)
    assert all(one.tolerated for one in told)


def test_a_changed_text_shows_the_words_that_differ() -> None:
    """What was stored is compared word by word with what was said."""
    found = only_finding("conversation.records", "consistent", talk(*stored(*PLAIN[:3], ("assistant", "Good bye. Come home."))))
    assert found.near == "Good bye. Come [-again.-] {+home.+}"


def test_rules_and_tools_are_compared_where_both_sides_know_them() -> None:
    """A stored record with other rules than the reply reported is a finding; one that knows none is not."""
    reply = turn(0, "hi", response="Hello!", rules=["greet"], tools=["look"])
    good = MessageRecord("assistant", "Hello!", rules=(RuleMatch("greet"),))
    other = MessageRecord("assistant", "Hello!", rules=(RuleMatch("bye"),), tools=())
    user = MessageRecord("user", "hi")
    assert passes("conversation.records", "consistent", conversation(reply, messages=(user, good)))
    _, findings, _ = judged("conversation.records", "consistent", conversation(reply, messages=(user, other)))
    assert [item.message for item in findings] == [
        "the rules of turn 1 are stored otherwise (rules-changed)",
        "the tools of turn 1 are stored otherwise (tools-changed)",
    ]
    assert (findings[0].expected, findings[0].observed) == ("greet", "bye")


@pytest.mark.parametrize(
    ("places", "names"),
    [
        ((None, None), ["turn-not-stored"]),
        ((None, "returns"), ["scenario-start-not-stored"]),
        (("returns", "returns"), ["turn-not-stored"]),
        (("returns", "exchange"), ["scenario-start-not-stored"]),
        ((UNKNOWN, UNKNOWN), ["turn-not-stored"]),
    ],
)
def test_a_lost_turn_that_began_a_scenario_has_a_name_of_its_own(places: tuple[Any, Any], names: list[str]) -> None:
    """Some engines lose just these turns, and a suite that lives with it still wants to hear of others."""
    turns = [
        turn(i, said, response=reply, turn_id=f"t{i}", scenario=ScenarioState(place) if isinstance(place, str) else place)
        for i, ((said, reply), place) in enumerate(zip(SAID, places, strict=True))
    ]
    _, findings, _ = judged("conversation.records", "consistent", conversation(*turns, messages=stored(*BY_ID[:2])))
    assert [one.name for one in findings] == names


def test_what_is_tolerated_hides_nothing_else() -> None:
    """A changed text fails beside a lost turn that is tolerated, and so does a changed order; what counts stands first."""
    changed = talk(*stored(BY_ID[0], ("assistant", "Hallo!@t0")), ids=True)
    assert names_of(changed) == ["text-changed", "turn-not-stored"]
    seen = replace(changed, tolerated=frozenset({"turn-not-stored"}))
    outcome, found, _ = judged("conversation.records", "consistent", seen)
    assert outcome is Outcome.FAILED
    assert [(one.name, one.tolerated) for one in found] == [("text-changed", False), ("turn-not-stored", True)]
    lives = frozenset({"turn-not-stored", "message-never-said"})
    moved = replace(talk(*stored(BY_ID[1], BY_ID[0], ("user", "x@t9")), ids=True), tolerated=lives)
    assert [one.name for one in findings_of(moved) if not one.tolerated] == ["order-changed"]


@pytest.mark.parametrize("ids", [False, True])
def test_a_finding_knows_its_place_on_both_sides(ids: bool) -> None:
    """The turn and side it is about, and the positions of the stored messages: a report shows it there."""
    messages = BY_ID if ids else PLAIN
    tail = "@t1" if ids else ""
    one = findings_of(talk(*stored(*messages[:3], ("assistant", f"Bye.{tail}")), ids=ids))
    assert [(each.turn, each.role, each.stored) for each in one] == [(1, "assistant", (3,))]
    lost = findings_of(talk(*stored(*messages[:2]), ids=ids))
    assert [(each.turn, each.role, each.stored) for each in lost] == [(1, None, ())]
    stray = findings_of(talk(*stored(*messages, ("user", "more" + ("@t9" if ids else ""))), ids=ids))
    assert [(each.turn, each.role, each.stored) for each in stray] == [(None, None, (4,))]


def test_the_order_is_judged_without_ids_too() -> None:
    """Messages that stand with the very words in another place are displaced, neither lost nor never said."""
    moved = talk(*stored(PLAIN[2], PLAIN[3], PLAIN[0], PLAIN[1]))
    found = only_finding("conversation.records", "consistent", moved)
    assert found.name == "order-changed"
    assert found.observed == "turn 2 → turn 2 → turn 1 → turn 1"


@pytest.mark.parametrize(("again", "place"), [(BY_ID[0], 4), (BY_ID[1], 4)])
def test_a_message_stored_twice_was_never_said_again(again: tuple[str, str], place: int) -> None:
    """The second one is the finding; the first is what was said."""
    found = findings_of(talk(*stored(*BY_ID, again), ids=True))
    assert [(one.message, one.stored) for one in found] == [
        ("a stored message stands there once more (message-never-said)", (place,))
    ]


def test_names_of_findings_are_those_a_suite_may_tolerate() -> None:
    """The suite's words are the check's: each part that is compared, each hole."""
    holes = {"message-never-said", "message-not-stored", "order-changed", "scenario-not-stored", "scenario-start-not-stored"}
    holes |= {"tools-not-in-reply", "turn-not-stored", "turn-number-wrong"}
    assert set(TOLERABLE) == holes | {f"{part.replace('_', '-')}-changed" for part in COMPARED}


def test_an_engine_that_keeps_no_messages_is_skipped() -> None:
    """Nothing stored that can be read back is unknown, not inconsistent."""
    assert (
        skipped_for("conversation.records", "consistent", conversation(turn(0, response="x")))
        == "this engine does not report stored messages"
    )
    assert (
        skipped_for("conversation.feedback", "{is: any}", conversation(turn(0, response="x")))
        == "this engine does not report stored messages"
    )


def test_feedback_is_read_from_stored_messages() -> None:
    """The last message's feedback by default, any or every where asked."""
    messages = tuple(MessageRecord("assistant", str(mark), feedback=mark) for mark in (None, {"rating": 1}, {"rating": 5}))
    seen = conversation(turn(0, response="x"), messages=messages)
    assert passes("conversation.feedback", "{is: {rating: 5}}", seen)
    assert passes("conversation.feedback", "{is: {rating: 1}, of: any}", seen)
    assert not passes("conversation.feedback", "{is: {rating: any}, of: every}", seen)
    found = only_finding("conversation.feedback", "{is: absent}", seen)
    assert found.path == ("is",)
    unknown = conversation(turn(0, response="x"), messages=(MessageRecord("assistant", "x"),))
    assert skipped_for("conversation.feedback", "{is: any}", unknown) == "this engine does not report feedback"


ORDER = "look.arguments.order: 'A-1' expected, 'A-2' observed"
SAME: dict[str, Any] = {
    "rules": (RuleMatch("greet", 0.9), RuleMatch("smile")),
    "tools": (ToolCall("look", {"order": "A-1"}, {"total": 20, "at": "10:00"}, id="c1", duration_ms=3.0), ToolCall("note")),
    "scenario": ScenarioState("returns", "confirm"),
    "citations": (Citation("30 days", "policy", index=1),),
    "follow_ups": ("Anything else?",),
    "reasoning": "it is broken",
    "confidence": 0.8,
    "type": "CONTENT",
    "format": "MARKDOWN",
    "model": "small-1",
    "finish_reason": "stop",
    "tokens": Tokens(total=40, prompt=30),
    "cost": 0.002,
    "metadata": {"locale": "en", "trace": {"id": "x", "at": 1}},
}
OTHER: dict[str, Any] = {
    "rules": (RuleMatch("bye"),),
    "tools": (ToolCall("look", {"order": "A-2"}, {"total": 20, "at": "10:01"}), ToolCall("note")),
    "scenario": ScenarioState("returns", "done"),
    "citations": (),
    "follow_ups": ("Bye?",),
    "reasoning": None,
    "confidence": "high",
    "type": "ERROR",
    "format": "HTML",
    "model": "big-2",
    "finish_reason": "length",
    "tokens": Tokens(total=41),
    "cost": 0.003,
    "metadata": {"trace": {"id": "y", "at": 1}},
}


def answered(said: dict[str, Any], kept: dict[str, Any], **around: Any) -> Any:
    """One turn whose reply and whose stored message have these parts."""
    messages = (MessageRecord("user", "hi"), MessageRecord("assistant", "Hello!", **kept))
    return conversation(turn(0, "hi", response="Hello!", **said), messages=messages, **around)


def test_every_part_has_a_sample() -> None:
    """What is compared is what these tests compare."""
    assert {*SAME, "text"} == set(COMPARED) == {*OTHER, "text"}


@pytest.mark.parametrize("part", SAME)
def test_a_part_that_is_stored_otherwise_is_a_finding_of_its_name(part: str) -> None:
    """The same on both sides passes, another one is named, and one that a side does not know is not compared."""
    name = f"{part.replace('_', '-')}-changed"
    assert findings_of(answered({part: SAME[part]}, {part: SAME[part]})) == ()
    found = findings_of(answered({part: SAME[part]}, {part: OTHER[part]}))
    assert [(one.name, one.turn, one.role, one.stored) for one in found] == [(name, 0, "assistant", (1,))]
    assert found[0].expected
    assert found[0].observed
    assert found[0].expected != found[0].observed
    assert findings_of(answered({part: SAME[part]}, {})) == ()
    assert findings_of(answered({}, {part: SAME[part]})) == ()
    assert findings_of(answered({part: SAME[part]}, {part: OTHER[part]}), f"{{mask: {part}}}") == ()
    assert findings_of(answered({part: SAME[part]}, {part: OTHER[part]}, masks=((part,),))) == ()


def test_all_parts_are_compared_at_once() -> None:
    """They are told in one order, whatever the engine."""
    names = [f"{part.replace('_', '-')}-changed" for part in COMPARED if part != "text"]
    assert names_of(answered(SAME, OTHER)) == names


@pytest.mark.parametrize(
    ("said", "kept", "near"),
    [
        ({"tools": SAME["tools"]}, {"tools": OTHER["tools"]}, "look.arguments.order: 'A-1' expected, 'A-2' observed; "),
        ({"rules": SAME["rules"]}, {"rules": OTHER["rules"]}, "not stored: greet and smile; stored only: bye"),
        ({"tools": (ToolCall("a"), ToolCall("a"))}, {"tools": (ToolCall("a"),)}, "not stored: a#2"),
        ({"citations": (Citation("x"),)}, {"citations": (Citation("y", "z"),)}, "0.text: 'x' expected, 'y' observed"),
        ({"metadata": SAME["metadata"]}, {"metadata": OTHER["metadata"]}, "trace.id: 'x' expected, 'y' observed"),
    ],
)
def test_what_differs_is_named_by_its_path(said: dict[str, Any], kept: dict[str, Any], near: str) -> None:
    """A person reads which key of which call differs, and which names only one side has."""
    (found,) = findings_of(answered(said, kept))
    assert found.near is not None
    assert found.near.startswith(near)


@pytest.mark.parametrize(
    ("mask", "left"),
    [
        ("tools.*.result.at", ORDER),
        ("tools.look.result", ORDER),
        ("tools.*.arguments", "look.result.at: '10:00' expected, '10:01' observed"),
        ("[tools.*.arguments.*, tools.look.result.at]", None),
        (
            "tools.note",
            "look.arguments.order: 'A-1' expected, 'A-2' observed; look.result.at: '10:00' expected, '10:01' observed",
        ),
        ("tools", None),
    ],
)
def test_a_mask_leaves_out_a_path_and_nothing_else(mask: str, left: str | None) -> None:
    """`*` is any key; what lies below a masked path is masked with it."""
    seen = answered({"tools": SAME["tools"]}, {"tools": OTHER["tools"]})
    assert [one.near for one in findings_of(seen, f"{{mask: {mask}}}")] == ([left] if left else [])


def test_a_masked_text_is_not_compared() -> None:
    """An engine may store other words on purpose, such as ones without personal data."""
    seen = talk(*stored(*PLAIN[:3], ("assistant", "Good bye. [removed]")))
    assert findings_of(seen, "{mask: [text]}") == ()


@pytest.mark.parametrize(
    ("yaml", "problem"),
    [
        ("{mask: tool.*.result}", "'tool' is not a part of a message that is compared; did you mean 'tools'?"),
        ("{mask: tools..result}", "'tools..result' is no path; between two dots stands a key, a number or '*'"),
        ("{mask: ''}", "empty"),
        ("{mask: latency_ms}", "'latency_ms' is not a part of a message that is compared"),
    ],
)
def test_a_wrong_mask_is_refused(yaml: str, problem: str) -> None:
    """A path that leads nowhere would mask nothing for ever."""
    _, problems = reading("conversation.records", yaml)
    assert len(problems) == 1
    assert problem.replace("is not a part", "is no part") in problems[0]


def test_what_was_replayed_before_the_first_turn_is_no_stranger() -> None:
    """History that an engine was told by talking is stored, too; it is neither judged nor taken for a message nobody sent."""
    before = TurnRecord(-1, "earlier", Reply(response="Once.", turn_id="t-1"))
    messages = stored(("user", "earlier@t-1"), ("assistant", "Once upon a time.@t-1"), *BY_ID)
    seen = replace(talk(*messages, ids=True), before=(before,))
    assert findings_of(seen) == ()
    plain = replace(talk(*stored(("user", "earlier"), ("assistant", "Once."), *PLAIN)), before=(before,))
    assert findings_of(plain) == ()
    assert names_of(talk(*messages, ids=True)) == ["message-never-said", "message-never-said"]


def test_a_user_who_said_nothing_has_no_message() -> None:
    """Where the agent speaks first, an empty message of the user's is none, and one with words is a stranger."""
    first = turn(0, None, response="Hello!", turn_id="t0")
    agent = MessageRecord("assistant", "Hello!", turn_id="t0")
    assert findings_of(conversation(first, messages=(MessageRecord("user", "", turn_id="t0"), agent))) == ()
    stranger = MessageRecord("user", "buy now", turn_id="t0")
    assert names_of(conversation(first, messages=(stranger, agent))) == ["message-never-said"]


def test_a_reply_without_text_is_not_compared() -> None:
    """What the engine does not report is unknown: its stored words are neither wrong nor strange."""
    seen = conversation(turn(0, "hi", turn_id="t0"), messages=stored(("user", "hi@t0"), ("assistant", "Hello!@t0")))
    assert findings_of(seen) == ()


def test_the_holes_of_an_engine_have_names_of_their_own() -> None:
    """Tools that only the record has, a scenario that it lacks, a number that is not the turn's."""
    reply = {"tools": (ToolCall("look"),), "scenario": ScenarioState("returns"), "metadata": {"holes": ["tools-not-in-reply"]}}
    kept = {"tools": (ToolCall("look"),), "scenario": None, "metadata": {"turn_number": 2}}
    found = findings_of(answered(reply, kept))
    assert [(one.message, one.expected, one.observed) for one in found] == [
        ("the scenario of turn 1 is not stored (scenario-not-stored)", "'returns'", "null"),
        (
            "the reply of turn 1 lists no tools, and its stored message does (tools-not-in-reply)",
            "look",
            "no tools in the reply",
        ),
        ("turn 1 is stored as number 2 (turn-number-wrong)", "number 1", "number 2"),
    ]
    good = kept | {"scenario": ScenarioState("returns", "confirm"), "metadata": {"turn_number": 1}}
    assert findings_of(answered(reply | {"metadata": {"holes": []}}, good)) == ()


def test_very_many_findings_are_counted() -> None:
    """A store full of strangers does not fill a report; those that are tolerated do not hide those that are not."""
    strangers = [MessageRecord("user", f"buy {number}") for number in range(3 * MOST)]
    seen = conversation(turn(0, "hi", response="Hello!"), messages=strangers)
    found = findings_of(seen)
    assert len(found) == MOST + 1
    assert found[-1].message == f"and {2 * MOST + 1} more findings about stored messages"
    lives = findings_of(replace(seen, tolerated=frozenset({"message-never-said"})))
    assert [one.name for one in lives if not one.tolerated] == ["message-not-stored", "text-changed"]
    assert lives[-1].tolerated


def test_a_big_conversation_is_compared_soon() -> None:
    """Two thousand turns of which every other reply is stored otherwise."""
    turns = [turn(index, f"message {index}", response=f"answer {index}") for index in range(2_000)]
    messages = [
        message
        for index in range(2_000)
        for message in (MessageRecord("user", f"message {index}"), MessageRecord("assistant", f"answer {index + index % 2}"))
    ]
    outcome, found, _ = judge_check(check("conversation.records", "consistent"), conversation(*turns, messages=messages))
    assert outcome is Outcome.FAILED
    assert {one.name for one in found[:MOST]} == {"text-changed"}
