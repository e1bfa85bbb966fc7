"""`focal-eval mutate RUN`, as a user sees it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from focal_eval.cli import main
from focal_eval.report.ansi import Paint
from focal_eval.report.mutation_text import mutation_lines
from tests.cli.shop import build


@pytest.fixture(autouse=True)
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The working folder: a small suite and a run of it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    build(tmp_path)
    main(["run", "suite.yaml", "--out", "reports/one", "-q", "--report", "none"])
    capsys.readouterr()


def found(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    main(["mutate", "reports/one", "--json", *words])
    out: dict[str, Any] = json.loads(capsys.readouterr().out)
    return out


def test_operators_and_scripts_stand_weakest_first(capsys: pytest.CaptureFixture[str]) -> None:
    """Two tables, then where mutants survive with what would notice them, and the score as the last line."""
    Path("agent.yaml").unlink()  # nobody plays
    assert main(["mutate", "latest"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("operator ")
    assert "\nmoney/refund" in out
    assert "scenarios/greeting.yaml:5: nobody looks at the template of turn 1 (1 mutant survived)" in out
    assert "  this would notice it:\n    expect: {template: greeting}\n" in out
    last = out.rstrip().splitlines()[-1]
    assert " noticed (" in last
    assert "95 % interval" in last
    assert last.endswith(" survived")


def test_some_kinds_of_change_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """`--operators` takes those of turns and of stored messages; the mutants are the same ones as among all."""
    every = found(capsys, "--all")
    wanted = ("drop-rule", "lose-message")
    some = found(capsys, "--all", "--operators", ",".join(wanted))
    assert {row["operator"] for row in some["operators"]} == set(wanted)
    assert [one for one in every["mutants"] if one["operator"] in wanted] == some["mutants"]
    assert main(["mutate", "reports/one", "--operators", "drop-rules"]) == 2
    assert "no operator on records is named 'drop-rules'; did you mean 'drop-rule'?" in capsys.readouterr().err
    assert main(["mutate", "reports/one", "--operators", "drop-citation"]) == 2
    assert "hold nothing that could be altered by drop-citation" in capsys.readouterr().err


def test_the_document_has_every_survivor_and_the_figures(capsys: pytest.CaptureFixture[str]) -> None:
    """Rows are weakest first, a survivor has its weakness, its place and a proposal; killed ones come with --all."""
    told = found(capsys)
    assert told["tier"] == "trace"
    shares = [row["value"] for row in told["operators"]]
    assert shares == sorted(shares)
    assert sum(row["tried"] for row in told["scripts"]) == told["score"]["tried"] == told["made"]
    assert {item["fate"] for item in told["mutants"]} == {"survived"}
    survivor = next(item for item in told["mutants"] if item["operator"] == "change-argument")
    assert survivor["what"] == "argument:lookup_order.order_id"
    assert survivor["before"] == '"A-1"'
    assert survivor["at"] == {"file": "scenarios/money/refund.yaml", "line": 5}
    assert survivor["weak"] == "'tools called: lookup_order' holds all the same"
    assert "lookup_order: {order_id: A-1}" in survivor["proposal"]
    every = found(capsys, "--all")
    killed = next(item for item in every["mutants"] if item["operator"] == "drop-tool")
    assert killed["fate"] == "killed"
    assert killed["killer"] == {"case": "money/refund[order=A-1]", "expectation": "tools called: lookup_order", "turn": 0}


def test_a_proposal_written_into_the_script_raises_the_score(capsys: pytest.CaptureFixture[str]) -> None:
    """What was proposed is what was missing: judged again with it, the mutant is noticed."""
    before = found(capsys)["score"]
    script = Path("scenarios/greeting.yaml")
    script.write_text(script.read_text().replace("rules: [goodbye]", "rules: [goodbye], template: farewell"))
    after = found(capsys)["score"]
    assert after["killed"] == before["killed"] + 1
    assert after["tried"] == before["tried"]


def test_the_gate_has_the_usual_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    """0 where enough is noticed, 1 where not; the last line says which."""
    assert main(["mutate", "reports/one", "--fail-under", "1", "-q"]) == 0
    assert capsys.readouterr().out.startswith("✓ ")
    assert main(["mutate", "reports/one", "--fail-under", "99.9", "-q"]) == 1
    told = capsys.readouterr().out
    assert told.startswith("✗ ")
    assert told.rstrip().endswith("not 99.9%")
    assert main(["mutate", "reports/one", "--fail-under", "101"]) == 2
    assert "is not a number of per cent" in capsys.readouterr().err


def test_a_sample_is_said_and_repeatable(capsys: pytest.CaptureFixture[str]) -> None:
    """--max draws by --seed; the note says from how many."""
    told = found(capsys, "--max", "10", "--seed", "3")
    assert told["notes"][0] == f"10 of {told['made']} mutants were tried, drawn with seed 3"
    assert told == found(capsys, "--max", "10", "--seed", "3")


def test_cases_that_fail_are_left_out_and_told(capsys: pytest.CaptureFixture[str]) -> None:
    """A case that fails already, or that today's scripts fail, can notice nothing."""
    script = Path("scenarios/greeting.yaml")
    script.write_text(script.read_text().replace("rules: [goodbye]", "rules: [refund]"))
    told = found(capsys)
    assert told["notes"] == ["1 case left out: they do not pass by today's scripts"]
    assert [row["script"] for row in told["scripts"]] == ["money/refund"]


def test_what_there_is_not_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """No such run, and a run in which nothing passed: exit code 2 and a sentence."""
    assert main(["mutate", "reports/two"]) == 2
    assert "no run is named 'reports/two'" in capsys.readouterr().err
    Path("agent.yaml").write_text(Path("agent.yaml").read_text().replace("any_words: [", "any_words: [x"))
    main(["run", "suite.yaml", "--out", "reports/two", "-q", "--report", "none"])
    capsys.readouterr()
    assert main(["mutate", "reports/two"]) == 2
    assert "there is nothing to alter" in capsys.readouterr().err


def test_texts_of_engines_do_no_harm_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Control characters of replies, in sentences and in proposals, are shown and do nothing."""
    told = found(capsys)
    for item in told["mutants"]:
        item |= {"text": "turn 1: '\x1b[31m' is said", "weak": "\x1b[2J", "proposal": "expect:\n  outcome: \x1b[1m"}
    lines = list(mutation_lines(told, Paint(on=False)))
    assert not [line for line in lines if "\x1b" in line or "\n" in line]
    assert any("␛[31m" in line for line in lines)
    assert any("outcome: ␛[1m" in line for line in lines)
