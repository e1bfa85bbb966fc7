"""What was said, and the stored messages that hold it.

They are found by their turn's id where both sides carry it, else by aligning the texts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from focal_eval.records import UNKNOWN, MessageRecord, TurnRecord
from focal_eval.value import value

SPOKEN = ("user", "assistant")


@value
class Said:
    """One message as it was sent or received: the side that speaks, its words, and its turn."""

    role: str
    text: str
    turn: TurnRecord


@value
class Kept:
    """One stored message and its position among all of them."""

    place: int
    message: MessageRecord


@dataclass(slots=True)
class Pairing:
    """What was said beside what is stored, and what has no counterpart."""

    pairs: list[tuple[Said, list[Kept]]] = field(default_factory=list)  # several where one reply is stored in parts
    lost: list[Said] = field(default_factory=list)
    strays: list[Kept] = field(default_factory=list)  # stored, and never said
    moved: tuple[Kept, Kept] | None = None  # the first that stands behind one it was said before


def said_in(turns: Iterable[TurnRecord]) -> list[Said]:
    """What was said, in order; an engine that does not report its text leaves its side out."""
    out = []
    for turn in turns:
        if turn.user is not None and turn.skipped is None:
            out.append(Said("user", turn.user, turn))
        if turn.reply is not None and turn.reply.response is not UNKNOWN:
            out.append(Said("assistant", turn.reply.response, turn))
    return out


def kept_in(messages: Sequence[MessageRecord]) -> list[Kept]:
    """The stored messages that somebody said; one without words where nothing was said is none of them."""
    return [Kept(place, message) for place, message in enumerate(messages) if message.role in SPOKEN]


def bare(text: str | None) -> str:
    """The text as it is compared: white space folded, and nothing else."""
    return " ".join((text or "").split())


def bare_of(group: Sequence[Kept]) -> str:
    """The text of one message that may be stored in parts."""
    return bare(" ".join(kept.message.text or "" for kept in group))


def paired(turns: Sequence[TurnRecord], kept: Sequence[Kept]) -> Pairing:
    """Every message that was said with what is stored of it."""
    by_id = bool(kept) and all(one.message.turn_id for one in kept)
    by_id = by_id and all(turn.reply is not None and turn.reply.turn_id for turn in turns)
    return _by_id(turns, kept) if by_id else _by_text(said_in(turns), _joined(kept))


def _by_id(turns: Sequence[TurnRecord], kept: Sequence[Kept]) -> Pairing:
    out = Pairing()
    own: dict[tuple[str | None, str], list[Kept]] = {}
    for one in kept:
        own.setdefault((one.message.turn_id, one.message.role), []).append(one)
    for item in said_in(turns):
        assert item.turn.reply is not None
        group = own.pop((item.turn.reply.turn_id, item.role), [])
        if group:
            _pair(out, item, group)
        else:
            out.lost.append(item)
    unsaid = {(turn.reply.turn_id, role) for turn in turns if turn.reply is not None for role in SPOKEN}
    for key, group in own.items():  # of a known turn: a side that said nothing, or whose words are not known
        out.strays += [one for one in group if key not in unsaid or (key[1] == "user" and bare(one.message.text))]
    out.strays.sort(key=lambda one: one.place)
    out.moved = _displaced(out)
    return out


def _pair(out: Pairing, item: Said, group: list[Kept]) -> None:
    """Of a message that is stored whole and again, the others are strays; else its parts belong together."""
    wanted = bare(item.text)
    if len(group) > 1 and (item.role == "user" or bare_of(group) != wanted):
        whole = next((one for one in group if bare(one.message.text) == wanted), None)
        if whole is not None or item.role == "user":
            first = whole or group[0]
            out.strays += [one for one in group if one is not first]
            group = [first]
    out.pairs.append((item, group))


def _displaced(pairing: Pairing) -> tuple[Kept, Kept] | None:
    """The first stored message that stands behind one it was said before, with that one."""
    ranks = sorted((one.place, rank, one) for rank, (_, group) in enumerate(pairing.pairs) for one in group)
    for (_, earlier, before), (_, later, here) in pairwise(ranks):
        if later < earlier:
            return here, before
    return None


def _joined(kept: Sequence[Kept]) -> list[list[Kept]]:
    """Neighbouring messages of the agent together: one reply may be stored as several."""
    out: list[list[Kept]] = []
    for one in kept:
        if out and one.message.role == "assistant" and out[-1][0].message.role == "assistant":
            out[-1].append(one)
        else:
            out.append([one])
    return out


def _by_text(said: Sequence[Said], stored: Sequence[list[Kept]]) -> Pairing:
    """Both sides aligned by role and text, so that one missing message does not make all later ones differ."""
    from rapidfuzz.distance import Indel

    before = [(item.role, bare(item.text)) for item in said]
    after = [(group[0].message.role, bare_of(group)) for group in stored]
    out = Pairing()
    gaps: list[tuple[list[Said], list[list[Kept]]]] = [([], [])]
    for step in Indel.opcodes(before, after):
        gone, come = said[step.src_start : step.src_end], stored[step.dest_start : step.dest_end]
        if step.tag == "equal":
            out.pairs += zip(gone, come, strict=True)
            gaps.append(([], []))
        else:
            gaps[-1][0].extend(gone)
            gaps[-1][1].extend(come)
    _move(out, gaps)
    for lost, left in gaps:
        _fill(out, lost, left)
    order = {id(item): rank for rank, item in enumerate(said)}
    out.pairs.sort(key=lambda pair: order[id(pair[0])])
    out.moved = _displaced(out)
    return out


def _move(out: Pairing, gaps: Sequence[tuple[list[Said], list[list[Kept]]]]) -> None:
    """Messages that are missing in one place and stand with the very words in another belong together."""
    found: dict[tuple[str, str], list[tuple[list[list[Kept]], list[Kept]]]] = {}
    for _, left in gaps:
        for group in left:
            found.setdefault((group[0].message.role, bare_of(group)), []).append((left, group))
    for lost, _ in gaps:
        for item in list(lost):
            elsewhere = found.get((item.role, bare(item.text)))
            if elsewhere:
                left, group = elsewhere.pop(0)
                left.remove(group)
                lost.remove(item)
                out.pairs.append((item, group))


def _fill(out: Pairing, lost: Sequence[Said], left: list[list[Kept]]) -> None:
    """Between two messages that agree: what was said and not stored beside what was stored and not said."""
    for item in lost:
        group = next((group for group in left if group[0].message.role == item.role), None)
        if group is None:
            out.lost.append(item)
        else:
            left.remove(group)
            _pair(out, item, group)
    out.strays += [one for group in left for one in group if bare(one.message.text)]
