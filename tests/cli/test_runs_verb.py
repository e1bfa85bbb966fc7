"""`focal-eval runs` and `show`: what there is, told without reading what was said."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import orjson
import pytest

from focal_eval.cli import main
from focal_eval.cli.diagnostics import print_json, print_long_json
from focal_eval.report.ansi import Paint, emit, emit_lines
from focal_eval.report.characters import one_line
from focal_eval.report.runs_text import case_rows
from focal_eval.runner.journal import Journal
from focal_eval.runner.listed import Listed
from focal_eval.runner.lock import RunLock
from focal_eval.runner.redact import Redactor
from tests.cli.shop import build


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three runs of the small suite: one that passed, one with a failure, one that was killed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    build(tmp_path)
    assert main(["run", "suite.yaml", "--out", "reports/a-passed", "--report", "none", "-q"]) == 0
    text = Path("scenarios/greeting.yaml").read_text()
    Path("scenarios/greeting.yaml").write_text(text.replace("contains: help", "contains: nothing"))
    assert main(["run", "suite.yaml", "--out", "reports/b-failed", "--report", "none", "-q"]) == 1
    main(["run", "suite.yaml", "--out", "reports/c-killed", "--report", "none", "-q"])
    path = Path("reports/c-killed/journal.jsonl")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:4]))  # the first case is over, the second has begun
    header = json.loads(Path("reports/c-killed/run.json").read_text())
    Path("reports/c-killed/run.json").write_text(json.dumps(header | {"state": "running", "verdict": None, "counts": {}}))
    return tmp_path


def printed(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    capsys.readouterr()
    assert main(list(words)) == code
    seen = capsys.readouterr()
    return seen.out if code == 0 else seen.err


def document(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(printed(capsys, *words, "--json"))
    return data


def test_runs_are_listed_newest_first(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A line a run: id, suite, verdict, counts, and that one was cut off."""
    lines = printed(capsys, "runs").splitlines()
    assert [line.split()[0] for line in lines] == ["c-killed", "b-failed", "a-passed"]
    assert "suite.yaml  failed      2 passed, 1 failed" in lines[1]
    assert lines[2].endswith("suite.yaml  passed      3 passed")
    assert lines[0].endswith("(cut off: --resume goes on)")
    assert printed(capsys, "runs", "-q").split() == ["c-killed", "b-failed", "a-passed"]
    assert printed(capsys, "runs", "--limit", "1").splitlines()[1] == "and 2 older; --limit 3 shows them"


