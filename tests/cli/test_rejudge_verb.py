"""`focal-eval rejudge`, as a user sees it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from focal_eval.cli import main
from focal_eval.runner.seal import sealed
from tests.cli.shop import build

SCRIPT = Path("scenarios/money/refund.yaml")


@pytest.fixture(autouse=True)
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The working folder: a small suite and a run of it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    build(tmp_path)
    main(["run", "suite.yaml", "--out", "reports/one", "-q", "--report", "none"])
    capsys.readouterr()


def edit(old: str, new: str, path: Path = SCRIPT) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def lines(run: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path("reports", run, "journal.jsonl").read_text().splitlines()]


def test_the_same_scripts_give_the_same_journal(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing changed: every line of a case is the same, and the header says where the replies came from."""
    Path("agent.yaml").unlink()  # nobody plays
    assert main(["rejudge", "reports/one", "--out", "reports/two", "--report", "none"]) == 0
    assert "no case with another verdict" in capsys.readouterr().out
    cases = [[line for line in lines(run) if line["t"] in ("case", "turn", "attempt")] for run in ("one", "two")]
    assert sorted(map(json.dumps, cases[0])) == sorted(map(json.dumps, cases[1]))
    header = json.loads(Path("reports/two/run.json").read_text())
    assert header["rejudged_from"] == json.loads(Path("reports/one/run.json").read_text())["id"]
    assert header["engine"] == json.loads(Path("reports/one/run.json").read_text())["engine"]
    assert Path("reports/two/agent.yaml").read_bytes() == Path("reports/one/agent.yaml").read_bytes()


def test_a_stricter_expectation_fails_on_the_recorded_reply(capsys: pytest.CaptureFixture[str]) -> None:
    """Today's scripts decide: the gate fails, and the cases that turned are named."""
    edit("rules: [refund]", "rules: [refund, greet]")
    assert main(["rejudge", "reports/one", "--out", "reports/two"]) == 1
    out = capsys.readouterr().out
    assert "money/refund[order=A-1]: passed → failed" in out
    assert "2 cases with another verdict" in out
    assert Path("reports/two/report.html").is_file()


def test_a_conversation_that_is_another_one_now_has_no_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    """It is never judged on the answer to something else: errored, with the turn, exit code 3."""
    edit("I want a refund", "I need a refund")
    assert main(["rejudge", "reports/one", "--json", "--report", "none"]) == 3
    found = json.loads(capsys.readouterr().out)
    errored = [case for case in found["cases"] if case["verdict"] == "errored"]
    assert [case["name"] for case in errored] == ["money/refund[order=A-1]", "money/refund[order=A-2]"]
    why = "turn 1 says 'I need a refund for A-1' now, and the recording answers 'I want a refund for A-1'"
    assert why in json.dumps(errored[0])
    assert found["rejudged"]["changed"][0] == {"name": "money/refund[order=A-1]", "before": "passed", "after": "errored"}


def test_lines_that_could_not_be_read_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    """A damaged line of the recorded journal is said by the verb, its document and the new run's reports."""
    path = Path("reports/one/journal.jsonl")
    data = path.read_bytes()
    at = data.index(b'{"t":"case","case":') + 30
    path.write_bytes(data[:at] + b"#" + data[at + 1 :])
    main(["report", "reports/one", "--report", "none", "--json"])
    damaged = json.loads(capsys.readouterr().out)["damaged_lines"]
    assert damaged > 0
    main(["rejudge", "reports/one", "--out", "reports/two"])
    assert f"{damaged} lines of the journal of " in (out := capsys.readouterr().out)
    assert "could not be read and left out" in out
    told = f"{damaged} lines of the journal of {json.loads(Path('reports/two/run.json').read_text())['rejudged_from']} could"
    assert told in Path("reports/two/report.html").read_text()
    assert "the run is whole" in Path("reports/two/junit.xml").read_text()
    main(["rejudge", "reports/one", "--report", "none", "--json"])
    document = json.loads(capsys.readouterr().out)
    assert (document["damaged_lines"], document["rejudged"]["damaged_lines"]) == (damaged, damaged)


def test_cases_that_are_gone_or_new_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    """A recorded case without a script is left out, a new one was never recorded; both are said."""
    edit("[A-1, A-2]", "[A-1, A-3]")
    assert main(["rejudge", "reports/one", "--report", "none"]) == 0
    out = capsys.readouterr().out
    assert "1 recorded case left out: the scripts do not have money/refund[order=A-2] now" in out
    assert "1 case of the scripts not recorded: play them with `focal-eval run`" in out


