"""Mutants of recorded conversations: each operator a small function in one table, from a turn to the turns it could have been.

An operator changes one thing that an agent may do differently, and nothing else. The stored messages of the turn are changed
alike: an engine that had answered so would have stored it so, and no mutant is to be noticed for disagreeing with itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from focal_eval.experiment import trace_operators as op
from focal_eval.experiment.mutants import Mutant, mutant_id
from focal_eval.experiment.trace_scene import Known, Operator, Scene
from focal_eval.records import UNKNOWN, MessageRecord, Reply, TurnRecord, UnknownType
from focal_eval.script.model import Script
from focal_eval.text import shorten
from focal_eval.value import value

MOST_MESSAGES = 200  # of one conversation that are lost and doubled
SHOWN = 160  # characters of what stood there
Messages = tuple[MessageRecord, ...] | UnknownType

OPERATORS: Mapping[str, Operator] = {
    "drop-tool": Operator("tools", op.drop_tool, "a tool call is lost"),
    "duplicate-tool": Operator("tools", op.duplicate_tool, "a tool call is made twice"),
    "reorder-tools": Operator("tools", op.reorder_tools, "two tool calls change places"),
    "add-tool": Operator("tools", op.add_tool, "a tool nobody asked for is called"),
    "change-argument": Operator("tools", op.change_argument, "an argument has another value"),
    "drop-argument": Operator("tools", op.drop_argument, "an argument is missing"),
    "change-result": Operator("tools", op.change_result, "a tool gave another result"),
    "drop-result": Operator("tools", op.drop_result, "a part of a tool's result is missing"),
    "drop-rule": Operator("rules", op.drop_rule, "a rule does not match"),
    "add-rule": Operator("rules", op.add_rule, "a rule matches that did not"),
    "stay-step": Operator("scenario", op.stay_step, "the scenario stays where it was"),
    "skip-step": Operator("scenario", op.skip_step, "the scenario is a step further"),
    "leave-scenario": Operator("scenario", op.leave_scenario, "the scenario is left"),
    "drop-transition": Operator("transitions", op.drop_transition, "an edge is not taken"),
    "change-template": Operator("template", op.change_template, "another template is used"),
    "change-outcome": Operator("outcome", op.change_outcome, "the turn ends otherwise"),
    "change-variable": Operator("variables", op.change_variable, "a variable that was set has another value"),
    "keep-variable": Operator("variables", op.keep_variable, "a variable is not set"),
    "drop-enforcement": Operator("enforcement", op.drop_enforcement, "a hard constraint is not looked at"),
    "blank-response": Operator("response", op.blank_response, "nothing is said"),
    "drop-sentence": Operator("response", op.drop_sentence, "a sentence is missing"),
    "swap-sentences": Operator("response", op.swap_sentences, "two sentences change places"),
    "negate-sentence": Operator("response", op.negate_sentence, "a sentence says the opposite"),
    "change-number": Operator("response", op.change_number, "a number is another one"),
    "drop-citation": Operator("citations", op.drop_citation, "a source is not named"),
    "drop-follow-up": Operator("follow_ups", op.drop_follow_up, "a follow-up is not suggested"),
}
"""Operators on turns, by name. None is left out of the score: that the order of sentences is often free shows in its own line.

One thing is not altered, whatever the operator: the result of a tool that the script itself answers. It is what the script
says, not what the agent did, and no agent could have another one.
"""

STORED: Mapping[str, str] = {
    "lose-message": "a stored message is lost",
    "duplicate-message": "a message is stored twice",
}
"""Operators on the stored messages."""


@value
class Altered:
    """A mutant with what it puts in the record's place."""

    mutant: Mutant
    lane: str  # the field of the reply it changes, or "messages"
    index: int | None  # position of the turn; None of stored messages
    turn: TurnRecord | None = None
    messages: Messages = UNKNOWN  # all of them, where they are what is altered


