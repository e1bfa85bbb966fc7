"""The verdict of a run in words: what its gates decided, the cases' counts beside it."""

from __future__ import annotations

import html
import io
from pathlib import Path
from typing import Any

import orjson
import pytest

from focal_eval.records import Fault, Finding, Outcome, Verdict
from focal_eval.report import ReportModel, ReportOptions, read_run
from focal_eval.report.html import write as write_page
from focal_eval.report.markdown import render
from focal_eval.report.terminal import print_run
from focal_eval.report.wording import beside_words, tone, verdict_words
from tests.report.sample_cases import errored_case, rules_case
from tests.report.sample_odd_cases import bot_first_case
from tests.report.sample_run import Attempt, Case, Turn, case_lines, ending, failed, header, unjudged


def gate(name: str, *, passed: bool, observed: float | None = 0.5, **limit: float) -> dict[str, Any]:
    """A gate as the journal holds it."""
    return {"name": name, "limit": limit, "observed": observed, "passed": passed, "message": ""}


def run_of(folder: Path, cases: list[Case], verdict: str, *gates: dict[str, Any], **changes: Any) -> ReportModel:
    """A run of these cases that came to this verdict by these gates."""
    lines: list[dict[str, Any]] = [{"t": "run"} | header(len(cases), len(cases))]
    for case in cases:
        lines.extend(case_lines(case))
    lines.append(ending(cases, verdict=verdict, gates=list(gates), **changes))
    (folder / "journal.jsonl").write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
    return read_run(folder)


def last_line(run: ReportModel) -> str:
    """What the terminal ends with."""
    stream = io.StringIO()
    print_run(run, stream, environ={})
    return stream.getvalue().rstrip().splitlines()[-1]


TOLERANT = gate("pass_rate", passed=True, min=0.5)


def test_gates_that_hold_make_a_run_pass_whatever_failed(tmp_path: Path) -> None:
    """A failed case that the gates allow leaves the run green in every rendering, with the counts beside the verdict."""
    run = run_of(tmp_path, [bot_first_case(), rules_case()], "passed", TOLERANT, gate("failed", passed=True, max=3))
    assert last_line(run) == "✓ Passed: every gate holds · 1 passed, 1 failed · 3.2 s"
    assert render(run, ReportOptions()).startswith("## ✓ Passed: every gate holds · 1 passed, 1 failed\n")
    page = html.unescape(write_page(run, tmp_path).read_text(encoding="ascii"))
    assert "<title>Passed: every gate holds · 1 passed, 1 failed · Retail support</title>" in page
    assert 'data-tone="passed"' in page
    assert "fill='%231f8a4c'" in page
    assert '<h1 id="verdict" class="verdict tone-passed">' in page


def test_an_error_that_a_gate_allows_leaves_the_verdict(tmp_path: Path) -> None:
    """Errored cases within the gate's limit are counted beside a verdict that passed."""
    run = run_of(tmp_path, [bot_first_case(), errored_case()], "passed", gate("errored", passed=True, max=1))
    assert (tone(run), verdict_words(run), beside_words(run)) == (
        "passed",
        "Passed: the gate holds",
        "1 passed, 1 errored",
    )


@pytest.mark.parametrize(
    ("cases", "verdict", "gates", "words"),
    [
        ("good bad", "failed", [gate("pass_rate", passed=False, min=1)], "✗ 1 of 2 cases failed · 1 passed · 3.2 s"),
        (
            "good bad",
            "failed",
            [TOLERANT, gate("p95_latency_ms", passed=False, max=9)],
            "✗ Failed: gate p95 latency ms missed · 1 passed, 1 failed · 3.2 s",
        ),
        (
            "good bad",
            "failed",
            [gate("pass_rate", passed=False, min=1), gate("total_tokens", passed=False, max=9)],
            "✗ 1 of 2 cases failed; gate total tokens missed · 1 passed · 3.2 s",
        ),
        (
            "good",
            "failed",
            [gate("p50_latency_ms", passed=False, max=1), gate("total_cost", passed=False, max=1)],
            "✗ Failed, though no case did: 2 gates: p50 latency ms, total cost missed · 1 passed · 3.2 s",
        ),
        (
            "good bad broken",
            "no-verdict",
            [TOLERANT],
            "! No verdict: 1 of 3 cases errored · 1 passed, 1 failed · 3.2 s",
        ),
        (
            "good",
            "no-verdict",
            [gate("total_cost", passed=False, observed=None, max=1)],
            "! No verdict: total cost could not be measured · 1 passed · 3.2 s",
        ),
        ("good", "passed", [TOLERANT], "✓ The case passed · 3.2 s"),
    ],
)
def test_the_last_line_speaks_of_the_run(
    tmp_path: Path, cases: str, verdict: str, gates: list[dict[str, Any]], words: str
) -> None:
    """What decided stands first: the cases where they did, the gate where it did, what is missing where nothing could."""
    makers = {"good": bot_first_case, "bad": rules_case, "broken": errored_case}
    assert last_line(run_of(tmp_path, [makers[name]() for name in cases.split()], verdict, *gates)) == words


