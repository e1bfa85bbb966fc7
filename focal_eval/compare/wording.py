"""Differences in words, and the words that differ: one wording for every rendering of a comparison."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, NamedTuple

from focal_eval.compare.model import Difference, Lane
from focal_eval.records import Json
from focal_eval.text import shorten

_TOKEN = re.compile(r"\s+|[^\W_]+|[\W_]", re.UNICODE)
MAX_TOKENS = 6_000  # of both texts; beyond, what differs in the middle is one piece


class Piece(NamedTuple):
    """A stretch of words that two texts share, or one alone has."""

    kind: Literal["equal", "added", "removed"]
    text: str


def word_diff(before: str, after: str) -> list[Piece]:
    """The words of both texts in reading order: what was taken out comes before what was put in."""
    from rapidfuzz.distance import Indel

    one, other = _TOKEN.findall(before), _TOKEN.findall(after)
    if len(one) + len(other) > MAX_TOKENS:
        return _coarse(before, after)
    pieces: list[Piece] = []
    for step in Indel.opcodes(one, other):
        was, now = "".join(one[step.src_start : step.src_end]), "".join(other[step.dest_start : step.dest_end])
        if step.tag == "equal":
            pieces.append(Piece("equal", was))
            continue
        pieces += [Piece(kind, text) for kind, text in (("removed", was), ("added", now)) if text]  # type: ignore[arg-type]
    return _joined(pieces)


def _coarse(before: str, after: str) -> list[Piece]:
    start = next(
        (place for place, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), min(len(before), len(after))
    )
    most = min(len(before), len(after)) - start
    end = next((place for place in range(most) if before[-1 - place] != after[-1 - place]), most)
    pieces = (
        Piece("equal", before[:start]),
        Piece("removed", before[start : len(before) - end]),
        Piece("added", after[start : len(after) - end]),
        Piece("equal", before[len(before) - end :]),
    )
    return [piece for piece in pieces if piece.text]


def _joined(pieces: Iterable[Piece]) -> list[Piece]:
    """Without white space alone between two changes, and with what was taken out before what was put in."""
    runs: list[tuple[str, str, str]] = []  # equal, removed, added
    for kind, text in pieces:
        equal, removed, added = runs[-1] if runs else ("", "", "")
        bridged = kind == "equal" and text.isspace() and bool(removed or added)
        if bridged:
            runs[-1] = (equal, removed + text, added + text)
        elif kind == "equal":
            runs.append((text, "", ""))
        else:
            changed = (equal, removed + text, added) if kind == "removed" else (equal, removed, added + text)
            runs[-1:] = [changed]
    out: list[Piece] = []
    for piece in (piece for run in runs for piece in _pieces(*run)):
        if out and out[-1].kind == piece.kind == "equal":
            piece = Piece("equal", out.pop().text + piece.text)  # noqa: PLW2901  # the two are one
        out.append(piece)
    return out


def _pieces(equal: str, removed: str, added: str) -> Iterator[Piece]:
    tail = ""
    if removed and removed[-1:].isspace() and removed[-1:] == added[-1:]:  # white space after the last change is shared
        kept = len(removed) - len(removed.rstrip())
        shared = removed[len(removed) - kept :]
        if added.endswith(shared):
            removed, added, tail = removed[: len(removed) - kept], added[: len(added) - kept], shared
    named = (("equal", equal), ("removed", removed), ("added", added), ("equal", tail))
    yield from (Piece(kind, text) for kind, text in named if text)  # type: ignore[arg-type]


_RULE = {"removed": "no longer matches", "added": "now matches", "moved": "matches in another order"}
_CANDIDATE = {"removed": "is no longer looked at", "added": "is now looked at", "changed": "is dropped for another reason"}
_TOOL = {"removed": "is no longer called", "added": "is now called", "moved": "is called in another order"}
_ENFORCED = {"removed": "no longer steps in", "added": "now steps in", "changed": "steps in otherwise"}
_FIELD = {"removed": "is gone", "added": "is new", "changed": "differs", "moved": "stands elsewhere"}
_FAULT = {"removed": "the engine no longer breaks", "added": "the engine breaks", "changed": "the engine breaks otherwise"}


def words(found: Difference) -> str:
    """A difference in words without figures: the same for every conversation that differs in the same way."""
    lane, kind, what = found.lane, found.kind, shorten(found.what, 100)
    if lane is Lane.INPUT:
        return _input(found)
    if lane is Lane.STEP:
        return _step(found)
    if lane is Lane.RESULT and what.endswith(".error"):
        return f"tool {what.removesuffix('.error')} {_FAILING[kind]}"
    if lane is Lane.TEMPLATE:
        return _template(found)
    if lane is Lane.VERDICT:
        return _verdict(found)
    if lane is Lane.RESPONSE:
        return "the reply differs" if what == "response" else f"the words of template {what} differ"
    if lane is Lane.FAULT:
        return f"{_FAULT[kind]} ({what})"
    begin, endings = _PLAIN[lane]
    return f"{begin}{what} {endings[kind]}"


_FAILING = {"removed": "no longer fails", "added": "fails", "changed": "fails otherwise"}
_PLAIN: Mapping[Lane, tuple[str, Mapping[str, str]]] = {
    Lane.CANDIDATES: ("rule ", _CANDIDATE),
    Lane.RULES: ("rule ", _RULE),
    Lane.TOOL: ("tool ", _TOOL),
    Lane.ARGUMENT: ("argument ", _FIELD),
    Lane.RESULT: ("result ", _FIELD),
    Lane.VARIABLES: ("variable ", _FIELD),
    Lane.ENFORCEMENT: ("hard rule ", _ENFORCED),
    Lane.FOLLOW_UPS: ("follow-up ", _FIELD),
    Lane.CITATIONS: ("source ", _FIELD),
    Lane.OUTCOME: ("", _FIELD),
    Lane.RECORDS: ("stored ", _FIELD),
}


def _input(found: Difference) -> str:
    if found.what == "sent":
        return "a turn is no longer sent" if found.kind == "removed" else "a turn is sent that was not"
    endings = {"added": "a turn was added", "removed": "a turn was taken out", "changed": "a turn was reworded"}
    return f"the script was edited: {endings[found.kind]}"


def _step(found: Difference) -> str:
    if found.what == "transitions":
        return "the scenario goes another way"
    if found.before is None:
        return f"the conversation stands at {found.after}, and was in no scenario"
    if found.after is None:
        return f"the conversation is in no scenario, and stood at {found.before}"
    return f"the conversation stands at {found.after} instead of {found.before}"


def _template(found: Difference) -> str:
    if found.before is None:
        return f"template {found.after} is said"
    if found.after is None:
        return f"template {found.before} is no longer said"
    return f"template {found.after} is said instead of {found.before}"


def _verdict(found: Difference) -> str:
    what = shorten(found.what, 160)
    if found.kind == "added":
        return f"a new expectation {_held(found.after)}: {what}"
    if found.kind == "removed":
        return f"an expectation that did not hold was taken out: {what}"
    return f"expectation {'no longer holds' if found.before == 'passed' else 'holds now'}: {what}"


def _held(outcome: Json) -> str:
    return "could not be judged" if outcome == "errored" else "does not hold"


def figures(found: Iterable[Difference]) -> str:
    """What one cause looked like in its conversations: scores, values or words before and after, ranges where they differ."""
    several = list(found)
    lane = several[0].lane
    if lane is Lane.RULES:
        return _scores(several)
    if lane is Lane.CANDIDATES:
        reasons = {_dropped(one.after) or _dropped(one.before) for one in several}
        return f"({reasons.pop()})" if len(reasons) == 1 and None not in reasons else ""
    if lane in (Lane.ARGUMENT, Lane.RESULT, Lane.VARIABLES, Lane.OUTCOME):
        return _values(several)
    return _reworded(several) if lane is Lane.RESPONSE else ""


def _scores(several: list[Difference]) -> str:
    kind = several[0].kind
    if kind == "moved":
        return ""
    off = [_dropped(one.after if kind == "removed" else one.before) for one in several]
    sides = [[_score(one.before) for one in several], [_score(one.after) for one in several]]
    before, after = (_range(side) for side in sides)
    same = off[0] if len(set(off)) == 1 else None
    reason = f", {same}" if same else ""
    if before is not None and after is not None and before != after:
        return f"(score {before} → {after}{reason})"
    if kind == "removed" and all(one.after is None for one in several):
        return f"(score {before} → no candidate)" if before is not None else "(no candidate)"
    if kind == "added" and all(one.before is None for one in several):
        return f"(no candidate → score {after})" if after is not None else "(was no candidate)"
    return f"({same})" if same else ""


def _score(side: Json) -> float | None:
    score = side.get("score") if isinstance(side, Mapping) else None
    return float(score) if isinstance(score, (int, float)) and not isinstance(score, bool) else None


def _dropped(side: Json) -> str | None:
    """Why a rule was dropped, None where it was not, or where the scores say it all."""
    if not isinstance(side, Mapping) or not side.get("suppressed"):
        return None
    kind, by = side["suppressed"], side.get("by")
    if kind == "near-miss":
        return "a near miss"
    if kind in ("outranked", "excluded"):
        return f"{kind} by {by}" if by else str(kind)
    return f"{kind}: {shorten(str(by), 60)}" if by else str(kind)


def _range(values: Iterable[float | None]) -> str | None:
    known = [value for value in values if value is not None]
    if not known:
        return None
    low, high = f"{min(known):.2f}", f"{max(known):.2f}"
    return low if low == high else f"{low}–{high}"


def _values(several: list[Difference]) -> str:
    if several[0].kind != "changed":
        return ""
    pairs = {(shorten(_spelt(one.before), 40), shorten(_spelt(one.after), 40)) for one in several}
    if len(pairs) == 1:
        before, after = pairs.pop()
        return f"({before} → {after})"
    sides = [[_number(getattr(one, side)) for one in several] for side in ("before", "after")]
    if any(value is None for side in sides for value in side):
        return ""
    ranges = [f"{min(side):g}–{max(side):g}" if min(side) != max(side) else f"{side[0]:g}" for side in sides]  # type: ignore[type-var]
    return f"({ranges[0]} → {ranges[1]})"


def _number(value: Json) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _spelt(value: Json) -> str:
    import orjson

    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _reworded(several: list[Difference]) -> str:
    """The words that went and came, where they are few and the same everywhere."""
    seen = set()
    for one in several:
        pieces = [piece for piece in word_diff(str(one.before), str(one.after)) if piece.kind != "equal"]
        seen.add(tuple(pieces))
        if len(seen) > 1 or len(pieces) > 2:
            return ""
    pieces = list(seen.pop())
    if any(len(piece.text) > 60 for piece in pieces):
        return ""
    was = next((piece.text.strip() for piece in pieces if piece.kind == "removed"), "")
    now = next((piece.text.strip() for piece in pieces if piece.kind == "added"), "")
    if not was and not now:
        return "(white space)"
    return f"(“{was}” → “{now}”)" if was and now else f"(without “{was}”)" if was else f"(with “{now}”)"