def altered(script: Script, turns: Sequence[TurnRecord], messages: Messages, known: Known) -> Iterator[Altered]:
    """Every mutant of a recorded conversation; none leaves the record as it was. The same change has the same id."""
    before: Reply | None = None
    answered = frozenset(stub.tool for stub in script.stubs)
    for index, record in enumerate(turns):
        if record.reply is None:
            continue
        following = next((later.reply for later in turns[index + 1 :] if later.reply is not None), None)
        scene = Scene(record.reply, before, following, known, answered)
        for name, operator in OPERATORS.items():
            yield from _of_turn(script, index, record, name, operator, scene)
        before = record.reply
    if messages is not UNKNOWN:
        yield from _of_messages(script, messages)


def _of_turn(script: Script, index: int, record: TurnRecord, name: str, operator: Operator, scene: Scene) -> Iterator[Altered]:
    turn = script.turn_at(index, record.state)
    assert turn is not None, "the record was judged with this script"
    place = str(index) if record.state is None else f"{index} {record.state}"
    seen: dict[tuple[str, str, str], int] = {}
    for draft in operator.make(scene):
        if all(_same(getattr(scene.reply, field), new) for field, new in draft.changes.items()):
            continue
        reply = replace(scene.reply, **draft.changes)
        mark = draft.what, draft.before, draft.after
        number = seen[mark] = seen.get(mark, -1) + 1
        mutant = Mutant(
            id=mutant_id(name, draft.what, script.id, place, draft.before, draft.after, str(number)),
            tier="trace",
            operator=name,
            what=draft.what,
            file=turn.span.file,
            line=turn.span.line,
            before=shorten(draft.before, SHOWN),
            after=shorten(draft.after, SHOWN),
            text=f"turn {index + 1}: {draft.text}",
        )
        yield Altered(mutant, operator.lane, index, replace(record, reply=reply))


def _same(old: Any, new: Any) -> bool:
    """Whether a field is as it was; tuples are compared by their length first, which Python does not."""
    if isinstance(old, tuple) and isinstance(new, tuple) and len(old) != len(new):
        return False
    return bool(old == new)


def _of_messages(script: Script, messages: tuple[MessageRecord, ...]) -> Iterator[Altered]:
    for place, message in enumerate(messages[:MOST_MESSAGES]):
        lost = (*messages[:place], *messages[place + 1 :])
        twice = (*messages[: place + 1], *messages[place:])
        said = f"{message.role}: {message.text or ''}"
        for name, kept, after in (("lose-message", lost, ""), ("duplicate-message", twice, f"{said} (twice)")):
            mutant = Mutant(
                id=mutant_id(name, f"message:{place + 1}", script.id, said),
                tier="trace",
                operator=name,
                what=f"message:{place + 1}",
                file=script.span.file,
                line=script.span.line,
                before=shorten(said, SHOWN),
                after=shorten(after, SHOWN),
                text=f"{STORED[name]}: number {place + 1}, of the {message.role}",
            )
            yield Altered(mutant, "messages", None, None, kept)


_SHARED = ("rules", "tools", "scenario", "citations", "follow_ups")


def mirrored(messages: Messages, reply: Reply, changed: Reply) -> Messages:
    """The stored messages with those of the reply changed alike, wherever they held what the reply held."""
    if messages is UNKNOWN:
        return messages
    ours = {place for place, message in enumerate(messages) if message.role == "assistant" and _of_reply(message, reply)}
    if reply.turn_id is None and len(ours) != 1:
        return messages  # the same words were said in several turns
    return tuple(_mirrored(message, reply, changed) if place in ours else message for place, message in enumerate(messages))


def _of_reply(message: MessageRecord, reply: Reply) -> bool:
    """Whether a stored message is one of a reply: by the turn's id, where the engine gives none by its text."""
    if reply.turn_id is not None:
        return message.turn_id == reply.turn_id
    return message.text is not None and (message.text == reply.response or message.text in reply.messages)


def _mirrored(message: MessageRecord, reply: Reply, changed: Reply) -> MessageRecord:
    new: dict[str, Any] = {
        name: getattr(changed, name)
        for name in _SHARED
        if getattr(message, name) == getattr(reply, name) and getattr(changed, name) != getattr(reply, name)
    }
    if changed.response != reply.response:
        if message.text == reply.response and changed.response is not UNKNOWN:
            new["text"] = changed.response
        elif message.text in reply.messages and len(changed.messages) == len(reply.messages):
            new["text"] = changed.messages[reply.messages.index(message.text)]
    return replace(message, **new) if new else message
