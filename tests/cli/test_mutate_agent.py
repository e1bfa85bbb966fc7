"""`focal-eval mutate SUITE` as a user sees it: exit codes, the document, what is told of wrong arguments."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from focal_eval.cli.main import main
from tests.experiment.kiosk import AGENT, write_kiosk


def mutate(*words: str) -> int:
    return main(["mutate", *words, "--workers", "2"])


def document(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_the_document_has_the_score_and_the_survivors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Survivors with their line, what was changed, and the cases that played it; a sample is drawn by its seed."""
    suite = write_kiosk(tmp_path)
    assert mutate(str(suite), "--json", "--operators", "drop-sentence,delete-rule") == 0
    found = document(capsys)
    assert (found["tier"], found["cases"], found["made"]) == ("agent", 3, found["score"]["tried"])
    lost = next(one for one in found["mutants"] if "What can I do?" in one["text"])
    assert (lost["fate"], lost["covered"], lost["what"]) == ("survived", ["greeting"], "template:hello")
    assert AGENT.splitlines()[lost["line"] - 1].strip() == "hello: Hello. What can I do?"
    assert lost["at"]["file"].endswith("greeting.yaml")
    assert mutate(str(suite), "--json", "--max", "5", "--seed", "3", "--all") == 0
    first = document(capsys)
    assert mutate(str(suite), "--json", "--max", "5", "--seed", "3", "--all") == 0
    assert document(capsys) == first
    assert len(first["mutants"]) == 5


def test_a_score_below_the_limit_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1 under the limit and 0 above it; the line says which."""
    suite = str(write_kiosk(tmp_path))
    assert mutate(suite, "--operators", "drop-sentence", "--fail-under", "99", "-q") == 1
    assert "not 99.0%" in capsys.readouterr().out
    assert mutate(suite, "--operators", "delete-rule", "--fail-under", "50", "-q") == 0


def test_accepted_survivors_are_held_against_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1 while one survives that the file does not explain, 0 when each is; the document has the reasons."""
    suite, file = str(write_kiosk(tmp_path)), tmp_path / "accepted.yaml"
    file.write_text("accepted:\n  - {operator: drop-sentence, part: 'template:pay', reason: wording}\n", encoding="utf-8")
    assert mutate(suite, "--accepted", str(file), "--json") == 1
    found = document(capsys)
    assert found["unexplained"] > 0
    assert found["stale"] == 0
    file.write_text(file.read_text(encoding="utf-8") + "  - {part: '*', reason: all of it}\n", encoding="utf-8")
    assert mutate(suite, "--accepted", str(file), "--json") == 0
    found = document(capsys)
    assert found["unexplained"] == 0
    assert {one["explained"] for one in found["mutants"] if "explained" in one} == {"wording", "all of it"}


