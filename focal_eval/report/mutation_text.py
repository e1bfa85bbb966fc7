"""Mutants in a terminal: the score by operator and by script, weakest first, then what to write where."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from focal_eval.report.ansi import Paint
from focal_eval.report.characters import one_line, visible
from focal_eval.text import counted

Document = Mapping[str, Any]
WIDTH = 120  # characters of a name or a sentence


def mutation_lines(document: Document, paint: Paint, *, most: int = 20) -> Iterator[str]:
    """The document of mutants as lines; `most` rows of scripts and places with survivors."""
    yield from _table(document["operators"], "operator", paint, len(document["operators"]))
    yield ""
    yield from _table(document["scripts"], "script", paint, most)
    yield ""
    yield from _places(document["mutants"], paint, most)
    for note in document.get("notes") or ():
        yield paint(visible(note), "dim")
    yield score_line(document, paint)


def score_line(document: Document, paint: Paint) -> str:
    """The score in one line."""
    found = document["score"]
    if found["value"] is None:
        return paint("no mutant could be noticed, so there is no score", "yellow")
    parts = [f"{found['survived']:,} survived"] if found["survived"] else []
    parts += [f"{found['not_covered']:,} touched by no script"] if found["not_covered"] else []
    parts += [f"{found['timeouts']:,} timed out"] if found["timeouts"] else []
    parts += [f"{found['equivalent']:,} equivalent"] if found["equivalent"] else []
    parts += [f"{found['broken']:,} cannot be loaded"] if found["broken"] else []
    noticed = found["killed"] + found["timeouts"]
    text = f"{found['value']:.1%} of {counted(found['tried'], 'mutant')} noticed ({noticed:,}; 95 % interval "
    text += f"{found['low']:.1%} to {found['high']:.1%})" + "".join(f" · {part}" for part in parts)
    wanted = document.get("fail_under")
    if wanted is None:
        return paint(text, "bold")
    good = found["value"] >= wanted
    sign, word = ("✓", "at least") if good else ("✗", "not")
    return paint(f"{sign} {text}, {word} {wanted:.1%}", "bold", "green" if good else "red")


def _table(rows: Sequence[Mapping[str, Any]], key: str, paint: Paint, most: int) -> Iterator[str]:
    from tabulate import tabulate

    shown = rows[:most]
    body = [[one_line(str(row[key]), WIDTH), row["tried"], row["killed"] + row["timeouts"], _share(row)] for row in shown]
    heads = [key, "mutants", "noticed", "score"]
    table = tabulate(body, heads, tablefmt="simple", disable_numparse=True, colalign=("left", "right", "right", "right"))
    yield from table.splitlines()
    if len(rows) > most:
        yield paint(f"… and {len(rows) - most} more that are stronger", "dim")


def _share(row: Mapping[str, Any]) -> str:
    return "-" if row["value"] is None else f"{row['value']:.0%}"


def _places(mutants: Sequence[Mapping[str, Any]], paint: Paint, most: int) -> Iterator[str]:
    """Where mutants survive, the places where most kinds of them do first, each with an expectation that would notice."""
    groups: dict[tuple[str, int, str], list[Mapping[str, Any]]] = {}
    for item in mutants:
        if item.get("at") is not None and item.get("weak"):
            groups.setdefault((item["at"]["file"], item["at"]["line"], item["weak"]), []).append(item)
    ordered = sorted(groups.items(), key=lambda entry: (-_kinds(entry[1]), -len(entry[1]), entry[0]))
    for (file, line, weak), items in ordered[:most]:
        yield f"{paint(visible(f'{file}:{line}'), 'bold')}: {visible(weak)} ({counted(len(items), 'mutant')} survived)"
        item, count = _most_telling(items)
        yield f"  such as {one_line(item['text'], WIDTH)}"
        if item.get("proposal") is not None:
            yield f"  this would notice {'it' if len(items) == 1 else f'{count} of them'}:"
            yield from (f"    {visible(text)}" for text in item["proposal"].splitlines())
        yield ""
    if len(ordered) > most:
        yield paint(f"… and {len(ordered) - most} more places; --max-shown shows more, --json all", "dim")


def _kinds(items: Sequence[Mapping[str, Any]]) -> int:
    return len({item["operator"] for item in items})


def _most_telling(items: Sequence[Mapping[str, Any]]) -> tuple[Mapping[str, Any], int]:
    """The first mutant of those that one expectation would notice the most of, and how many these are."""
    counts = Counter(item["proposal"] for item in items if item.get("proposal") is not None)
    if not counts:
        return items[0], 0
    most = max(counts.values())
    return next((item, most) for item in items if counts.get(item.get("proposal") or "") == most)
