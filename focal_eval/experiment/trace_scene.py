"""What an operator on recorded turns sees, and what it gives."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from focal_eval.records import UNKNOWN, Reply, TurnRecord
from focal_eval.value import value


@dataclass(slots=True)
class Known:
    """Names that a run's records hold: what an agent could have done instead."""

    rules: set[str] = field(default_factory=set)
    tools: set[str] = field(default_factory=set)
    templates: set[str] = field(default_factory=set)

    def add(self, turns: Iterable[TurnRecord]) -> None:
        """Takes the names of a conversation."""
        for turn in turns:
            reply = turn.reply
            if reply is None:
                continue
            if reply.rules is not UNKNOWN:
                self.rules.update(rule.name for rule in reply.rules)
            if reply.tools is not UNKNOWN:
                self.tools.update(call.name for call in reply.tools)
            if reply.template is not UNKNOWN and reply.template is not None:
                self.templates.add(reply.template)


@value
class Scene:
    """One answered turn, with the replies around it."""

    reply: Reply
    before: Reply | None  # of the last turn answered before it
    after: Reply | None  # of the next one
    known: Known
    answered: frozenset[str] = frozenset()  # tools that the script itself answers


@value
class Draft:
    """One change an operator makes."""

    what: str  # `kind:name`
    before: str
    after: str
    text: str  # in words
    changes: Mapping[str, Any]  # fields of the reply


@value
class Operator:
    """How a turn is changed, and the field of the reply that shows it."""

    lane: str
    make: Callable[[Scene], Iterator[Draft]]
    text: str
