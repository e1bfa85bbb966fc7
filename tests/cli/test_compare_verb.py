"""`focal-eval compare` and `run --baseline`, as a user sees them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from focal_eval.cli import main
from tests.cli.shop import build


@pytest.fixture(autouse=True)
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The working folder: a small suite, a run of it, and one after its refund rule forgot its tool."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    build(tmp_path)
    main(["run", "suite.yaml", "--out", "reports/one", "-q", "--report", "none"])
    text = Path("agent.yaml").read_text()
    Path("agent.yaml").write_text(text.replace("tools: [lookup_order]", "tools: []").replace("Goodbye!", "Bye, \\e[31mnow!"))
    main(["run", "suite.yaml", "--out", "reports/two", "-q", "--report", "none"])
    capsys.readouterr()


def test_causes_come_first_then_what_regressed_and_where(capsys: pytest.CaptureFixture[str]) -> None:
    """A cause with its cases and its edit, each regressed case with the expectation under a caret, the gate, one last line."""
    assert main(["compare", "reports/one", "reports/two"]) == 1
    out = capsys.readouterr().out
    assert out.startswith("cause 1  tool lookup_order is no longer called\n  2 conversations: 2 regressed\n")
    assert "agent.yaml:8: rule refund edited\n           tools: [-lookup_order]" in out
    assert "✗ REGRESSED  money/refund[order=A-1]" in out
    assert "because tool lookup_order is no longer called in turn 1" in out
    assert re.search(r"\|       tools: \[lookup_order\]\n +\| +\^{12}\n", out)
    assert "cause 2  the words of template farewell differ (“Goodbye” → “Bye, ␛[31mnow”)" in out
    assert "\x1b" not in out
    assert "✗ gate regressions: 2" in out
    assert out.rstrip().split("\n")[-1].startswith("✗ 2 of 3 cases regressed · 1 changed · 2 causes · ")


def test_latest_and_previous_name_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """The usual words for runs below `reports` work, backwards as well; fixed cases pass the gate."""
    assert main(["compare", "latest", "previous", "-q"]) in (0, 1)
    assert main(["compare", "reports/two", "reports/one", "-q"]) == 0
    assert "Nothing regressed · 1 changed, 2 fixed" in capsys.readouterr().out


def test_two_runs_the_wrong_way_round_are_compared_with_a_hint(capsys: pytest.CaptureFixture[str]) -> None:
    """A first run that is newer than the second is no error: stderr says it, with the command the other way round."""
    later = json.loads(Path("reports/two/run.json").read_text())
    later["started_at"] = "2099-01-01T00:00:00+00:00"
    Path("reports/two/run.json").write_text(json.dumps(later))
    assert main(["compare", "latest", "previous"]) == 0
    told = capsys.readouterr()
    assert "Nothing regressed" in told.out
    assert told.err == (
        f"hint: {later['id']} is newer than {json.loads(Path('reports/one/run.json').read_text())['id']}: "
        "read 'fixed' as 'regressed'; 'focal-eval compare previous latest' compares forwards\n"
    )
    main(["compare", "previous", "latest"])
    assert capsys.readouterr().err == ""
    main(["compare", "latest", "previous", "--json"])
    assert "is newer than" in json.loads(capsys.readouterr().out)["hint"]


def test_the_candidates_own_gates_are_told_apart(capsys: pytest.CaptureFixture[str]) -> None:
    """Figure, limit and verdict of each gate on the candidate's run; they do not decide about the comparison."""
    assert main(["compare", "reports/two", "reports/two"]) == 0
    out = capsys.readouterr().out
    own = re.search(r"gates of (\S+) itself:\n((?:  .*\n)+)", out)
    assert own is not None
    assert own[2] == "  ✗ gate pass rate: 0.333333 (n = 3 cases), asked for ≥ 1\n"
    assert "\n✓ gate regressions: 0 (n = 3 cases), asked for ≤ 0\n" in out
    main(["compare", "reports/one", "reports/two", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert [(gate["name"], gate["passed"], gate["limit"]) for gate in told["own_gates"]] == [("pass_rate", False, {"min": 1.0})]
    assert [gate["name"] for gate in told["gates"]] == ["regressions"]


def test_one_json_document_holds_all(capsys: pytest.CaptureFixture[str]) -> None:
    """Counts, causes, cases that changed with their differences, edits, gates, figures and the exit code."""
    assert main(["compare", "reports/one", "reports/two", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert {
        *("format", "before", "after", "counts", "causes", "cases", "edits", "edits_unknown", "masked", "uncompared"),
        *("left_out", "gates", "statistics", "exit_code"),
    } <= told.keys()
    assert (told["counts"]["regressed"], told["counts"]["changed"], told["exit_code"]) == (2, 1, 1)
    assert told["causes"][0]["key"] == "tool:-lookup_order"
    assert told["edits"][told["causes"][0]["edits"][0]]["name"] == "refund"
    first = next(case for case in told["cases"] if case["change"] == "regressed")
    assert first["turns"][0]["differences"][0]["lane"] == "tool"


def test_a_run_may_be_compared_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    """`run --baseline` prints the run and what changed; as JSON both are one document."""
    command = ["run", "suite.yaml", "--baseline", "reports/one", "--report", "junit"]
    assert main([*command, "--out", "reports/three"]) == 1
    out = capsys.readouterr().out
    assert "cause 1  tool lookup_order is no longer called" in out
    assert out.rstrip().split("\n")[-1].startswith("✗ 2 of 3 cases regressed")
    assert "regress" not in Path("reports/three/junit.xml").read_text()
    assert main([*command, "--out", "reports/four", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["comparison"]["counts"]["regressed"] == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["compare", "reports/one"], "the following arguments are required: AFTER"),
        (["compare", "reports/one", "thre"], "no run is named 'thre' below reports"),
        (["compare", "baseline", "reports/two"], "baselines/suite holds no baseline"),
        (["run", "suite.yaml", "--baseline", "nowhere"], "no run is named 'nowhere' below reports"),
    ],
)
def test_what_is_not_there_is_refused(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong reference is a user's mistake: exit 2 and a sentence."""
    assert main(words) == 2
    assert said in capsys.readouterr().err


def title_of(page: Path) -> str:
    """A page's verdict, as its tab shows it."""
    found = re.search(r"<title>(.*?)</title>", page.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    return found[1]


def test_a_page_is_written_where_it_was_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    """`--html FILE` writes one page whose title is the verdict, makes its folder, names it last, and keeps the exit code."""
    assert main(["compare", "reports/one", "reports/two", "--html", "pages/deep/told.html"]) == 1
    assert capsys.readouterr().out.rstrip().endswith("\nreport: pages/deep/told.html")
    assert [file.name for file in Path("pages/deep").iterdir()] == ["told.html"]
    assert title_of(Path("pages/deep/told.html")).startswith("Failed: 2 of 3 conversations regressed")
    assert main(["compare", "reports/one", "reports/one", "--html", "pages/same.html", "-q"]) == 0
    assert "pages/same.html" not in capsys.readouterr().out
    assert "regressed" not in title_of(Path("pages/same.html"))


def test_a_page_beside_one_json_document(capsys: pytest.CaptureFixture[str]) -> None:
    """With `--json` the page is written and stdout still holds one document."""
    assert main(["compare", "reports/one", "reports/two", "--json", "--html", "told.html"]) == 1
    assert json.loads(capsys.readouterr().out)["counts"]["regressed"] == 2
    assert title_of(Path("told.html")).startswith("Failed: 2 of 3")


def test_an_unwritable_place_is_told_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A file where a folder would have to be, or a folder where the file would, is no traceback: exit code 3, the reason."""
    Path("taken").write_text("a file")
    assert main(["compare", "reports/one", "reports/two", "--html", "taken/told.html"]) == 3
    assert capsys.readouterr().err == "focal-eval: cannot make the folder taken: File exists\n"
    Path("folder").mkdir()
    assert main(["compare", "reports/one", "reports/two", "--html", "folder/told.html"]) == 1
    Path("folder/told.html").unlink()
    Path("folder/told.html").mkdir()
    main(["compare", "reports/one", "reports/two", "--html", "folder/told.html"])
    assert "Traceback" not in capsys.readouterr().err


def test_a_run_with_a_baseline_leaves_the_page_in_its_folder(capsys: pytest.CaptureFixture[str]) -> None:
    """`run --baseline` writes comparison.html beside report.html; `--report none` writes neither."""
    assert main(["run", "suite.yaml", "--baseline", "reports/one", "--out", "reports/three", "-q"]) == 1
    assert title_of(Path("reports/three/comparison.html")).startswith("Failed: 2 of 3 conversations regressed")
    assert Path("reports/three/report.html").is_file()
    main(["run", "suite.yaml", "--baseline", "reports/one", "--out", "reports/four", "-q", "--report", "none"])
    assert not Path("reports/four/comparison.html").exists()
    capsys.readouterr()


def test_the_one_line_tells_what_was_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    """A run of some cases that is like the run of all says that it was not all."""
    main(["run", "suite.yaml", "-k", "refund", "--out", "reports/some", "-q", "--report", "none"])
    capsys.readouterr()
    assert main(["compare", "reports/two", "reports/some", "-q"]) == 0
    (line,) = capsys.readouterr().out.rstrip().split("\n")
    assert line.startswith("✓ Nothing changed · ")
    assert " · 1 case left out · " in line
