"""What an editor can change by itself: the word that a diagnostic is about for the one that was most likely meant."""

from __future__ import annotations

import json
import re

from focal_eval.document.reader import STR, plain_tag, read_text
from focal_eval.document.splicing import Edit, applied
from focal_eval.errors import Diagnostic
from focal_eval.lsp.positions import Lines


def fix_of(problem: Diagnostic, lines: Lines) -> tuple[str, Edit] | None:
    """The title and the edit that follow a diagnostic's advice; None where there is none, or more than one way."""
    if problem.swap is None:
        return None
    wrong, right = problem.swap
    start, end = lines.offsets(problem.span)
    raw = lines.text[start:end]
    places = [found.start() for found in re.finditer(rf"(?<![\w-]){re.escape(wrong)}(?![\w-])", raw)]
    if len(places) != 1 or wrong == right:
        return None
    begin = start + places[0]
    alone = begin == start and begin + len(wrong) == end
    text = json.dumps(right) if alone and plain_tag(right) != STR else right
    edit = Edit(begin, begin + len(wrong), text)
    before = read_text(lines.text, "").root
    if before is not None and read_text(applied(lines.text, [edit]), "").root is None:
        return None
    return f"Change '{wrong}' to '{right}'", edit
