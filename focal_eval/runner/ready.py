"""Expectations made ready for judging: described when it is told, their passing result written once, groups resolved.

A result leaves here as JSON bytes, because most results pass and are only ever written down.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from focal_eval.checks.judging import judge_check, judged_by, questions_of
from focal_eval.document import INVALID, Document, Reader
from focal_eval.records import CheckResult, Finding, JudgedBy, Outcome, Question
from focal_eval.records.codec import result_to_json
from focal_eval.registry import find
from focal_eval.runner.journal import dumps
from focal_eval.script.kinds import shape_of_check
from focal_eval.script.model import Expectation
from focal_eval.script.places import place
from focal_eval.script.templates import Filler
from focal_eval.source import excerpt
from focal_eval.template import TemplateProblem
from focal_eval.text import listed

PASSED, FAILED, SKIPPED, ERRORED = Outcome.PASSED, Outcome.FAILED, Outcome.SKIPPED, Outcome.ERRORED
Judgement = tuple[Outcome, tuple[Finding, ...], str | None]


class Ready:
    """One expectation, ready to be judged any number of times; it is put into words only when a result is written."""

    __slots__ = ("_passing", "_text", "asks", "check", "children", "item", "labelled")

    def __init__(self, item: Expectation) -> None:
        self.item, self.check = item, item.check
        self.children: tuple[tuple[Ready, ...], ...] = ()
        if item.children:
            self.children = tuple(tuple(map(Ready, group)) for group in item.children)
        self._text: str | None = None
        self._passing: bytes | None = None
        self.asks, self.labelled = self._told()

    def _told(self) -> tuple[bool, bool]:
        """Whether a judging model is asked for it, and whether its result says what judged it."""
        if self.children:
            parts = [child for group in self.children for child in group]
            return any(part.asks for part in parts), any(part.labelled for part in parts)
        made = self.check if self.check is not None else find("checks", self.item.key)
        return made is not None and made.aid == "judge", made is not None and made.labelled

    @property
    def text(self) -> str:
        """The expectation in words."""
        if self._text is None:
            self._text = self._described()
        return self._text

    def _described(self) -> str:
        if self.check is not None:
            return str(self.check.describe())
        if not self.children:
            return f"{self.item.key} (filled per case)"
        groups = [" and ".join(child.text for child in group) for group in self.children]
        if self.item.key == "not":
            return f"not: {groups[0]}"
        return (" or " if self.item.key == "any_of" else " and ").join(groups)

    def passing(self) -> bytes:
        """The JSON of the result where it passes, as `result_to_json` would have it."""
        if self._passing is None:
            item = self.item
            line = self._opening() + dumps(tuple(item.span))
            if item.soft:
                line += b',"soft":true'
            if item.because is not None:
                line += b',"because":' + dumps(item.because)
            self._passing = line + b"}"
        return self._passing

    def _opening(self) -> bytes:
        """The result up to its place; suites share their short checks, so that one is known for many expectations."""
        check = self.check
        known = _OPENINGS.get(id(check))
        if known is not None and known[0] is check:
            return known[1]
        opening = b'{"key":%b,"text":%b,"outcome":"passed","at":' % (dumps(self.item.key), dumps(self.text))
        if check is not None:
            if len(_OPENINGS) >= _MOST_OPENINGS:
                _OPENINGS.clear()
            _OPENINGS[id(check)] = (check, opening)
        return opening


_OPENINGS: dict[int, tuple[Any, bytes]] = {}
_MOST_OPENINGS = 2_000


def _explained(finding: Finding, because: str) -> Finding:
    """A finding of a group's part with that part's own `because`; the group's result has but one."""
    return replace(finding, message=f"{finding.message} ({because})")


