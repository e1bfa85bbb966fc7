"""Adds up the traces of many cases: what happened to each item, which scripts stand behind it, and what is only there once.

Memory grows with items, scripts (a bit for each item) and bounded samples, never with cases.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from focal_eval.coverage.model import KINDS, CaseTrace, Item, Key, Move, State
from focal_eval.coverage.scripts import Bits
from focal_eval.value import value

MOST_VALUES = 20  # kept of one argument of a tool
MOST_ARGUMENTS = 2_000  # of all tools together
MOST_PAIRS = 50_000  # of rules
MOST_REASONS = 50  # why one item was dropped
MOST_UNLISTED = 5_000  # items in records that the agent does not have

Checked = Mapping[Key, Collection[int]]
"""For an item, by its name in records, the turns in which an expectation notices when it is altered."""

_EDGES = frozenset({"transition", "exit"})


@dataclass(slots=True)
class Tally:
    """What is known of one item so far."""

    turns: int = 0
    cases: int = 0
    either: int = 0  # turns in which it was this or another edge of the same name
    near: int = 0
    suppressed: Counter[tuple[str, str | None]] = field(default_factory=Counter)
    asserted: int = 0  # turns
    refuted: int = 0  # turns in which it was not, and an expectation would notice if it were
    scripts: Bits = field(default_factory=Bits)
    asserting: Bits = field(default_factory=Bits)
    refuting: Bits = field(default_factory=Bits)
    outcomes: Counter[str] = field(default_factory=Counter)  # of a constraint


@value
class Row:
    """One item with what recorded runs did to it. `asserted` is None where nothing could be judged again."""

    item: Item
    state: State
    asserted: bool | None
    tally: Tally
    silent: int  # turns that do not tell its kind

    @property
    def counts(self) -> bool:
        """Whether it belongs into a share: what is unknown, and a rule that is switched off, does not."""
        return self.state is not State.UNKNOWN and not (self.item.off and self.state is not State.HIT)

    @property
    def rank(self) -> tuple[int, int]:
        """The worst first."""
        order = (State.MISSED, State.NEAR, State.SUPPRESSED, State.UNKNOWN, State.HIT)
        return order.index(self.state) + int(bool(self.asserted)), int(self.item.off)


@value
class Argument:
    """The values a tool's argument was given, with the number of calls; `others` are calls with values that were not kept."""

    tool: str
    name: str
    values: Mapping[str, int]
    others: int


