"""What statistics say, in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from focal_eval.compare.stats import Measured, Tally, run_statistics, statistics_of
from focal_eval.report import read_run
from focal_eval.report.html import write as write_html
from focal_eval.report.jsonl import as_json
from focal_eval.report.junit import write as write_junit
from focal_eval.report.markdown import write as write_markdown
from focal_eval.report.model import ReportModel
from focal_eval.report.statistics import comparison_lines, repeats_lines
from focal_eval.report.wording import gate_limit, verdict_words
from focal_eval.script.repeats import Repeats
from tests.report.sample_cases import rules_case
from tests.report.sample_run import ending, write_run
from tests.report.test_report_terminal import printed

NOT_JUDGED = {
    "name": "regressions",
    "limit": {"max": 0.0, "alpha": 0.05, "min_effect": 0.1},
    "observed": None,
    "n": 0,
    "of": "cases",
    "passed": None,
    "message": "regressions not judged: nothing was compared",
}


def statistics(*outcomes: str, rule: Repeats | None = None) -> dict[str, Any]:
    """Of cases by their repeats: `+` passed, `-` failed, `!` errored."""
    words = {"+": "passed", "-": "failed", "!": "errored"}
    tallies = {}
    for number, row in enumerate(outcomes):
        tallies[f"c{number}"] = tally = Tally()
        for outcome in row:
            tally.add(words[outcome])
    return run_statistics(tallies, rule or Repeats(max(map(len, outcomes)))).as_json()


def run_with(folder: Path, **changes: Any) -> ReportModel:
    """A run of one failed case whose end says more."""
    case = rules_case()
    path = write_run(folder, [case], end=False)
    import orjson

    with (path / "journal.jsonl").open("ab") as file:
        file.write(orjson.dumps(ending([case], **changes)) + b"\n")
    return read_run(path)


def test_repeats_are_told_with_their_numbers() -> None:
    """No rate without n; what is undecided says what would decide; what broke is counted apart."""
    lines = list(repeats_lines(statistics("++++", "+-++", "--!-", "!!!!")))
    assert lines == [
        "pass rate 58.3 % (95 %: 16.4–90.9; n = 3 cases, 11 repeats); all of 3 tries pass: 41.7 %",
        "cases: 1 flaky, 2 undecided; 14 equal repeats would decide",
        "left out: 5 repeats that errored",
        "  flaky: c1  3 of 4 passed (95 %: 30.1–95.4)",
    ]


def test_a_run_without_repeats_says_nothing_of_them() -> None:
    """Nor does one in which every repeat broke give a rate."""
    assert list(repeats_lines(None)) == []
    assert list(repeats_lines(statistics("!!"))) == ["left out: 2 repeats that errored"]


def test_flaky_cases_are_named_up_to_five_and_kept_harmless() -> None:
    """A name is printed on one line without control characters, with where its repeats part."""
    data = statistics(*["+-"] * 8)
    ways = [{"text": "refund\x1b[2J", "good": 1, "bad": 0}, {"text": "none", "good": 0, "bad": 1}]
    data["flaky"][0] |= {"case": "a\nb\x1b[31m", "first": {"turn": 1, "lane": "rules", "answers": ways}}
    lines = [line for line in repeats_lines(data) if line.startswith("  ")]
    assert len(lines) == 6
    assert lines[0].startswith(
        "  flaky: a b␛[31m  1 of 2 passed (95 %: 9.5–90.5); they part at turn 2, rules: refund␛[2J (1 of 1 "
    )
    assert lines[-1] == "  and 3 more"


def compared(before: str, after: str, *, deterministic: bool = False, repeats: int = 1) -> list[str]:
    sides = [
        [Measured(f"c{n}", "passed" if word == "+" else "failed", r) for n, word in enumerate(text) for r in range(repeats)]
        for text in (before, after)
    ]
    return list(comparison_lines(statistics_of(*sides, deterministic=deterministic)))


def test_a_comparison_is_told_with_its_test() -> None:
    """Rates of both sides with their intervals, the number of cases, and how likely chance alone is."""
    assert compared("+++-", "-++-") == [
        "pass rate 75.0 % (95 %: 30.1–95.4) → 50.0 % (95 %: 15.0–85.0), n = 4 cases; "
        "1 worse, 0 better; exact paired test p = 1",
        "  so few repeats cannot prove anything of a single case",
    ]
    assert compared("", "") == ["statistics: no case has a verdict on both sides"]


def test_a_deterministic_engine_needs_no_p_value() -> None:
    """What changed, changed."""
    assert compared("++", "-+", deterministic=True) == [
        "pass rate 100.0 % (95 %: 34.2–100.0) → 50.0 % (95 %: 9.5–90.5), n = 2 cases; 1 worse, 0 better"
    ]


def test_cases_that_are_significant_alone_are_named() -> None:
    """With counts of both sides, p and q."""
    (line,) = [line for line in compared("++++", "-+++", repeats=6) if "significantly" in line]
    assert line == "  significantly worse: c0  6 of 6 → 0 of 6 passed, p = 0.0011, q = 0.0011"


def test_a_gate_that_was_not_judged_is_neither_green_nor_red(tmp_path: Path) -> None:
    """Terminal, Markdown and the page say so; the limit is told with its level and effect."""
    run = run_with(tmp_path, gates=[NOT_JUDGED], verdict="no-verdict", exit_code=3)
    assert gate_limit(NOT_JUDGED) == "≤ 0 at α = 0.05 from an effect of 0.1"
    assert "– gate regressions: not judged, as nothing was compared; asked for ≤ 0 at α = 0.05" in printed(run)
    assert "| – not judged |" in write_markdown(run, tmp_path).read_text("utf-8")
    page = write_html(run, tmp_path).read_text("utf-8")
    assert 'class="gate open"' in page
    assert "not judged" in page
    assert verdict_words(run) == "No verdict: every gate is on a comparison, and nothing was compared"


def test_statistics_reach_every_machine_readable_report(tmp_path: Path) -> None:
    """JUnit has properties, the document the figures themselves; flaky repeats count as flaky."""
    data = statistics("++", "+-")
    run = run_with(tmp_path, statistics=data, spared=3)
    root = ElementTree.parse(write_junit(run, tmp_path)).getroot()
    found = {each.get("name"): each.get("value") for each in root.iter("property")}
    assert found["pass-rate"] == "0.75 from 0.197867 to 0.973323, n = 2 cases"
    assert (found["pass-hat-2"], found["flaky"]) == ("0.5, n = 2 cases", "1, n = 2 cases")
    document = as_json(run)
    assert (document["statistics"], document["spared"], document["flaky"]) == (data, 3, 1)
    assert "1 flaky" in printed(run).splitlines()[-1]


@pytest.mark.parametrize(("spared", "planned"), [(0, 5), (3, 2), (9, 1)])
def test_repeats_that_were_not_needed_are_not_missing(tmp_path: Path, spared: int, planned: int) -> None:
    """They are no part of what the run set out to do; what was recorded always is."""
    run = run_with(tmp_path, spared=spared)
    run.header = {**run.header, "plan": {"cases": 5, "turns": 5}}
    assert (run.planned, run.counts["not_run"]) == (planned, planned - 1)
