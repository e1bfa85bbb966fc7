"""Events of a conversation: a tool call, a matched rule, a scenario's step, a text of the agent; and where they happened.

Within a turn the order is that of the engine's work: rules match, the scenario moves, tools run, the response is said.
Parallel calls happen at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from focal_eval.checks.base import Ref, derived, settle
from focal_eval.checks.calls import Call, called
from focal_eval.checks.ordering import blocks_of
from focal_eval.checks.passages import around, quoted
from focal_eval.checks.reported import not_reported
from focal_eval.checks.rules import has
from focal_eval.checks.scenario import Place, in_words, place_of
from focal_eval.checks.tools import UNKNOWN_DETAILS
from focal_eval.records import UNKNOWN, Reply, TurnRecord
from focal_eval.text import fold, shorten

SHOWN = 160  # characters of an expected call in a sentence

Path = tuple[str | int, ...]
RULES, SCENARIO, TOOLS, TEXT = range(4)


@dataclass(frozen=True, slots=True, order=True)
class Spot:
    """Where an event happened; spots compare by time, two parallel calls share one."""

    turn: int
    lane: int
    place: int = 0


@dataclass(frozen=True, slots=True)
class Seen:
    """An event as it happened: where, and what was observed in words."""

    spot: Spot
    words: str

    def __str__(self) -> str:
        return f"turn {self.spot.turn + 1}: {self.words}"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that can happen: a tool call, a matched rule, a scenario's step, or a text of the agent."""

    tool: Call | None = field(default=None, metadata={"doc": "A call of this tool, with these arguments."})
    rule: str | None = field(default=None, metadata={"doc": "This rule matches."})
    scenario: str | None = field(
        default=None, metadata={"doc": "The conversation stands here: returns/confirm, returns/*, none."}
    )
    text: str | None = field(default=None, metadata={"doc": "A response contains this text."})
    place: Place | None = derived()  # noqa: RUF009  # it makes a dataclass field

    def __post_init__(self) -> None:
        given = [name for name in ("tool", "rule", "scenario", "text") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"an event is one of tool, rule, scenario or text; found {' and '.join(given) or 'none'}")
        if self.text is not None and not self.text.strip():
            raise ValueError("an empty text is contained in every response")
        settle(self, place=None if self.scenario is None else place_of(self.scenario))

    def describe(self) -> str:
        if self.tool is not None:
            return shorten(self.tool.describe(), SHOWN)
        if self.rule is not None:
            return f"rule {self.rule}"
        return f"scenario {self.place}" if self.place is not None else quoted(self.text or "", 60)

    def happens(self) -> str:
        """The event as the subject of a sentence in the past."""
        if self.tool is not None:
            return f"'{self.tool.name}' was called" + ("" if self.tool.named_only else " as given")
        if self.rule is not None:
            return f"rule '{self.rule}' matched"
        return f"scenario '{self.place}' was reached" if self.place is not None else f"the agent said {self.describe()}"

    def never_happened(self) -> str:
        """The sentence that says so."""
        if self.tool is not None:
            return f"'{self.tool.name}' was not called" + ("" if self.tool.named_only else " as given")
        if self.rule is not None:
            return f"rule '{self.rule}' did not match"
        if self.place is not None:
            return f"scenario '{self.place}' was not reached"
        return f"the agent did not say {Event.describe(self)}"

    def refs(self, path: Path, *, absent: bool = False) -> tuple[Ref, ...]:
        if self.tool is not None:
            return tuple(self.tool.refs((*path, "tool"), absent=absent))
        if self.rule is not None:
            return (Ref("rule", self.rule, (*path, "rule"), absent),)
        return self.place.ref((*path, "scenario"), absent=absent) if self.place is not None else ()

    def own_path(self) -> Path:
        """The path from the event to what it names."""
        return (next(name for name in ("tool", "rule", "scenario", "text") if getattr(self, name) is not None),)

    def reads(self) -> str:
        """The field of a reply it is looked for in."""
        if self.tool is not None:
            return "tools"
        return "rules" if self.rule is not None else "scenario" if self.place is not None else "response"

    def occurrences(self, turns: Sequence[TurnRecord]) -> tuple[list[Seen], str | None]:
        """Where it happened, in order, and the reason why that may not be all, where a turn does not tell."""
        found: list[Seen] = []
        blind: str | None = None
        for turn in turns:
            if turn.reply is None:
                continue
            if getattr(turn.reply, self.reads()) is UNKNOWN:
                blind = not_reported(self.reads())
                continue
            for spot, words, sure in self._in(turn.index, turn.reply):
                if sure:
                    found.append(Seen(spot, words))
                else:
                    blind = UNKNOWN_DETAILS
        return found, blind

    def _in(self, turn: int, reply: Reply) -> Iterator[tuple[Spot, str, bool]]:
        if self.tool is not None and reply.tools is not UNKNOWN:
            for number, block in enumerate(blocks_of(reply.tools)):
                for position in block:
                    fits = self.tool.fits(reply.tools[position])
                    if fits is not False:
                        yield Spot(turn, TOOLS, number), called(reply.tools[position]), fits is True
        elif self.rule is not None and reply.rules is not UNKNOWN:
            if has(reply.rules, self.rule):
                yield Spot(turn, RULES), f"rule {self.rule}", True
        elif self.place is not None and reply.scenario is not UNKNOWN:
            if self.place.holds(reply.scenario):
                yield Spot(turn, SCENARIO), in_words(reply.scenario), True
        elif self.text is not None and reply.response is not UNKNOWN:
            where, needle = fold(reply.response), fold(self.text)
            start = where.find(needle)
            if start >= 0:
                yield Spot(turn, TEXT), f"'{around(where, start, start + len(needle))}'", True