@dataclass(slots=True)
class Tally:
    """What judging one attempt gave so far."""

    results: list[bytes] = field(default_factory=list)
    telling: bool = False  # one of `results` says more than that an expectation held
    judged: int = 0  # passed or failed, soft ones too
    failed: int = 0  # soft ones not
    errored: int = 0
    skipped: int = 0
    first: str | None = None  # why the attempt is not passed, in words
    unsaid: str | None = None  # why the first check that fails no attempt crashed
    crash: str | None = None  # why the first check that crashed did
    bad: list[CheckResult] = field(default_factory=list)  # what failed or crashed the attempt, until it is taken

    def take(self) -> bytes:
        """The results since the last call, as the inside of a JSON list."""
        out = b",".join(self.results)
        self.results.clear()
        self.telling = False
        return out


@dataclass(slots=True)
class Judging:
    """Judges expectations of one attempt: what they share, and the tally."""

    texts: Mapping[str, str]
    unreported: str  # the suite's policy: "fail", or else what a reply does not hold is skipped
    values: Mapping[str, Any] = field(default_factory=dict)  # for templates
    apart: bool = True  # what a judging model says fails no case
    tally: Tally = field(default_factory=Tally)

    def judge(self, readies: Sequence[Ready], seen: Any) -> None:
        """Judges expectations of a turn (`seen` is its Moment) or of the conversation (a Transcript)."""
        tally = self.tally
        for ready in readies:
            if ready.check is not None:
                judgement = judge_check(ready.check, seen)
                if judgement[0] is PASSED and not judgement[1] and not ready.labelled:
                    tally.results.append(ready.passing())
                    tally.judged += 1
                    continue
                self._record(ready, judgement, seen)
            else:
                filled = self._filled(ready)
                self._record(filled[0], filled[1] or self.verdict_of(filled[0], seen), seen)

    def questions(self, readies: Sequence[Ready], seen: Any) -> list[Question]:
        """What a judging model is to be asked before `judge`."""
        out: list[Question] = []
        for ready in readies:
            if not ready.asks:
                continue
            if ready.check is not None:
                out.extend(questions_of(ready.check, seen))
            elif ready.children:
                for group in ready.children:
                    out.extend(self.questions(group, seen))
            else:
                filled, problem = self._filled(ready)
                out.extend(() if problem is not None else self.questions((filled,), seen))
        return out

    def holds(self, readies: Sequence[Ready], seen: Any) -> Judgement:
        """Whether all expectations hold, without recording anything; for `when`."""
        return self._all(readies, seen)

    def note(self, result: CheckResult) -> None:
        """Records a result that no check gave."""
        tally = self.tally
        tally.results.append(dumps(result_to_json(result)))
        tally.telling |= bool(result.findings) or result.outcome is not PASSED
        if result.outcome in (PASSED, FAILED):
            tally.judged += 1
        if result.outcome is SKIPPED:
            tally.skipped += 1
        elif result.outcome is ERRORED and result.soft:
            tally.unsaid = tally.unsaid or result.reason
        elif result.outcome is not PASSED and not result.soft:
            why = result.findings[0].message if result.findings else result.reason
            if result.outcome is FAILED:
                tally.failed += 1
            else:
                tally.errored += 1
                tally.crash = tally.crash or why
            tally.first = tally.first or why
            tally.bad.append(result)

    def _record(self, ready: Ready, judgement: Judgement, seen: Any) -> None:
        outcome, findings, reason = judgement
        if outcome is SKIPPED and self.unreported == "fail" and not ready.asks:
            outcome, findings = FAILED, (Finding(reason or "not reported"),)
        by = self._judged_by(ready, seen) if ready.labelled else None
        if outcome is PASSED and not findings and by is None:
            self.tally.results.append(ready.passing())
            self.tally.judged += 1
            return
        item = ready.item
        span = item.span
        if findings and ready.check is not None:
            span = place(item, findings[0].path, self.texts.get(item.value_span.file, ""))
        lines = excerpt(self.texts.get(span.file, ""), span.line) if outcome in (FAILED, ERRORED) else ()
        soft = item.soft or (ready.asks and self.apart)
        self.note(CheckResult(item.key, ready.text, outcome, span, findings, reason, soft, item.because, lines, by))

    def _judged_by(self, ready: Ready, seen: Any) -> JudgedBy | None:
        """What judged an expectation; of a group, its first part that can tell."""
        if ready.check is not None:
            return judged_by(ready.check, seen)
        for group in ready.children:
            for child in group:
                filled = self._filled(child)[0] if child.labelled else child
                if filled.labelled and (by := self._judged_by(filled, seen)) is not None:
                    return by
        return None

    def verdict_of(self, ready: Ready, seen: Any) -> Judgement:
        """The judgement of one expectation, groups resolved."""
        if ready.check is not None:
            return judge_check(ready.check, seen)
        key = ready.item.key
        if key == "not":
            return self._negated(ready, seen)
        if not ready.children:
            filled, problem = self._filled(ready)
            return problem or self.verdict_of(filled, seen)
        if key == "all_of":
            return self._all([child for group in ready.children for child in group], seen)
        return self._any(ready, seen)

    def _all(self, readies: Sequence[Ready], seen: Any) -> Judgement:
        worst: Judgement = (PASSED, (), None)
        rank = {PASSED: 0, SKIPPED: 1, FAILED: 2, ERRORED: 3}
        findings: list[Finding] = []
        for ready in readies:
            judgement = self.verdict_of(ready, seen)
            why = ready.item.because
            findings.extend(judgement[1] if why is None else [_explained(one, why) for one in judgement[1]])
            if rank[judgement[0]] > rank[worst[0]]:
                worst = judgement
        findings.sort(key=lambda one: one.tolerated)
        return (worst[0], tuple(findings) if worst[0] in (PASSED, FAILED) else worst[1], worst[2])

    def _any(self, ready: Ready, seen: Any) -> Judgement:
        judgements = [self._all(group, seen) for group in ready.children]
        outcomes = {judgement[0] for judgement in judgements}
        if PASSED in outcomes:  # what is tolerated of the alternative that holds
            return next(judgement for judgement in judgements if judgement[0] is PASSED)
        for outcome in (ERRORED, SKIPPED):
            if outcome in outcomes:
                return next(judgement for judgement in judgements if judgement[0] is outcome)
        count = len(judgements)
        findings = [Finding(f"none of the {count} alternatives holds" if count > 1 else "the alternative does not hold")]
        for number, judgement in enumerate(judgements, 1):
            findings.extend(
                Finding(f"{number}: {one.message}", one.expected, one.observed, one.near)
                for one in judgement[1][:2]
                if not one.tolerated
            )
        return (FAILED, tuple(findings), None)

    def _negated(self, ready: Ready, seen: Any) -> Judgement:
        group = ready.children[0]
        outcome, _, reason = self._all(group, seen)
        if outcome is PASSED:
            what = listed([child.text for child in group])
            return (FAILED, (Finding(f"this must not hold, but it does: {what}"),), None)
        return (PASSED, (), None) if outcome is FAILED else (outcome, (), reason)

    def _filled(self, ready: Ready) -> tuple[Ready, Judgement | None]:
        """The expectation with its templates filled, or why that cannot be done."""
        item = ready.item
        if ready.children or not item.templated:
            return ready, None
        made = fill_expectation(item, self.values, self.texts)
        if isinstance(made, str):
            return ready, (ERRORED, (), made)
        return Ready(made), None


def fill_expectation(item: Expectation, values: Mapping[str, Any], texts: Mapping[str, str]) -> Expectation | str:
    """The expectation with templates filled and its check built, or a sentence why it cannot be."""
    try:
        node = Filler(values).node(item.node)
    except TemplateProblem as problem:
        return f"its template cannot be filled: {problem}"
    reader = Reader(Document(item.span.file, texts.get(item.span.file, ""), node))
    shape = shape_of_check(item.key)
    assert shape is not None
    check = shape.read(node, reader)
    if check is INVALID:
        problems = [f"{problem.message}" for problem in reader.problems.errors]
        return "with its templates filled it cannot be read: " + "; ".join(problems)
    return Expectation(item.key, item.span, item.value_span, check, item.soft, item.because, node=node)
