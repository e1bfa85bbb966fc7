"""Coverage as an lcov tracefile (geninfo(1)), so that viewers and services for code coverage show an agent file's lines.

A line's count is that of the least used item on it. Functions are the items, called as often as an expectation would miss
them. Branches are outcomes: of a rule that it matched, and that it did not where a script checks that; of a constraint
that it let a reply through, and that it did not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from focal_eval.coverage.lines import items_by_line
from focal_eval.coverage.matrix import Row

TEST_NAME = "focal_eval"  # letters, digits and underscores only


def tracefile(file: str, text: str, rows: Iterable[Row]) -> str:
    """The tracefile of one agent file. What the engine does not report has no count at all."""
    placed = [row for row in rows if row.item.line is not None]
    known = [row for row in placed if row.counts]
    return (
        "\n".join([f"TN:{TEST_NAME}", f"SF:{_one_line(file)}", *_functions(known), *_branches(known), *_lines(text, placed)])
        + "\n"
    )


def _functions(rows: list[Row]) -> Iterator[str]:
    judged = sorted((row for row in rows if row.asserted is not None), key=lambda row: (row.item.line or 0, row.item.key))
    names = {row.item.key: _one_line(f"{row.item.kind} {row.item.name}").replace(",", " ") for row in judged}
    yield from (f"FN:{row.item.line},{names[row.item.key]}" for row in judged)
    yield from (f"FNDA:{row.tally.asserted},{names[row.item.key]}" for row in judged)
    yield from (f"FNF:{len(judged)}", f"FNH:{sum(bool(row.asserted) for row in judged)}")


def _branches(rows: list[Row]) -> Iterator[str]:
    taken: list[int] = []
    blocks: dict[int, int] = {}
    for row in sorted(rows, key=lambda row: (row.item.line or 0, row.item.key)):
        counts = _outcomes(row)
        line = row.item.line or 0
        if counts:
            block = blocks[line] = blocks.get(line, -1) + 1
            yield from (f"BRDA:{line},{block},{number},{count}" for number, count in enumerate(counts))
            taken += counts
    yield from (f"BRF:{len(taken)}", f"BRH:{sum(map(bool, taken))}")


def _outcomes(row: Row) -> tuple[int, ...]:
    tally = row.tally
    if row.item.kind == "constraint":
        passed = tally.outcomes["passed"]
        return passed, tally.outcomes.total() - passed
    if row.item.kind == "rule" and row.asserted is not None:
        return tally.turns, tally.refuted
    return ()


def _lines(text: str, rows: list[Row]) -> Iterator[str]:
    """A line of an item that does not count has no count, and not that of what it stands in."""
    counts = {row.item.key: row.tally.turns for row in rows if row.counts}
    held = items_by_line([row.item for row in rows], text)
    known = {number: [counts[item.key] for item in items if item.key in counts] for number, items in held.items()}
    lines = {number: min(found) for number, found in known.items() if found}
    yield from (f"DA:{number},{count}" for number, count in lines.items())
    yield from (f"LF:{len(lines)}", f"LH:{sum(map(bool, lines.values()))}", "end_of_record")


def _one_line(text: str) -> str:
    return " ".join(text.split())