def test_a_run_that_goes_on_is_told_with_its_process(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever has the folder's lock is writing it."""
    lock = RunLock(Path("reports/c-killed"))
    assert f"(still running by process {os.getpid()})" in printed(capsys, "runs")
    found = {run["folder"]: run for run in document(capsys, "runs")["runs"]}
    assert found["reports/c-killed"]["writer"] == f"process {os.getpid()}"
    lock.release()
    assert "cut off" in printed(capsys, "runs")


def test_a_run_killed_after_its_last_line_is_finished(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The journal is the truth, also where run.json was not rewritten any more."""
    path = Path("reports/b-failed/run.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"state": "running", "verdict": None}))
    found = {run["folder"]: run for run in document(capsys, "runs")["runs"]}["reports/b-failed"]
    assert (found["state"], found["verdict"]) == ("finished", "failed")


def test_a_folder_that_cannot_be_read_hides_no_other(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A broken run is told as one, and the rest are listed."""
    Path("reports/a-passed/journal.jsonl").write_bytes(b"rubbish\n")
    Path("reports/a-passed/run.json").write_bytes(b"rubbish")
    Path("reports/no-run").mkdir()
    lines = printed(capsys, "runs").splitlines()
    assert len(lines) == 3
    assert "does not begin with a line of kind 'run'" in lines[2]
    assert printed(capsys, "runs", "--runs", "nowhere").strip() == "no run lies below nowhere"


def test_the_cases_of_a_run_are_listed(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A line a case with its verdict, turns and first message; some verdicts alone, and ids for other programs."""
    out = printed(capsys, "runs", "reports/b-failed")
    assert out.splitlines()[-1].startswith("3 cases recorded")
    assert sum(line.startswith("✓ passed") for line in out.splitlines()) == 2
    (bad, total) = printed(capsys, "runs", "b-failed", "--verdict", "failed").splitlines()
    assert bad.startswith("✗ failed")
    assert "greeting  " in bad
    assert "3 cases recorded, 1 shown" in total
    found = document(capsys, "runs", "b-failed", "--verdict", "failed,errored")
    assert [case["name"] for case in found["cases"]] == ["greeting"]
    assert found["counts"]["passed"] == 2
    assert printed(capsys, "runs", "b-failed", "--verdict", "failed", "-q").split() == [found["cases"][0]["case"]]
    cut = document(capsys, "runs", "c-killed")
    assert cut["state"] == "running"
    assert sorted(case["verdict"] for case in cut["cases"])[-1] == "not_run" or len(cut["cases"]) == 1


def test_what_was_said_is_not_read(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The list of a run is the same where every turn of its journal is blotted out; so it comes from the index."""
    before = printed(capsys, "runs", "b-failed")
    path = Path("reports/b-failed/journal.jsonl")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(b"#" * (len(line) - 1) + b"\n" if b'"t":"turn"' in line else line for line in lines))
    assert printed(capsys, "runs", "b-failed") == before


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["runs", "b-failed", "--verdict", "faild"], "'faild' is no verdict; did you mean 'failed'?"),
        (["runs", "--verdict", "failed"], "--verdict is for the cases of one run; name the run"),
        (["runs", "nothing"], "no run is named 'nothing'"),
        (["runs", "reports"], "reports is not a run folder: it holds no journal.jsonl"),
        (["show", "b-failed", "greting"], "has no case 'greting'; did you mean 'greeting'?"),
        (["show", "b-failed", "refund"], "'refund' fits 2 cases of the run "),
    ],
)
def test_mistakes_are_told_with_the_nearest_fix(
    runs: Path, capsys: pytest.CaptureFixture[str], words: list[str], told: str
) -> None:
    """Exit 2, and what was probably meant."""
    assert told in printed(capsys, *words, code=2)


