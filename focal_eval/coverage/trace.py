"""Reads what a recorded case did with the items of an agent; the agent itself is not needed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations

import orjson

from focal_eval.coverage.model import CaseTrace, Key, Move
from focal_eval.records import UNKNOWN, Candidate, Json, Reply, Transition, TurnRecord
from focal_eval.value import value

NEAR = "near-miss"
"""What a candidate is called that had too little of what makes it match."""

SHOWN_VALUE = 80  # characters of an argument's value

Place = tuple[str, str | None]  # scenario and step

_FIELDS: Mapping[str, tuple[str, ...]] = {
    "rule": ("rules",),
    "constraint": ("enforcement",),
    "scenario": ("scenario", "transitions"),
    "start": ("transitions",),
    "exit": ("transitions",),
    "relocalise": ("transitions",),
    "step": ("scenario",),
    "transition": ("transitions",),
    "tool": ("tools",),
    "template": ("template",),
}
"""The fields of a reply that tell about a kind; one that is known is enough."""


def trace_case(name: str, script: str, turns: Sequence[TurnRecord], at: Place | None = None) -> CaseTrace:
    """What a case did. Turns that were not sent or in which the engine broke are left out; positions count them.

    `at` is where the conversation stands before the first of these turns, for turns that are not its beginning.
    """
    trace = _Tracing()
    trace.at = at
    for position, turn in enumerate(turns):
        if turn.reply is None:
            trace.at = None
            continue
        trace.turn(position, turn.reply)
    return trace.made(name, script)


class _Tracing:
    """A trace being made, turn by turn; `at` is where the conversation stands."""

    def __init__(self) -> None:
        self.at: Place | None = None
        self.count = 0
        self.hits: dict[Key, list[int]] = {}
        self.near: dict[Key, list[int]] = {}
        self.suppressed: dict[Key, list[tuple[int, str, str | None]]] = {}
        self.unknown: dict[str, list[int]] = {}
        self.moves: list[Move] = []
        self.outcomes: list[tuple[str, str]] = []
        self.arguments: dict[tuple[str, str, str], None] = {}
        self.pairs: list[tuple[str, str]] = []

    def made(self, name: str, script: str) -> CaseTrace:
        return CaseTrace(
            name=name,
            script=script,
            turns=self.count,
            hits={key: tuple(places) for key, places in self.hits.items()},
            near={key: tuple(places) for key, places in self.near.items()},
            suppressed={key: tuple(places) for key, places in self.suppressed.items()},
            unknown={kind: tuple(places) for kind, places in self.unknown.items()},
            moves=tuple(self.moves),
            outcomes=tuple(self.outcomes),
            arguments=tuple(self.arguments),
            pairs=tuple(self.pairs),
        )

    def turn(self, position: int, reply: Reply) -> None:
        self.count += 1
        for kind, names in _FIELDS.items():
            if all(getattr(reply, name) is UNKNOWN for name in names):
                self.unknown.setdefault(kind, []).append(position)
        for kind, name in dict.fromkeys(self._hits(position, reply)):
            self.hits.setdefault((kind, name), []).append(position)
        if reply.candidates is not UNKNOWN:
            self._dropped(position, reply.candidates)
        if reply.scenario is not UNKNOWN:
            self.at = None if reply.scenario is None else (reply.scenario.id, reply.scenario.step)

    def _hits(self, position: int, reply: Reply) -> Iterator[Key]:
        yield from self._rules(reply)
        if reply.tools is not UNKNOWN:
            for call in reply.tools:
                yield "tool", call.name
                if call.arguments is not UNKNOWN:
                    self.arguments.update((((call.name, name, _shown(item)), None) for name, item in call.arguments.items()))
        yield from (("template", name) for name in templates_of(reply))
        if reply.transitions is not UNKNOWN:
            for move in reply.transitions:
                yield from self._moved(position, move)
        if reply.scenario is not UNKNOWN and reply.scenario is not None:
            yield from _stood(reply.scenario.id, reply.scenario.step)

    def _rules(self, reply: Reply) -> Iterator[Key]:
        active: set[str] = set()
        if reply.rules is not UNKNOWN:
            active.update(rule.name for rule in reply.rules)
        if reply.enforcement is not UNKNOWN:
            self.outcomes += [(one.rule, one.action) for one in reply.enforcement]
            yield from (("constraint", one.rule) for one in reply.enforcement)
            active.update(one.rule for one in reply.enforcement)
        self.pairs += combinations(sorted(active), 2)
        yield from (("rule", name) for name in sorted(active))

    def _dropped(self, position: int, candidates: Iterable[Candidate]) -> None:
        for one in candidates:
            key = "rule", one.name
            if one.suppressed == NEAR:
                self.near.setdefault(key, []).append(position)
            elif one.suppressed is not None:
                self.suppressed.setdefault(key, []).append((position, one.suppressed, one.by))

    def _moved(self, position: int, transition: Transition) -> Iterator[Key]:
        taken = edge_taken(transition, self.at)
        if taken is None:
            return
        if taken.name is not None:
            self.moves.append(Move(position, transition.kind, taken.name, transition.source, transition.reason))
        self.at = taken.after
        yield from taken.keys


@value
class Taken:
    """What a transition of a record stands for: the items it hits, the name of its edge, and where it leads."""

    keys: tuple[Key, ...]
    name: str | None
    after: Place | None


def edge_taken(transition: Transition, before: Place | None) -> Taken | None:
    """What a transition was, from where the conversation stood; None where nothing tells its scenario.

    A record names the scenario an edge leads to; the one it began in is where the conversation stood.
    """
    kind, source, target = transition.kind, transition.source, transition.target
    scenario = transition.scenario or (None if before is None else before[0])
    if scenario is None:
        return None
    name: str | None = None
    keys: list[Key] = []
    if kind == "transition" and source is not None and target is not None:
        begun = before[0] if before is not None and before[1] == source else scenario
        name = f"{begun}/{source} → {target if begun == scenario else f'{scenario}/{target}'}"
        keys.append((kind, name))
        if begun != scenario:
            keys.append((kind, f"{begun}/{source} → {scenario}/"))
    elif kind == "exit":
        name = scenario
        keys += [(kind, name)] if source is None else [(kind, name), ("transition", f"{scenario}/{source} → end")]
    elif kind in ("start", "relocalise"):
        name = scenario if kind == "start" else f"{scenario} → {target}"
        keys.append((kind, name))
    if target is not None:
        keys += _stood(scenario, target)
    return Taken(tuple(keys), name, None if kind == "exit" else (scenario, target))


def _stood(scenario: str, step: str | None) -> Iterator[Key]:
    yield "scenario", scenario
    if step is not None:
        yield "step", f"{scenario}/{step}"


def templates_of(reply: Reply) -> list[str]:
    """What the turn was worded with: the template it names, and all of them where its metadata lists them."""
    out = [reply.template] if reply.template is not UNKNOWN and reply.template is not None else []
    if reply.metadata is not UNKNOWN:
        listed = reply.metadata.get("templates")
        out += [name for name in listed if isinstance(name, str)] if isinstance(listed, list) else []
    return out


def _shown(item: Json) -> str:
    try:
        text = orjson.dumps(item, option=orjson.OPT_SORT_KEYS).decode()
    except TypeError:  # a whole number beyond 64 bits
        text = repr(item)
    return text if len(text) <= SHOWN_VALUE else text[: SHOWN_VALUE - 1] + "…"
