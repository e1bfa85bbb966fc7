"""`junit.xml`: a test suite a script, a test case a case, in the form CI servers read (Jenkins' junit-10 schema).

An earlier attempt of a case that was tried again is a `flakyFailure` where the last one passed, else a `rerunFailure`.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import Any

from focal_eval.report.base import ReportOptions, save, target
from focal_eval.report.characters import clip, one_line, visible
from focal_eval.report.frames import plain
from focal_eval.report.model import Attempt, Case, Failure, ReportModel
from focal_eval.report.wording import facts, partial_note, verdict_words

NAME = "junit.xml"
MAX_TEXT = 16_000  # characters of a failure's text, and of a conversation


def write(run: ReportModel, out: Path, _options: ReportOptions | None = None) -> Path:
    """Writes `junit.xml`."""
    from junitparser import JUnitXml

    document: Any = JUnitXml(_text(run.header.get("id") or run.folder.name))
    for script, cases in groupby(run.cases, key=lambda case: case.script):
        document.append(_suite(run, script, list(cases)))
    if run.partial or run.damaged:
        document.append(_unfinished(run))
    _total(document)
    stream = io.BytesIO()
    document.write(stream)
    return save(target(out, NAME), stream.getvalue())


def _suite(run: ReportModel, script: str, cases: list[Case]) -> Any:
    from junitparser.xunit2 import TestSuite

    suite: Any = TestSuite(_text(script))  # type: ignore[no-untyped-call]
    suite.file = _text(cases[0].file)
    suite.timestamp = str(run.header.get("started_at") or "")[:19]
    for label, value in facts(run):
        suite.add_property(label.lower(), _text(value))
    suite.add_property("line", str(cases[0].line))
    suite.add_property("tags", _text(" ".join(cases[0].tags)))
    for case in cases:
        suite._elem.append(_case(run, case)._elem)  # add_testcase() counts all cases anew each time
    _count(suite, cases)
    return suite


def _count(suite: Any, cases: list[Case]) -> None:
    verdicts = [case.verdict for case in cases]
    suite.tests = len(cases)
    suite.failures = verdicts.count("failed") + verdicts.count("xpassed")
    suite.errors = verdicts.count("errored") + verdicts.count("not_run")
    suite.skipped = verdicts.count("skipped") + verdicts.count("xfailed")
    suite._elem.set("time", _seconds(sum(case.elapsed_ms for case in cases)))


def _total(document: Any) -> None:
    suites = list(document)
    for name in ("tests", "failures", "errors"):
        document._elem.set(name, str(sum(getattr(suite, name) for suite in suites)))
    document._elem.set("time", f"{sum(suite.time for suite in suites):.3f}")


def _case(run: ReportModel, case: Case) -> Any:
    from junitparser.xunit2 import TestCase

    test = TestCase(_text(case.name), classname=_text(case.script.replace("/", ".")))
    test._elem.set("time", _seconds(case.elapsed_ms))
    for kind, message, text in _results(run, case):
        test._elem.append(_result(kind, message, text))
    for attempt in case.attempts[:-1]:
        test._elem.append(_earlier(attempt, case.flaky))
    if case.verdict in ("failed", "errored", "xpassed", "not_run"):
        test.system_out = _text(clip(_conversation(run, case), MAX_TEXT))
    return test


def _results(run: ReportModel, case: Case) -> Iterable[tuple[str, str, str]]:
    """(element, message, text) of each thing a CI server should show."""
    verdict, message = case.verdict, case.message or ""
    where = f"{case.file}:{case.line}"
    if verdict == "skipped":
        yield "skipped", message, ""
    elif verdict == "xfailed":
        yield "skipped", f"expected to fail: {case.marks.get('xfail') or message}", message
    elif verdict == "xpassed":
        yield "failure", message, where
    elif verdict == "not_run":
        yield "error", f"partial run: {message}", where
    elif verdict in ("failed", "errored"):
        failures = [failure for failure in run.failures(case) if failure.result is None or not failure.result.get("soft")]
        if not failures:
            yield "failure" if verdict == "failed" else "error", message, where
        for failure in failures:
            yield _element(failure), _headline(failure), plain(failure)


def _element(failure: Failure) -> str:
    broken = failure.fault is not None or (failure.result is not None and failure.result["outcome"] == "errored")
    return "error" if broken else "failure"


def _headline(failure: Failure) -> str:
    """`turn 2: response.contains: 'refund' is not in the response`."""
    from focal_eval.report.journal import first_message

    place = "conversation" if failure.turn is None else f"turn {failure.turn + 1}"
    if failure.result is None:
        fault = failure.fault or {}
        return f"{place}: {fault.get('kind')}: {fault.get('message')}"
    return f"{place}: {failure.result.get('key')}: {first_message(failure.result)}"


def _result(kind: str, message: str, text: str) -> Any:
    from junitparser import Error, Failure, Skipped

    element = {"failure": Failure, "error": Error, "skipped": Skipped}[kind](one_line(message, 400), f"focal-eval.{kind}")
    element.text = _text(clip(text, MAX_TEXT))
    return element._elem


def _earlier(attempt: Attempt, flaky: bool) -> Any:
    from junitparser import xunit2

    broke = attempt.verdict == "errored"
    kind = (
        (xunit2.FlakyError if broke else xunit2.FlakyFailure)
        if flaky
        else (xunit2.RerunError if broke else xunit2.RerunFailure)
    )
    message = one_line(attempt.message or attempt.reason or "cut off", 400)
    element = kind(f"attempt {attempt.number}: {message}", f"focal-eval.{attempt.verdict or 'not-run'}")
    return element._elem


def _conversation(run: ReportModel, case: Case) -> str:
    """The words of the last attempt, a line a message."""
    lines = []
    for place in case.last.turns:
        turn = run.document(place)
        begin = f"turn {turn['i'] + 1}"
        if turn.get("user") is not None:
            lines.append(f"{begin} user:  {clip(turn['user'], 2_000)}")
        if "reply" in turn:
            lines.append(f"{begin} agent: {clip(turn['reply'].get('response') or '(no text)', 2_000)}")
        elif "fault" in turn:
            lines.append(f"{begin} fault: {turn['fault'].get('kind')}: {turn['fault'].get('message')}")
        else:
            lines.append(f"{begin} not sent: {turn.get('skipped')}")
    return "\n".join(lines)


def _unfinished(run: ReportModel) -> Any:
    """A suite of one errored case that says the run is partial, so that no CI server shows it green."""
    from junitparser import Error
    from junitparser.xunit2 import TestCase, TestSuite

    suite: Any = TestSuite("focal-eval")  # type: ignore[no-untyped-call]
    test = TestCase("the run is whole", classname="focal-eval")
    error = Error(_text(verdict_words(run)), "focal-eval.partial")
    error.text = _text(partial_note(run) or "")
    test._elem.append(error._elem)
    test._elem.set("time", "0.000")
    suite._elem.append(test._elem)
    suite.tests, suite.failures, suite.errors, suite.skipped = 1, 0, 1, 0
    suite._elem.set("time", "0.000")
    return suite


def _seconds(ms: float) -> str:
    return f"{ms / 1000:.3f}"


def _text(text: str) -> str:
    """The text as XML allows it."""
    return visible(str(text))
