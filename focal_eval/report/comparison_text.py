"""A comparison on the terminal: the causes first, then what regressed and where, the figures, the gates, one last line."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import TextIO

from focal_eval.compare.model import CaseChange, CauseGroup, Change, Comparison, Difference, Edit, Lane, Side, TurnPair
from focal_eval.records import Json
from focal_eval.report.ansi import Paint, emit, wants_colour
from focal_eval.report.characters import one_line
from focal_eval.report.edit_lines import edit_lines
from focal_eval.report.frames import describe
from focal_eval.report.model import Case, Failure, ReportModel
from focal_eval.report.terminal import gate_line, painted
from focal_eval.text import counted, listed

MARKS = {
    Change.REGRESSED: "✗",
    Change.ERRORED: "!",
    Change.FLAKY: "≈",
    Change.CHANGED: "~",
    Change.FIXED: "✓",
    Change.NEW: "+",
    Change.GONE: "–",
    Change.SAME: "=",
}
COLOURS = {
    Change.REGRESSED: "red",
    Change.ERRORED: "magenta",
    Change.FLAKY: "yellow",
    Change.CHANGED: "cyan",
    Change.FIXED: "green",
    Change.NEW: "green",
    Change.GONE: "yellow",
    Change.SAME: "dim",
}
_Gates = Sequence[Mapping[str, Json]]
_NAMED = 4  # cases of a cause, what came with it, and edits that touch it
_WIDTH = 110


def print_comparison(
    comparison: Comparison,
    after: ReportModel,
    stream: TextIO,
    *,
    gates: Sequence[Mapping[str, Json]] = (),
    own_gates: Sequence[Mapping[str, Json]] = (),
    figures: Sequence[str] = (),
    agents: str | None = None,
    most: int = 20,
    quiet: bool = False,
    environ: Mapping[str, str] | None = None,
) -> None:
    """Prints a comparison. `figures` are lines of statistics, `agents` says why the agent's edits are not known.

    `own_gates` are those of the candidate's run, told apart from the `gates` on the comparison.
    """
    paint = Paint(wants_colour(stream, os.environ if environ is None else environ))
    text = _Text(comparison, after, paint, most)
    for line in [text.last()] if quiet else _lines(text, gates, own_gates, figures, agents):
        emit(stream, line)


def _lines(text: _Text, gates: _Gates, own_gates: _Gates, figures: Sequence[str], agents: str | None) -> Iterator[str]:
    yield from text.causes()
    yield from text.regressed()
    yield from text.edits(agents)
    yield from text.beside()
    yield from figures
    yield from text.own(own_gates)
    yield from (gate_line(gate, text.paint) for gate in gates)
    yield text.last()


class _Text:
    """The parts of the text."""

    def __init__(self, comparison: Comparison, after: ReportModel, paint: Paint, most: int) -> None:
        self.comparison, self.after, self.paint, self.most = comparison, after, paint, most

    def causes(self) -> Iterator[str]:
        """Each cause with what became of its conversations, the worst first."""
        groups = self.comparison.groups
        for place, group in enumerate(groups[: self.most]):
            yield from self._cause(place + 1, group)
            yield ""
        if len(groups) > self.most:
            yield self.paint(f"and {len(groups) - self.most:,} more causes", "dim")
            yield ""

    def _cause(self, place: int, group: CauseGroup) -> Iterator[str]:
        paint = self.paint
        bad = bool(group.counts.get(Change.REGRESSED))
        yield f"{paint(f'cause {place}', 'bold', 'red' if bad else 'cyan')}  {paint(one_line(group.text, 200), 'bold')}"
        became = ", ".join(f"{count:,} {change}" for change, count in group.counts.items())
        yield f"  {counted(len(group.cases), 'conversation')}: {became}"
        names = listed([one_line(name, 60) for name in group.cases], most=_NAMED)
        yield paint(f"    {names}", "dim")
        if group.knock_on:
            told = [f"{one_line(said, 80)} ({count:,})" for said, count in group.knock_on[:_NAMED]]
            rest = len(group.knock_on) - _NAMED
            yield paint("  with it  ", "dim") + "; ".join(told) + (f"; and {rest:,} more" if rest > 0 else "")
        for edit in [(self.comparison.edits or ())[at] for at in group.edits][:_NAMED]:
            yield from self._edit(edit, "  edit     ")
        if len(group.edits) > _NAMED:
            yield paint(f"           and {len(group.edits) - _NAMED:,} more edits", "dim")

    def _edit(self, edit: Edit, begin: str) -> Iterator[str]:
        file = (self.comparison.after if edit.change != "removed" else self.comparison.before).agent or {}
        return edit_lines(edit, str(file.get("file", "agent")), begin, self.paint)

    def regressed(self) -> Iterator[str]:
        """Each case that was good and is bad: what was said before and now, and the expectation that broke."""
        wanted = (Change.REGRESSED, Change.ERRORED)
        bad = [case for case in self.comparison.cases if case.change in wanted]
        bad.sort(key=lambda case: wanted.index(case.change))
        by_id = {case.id: case for case in self.after.cases}
        for case in bad[: self.most]:
            yield from self._case(case, by_id.get(case.after_id))
            yield ""
        if len(bad) > self.most:
            yield self.paint(f"and {len(bad) - self.most:,} more", "dim")
            yield ""

    def _case(self, change: CaseChange, case: Case | None) -> Iterator[str]:
        paint = self.paint
        head = paint(f"{MARKS[change.change]} {change.change.upper()}", "bold", COLOURS[change.change])
        yield f"{head}  {paint(one_line(change.name, 160), 'bold')}  {one_line(change.title, 100)}"
        if change.cause is not None:
            at = "" if change.turn is None else f" in turn {self._turn(change.pairs[change.turn])}"
            yield paint("  because ", "dim") + one_line(change.cause.text, 160) + at
        if case is None:
            return
        failures = [failure for failure in self.after.failures(case) if not (failure.result or {}).get("soft")]
        for turn, group in groupby(failures, key=lambda failure: failure.turn):
            several = list(group)
            if turn is not None:
                yield from self._said(change, several[0], turn)
            for failure in several:
                yield from ("  " + line for line in painted(describe(failure), self.paint))

    @staticmethod
    def _turn(pair: TurnPair) -> str:
        return str(pair.after + 1) if pair.after is not None else f"{(pair.before or 0) + 1} (taken out)"

    def _said(self, change: CaseChange, failure: Failure, turn: int) -> Iterator[str]:
        said = "(the agent speaks first)" if failure.user is None else one_line(failure.user, _WIDTH)
        begin = f"  turn {turn + 1}  "
        yield self.paint(f"{begin}user   ", "dim") + said
        begin = " " * len(begin)
        pair = next((pair for pair in change.pairs if pair.after == turn), None)
        differs = _response(pair.differences) if pair is not None else None
        if differs is not None:
            yield self.paint(f"{begin}before ", "dim") + one_line(str(differs.before), _WIDTH)
            yield self.paint(f"{begin}now    ", "dim") + one_line(str(differs.after), _WIDTH)
        elif failure.fault is None:
            answer = "(no text)" if failure.response is None else one_line(failure.response, _WIDTH)
            yield self.paint(f"{begin}agent  ", "dim") + answer

    def edits(self, why: str | None) -> Iterator[str]:
        """The edits of the agent that touched nothing, or why edits are not known."""
        if why is not None:
            yield self.paint(f"agent edits not known: {why}", "yellow")
        edits = self.comparison.edits
        if not edits:
            return
        touching = {at for group in self.comparison.groups for at in group.edits}
        idle = [edit for at, edit in enumerate(edits) if at not in touching]
        if idle:
            yield self.paint(f"{counted(len(idle), 'edit')} of the agent without effect on these conversations", "bold")
            for edit in idle[: self.most]:
                yield from self._edit(edit, "  edit     ")
            if len(idle) > self.most:
                yield self.paint(f"  and {len(idle) - self.most:,} more", "dim")
            yield ""

    def own(self, gates: _Gates) -> Iterator[str]:
        """The gates on the candidate's run itself, which do not decide about the comparison."""
        if gates:
            yield f"gates of {_side(self.comparison.after)} itself:"
            yield from (f"  {gate_line(gate, self.paint)}" for gate in gates)

    def beside(self) -> Iterator[str]:
        """What was masked, what could not be compared, what was left out, which side is partial."""
        comparison, paint = self.comparison, self.paint
        masked = [f"{one_line(name, 60)} {count:,}" for name, count in comparison.masked.items()]
        if masked:
            yield paint(f"masked: {', '.join(masked)}", "dim")
        if steady := comparison.as_before:
            yield paint(f"flaky, as before: {_named(steady)}", "dim")
        if renamed := comparison.renamed:
            yield paint(f"renamed: {_named([f'{one} → {other}' for one, other in renamed])}", "dim")
        if comparison.uncompared:
            lanes = ", ".join(f"{lane} in {counted(count, 'turn')}" for lane, count in comparison.uncompared.items())
            yield paint(f"not compared, since one side does not know it: {lanes}", "yellow")
        if comparison.left_out:
            yield paint(
                f"left out: {counted(comparison.left_out, 'case')} that one side was not asked to play, or did not get to",
                "yellow",
            )
        for side in (comparison.before, comparison.after):
            if side.partial:
                yield paint(f"{side.kind} {side.name} is partial", "yellow")

    def last(self) -> str:
        """What it came to, in one line."""
        comparison = self.comparison
        counts = comparison.counts
        kind = next((change for change in (Change.REGRESSED, Change.ERRORED) if counts[change]), None)
        steady = len(comparison.as_before)
        told = {change: f"{counts[change]:,} {change}" for change in Change if counts[change] and change is not kind}
        if steady and Change.FLAKY in told:
            told[Change.FLAKY] += " as before" if steady == counts[Change.FLAKY] else f" ({steady:,} as before)"
        rest = ", ".join(told.values())
        if kind is None:
            changed = any(counts[change] for change in Change if change is not Change.SAME)
            head = self.paint("✓ Nothing regressed" if changed else "✓ Nothing changed", "bold", "green")
        else:
            words = f"{MARKS[kind]} {counts[kind]:,} of {counted(len(comparison.cases), 'case')} {kind}"
            head = self.paint(words, "bold", COLOURS[kind])
        causes = len(comparison.groups)
        why = counted(causes, "cause") if causes else ""
        left = f"{counted(comparison.left_out, 'case')} left out" if comparison.left_out else ""
        sides = f"{_side(comparison.before)} → {_side(comparison.after)}"
        return " · ".join(filter(None, (head, rest, why, left, sides)))


def _response(differences: Sequence[Difference]) -> Difference | None:
    return next((item for item in differences if item.lane is Lane.RESPONSE), None)


def _named(names: Sequence[str]) -> str:
    return listed([one_line(name, 120) for name in names], most=_NAMED)


def _side(side: Side) -> str:
    return one_line(side.name, 80)
