"""`run.sarif`: what went wrong in a run as SARIF 2.1.0, for code hosts that show and track results beside the lines.

A failed expectation is a result at its place in the script, by the key of its check; an engine that broke is one at the script.
Where the run was compared, each cause is a result at the edited line of the agent. What is the same from run to run has the
same fingerprint, so that a host tells new results from known ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import orjson

from focal_eval import __version__
from focal_eval.clock import content_id
from focal_eval.report.base import ReportOptions, save, target
from focal_eval.report.characters import clip, visible
from focal_eval.report.frames import describe, labelled, span_of
from focal_eval.report.model import Case, Failure, ReportModel
from focal_eval.report.sarif import SCHEMA, region_of
from focal_eval.report.told_causes import told_causes
from focal_eval.report.wording import WORDS, quarantine_words
from focal_eval.runner.reading import first_message

if TYPE_CHECKING:
    from focal_eval.compare.model import Comparison

NAME = "run.sarif"
MOST_RESULTS = 5_000  # GitHub shows as many of one file
MAX_TEXT = 4_000

_ABOUT: Mapping[str, str] = {
    "engine": "The engine broke, so there is no verdict.",
    "xpass": "A case that was expected to fail passed.",
    "cause": "Conversations changed for one reason.",
}


def write(run: ReportModel, out: Path, options: ReportOptions | None = None) -> Path:
    """Writes `run.sarif`."""
    log = sarif_of(run, options or ReportOptions())
    return save(target(out, NAME), orjson.dumps(log, option=orjson.OPT_INDENT_2) + b"\n")


def sarif_of(run: ReportModel, options: ReportOptions) -> dict[str, Any]:
    """The log: causes first, then the cases that went wrong, the worst first."""
    results = list(islice(_results(run, options), MOST_RESULTS))
    rules = sorted({str(result["ruleId"]) for result in results})
    for result in results:
        result["ruleIndex"] = rules.index(result["ruleId"])
    suite = str((run.header.get("suite") or {}).get("file") or "scripts")
    one = {
        "tool": {"driver": {"name": "focal-eval", "version": __version__, "rules": [_rule(name) for name in rules]}},
        "automationDetails": {"id": f"focal-eval/{suite}"},
        "columnKind": "unicodeCodePoints",
        "invocations": [{"executionSuccessful": run.header.get("exit_code") in (0, 1, 4)}],
        "results": results,
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [one]}


def _rule(name: str) -> dict[str, Any]:
    about = _ABOUT.get(name, f"An expectation of `{name}` does not hold.")
    return {"id": name, "shortDescription": {"text": about}, "defaultConfiguration": {"level": "error"}}


def _results(run: ReportModel, options: ReportOptions) -> Iterator[dict[str, Any]]:
    if options.comparison is not None:
        yield from _of_comparison(options.comparison, options)
    for case in run.attention:
        yield from _of_case(run, case, options.prefix)


def _of_comparison(comparison: Comparison, options: ReportOptions) -> Iterator[dict[str, Any]]:
    for cause in told_causes(comparison, MOST_RESULTS):
        places = [(edit.file, edit.line) for edit in cause.edits if edit.line is not None]
        text = "\n".join((cause.text, cause.became, cause.names, *(edit.text for edit in cause.edits)))
        found = [_location(options.prefix + file, {"startLine": line}) for file, line in places]
        result = _result("cause", "error" if cause.regressed else "note", text, found[:1], content_id("cause", cause.text))
        if found[1:]:
            result["relatedLocations"] = [{"id": number, **place} for number, place in enumerate(found[1:])]
        yield result


def _of_case(run: ReportModel, case: Case, prefix: str) -> Iterator[dict[str, Any]]:
    held = run.quarantine_of(case)
    level = "error" if held is None else "warning"
    name = case.name + ("" if held is None else f" ({quarantine_words(held)})")
    failures = list(run.failures(case))
    here = [_location(prefix + case.file, {"startLine": max(1, case.line)})]
    if case.verdict == "xpassed" or not failures:
        text = f"{name} {WORDS[case.verdict]}: {case.message or WORDS[case.verdict]}"
        yield _result("xpass" if case.verdict == "xpassed" else "engine", level, text, here, content_id(case.name))
        return
    for failure in failures:
        if failure.result is None:
            fault = failure.fault or {}
            text = f"{name}: {fault.get('kind')}: {fault.get('message')}"
            yield _result("engine", level, text, here, content_id("engine", case.name, str(fault.get("kind"))))
        else:
            yield _of_result(failure, failure.result, case, name, level, prefix)


def _of_result(failure: Failure, result: Mapping[str, Any], case: Case, name: str, level: str, prefix: str) -> dict[str, Any]:
    span = span_of(result)
    beneath = [labelled(line, "") for line in describe(failure) if line.role not in ("head", "frame", "caret")]
    key, turn = str(result.get("key")), "" if failure.turn is None else f", turn {failure.turn + 1}"
    text = "\n".join((f"{name}{turn}: {first_message(result)}", *beneath))
    place = [_location(prefix + span.file, region_of(span))]
    mark = content_id(case.name, str(failure.turn), key, str(result.get("text")))
    return _result(key, "note" if result.get("soft") else level, text, place, mark)


def _result(rule: str, level: str, text: str, places: list[dict[str, Any]], mark: str) -> dict[str, Any]:
    return {
        "ruleId": rule,
        "level": level,
        "message": {"text": visible(clip(text, MAX_TEXT))},
        **({"locations": places} if places else {}),
        "partialFingerprints": {"focalEval/v1": mark},
    }


def _location(file: str, region: Mapping[str, int]) -> dict[str, Any]:
    uri = quote(Path(file).as_posix())
    return {"physicalLocation": {"artifactLocation": {"uri": uri}, "region": dict(region)}}
