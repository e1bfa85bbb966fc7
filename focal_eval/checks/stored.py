"""`conversation.records`, `conversation.feedback`: what the engine keeps of the conversation, against what was said.

Texts are compared after folding white space alone; the parts of a reply where both sides know them. Every finding has a name,
by which a suite may tolerate what is known of its engine: it is then told, and fails nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, ClassVar, Literal

from focal_eval.checks.base import Conversation, ConversationCheck, Unreported, written_short
from focal_eval.checks.passages import quoted, word_diff
from focal_eval.checks.reported import not_reported
from focal_eval.checks.said import Kept, Pairing, Said, bare, bare_of, kept_in, paired, said_in
from focal_eval.checks.stored_parts import changed_parts
from focal_eval.records import UNKNOWN, Finding, MessageRecord, TurnRecord
from focal_eval.script.conditions import Mismatch
from focal_eval.script.masks import MASKS, Mask
from focal_eval.script.matchers import Matcher
from focal_eval.script.wording import ABSENT
from focal_eval.text import listed

WHO = {"user": "the user's message", "assistant": "the agent's message"}
QUOTED = 400  # characters of a text that is stored otherwise
MOST = 100  # findings told one by one
TOOLS_NOT_IN_REPLY = "tools-not-in-reply"


@dataclass(frozen=True, slots=True)
class Records(ConversationCheck):
    """The engine's stored messages agree with what was said: texts, order, and the parts of each reply."""

    short: ClassVar[str] = "are"
    needs: ClassVar[frozenset[str]] = frozenset({"messages_stored"})
    are: Literal["consistent"] = "consistent"
    mask: Annotated[tuple[Mask, ...], MASKS] = field(
        default=(), metadata={"doc": "Paths of stored messages that are not compared, such as tools.*.result.at."}
    )
    brief: bool = written_short()

    def judge(self, seen: Conversation) -> tuple[Finding, ...]:
        if seen.messages is UNKNOWN:
            raise Unreported(not_reported("messages_stored"))
        turns = (*seen.before, *(turn for turn in seen.turns if turn.reply is not None))
        pairing = paired(turns, kept_in(seen.messages))
        counted: list[Finding] = []
        tolerated: list[Finding] = []
        for item in _findings(turns, pairing, (*seen.masks, *self.mask)):
            lives = item.name in seen.tolerated
            told = replace(item, message=f"{item.message} ({item.name})", tolerated=lives)
            (tolerated if lives else counted).append(told)
        return (*_most(counted), *_most(tolerated))

    def describe(self) -> str:
        return "stored messages agree with what was said"