def test_survivors_may_be_explained_in_several_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The first file that names a survivor explains it; each file is told with how many it explains."""
    suite, one, other = str(write_kiosk(tmp_path)), tmp_path / "one.yaml", tmp_path / "other.yaml"
    one.write_text("accepted: [{operator: drop-sentence, part: 'template:pay', reason: wording}]\n", encoding="utf-8")
    other.write_text("accepted: [{part: '*', reason: all of it}]\n", encoding="utf-8")
    assert mutate(suite, "--accepted", str(one), "--accepted", str(other), "--json") == 0
    found = document(capsys)
    survived = [held for held in found["mutants"] if held["fate"] in ("survived", "not-covered")]
    reasons = [held["explained"] for held in survived]
    assert {held["what"] for held in survived if held["explained"] == "wording"} == {"template:pay"}
    told = [note.split(" explained in ")[0] for note in found["notes"] if " explained in " in note]
    assert [int(note.split()[0]) for note in told] == [reasons.count("wording"), reasons.count("all of it")]


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("{mutant: nothing, reason: gone}", "explains no survivor: gone"),
        ("{operator: drop-sentence, part: 'rule:*', reason: rules say nothing}", "explains no survivor: rules say nothing"),
        ("{part: ['template:pay', 'rule:*'], operator: drop-sentence, reason: wording}", "'rule:*' fits no survivor"),
        ("{operator: [drop-sentence, drop-dependency], reason: wording}", "'drop-dependency' fits no survivor"),
    ],
)
def test_an_entry_that_explains_nothing_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], entry: str, said: str
) -> None:
    """Exit code 1 and the entry's place, and a part of the agent tells nothing."""
    suite, file = str(write_kiosk(tmp_path)), tmp_path / "accepted.yaml"
    file.write_text(f"accepted:\n  - {entry}\n  - {{part: '*', reason: all of it}}\n", encoding="utf-8")
    assert mutate(suite, "--accepted", str(file), "--json") == 1
    found = document(capsys)
    assert (found["unexplained"], found["stale"]) == (0, 1)
    assert any("/accepted.yaml:2:5: " in note and said in note for note in found["notes"]), found["notes"]
    assert mutate(suite, "--accepted", str(file), "--operators", "drop-sentence", "--json") == 0
    assert document(capsys)["stale"] == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("accepted: [{operator: x}]", "reason"),
        ("accepted: [{reason: x}]", "an entry names a 'mutant'"),
        ("accept: []", "accepted"),
        ("", "the file is empty"),
    ],
)
def test_a_wrong_file_of_accepted_survivors_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    """With its place and the nearest fix, before anything is played."""
    suite, file = str(write_kiosk(tmp_path)), tmp_path / "accepted.yaml"
    file.write_text(text, encoding="utf-8")
    assert mutate(suite, "--accepted", str(file)) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("entry", "place", "code", "name", "meant"),
    [
        ("{operator: drop-sentense, part: 'template:pay', reason: x}", "2:16", "operator", "drop-sentense", "drop-sentence"),
        ("{operator: [drop-sentence, drop-argumant], reason: x}", "2:32", "operator", "drop-argumant", "drop-argument"),
        ("{part: ['template:pay', 'template:pray'], reason: x}", "2:29", "part", "template:pray", "template:pay"),
        ("{part: pay, reason: x}", "2:12", "part", "pay", "template:pay"),
        ("{part: 'bottles:*', reason: x}", "2:12", "part", "bottles:*", None),
    ],
)
@pytest.mark.parametrize("words", [(), ("--operators", "drop-set")], ids=["all", "some"])
def test_a_misspelt_name_of_an_entry_is_refused(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    entry: str,
    place: str,
    code: str,
    name: str,
    meant: str | None,
) -> None:
    """At its own place, with the nearest name, whatever part of the agent is tried."""
    suite, file = str(write_kiosk(tmp_path)), tmp_path / "accepted.yaml"
    file.write_text(f"accepted:\n  - {entry}\n", encoding="utf-8")
    assert mutate(suite, "--accepted", str(file), *words) == 2
    err = capsys.readouterr().err
    problem = {"operator": f"no operator is named '{name}'", "part": f"the agent has no part '{name}'"}[code]
    fix = "" if meant is None else f"; did you mean '{meant}'?"
    assert f"accepted.yaml:{place}: error[accepted-{code}]: {problem}{fix}\n" in err
    assert "no mutant was tried" in err


def test_only_what_was_edited_since_is_changed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Against an older agent file: mutants of the parts that differ, and no others."""
    suite, old = write_kiosk(tmp_path), tmp_path / "old.yaml"
    old.write_text(AGENT.replace("Please ask our staff.", "Ask somebody."), encoding="utf-8")
    assert mutate(str(suite), "--since", str(old), "--json", "--all") == 0
    found = document(capsys)
    assert {one["what"] for one in found["mutants"]} == {"template:ask-staff"}
    assert any("1 part" in note for note in found["notes"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--operators", "delete-rules"), "no operator is named 'delete-rules'; did you mean 'delete-rule'?"),
        (("--since", "no-such-thing"), "there is no file 'no-such-thing', and "),
        (("--accepted", "nowhere.yaml"), "there is no file nowhere.yaml"),
    ],
)
def test_a_slip_is_refused_with_what_was_meant(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    """Exit code 2 and one line."""
    assert mutate(str(write_kiosk(tmp_path)), *words) == 2
    assert said in capsys.readouterr().err


def test_options_of_an_agent_say_nothing_of_a_run(capsys: pytest.CaptureFixture[str]) -> None:
    """They are refused, and the line says what to name instead."""
    assert main(["mutate", "latest", "--since", "HEAD"]) == 2
    assert "--since is about an agent's mutants; name a suite" in capsys.readouterr().err


def test_the_page_holds_every_mutant_and_runs_nothing(tmp_path: Path) -> None:
    """One file with a policy that lets no script run; what survived is shown, what was noticed is a click away; all escaped."""
    agent = AGENT.replace("Hello. What can I do?", "Hello. <b>What</b> can I do?")
    suite, out = write_kiosk(tmp_path, agent), tmp_path / "out" / "mutants.html"
    assert mutate(str(suite), "--html", str(out), "-q") == 0
    text = out.read_text(encoding="utf-8")
    assert "default-src 'none'" in text
    assert "<script" not in text
    assert "<b>" not in text
    assert "&lt;b&gt;What&lt;/b&gt; can I do?" in text
    assert '<article id="m-' in text
