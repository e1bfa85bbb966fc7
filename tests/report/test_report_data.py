"""Results for programs: JSON Lines, one document, and annotations."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

from focal_eval import registry
from focal_eval.errors import StorageError
from focal_eval.report import Reporter, ReportModel, ReportOptions, github, html, jsonl, junit, markdown, read_run
from focal_eval.report.github import annotation_lines, command
from focal_eval.report.github import write as write_annotations
from focal_eval.report.jsonl import as_json, write, write_document
from tests.report.sample_cases import rules_case
from tests.report.sample_odd_cases import flaky_case, hostile_case
from tests.report.sample_run import write_run


def test_a_line_is_a_case(rich: ReportModel, tmp_path: Path) -> None:
    """Each line is one case with its verdict, and carries the run's id."""
    lines = [orjson.loads(line) for line in write(rich, tmp_path).read_bytes().splitlines()]
    assert len(lines) == 26
    assert {line["run"] for line in lines} == {"2026-11-21T07-40-02-5f1c"}
    late = next(line for line in lines if line["name"] == "returns/late-parcel")
    assert (late["verdict"], late["failed"], late["message"]) == ("failed", 2, "rule 'offer-refund' did not match")
    assert late["failures"][0]["at"] == ["scenarios/returns/late-parcel.yaml", 9, 26, 9, 38]
    assert late["failures"][0]["user"] == "My parcel is ten days late and I want my money back!"


def test_the_document_holds_the_run_and_its_cases(rich: ReportModel, tmp_path: Path) -> None:
    """One document: header, counters, gates and the same cases as the lines."""
    document = orjson.loads(write_document(rich, tmp_path).read_bytes())
    assert document == orjson.loads(orjson.dumps(as_json(rich)))
    assert document["counts"]["failed"] == 4
    assert (document["verdict"], document["exit_code"], document["partial"], document["flaky"]) == ("failed", 1, False, 1)
    assert document["words"] == "5 of 26 cases failed and 2 errored"
    assert len(document["cases"]) == 26


def test_attempts_are_told_where_there_were_several(tmp_path: Path) -> None:
    """A case that was tried again lists each attempt with its verdict."""
    case = as_json(read_run(write_run(tmp_path, [flaky_case()])))["cases"][0]
    assert [attempt["verdict"] for attempt in case["attempts"]] == ["failed", "passed"]
    assert case["flaky"] is True


def test_a_fault_is_told_as_such(rich: ReportModel) -> None:
    """Where the engine broke, the failure holds the fault and no expectation."""
    case = next(case for case in as_json(rich)["cases"] if case["name"] == "billing/invoice-copy")
    assert case["failures"][0]["fault"]["kind"] == "engine-timeout"


def test_an_annotation_points_at_the_expectation(tmp_path: Path) -> None:
    """The line names file, line and columns, and what was observed."""
    lines = list(annotation_lines(read_run(write_run(tmp_path, [rules_case()])), ReportOptions(prefix="suite/")))
    assert lines[0] == (
        "::error file=suite/scenarios/returns/late-parcel.yaml,line=9,endLine=9,col=26,endColumn=38,"
        "title=returns/late-parcel failed::rules: rule 'offer-refund' did not match"
        "%0Aexpected  rules include 'apologise' and 'offer-refund'%0Aobserved  apologise (0.91)"
        "%0Anear      'offer-refund' scored 0.77 but was dropped: cooldown, 1 of 2 turns left"
        "%0Abecause   policy 4.2: a parcel over a week late is always offered a refund"
    )


def test_a_soft_failure_is_a_warning(rich: ReportModel) -> None:
    """Soft expectations warn, all others are errors."""
    warnings = [line for line in annotation_lines(rich, ReportOptions()) if line.startswith("::warning")]
    assert len(warnings) == 1
    assert "response.max_words" in warnings[0]


