"""Repeats of a whole run: what they come to in its folder, and on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from focal_eval.cli import main

ANSWER = """
import itertools

counter = itertools.count(1)


def answer(message, conversation):
    odd = "back" in message and next(counter) in ODD
    return {"response": "no" if odd else "ok", "rules": ["greet" if odd else "refund"]}
"""


@pytest.fixture
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A suite of two scripts on a function that answers some conversations otherwise."""
    monkeypatch.chdir(tmp_path)
    Path("hello.yaml").write_text("turns: [{user: hello, expect: {rules: [refund]}}]\n")
    Path("back.yaml").write_text("turns: [hello, {user: take it back, expect: {rules: [refund]}}]\n")
    return Path("suite.yaml")


def write(suite: Path, odd: set[int], more: str, *, deterministic: bool = False) -> None:
    module = f"shop_{len(list(Path().glob('shop_*')))}.py"  # a module counts on as long as the process lives
    Path(module).write_text(f"ODD = {odd or 'set()'}\n{ANSWER}")
    engine = (
        f"{{kind: callable, target: {module}:answer, reports: [response, rules], deterministic: {str(deterministic).lower()}}}"
    )
    suite.write_text(f"scripts: ['*.yaml', '!suite.yaml']\nengine: {engine}\nconcurrency: 1\n{more}")


def run(suite: Path, *options: str, out: str = "out") -> tuple[int, dict[str, Any]]:
    code = main(["run", str(suite), "--report", "none", "-q", "--out", out, *options])
    header = json.loads(Path(out, "run.json").read_text())
    end = json.loads(Path(out, "journal.jsonl").read_text().splitlines()[-1])
    assert {key: end[key] for key in ("spared", "statistics", "gates")} == {
        key: header[key] for key in ("spared", "statistics", "gates")
    }
    return code, header


def test_the_folder_holds_what_repeats_came_to(suite: Path) -> None:
    """Classes, the flaky case with its rate and where its repeats part, and how many repeats were spared."""
    write(suite, {3, 5}, "repeats: {at_most: 20, until: stable}\ngates: {pass_rate: {min: 0.9}, flaky: {max: 1}}\n")
    code, header = run(suite)
    assert (code, header["spared"], header["counts"]["not_run"]) == (0, 6, 0)
    assert (header["options"]["repeats"], header["options"]["until"]) == (20, "stable")
    figures = header["statistics"]
    assert figures["classes"] == {"stable-pass": 1, "stable-fail": 0, "flaky": 1, "undecided": 0}
    assert figures["pass_at_1"]["value"] == round((1 + 12 / 14) / 2, 6)
    (flaky,) = figures["flaky"]
    assert (flaky["case"], flaky["good"], flaky["judged"]) == ("back", 18, 20)
    answers = [{"text": "refund", "good": 18, "bad": 0}, {"text": "greet", "good": 0, "bad": 2}]
    assert flaky["first"] == {"turn": 1, "lane": "rules", "answers": answers}
    assert [gate["n"] for gate in header["gates"]] == [2, 2]


def test_strict_flaky_has_an_exit_code_of_its_own(suite: Path) -> None:
    """4 where every gate passed and a case was flaky; 0 without the option; 1 where a gate failed all the same."""
    lenient, strict = "gates: {pass_rate: {min: 0.5}}\n", "gates: {flaky: {max: 0}}\n"
    tried = [({2}, lenient, True), ({2}, lenient, False), ({2}, strict, True), (set(), lenient, True)]
    codes = []
    for number, (odd, gates, asked) in enumerate(tried):
        write(suite, odd, f"repeats: 4\n{gates}")
        codes.append(run(suite, *["--strict-flaky"] * asked, out=f"out-{number}")[0])
    assert codes == [4, 0, 1, 0]


def test_the_command_lines_repeats_replace_the_suites(suite: Path) -> None:
    """--repeats N is a plain number: nothing ends early."""
    write(suite, set(), "repeats: {at_most: 20, until: decided}\n")
    code, header = run(suite, "--repeats", "3")
    assert (code, header["spared"], header["counts"]["passed"]) == (0, 0, 6)
    assert (header["options"]["repeats"], header["options"]["until"]) == (3, None)


def test_a_run_without_repeats_has_no_statistics(suite: Path) -> None:
    """There is nothing to say of them."""
    write(suite, set(), "")
    assert run(suite)[1]["statistics"] is None


@pytest.mark.parametrize(
    ("more", "deterministic", "warned"),
    [
        ("repeats: 3\n", True, True),
        ("repeats: 3\n", False, False),
        ("", True, False),
        ("repeats: 3\nvariants: all\n", True, True),
    ],
)
def test_repeats_of_a_deterministic_engine_are_warned_about(
    suite: Path, capsys: pytest.CaptureFixture[str], more: str, deterministic: bool, warned: bool
) -> None:
    """They could only say the same once more."""
    write(suite, set(), more, deterministic=deterministic)
    assert main(["run", str(suite), "--report", "none", "--out", "out"]) == 0
    assert ("warning[repeats-in-vain]: each case is run 3 times" in capsys.readouterr().err) is warned


def test_wordings_that_take_turns_are_a_reason_to_repeat(suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each repeat says another text."""
    Path("hello.yaml").write_text("turns: [{user: [hello, hi, hey]}]\n")
    write(suite, set(), "repeats: 3\n", deterministic=True)
    assert main(["run", str(suite), "--report", "none", "--out", "out"]) == 0
    assert "repeats-in-vain" not in capsys.readouterr().err


def test_a_gate_on_a_comparison_is_judged_once_there_is_one(suite: Path) -> None:
    """Alone the run has no verdict; compared with an equal one it passes, with one that was better it fails."""
    gates = "repeats: 8\ngates: {regressions: {alpha: 0.05, min_effect: 0.1}}\n"
    write(suite, set(), gates)
    code, header = run(suite, out="before")
    assert (code, header["verdict"], header["gates"][0]["passed"]) == (3, "no-verdict", None)
    code, header = run(suite, "--baseline", "before", out="same")
    assert (code, header["verdict"], header["gates"][0]["passed"]) == (0, "passed", True)
    write(suite, set(range(1, 9)), gates)
    code, header = run(suite, "--baseline", "before", out="worse")
    (gate,) = header["gates"]
    assert (code, header["verdict"], gate["observed"], gate["n"]) == (1, "failed", 1.0, 2)
    write(suite, {2}, gates)
    assert run(suite, "--baseline", "before", "--strict-flaky", out="flaky")[0] == 4
