"""Judging the example suites' own runs again: the same verdicts and the same results, byte for byte."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from focal_eval.cli import main

ROOT = Path(__file__).resolve().parents[2]


def lines_of(run: Path) -> list[bytes]:
    """The journal's lines of cases; those of the run itself hold times and ids."""
    lines = (run / "journal.jsonl").read_bytes().splitlines()
    return sorted(line for line in lines if not line.startswith((b'{"t":"run"', b'{"t":"end"')))


@pytest.mark.parametrize(
    ("suite", "words"),
    [
        ("library", ()),
        ("retail", ("-k", "returns or languages")),
        ("retail", ("-k", "loyalty", "--repeats", "2")),
        pytest.param("retail", (), marks=pytest.mark.slow),  # the whole suite takes some seconds
    ],
)
def test_every_line_of_a_run_comes_out_again(
    suite: str, words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Turns, results, saved values, messages, verdicts and reasons are the same; so are counts, gates and the exit code."""
    monkeypatch.chdir(ROOT)
    first, second = tmp_path / "first", tmp_path / "second"
    code = main(["run", f"evals/{suite}.yaml", *words, "--out", str(first), "--report", "none", "-q"])
    assert main(["rejudge", str(first), "--out", str(second), "--report", "none", "-q"]) == code
    assert lines_of(second) == lines_of(first)
    headers = [json.loads((run / "run.json").read_text()) for run in (first, second)]
    for key in ("counts", "gates", "verdict", "exit_code", "statistics", "engine", "options", "suite"):
        assert headers[0][key] == headers[1][key], key
