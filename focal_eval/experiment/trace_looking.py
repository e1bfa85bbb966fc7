"""Which expectations of a script look at a part of the record, and what to say where none notices a change of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from focal_eval.registry import find
from focal_eval.runner.ready import Ready, fill_expectation
from focal_eval.runner.standing import Standing
from focal_eval.text import listed, shorten

WORDS: Mapping[str, str] = {
    "tools": "tool calls",
    "rules": "matched rules",
    "scenario": "scenario's step",
    "transitions": "edges taken",
    "template": "template",
    "outcome": "outcome",
    "variables": "variables",
    "enforcement": "hard constraints",
    "response": "response",
    "citations": "citations",
    "follow_ups": "follow-ups",
    "messages": "stored messages",
}
"""A lane in words."""

_STORED = "messages_stored"


def lookers(standing: Standing, lane: str, index: int | None) -> tuple[str, ...]:
    """The expectations, in words, that read a lane: those of one turn and those of the conversation.

    Their templates are filled with the case's values.
    """
    readies: Sequence[Ready] = standing.closing if index is None else (*standing.expected[index], *standing.closing)
    field = _STORED if lane == "messages" else lane
    texts, values = standing.texts, standing.values
    found = [_filled(ready, values, texts) for ready in readies]
    return tuple(dict.fromkeys(ready.text for ready in found if field in set(_read(ready, values, texts))))


def _filled(ready: Ready, values: Mapping[str, Any], texts: Mapping[str, str]) -> Ready:
    """An expectation as it is for a case; where its template cannot be filled, as it is written."""
    if ready.children or not ready.item.templated:
        return ready
    filled = fill_expectation(ready.item, values, texts)
    return ready if isinstance(filled, str) else Ready(filled)


def _read(ready: Ready, values: Mapping[str, Any], texts: Mapping[str, str]) -> Iterator[str]:
    """The fields of a reply that an expectation reads. Response checks read the response, however they say so."""
    for group in ready.children:
        for child in group:
            yield from _read(_filled(child, values, texts), values, texts)
    if ready.check is not None:
        yield from ready.check.needed()
    elif not ready.children:
        yield from getattr(find("checks", ready.item.key), "needs", ())


def weakness(looking: Sequence[str], lane: str, index: int | None) -> str:
    """Why a change was not noticed, in one sentence."""
    where = "" if index is None else f" of turn {index + 1}"
    if not looking:
        return f"nobody looks at the {WORDS[lane]}{where}"
    shown = listed([f"'{shorten(text, 80)}'" for text in looking], most=3)
    return f"{shown} {'holds' if len(looking) == 1 else 'hold'} all the same"
