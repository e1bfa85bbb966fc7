"""Which cases an edit can touch, on the terminal: the edits, what is chosen for each reason, what is left out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TextIO

from focal_eval.report.ansi import Paint, emit, wants_colour
from focal_eval.report.characters import one_line
from focal_eval.report.edit_lines import edit_lines, edit_of
from focal_eval.text import counted, listed

UNDER_EDITS = frozenset({"touched", "recorded"})
"""Reasons whose cases stand under the edits that show in them."""


def print_impact(
    found: Mapping[str, Any], why: Mapping[str, str], stream: TextIO, *, most: int = 20, quiet: bool = False
) -> None:
    """Prints the JSON of an impact; `why` are the reasons in words, `most` the cases and edits named for each."""
    paint = Paint(wants_colour(stream))
    lines = () if quiet else _body(found, why, paint, most)
    for line in (*lines, *_last(found, paint)):
        emit(stream, line)


def _body(found: Mapping[str, Any], why: Mapping[str, str], paint: Paint, most: int) -> Iterator[str]:
    edits = found["edits"]
    yield f"{one_line(found['old'], 100)} → {one_line(found['new'], 100)}: {counted(len(edits), 'edit')}"
    touched: dict[int, list[Mapping[str, Any]]] = defaultdict(list)
    for choice in found["chosen"]:
        for edit in choice["edits"]:
            touched[edit].append(choice)
    for number, edit in enumerate(edits[:most]):
        file = found["old"] if edit["change"] == "removed" else found["new"]
        yield ""
        yield from edit_lines(edit_of(edit), one_line(str(file), 100), "", paint)
        yield from _cases(touched[number], paint, most)
    if len(edits) > most:
        yield ""
        yield paint(f"and {counted(len(edits) - most, 'edit')} more", "dim")
    yield from _others(found, why, most)
    yield ""


def _cases(choices: Sequence[Mapping[str, Any]], paint: Paint, most: int) -> Iterator[str]:
    """The cases that one edit touches."""
    if not choices:
        yield paint("    touches no case by itself", "dim")
    for choice in choices[:most]:
        at = "" if not choice["message"] else f"  message {choice['message']}"
        said = "" if choice["user"] is None else f" {one_line(choice['user'], 60)!r}"
        yield f"    {one_line(choice['case'], 100)}{paint(at + said, 'dim')}  {one_line(choice['differs'] or '', 100)}"
    if len(choices) > most:
        yield paint(f"    and {counted(len(choices) - most, 'case')} more", "dim")


def _others(found: Mapping[str, Any], why: Mapping[str, str], most: int) -> Iterator[str]:
    """Cases chosen for another reason than one edit."""
    together = [choice["case"] for choice in found["chosen"] if "touched" in choice["why"] and not choice["edits"]]
    rows = [("only by several edits together, or there were too many to tell apart", together)]
    for key, words in why.items():
        told = key in UNDER_EDITS  # those with an edit stand under it
        if key != "touched":
            cases = [choice for choice in found["chosen"] if key in choice["why"] and not (told and choice["edits"])]
            rows.append((words, [choice["case"] for choice in cases]))
    for words, names in rows:
        if names:
            yield ""
            yield f"{counted(len(names), 'case')}: {words}"
            yield "    " + listed([one_line(name, 100) for name in names], most=most)


def _last(found: Mapping[str, Any], paint: Paint) -> Iterator[str]:
    suites = found["suites"]
    for suite in suites:
        yield from (paint(f"! {one_line(note, 200)}", "yellow") for note in suite["notes"])
    if len(suites) > 1:
        yield from (f"{one_line(suite['suite'], 80)}: {_count(suite, paint)}{_beside(suite)}" for suite in suites)
    whole = {
        "chosen": len(found["chosen"]),
        "cases": len(found["chosen"]) + len(found["skipped"]),
        "scripts": found["scripts"],
    }
    yield _count(whole, paint) + (_beside(suites[0]) if len(suites) == 1 else "")
    checked = found["verified"]
    if checked is not None:
        changed, missed = len(checked["changed"]), len(checked["missed"])
        words = f"verified: {counted(changed, 'case')} changed, {missed} of them not chosen (miss rate {checked['rate']:.0%})"
        yield paint(words, "red" if missed else "green")
        if missed:
            yield "    " + listed([one_line(name, 100) for name in checked["missed"]])


def _count(found: Mapping[str, Any], paint: Paint) -> str:
    chosen = paint(f"{found['chosen']:,} of {counted(found['cases'], 'case')}", "bold")
    return f"{chosen} in {counted(len(found['scripts']), 'script')} to run"


def _beside(suite: Mapping[str, Any]) -> str:
    return "" if suite["run"] is None else f", beside run {one_line(suite['run'], 80)}"
