"""`focal-eval whatif`: recordings in, a count, causes, scripts and an exit code out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from focal_eval.cli.main import main
from focal_eval.evaluate import whatif as whatif_room
from tests.experiment.told_kiosk import agent_file

WIDER = ("[return*, send back]", "[return*, refund*]")
ROWS: list[dict[str, Any]] = [
    {"conversation": "a", "user": "hello, my name is Mia Li, mia@mail.example.org", "agent": "Hello!"},
    {"conversation": "a", "user": "a refund for L-1", "agent": "Sorry."},
    {"conversation": "b", "user": "I send back L-2", "agent": "Within 30 days."},
    {
        "conversation": "b",
        "user": "yes",
        "tools": [{"name": "open_return", "arguments": {"order_id": "L-2"}, "result": {"id": "R-7"}}],
    },
    {"conversation": "c", "user": "thanks"},
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two agents and a recording."""
    monkeypatch.chdir(tmp_path)
    agent_file(tmp_path)
    agent_file(tmp_path, WIDER, name="new.yaml")
    (tmp_path / "told.jsonl").write_text("\n".join(map(json.dumps, ROWS)), encoding="utf-8")
    return tmp_path


def call(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(["whatif", *words])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


BOTH = ("told.jsonl", "--agent", "agent.yaml", "--candidate", "new.yaml")


def test_the_count_comes_first_then_each_cause_with_its_place(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An example says where it stands, what the user said, and which edit is behind it."""
    code, out, _ = call(capsys, *BOTH)
    lines = out.split("\n")
    assert code == 0
    assert lines[0] == "of 5 turns 2 change: 1 gains rule start-return, 1 loses rule start-return"
    assert lines[1].startswith("3 conversations (3 pairs), 2 of them changed; against the agent; recorded history kept")
    assert "  turn     told.jsonl:2 (a, turn 2)  score none → 1.00" in lines
    assert "           user: a refund for L-1" in lines
    assert "  edit     new.yaml:5: trigger wants-return edited (value.any_words)" in lines


def test_quiet_prints_the_count_alone(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line."""
    assert call(capsys, *BOTH, "-q")[1] == "of 5 turns 2 change: 1 gains rule start-return, 1 loses rule start-return\n"


@pytest.mark.parametrize(
    ("limit", "code", "passed"), [("2", 0, True), ("1", 1, False), ("40%", 0, True), ("39.9%", 1, False), ("0", 1, False)]
)
def test_the_gate_decides_the_exit_code(
    limit: str, code: int, passed: bool, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A number of turns or a share of those compared."""
    given, out, _ = call(capsys, *BOTH, "--max-changed", limit, "--json")
    assert given == code
    assert json.loads(out)["gate"] == {"max_changed": limit, "passed": passed}
    assert json.loads(out)["exit_code"] == code


def test_the_document_tells_it_all(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Counts, clusters with what both sides did, and what was replaced; no personal data in it."""
    _, out, _ = call(capsys, *BOTH, "--json")
    found = json.loads(out)
    assert (found["mode"], found["turns"], found["compared"], found["changed"], found["changed_conversations"]) == (
        "teacher-forced",
        5,
        5,
        2,
        2,
    )
    assert found["formats"] == {"pairs": 3}
    first = found["clusters"][0]
    assert (first["key"], first["turns"], first["edits"]) == ("rules:+start-return", 1, [0])
    (example,) = first["examples"]
    assert (example["place"], example["turn"], example["user"]) == ("told.jsonl:2", 1, "a refund for L-1")
    assert (example["before"]["scenario"], example["after"]["scenario"]) == (None, "returns/confirm")
    assert found["personal"] == {"kept": False, "replaced": {"email": 1, "name": 2}}
    assert "mia@" not in out


def test_a_script_a_cause_passes_on_one_agent_and_fails_on_the_other(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is checked, and run with `run` on both; recorded tool results are its stubs, personal data is replaced."""
    code, out, _ = call(capsys, *BOTH, "--scripts", "guards")
    assert code == 0
    assert "  script   guards/rules-gain-start-return.yaml" in out
    text = (folder / "guards" / "rules-gain-start-return.yaml").read_text(encoding="utf-8")
    assert "my name is Alex Doe, person1@example.com" in text
    assert "excludes: [start-return]" in text
    assert main(["check", "guards"]) == 0
    assert main(["run", "guards", "--agent", "agent.yaml", "--out", "one", "--report", "none", "-q"]) == 0
    assert main(["run", "guards", "--agent", "new.yaml", "--out", "two", "--report", "none", "-q"]) == 1
    counts = json.loads((folder / "two" / "run.json").read_text())["counts"]
    assert (counts["passed"], counts["failed"]) == (0, 2)


def test_a_script_may_expect_the_candidate(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Then it is the other way round."""
    call(capsys, *BOTH, "--scripts", "wanted", "--expect", "candidate")
    assert main(["run", "wanted", "--agent", "new.yaml", "--out", "one", "--report", "none", "-q"]) == 0
    assert main(["run", "wanted", "--agent", "agent.yaml", "--out", "two", "--report", "none", "-q"]) == 1


def test_a_script_takes_recorded_results_as_stubs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where the change needs what a tool had answered; here the agent file would answer R-0."""
    agent_file(folder, ("Return {{", "Your return {{"), name="new.yaml")
    call(capsys, *BOTH, "--scripts", "guards")
    text = (folder / "guards" / "response-done.yaml").read_text(encoding="utf-8")
    assert "Return R-7 is open." in text
    assert "order_id: L-2" in text
    assert "returns: {id: R-7}" in text
    assert main(["run", "guards", "--agent", "agent.yaml", "--out", "one", "--report", "none", "-q"]) == 0


def test_a_script_starts_in_the_middle_where_the_record_was_elsewhere(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The place came from the record, so no conversation that begins anew leads there."""
    row = {"user": "well", "agent": "Shall I?", "scenario": "returns/confirm", "variables": {"order": "Z-9"}}
    (folder / "told.jsonl").write_text(json.dumps(row) + "\n" + json.dumps({"user": "yes"}), encoding="utf-8")
    agent_file(folder, ("['yes']", "['sure']"), name="new.yaml")
    call(capsys, *BOTH, "--scripts", "guards")
    (path,) = (folder / "guards").iterdir()
    assert "scenario: returns/confirm" in path.read_text(encoding="utf-8")
    assert main(["run", "guards", "--agent", "agent.yaml", "--out", "one", "--report", "none", "-q"]) == 0
    assert main(["run", "guards", "--agent", "new.yaml", "--out", "two", "--report", "none", "-q"]) == 1


def test_files_of_others_are_not_overwritten(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A script that whatif wrote is; any other file is left alone."""
    call(capsys, *BOTH, "--scripts", "guards")
    path = folder / "guards" / "rules-gain-start-return.yaml"
    assert call(capsys, *BOTH, "--scripts", "guards")[0] == 0
    path.write_text("title: mine\n")
    code, _, err = call(capsys, *BOTH, "--scripts", "guards")
    assert code == 3
    assert "is there already and was not written by whatif" in err
    assert path.read_text() == "title: mine\n"


def test_without_the_old_agent_the_record_speaks(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where it tells neither rules nor scenarios, the agent is asked for."""
    code, _, err = call(capsys, "told.jsonl", "--candidate", "new.yaml")
    assert code == 2
    assert "name the agent that held them with --agent FILE" in err
    rows = [{"user": "a refund", "rules": [], "scenario": None}, {"user": "thanks", "rules": ["thanks"]}]
    (folder / "rules.jsonl").write_text("\n".join(map(json.dumps, rows)))
    code, out, _ = call(capsys, "rules.jsonl", "--candidate", "new.yaml", "--scripts", "guards")
    assert code == 0
    assert out.startswith("of 2 turns 1 changes: 1 gains rule start-return\n")
    assert "against what the record tells" in out
    assert main(["run", "guards", "--agent", "new.yaml", "--out", "one", "--report", "none", "-q"]) == 1


def test_aliases_bring_a_servers_ids_into_the_agents_words(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Rules, places and tools; without them each id is a rule that the candidate does not have."""
    ids = {"greet": "0b8e-1", "track": "0b8e-2"}
    items = [
        {"user_message": "hello", "agent_response": "Hello!", "matched_rules": [ids["greet"]], "tools_called": []},
        {"user_message": "my parcel?", "agent_response": "…", "matched_rules": [ids["track"]], "tools_called": ["tracker"],
         "scenario_after": {"id": "5c", "step": "6d"}},
        {"user_message": "yes", "agent_response": "…", "matched_rules": [], "tools_called": ["open_return"]},
    ]  # fmt: skip
    (folder / "turns.json").write_text(json.dumps({"items": items}))
    bare = json.loads(call(capsys, "turns.json", "--candidate", "agent.yaml", "--json")[1])
    assert (bare["anchors"], bare["changed"]) == ({"at unknown places": 1, "naming unknown rules": 2}, 3)
    (folder / "aliases.yaml").write_text(
        "rules: {0b8e-1: greet, 0b8e-2: track}\nscenarios: {5c: returns}\nsteps: {6d: confirm}\n"
        "tools: {tracker: track_parcel}\n"
    )
    words = ("turns.json", "--candidate", "agent.yaml", "--aliases", "aliases.yaml", "--json")
    found = json.loads(call(capsys, *words)[1])
    assert found["anchors"] == {"anchored": 1}
    assert [cluster["key"] for cluster in found["clusters"]] == ["step:returns/confirm>none", "tool:-open_return"]
    (folder / "aliases.yaml").write_text("rulez: {}\n")
    code, _, err = call(capsys, *words)
    assert code == 2
    assert "error[unknown-key]" in err


def test_a_run_taken_by_its_own_agent_changes_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Against the agent and against what the journal tells: the state between turns is the one the run had."""
    script = """
turns:
  - {user: hello, expect: {rules: [greet]}}
  - user: I want to return something
  - user: it is L-4, is it late?
  - user: parcel?
  - user: 'yes'
  - user: thanks
"""
    (folder / "script.yaml").write_text(script)
    assert main(["run", "script.yaml", "--agent", "agent.yaml", "--out", "run", "--report", "none", "-q"]) == 0
    capsys.readouterr()
    assert call(capsys, "run", "--candidate", "agent.yaml", "-q")[1] == "of 6 turns 0 change\n"
    for mode in ([], ["--free-run"]):
        _, out, _ = call(capsys, "run", "--agent", "agent.yaml", "--candidate", "agent.yaml", "--json", *mode)
        found = json.loads(out)
        assert (found["compared"], found["changed"], found["anchors"], found["formats"]) == (6, 0, {}, {"run": 1})
    assert call(capsys, "run", "--candidate", "new.yaml", "-q")[1] == "of 6 turns 0 change\n"


GIVEN = """\
title: Begun in the middle
params: {order: [L-7]}
metadata: {shop: north}
given:
  variables: {order: "{{ order }}", window: 14}
  scenario: returns/confirm
  history:
    - {user: I send back the lamp, agent: Which order?}
turns:
  - user: "yes"
    expect: {scenario: returns/done}
"""


def test_a_run_is_taken_up_where_its_scripts_began(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A conversation that began at a step, with variables and a history, is taken from there by both agents."""
    (folder / "begun.yaml").write_text(GIVEN, encoding="utf-8")
    assert main(["run", "begun.yaml", "--agent", "agent.yaml", "--report", "none", "--out", "run", "-q"]) == 0
    lines = [json.loads(line) for line in Path("run/journal.jsonl").read_text(encoding="utf-8").splitlines()]
    assert next(line for line in lines if line["t"] == "case")["given"] == {
        "variables": {"order": "L-7", "window": 14},
        "history": [["I send back the lamp", "Which order?"]],
        "scenario": "returns/confirm",
        "metadata": {"shop": "north"},
    }
    agent_file(folder, ("{to: done, when", "{to: kept, when"), name="kept.yaml")
    capsys.readouterr()
    code, out, _ = call(capsys, "run", "--agent", "agent.yaml", "--candidate", "kept.yaml", "--scripts", "guards")
    assert (code, out.splitlines()[0]) == (0, "of 1 turn 1 changes: 1 stands at returns/kept")
    script = next(Path("guards").glob("*.yaml")).read_text(encoding="utf-8")
    for words in ("scenario: returns/confirm", "order: L-7", "agent: 'Which order?'"):
        assert words in script
    assert main(["run", "guards", "--agent", "agent.yaml", "--report", "none", "-q"]) == 0
    assert main(["run", "guards", "--agent", "kept.yaml", "--report", "none", "-q"]) == 1


def test_a_run_begins_nowhere_where_the_candidate_lacks_the_place(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An agent without the recorded scenario begins the conversation in none; the turn is a change like any other."""
    (folder / "begun.yaml").write_text(GIVEN, encoding="utf-8")
    assert main(["run", "begun.yaml", "--agent", "agent.yaml", "--report", "none", "--out", "run", "-q"]) == 0
    agent_file(folder, ("scenarios:\n  returns:", "scenarios:\n  refunds:"), name="other.yaml")
    capsys.readouterr()
    code, out, _ = call(capsys, "run", "--agent", "agent.yaml", "--candidate", "other.yaml")
    assert code == 0
    assert out.startswith("of 1 turn 1 changes")


def test_any_number_of_processes_tells_the_same(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Byte for byte, examples and pseudonyms included."""
    monkeypatch.setattr(whatif_room, "PART", 20)
    rows = [{**row, "conversation": f"{row['conversation']}-{number}"} for number in range(60) for row in ROWS]
    (folder / "told.jsonl").write_text("\n".join(map(json.dumps, rows)))
    one, two = (call(capsys, *BOTH, "--json", "--workers", count)[1] for count in ("1", "2"))
    assert one == two
    assert json.loads(one)["changed"] == 120


def test_mistakes_are_told_with_the_nearest_fix(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All of both agents at once; none of them is a traceback."""
    code, _, err = call(capsys, "told.jsonl", "--agent", "agnt.yaml", "--candidate", "newe.yaml")
    assert code == 2
    assert "agnt.yaml: error[missing-agent]" in err.replace(":1:1", "")
    assert "newe.yaml: error[missing-agent]" in err.replace(":1:1", "")
    (folder / "new.yaml").write_text("agent: x\nrulez: []\n")
    assert "error[unknown-key]" in call(capsys, *BOTH)[2]
    assert "name the agent with changed rules: --candidate FILE" in call(capsys, "told.jsonl")[2]
    assert "name recordings" in call(capsys, "--candidate", "new.yaml")[2]
    assert "2x is neither a number of turns nor a percentage" in call(capsys, *BOTH, "--max-changed", "2x")[2]
    assert "did you mean 'pairs'?" in call(capsys, *BOTH[:3], "--candidate", "agent.yaml", "--format", "pair")[2]
    assert "does not go with --keep-personal" in call(capsys, *BOTH, "--scripts", "x", "--keep-personal")[2]


def test_the_rules_of_redaction_are_listed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without any recording, as a table and as JSON."""
    code, out, _ = call(capsys, "--redactions")
    assert code == 0
    assert "person1@example.com" in out
    kinds = [rule["kind"] for rule in json.loads(call(capsys, "--redactions", "--json")[1])["redactions"]]
    assert kinds[1:5] == ["email", "iban", "card", "phone"]


def test_personal_data_is_kept_on_demand(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Matching sees the original words either way."""
    (folder / "told.jsonl").write_text(json.dumps({"user": "refund to mia@x.org"}))
    assert "user: refund to person1@example.com" in call(capsys, *BOTH)[1]
    assert "user: refund to mia@x.org" in call(capsys, *BOTH, "--keep-personal")[1]


def test_values_in_the_words_of_a_cause_are_replaced(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An argument that changed is told by its pseudonym, as in the examples."""
    mail = ("slots:\n", "slots:\n  - {id: email, kind: email, listen: always}\n")
    agent_file(folder, mail, ("{variable: order, optional: true}", "{variable: email}"))
    agent_file(folder, mail, ("{variable: order, optional: true}", "{value: nobody}"), name="new.yaml")
    (folder / "told.jsonl").write_text(json.dumps({"user": "parcel for mia@x.org"}))
    code, out, _ = call(capsys, *BOTH)
    assert code == 0
    assert "argument track_parcel.order_id differs (person1@example.com → nobody)" in out
    assert "mia@x.org" not in call(capsys, *BOTH, "--json")[1]
