"""Where in a conversation the repeats of one case first part ways."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence

from focal_eval.compare.model import Lane, RecordedCase, RecordedTurn
from focal_eval.compare.stats.flake import GOOD
from focal_eval.records import Json
from focal_eval.text import shorten
from focal_eval.value import value

MOST_ANSWERS = 5  # told apart; the rest are counted together
_WIDTH = 80


@value
class Answer:
    """One of the ways it went, with the repeats that went it."""

    text: str
    good: int
    bad: int


@value
class Divergence:
    """The first difference between repeats."""

    turn: int  # from 0
    lane: Lane
    answers: tuple[Answer, ...]  # the most frequent first

    def as_json(self) -> dict[str, Json]:
        """The form in run.json."""
        ways = [{"text": way.text, "good": way.good, "bad": way.bad} for way in self.answers]
        return {"turn": self.turn, "lane": self.lane.value, "answers": ways}


def first_divergence(repeats: Sequence[RecordedCase]) -> Divergence | None:
    """The first turn and lane, in the order of the pipeline, in which repeats of one case differ; None where none does.

    What the agent decided comes before how it worded it: only where no decision differs do the words count. A value that is
    another one in every repeat, such as a fresh order number, tells passing from failing as little as words do.
    Repeats that errored say nothing and are left out.
    """
    told = [case for case in repeats if case.verdict != "errored"]
    if len(told) < 2:
        return None
    count = max(len(case.turns) for case in told)
    found = [each for index in range(count) for each in _at(told, index)]
    decided = [each for each in found if each.lane is not Lane.RESPONSE and len(each.answers) < max(3, len(told))]
    first = next(iter(decided or found), None)
    return None if first is None else Divergence(first.turn, first.lane, _few(first.answers))


def _at(told: Sequence[RecordedCase], index: int) -> Iterator[Divergence]:
    """The lanes of one turn in which repeats differ."""
    turns = [case.turns[index] if index < len(case.turns) else None for case in told]
    for lane, read in _LANES.items():
        counts: dict[str, list[int]] = {}
        for case, turn in zip(told, turns, strict=True):
            text = "(the conversation was over)" if turn is None else read(turn)
            if text is not None:
                counts.setdefault(text, [0, 0])[case.verdict not in GOOD] += 1
        if len(counts) > 1:
            ways = [Answer(text, good, bad) for text, (good, bad) in counts.items()]
            yield Divergence(index, lane, tuple(sorted(ways, key=lambda way: (-way.good - way.bad, way.text))))


def _few(answers: tuple[Answer, ...]) -> tuple[Answer, ...]:
    shown = [Answer(shorten(way.text, _WIDTH), way.good, way.bad) for way in answers[:MOST_ANSWERS]]
    if rest := answers[MOST_ANSWERS:]:
        shown.append(Answer(f"{len(rest)} others", sum(way.good for way in rest), sum(way.bad for way in rest)))
    return tuple(shown)


def _user(turn: RecordedTurn) -> str | None:
    return turn.user if turn.skipped is None else f"not sent: {turn.skipped}"


def _fault(turn: RecordedTurn) -> str | None:
    return "answered" if turn.fault is None else f"{turn.fault.get('kind')}"


def _reply(key: str, say: Callable[[Json], str]) -> Callable[[RecordedTurn], str | None]:
    """Reads one part of the reply; None where it is not known."""

    def read(turn: RecordedTurn) -> str | None:
        reply = turn.reply
        if reply is None or key not in reply:
            return None
        return say(reply[key])

    return read


def _names(rows: Json) -> str:
    return ", ".join(sorted(str(row.get("name")) for row in rows or ())) or "none"


def _step(scenario: Json) -> str:
    if not scenario:
        return "none"
    return "/".join(str(scenario[key]) for key in ("id", "step") if scenario.get(key) is not None)


def _calls(field: str | None) -> Callable[[Json], str]:
    """The calls in their order: their names alone, or with one field of each."""

    def say(calls: Json) -> str:
        told = [
            str(call.get("name")) + ("" if field is None or field not in call else f" {_plain(call[field])}")
            for call in calls or ()
        ]
        return ", ".join(told) or "none"

    return say


def _plain(data: Json) -> str:
    if isinstance(data, str):
        return data
    if isinstance(data, Mapping) and not data:
        return ""
    return json.dumps(data, ensure_ascii=False, sort_keys=True, default=str)


_LANES: Mapping[Lane, Callable[[RecordedTurn], str | None]] = {
    Lane.INPUT: _user,
    Lane.RULES: _reply("rules", _names),
    Lane.STEP: _reply("scenario", _step),
    Lane.TOOL: _reply("tools", _calls(None)),
    Lane.ARGUMENT: _reply("tools", _calls("arguments")),
    Lane.RESULT: _reply("tools", _calls("result")),
    Lane.TEMPLATE: _reply("template", _plain),
    Lane.ENFORCEMENT: _reply("enforcement", _plain),
    Lane.FAULT: _fault,
    Lane.RESPONSE: _reply("response", _plain),
}