class Matrix:
    """Items by scripts, filled case by case."""

    def __init__(self, items: Sequence[Item] | None) -> None:
        """`items` is what the agent has; None where no agent file is known, then what records show is all there is.

        `own_reasons` says whether the reasons of moves are the embedded agent's own words, which tell edges apart.
        """
        self.own_reasons = True
        self.listed = items is not None
        self.items: list[Item] = list(items or ())
        self.tallies: list[Tally] = [Tally() for _ in self.items]
        self.scripts: dict[str, int] = {}
        self.cases = self.turns = 0
        self.judged = 0  # cases that could be judged again
        self.silent: Counter[str] = Counter()  # turns that do not tell a kind
        self.pairs: Counter[tuple[str, str]] = Counter()
        self.unlisted: dict[Key, int] = {}  # in records and not in the agent, with the number of cases
        self.left_out: Counter[str] = Counter()  # what was beyond the bounds
        self._arguments: dict[tuple[str, str], tuple[dict[str, int], list[int]]] = {}
        self._by_name: dict[Key, list[int]] = {}
        for position, item in enumerate(self.items):
            self._by_name.setdefault((item.kind, item.seen_as), []).append(position)

    def add(self, trace: CaseTrace, asserted: Checked | None = None, refuted: Checked | None = None) -> None:
        """Adds a case. `asserted` and `refuted` are None where the case could not be judged again."""
        script = self.scripts.setdefault(trace.script, len(self.scripts))
        self.cases += 1
        self.turns += trace.turns
        self.judged += asserted is not None
        for kind, places in trace.unknown.items():
            self.silent[kind] += len(places)
        hits, either = self._attributed(trace)
        for position, taken in hits.items():
            tally = self.tallies[position]
            tally.turns += len(taken)
            tally.cases += 1
            tally.scripts.add(script)
            self._assert(tally, self.items[position], taken, asserted or {}, script)
        for position, count in either.items():
            self.tallies[position].either += count
        for key, checked in (refuted or {}).items():
            for position in self._by_name.get(key, ()) if checked else ():
                self.tallies[position].refuted += len(checked)
                self.tallies[position].refuting.add(script)
        self._considered(trace)
        self._sample(trace)

    @staticmethod
    def _assert(tally: Tally, item: Item, turns: Collection[int], asserted: Checked, script: int) -> None:
        found = asserted.get((item.kind, item.seen_as), ())
        count = sum(turn in turns for turn in found)
        if count:
            tally.asserted += count
            tally.asserting.add(script)

    def hit_by(self, trace: CaseTrace) -> frozenset[int]:
        """Positions of the items that a case hits, of edges those that its records tell apart; nothing is added."""
        return frozenset(self._attributed(trace)[0])

    def _attributed(self, trace: CaseTrace) -> tuple[dict[int, set[int]], Counter[int]]:
        """The turns of each item, and for edges that the records do not tell apart how often it was one of them."""
        hits: dict[int, set[int]] = {}
        either: Counter[int] = Counter()
        for (kind, name), turns in trace.hits.items():
            if kind not in _EDGES:
                for position in self._known(kind, name):
                    hits[position] = set(turns)
        for move in trace.moves:
            if move.kind in _EDGES:
                found = self._taken(move)
                for position in found:
                    if len(found) == 1:
                        hits.setdefault(position, set()).add(move.turn)
                    else:
                        either[position] += 1
        return hits, either

    def _taken(self, move: Move) -> Sequence[int]:
        """The edges a move can have been; one, where its reason tells."""
        names = [(move.kind, move.name)]
        if move.kind == "exit" and move.step is not None:
            names.append(("transition", f"{move.name}/{move.step} → end"))
        found = [position for name in names for position in self._by_name.get(name, ())]
        if not found:
            return self._known(move.kind, move.name)
        if len(found) == 1:
            return found
        fitting = [place for place in found if self.items[place].reasons.fit(move.reason)] if self.own_reasons else []
        return fitting or found

    def _known(self, kind: str, name: str) -> Sequence[int]:
        """The items of a name; one that the agent does not have is noted, or made where there is no agent."""
        found = self._by_name.get((kind, name))
        if found is not None:
            return found
        if len(self.items if not self.listed else self.unlisted) >= MOST_UNLISTED and (kind, name) not in self.unlisted:
            self.left_out["items"] += 1
            return ()
        if self.listed:
            self.unlisted[kind, name] = self.unlisted.get((kind, name), 0) + 1
            return ()
        self.items.append(Item(kind, name, None, name, (kind, name)))
        self.tallies.append(Tally())
        made = self._by_name[kind, name] = [len(self.items) - 1]
        return made

    def _considered(self, trace: CaseTrace) -> None:
        for key, turns in trace.near.items():
            for position in self._by_name.get(key, ()):
                self.tallies[position].near += len(turns)
        for key, drops in trace.suppressed.items():
            for position in self._by_name.get(key, ()):
                reasons = self.tallies[position].suppressed
                for _, why, by in drops:
                    reasons[(why, by) if (why, by) in reasons or len(reasons) < MOST_REASONS else (why, None)] += 1

    def _sample(self, trace: CaseTrace) -> None:
        for pair in trace.pairs:
            if pair in self.pairs or len(self.pairs) < MOST_PAIRS:
                self.pairs[pair] += 1
            else:
                self.left_out["pairs"] += 1
        for rule, outcome in trace.outcomes:
            for position in self._by_name.get(("constraint", rule), ()):
                self.tallies[position].outcomes[outcome] += 1
        for tool, name, text in trace.arguments:
            if (tool, name) not in self._arguments and len(self._arguments) >= MOST_ARGUMENTS:
                self.left_out["arguments"] += 1
                continue
            values, others = self._arguments.setdefault((tool, name), ({}, [0]))
            if text in values or len(values) < MOST_VALUES:
                values[text] = values.get(text, 0) + 1
            else:
                others[0] += 1

    def rows(self, kinds: Collection[str] = KINDS) -> list[Row]:
        """Every item of these kinds, in the order of the agent."""
        return [self._row(item, tally) for item, tally in zip(self.items, self.tallies, strict=True) if item.kind in kinds]

    def _row(self, item: Item, tally: Tally) -> Row:
        silent = self.silent[item.kind]
        if tally.turns:
            state = State.HIT
        elif tally.either or not self.turns or silent == self.turns:
            state = State.UNKNOWN
        elif tally.suppressed:
            state = State.SUPPRESSED
        else:
            state = State.NEAR if tally.near else State.MISSED
        return Row(item, state, bool(tally.asserted) if self.judged else None, tally, silent)

    def arguments(self) -> list[Argument]:
        """What tools were given, by tool and argument; the most frequent values first."""
        return [
            Argument(tool, name, dict(sorted(values.items(), key=lambda pair: (-pair[1], pair[0]))), others[0])
            for (tool, name), (values, others) in sorted(self._arguments.items())
        ]

    def names(self, bits: Bits) -> list[str]:
        """The scripts of a set, sorted."""
        known = list(self.scripts)
        return sorted(known[number] for number in bits)

    def alone(self) -> dict[str, list[Key]]:
        """For each script the items that no other script hits, or that no other asserts; scripts sorted."""
        known = list(self.scripts)
        out: dict[str, list[Key]] = {name: [] for name in sorted(known)}
        for item, tally in zip(self.items, self.tallies, strict=True):
            for number in {bits.only() for bits in (tally.scripts, tally.asserting, tally.refuting)} - {None}:
                out[known[number or 0]].append(item.key)
        return out


def share(rows: Iterable[Row], of: str) -> tuple[int, int]:
    """How many items are `hit` or `asserted`, of how many that count."""
    counted = [row for row in rows if row.counts]
    return sum(bool(row.asserted) if of == "asserted" else row.state is State.HIT for row in counted), len(counted)


def worst_first(rows: Iterable[Row]) -> Iterator[Row]:
    """Rows in the order in which somebody has to look at them: by kind, the worst first, then as the agent has them."""
    yield from sorted(rows, key=lambda row: (row.rank, KINDS.index(row.item.kind)))
