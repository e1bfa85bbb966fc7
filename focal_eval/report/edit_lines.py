"""An edit of an agent as lines for a terminal: what it is about, then each field with what was there and what is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from focal_eval.compare.model import Edit
from focal_eval.compare.wording import word_diff
from focal_eval.records import Json
from focal_eval.report.ansi import Paint
from focal_eval.report.characters import one_line

_SHOWN = 4  # fields of an edit, and items of a list
_WIDTH = 110


def edit_of(change: Mapping[str, Any]) -> Edit:
    """The JSON of one change as an edit with one field, or none where all of the part came or went."""
    whole = change["change"] in ("added", "removed")
    fields = () if whole else ((change["field"] or "all of it", change["before"], change["after"]),)
    return Edit(change["kind"], change["name"], change["change"], fields, change["line"])


def edit_lines(edit: Edit, file: str, begin: str, paint: Paint) -> Iterator[str]:
    """The lines; the first starts with `begin`, the others under it."""
    place = f"{one_line(file, 80)}:{edit.line}: " if edit.line is not None else ""
    name = f" {one_line(edit.name, 80)}" if edit.name else ""
    yield paint(begin, "dim") + f"{place}{one_line(edit.kind, 40)}{name} {edit.change}"
    indent = " " * len(begin)
    for field, before, after in edit.fields[:_SHOWN]:
        yield indent + _field(one_line(field, 80), before, after, paint)
    if len(edit.fields) > _SHOWN:
        yield paint(f"{indent}and {len(edit.fields) - _SHOWN} more fields", "dim")


def _field(name: str, before: Json, after: Json, paint: Paint) -> str:
    if before is None or after is None:
        word, value = ("added", after) if before is None else ("removed", before)
        return f"{name} {word}: {one_line(_spelt(value), _WIDTH)}"
    if isinstance(before, list) or isinstance(after, list):  # a list of one may be written as its item
        one, other = (held if isinstance(held, list) else [held] for held in (before, after))
        return f"{name}: {_items(one, other, paint)}"
    was, now = _spelt(before), _spelt(after)
    short = len(was) + len(now) <= _WIDTH and (" " not in was or " " not in now)
    return f"{name}: {one_line(f'{was} → {now}', _WIDTH) if short else _words(was, now, paint)}"


def _items(before: list[Json], after: list[Json], paint: Paint) -> str:
    """The items that went and came."""
    gone, came = ([item for item in one if item not in other] for one, other in ((before, after), (after, before)))
    if not gone and not came:
        return "in another order"
    told = [(item, "-", "red") for item in gone] + [(item, "+", "green") for item in came]
    shown = [paint(f"[{sign}{one_line(_spelt(item), 60)}]", colour) for item, sign, colour in told[:_SHOWN]]
    return " ".join([*shown, *([f"and {len(told) - _SHOWN} more"] if len(told) > _SHOWN else [])])


def _words(before: str, after: str, paint: Paint) -> str:
    """The words that differ, with some of what stands around them."""
    out = []
    for piece in word_diff(before, after):
        if piece.kind == "equal":
            out.append(_cut(piece.text))
        else:
            sign, colour = ("-", "red") if piece.kind == "removed" else ("+", "green")
            out.append(paint(f"[{sign}{one_line(piece.text, _WIDTH)}]", colour) + " " * piece.text[-1:].isspace())
    return "".join(out)


def _spelt(value: Json) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _cut(text: str) -> str:
    """A stretch that both texts share, on one line, without its middle."""
    begin, end = " " * text[:1].isspace(), " " * text[-1:].isspace()
    if not text.strip():
        return begin
    if len(text) > 60:
        return f"{begin}{one_line(text[:24], 60)} … {one_line(text[-24:], 60)}{end}"
    return f"{begin}{one_line(text, 100)}{end}"
