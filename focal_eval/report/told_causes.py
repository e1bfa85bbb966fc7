"""Why conversations changed, and which edited lines it leads to, in plain words for pages and annotations of a pipeline."""

from __future__ import annotations

from collections.abc import Iterator

from focal_eval.compare.model import CauseGroup, Change, Comparison, Edit
from focal_eval.report.ansi import Paint
from focal_eval.report.characters import one_line
from focal_eval.report.edit_lines import edit_lines
from focal_eval.text import counted, listed
from focal_eval.value import value

_NAMED = 4  # cases of a cause, and edits
_PLAIN = Paint(on=False)


@value
class ToldEdit:
    """One part of the agent that was edited."""

    file: str
    line: int | None  # in that file; None where the part is not there any more
    text: str  # what was edited, the fields on lines of their own


@value
class ToldCause:
    """One reason for which conversations changed."""

    text: str  # "rule refund-limit no longer matches (score 1.00 → no candidate)"
    became: str  # "3 conversations: 2 regressed, 1 changed"
    names: str  # of some of them
    edits: tuple[ToldEdit, ...]
    regressed: bool


def told_causes(comparison: Comparison, most: int) -> Iterator[ToldCause]:
    """The first `most` causes, the worst first."""
    for group in comparison.groups[:most]:
        became = ", ".join(f"{count:,} {change}" for change, count in group.counts.items())
        yield ToldCause(
            one_line(group.text, 200),
            f"{counted(len(group.cases), 'conversation')}: {became}",
            listed([one_line(name, 60) for name in group.cases], most=_NAMED),
            tuple(_edits(comparison, group)),
            bool(group.counts.get(Change.REGRESSED) or group.counts.get(Change.ERRORED)),
        )


def _edits(comparison: Comparison, group: CauseGroup) -> Iterator[ToldEdit]:
    for edit in [(comparison.edits or ())[at] for at in group.edits][:_NAMED]:
        yield _edit(comparison, edit)


def _edit(comparison: Comparison, edit: Edit) -> ToldEdit:
    gone = edit.change == "removed"
    file = str(((comparison.before if gone else comparison.after).agent or {}).get("file", "agent"))
    first, *rest = edit_lines(edit, file, "", _PLAIN)
    place = f"{one_line(file, 80)}:{edit.line}: "
    return ToldEdit(file, None if gone else edit.line, "\n".join((first.removeprefix(place), *rest)))