def test_a_conversation_is_shown_turn_by_turn(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What was said with rules and tools beside it, and the expectation that did not hold with its place."""
    out = printed(capsys, "show", "b-failed", "greeting")
    assert out.startswith("✗ FAILED  greeting  A greeting is returned\n")
    assert "turn 1  user   hello" in out
    assert "        agent  Hello! How can I help?" in out
    assert "rules     greet" in out
    assert "scenarios/greeting.yaml:6:" in out
    assert "failed[response.contains]" in out
    refund = printed(capsys, "show", "b-failed", "order=A-2")
    assert 'tool      lookup_order({"order_id":"A-2"}) → {"status":"delivered"}' in refund


def test_the_document_of_a_case_is_all_that_was_kept(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every attempt with its turns and stored messages, as in the journal."""
    (case,) = document(capsys, "runs", "b-failed", "--verdict", "failed")["cases"]
    found = document(capsys, "show", "b-failed", case["case"][:8])
    assert (found["case"], found["verdict"], found["name"]) == (case["case"], "failed", "greeting")
    (attempt,) = found["attempts"]
    assert [turn["user"] for turn in attempt["turns"]] == ["hello", "bye"]
    assert attempt["turns"][0]["results"][1]["outcome"] == "failed"
    assert [message["role"] for message in attempt["messages"]] == ["user", "assistant"] * 2


def test_one_case_is_read_without_the_rest(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A conversation is shown though every other line of the journal is blotted out."""
    before = printed(capsys, "show", "b-failed", "greeting")
    (case,) = document(capsys, "runs", "b-failed", "--verdict", "failed")["cases"]
    path = Path("reports/b-failed/journal.jsonl")
    lines = path.read_bytes().splitlines(keepends=True)
    attempts = [line for line in lines if b'"t":"attempt"' in line][-1:]  # by which the index is known to fit
    kept = [line for line in lines if case["case"].encode() in line or line in attempts]
    path.write_bytes(b"".join(line if line in kept else b"#" * (len(line) - 1) + b"\n" for line in lines))
    assert printed(capsys, "show", "b-failed", "greeting") == before


def test_control_characters_of_an_engine_do_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Names, words and results of tools are neutralised before they are printed."""
    evil = "\x1b[31m\x07evil\u202e"
    journal = Journal(tmp_path / "run", {"format": 2, "id": "r", "state": "running", "suite": {"file": evil}}, Redactor())
    case = {"t": "case", "case": "a", "name": f"n{evil}", "title": evil, "turns": 1, "given": {"history": [[evil, evil]]}}
    reply = {"response": f"{evil}\n{evil}", "rules": [{"name": evil}], "tools": [{"name": evil, "result": evil}]}
    turn = {"t": "turn", "case": "a", "attempt": 1, "i": 0, "user": evil, "reply": reply, "results": []}
    over = {"t": "attempt", "case": "a", "attempt": 1, "verdict": "failed", "reason": evil, "elapsed_ms": 1, "results": []}
    journal.lines(map(orjson.dumps, (case, turn, over)))
    journal.end({"state": "finished"})
    journal.close()
    for words in (["show", str(tmp_path / "run"), "a"], ["runs", str(tmp_path / "run")], ["runs", "--runs", str(tmp_path)]):
        out = printed(capsys, *words)
        assert "evil" in out
        assert not set("\x1b\x07\u202e") & set(out)


CASES = [Listed(f"{n:x}", f"talk[{n}]", "talk", "T", "t.yaml", 1, ("a",), "passed", 2, n / 3, None) for n in range(1200)]


def test_a_long_document_is_what_it_would_be_in_one_piece(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Byte for byte, with parts or without any, and where some are empty."""
    head = {"format": 1, "id": "r"}
    some: list[list[dict[str, Any]]] = [[{"a": 1}], [], [{"b": [2, {}]}, {"c": None}]]
    for parts in (some, some[:0], some[1:2]):
        print_long_json(head, "cases", parts)
        piecewise = capfdbinary.readouterr().out
        print_json(head | {"cases": [item for part in parts for item in part]})
        assert piecewise == capfdbinary.readouterr().out


@pytest.mark.parametrize(
    "name", ["talk", "a  b", " a", "a ", "evil\x1b[31m\u202e", "x" * 300, "two\nlines", "", "|", "wörter ✓"]
)
def test_every_name_of_a_list_is_harmless(name: str) -> None:
    """One odd name among hundreds is shown as it is alone, and the others as they are."""
    cases = [*CASES[:700], CASES[0]._replace(name=name, verdict="failed", message=name), *CASES[700:]]
    alone = [line for case in cases for lines in case_rows([case], Paint(True)) for line in lines]
    assert [line for lines in case_rows(cases, Paint(True)) for line in lines] == alone
    assert f"  {one_line(name, 200)}" in alone[700]
    assert alone[5] == Paint(True).verdict(f"✓ {'passed':<19}", "passed") + "   2         2 ms  talk[5]"


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "ascii"])
def test_lines_are_written_together_as_they_are_one_by_one(encoding: str) -> None:
    """Signs that the stream lacks are spelt in those lines alone that need it."""
    lines = ["✓ passed · ok", "plain", "naïve · ≥ 1", "日本"]
    together, single = (io.TextIOWrapper(io.BytesIO(), encoding=encoding) for _ in range(2))
    emit_lines(together, lines)
    emit_lines(together, [])
    for line in lines:
        emit(single, line)
    for stream in (together, single):
        stream.flush()
    assert together.buffer.getvalue() == single.buffer.getvalue()
