"""Which replies a judge prefers, on the terminal: the counts with their interval, then those that it thinks got worse."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TextIO

from focal_eval.report.ansi import emit
from focal_eval.report.characters import one_line
from focal_eval.report.preference_words import audit_words, missed_words, share_words, swap_words, warning_of
from focal_eval.text import counted

SHOWN = 10  # replies that got worse


def print_preference(preference: Mapping[str, Any], stream: TextIO) -> None:
    """Prints what `Preference.as_json` holds."""
    for line in lines(preference):
        emit(stream, line)


def lines(preference: Mapping[str, Any]) -> Iterator[str]:
    """The same as lines; nothing in them acts."""
    pairs, better = preference["pairs"], preference["better"]
    who = one_line(str(preference["model"]), 100)
    if not pairs:
        yield f"judged by {who}: no reply changed that could be compared"
        return
    ties = f"{better['tie']} tied ({preference['inconsistent']} because the order decided)" if better["tie"] else "none tied"
    broken = f", {better['error']} could not be asked about" if better["error"] else ""
    yield (
        f"judged by {who}, each in both orders: of {counted(len(pairs), 'changed reply', 'changed replies')} "
        f"{better['after']} better, {better['before']} worse, {ties}{broken}"
    )
    yield from filter(None, (share_words(preference), swap_words(preference), audit_words(preference)))
    if (warning := warning_of(preference)) is not None:
        yield f"warning: {warning}"
    yield from (f"  {line}" for line, _ in zip(missed_words(preference), range(SHOWN), strict=False))
    if preference["left_out"]:
        yield f"{preference['left_out']:,} more changed replies were not asked about (--judge-most)"
    worse = [pair for pair in pairs if pair["better"] == "before"]
    for pair in worse[:SHOWN]:
        why = f": {one_line(str(pair['why']), 120)}" if pair.get("why") else ""
        yield f"  judged worse  {one_line(str(pair['case']), 100)}, turn {pair['turn'] + 1}{why}"
        yield f"    before  {one_line(str(pair['before']), 110)}"
        yield f"    after   {one_line(str(pair['after']), 110)}"
    if len(worse) > SHOWN:
        yield f"  and {len(worse) - SHOWN:,} more judged worse"
    yield ""
