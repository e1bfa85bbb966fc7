"""`focal-eval run`, as a user sees it: what is printed, what is written, which exit code."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import orjson
import pytest

from focal_eval.cli import main
from tests.cli.shop import AGENT, build


@pytest.fixture
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The small suite, in the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    return build(tmp_path).relative_to(tmp_path)


def edit(path: str, old: str, new: str) -> None:
    text = Path(path).read_text()
    assert old in text
    Path(path).write_text(text.replace(old, new))


def last_line(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out.rstrip().split("\n")[-1]


def test_a_suite_that_holds_exits_0_and_leaves_a_whole_folder(suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 0, the verdict and the report's path as last line, and the six files of a run folder."""
    assert main(["run", str(suite), "--out", "out"]) == 0
    assert last_line(capsys).startswith("✓ All 3 cases passed")
    assert sorted(path.name for path in Path("out").iterdir()) == [
        "agent.yaml", "index.jsonl", "journal.jsonl", "junit.xml", "report.html", "run.json", "summary.md",
    ]  # fmt: skip
    header = json.loads(Path("out/run.json").read_text())
    assert (header["verdict"], header["exit_code"], header["state"]) == ("passed", 0, "finished")
    assert header["counts"]["passed"] == 3
    assert header["engine"]["agent"]["id"] == "kiosk"


