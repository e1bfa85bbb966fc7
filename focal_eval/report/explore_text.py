"""What an exploration found, on the terminal: shares of each kind, what stays open and why, the scripts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TextIO

from focal_eval.report.ansi import Paint, emit, wants_colour
from focal_eval.report.characters import one_line
from focal_eval.text import counted, listed

_COLUMNS = ("covered", "reached", "open", "unreachable")


def print_explored(found: Mapping[str, Any], stream: TextIO, *, most: int = 20, quiet: bool = False) -> None:
    """Prints the JSON of an exploration; `most` lines of each list."""
    paint = Paint(wants_colour(stream))
    lines = () if quiet else _body(found, paint, most)
    for line in (*lines, _last(found, paint)):
        emit(stream, line)


def _body(found: Mapping[str, Any], paint: Paint, most: int) -> Iterator[str]:
    items: Sequence[Mapping[str, Any]] = found["items"]
    beside = f" beside {listed([one_line(suite, 80) for suite in found['suites']])}" if found["suites"] else ""
    yield paint(f"{one_line(found['agent'], 160)}{beside}", "bold")
    yield paint(f"  {'':<12}" + "".join(f"{name:>13}" for name in (*_COLUMNS, "of")), "dim")
    for kind in dict.fromkeys(item["kind"] for item in items):
        states = Counter(item["state"] for item in items if item["kind"] == kind)
        yield f"  {kind:<12}" + "".join(f"{states[name] or '·':>13}" for name in _COLUMNS) + f"{states.total():>13}"
    for state, title in (("open", "Not reached"), ("unreachable", "Cannot be reached")):
        yield from _items([item for item in items if item["state"] == state], title, paint, most)
    scripts = found["scripts"]
    if scripts:
        yield ""
        yield paint(f"Proposals ({len(scripts)})", "bold")
        for one in scripts[:most]:
            targets = listed([one_line(target, 60) for target in one["targets"]], most=2)
            yield f"  {one_line(one['name'], 80)}  " + paint(f"{counted(one['turns'], 'turn')}: {targets}", "dim")
        if len(scripts) > most:
            yield paint(f"  … and {len(scripts) - most} more", "dim")
    yield ""


def _items(items: Sequence[Mapping[str, Any]], title: str, paint: Paint, most: int) -> Iterator[str]:
    if not items:
        return
    yield ""
    yield paint(f"{title} ({len(items)})", "bold")
    for item in items[:most]:
        place = "" if item["line"] is None else f" line {item['line']}"
        yield f"  {item['kind']} {one_line(item['name'], 80)}{place}: " + paint(one_line(item["why"], 200), "dim")
    if len(items) > most:
        yield paint(f"  … and {len(items) - most} more", "dim")


def _last(found: Mapping[str, Any], paint: Paint) -> str:
    states = Counter(item["state"] for item in found["items"])
    missing = states["reached"] + states["open"]
    scripts = counted(len(found["scripts"]), "script")
    where = next((one["file"] for one in found["scripts"] if one["file"]), None)
    to = "" if where is None else f" to {one_line(where.rpartition('/')[0] or '.', 200)}"
    word = "wrote" if where is not None else "found"
    reached = paint(f"{states['reached']} of {counted(missing, 'item')} without a script reached", "bold")
    walked = f"{counted(found['plays'], 'turn')}, {counted(found['states'], 'state')}"
    return f"{reached}; {word} {scripts}{to}; played {walked}"
