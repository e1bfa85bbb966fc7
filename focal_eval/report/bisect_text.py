"""What a bisection found, on the terminal: each reason with the lines of its edits, then what was tried."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TextIO

from focal_eval.report.ansi import Paint, emit, wants_colour
from focal_eval.report.characters import one_line
from focal_eval.report.edit_lines import edit_lines, edit_of
from focal_eval.text import counted, listed

_NAMED = 4


def print_bisection(found: Mapping[str, Any], stream: TextIO, *, quiet: bool = False) -> None:
    """Prints the JSON of a bisection; `quiet` leaves only its last line."""
    paint = Paint(wants_colour(stream))
    lines = [*_reasons(found, paint), *_rest(found, paint)] if not quiet else []
    for line in (*lines, _last(found, paint)):
        emit(stream, line)


def _reasons(found: Mapping[str, Any], paint: Paint) -> Iterator[str]:
    yield f"{one_line(found['old'], 100)} → {one_line(found['new'], 100)}: {counted(found['edits'], 'edit')}"
    commit = found["commit"]
    if commit is not None:
        told = f"{commit['id'][:10]} {commit['date']} {one_line(commit['author'], 60)}: {one_line(commit['subject'], 100)}"
        yield paint("first bad commit ", "dim") + told
    for commit in found["doubtful"]:
        yield paint("or               ", "dim") + f"{commit['id'][:10]} {commit['date']}, whose agent cannot be played"
    for reason in found["reasons"]:
        yield ""
        edits = reason["edits"]
        verb = "breaks" if len(edits) == 1 else "together break"
        cases = counted(len(reason["cases"]), "case")
        yield paint(f"✗ {counted(len(edits), 'edit')} {verb} {cases}", "bold", "red") + f": {_names(reason['cases'])}"
        for edit in edits:
            yield from edit_lines(edit_of(edit), one_line(_file(found, edit), 100), "    ", paint)
        yield from _failure(reason, paint)


def _failure(reason: Mapping[str, Any], paint: Paint) -> Iterator[str]:
    where = one_line(reason["case"], 100) + ("" if reason["turn"] is None else f", turn {reason['turn']}")
    if reason["expectation"] is not None:
        yield paint("  fails  ", "dim") + f"{where}: {one_line(reason['expectation'], 140)}"
    if reason["because"] is not None:
        yield paint("  for    ", "dim") + one_line(reason["because"], 140)


def _file(found: Mapping[str, Any], edit: Mapping[str, Any]) -> str:
    return str(found["old"] if edit["change"] == "removed" else found["new"])


def _rest(found: Mapping[str, Any], paint: Paint) -> Iterator[str]:
    yield ""
    if found["unexplained"]:
        yield paint(f"not explained: {_names(found['unexplained'])}", "yellow")
    if found["bad_before"]:
        yield paint(f"bad on both: {_names(found['bad_before'])}", "dim")
    if found["dependent"]:
        yield paint("do not fit without them, and would have to go, too", "dim")
        for edit in found["dependent"]:
            yield from edit_lines(edit_of(edit), one_line(_file(found, edit), 100), "    ", paint)
    if found["commits"]:
        yield paint(f"{counted(found['commits'], 'commit')} changed the agent, {found['tried']} of them played", "dim")
    unsure = f", {found['unsure']} of them unsure" if found["unsure"] else ""
    yield paint(f"{counted(found['probes'], 'probe')}{unsure}", "dim")


def _last(found: Mapping[str, Any], paint: Paint) -> str:
    broken = counted(len(found["broken"]), "case")
    taken = sum(len(reason["edits"]) for reason in found["reasons"]) + len(found["dependent"])
    if found["repaired"]:
        return (
            paint(f"Without {'this edit' if taken == 1 else f'these {taken} edits'}", "bold")
            + f" {broken} pass{'es' if len(found['broken']) == 1 else ''} again."
        )
    if not found["reasons"]:
        return paint("No choice of edits explains it.", "bold", "yellow")
    return paint("Not every case is explained", "bold", "yellow") + f": without these {counted(taken, 'edit')} some still fail."


def _names(names: list[str]) -> str:
    return listed([one_line(name, 100) for name in names], most=_NAMED)
