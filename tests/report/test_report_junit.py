"""`junit.xml` as CI servers read it."""

from __future__ import annotations

from pathlib import Path

import pytest
from junitparser import JUnitXml
from lxml import etree

from focal_eval.report import ReportModel, read_run
from focal_eval.report.junit import write
from tests.report.sample_odd_cases import bot_first_case, flaky_case, hostile_case
from tests.report.sample_run import write_run

SCHEMA = Path(__file__).parent / "fixtures" / "junit-10.xsd"


def parsed(run: ReportModel, folder: Path) -> etree._Element:
    """The written file, parsed and valid against Jenkins' schema."""
    document = etree.parse(write(run, folder))
    etree.XMLSchema(etree.parse(SCHEMA)).assertValid(document)
    return document.getroot()


def case_named(root: etree._Element, name: str) -> etree._Element:
    """The test case with this name."""
    return next(case for case in root.iter("testcase") if case.get("name") == name)


@pytest.mark.parametrize("name", ["rich", "partial"])
def test_every_run_is_valid(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Whole or partial, hostile texts and all, the file fits the schema CI servers use."""
    parsed(request.getfixturevalue(name), tmp_path)


def test_counts_agree_with_the_run(rich: ReportModel, tmp_path: Path) -> None:
    """The totals are the run's: failed and unexpectedly passed are failures, expected failures are skipped."""
    root = parsed(rich, tmp_path)
    assert {name: root.get(name) for name in ("tests", "failures", "errors")} == {"tests": "26", "failures": "5", "errors": "2"}
    assert sum(int(suite.get("skipped")) for suite in root) == 2
    assert sum(len(list(suite.iter("testcase"))) for suite in root) == 26


def test_a_case_stands_in_the_suite_of_its_script(rich: ReportModel, tmp_path: Path) -> None:
    """A suite is a script, with its file; a case's class name is the script's path with dots."""
    root = parsed(rich, tmp_path)
    suite = next(suite for suite in root if suite.get("name") == "returns/damaged-mug")
    case = suite.findall("testcase")[1]
    assert suite.get("file") == "scenarios/returns/damaged-mug.yaml"
    assert (case.get("name"), case.get("classname"), case.get("time")) == (
        "returns/damaged-mug[order=A-1002]",
        "returns.damaged-mug",
        "0.021",
    )


def test_a_failure_has_its_frame_and_the_conversation(rich: ReportModel, tmp_path: Path) -> None:
    """Each failed expectation is a failure with its message and frame, the conversation is the case's output."""
    case = case_named(parsed(rich, tmp_path), "returns/late-parcel")
    failures = case.findall("failure")
    assert [failure.get("message") for failure in failures] == [
        "turn 1: rules: rule 'offer-refund' did not match",
        "turn 1: response.contains: 'refund' is not in the response",
    ]
    assert "9 |       rules: [apologise, offer-refund]\n    |                          ^^^^" in failures[0].text
    assert "turn 1 user:  My parcel is ten days late" in case.findtext("system-out")
    assert "turn 2 not sent: the case failed at turn 1" in case.findtext("system-out")


def test_a_soft_failure_fails_nothing(rich: ReportModel, tmp_path: Path) -> None:
    """Soft expectations are left out: a CI server would count them."""
    case = case_named(parsed(rich, tmp_path), "returns/wrong-size")
    assert not any("max_words" in failure.get("message") for failure in case.findall("failure"))


def test_an_engine_that_broke_is_an_error(rich: ReportModel, tmp_path: Path) -> None:
    """A fault and a crashed check are errors, never failures."""
    root = parsed(rich, tmp_path)
    assert case_named(root, "billing/invoice-copy").find("error").get("message") == (
        "turn 2: engine-timeout: no answer within 30 s"
    )
    assert case_named(root, "billing/vat").find("error") is not None


def test_an_attempt_before_a_pass_is_flaky(tmp_path: Path) -> None:
    """An earlier attempt that failed is a flakyFailure of the case that passed."""
    root = parsed(read_run(write_run(tmp_path / "run", [flaky_case()])), tmp_path)
    case = case_named(root, "orders/status")
    assert case.find("failure") is None
    assert case.find("flakyFailure").get("message") == "attempt 1: 'on its way' is not in the response"


def test_marks_are_told(rich: ReportModel, tmp_path: Path) -> None:
    """An expected failure is skipped with its reason, an unexpected pass is a failure."""
    root = parsed(rich, tmp_path)
    assert case_named(root, "loyalty/points").find("skipped").get("message") == "expected to fail: not built yet"
    assert case_named(root, "loyalty/expiry").find("skipped").get("message") == "needs the points ledger"
    assert "but passed" in case_named(root, "loyalty/greeting").find("failure").get("message")


def test_a_partial_run_is_red(tmp_path: Path) -> None:
    """A run that was cut off has an error of its own, even if every case so far passed."""
    run = read_run(write_run(tmp_path / "run", [bot_first_case()], end=False))
    root = parsed(run, tmp_path)
    assert root.get("errors") == "1"
    error = case_named(root, "the run is whole").find("error")
    assert error.get("message") == "Cut off after 1 of 1 case: no failure so far"


def test_what_xml_forbids_is_made_visible(tmp_path: Path) -> None:
    """Control characters of a reply are shown as pictures; markup in it stays text."""
    root = parsed(read_run(write_run(tmp_path / "run", [hostile_case()])), tmp_path)
    text = etree.tostring(root, encoding="unicode")
    assert "␀ nul" in text
    assert "␛[31mred" in text
    assert not list(root.iter("script", "img"))


def test_another_reader_counts_the_same(rich: ReportModel, tmp_path: Path) -> None:
    """A public JUnit reader finds the same cases and results."""
    read = JUnitXml.fromfile(str(write(rich, tmp_path)))
    cases = [case for suite in read for case in suite]
    assert len(cases) == 26
    assert sum(case.is_failure for case in cases) == 5
    assert sum(case.is_error for case in cases) == 2


def test_the_same_run_gives_the_same_bytes(rich: ReportModel, tmp_path: Path) -> None:
    """Nothing of the machine or the moment stands in the file."""
    assert write(rich, tmp_path / "a.xml").read_bytes() == write(rich, tmp_path / "b.xml").read_bytes()
