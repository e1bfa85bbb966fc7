"""`conversation.records`, `conversation.feedback`: what the engine keeps of the conversation, against what was said.

Stored messages are matched with turns by `turn_id` where both sides carry it, else by aligning the texts. Texts are compared
after folding white space alone. Rules and tools of a turn are compared where both sides know them. Every finding has a name,
by which a suite may tolerate what is known of its engine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

from focal_eval.checks.base import Conversation, ConversationCheck, Unreported, written_short
from focal_eval.checks.passages import quoted, word_diff
from focal_eval.checks.reported import not_reported
from focal_eval.records import UNKNOWN, Finding, MessageRecord, Reply, TurnRecord
from focal_eval.script.conditions import Mismatch
from focal_eval.script.matchers import Matcher
from focal_eval.script.wording import ABSENT
from focal_eval.text import listed

SPOKEN = ("user", "assistant")
WHO = {"user": "the user's message", "assistant": "the agent's message"}


@dataclass(frozen=True, slots=True)
class Said:
    """One message as it was sent or received: the side that speaks, its words, and its turn."""

    role: str
    text: str
    turn: TurnRecord


def said_in(turns: Sequence[TurnRecord]) -> list[Said]:
    """What was said, in order; an engine that does not report its text leaves its side out."""
    out = []
    for turn in turns:
        if turn.user is not None and turn.skipped is None:
            out.append(Said("user", turn.user, turn))
        if turn.reply is not None and turn.reply.response is not UNKNOWN:
            out.append(Said("assistant", turn.reply.response, turn))
    return out


def _bare(text: str | None) -> str:
    return " ".join((text or "").split())


@dataclass(frozen=True, slots=True)
class Records(ConversationCheck):
    """The engine's stored messages agree with what was said: texts, order of roles, rules and tools."""

    short: ClassVar[str] = "are"
    needs: ClassVar[frozenset[str]] = frozenset({"messages_stored"})
    are: Literal["consistent"] = "consistent"
    brief: bool = written_short()

    def judge(self, seen: Conversation) -> tuple[Finding, ...]:
        if seen.messages is UNKNOWN:
            raise Unreported(not_reported("messages_stored"))
        stored = [message for message in seen.messages if message.role in SPOKEN]
        answered = [turn for turn in seen.turns if turn.reply is not None]
        by_id = bool(stored) and all(message.turn_id for message in stored)
        by_id = by_id and all(turn.reply is not None and turn.reply.turn_id for turn in answered)
        begun = _begun(answered)
        out = _by_turn(answered, stored, begun) if by_id else _by_text(said_in(answered), _joined(stored), begun)
        out = [item for item in out if item.name not in seen.tolerated]
        if by_id and not out:
            out = [item for item in _order(answered, stored) if item.name not in seen.tolerated]
        path = self.at("are")
        return tuple(replace(item, message=f"{item.message} ({item.name})", path=path) for item in out)

    def describe(self) -> str:
        return "stored messages agree with what was said"


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


def _lost(turn: TurnRecord, begun: set[int]) -> str:
    return "scenario-start-not-stored" if turn.index in begun else "turn-not-stored"


def _by_turn(turns: Sequence[TurnRecord], stored: Sequence[MessageRecord], begun: set[int]) -> list[Finding]:
    """Every turn against the stored messages that carry its id, then those that carry none of theirs."""
    by_id: dict[str | None, list[MessageRecord]] = {}
    for message in stored:
        by_id.setdefault(message.turn_id, []).append(message)
    out: list[Finding] = []
    for turn in turns:
        assert turn.reply is not None
        own = by_id.pop(turn.reply.turn_id, [])
        number = turn.index + 1
        if not own:
            what = f"turn {number} is missing from the stored messages"
            out.append(Finding(what, quoted(turn.user or ""), "nothing stored", name=_lost(turn, begun)))
            continue
        for said in said_in([turn]):
            matching = [message for message in own if message.role == said.role]
            if not matching:
                what = f"{WHO[said.role]} of turn {number} is not stored"
                out.append(Finding(what, quoted(said.text), "nothing stored", name="message-not-stored"))
            else:
                out += _compared(said, matching)
    for others in by_id.values():
        what = "a stored message belongs to no turn of this conversation"
        out.append(Finding(what, "no such message", _shown(others[0]), name="message-never-said"))
    return out


def _order(turns: Sequence[TurnRecord], stored: Sequence[MessageRecord]) -> list[Finding]:
    rank = {turn.reply.turn_id: turn.index for turn in turns if turn.reply is not None}
    kept = [message for message in stored if message.turn_id in rank]  # the others are findings of their own
    places = [(rank[message.turn_id], SPOKEN.index(message.role)) for message in kept]
    if places == sorted(places):
        return []
    at = next(i for i in range(1, len(places)) if places[i] < places[i - 1])
    said = f"stored messages are out of order: {_shown(kept[at])} stands after {_shown(kept[at - 1])}"
    found = " → ".join(f"turn {turn + 1}" for turn, _ in places[:12])
    return [Finding(said, "the order in which they were said", found, name="order-changed")]


