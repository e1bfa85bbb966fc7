"""One conversation of a comparison as its page unpacks it: both sides, how they are paired, and the words that differ."""

from __future__ import annotations

from collections.abc import Sequence

from focal_eval.compare.cause import key_of
from focal_eval.compare.model import CaseChange, Difference, Lane, RecordedCase, RecordedTurn
from focal_eval.compare.stats import first_divergence
from focal_eval.compare.wording import word_diff, words
from focal_eval.records import Json

MOST_WORDS = 20_000  # characters of a text whose words are compared
KINDS = {"equal": 0, "removed": 1, "added": 2}
WORDED = frozenset({Lane.RESPONSE, Lane.INPUT, Lane.RECORDS})


def deciding(repeats: Sequence[RecordedCase], identity: str, verdict: str | None) -> RecordedCase | None:
    """The repeat a comparison was made from: by its id, else the first with its verdict."""
    if not repeats:
        return None
    by_id = (case for case in repeats if identity and case.id == identity)
    return next(by_id, None) or next((case for case in repeats if case.verdict == verdict), repeats[0])


def spoken(*sides: Sequence[RecordedCase]) -> bytes:
    """All that was said in a conversation, each text once, on one line, in the small letters that searches use."""
    said: dict[str, None] = {}
    for repeats in sides:
        for case in repeats:
            for turn in case.turns:
                response = None if turn.reply is None else turn.reply.get("response")
                said.update(dict.fromkeys(text for text in (turn.user, response) if isinstance(text, str)))
    return " · ".join(" ".join(text.split()) for text in said).lower().encode("utf-8", "replace")


def document(case: CaseChange, before: Sequence[RecordedCase], after: Sequence[RecordedCase]) -> dict[str, Json]:
    """All of one conversation: both sides, and how they are paired."""
    sides = deciding(before, case.before_id, case.before), deciding(after, case.after_id, case.after)
    out: dict[str, Json] = {
        "before": _side(sides[0]),
        "after": _side(sides[1]),
        "pairs": [
            [pair.before, pair.after, [_difference(case, one) for one in pair.differences], int(pair.reworded)]
            for pair in case.pairs
        ],
        "records": [_difference(case, one) for one in case.records],
        "conversation": [_difference(case, one) for one in case.conversation],
        "uncompared": dict(case.uncompared),
    }
    if case.cause is not None:
        out["cause"] = {"key": case.cause.key, "text": case.cause.text, "score": case.score}
    if len(before) > 1 or len(after) > 1:
        out["tried"] = {"before": _tries(before), "after": _tries(after)}
    return out


def _tries(repeats: Sequence[RecordedCase]) -> dict[str, Json]:
    parted = first_divergence(repeats)
    return {"verdicts": [case.verdict for case in repeats], "first": None if parted is None else parted.as_json()}


def _side(case: RecordedCase | None) -> dict[str, Json] | None:
    if case is None:
        return None
    return {
        "verdict": case.verdict,
        "reason": case.reason,
        "id": case.id,
        "turns": [_turn(turn) for turn in case.turns],
        "results": list(case.results),
        "messages": None if case.messages is None else list(case.messages),
    }


def _turn(turn: RecordedTurn) -> dict[str, Json]:
    held = {
        "i": turn.index,
        "user": turn.user,
        "name": turn.name,
        "reply": turn.reply,
        "fault": turn.fault,
        "skipped": turn.skipped,
    }
    out: dict[str, Json] = {key: held[key] for key in held if held[key] is not None or key == "user"}
    out["elapsed_ms"] = turn.elapsed_ms
    if turn.first_token_ms is not None:
        out["first_token_ms"] = turn.first_token_ms
    out["results"] = list(turn.results)
    return out


def _difference(case: CaseChange, found: Difference) -> dict[str, Json]:
    """One difference; where both sides are texts, with the words that differ as kinds and lengths."""
    out: dict[str, Json] = {"lane": found.lane.value, "kind": found.kind, "what": found.what, "text": words(found)}
    if found.before is not None:
        out["before"] = found.before
    if found.after is not None:
        out["after"] = found.after
    if found.path:
        out["path"] = list(found.path)
    if case.cause is not None and key_of(found, case.script) == case.cause.key:
        out["first"] = True
    pieces = _pieces(found)
    if pieces:
        out["words"] = [part for kind, text in pieces for part in (KINDS[kind], _units(text))]
    return out


def _pieces(found: Difference) -> list[tuple[str, str]]:
    """The words of two texts; empty where one is none, or where there are too many."""
    before, after = found.before, found.after
    if found.lane not in WORDED or not isinstance(before, str) or not isinstance(after, str):
        return []
    return _calmed(word_diff(before, after)) if len(before) + len(after) <= MOST_WORDS else []


def _calmed(pieces: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The words that differ without islands: what is shared between two changes that are both longer explains nothing.

    Empty where little is shared at all: marks would only hide the words.
    """
    runs: list[tuple[str, str, str]] = []  # shared, removed, added; in the order of reading
    for kind, text in pieces:
        shared, removed, added = runs[-1] if runs else ("", "", "")
        if kind == "equal":
            runs.append((text, "", ""))
        else:
            changed = (shared, removed + text, added) if kind == "removed" else (shared, removed, added + text)
            runs[-1:] = [changed]
    joined: list[tuple[str, str, str]] = []
    for shared, removed, added in runs:
        before = joined[-1] if joined else ("", "", "")
        if joined and len(shared) < min(max(len(before[1]), len(before[2])), max(len(removed), len(added))):
            joined[-1] = (before[0], before[1] + shared + removed, before[2] + shared + added)
        else:
            joined.append((shared, removed, added))
    alike = sum(len(shared) for shared, _, _ in joined)
    differing = sum(max(len(removed), len(added)) for _, removed, added in joined)
    if alike * 4 < differing:
        return []
    named = (piece for run in joined for piece in zip(("equal", "removed", "added"), run, strict=True))
    return [(kind, text) for kind, text in named if text]


def _units(text: str) -> int:
    """The length of a text as a browser counts it."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2