def test_no_text_forges_an_annotation(tmp_path: Path) -> None:
    """Whatever a reply holds, each annotation is one line that begins as ours do, and its values stay escaped."""
    lines = list(annotation_lines(read_run(write_run(tmp_path, [hostile_case()])), ReportOptions()))
    assert len(lines) == 5
    assert all(line.startswith("::error file=") and "\n" not in line and "\r" not in line for line in lines)
    assert command("error", "50%\r\nx", file="a:b,c%") == "::error file=a%3Ab%2Cc%25::50%25%0Ax"


def test_annotations_are_bounded_and_a_partial_run_is_said(partial: ReportModel, tmp_path: Path) -> None:
    """More cases than `max_failures` are counted in a notice; a partial run is a warning."""
    lines = write_annotations(partial, tmp_path, ReportOptions(max_failures=1)).read_text("utf-8").splitlines()
    assert lines[-2] == "::notice title=focal-eval::and 6 more cases went wrong"
    assert lines[-1].startswith("::warning title=focal-eval%3A partial run::Partial run: it was killed")


@pytest.mark.parametrize("name", ["github", "html", "json", "jsonl", "junit", "markdown"])
def test_every_reporter_writes_where_it_is_told(name: str, rich: ReportModel, tmp_path: Path) -> None:
    """A folder gets the reporter's own file name, any other path is the file, its folder made; the path is returned."""
    reporter = registry.find("reporters", name)
    inside = reporter(rich, tmp_path, ReportOptions())
    assert inside.parent == tmp_path
    named = reporter(rich, tmp_path / "deep" / "er" / "file", ReportOptions())
    assert named == tmp_path / "deep" / "er" / "file"
    assert named.read_bytes() == inside.read_bytes()


def test_reporters_are_of_one_shape() -> None:
    """Each reporter built in is a Reporter to the type checker."""
    reporters: list[Reporter] = [html.write, junit.write, markdown.write, jsonl.write, jsonl.write_document, github.write]
    assert [registry.find("reporters", name) for name in ("html", "junit", "markdown", "jsonl", "json", "github")] == reporters


def test_reading_a_run_imports_no_heavy_library() -> None:
    """The room loads templates, tables and bars only when something is rendered with them."""
    code = "import sys, focal_eval.report, focal_eval.report.terminal, focal_eval.report.html, focal_eval.report.junit; "
    code += "print(sorted({'jinja2', 'rich', 'tabulate', 'junitparser', 'markupsafe', 'httpx', 'pydantic'} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize("name", ["html", "junit"])
def test_a_file_that_cannot_be_written_is_told(name: str, rich: ReportModel, tmp_path: Path) -> None:
    """A folder in place of the file is a StorageError with the path, no traceback."""
    target = tmp_path / "x" / f"{'report.html' if name == 'html' else 'junit.xml'}"
    target.mkdir(parents=True)
    with pytest.raises(StorageError, match="cannot write"):
        registry.find("reporters", name)(rich, tmp_path / "x", ReportOptions())


def test_the_worked_example_of_the_documentation_works(rich: ReportModel, tmp_path: Path) -> None:
    """The reporter in docs/reference/report.md is complete and writes what it says."""
    text = (Path(__file__).parents[2] / "docs" / "reference" / "report.md").read_text("utf-8")
    names: dict[str, Any] = {}
    exec(text.split("```python\n")[1].split("```")[0], names)
    written = names["write"](rich, tmp_path, ReportOptions())
    assert written.read_text("utf-8").splitlines()[0] == "errored billing/invoice-copy"


def test_the_documented_keys_are_those_written(rich: ReportModel) -> None:
    """Each key of the document and of a case stands in docs/reference/report.md."""
    text = (Path(__file__).parents[2] / "docs" / "reference" / "report.md").read_text("utf-8")
    document = as_json(rich)
    keys = {*document, *(key for case in document["cases"] for key in case)}
    assert sorted(key for key in keys if f"`{key}`" not in text) == []
