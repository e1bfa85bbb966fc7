"""Cases in quarantine run and are told, and gate nothing until their last day is over."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from datetime import UTC, datetime
from pathlib import Path

import pytest

from focal_eval.cli import main
from focal_eval.clock import fixed_clock
from focal_eval.errors import ExitCode, Refused
from focal_eval.evaluate import RunRequest, run
from focal_eval.evaluate.request import RunResult
from tests.cli.shop import build

FAILING = "money/refund[order=A-1]"


class Silent:
    """An observer that says nothing."""

    def started(self, cases: int, turns: int) -> None: ...
    def case_done(self, name: str, verdict: str) -> None: ...
    def finished(self) -> None: ...


@pytest.fixture(autouse=True)
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The working folder: a small suite of which one case of a script fails."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.delenv("FOCAL_EVAL_STORE", raising=False)
    build(tmp_path)
    script = next(Path("scenarios").rglob("refund.yaml"))
    script.write_text(script.read_text().replace('response: {contains: "{{ order }}"}', "response: {contains: A-2}"))


def quarantine(*entries: str) -> None:
    """Puts entries into the suite."""
    text = "\nquarantine:\n" + "".join(f"  - {{{entry}}}\n" for entry in entries)
    suite = Path("suite.yaml")
    suite.write_text(suite.read_text() + text)


def entry(case: str = FAILING, expires: str = "2026-12-31") -> str:
    return f'case: "{case}", owner: anna, expires: {expires}, reason: the test carrier is down'


def played(day: str = "2026-12-01", **options: object) -> RunResult:
    clock = fixed_clock(datetime.fromisoformat(f"{day}T12:00:00").replace(tzinfo=UTC))
    out = Path(f"reports/{len(list(Path().glob('reports/*')))}")
    return run(RunRequest((Path("suite.yaml"),), out=out, **options), Silent(), clock)  # type: ignore[arg-type]


def test_a_case_in_quarantine_runs_and_gates_nothing() -> None:
    """Without the entry the run fails; with it the case is recorded as failed, and the gate is taken from the others."""
    assert played().exit_code is ExitCode.FAILED
    quarantine(entry())
    result = played()
    assert result.exit_code is ExitCode.OK
    assert result.model.counts["failed"] == 1
    (gate,) = result.model.gates
    assert (gate["observed"], gate["n"]) == (1.0, 2)


def test_a_script_stands_for_all_of_its_cases() -> None:
    """The whole script is set aside; the gate measures what is left."""
    quarantine(entry("money/refund"))
    (gate,) = played().model.gates
    assert gate["n"] == 1


def test_nothing_is_judged_where_all_is_in_quarantine() -> None:
    """No case that gates is no verdict, never a pass."""
    quarantine(entry("money/refund"), entry("greeting"))
    assert played().exit_code is ExitCode.NO_VERDICT


def test_the_last_day_still_holds_and_the_next_gates_again() -> None:
    """On the day after the case fails the run, and a warning says whose it was."""
    quarantine(entry(expires="2026-12-01"))
    assert played("2026-12-01").exit_code is ExitCode.OK
    over = played("2026-12-02")
    assert over.exit_code is ExitCode.FAILED
    (warning,) = [item for item in over.warnings if item.code == "quarantine-expired"]
    assert "ended on 2026-12-01: it gates again (anna)" in warning.message
    assert warning.span.file == "suite.yaml"


def test_repeats_are_set_aside_together() -> None:
    """Every repeat of the case is, and its repeats make no run flaky."""
    quarantine(entry())
    result = played(repeats=3)
    assert result.exit_code is ExitCode.OK
    (gate,) = result.model.gates
    assert gate["n"] == 2
    assert {case.name for case in result.model.cases if result.model.quarantine_of(case)} == {
        f"{FAILING}#{n}" for n in (1, 2, 3)
    }


def test_a_failure_in_quarantine_does_not_stop_the_run() -> None:
    """`-x` is about failures that count."""
    quarantine(entry())
    assert played(stop_after=1).model.header["state"] == "finished"


@pytest.mark.parametrize(
    ("wrong", "code", "words"),
    [
        (entry("money/refnd"), "unknown-case", "did you mean 'money/refund'"),
        (entry(expires="2026-02-30"), "bad-value", "'2026-02-30' is no day"),
        (f'case: "{FAILING}", owner: anna, expires: 2026-12-31', "missing-key", "reason"),
    ],
)
def test_a_wrong_entry_is_refused_with_its_place(wrong: str, code: str, words: str) -> None:
    """Before anything is sent; the nearest case is named."""
    quarantine(wrong)
    with pytest.raises(Refused, match=r"nothing was run|cannot be read") as caught:
        played()
    (item,) = caught.value.diagnostics
    assert item.code == code
    assert words in str(item)
    assert item.span.file == "suite.yaml"


def test_a_case_twice_is_refused() -> None:
    """Two entries could disagree; the second place and the first are told."""
    quarantine(entry(), entry())
    with pytest.raises(Refused, match="nothing was run") as caught:
        played()
    assert [item.code for item in caught.value.diagnostics] == ["quarantine-twice"]
    assert caught.value.diagnostics[0].labels


def test_a_file_may_hold_the_entries() -> None:
    """The suite names it; its mistakes point into it."""
    Path("suite.yaml").write_text(Path("suite.yaml").read_text() + "\nquarantine: held.yaml\n")
    with pytest.raises(Refused, match="nothing was run") as caught:
        played()
    assert [item.code for item in caught.value.diagnostics] == ["unreadable-file"]
    Path("held.yaml").write_text(f"quarantine:\n  - {{{entry()}}}\n")
    assert played().exit_code is ExitCode.OK
    Path("held.yaml").write_text(f"quarantine:\n  - {{{entry('nobody')}}}\n")
    with pytest.raises(Refused, match="nothing was run") as caught:
        played()
    assert caught.value.diagnostics[0].span.file == "held.yaml"


def test_a_part_of_the_suite_may_lack_a_case() -> None:
    """An entry of a script that was not asked for is no mistake."""
    quarantine(entry())
    greeting = next(Path("scenarios").rglob("greeting.yaml"))
    found = run(RunRequest((greeting,), suite=Path("suite.yaml"), out=Path("reports/part")), Silent())
    assert found.exit_code is ExitCode.OK


def test_every_report_tells_it(capsys: pytest.CaptureFixture[str]) -> None:
    """Terminal, summary, page and document name the entry; JUnit and annotations turn nothing red."""
    quarantine(entry(expires="2099-12-31"))
    assert main(["run", "suite.yaml", "--out", "reports/a", "--report", "html,junit,markdown,github"]) == 0
    out = capsys.readouterr().out
    sentence = "in quarantine until 2099-12-31 (anna): the test carrier is down"
    assert f"✗ FAILED  {FAILING}" in out
    assert f"  {sentence}\n" in out
    assert "1 case in quarantine, gating nothing: 1 failed" in out
    folder = Path("reports/a")
    junit = ET.parse(folder / "junit.xml").getroot()
    assert (junit.get("failures"), junit.get("errors")) == ("0", "0")
    skipped = [item.get("message") for item in junit.iter("skipped")]
    assert skipped == [f"failed, {sentence}"]
    assert sentence in (folder / "summary.md").read_text().replace("\\", "")
    annotations = (folder / "annotations.txt").read_text()
    assert "::warning " in annotations
    assert "::error" not in annotations
    page = (folder / "report.html").read_text()
    assert re.search(r'"held"', page)
    assert sentence in page
    assert main(["report", "reports/a", "--report", "none", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    held = [case["quarantine"]["owner"] for case in document["cases"] if "quarantine" in case]
    assert held == ["anna"]


def test_judging_again_keeps_the_quarantine_of_today() -> None:
    """A recorded run is judged by the suite as it stands: a case that went into quarantine gates no more."""
    assert played().exit_code is ExitCode.FAILED
    quarantine(entry(expires="2099-12-31"))
    assert main(["rejudge", "reports/0", "--out", "reports/again", "-q", "--report", "none"]) == 0


def test_a_regression_in_quarantine_gates_no_comparison() -> None:
    """It is shown as regressed, and the gate on regressions counts the others."""
    text = Path("agent.yaml").read_text()
    script = next(Path("scenarios").rglob("refund.yaml"))
    script.write_text(script.read_text().replace("response: {contains: A-2}", "response: {contains: refund}"))
    assert main(["run", "suite.yaml", "--out", "reports/good", "-q", "--report", "none"]) == 0
    Path("agent.yaml").write_text(text.replace("tools: [lookup_order]", "tools: []"))
    assert main(["run", "suite.yaml", "--out", "reports/bad", "-q", "--report", "none"]) == 1
    assert main(["compare", "reports/good", "reports/bad", "-q"]) == 1
    quarantine(entry("money/refund", expires="2099-12-31"))
    assert main(["run", "suite.yaml", "--out", "reports/held", "-q", "--report", "none"]) == 0
    assert main(["compare", "reports/good", "reports/held", "-q"]) == 0


def test_check_tells_wrong_entries_without_running(capsys: pytest.CaptureFixture[str]) -> None:
    """`focal-eval check` reads the suite's quarantine, and a file of one by itself."""
    quarantine(entry("money/refnd"))
    assert main(["check", "suite.yaml", "--format", "concise"]) == 2
    assert "error[unknown-case]" in capsys.readouterr().out
    Path("held.yaml").write_text("quarantine:\n  - {case: x, owner: anna}\n")
    assert main(["check", "held.yaml", "--format", "concise"]) == 2
    assert "error[missing-key]" in capsys.readouterr().out


def test_the_store_knows_who_was_in_quarantine(capsys: pytest.CaptureFixture[str]) -> None:
    """A point of a case's history says so."""
    quarantine(entry(expires="2099-12-31"))
    main(["run", "suite.yaml", "--out", "reports/a", "-q", "--report", "none", "--store", "s.sqlite"])
    capsys.readouterr()
    assert main(["history", FAILING, "--store", "s.sqlite", "--json"]) == 0
    assert [point["quarantined"] for point in json.loads(capsys.readouterr().out)["points"]] == [True]
