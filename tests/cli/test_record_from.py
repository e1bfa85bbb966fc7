"""`focal-eval record --from`: cases of a run become ordinary scripts that pass on the engine of the run."""

from __future__ import annotations

import json
import shutil
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from focal_eval.cli import main
from focal_eval.document import plain, read_file
from focal_eval.document.reading import Reader
from focal_eval.report.journal import read_run
from tests.cli import shop
from tests.resealing import reseal

ROOT = Path(__file__).resolve().parents[2]
RUN = "reports/before"
LOOKS = """\
# Recorded from the run RUN by focal-eval record. The expectations are a draft: keep what matters, drop the rest.
title: A refund is promised
tags: [recorded, unreviewed]
origin:
  recorded:
    run: RUN
    case: money/refund[order=A-1]
    script: scenarios/money/refund.yaml
    attempt: 1

turns:
  - user: I want a refund for A-1
    agent: Your refund for A-1 is on its way.  # observed, review
    expect:
      rules: [refund]  # observed, review
      tools:  # observed, review
        - lookup_order: {order_id: A-1}
"""
SETUP = """
title: Where it starts, and what its tools answer
channel: webchat
metadata: {locale: en-US}
timeout_s: 20
given:
  variables: {order: "{{ id }}", note: '{{ "{{" }} as it is'}
  history: [{user: "hi, about {{ id }}", agent: Hello!}]
params: {id: [B-7], answer: [late]}
tools:
  lookup_order:
    - when: {order_id: any}
      only: true
      times: 1
      returns: {status: "{{ answer }}"}
    - fails: gone
turns:
  - user: [a refund please, my money]
    name: asked
    timeout_s: 5
    expect: {rules: [refund], tools: [{lookup_order: {result: {status: late}}}]}
    save: {status: tools.lookup_order.result.status}
  - user: "it is {{ status }}, refund!"
    expect: {tools: [{lookup_order: {error: gone}}]}
  - user: never said
    when: {rules: [greet]}
  - bye
"""
BOT = """\
def answer(message, talk):
    if message == "break":
        raise RuntimeError("broken")
    secret = "sk-abcdefghijklmnop1234"
    return {"response": f"You said {message} {secret}", "tools": [{"name": "a", "arguments": {"k": secret}}]}
"""
BOT_SUITE = """
scripts: [b.yaml]
unreported: skip
engine: {kind: callable, reports: [response, tools], target: 'bot.py:answer'}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a small suite, as the current folder."""
    shop.build(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def played(*paths: str, out: str = RUN, code: int = 0) -> None:
    """A run of these; what it prints goes nowhere."""
    with redirect_stdout(StringIO()):
        assert main(["run", *paths, "--out", out, "--report", "none", "-q"]) == code


def observed(run: str) -> dict[str, list[Any]]:
    """What each case's turns came to, by the words the user said: everything but ids and times."""
    model = read_run(Path(run))
    out: dict[str, list[Any]] = {}
    for case in model.cases:
        lines = [line for line in map(model.document, case.last.turns) if "skipped" not in line]
        key = case.name if not case.tags or "recorded" not in case.tags else _origin(case.file)
        out[key] = [(line.get("user"), line.get("name"), _bare(line["reply"])) for line in lines]
    return out


def _bare(reply: dict[str, Any]) -> dict[str, Any]:
    kept = ("response", "rules", "scenario", "variables", "template", "outcome")
    calls = [{name: call.get(name) for name in ("name", "arguments", "result", "error")} for call in reply.get("tools") or ()]
    return {name: reply.get(name) for name in kept} | {"tools": calls}


def _origin(file: str) -> str:
    document = read_file(Path(file), file)
    assert document.root is not None
    data = plain(document.root, Reader(document))
    return str(data["origin"]["recorded"]["case"])


def lines_of() -> list[dict[str, Any]]:
    """The run's journal."""
    return [json.loads(line) for line in Path(RUN, "journal.jsonl").read_text().splitlines()]


def rewrite(lines: list[dict[str, Any]]) -> None:
    """Another journal in its place, sealed as a run seals it, and no index."""
    journal = Path(RUN, "journal.jsonl")
    journal.write_text("".join(json.dumps(line) + "\n" for line in lines))
    reseal(journal)
    Path(RUN, "index.jsonl").unlink()


@pytest.mark.parametrize("scripts", ["as they were", pytest.param("gone", marks=pytest.mark.slow)])
def test_every_case_of_the_retail_suite_is_recorded_and_passes_again(
    scripts: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each script passes `check`, the suite's gates hold of them, and each turn is what it was; without the old scripts too."""
    for name in ("evals", "scenarios"):
        shutil.copytree(ROOT / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    played("evals/retail.yaml")
    if scripts == "gone":
        shutil.rmtree("scenarios/retail")
        Path("scenarios/retail").mkdir()
    assert main(["record", "--from", RUN, "*", "--out", "scenarios/retail/again", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert len(made["scripts"]) == len(list(Path("scenarios/retail/again").rglob("*.yaml"))) == len(read_run(Path(RUN)).cases)
    assert {one["tools"] for one in made["scripts"]} == ({"script", None} if scripts == "as they were" else {"record", None})
    assert main(["check", "scenarios/retail/again", "--agent", "evals/agents/retail.yaml", "--strict"]) == 0
    played(*made["replay"][2:], out="reports/after")
    before, after = observed(RUN), observed("reports/after")
    assert before.keys() == after.keys()
    assert [name for name in before if before[name] != after[name]] == []


def test_a_case_is_written_as_people_write_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Params are filled in, what was observed is marked, and the command that is told plays it."""
    played("suite.yaml")
    assert main(["record", "--from", RUN, "money/refund[order=A-1]", "--out", "scenarios/one.yaml"]) == 0
    run = str(read_run(Path(RUN)).header["id"])
    assert Path("scenarios/one.yaml").read_text() == LOOKS.replace("RUN", run)
    assert capsys.readouterr().out.splitlines() == [
        "wrote scenarios/one.yaml (1 turn of money/refund[order=A-1])",
        "replay: focal-eval run scenarios/one.yaml --suite suite.yaml",
    ]
    played("scenarios/one.yaml", "--suite", "suite.yaml", out="reports/after")


def test_where_a_conversation_begins_comes_over(folder: Path) -> None:
    """Channel, metadata, variables, history, limits, names and stubs with their matchers; turns that were not sent do not."""
    Path("scenarios/setup.yaml").write_text(SETUP)
    played("suite.yaml")
    assert main(["record", "--from", RUN, "setup*", "--out", "scenarios/again.yaml", "--title", "Again"]) == 0
    text = Path("scenarios/again.yaml").read_text()
    head = text.partition("\nturns:\n")[0]
    for line in (
        "title: Again",
        "channel: webchat",
        "metadata: {locale: en-US}",
        "timeout_s: 20",
        "    - {user: 'hi, about B-7', agent: Hello!}",
        "    - when: {order_id: any}",
        "      returns: {status: late}",
        "    - {fails: gone}",
    ):
        assert line in head.split("\n"), f"{line}\n{text}"
    assert "  - user: a refund please\n    name: asked\n    timeout_s: 5\n    agent: " in text
    assert "never said" not in text
    assert "user: it is late, refund!" in text
    played("scenarios/again.yaml", "--suite", "suite.yaml", out="reports/after")
    before, after = observed(RUN), observed("reports/after")
    assert before["setup[id=B-7,answer=late]"] == after["setup[id=B-7,answer=late]"]


def test_several_cases_go_to_a_folder_each_with_a_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Names and patterns are taken together, each case once; without --out they go below the run."""
    played("suite.yaml")
    assert main(["record", "--from", RUN, "greet*", "money/refund[order=A-?]", "greeting", "-q"]) == 0
    files = ["greeting.yaml", "money/refund-order-A-1.yaml", "money/refund-order-A-2.yaml"]
    assert capsys.readouterr().out.split() == [f"{RUN}/recorded/{name}" for name in files]
    assert main(["record", "--from", RUN, "*", "--out", "one.yaml"]) == 2
    assert "3 cases become scripts; --out names a folder" in capsys.readouterr().err
    assert main(["record", "--from", RUN, "*", "--title", "x"]) == 2
    assert "--title is of one script" in capsys.readouterr().err


def test_nothing_is_written_where_a_file_is_there(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not even the scripts beside it."""
    played("suite.yaml")
    (folder / "kept" / "money").mkdir(parents=True)
    mine = folder / "kept" / "money" / "refund-order-A-2.yaml"
    mine.write_text("mine")
    assert main(["record", "--from", RUN, "*", "--out", "kept"]) == 2
    assert "refund-order-A-2.yaml is there already" in capsys.readouterr().err
    assert mine.read_text() == "mine"
    assert [path.name for path in (folder / "kept").rglob("*.yaml")] == [mine.name]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--from", "reports/befor", "greeting"], "no run is named 'reports/befor'"),
        (["--from", RUN, "greetin-"], "has no case 'greetin-'; did you mean 'greeting'?"),
        (["--from", RUN, "refund"], "'refund' fits 2 cases"),
        (["--from", RUN, "x*"], "no case of the run"),
        (["--from", RUN], "name a case of the run, or several"),
        (["--from", RUN, "greeting", "--attempt", "2"], "greeting has no attempt 2; it has 1"),
        (["--from", RUN, "greeting", "--engine", "x"], "--engine is not taken here: --from asks no engine"),
        (["--from", RUN, "greeting", "--suite", "suit.yaml"], "suit.yaml"),
        (["--out", "x.yaml", "--attempt", "2"], "--attempt is not taken here: it goes with --from RUN"),
        (["--from", RUN, "greeting", "--out", "agent.yml/x/y.yaml"], "cannot be written"),
        (["--from", RUN, "greeting", "--out", "afile"], "afile is no folder"),
        ([], "name the script to be written with --out FILE"),
        (["one", "two", "--out", "x.yaml"], "cases of a run are named with --from RUN"),
    ],
)
def test_a_mistake_is_told_with_what_would_fit(
    words: list[str], said: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2 (3 where the disk refuses), one sentence, and nothing is written."""
    played("suite.yaml")
    (folder / "agent.yml").write_text("")
    (folder / "afile").write_text("")
    capsys.readouterr()
    assert main(["record", *words]) == (3 if "cannot be written" in said else 2)
    assert said in capsys.readouterr().err
    assert not (folder / "x.yaml").exists()


def test_an_edited_script_lends_no_answers(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What tools answer is then what they answered in the run, and both the file and the command say so."""
    Path("scenarios/setup.yaml").write_text(SETUP)
    played("suite.yaml")
    Path("scenarios/setup.yaml").write_text(SETUP.replace("[late]", "[later]"))
    assert main(["record", "--from", RUN, "setup*", "--out", "edited.yaml"]) == 0
    told = "scenarios/setup.yaml has no such case any more: what tools answer is what they answered in the run"
    assert told in capsys.readouterr().out
    Path("scenarios/setup.yaml").write_text(SETUP.replace("gone", "lost"))
    assert main(["record", "--from", RUN, "setup*", "--out", "scenarios/again.yaml"]) == 0
    told = "scenarios/setup.yaml was edited since the run: what tools answer is what they answered in the run"
    assert told in capsys.readouterr().out
    text = Path("scenarios/again.yaml").read_text()
    assert told.replace("scenarios", "# Scenarios", 1) in text or f"# {told[:1].upper()}{told[1:]}." in text
    assert "sequence:" in text
    assert "lost" not in text
    played("scenarios/again.yaml", "--suite", "suite.yaml", out="reports/after")


def test_a_conversation_that_broke_keeps_what_was_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A fault's turn expects nothing, a failure is told, and a secret's place is never expected to be said again."""
    Path("bot.py").write_text(BOT)
    Path("bot.yaml").write_text(BOT_SUITE)
    Path("b.yaml").write_text("turns:\n  - {user: hi, expect: {response: bye}}\n  - break\n  - never\n")
    played("bot.yaml", code=3)
    assert main(["record", "--from", RUN, "b", "--out", "c.yaml"]) == 0
    told = capsys.readouterr().out
    assert "  it errored in that run (" in told
    assert "  turn 2 has no reply (engine-error: " in told
    text = Path("c.yaml").read_text()
    assert text.endswith("\n  - user: hi\n    expect:\n      tools: [a]  # observed, review\n  - user: break\n")
    assert "sk-abc" not in text


def test_an_attempt_is_chosen_by_its_number(folder: Path) -> None:
    """A journal of a run that was gone on with may hold several attempts; the last one is meant where none is named."""
    played("suite.yaml")
    lines = lines_of()
    name = next(line["case"] for line in lines if line.get("name") == "greeting")
    again = [{**line, "attempt": 2} for line in lines if line.get("case") == name and "attempt" in line]
    for line in again:
        if line["t"] == "turn":
            line["user"] = "hi"
    rewrite([*lines[:-1], *again, lines[-1]])
    assert main(["record", "--from", RUN, "greeting", "--out", "last.yaml"]) == 0
    assert main(["record", "--from", RUN, "greeting", "--attempt", "1", "--out", "kept"]) == 0
    assert "user: hi\n" in Path("last.yaml").read_text()
    assert "user: hello\n" in Path("kept/greeting-attempt-1.yaml").read_text()


@pytest.mark.parametrize(
    "spoil",
    [
        {"reply": {"response": 7}},
        {"user": ["no", "text"]},
        {"fault": {"kind": "both", "message": "x"}},
        {"name": {"a": 1}},
    ],
)
def test_a_damaged_journal_is_told(spoil: dict[str, Any], folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A journal may come from anywhere: what has another shape than a run writes ends in a sentence and exit code 3."""
    played("suite.yaml")
    lines = lines_of()
    rewrite([line | spoil if line["t"] == "turn" else line for line in lines])
    assert main(["record", "--from", RUN, "greeting"]) == 3
    assert "is damaged" in capsys.readouterr().err


def test_names_out_of_a_journal_stay_below_the_folder(folder: Path) -> None:
    """A script's id that climbs, or holds what no file may, becomes a plain name; equal ones are numbered."""
    played("suite.yaml")
    lines = lines_of()
    for number, line in enumerate(line for line in lines if line["t"] == "case"):
        line["script"] = line["name"] = "../../evil\u0000/" + ("a:b", "a?b", "..")[number]
    rewrite(lines)
    assert main(["record", "--from", RUN, "*", "--out", "kept"]) == 0
    assert sorted(str(path) for path in Path("kept").rglob("*.yaml")) == [
        "kept/evil/a-b-2.yaml",
        "kept/evil/a-b.yaml",
        "kept/evil/case.yaml",
    ]


def test_simulated_conversations_become_scripts_of_their_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every conversation of the simulated customers plays again without a simulator, and each turn is what it was."""
    for name in ("evals", "scenarios"):
        shutil.copytree(ROOT / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    played("evals/retail-simulated.yaml")
    assert main(["record", "--from", RUN, "*", "--out", "scenarios/again", "-q"]) == 0
    assert all("simulator:" not in Path(file).read_text() for file in capsys.readouterr().out.split())
    assert main(["check", "scenarios/again", "--agent", "evals/agents/retail.yaml", "--strict"]) == 0
    played("scenarios/again", "--suite", "evals/retail.yaml", out="reports/after")
    before, after = observed(RUN), observed("reports/after")
    assert before.keys() == after.keys()
    assert [name for name in before if before[name] != after[name]] == []