def _most(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """The findings, the first of very many and how many more."""
    if len(findings) <= MOST:
        return tuple(findings)
    more = f"and {len(findings) - MOST:,} more findings about stored messages"
    return (*findings[:MOST], Finding(more, tolerated=findings[0].tolerated))


def _findings(turns: Sequence[TurnRecord], pairing: Pairing, masks: Sequence[Mask]) -> Iterator[Finding]:
    """What does not agree, in the order of the conversation; then what nobody said, and the order of the whole."""
    found = [(said.turn.index, 1, item) for said, group in pairing.pairs for item in _compared(said, group, masks)]
    found += [(item.turn, 0, item) for item in _lost(turns, pairing) if item.turn is not None]
    found += [(item.turn, 2, item) for item in _holes(turns, pairing) if item.turn is not None]
    found.sort(key=lambda entry: entry[:2])
    yield from (item for index, _, item in found if index >= 0)  # what was replayed before the first turn is not judged
    known = {turn.reply.turn_id for turn in turns if turn.reply is not None}
    for kept in pairing.strays:
        again = kept.message.turn_id is not None and kept.message.turn_id in known
        what = "a stored message stands there once more" if again else "a stored message was never said"
        yield Finding(what, "no such message", shown(kept.message), name="message-never-said", stored=(kept.place,))
    if pairing.moved is not None:
        yield _out_of_order(pairing, *pairing.moved)


def _out_of_order(pairing: Pairing, here: Kept, before: Kept) -> Finding:
    turn = {kept.place: said.turn.index for said, group in pairing.pairs for kept in group}
    places = sorted(turn)
    found = " → ".join(f"turn {turn[place] + 1}" for place in places[:12]) + (" → …" if len(places) > 12 else "")
    said = f"stored messages are out of order: {shown(here.message)} stands after {shown(before.message)}"
    order = "the order in which they were said"
    return Finding(
        said, order, found, name="order-changed", turn=turn[here.place], role=here.message.role, stored=(here.place,)
    )


def _lost(turns: Sequence[TurnRecord], pairing: Pairing) -> Iterator[Finding]:
    """What is not stored: a whole turn as one finding, else the message."""
    begun = _begun(turns)
    stored = {said.turn.index for said, _ in pairing.pairs}
    told: set[int] = set()
    for item in pairing.lost:
        index = item.turn.index
        if index in stored:
            what = f"{WHO[item.role]} of turn {index + 1} is not stored"
            yield Finding(
                what, quoted(item.text, QUOTED), "nothing stored", name="message-not-stored", turn=index, role=item.role
            )
        elif index not in told:
            told.add(index)
            name = "scenario-start-not-stored" if index in begun else "turn-not-stored"
            said = " → ".join(quoted(one.text, QUOTED // 2) for one in said_in([item.turn]))
            yield Finding(
                f"turn {index + 1} is missing from the stored messages", said, "nothing stored", name=name, turn=index
            )


def _begun(turns: Sequence[TurnRecord]) -> set[int]:
    """The turns that began a scenario, by index; some engines lose just these."""
    out: set[int] = set()
    before: str | None = None
    for turn in turns:
        place = UNKNOWN if turn.reply is None else turn.reply.scenario
        if place is UNKNOWN:
            continue
        if place is not None and place.id != before:
            out.add(turn.index)
        before = None if place is None else place.id
    return out


def _compared(said: Said, group: Sequence[Kept], masks: Sequence[Mask]) -> Iterator[Finding]:
    """One message against what is stored of it: its text, then what goes with it."""
    number = said.turn.index + 1
    about: dict[str, Any] = {
        "turn": said.turn.index,
        "role": said.role,
        "stored": tuple(kept.place for kept in group),
    }
    wanted, found = bare(said.text), bare_of(group)
    if wanted != found and ("text",) not in masks:
        what = f"{WHO[said.role]} of turn {number} is stored with another text"
        near = word_diff(wanted, found)
        yield Finding(what, quoted(wanted, QUOTED), quoted(found, QUOTED), near, name="text-changed", **about)
    if said.role != "assistant" or said.turn.reply is None:
        return
    for part in changed_parts(said.turn.reply, group, masks):
        lacking = part.part == "scenario" and part.stored == "null"
        verb = "is" if part.part in SINGLE else "are"
        words = part.part.replace("_", " ")
        what = f"the {words} of turn {number} {verb} {'not stored' if lacking else 'stored otherwise'}"
        name = "scenario-not-stored" if lacking else f"{part.part.replace('_', '-')}-changed"
        yield Finding(what, part.said, part.stored, part.near, name=name, **about)


SINGLE = frozenset(
    {"scenario", "reasoning", "confidence", "type", "format", "model", "finish_reason", "cost", "metadata"}
)  # parts that are one thing


def _holes(turns: Sequence[TurnRecord], pairing: Pairing) -> Iterator[Finding]:
    """What the engine tells wrongly beside the messages themselves: tools that only the record has, a turn's number."""
    kept = {said.turn.index: group for said, group in pairing.pairs if said.role == "assistant"}
    answered = 0
    for turn in turns:
        answered += 1
        group = kept.get(turn.index)
        if group is None or turn.reply is None:
            continue
        about: dict[str, Any] = {"turn": turn.index, "role": "assistant", "stored": tuple(one.place for one in group)}
        number, tools = turn.index + 1, turn.reply.tools
        metadata = turn.reply.metadata
        holes = metadata.get("holes") if isinstance(metadata, Mapping) else None
        if isinstance(holes, list) and TOOLS_NOT_IN_REPLY in holes and tools is not UNKNOWN:
            what = f"the reply of turn {number} lists no tools, and its stored message does"
            names = listed([call.name for call in tools], most=12)
            yield Finding(what, names, "no tools in the reply", name=TOOLS_NOT_IN_REPLY, **about)
        counts = group[-1].message.metadata
        count = counts.get("turn_number") if isinstance(counts, Mapping) else None
        if isinstance(count, int) and count != answered:
            what = f"turn {number} is stored as number {count}"
            yield Finding(what, f"number {answered}", f"number {count}", name="turn-number-wrong", **about)


def shown(message: MessageRecord) -> str:
    """A stored message in a few words."""
    return f"{message.role} {quoted(message.text or '', 60)}"


@dataclass(frozen=True, slots=True)
class Feedback(ConversationCheck):
    """The feedback stored with the agent's messages."""

    needs: ClassVar[frozenset[str]] = frozenset({"messages_stored"})
    is_: Matcher = field(metadata={"doc": "What the feedback must be; absent where there must be none."})
    of: Literal["last", "any", "every"] = field(default="last", metadata={"doc": "Which of the agent's messages."})

    def judge(self, seen: Conversation) -> tuple[Finding, ...]:
        if seen.messages is UNKNOWN:
            raise Unreported(not_reported("messages_stored"))
        messages = [message for message in seen.messages if message.role == "assistant"]
        if self.of == "last":
            messages = messages[-1:]
        if any(message.feedback is UNKNOWN for message in messages):
            raise Unreported("this engine does not report feedback")
        found = [(message, self._mismatch(message)) for message in messages]
        wrong = [(message, miss) for message, miss in found if miss is not None]
        if not messages:
            return (Finding("no message of the agent is stored", self.is_.describe(), "nothing stored"),)
        if self.of == "any" and len(wrong) < len(messages):
            return ()
        path = ("is",)
        return tuple(
            Finding(f"the feedback of {shown(m)} is not as expected", w.expected, w.observed, path=path) for m, w in wrong
        )

    def _mismatch(self, message: MessageRecord) -> Mismatch | None:
        return self.is_.mismatch(ABSENT if message.feedback is None else message.feedback)

    def describe(self) -> str:
        which = {"last": "the last message", "any": "some message", "every": "every message"}[self.of]
        return f"feedback of {which} is {self.is_.describe()}"
