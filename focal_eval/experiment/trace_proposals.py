"""Expectations that would notice a mutant: written from what was observed, and tried on the mutant and on the original.

A proposal is only given where it holds of the recorded conversation and fails of the mutant. The narrower one comes first: the
decisive words before the sentence, the names of calls before their arguments.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, ClassVar

import orjson

from focal_eval.document import INVALID, Reader, read_text
from focal_eval.document.reader import MappingNode
from focal_eval.document.writing import Dumper, dump
from focal_eval.experiment.trace_mutants import Altered
from focal_eval.experiment.trace_words import sentences
from focal_eval.records import UNKNOWN, Outcome, Reply, ToolCall, TurnRecord
from focal_eval.runner.ready import Ready
from focal_eval.runner.standing import Standing
from focal_eval.script.expectations import BLOCKS, CONVERSATION
from focal_eval.template import has_template
from focal_eval.value import value

WINDOW = 3  # words on each side of what changed
LONGEST = 300  # characters of a text that is worth proposing
_LONG_FORM = frozenset({"args", "result", "error", "only"})
_WORD = re.compile(r"\S+")


class _Snippets(Dumper):
    """Writes words that mean something to a matcher in quotes, as the texts they are."""

    quoted: ClassVar[frozenset[str]] = frozenset({"any", "absent"})
    one_line: ClassVar[int] = 100


def proposal(altered: Altered, standing: Standing, siblings: Sequence[Standing] = ()) -> str | None:
    """The first expectation that kills the mutant and holds of the original, as YAML; None where there is none.

    One that holds of the script's other recorded cases, too, comes before one that is true of this row of params alone.
    """
    fallback = None
    for data in _candidates(altered, standing):
        text = _written(data)
        readies = None if text is None else _read(text)
        if text is None or readies is None or not _kills(readies, altered, standing):
            continue
        if all(_holds(readies, altered, other) for other in siblings):
            return text
        fallback = fallback or f"# true of this case; others of the script differ\n{text}"
    return fallback


def kills(text: str, altered: Altered, standing: Standing) -> bool:
    """Whether a proposal holds of the original and fails of the mutant."""
    readies = _read(text)
    return readies is not None and _kills(readies, altered, standing)


def _kills(readies: tuple[Ready, ...], altered: Altered, standing: Standing) -> bool:
    if not _holds(readies, altered, standing):
        return False
    messages = standing.messages if altered.messages is UNKNOWN else altered.messages
    return standing.holds(readies, altered.index, altered.turn, messages) is Outcome.FAILED


def _holds(readies: tuple[Ready, ...], altered: Altered, standing: Standing) -> bool:
    """Whether it holds as recorded; a turn that was not answered has nothing to hold of."""
    places = [None] if altered.index is None else _places(altered.index, altered.turn, standing)
    return all(standing.holds(readies, place, None, standing.messages) is Outcome.PASSED for place in places)


def _places(index: int, turn: TurnRecord | None, standing: Standing) -> list[int | None]:
    """Where in a conversation that turn was answered; of a simulated user every time that they were in its state."""
    state = None if turn is None else turn.state
    return [
        place
        for place, other in enumerate(standing.turns)
        if other.reply is not None and (place == index if state is None else other.state == state)
    ]


def _written(data: Mapping[str, Any]) -> str | None:
    """The snippet; None where a value would not mean itself in a script."""
    key = orjson.dumps(data, default=str)
    if key not in _SNIPPETS:
        if len(_SNIPPETS) >= _MOST_SNIPPETS:
            _SNIPPETS.clear()
        text = dump(data, _Snippets).rstrip("\n")
        _SNIPPETS[key] = None if has_template(text) else text
    return _SNIPPETS[key]


_SNIPPETS: dict[bytes, str | None] = {}  # writing YAML takes longer than judging what it says
_MOST_SNIPPETS = 5_000


@lru_cache(maxsize=2048)
def _read(text: str) -> tuple[Ready, ...] | None:
    """The expectations of a snippet, read as a script's are; None where they cannot be."""
    document = read_text(text, "proposal")
    if not isinstance(document.root, MappingNode):
        return None
    key, node = document.root.value[0]
    prefix = CONVERSATION if getattr(key, "value", "") == "conversation" else ""
    reader = Reader(document)
    found: Any = BLOCKS[prefix].read(node, reader)
    return None if found is INVALID or document.problems.errors else tuple(map(Ready, found))


@value
class _Change:
    """What a mutant is about, and the reply without and with it."""

    kind: str
    name: str
    reply: Reply
    changed: Reply


def _candidates(altered: Altered, standing: Standing) -> Iterator[Mapping[str, Any]]:
    if altered.index is None or altered.turn is None:
        yield {"conversation": [{"records": "consistent"}]}
        return
    reply, changed = standing.turns[altered.index].reply, altered.turn.reply
    assert reply is not None
    assert changed is not None
    kind, _, name = altered.mutant.what.partition(":")
    for item in _PROPOSED[altered.lane](_Change(kind, name, reply, changed)):
        yield {"expect": item}


def _literal(found: Any) -> Any:
    """A value that means itself as a matcher."""
    return {"equals": found} if isinstance(found, (Mapping, list, tuple)) else found


def _expected(call: ToolCall, only: bool = False, result: Mapping[str, Any] | None = None) -> Any:
    """A call as a script expects it, with all its arguments."""
    given = {} if call.arguments is UNKNOWN else {name: _literal(item) for name, item in call.arguments.items()}
    if result is None and not only and given and not _LONG_FORM & given.keys():
        return {call.name: given}
    details: dict[str, Any] = {"args": given} if given else {}
    details |= {} if result is None else {"result": result}
    details |= {"only": True} if only else {}
    return {call.name: details} if details else call.name


