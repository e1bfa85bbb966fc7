"""Coverage on the terminal: a line for each kind, then what somebody has to look at, the worst first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from focal_eval.coverage.matrix import Matrix, Row, share, worst_first
from focal_eval.coverage.model import Key, State
from focal_eval.report.ansi import Paint
from focal_eval.report.characters import one_line
from focal_eval.report.coverage_json import both, pairs_json, present, reasons
from focal_eval.text import counted

WIDTH = 64  # of a name, and of what is said beside it
NAMED = 3  # scripts behind an item
COLOURS = {
    State.MISSED: "red",
    State.NEAR: "yellow",
    State.SUPPRESSED: "yellow",
    State.UNKNOWN: "magenta",
    State.HIT: "cyan",
}
WORDS = {
    State.MISSED: "missed",
    State.NEAR: "near miss only",
    State.SUPPRESSED: "suppressed only",
    State.UNKNOWN: "unknown",
    State.HIT: "hit",
}


def percent(count: int, total: int) -> str:
    """A share in per cent; it says 100 % only where nothing is missing, and 0 % only where there is nothing."""
    if not total:
        return "–"
    if count == total:
        return "100 %"
    return f"{min(99.9, max(0.1 if count else 0.0, count * 1000 // total / 10)):g} %"


def totals_lines(rows: Sequence[Row]) -> Iterator[str]:
    """A table with a line for each kind."""
    from tabulate import tabulate

    heads = ["", "items", "hit", "asserted", "both outcomes", "missed", "near", "suppressed", "unknown"]
    body = [_totals(kind, [row for row in rows if row.item.kind == kind]) for kind in present(rows)]
    align = ("left", *["right"] * (len(heads) - 1))
    yield from tabulate(body, headers=heads, tablefmt="simple", colalign=align, disable_numparse=True).splitlines()


def _totals(kind: str, rows: list[Row]) -> list[str]:
    hit, total = share(rows, "hit")
    judged = any(row.asserted is not None for row in rows)
    told = _figure(share(rows, "asserted")[0], total) if judged else "unknown"
    checked = f"{sum(bool(both(row)) for row in rows):,}" if judged or kind == "constraint" else "unknown"
    states = [sum(row.state is state for row in rows) for state in (State.MISSED, State.NEAR, State.SUPPRESSED, State.UNKNOWN)]
    figures = [f"{count:,}" if count else "" for count in states]
    return [f"{kind}s", f"{len(rows):,}", _figure(hit, total), told, checked, *figures]


def _figure(count: int, total: int) -> str:
    return f"{count:,} {percent(count, total):>7}"


def item_lines(
    matrix: Matrix, rows: Iterable[Row], paint: Paint, *, most: int, edited: Mapping[Key, str] | None
) -> Iterator[str]:
    """The items that no expectation would miss, or that were not even hit, the worst first; bounded."""
    from tabulate import tabulate

    found = [row for row in worst_first(rows) if not _fine(row)]
    table = [_cells(matrix, row, edited) for row in found[:most]]
    lines = (
        tabulate(table, tablefmt="plain", colalign=("right", "left", "left", "left"), disable_numparse=True).splitlines()
        if table
        else []
    )
    for line, row in zip(lines, found, strict=False):
        yield paint(f"  {line}".rstrip(), COLOURS[row.state])
    if len(found) > most:
        yield paint(f"  and {len(found) - most:,} more", "dim")


def _fine(row: Row) -> bool:
    return row.state is State.HIT and row.asserted is not False


def _cells(matrix: Matrix, row: Row, edited: Mapping[Key, str] | None) -> list[str]:
    line = "" if row.item.line is None else f"{row.item.line}"
    name = f"{row.item.kind} {one_line(row.item.name, WIDTH)}"
    why = "" if edited is None else f" ({edited.get(row.item.key)})"
    return [line, name, _word(row) + why, _detail(matrix, row)]


def _word(row: Row) -> str:
    if row.item.off and row.state is not State.HIT:
        return "not enabled"
    return "hit, not asserted" if row.state is State.HIT else WORDS[row.state]


def _detail(matrix: Matrix, row: Row) -> str:
    tally = row.tally
    if row.state is State.HIT:
        return f"{counted(tally.turns, 'turn')}: {_scripts(matrix.names(tally.scripts))}"
    if row.state is State.NEAR:
        return counted(tally.near, "turn")
    if row.state is State.SUPPRESSED:
        return one_line("; ".join(_dropped(why, by, turns) for (why, by), turns in reasons(tally.suppressed)[:NAMED]), WIDTH)
    if row.state is State.UNKNOWN:
        return (
            "the engine does not report it"
            if not tally.either
            else f"it or another edge of that name, in {counted(tally.either, 'turn')}"
        )
    return f"{counted(row.silent, 'turn')} of {matrix.turns:,} do not tell" if row.silent else ""


def _dropped(why: str, by: str | None, turns: int) -> str:
    return f"{why}{' by ' + by if by else ''} ({turns:,})"


def _scripts(names: list[str]) -> str:
    shown = ", ".join(one_line(name, 40) for name in names[:NAMED])
    return shown + (f" and {len(names) - NAMED:,} more" if len(names) > NAMED else "")


def script_lines(matrix: Matrix, paint: Paint, *, most: int) -> Iterator[str]:
    """The scripts of which another, or several others together, touch and check everything."""
    idle = [name for name, alone in matrix.alone().items() if not alone]
    if not idle:
        yield f"{counted(len(matrix.scripts), 'script')}; each touches or checks something that no other does"
        return
    verb = "touches and checks" if len(idle) == 1 else "touch and check"
    yield f"{counted(len(matrix.scripts), 'script')}; {len(idle):,} {verb} nothing that others do not touch and check too:"
    yield from (f"  {one_line(name, WIDTH)}" for name in idle[:most])
    if len(idle) > most:
        yield paint(f"  and {len(idle) - most:,} more", "dim")
    yield paint(
        "  each for itself: of two that are alike, one is still needed; other words or languages count for nothing here", "dim"
    )


def pair_lines(matrix: Matrix, paint: Paint, *, most: int) -> Iterator[str]:
    """Rules that were active in the same turn."""
    rules = sum(item.kind == "rule" for item in matrix.items)
    yield f"{counted(len(matrix.pairs), 'pair')} of rules active in one turn, of {rules * (rules - 1) // 2:,}"
    for pair in pairs_json(matrix)[:most]:
        yield f"  {counted(pair['turns'], 'turn'):>12}  {' + '.join(one_line(name, 40) for name in pair['rules'])}"
    if len(matrix.pairs) > most:
        yield paint(f"  and {len(matrix.pairs) - most:,} more", "dim")


def argument_lines(matrix: Matrix, paint: Paint, *, most: int) -> Iterator[str]:
    """What tools were given."""
    arguments = matrix.arguments()
    yield f"{counted(len(arguments), 'argument')} of tools with the values seen"
    for argument in arguments[:most]:
        shown = ", ".join(one_line(text, 24) for text in list(argument.values)[:NAMED])
        more = len(argument.values) - NAMED
        rest = f" and {more:,}{' or more' if argument.others else ''} more" if more > 0 else ""
        yield f"  {one_line(f'{argument.tool}.{argument.name}', WIDTH)}: {shown}{rest}"
    if len(arguments) > most:
        yield paint(f"  and {len(arguments) - most:,} more", "dim")


def one_item(matrix: Matrix, item: Mapping[str, Any], paint: Paint) -> Iterator[str]:
    """All that is known of one item, from its JSON."""
    row = next(row for row in matrix.rows() if row.item.key == (item["kind"], item["name"]))
    word = "asserted" if row.asserted else _word(row)
    place = "" if row.item.line is None else f", line {row.item.line}"
    yield paint(f"{row.item.kind} {one_line(row.item.name, WIDTH)}{place}: {word}", "bold")
    figures = {
        "hit": row.tally.turns,
        "asserted": item["asserted_turns"],
        "checked not to be": item["refuted_turns"],
        "near miss": row.tally.near,
        "suppressed": row.tally.suppressed.total(),
    }
    yield "  turns: " + ", ".join(f"{name} {'unknown' if count is None else f'{count:,}'}" for name, count in figures.items())
    yield from (f"  suppressed: {_dropped(one['why'], one['by'], one['turns'])}" for one in item["suppressed"])
    for words, key in (
        ("hit by", "scripts"),
        ("asserted by", "asserting_scripts"),
        ("checked not to be in", "refuting_scripts"),
    ):
        names, count = item[key]["names"], item[key]["count"]
        if count:
            more = f", and {count - len(names):,} more" if count > len(names) else ""
            yield f"  {words}: {', '.join(one_line(name, WIDTH) for name in names)}{more}"
