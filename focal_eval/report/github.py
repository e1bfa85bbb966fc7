"""Annotations of a GitHub job: a failed expectation is shown at its line of the script, an edit that changed conversations at
its line of the agent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from focal_eval.report.base import ReportOptions, save, target
from focal_eval.report.characters import clip, one_line, visible
from focal_eval.report.frames import describe, labelled, span_of
from focal_eval.report.judge_words import failures_of, judge_warning
from focal_eval.report.model import Case, Failure, ReportModel
from focal_eval.report.simulated_words import simulated_warning
from focal_eval.report.told_causes import told_causes
from focal_eval.report.wording import WORDS, cases_named, partial_note, quarantine_words
from focal_eval.runner.reading import first_message

if TYPE_CHECKING:
    from focal_eval.compare.model import Comparison

NAME = "annotations.txt"
MAX_MESSAGE = 4_000


def write(run: ReportModel, out: Path, options: ReportOptions | None = None) -> Path:
    """Writes `annotations.txt`; print its lines in a step of the job."""
    lines = annotation_lines(run, options or ReportOptions())
    return save(target(out, NAME), "".join(line + "\n" for line in lines).encode())


def annotation_lines(run: ReportModel, options: ReportOptions) -> Iterator[str]:
    """The lines to print, for the worst cases first."""
    if options.comparison is not None:
        yield from _of_comparison(options.comparison, options)
    told = run.told
    for case, alike in told[: options.max_failures]:
        yield from _of_case(run, case, options.prefix)
        if alike:
            yield command("notice", f"and {cases_named(alike)} errored in the same words as {case.name}", title="focal-eval")
    if more := sum(1 + len(alike) for _, alike in told[options.max_failures :]):
        yield command("notice", f"and {more} more cases went wrong", title="focal-eval")
    yield from _judged(run, options)
    if note := partial_note(run):
        yield command("warning", note, title="focal-eval: partial run")


def _of_comparison(comparison: Comparison, options: ReportOptions) -> Iterator[str]:
    """At each edited line of the agent, which conversations it changed."""
    for cause in told_causes(comparison, options.max_failures):
        message = f"{cause.text}\n{cause.became}\n{cause.names}"
        level, title = ("error" if cause.regressed else "notice"), cause.became
        for edit in cause.edits:
            if edit.line is not None:
                place = {"file": options.prefix + edit.file, "line": str(edit.line)}
                yield command(level, f"{edit.text}\n{message}", **place, title=title)
        if not any(edit.line is not None for edit in cause.edits):
            yield command(level, "\n".join((message, *(edit.text for edit in cause.edits))), title=title)


def _judged(run: ReportModel, options: ReportOptions) -> Iterator[str]:
    """What a judge failed apart from its case, and a warning where the judge is not to be trusted."""
    for one in failures_of(run)[: options.max_failures]:
        file, line = str(one["at"][0]), str(one["at"][1])
        said = f"{one.get('message')} ({one.get('told')})"
        yield command(
            "warning", said, file=options.prefix + file, line=line, title=f"{one_line(str(one.get('case')), 120)} judged"
        )
    if (told := simulated_warning(run)) is not None:
        yield command("warning", told, title="focal-eval: simulator")
    if (warning := judge_warning(run)) is not None:
        yield command("warning", warning, title="focal-eval: judge")


def _of_case(run: ReportModel, case: Case, prefix: str) -> Iterator[str]:
    place = {"file": prefix + case.file, "line": str(case.line)}
    held = run.quarantine_of(case)
    title = f"{one_line(case.name, 120)} {WORDS[case.verdict]}" + ("" if held is None else f", {quarantine_words(held)}")
    failures, level = list(run.failures(case)), "error" if held is None else "warning"
    if case.verdict == "xpassed" or not failures:
        yield command(level, case.message or WORDS[case.verdict], **place, title=title)
        return
    for failure in failures:
        if failure.result is None:
            fault = failure.fault or {}
            yield command(level, f"{fault.get('kind')}: {fault.get('message')}", **place, title=title)
        else:
            yield _of_result(failure, prefix, title, level)


def _of_result(failure: Failure, prefix: str, title: str, level: str) -> str:
    result = failure.result
    assert result is not None
    span = span_of(result)
    beneath = [labelled(line, "") for line in describe(failure) if line.role not in ("head", "frame", "caret")]
    where = {"file": prefix + span.file, "line": str(span.line), "endLine": str(span.end_line)}
    if span.end_line == span.line:  # GitHub takes columns only within one line
        where |= {"col": str(span.column), "endColumn": str(span.end_column)}
    message = "\n".join([f"{result.get('key')}: {first_message(result)}", *beneath])
    return command("warning" if result.get("soft") else level, message, **where, title=title)


def command(name: str, message: str, **properties: str) -> str:
    """A workflow command with its values escaped: no text can end it or begin another."""
    shown = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    return f"::{name} {shown}::{_data(clip(message, MAX_MESSAGE))}"


def _data(text: str) -> str:
    return visible(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