def _tools(change: _Change) -> Iterator[dict[str, Any]]:
    reply, changed = change.reply, change.changed
    assert reply.tools is not UNKNOWN
    if not reply.tools:
        yield {"tools": {"none": True}}
        return
    if change.kind == "result":
        yield from _results(reply, changed)
        return
    yield {"tools": {"exactly": [call.name for call in reply.tools]}}
    yield {"tools": {"exactly": [_expected(call) for call in reply.tools]}}
    yield {"tools": {"exactly": [_expected(call, only=True) for call in reply.tools]}}


def _results(reply: Reply, changed: Reply) -> Iterator[dict[str, Any]]:
    """The part of the result that changed, then the whole of it."""
    assert reply.tools is not UNKNOWN
    assert changed.tools is not UNKNOWN
    for call, other in zip(reply.tools, changed.tools, strict=True):
        if call == other:
            continue
        if isinstance(call.result, Mapping) and isinstance(other.result, Mapping):
            part = {
                key: _literal(item) for key, item in call.result.items() if key not in other.result or other.result[key] != item
            }
            yield {"tools": [_expected(call, result=part)]}
        whole: Any = _literal(call.result)
        yield {"tools": [_expected(call, result=whole)]}


def _rules(change: _Change) -> Iterator[dict[str, Any]]:
    reply = change.reply
    assert reply.rules is not UNKNOWN
    name = change.name
    names = [rule.name for rule in reply.rules]
    yield {"rules": {"includes": [name]}} if name in names else {"rules": {"excludes": [name]}}
    yield {"rules": {"exactly": names}}


def _scenario(change: _Change) -> Iterator[dict[str, Any]]:
    reply = change.reply
    yield {"scenario": "none" if reply.scenario is None else str(reply.scenario)}


def _transitions(change: _Change) -> Iterator[dict[str, Any]]:
    """The edge that is missing: by its ends, else by how it moved."""
    reply, changed = change.reply, change.changed
    assert reply.transitions is not UNKNOWN
    assert changed.transitions is not UNKNOWN
    kept = list(changed.transitions)
    for edge in reply.transitions:
        if edge in kept:
            kept.remove(edge)
            continue
        if edge.source is not None and edge.target is not None:
            yield {"scenario": {"via": f"{edge.source}->{edge.target}"}}
        if edge.target is not None:
            yield {"scenario": {"via": f"*->{edge.target}"}}
        yield {"scenario": {"kind": [edge.kind]}}


def _one_value(name: str) -> Any:
    def propose(change: _Change) -> Iterator[dict[str, Any]]:
        yield {name: getattr(change.reply, name)}

    return propose


def _variables(change: _Change) -> Iterator[dict[str, Any]]:
    reply = change.reply
    assert reply.variables is not UNKNOWN
    name = change.name
    yield {"variables": {name: _literal(reply.variables[name])}}


def _enforcement(change: _Change) -> Iterator[dict[str, Any]]:
    name = change.name
    yield {"enforcement": {"passed": [name]}}
    yield {"enforcement": {"violated": [name]}}


def _citations(change: _Change) -> Iterator[dict[str, Any]]:
    reply = change.reply
    assert reply.citations is not UNKNOWN
    yield {"citations": {"includes": [change.name]}}
    yield {"citations": {"count": len(reply.citations)}}


def _follow_ups(change: _Change) -> Iterator[dict[str, Any]]:
    reply = change.reply
    assert reply.follow_ups is not UNKNOWN
    yield {"follow_ups": [change.name]}
    yield {"follow_ups": {"exactly": list(reply.follow_ups)}}


def _response(change: _Change) -> Iterator[dict[str, Any]]:
    """The words around what changed, then the sentences it is in, then everything."""
    reply, changed = change.reply, change.changed
    assert reply.response is not UNKNOWN
    assert changed.response is not UNKNOWN
    said, other = reply.response, changed.response
    start = next(
        (at for at, pair in enumerate(zip(said, other, strict=False)) if pair[0] != pair[1]), min(len(said), len(other))
    )
    rest = min(len(said), len(other)) - start
    back = next((at for at in range(rest) if said[-1 - at] != other[-1 - at]), rest)
    end = len(said) - back
    for window in (0, 1, WINDOW):
        yield from _contains(_around(said, start, end, window))
    yield from _contains(_sentences_at(said, start, end))
    if len(said) <= LONGEST:
        yield {"response": {"equals": said}}


def _contains(text: str) -> Iterator[dict[str, Any]]:
    if text and len(text) <= LONGEST:
        yield {"response": {"contains": " ".join(text.split())}}


def _around(said: str, start: int, end: int, window: int) -> str:
    """The words from `start` to `end` with some on both sides."""
    words = list(_WORD.finditer(said))
    inside = [place for place, word in enumerate(words) if word.end() >= start and word.start() <= max(end, start)]
    if not inside or not words:
        return ""
    first, last = max(inside[0] - window, 0), min(inside[-1] + window, len(words) - 1)
    return said[words[first].start() : words[last].end()].strip(".,;:!?")


def _sentences_at(said: str, start: int, end: int) -> str:
    out, at = [], 0
    for piece in sentences(said):
        if at + len(piece) > start and at <= max(end, start):
            out.append(piece)
        at += len(piece)
    return "".join(out).strip()


_PROPOSED: Mapping[str, Any] = {
    "tools": _tools,
    "rules": _rules,
    "scenario": _scenario,
    "transitions": _transitions,
    "template": _one_value("template"),
    "outcome": _one_value("outcome"),
    "variables": _variables,
    "enforcement": _enforcement,
    "response": _response,
    "citations": _citations,
    "follow_ups": _follow_ups,
}
"""What may be proposed for a change of each lane."""