def _joined(stored: Sequence[MessageRecord]) -> list[list[MessageRecord]]:
    """Neighbouring messages of the agent together: one reply may be stored as several."""
    out: list[list[MessageRecord]] = []
    for message in stored:
        if out and message.role == "assistant" and out[-1][0].role == "assistant":
            out[-1].append(message)
        else:
            out.append([message])
    return out


def _by_text(said: Sequence[Said], stored: Sequence[list[MessageRecord]], begun: set[int]) -> list[Finding]:
    """Both sides aligned by role and text, so that one missing message does not make all later ones differ."""
    from rapidfuzz.distance import Indel

    before = [(item.role, _bare(item.text)) for item in said]
    after = [(group[0].role, _bare(" ".join(message.text or "" for message in group))) for group in stored]
    out: list[Finding] = []
    steps = [(s.tag, s.src_start, s.src_end, s.dest_start, s.dest_end) for s in Indel.opcodes(before, after)]
    gone: list[Said] = []
    come: list[list[MessageRecord]] = []
    for tag, a, b, c, d in [*steps, ("equal", 0, 0, 0, 0)]:
        if tag == "equal":
            out += _paired(gone, come, begun)
            gone, come = [], []
            for item, group in zip(said[a:b], stored[c:d], strict=True):
                out += _details(item, group)
        else:
            gone += said[a:b]
            come += stored[c:d]
    return out


def _paired(gone: list[Said], come: list[list[MessageRecord]], begun: set[int]) -> list[Finding]:
    """Between two messages that agree: what was said and not stored beside what was stored and not said."""
    out: list[Finding] = []
    left = list(come)
    for item in gone:
        group = next((group for group in left if group[0].role == item.role), None)
        if group is None:
            said = f"{WHO[item.role]} of turn {item.turn.index + 1} is missing from the stored messages"
            out.append(Finding(said, quoted(item.text), "nothing stored", name=_lost(item.turn, begun)))
        else:
            left.remove(group)
            out += _compared(item, group)
    what, name = "a stored message was never said", "message-never-said"
    return out + [Finding(what, "no such message", _shown(group[0]), name=name) for group in left]


def _compared(said: Said, group: Sequence[MessageRecord]) -> list[Finding]:
    """One message against what is stored of it: its text, then what goes with it."""
    wanted, found = _bare(said.text), _bare(" ".join(message.text or "" for message in group))
    out = []
    if wanted != found:
        what = f"{WHO[said.role]} of turn {said.turn.index + 1} is stored with another text"
        out.append(Finding(what, quoted(wanted), quoted(found), word_diff(wanted, found), name="text-changed"))
    return out + _details(said, group)


def _details(said: Said, group: Sequence[MessageRecord]) -> list[Finding]:
    """The rules and tools of a reply, where both sides know them."""
    reply = said.turn.reply
    if said.role != "assistant" or reply is None:
        return []
    out = []
    number = said.turn.index + 1
    for noun, told, kept in (("rules", _rules(reply), _stored_rules(group)), ("tools", _tools(reply), _stored_tools(group))):
        if told is not None and kept is not None and told != kept:
            said_so = f"the {noun} of turn {number} are stored otherwise"
            out.append(Finding(said_so, listed(told, most=12), listed(kept, most=12), name=f"{noun}-changed"))
    return out


def _rules(reply: Reply) -> list[str] | None:
    return None if reply.rules is UNKNOWN else sorted({rule.name for rule in reply.rules})


def _stored_rules(group: Sequence[MessageRecord]) -> list[str] | None:
    if any(message.rules is UNKNOWN for message in group):
        return None
    return sorted({rule.name for message in group if message.rules is not UNKNOWN for rule in message.rules})


def _tools(reply: Reply) -> list[str] | None:
    return None if reply.tools is UNKNOWN else sorted(call.name for call in reply.tools)


def _stored_tools(group: Sequence[MessageRecord]) -> list[str] | None:
    if any(message.tools is UNKNOWN for message in group):
        return None
    return sorted(call.name for message in group if message.tools is not UNKNOWN for call in message.tools)


def _shown(message: MessageRecord) -> str:
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
            Finding(f"the feedback of {_shown(m)} is not as expected", w.expected, w.observed, path=path) for m, w in wrong
        )

    def _mismatch(self, message: MessageRecord) -> Mismatch | None:
        return self.is_.mismatch(ABSENT if message.feedback is None else message.feedback)

    def describe(self) -> str:
        which = {"last": "the last message", "any": "some message", "every": "every message"}[self.of]
        return f"feedback of {which} is {self.is_.describe()}"
