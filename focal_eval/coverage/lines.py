"""Which line of an agent file belongs to which items."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from focal_eval.coverage.model import Item
from focal_eval.source import lines_of


def items_by_line(items: Iterable[Item], text: str) -> Mapping[int, tuple[Item, ...]]:
    """For each line with something on it the innermost items it belongs to, from 1; comments belong to nothing.

    A transition's line is the transition's and not its step's; two transitions on one line share it.
    """
    lines = lines_of(text)
    found: dict[int, list[Item]] = {}
    bodies = [(bounds, item) for item in items if (bounds := _bounds(item, lines)) is not None]
    bodies.sort(key=lambda pair: pair[0][0] - pair[0][1])  # the longest first
    owners: dict[int, tuple[int, int]] = {}
    for bounds, item in bodies:
        for number in range(bounds[0], min(bounds[1], len(lines)) + 1):
            if not _says_something(lines[number - 1]):
                continue
            if owners.get(number) != bounds:
                found[number] = []
                owners[number] = bounds
            found[number].append(item)
    return {number: tuple(found[number]) for number in sorted(found)}


def _bounds(item: Item, lines: Sequence[str]) -> tuple[int, int] | None:
    """First and last line. A block's span runs on to the first sign of what follows, which is not its own."""
    if item.span is None:
        return None
    body = item.body or item.span
    last = body.end_line
    if last > body.line and (last > len(lines) or not lines[last - 1][: body.end_column - 1].strip()):
        last -= 1
    return min(item.span.line, body.line), max(last, item.span.line)


def _says_something(line: str) -> bool:
    text = line.strip()
    return bool(text) and not text.startswith("#")
