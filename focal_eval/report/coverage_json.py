"""Coverage as one JSON document; its keys are described in docs/reference/coverage.md."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from focal_eval.coverage.matrix import Matrix, Row, share
from focal_eval.coverage.model import KINDS, Key, State
from focal_eval.coverage.scripts import Bits

MOST_SCRIPTS = 100  # named behind one item
MOST_PAIRS = 1_000


def items_json(matrix: Matrix, rows: Iterable[Row], edited: Mapping[Key, str] | None = None) -> list[dict[str, Any]]:
    """Items in the order of the agent."""
    return [_item(matrix, row, None if edited is None else edited.get(row.item.key)) for row in rows]


def _item(matrix: Matrix, row: Row, edited: str | None) -> dict[str, Any]:
    tally = row.tally
    return {
        "kind": row.item.kind,
        "name": row.item.name,
        "line": row.item.line,
        "state": str(row.state),
        "asserted": row.asserted,
        "both_outcomes": both(row),
        "turns": tally.turns,
        "cases": tally.cases,
        "asserted_turns": None if row.asserted is None else tally.asserted,
        "refuted_turns": None if row.asserted is None else tally.refuted,
        "near_miss_turns": tally.near,
        "suppressed": [{"why": why, "by": by, "turns": turns} for (why, by), turns in reasons(tally.suppressed)],
        "either_turns": tally.either,
        "silent_turns": row.silent,
        "outcomes": dict(sorted(tally.outcomes.items())),
        "scripts": _scripts(matrix, tally.scripts),
        "asserting_scripts": _scripts(matrix, tally.asserting),
        "refuting_scripts": _scripts(matrix, tally.refuting),
        "enabled": not row.item.off,
        "edited": edited,
    }


def _scripts(matrix: Matrix, bits: Bits) -> dict[str, Any]:
    names = matrix.names(bits)
    return {"count": len(names), "names": names[:MOST_SCRIPTS]}


def both(row: Row) -> bool | None:
    """Whether both outcomes are checked: that it is at work where it should be, and that it is not where it should not.

    None where that is unknown.
    """
    if row.item.kind == "constraint":
        return row.tally.outcomes["passed"] > 0 and row.tally.outcomes.total() > row.tally.outcomes["passed"]
    return None if row.asserted is None else row.asserted and bool(row.tally.refuted)


def reasons(counts: Counter[tuple[str, str | None]]) -> list[tuple[tuple[str, str | None], int]]:
    """Why an item was dropped, the most frequent first."""
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0][0], pair[0][1] or ""))


def totals_json(rows: Sequence[Row]) -> dict[str, dict[str, int | None]]:
    """Counts by kind; a kind that the agent has nothing of is left out."""
    return {kind: _totals([row for row in rows if row.item.kind == kind]) for kind in present(rows)}


def present(rows: Iterable[Row]) -> Iterator[str]:
    """The kinds that rows have, in the order they are told."""
    kinds = {row.item.kind for row in rows}
    yield from (kind for kind in KINDS if kind in kinds)


def _totals(rows: list[Row]) -> dict[str, int | None]:
    states = Counter(row.state for row in rows)
    judged = any(row.asserted is not None for row in rows)
    return {
        "items": len(rows),
        "counted": share(rows, "hit")[1],
        "hit": states[State.HIT],
        "asserted": share(rows, "asserted")[0] if judged else None,
        "both_outcomes": sum(bool(both(row)) for row in rows) if judged or rows[0].item.kind == "constraint" else None,
        **{str(state): states[state] for state in (State.MISSED, State.NEAR, State.SUPPRESSED, State.UNKNOWN)},
    }


def scripts_json(matrix: Matrix) -> list[dict[str, Any]]:
    """Every script with how many items it touches, and those that no other script touches or checks."""
    touched: Counter[int] = Counter()
    for tally in matrix.tallies:
        touched.update(tally.scripts)
    return [
        {"name": name, "items": touched[matrix.scripts[name]], "alone": [{"kind": kind, "name": item} for kind, item in found]}
        for name, found in matrix.alone().items()
    ]


def pairs_json(matrix: Matrix) -> list[dict[str, Any]]:
    """Rules that were active in one turn, the most frequent pairs first."""
    ordered = sorted(matrix.pairs.items(), key=lambda pair: (-pair[1], pair[0]))
    return [{"rules": list(rules), "turns": turns} for rules, turns in ordered[:MOST_PAIRS]]


def arguments_json(matrix: Matrix) -> list[dict[str, Any]]:
    """The values that tools were given, by tool and argument."""
    return [
        {
            "tool": argument.tool,
            "argument": argument.name,
            "values": [{"value": text, "cases": count} for text, count in argument.values.items()],
            "other_values": argument.others,
        }
        for argument in matrix.arguments()
    ]


def matrix_json(matrix: Matrix, rows: Sequence[Row], edited: Mapping[Key, str] | None = None) -> dict[str, Any]:
    """All that is known of items, scripts, pairs and arguments."""
    scripts = scripts_json(matrix)
    return {
        "cases": matrix.cases,
        "turns": matrix.turns,
        "judged_cases": matrix.judged,
        "totals": totals_json(rows),
        "items": items_json(matrix, rows, edited),
        "scripts": scripts,
        "nothing_alone": [script["name"] for script in scripts if not script["alone"]],
        "pairs": pairs_json(matrix),
        "pairs_in_all": len(matrix.pairs),
        "arguments": arguments_json(matrix),
        "not_in_agent": [{"kind": kind, "name": name, "cases": n} for (kind, name), n in sorted(matrix.unlisted.items())],
    }