def test_the_new_run_is_compared_with_another(capsys: pytest.CaptureFixture[str]) -> None:
    """With the run it came from, by its folder: what turned is told as a regression, its gates count, the page is written."""
    edit("rules: [refund]", "rules: [refund, greet]")
    words = ("rejudge", "reports/one", "--baseline", "reports/one")
    assert main([*words, "--out", "reports/two"]) == 1
    out = capsys.readouterr().out
    assert "2 regressed" in out
    assert "report: reports/two/comparison.html" in out
    assert Path("reports/two/comparison.html").is_file()
    assert json.loads(Path("reports/two/run.json").read_text())["exit_code"] == 1
    assert main([*words, "--json", "--report", "none"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["comparison"]["before"]["name"] == document["rejudged"]["from"]


def test_a_baseline_that_was_approved_is_found_by_its_word(capsys: pytest.CaptureFixture[str]) -> None:
    """`baseline` is the suite's own; judged again by the same scripts, nothing differs from what was approved."""
    assert main(["approve", "reports/one"]) == 0
    capsys.readouterr()
    assert main(["rejudge", "reports/one", "--baseline", "baseline", "--report", "none", "--json"]) == 0
    counts = json.loads(capsys.readouterr().out)["comparison"]["counts"]
    assert counts["same"] == sum(counts.values()) > 0


@pytest.mark.parametrize("reference", ["nosuch", "baseline"])
def test_a_reference_that_is_not_there_is_refused_before_anything_is_written(
    reference: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run nobody made, a baseline nobody approved: exit code 2, no new folder."""
    assert main(["rejudge", "reports/one", "--baseline", reference, "--out", "reports/two"]) == 2
    assert reference in capsys.readouterr().err
    assert not Path("reports/two").exists()


def test_a_script_marked_skip_since_is_skipped() -> None:
    """Marks are today's, too."""
    edit("title: A refund is promised", "title: A refund is promised\nskip: waits for a ticket")
    assert main(["rejudge", "reports/one", "--out", "reports/two", "--report", "none"]) == 0
    assert json.loads(Path("reports/two/run.json").read_text())["counts"]["skipped"] == 2


def test_a_cut_off_run_stays_partial(capsys: pytest.CaptureFixture[str]) -> None:
    """A case without an end has no conversation to judge; the new run is as partial as the old one."""
    journal = Path("reports/one/journal.jsonl")
    kept = [line for line in journal.read_text().splitlines() if '"t":"end"' not in line]
    last = max(place for place, line in enumerate(kept) if '"t":"attempt"' in line)
    journal.write_text("\n".join(kept[:last]) + "\n")
    main(["rejudge", "reports/one", "--out", "reports/two", "--report", "none"])
    assert "1 recorded case left out, cut off when the run ended" in capsys.readouterr().out
    header = json.loads(Path("reports/two/run.json").read_text())
    assert (header["state"], header["counts"]["not_run"]) == ("stopped", 1)


def test_scripts_that_are_not_there_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """Without scripts there is nothing to judge by; another suite may be named."""
    Path("suite.yaml").rename("other.yaml")
    assert main(["rejudge", "reports/one", "--report", "none"]) == 2
    assert "there is no file suite.yaml" in capsys.readouterr().err
    assert main(["rejudge", "reports/one", "--suite", "other.yaml", "--report", "none", "-q"]) == 0


def test_a_run_of_other_scripts_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """No case of the run is in the scripts."""
    edit("[A-1, A-2]", "[A-4]")
    Path("scenarios/greeting.yaml").unlink()
    assert main(["rejudge", "reports/one", "--report", "none"]) == 2
    assert "none of the 3 cases" in capsys.readouterr().err


DAMAGE = {
    "a name": ('"rules":[{"name":"refund"', '"rules":[{"name":7', "rules.0.name: text is expected"),
    "no reply": ('"reply":{', '"rebly":{', "a turn has a reply, or a fault, or was skipped"),
    "messages": ('"messages":[{', '"messages":7,"massages":[{', "is damaged"),
    "a message": ('"messages":[{"role"', '"messages":[{"rule"', "role: it is missing"),
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("verb", ["rejudge", "mutate"])
def test_a_damaged_journal_is_told(verb: str, damage: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What has another shape than a run writes ends it without a traceback."""
    old, new, told = DAMAGE[damage]
    journal = Path("reports/one/journal.jsonl")
    edit(old, new, journal)
    lines = [sealed(line[:-18] + b"}") for line in journal.read_bytes().splitlines()]  # as another writer would seal them
    journal.write_bytes(b"\n".join(lines) + b"\n")
    assert main([verb, "reports/one"]) == 3
    said = capsys.readouterr().err
    assert "the journal of reports/one is damaged: " in said
    assert told in said
    assert "a bug" not in said
