"""A comparison as its page holds it: light columns with a value for each conversation, everything else in packed chunks.

Conversations are read one at a time, each once, so that ten thousand of them never stand in memory together. On the way
what the page sums up is collected: the rules and steps each side went through, and how long its turns took.
"""

from __future__ import annotations

import base64
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from focal_eval.compare.model import CaseChange, Change, Comparison, RecordedCase
from focal_eval.records import Json
from focal_eval.report.comparison_document import deciding, document, spoken
from focal_eval.report.model import natural
from focal_eval.value import value

Recordings = Callable[[CaseChange], Sequence[RecordedCase]]
"""Gives the repeats of a case on one side, in order; empty where the side does not have it."""

CHUNK_CASES = 100
CHUNK_BYTES = 2_000_000  # of JSON: what one opened conversation may cost the browser
SAID_CASES = 500  # whose words are packed together
GZIP_LEVEL = 6
ORDER = {change: place for place, change in enumerate(Change)}
Edge = tuple[str, str, str]  # scenario, source, target; a step without a scenario is outside


SETS = {"tags": "tag", "rules": "rule", "tools": "tool", "steps": "step"}  # columns that hold sets, and what is in them
COLUMNS = (
    "name",
    "title",
    "script",
    "tags",
    "change",
    "before",
    "after",
    "cause",
    "rules",
    "tools",
    "steps",
    "turns",
    "turn",
    "chunk",
    "line",
)


@value
class Visits:
    """What conversations of one side went through: each name with the number of conversations."""

    rules: Counter[str]
    near: Counter[str]  # rules that came near and were dropped
    edges: Counter[Edge]
    steps: Counter[tuple[str, str]]
    verdicts: Counter[str]


def _visits() -> Visits:
    return Visits(Counter(), Counter(), Counter(), Counter(), Counter())


@dataclass(slots=True)
class Gathered:
    """What was collected on the way through the conversations."""

    before: Visits = field(default_factory=_visits)
    after: Visits = field(default_factory=_visits)
    latencies: tuple[list[float], list[float]] = field(default_factory=lambda: ([], []))
    flow: Counter[tuple[str | None, str | None]] = field(default_factory=Counter)
    rule_changes: dict[str, Counter[Change]] = field(default_factory=dict)
    columns: dict[str, list[Any]] = field(default_factory=lambda: {name: [] for name in COLUMNS})  # a value for each row
    sets: dict[str, dict[tuple[int, ...], int]] = field(default_factory=lambda: {kind: {} for kind in SETS})
    said: list[str] = field(default_factory=list)  # what was said, a line for each row, packed
    names: dict[str, dict[str, int]] = field(
        default_factory=lambda: {kind: {} for kind in ("script", "title", "tag", "rule", "tool", "step", "verdict", "engine")}
    )

    def number(self, kind: str, name: str) -> int:
        """The number that stands for a name; texts that many rows share stand once."""
        known = self.names[kind]
        return known.setdefault(name, len(known))

    def set_number(self, column: str, names: Iterable[str]) -> int:
        """The number of a set of names in `column`: rows with the same rules, tools, steps or tags share one."""
        known = self.sets[column]
        return known.setdefault(tuple(self.number(SETS[column], name) for name in names), len(known))


def in_order(comparison: Comparison) -> list[CaseChange]:
    """The most urgent first; of these the biggest cause first, and conversations of one cause together."""
    rank = {group.cause.key: place for place, group in enumerate(comparison.groups)}

    def key(case: CaseChange) -> tuple[Any, ...]:
        cause = rank.get(case.cause.key, len(rank)) if case.cause else len(rank)
        return ORDER[case.change], cause, natural(case.name)

    return sorted(comparison.cases, key=key)


def gather(comparison: Comparison, before: Recordings, after: Recordings) -> tuple[Gathered, list[str]]:
    """What the page sums up, and the packed chunks in base64; what was said is packed apart, to be searched."""
    found = Gathered()
    causes = {group.cause.key: place for place, group in enumerate(comparison.groups)}
    chunks: list[str] = []
    lines: list[bytes] = []
    said: list[bytes] = []
    size = 0
    for case in in_order(comparison):
        sides = before(case), after(case)
        line = orjson.dumps(document(case, *sides))
        if lines and (len(lines) >= CHUNK_CASES or size + len(line) > CHUNK_BYTES):
            chunks.append(_packed(lines))
            lines, size = [], 0
        for column, cell in zip(COLUMNS, (*_row(found, case, sides, causes), len(chunks), len(lines)), strict=True):
            found.columns[column].append(cell)
        lines.append(line)
        said.append(spoken(*sides))
        size += len(line)
    if lines:
        chunks.append(_packed(lines))
    found.said = [_packed(said[place : place + SAID_CASES]) for place in range(0, len(said), SAID_CASES)]
    return found, chunks