def test_a_misspelt_rule_is_refused_before_anything_runs(suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A script whose rule is a slip of the fingers away from one of the agent's is wrong: exit 2, nothing written."""
    edit("scenarios/greeting.yaml", "rules: [goodbye]", "rules: [godbye]")
    assert main(["run", str(suite)]) == 2
    err = capsys.readouterr().err
    assert "scenarios/greeting.yaml:8:22: error[unknown-rule]: agent.yaml has no rule 'godbye'; did you mean 'goodbye'?" in err
    assert not Path("reports").exists()


@pytest.mark.parametrize("words", [["evals/broken.yaml"], ["scenarios"]])
def test_a_suite_that_is_no_yaml_is_shown(suite: Path, capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    """Whether a suite with a slip is named itself or only its scripts are: the slip is shown, and once."""
    Path("evals").mkdir(exist_ok=True)
    suite.unlink()
    Path("evals/broken.yaml").write_text("scripts: [../scenarios/*.yaml]\ncompare: {mask: [tools[x].result]}\n")
    assert main(["run", *words]) == 2
    err = capsys.readouterr().err
    assert err.count("evals/broken.yaml:2:23: error[yaml-syntax]") == 1
    assert "belong to no suite" not in err


def test_a_deleted_rule_is_felt(suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Scripts that name a rule the agent lost are replayed: a warning says so, the expectation fails, exit 1."""
    start = AGENT.index("  - id: goodbye")
    Path("agent.yaml").write_text(AGENT[:start] + AGENT[AGENT.index("slots:") :])
    assert main(["run", str(suite), "--out", "out"]) == 1
    seen = capsys.readouterr()
    assert "scenarios/greeting.yaml:8:22: warning[unknown-rule]: agent.yaml has no rule 'goodbye'" in seen.err
    assert "scenarios/greeting.yaml:8:22: failed[rules]: rule 'goodbye' did not match" in seen.out


def test_texts_that_no_case_says_are_warned_about(suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Variants that rotate over too few cases prove nothing; the suite's `variants: all` settles it."""
    edit("scenarios/greeting.yaml", "user: hello", "user: [hello, hi]")
    assert main(["run", str(suite), "--out", "a"]) == 0
    assert "scenarios/greeting.yaml:5:19: warning[variant-never-said]" in capsys.readouterr().err
    Path(suite).write_text(Path(suite).read_text() + "variants: all\n")
    assert main(["run", str(suite), "--out", "b"]) == 0
    seen = capsys.readouterr()
    assert "variant-never-said" not in seen.err
    assert "✓ All 4 cases passed" in seen.out


def test_a_rule_that_no_longer_matches_exits_1_with_the_right_frame(suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The failure names the place of the expectation, the words of the turn, and what was observed."""
    edit("agent.yaml", "any_words: [refund, money]", "any_words: [cashback]")
    assert main(["run", str(suite), "--out", "out"]) == 1
    out = capsys.readouterr().out
    assert "scenarios/money/refund.yaml:7:15: failed[rules]" in out
    assert "I want a refund for A-1" in out
    assert "✗ 2 of 3 cases failed" in out


def test_every_problem_of_every_file_is_said_in_one_pass(suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two broken scripts and a broken agent: all are reported, nothing is run."""
    edit("scenarios/greeting.yaml", "contains: help", "containz: help")
    edit("scenarios/money/refund.yaml", "[lookup_order]", "[lookup_ordr]")
    edit("agent.yaml", "template: farewell", "template: farewel")
    assert main(["run", str(suite)]) == 2
    err = capsys.readouterr().err
    for needle in ("error[unknown-check]", "did you mean 'contains'?", "error[unknown-template]", "did you mean 'farewell'?"):
        assert needle in err


@pytest.mark.parametrize(
    ("arguments", "needle"),
    [
        (["run"], "nothing to run"),
        (["run", "suit.yaml"], "there is no file suit.yaml; did you mean 'suite.yaml'?"),
        (["run", "suite.yaml", "--engine", "staging"], "has no engine 'staging'"),
        (["run", "suite.yaml", "-k", "nothing-like-it"], "none of 3 cases fits"),
        (["run", "suite.yaml", "-k", "(a"], "a parenthesis is not closed"),
        (["run", "suite.yaml", "--tag", "smok"], "no script has the tag 'smok'; did you mean 'smoke'?"),
        (["run", "suite.yaml", "--report", "htlm"], "no report is named 'htlm'; did you mean 'html'?"),
        (["run", "suite.yaml", "--concurrency", "0"], "is not a whole number above zero"),
        (["run", "suite.yaml", "--concurrency", "many"], "many is not a whole number above zero"),
        (["run", "suite.yaml", "--repeats", "100000"], "100000 is more than 10,000"),
        (["run", "suite.yaml", "--timeout", "soon"], "soon is not a number of seconds between 0 and 86400"),
        (["run", "suite.yaml", "--timeout", "nan"], "nan is not a number of seconds"),
        (["report", "latest", "--max-failures", "-3"], "-3 is not a whole number above zero"),
        (["run", "suite.yaml", "--repeat", "2"], "did you mean '--repeats'?"),
        (["rnu", "suite.yaml"], "did you mean 'run'?"),
        (["run", "suite.yaml", "--failed", "latest"], "there is no latest run"),
        (["run", "empty"], "holds no scripts"),
    ],
)
def test_a_wrong_command_line_is_exit_2_with_the_nearest_fix(
    suite: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], needle: str
) -> None:
    """Usage errors are one sentence, never a traceback."""
    Path("empty").mkdir()
    assert main(arguments) == 2
    err = capsys.readouterr().err
    assert needle in err
    assert "Traceback" not in err


def test_cases_are_selected_by_tag_keyword_and_path(suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--tag, -k and a script's path cut the plan down; a script finds its suite by --suite."""
    assert main(["run", str(suite), "--tag", "smoke", "-q", "--out", "a"]) == 0
    plan = json.loads(Path("a/run.json").read_text())["plan"]
    assert {key: plan[key] for key in ("cases", "turns", "collected")} == {"cases": 1, "turns": 2, "collected": 3}
    assert main(["run", str(suite), "-k", "A-2 or greeting", "-q", "--out", "b"]) == 0
    assert json.loads(Path("b/run.json").read_text())["plan"]["cases"] == 2
    assert main(["run", "scenarios/money", "--suite", str(suite), "-q", "--out", "c"]) == 0
    assert json.loads(Path("c/run.json").read_text())["plan"]["cases"] == 2
    assert main(["run", "scenarios/greeting.yaml", "--agent", "agent.yaml", "-q", "--out", "d"]) == 0
    capsys.readouterr()


def test_failed_runs_again_only_what_did_not_pass(suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """After a repair, --failed latest runs the failures of the last run and nothing else."""
    edit("agent.yaml", "any_words: [refund, money]", "any_words: [cashback]")
    assert main(["run", str(suite), "-q"]) == 1
    edit("agent.yaml", "any_words: [cashback]", "any_words: [refund]")
    assert main(["run", str(suite), "--failed", "latest", "--out", "again"]) == 0
    assert json.loads(Path("again/run.json").read_text())["counts"]["passed"] == 2
    capsys.readouterr()


def test_repeats_are_cases_of_their_own(suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--repeats 3 runs each case three times under names of their own."""
    assert main(["run", str(suite), "--repeats", "3", "-q", "--out", "out"]) == 0
    lines = [orjson.loads(line) for line in Path("out/journal.jsonl").read_bytes().splitlines()]
    names = {line["name"] for line in lines if line["t"] == "case"}
    assert len(names) == 9
    assert "greeting#2" in names
    capsys.readouterr()


def test_a_run_folder_is_never_written_over(suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A second run into the same --out is refused, exit 2, and the first run stays."""
    assert main(["run", str(suite), "--out", "out", "-q"]) == 0
    before = Path("out/journal.jsonl").read_bytes()
    assert main(["run", str(suite), "--out", "out", "-q"]) == 2
    assert "already holds a run" in capsys.readouterr().err
    assert Path("out/journal.jsonl").read_bytes() == before


def test_json_prints_one_document_and_nothing_else(suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--json: stdout is one document with the counts, also when the run is refused."""
    assert main(["run", str(suite), "--json", "--out", "out"]) == 0
    assert json.loads(capsys.readouterr().out)["counts"]["passed"] == 3
    assert main(["run", "nowhere.yaml", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["exit_code"] == 2


def test_the_same_run_twice_differs_only_in_times_and_ids(suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every turn of an embedded agent is the same to the byte, but for what a clock says."""

    def turns(folder: str) -> list[dict[str, object]]:
        found = []
        for line in Path(folder, "journal.jsonl").read_bytes().splitlines():
            data = orjson.loads(line)
            if data["t"] == "turn":
                data.pop("elapsed_ms")
                data.pop("crc")
                data["reply"].pop("latency_ms", None)
                found.append(data)
        return found

    assert main(["run", str(suite), "-q", "--out", "a"]) == 0
    assert main(["run", str(suite), "-q", "--out", "b"]) == 0
    assert turns("a") == turns("b")
    capsys.readouterr()


def test_no_python_refuses_local_functions(suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--no-python refuses scripts that run local functions, at their place, before anything runs."""
    Path("polite.py").write_text("def polite(seen):\n    return True\n")
    edit("scenarios/greeting.yaml", "rules: [greet],", "python: polite.py:polite, rules: [greet],")
    assert main(["run", str(suite), "-q", "--out", "a"]) == 0
    assert main(["run", str(suite), "-q", "--no-python", "--out", "b"]) == 2
    assert "error[python-refused]" in capsys.readouterr().err


SLOW = """
import asyncio
async def answer(message, session):
    await asyncio.sleep(0.05)
    return "yes " + message
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_a_run_that_can_be_rendered(suite: Path, number: signal.Signals) -> None:
    """Ctrl-C in the middle exits 130; the folder holds what was done, says it is partial, and `report` renders it."""
    Path("slow.py").write_text(SLOW)
    text = (
        "params: {n: [" + ", ".join(map(str, range(400))) + "]}\nturns:\n  - user: 'q {{ n }}'\n    expect: {response: 'yes'}\n"
    )
    Path("many.yaml").write_text(text)
    Path("slow-suite.yaml").write_text(
        "scripts: [many.yaml]\nengine: {kind: callable, target: slow.py:answer}\nconcurrency: 4\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    command = [sys.executable, "-m", "focal_eval", "run", "slow-suite.yaml", "--out", "cut"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    journal = Path("cut/journal.jsonl")
    for _ in range(600):
        if journal.exists() and journal.read_bytes().count(b'"t":"attempt"') >= 8:
            break
        time.sleep(0.05)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    header = json.loads(Path("cut/run.json").read_text())
    assert (header["state"], header["verdict"]) == ("interrupted", "interrupted")
    assert 8 <= header["counts"]["passed"] < 400
    assert header["counts"]["not_run"] > 0
    assert "interrupted" in out
    assert main(["report", "cut", "-q"]) == 0


def test_a_killed_run_can_be_rendered_too(suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without an end line and with a torn last line, `report` renders what is there and says it is partial."""
    assert main(["run", str(suite), "-q", "--out", "out"]) == 0
    lines = Path("out/journal.jsonl").read_bytes().splitlines(keepends=True)
    Path("out/journal.jsonl").write_bytes(b"".join(lines[:-2]) + lines[-2][:20])
    edit("out/run.json", '"state": "finished"', '"state": "running"')
    capsys.readouterr()
    assert main(["report", "out", "--report", "none"]) == 0
    assert "partial" in capsys.readouterr().out.lower()


def test_failed_of_a_run_that_was_cut_off(suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--failed takes the case a kill cut off; where nothing failed it does not say that every case passed."""
    assert main(["run", str(suite), "-q", "--out", "out", "--concurrency", "1"]) == 0
    journal = Path("out/journal.jsonl")
    whole = journal.read_bytes().splitlines(keepends=True)
    capsys.readouterr()
    assert main(["run", str(suite), "--failed", "out"]) == 2
    assert "no case of out failed; there is nothing to run again" in capsys.readouterr().err
    ends = [number for number, line in enumerate(whole) if b'"t":"attempt"' in line]
    journal.write_bytes(b"".join(whole[: ends[0] + 1]))
    assert main(["run", str(suite), "--failed", "out"]) == 2
    assert "no case of out failed, but 2 of 3 were never begun; run them all again" in capsys.readouterr().err
    journal.write_bytes(b"".join(whole[: ends[0]]))
    assert main(["run", str(suite), "--failed", "out", "--out", "again"]) == 0
    assert "✓ The case passed" in capsys.readouterr().out


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_exit_3_with_a_sentence(suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A report that cannot be written is said so; the journal is there already."""
    assert main(["run", str(suite), "-q", "--out", "out", "--report", "none"]) == 0
    assert main(["report", "out", "--report", "html", "--out", "/dev/full"]) == 3
    assert "No space left" in capsys.readouterr().err


def test_what_user_code_prints_is_not_in_the_result(suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A local check that prints does not break --json: its words go to stderr."""
    Path("loud.py").write_text("def loud(seen):\n    print('NOISE')\n    return True\n")
    edit("scenarios/greeting.yaml", "rules: [greet],", "python: loud.py:loud, rules: [greet],")
    assert main(["run", str(suite), "--json", "--report", "none"]) == 0
    seen = capsys.readouterr()
    assert json.loads(seen.out)["counts"]["passed"] == 3
    assert "NOISE" in seen.err
