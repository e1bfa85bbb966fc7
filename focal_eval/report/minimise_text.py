"""A case that was cut down, on the terminal: what went, the text for an issue, and where the script is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TextIO

from focal_eval.report.ansi import Paint, emit, wants_colour
from focal_eval.report.characters import one_line, visible
from focal_eval.text import counted

_PARTS = {"turns": "turn", "words": "word", "expectations": "expectation", "stubs": "stub"}


def print_minimal(found: Mapping[str, Any], stream: TextIO, *, own: bool = False, quiet: bool = False) -> None:
    """Prints the JSON of a case that was cut down; `own`: the agent is the copy that the run keeps."""
    paint = Paint(wants_colour(stream))
    if not quiet:
        emit(stream, paint("✗ ", "red") + paint(one_line(found["case"], 160), "bold"))
        cut = (f"{counted(found['before'][part], noun)} → {found['after'][part]}" for part, noun in _PARTS.items())
        emit(stream, "  " + ", ".join(cut) + paint(f", in {counted(found['probes'], 'try', 'tries')}", "dim"))
        if not found["complete"]:
            emit(stream, paint("  more could go: the tries were spent", "yellow"))
        if own:
            emit(stream, paint(f"  played on {one_line(found['agent'], 160)}: the agent was edited since the run", "yellow"))
        if found["passes_on"] is not None:
            emit(stream, paint(f"  passes on {one_line(found['passes_on'], 160)}", "dim"))
        emit(stream, "")
        for line in found["issue"].splitlines():
            emit(stream, visible(line))
        emit(stream, "")
    for what in ("agent_file", "script"):
        if found[what] is not None:
            emit(stream, f"{what.removesuffix('_file')}: {one_line(found[what], 300)}")
