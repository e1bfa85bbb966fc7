"""`run.sarif` for code hosts, and what the comparison adds to it, to annotations and to the summary."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from focal_eval.report import ReportModel, ReportOptions, read_run
from focal_eval.report.github import annotation_lines
from focal_eval.report.markdown import render
from focal_eval.report.sarif_run import sarif_of, write
from tests.report.sample_cases import rules_case
from tests.report.sample_comparison import small_view
from tests.report.sample_odd_cases import hostile_case
from tests.report.sample_run import write_run

# The properties that SARIF 2.1.0 (sections 3.13 to 3.50) knows of the objects written here; a code host refuses others.
KNOWN: dict[str, set[str]] = {
    "log": {"$schema", "version", "runs", "inlineExternalProperties", "properties"},
    "run": {"tool", "automationDetails", "columnKind", "invocations", "results", "artifacts", "properties"},
    "driver": {"name", "version", "semanticVersion", "rules", "informationUri", "organization"},
    "rule": {"id", "name", "shortDescription", "fullDescription", "help", "helpUri", "defaultConfiguration", "properties"},
    "result": {
        *("ruleId", "ruleIndex", "level", "kind", "message", "locations", "relatedLocations"),
        *("fingerprints", "partialFingerprints", "baselineState", "suppressions", "properties"),
    },
    "location": {"id", "physicalLocation", "logicalLocations", "message", "annotations"},
    "region": {"startLine", "startColumn", "endLine", "endColumn", "charOffset", "charLength", "snippet", "message"},
}


def checked(log: dict[str, Any]) -> list[dict[str, Any]]:
    """The results of a log, which is held to the standard on the way."""
    assert set(log) <= KNOWN["log"]
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    assert set(run) <= KNOWN["run"]
    assert set(run["tool"]["driver"]) <= KNOWN["driver"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert all(set(rule) <= KNOWN["rule"] for rule in run["tool"]["driver"]["rules"])
    assert len(set(rules)) == len(rules)
    for result in run["results"]:
        assert set(result) <= KNOWN["result"]
        assert rules[result["ruleIndex"]] == result["ruleId"]
        assert result["level"] in ("none", "note", "warning", "error")
        assert 0 < len(result["message"]["text"]) <= 4_100
        for place in (*result.get("locations", ()), *result.get("relatedLocations", ())):
            assert set(place) <= KNOWN["location"]
            region = place["physicalLocation"]["region"]
            assert set(region) <= KNOWN["region"]
            assert region["startLine"] >= 1
            assert " " not in place["physicalLocation"]["artifactLocation"]["uri"]
    results: list[dict[str, Any]] = run["results"]
    return results


def test_every_run_is_valid(rich: ReportModel, partial: ReportModel) -> None:
    """A run with every verdict, and one that was killed."""
    assert len(checked(sarif_of(rich, ReportOptions()))) >= 7
    assert checked(sarif_of(partial, ReportOptions()))


def test_a_failed_expectation_is_a_result_at_its_place(tmp_path: Path) -> None:
    """By the key of its check, with what was expected and observed, at the line and column of the script."""
    run = read_run(write_run(tmp_path / "run", [rules_case()]))
    first = checked(json.loads(write(run, tmp_path / "out.sarif").read_bytes()))[0]
    assert (first["ruleId"], first["level"]) == ("rules", "error")
    assert first["message"]["text"].startswith("returns/late-parcel, turn 1: rule 'offer-refund' did not match\nexpected")
    place = first["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {"uri": "scenarios/returns/late-parcel.yaml"}
    assert (place["region"]["startLine"], place["region"]["startColumn"]) == (9, 26)


def test_fingerprints_tell_new_from_known(rich: ReportModel) -> None:
    """They are different within a run, and the same in the next one whatever the lines are by then."""
    results = checked(sarif_of(rich, ReportOptions()))
    marks = [result["partialFingerprints"]["focalEval/v1"] for result in results]
    assert len(set(marks)) == len(marks)
    again = checked(sarif_of(rich, ReportOptions(prefix="elsewhere/")))
    assert marks == [result["partialFingerprints"]["focalEval/v1"] for result in again]
    assert again[0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].startswith("elsewhere/")


def test_an_engine_that_broke_is_told_apart(rich: ReportModel) -> None:
    """Its rule is `engine`, never the key of an expectation."""
    broke = [result for result in checked(sarif_of(rich, ReportOptions())) if result["ruleId"] == "engine"]
    assert broke
    assert any("engine-" in result["message"]["text"] for result in broke)


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    """Control characters are made visible, and the file is JSON whatever was said."""
    run = read_run(write_run(tmp_path / "run", [hostile_case()]))
    path = write(run, tmp_path / "out.sarif")
    assert checked(json.loads(path.read_bytes()))
    assert "\x00" not in path.read_text(encoding="utf-8")


def test_results_are_bounded(rich: ReportModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more than a code host shows."""
    monkeypatch.setattr("focal_eval.report.sarif_run.MOST_RESULTS", 3)
    assert len(checked(sarif_of(rich, ReportOptions()))) == 3


def compared() -> ReportOptions:
    """With a comparison whose agent's file is known."""
    comparison = small_view().comparison
    return ReportOptions(comparison=replace(comparison, after=replace(comparison.after, agent={"file": "agents/shop.yaml"})))


def test_a_cause_is_a_result_at_the_edited_line(rich: ReportModel) -> None:
    """An error where conversations regressed, with what became of them."""
    cause = next(result for result in checked(sarif_of(rich, compared())) if result["ruleId"] == "cause")
    assert cause["level"] == "error"
    assert cause["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "agents/shop.yaml"},
        "region": {"startLine": 12},
    }
    assert "rule offer-refund no longer matches" in cause["message"]["text"]
    assert "2 regressed" in cause["message"]["text"]


def test_an_annotation_stands_at_the_edited_line_of_the_agent(rich: ReportModel) -> None:
    """Beside those at the scripts' lines, and before them."""
    first = next(annotation_lines(rich, replace(compared(), prefix="shop/")))
    assert first.startswith("::error file=shop/agents/shop.yaml,line=12,title=")
    assert "rule offer-refund edited%0A" in first
    assert "rule offer-refund no longer matches" in first


def test_a_cause_without_an_edit_is_told_without_a_place(rich: ReportModel) -> None:
    """Where no agent is known, or no edit touches what changed."""
    comparison = small_view().comparison
    group = replace(comparison.groups[0], edits=())
    options = ReportOptions(comparison=replace(comparison, edits=None, groups=(group,)))
    first = next(annotation_lines(rich, options))
    assert first.startswith(("::notice title=", "::error title="))


def test_the_summary_tells_causes_with_their_edits(rich: ReportModel) -> None:
    """Folded up, each with the lines of the agent; before what went wrong."""
    text = render(rich, compared())
    assert text.index("### What changed, and why") < text.index("### What went wrong")
    assert "✗ <b>rule offer-refund no longer matches" in text
    assert "agents/shop.yaml:12: rule offer-refund edited" in text
    assert text.count("\n<details>") == text.count("\n</details>")
    assert "### What changed" not in render(rich, ReportOptions())


def test_causes_shown_are_bounded(rich: ReportModel) -> None:
    """The rest is counted."""
    options = replace(compared(), max_failures=1)
    assert options.comparison is not None
    rest = len(options.comparison.groups) - 1
    assert rest > 0
    assert f"…and {rest} more causes; the HTML report shows them all." in render(rich, options)