def _packed(lines: Sequence[bytes]) -> str:
    packer = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, 31)  # 31: a gzip header, with no time in it
    return base64.b64encode(packer.compress(b"\n".join(lines)) + packer.flush()).decode("ascii")


def _row(found: Gathered, case: CaseChange, sides: tuple[Sequence[RecordedCase], ...], causes: Mapping[str, int]) -> list[Any]:
    decided = deciding(sides[0], case.before_id, case.before), deciding(sides[1], case.after_id, case.after)
    found.flow[case.before, case.after] += 1
    seen: tuple[set[str], set[str], set[str]] = (set(), set(), set())
    for visits, latencies, recorded in zip((found.before, found.after), found.latencies, decided, strict=True):
        if recorded is not None:
            _count(visits, latencies, recorded, seen)
    for rule in sorted(seen[0]):
        found.rule_changes.setdefault(rule, Counter())[case.change] += 1
    known = decided[1] or decided[0]
    file = known.file if known is not None else ""
    return [
        case.name,
        found.number("title", case.title or case.name),
        found.number("script", file or case.script),
        found.set_number("tags", case.tags),
        ORDER[case.change],
        -1 if case.before is None else found.number("verdict", case.before),
        -1 if case.after is None else found.number("verdict", case.after),
        causes.get(case.cause.key, -1) if case.cause else -1,
        *(found.set_number(column, sorted(names)) for column, names in zip(("rules", "tools", "steps"), seen, strict=True)),
        0 if known is None else len(known.turns),
        -1 if case.turn is None else case.turn,
    ]


def _count(visits: Visits, latencies: list[float], case: RecordedCase, seen: tuple[set[str], set[str], set[str]]) -> None:
    rules: set[str] = set()
    near: set[str] = set()
    edges: set[Edge] = set()
    steps: set[tuple[str, str]] = set()
    for turn in case.turns:
        reply = turn.reply
        if reply is None:
            continue
        if turn.elapsed_ms is not None:
            latencies.append(turn.elapsed_ms)
        rules.update(str(rule.get("name")) for rule in reply.get("rules") or ())
        near.update(str(item.get("name")) for item in reply.get("candidates") or () if item.get("suppressed"))
        seen[1].update(str(call.get("name")) for call in reply.get("tools") or ())
        _walk(reply, edges, steps)
    visits.verdicts[case.verdict] += 1
    visits.rules.update(rules)
    visits.near.update(near - rules)
    visits.edges.update(edges)
    visits.steps.update(steps)
    seen[0].update(rules)
    seen[2].update(f"{scenario}/{step}" for scenario, step in steps)


def _walk(reply: Mapping[str, Json], edges: set[Edge], steps: set[tuple[str, str]]) -> None:
    """The edges a turn took and the steps it stood at."""
    state = reply.get("scenario")
    if isinstance(state, Mapping) and state.get("step") is not None:
        steps.add((str(state.get("id")), str(state.get("step"))))
    for edge in reply.get("transitions") or ():
        scenario = edge.get("scenario") or (state.get("id") if isinstance(state, Mapping) else None)
        if scenario is None:
            continue
        source, target = str(edge.get("source") or ""), str(edge.get("target") or "")
        edges.add((str(scenario), source, target))
        steps.update((str(scenario), step) for step in (source, target) if step)


def rule_table(found: Gathered) -> Iterator[dict[str, Any]]:
    """Every rule that matched or came near on either side, those with most changed conversations first."""
    names = {*found.before.rules, *found.after.rules, *found.before.near, *found.after.near}
    rows = []
    for name in names:
        changes = found.rule_changes.get(name, Counter())
        rows.append(
            {
                "name": name,
                "before": found.before.rules[name],
                "after": found.after.rules[name],
                "near_before": found.before.near[name],
                "near_after": found.after.near[name],
                "changes": {change.value: changes[change] for change in Change if changes[change]},
            }
        )
    yield from sorted(rows, key=_urgency)


def _urgency(row: Mapping[str, Any]) -> tuple[Any, ...]:
    changes = row["changes"]
    differing = sum(count for change, count in changes.items() if change != Change.SAME)
    return (
        -changes.get(Change.REGRESSED, 0),
        -abs(row["before"] - row["after"]),
        -differing,
        -row["after"],
        natural(row["name"]),
    )
