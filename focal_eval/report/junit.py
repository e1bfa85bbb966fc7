"""`junit.xml`: a test suite a script, a test case a case, in the form CI servers read (Jenkins' junit-10 schema).

An earlier attempt of a case that was tried again is a `flakyFailure` where the last one passed, else a `rerunFailure`.
Written as text: a public JUnit writer took ten times as long for 5,000 scripts, the standard library's elements three times.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path

from focal_eval.report.base import ReportOptions, save_parts, target
from focal_eval.report.characters import clip, one_line, visible
from focal_eval.report.frames import plain
from focal_eval.report.judge_words import audit_words, judge_warning, judge_words
from focal_eval.report.model import Attempt, Case, Failure, ReportModel, unjudged_in
from focal_eval.report.simulated_words import ending_of, ending_words, simulated_warning, simulated_words
from focal_eval.report.wording import facts, partial_note, quarantine_words, verdict_words
from focal_eval.runner.reading import first_message
from focal_eval.text import counted

NAME = "junit.xml"
MAX_TEXT = 16_000  # characters of a failure's text, and of a conversation
MAX_MESSAGE = 400


def write(run: ReportModel, out: Path, _options: ReportOptions | None = None) -> Path:
    """Writes `junit.xml`, a suite after the other."""
    return save_parts(target(out, NAME), (part.encode("utf-8", "xmlcharrefreplace") for part in _parts(run)))


def _parts(run: ReportModel) -> Iterator[str]:
    """The document in pieces: there may be a hundred thousand suites."""
    unfinished = bool(run.partial or run.damaged)
    sums = Counter(_verdict(run, case) for case in run.cases)
    name = visible(str(run.header.get("id") or run.folder.name))
    counts = {
        "tests": len(run.cases) + unfinished,
        "failures": sums["failed"] + sums["xpassed"],
        "errors": sums["errored"] + sums["not_run"] + unfinished,
    }
    time = _seconds(sum(case.elapsed_ms for case in run.cases))
    attributes = {"name": name, **{key: str(count) for key, count in counts.items()}, "time": time}
    yield _DECLARATION
    if not run.cases and not unfinished:
        yield _element("testsuites", attributes)
        return
    yield _opening("testsuites", attributes) + ">"
    facts_of_run = [(label.lower(), visible(value)) for label, value in facts(run) if label in ("Engine", "Agent", "Run")]
    shared = "".join([_property(name, value) for name, value in [*facts_of_run, *_repeats(run), *_judge(run)]])
    for script, cases in groupby(run.cases, key=lambda case: case.script):
        yield _suite(run, script, list(cases), shared)
    if unfinished:
        yield _unfinished(run)
    yield "</testsuites>"


_DECLARATION = "<?xml version='1.0' encoding='utf-8'?>\n"
_IN_TEXT = {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;"}
_IN_ATTRIBUTE = _IN_TEXT | {ord('"'): "&quot;", ord("\r"): "&#13;", ord("\n"): "&#10;", ord("\t"): "&#09;"}
_SPECIAL = re.compile('[&<>"\r\n\t]').search


def _element(name: str, attributes: Mapping[str, str], inside: str = "") -> str:
    """An element around XML that is written already."""
    opening = _opening(name, attributes)
    return f"{opening}>{inside}</{name}>" if inside else f"{opening} />"


def _opening(name: str, attributes: Mapping[str, str]) -> str:
    """An element's tag up to what ends it."""
    return f"<{name}" + "".join([f' {key}="{_quoted(value)}"' for key, value in attributes.items()])


def _quoted(value: str) -> str:
    return value.translate(_IN_ATTRIBUTE) if _SPECIAL(value) else value


def _property(name: str, value: str) -> str:
    return _element("property", {"name": name, "value": value})


def _repeats(run: ReportModel) -> list[tuple[str, str]]:
    """What the run's repeats came to, as properties."""
    statistics = run.header.get("statistics")
    if not statistics:
        return []
    rate = statistics["pass_at_1"]
    last = statistics["tries"][-1:]
    figures = [
        ("pass-rate", f"{rate['value']} from {rate['low']} to {rate['high']}, n = {counted(rate['cases'], 'case')}"),
        *((f"pass-hat-{row['k']}", f"{row['pass_hat_k']}, n = {counted(row['cases'], 'case')}") for row in last),
        ("flaky", f"{len(statistics['flaky'])}, n = {counted(statistics['cases'], 'case')}"),
    ]
    return [(name, visible(value)) for name, value in figures]


def _judge(run: ReportModel) -> list[tuple[str, str]]:
    """What a judge said and how far it can be trusted, as properties."""
    told = [
        ("judge", judge_words(run)),
        ("judge-audit", audit_words(run)),
        ("judge-warning", judge_warning(run)),
        ("simulator", simulated_words(run)),
        ("simulator-warning", simulated_warning(run)),
    ]
    return [(name, visible(words)) for name, words in told if words is not None]


def _suite(run: ReportModel, script: str, cases: list[Case], shared: str) -> str:
    """The element of a script."""
    verdicts = [_verdict(run, case) for case in cases]
    failures = verdicts.count("failed") + verdicts.count("xpassed")
    errors = verdicts.count("errored") + verdicts.count("not_run")
    skipped = verdicts.count("skipped") + verdicts.count("xfailed")
    first, began = cases[0], str(run.header.get("started_at") or "")[:19]
    return (
        f'<testsuite name="{_quoted(visible(script))}" tests="{len(cases)}" failures="{failures}" errors="{errors}" '
        f'skipped="{skipped}" time="{_seconds(sum([case.elapsed_ms for case in cases]))}" timestamp="{_quoted(began)}" '
        f'file="{_quoted(visible(first.file))}"><properties>{shared}<property name="line" value="{first.line}" />'
        f'<property name="tags" value="{_quoted(visible(" ".join(first.tags)))}" /></properties>'
        f"{''.join([_case(run, case) for case in cases])}</testsuite>"
    )


