"""A run of which a few cases are at hand and no folder: what a report would show of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from focal_eval.report.characters import one_line
from focal_eval.report.frames import headline
from focal_eval.report.model import Case, Place, ReportModel
from focal_eval.runner.reading import Reading
from focal_eval.value import value

_WIDTH = 300


class HeldRun(ReportModel):
    """The cases that some lines of a journal tell of, as they were written."""

    def __init__(self, lines: Sequence[bytes]) -> None:
        reading, start = Reading(), 0
        for line in lines:
            reading.note(line, start, start + len(line))
            start += len(line) + 1
        super().__init__(Path(), {}, list(reading.cases.values()), reading.damaged, Path(), reading.shared)
        self._data = b"\n".join(lines)

    def line(self, place: Place) -> bytes:
        return self._data[place.start : place.end]


@value
class TurnTold:
    """One turn as a line tells it."""

    number: int  # from 1
    verdict: str  # passed | failed | errored | skipped | not judged
    user: str | None
    said: str  # the reply, or what came in its place
    rules: tuple[str, ...] | None  # None where the engine does not tell
    elapsed_ms: float | None
    failures: tuple[str, ...]  # of expectations that failed or checks that crashed, each one line

    def as_json(self) -> dict[str, Any]:
        """As plain data."""
        keys = ("number", "verdict", "user", "said", "elapsed_ms")
        rules = None if self.rules is None else list(self.rules)
        return {**{key: getattr(self, key) for key in keys}, "rules": rules, "failures": list(self.failures)}


def turns_told(run: ReportModel, case: Case) -> Iterator[TurnTold]:
    """The turns of a case's last attempt."""
    for place in case.last.turns:
        turn = run.document(place)
        reply, fault = turn.get("reply"), turn.get("fault")
        results = [result for result in turn.get("results") or () if not result.get("soft")]
        bad = [result for result in results if result["outcome"] in ("failed", "errored")]
        failures = [headline(result, limit=_WIDTH) for result in bad]
        if fault is not None:
            failures.insert(0, one_line(f"error[{fault.get('kind')}]: {fault.get('message')}", _WIDTH))
        rules = None if reply is None or "rules" not in reply else tuple(str(rule["name"]) for rule in reply["rules"])
        said = (reply.get("response") or "(no text)") if reply is not None else turn.get("skipped") or failures[0]
        user = turn.get("user")
        yield TurnTold(
            number=turn["i"] + 1,
            verdict=_verdict(turn, results),
            user=None if user is None else one_line(user, _WIDTH),
            said=one_line(said, _WIDTH),
            rules=rules,
            elapsed_ms=turn.get("elapsed_ms"),
            failures=tuple(failures),
        )


def _verdict(turn: dict[str, Any], results: Sequence[dict[str, Any]]) -> str:
    outcomes = {result["outcome"] for result in results}
    if "fault" in turn or "errored" in outcomes:
        return "errored"
    if "skipped" in turn:
        return "skipped"
    if "failed" in outcomes:
        return "failed"
    return "passed" if "passed" in outcomes else "not judged"