def test_a_run_that_judged_nothing_has_no_verdict(tmp_path: Path) -> None:
    """All cases skipped: there is nothing to be green about."""
    turn = Turn("Hello?", skipped="not sent: the day is over")
    case = Case("late/hello", "Too late", [Attempt([turn], Verdict.SKIPPED, reason="the day is over")])
    run = run_of(tmp_path, [case], "no-verdict", gate("pass_rate", passed=False, observed=None, min=1))
    assert last_line(run) == "! No verdict: no case was judged · 1 skipped · 3.2 s"


def test_a_run_stopped_early_is_not_painted_green(tmp_path: Path) -> None:
    """A partial run is amber where its gates held so far."""
    run = run_of(tmp_path, [bot_first_case(), rules_case()], "passed", TOLERANT, state="stopped")
    assert tone(run) == "partial"


def broken_late() -> Case:
    """An expectation failed first; then a check crashed, and at last the engine broke outside a turn."""
    file = "scenarios/late/broken.yaml"
    first = failed("rules", "rules include 'a'", file, 4, Finding("rule 'a' did not match"))
    crash = unjudged(Outcome.ERRORED, "python", "is polite", file, 5, "the check crashed: KeyError: 'mood'")
    turn = rules_case().attempts[0].turns[0]
    turn.results = (first, crash)
    return Case("late/broken", "Broken late", [Attempt([turn], Verdict.ERRORED)])


def test_what_broke_comes_before_what_failed(tmp_path: Path) -> None:
    """An errored case is told by the check that crashed, in its message and as its first frame."""
    run = run_of(tmp_path, [broken_late()], "no-verdict")
    assert run.cases[0].message == "the check crashed: KeyError: 'mood'"
    assert [failure.result and failure.result["key"] for failure in run.failures(run.cases[0])] == ["python", "rules"]


def test_a_fault_outside_a_turn_is_told(tmp_path: Path) -> None:
    """Stored messages could not be read back: the fault leads, though an expectation failed before it."""
    case = broken_late()
    case.attempts[0].turns[0].results = case.attempts[0].turns[0].results[:1]
    lines = [{"t": "run"} | header(1, 1), *case_lines(case), ending([case])]
    lines[-2]["fault"] = {"kind": "engine-crash", "message": "the adapter crashed"}
    (tmp_path / "journal.jsonl").write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
    run = read_run(tmp_path)
    assert run.cases[0].message == "engine-crash: the adapter crashed"
    first, second = run.failures(run.cases[0])
    assert (first.turn, first.fault) == (None, {"kind": "engine-crash", "message": "the adapter crashed"})
    assert second.result is not None
    stream = io.StringIO()
    print_run(run, stream, environ={})
    text = stream.getvalue()
    assert text.index("error[engine-crash]: the adapter crashed") < text.index("rule 'a' did not match")
    assert "outside a turn" in text


def test_a_fault_of_a_later_turn_leads(tmp_path: Path) -> None:
    """The engine broke in turn 2, after an expectation of turn 1 had failed."""
    case = broken_late()
    case.attempts[0].turns[0].results = case.attempts[0].turns[0].results[:1]
    case.attempts[0].turns.append(Turn("And now?", fault=Fault("engine-timeout", "no answer within 30 s")))
    run = run_of(tmp_path, [case], "no-verdict")
    assert run.cases[0].message == "turn 2: engine-timeout: no answer within 30 s"
    assert [failure.turn for failure in run.failures(run.cases[0])] == [1, 0]