def _case(run: ReportModel, case: Case) -> str:
    name, classname = _quoted(visible(case.name)), _quoted(visible(case.script.replace("/", ".")))
    opening = f'<testcase name="{name}" classname="{classname}" time="{_seconds(case.elapsed_ms)}"'
    plainly = case.verdict == "passed" and len(case.attempts) == 1 and case.last.plain
    inside = "" if plainly else _told_of(run, case)
    return f"{opening}>{inside}</testcase>" if inside else opening + " />"


def _told_of(run: ReportModel, case: Case) -> str:
    """What there is to tell of a case beside that it passed."""
    results = [_result(kind, message, text, f"focal-eval.{kind}") for kind, message, text in _results(run, case)]
    results += [_earlier(attempt, case.flaky) for attempt in case.attempts[:-1]]
    said = list(_conversation(run, case)) if case.verdict in ("failed", "errored", "xpassed", "not_run") else []
    if case.verdict == "passed" and case.last.soft:
        said += [f"did not hold, and fails no case: {_headline(failure)}" for failure in run.failures(case)]
    said += [f"tolerated: {one_line(str(finding.get('message')), MAX_MESSAGE)}" for finding in run.tolerated_in(case)]
    said += [f"not judged: {one_line(reason, MAX_MESSAGE)}" for reason in sorted(set(unjudged_in(case)))]
    if said:
        results.append(_element("system-out", {}, visible(clip("\n".join(said), MAX_TEXT)).translate(_IN_TEXT)))
    return "".join(results)


def _verdict(run: ReportModel, case: Case) -> str:
    """A case's verdict as a CI server counts it: what went wrong in quarantine makes nothing red."""
    bad = case.verdict in ("failed", "xpassed", "errored")
    return "skipped" if bad and run.quarantine_of(case) is not None else case.verdict


def _results(run: ReportModel, case: Case) -> Iterable[tuple[str, str, str]]:
    """(element, message, text) of each thing a CI server should show."""
    verdict, message = case.verdict, case.message or ""
    where = f"{case.file}:{case.line}"
    held = run.quarantine_of(case)
    if held is not None and verdict in ("failed", "xpassed", "errored"):
        text = "\n".join(plain(failure) for failure in run.failures(case))
        yield "skipped", f"{verdict}, {quarantine_words(held)}", text or message
    elif verdict == "skipped":
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
            yield _kind_of(failure), _headline(failure), plain(failure)


def _kind_of(failure: Failure) -> str:
    broken = failure.fault is not None or (failure.result is not None and failure.result["outcome"] == "errored")
    return "error" if broken else "failure"


def _headline(failure: Failure) -> str:
    """`turn 2: response.contains: 'refund' is not in the response`."""
    place = "conversation" if failure.turn is None else f"turn {failure.turn + 1}"
    if failure.result is None:
        fault = failure.fault or {}
        place = "outside a turn" if failure.turn is None else place
        return f"{place}: {fault.get('kind')}: {fault.get('message')}"
    return f"{place}: {failure.result.get('key')}: {first_message(failure.result)}"


def _result(kind: str, message: str, text: str, type_name: str) -> str:
    attributes = {"message": one_line(message, MAX_MESSAGE), "type": type_name}
    return _element(kind, attributes, visible(clip(text, MAX_TEXT)).translate(_IN_TEXT))


def _earlier(attempt: Attempt, flaky: bool) -> str:
    kind = ("flaky" if flaky else "rerun") + ("Error" if attempt.verdict == "errored" else "Failure")
    message = f"attempt {attempt.number}: {attempt.message or attempt.reason or 'cut off'}"
    return _result(kind, message, "", f"focal-eval.{attempt.verdict or 'not-run'}")


def _conversation(run: ReportModel, case: Case) -> Iterator[str]:
    """The words of the last attempt, a line a message."""
    for place in case.last.turns:
        turn = run.document(place)
        begin = f"turn {turn['i'] + 1}"
        if turn.get("user") is not None:
            yield f"{begin} user:  {clip(turn['user'], 2_000)}"
        if "reply" in turn:
            yield f"{begin} agent: {clip(turn['reply'].get('response') or '(no text)', 2_000)}"
        elif "fault" in turn:
            yield f"{begin} fault: {turn['fault'].get('kind')}: {turn['fault'].get('message')}"
        else:
            yield f"{begin} not sent: {turn.get('skipped')}"
    if (ending := ending_of(run, case)) is not None:
        yield f"simulated user: {ending_words(ending)}"


def _unfinished(run: ReportModel) -> str:
    """A suite of one errored case that says the run is partial, so that no CI server shows it green."""
    result = _result("error", verdict_words(run), partial_note(run) or "", "focal-eval.partial")
    test = _element("testcase", {"name": "the run is whole", "classname": "focal-eval", "time": "0.000"}, result)
    counts = {"tests": "1", "failures": "0", "errors": "1", "skipped": "0", "time": "0.000"}
    return _element("testsuite", {"name": "focal-eval", **counts}, test)


def _seconds(ms: float) -> str:
    return f"{ms / 1000:.3f}"
