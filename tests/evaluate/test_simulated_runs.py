"""Runs with simulated users: the same however they are played, and understood by everything that reads scripts and runs."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from focal_eval.cli import main
from focal_eval.clock import Clock, fixed_clock
from focal_eval.evaluate import RunRequest, run
from focal_eval.lsp.project import Project
from focal_eval.pytest_plugin.programme import looks_like_script
from focal_eval.report.progress import Silence
from focal_eval.runner.index import INDEX
from focal_eval.runner.journal import JOURNAL
from tests.evaluate.cassette_runs import AGENT, faults, journal, play, shop, write
from tests.evaluate.test_run_workers import canonical

PARCEL = """\
title: Asks after a parcel
simulator:
  knows: {order: A-7}
  states:
    greets:
      says: [hello, hi there, hello you]
      expect: {template: hello}
      then: [{to: asks, when: {rules: [hello]}}, {to: gives_up}]
    asks:
      says: ["my parcel is late, order {{ order }}", "late again, order {{ order }}"]
      at_most: 2
      expect: {tools: [{track: {order: "{{ order }}"}}]}
      then: [{to: thanks, when: {template: late}}, {to: asks}]
    thanks: {says: hi again, then: done}
  goal: {count: {tool: track, times: 1}}
"""
STUCK = """\
simulator:
  stuck: 2
  states:
    mumbles: {says: [hm, mh], then: [{to: done, when: {rules: [late]}}, {to: mumbles}]}
"""
PLAIN = "turns:\n  - {user: hello, expect: {rules: [hello]}}\n"
PLAYED = "scripts: [s/*.yaml]\nengine: {kind: embedded, agent: agent.yaml}\nrepeats: 2\n"
FILES = {"s__late_yaml": PARCEL, "s__stuck_yaml": STUCK, "s__plain_yaml": PLAIN}


def simulated(folder: Path, more: str = "repeats: 2\n", **files: str) -> Path:
    """A suite of two simulated users and a script."""
    return shop(folder, more=more, **{**FILES, **files})


def test_two_runs_are_the_same_bytes(tmp_path: Path) -> None:
    """What is said, what is recorded and how it ends follows from the suite alone."""
    suite = simulated(tmp_path)
    first, second = (play(suite, clock=fixed_clock()).model.folder / JOURNAL for _ in range(2))
    assert first.read_bytes() == second.read_bytes()


def test_a_seed_gives_other_words(tmp_path: Path) -> None:
    """The suite's seed decides the order of wordings, and a run that was recorded with another one is judged alike."""
    said = set()
    for seed in range(6):
        suite = simulated(tmp_path / str(seed), f"seed: {seed}\n")
        said.add(next(line["user"] for line in journal(play(suite)) if line.get("state") == "greets"))
    assert len(said) == 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="workers are forked on POSIX only")
def test_workers_record_what_one_process_does(tmp_path: Path) -> None:
    """Two processes, the same journal but for times."""
    suite = simulated(tmp_path, suite_yaml=PLAYED)
    folders = []
    for workers in (1, 2):
        out = tmp_path / f"w{workers}"
        run(RunRequest((suite,), out=out, workers=workers, reports=()), Silence(), Clock())
        folders.append(canonical(out))
    assert folders[0] == folders[1]


def test_a_cassette_replays_a_simulated_conversation(tmp_path: Path) -> None:
    """What was recorded answers the same words; other words are told as such, and recorded anew where that is asked for."""
    suite = simulated(tmp_path)
    first = play(suite, "record", fixed_clock())
    again = play(suite, "replay", fixed_clock())
    assert journal(first) == journal(again)
    write(tmp_path, s__late_yaml=PARCEL.replace("hi again", "thank you"))
    changed = play(suite, "replay")
    verdicts = {case.name: case.verdict for case in changed.model.cases}
    assert verdicts["late#1"] == "errored"
    ends = {line["ending"]["end"]: line["ending"]["blame"] for line in journal(changed) if line.get("verdict") == "errored"}
    assert ends == {"engine-broke": "engine", "stuck": "simulator"}
    assert len(faults(changed)) == 4
    assert {case.name: case.verdict for case in play(suite, "replay-else-record").model.cases}["late#1"] == "passed"
    assert {case.name: case.verdict for case in play(suite, "replay").model.cases}["late#1"] == "passed"


def test_a_baseline_is_compared_state_by_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Approved and compared without a difference; a way with one state more is one turn more, and the others stay pairs."""
    simulated(tmp_path, "", s__stuck_yaml=PLAIN.replace("hello", "hi", 1))
    monkeypatch.chdir(tmp_path)
    assert main(["run", "suite.yaml", "--out", "one", "-q"]) == 0
    assert main(["approve", "one", "--author", "me", "--reason", "first", "-q"]) == 0
    assert "name: greets" in (tmp_path / "baselines/suite/late.yaml").read_text()
    assert main(["run", "suite.yaml", "--out", "two", "--baseline", "baseline", "-q"]) == 0
    chats = "    chats: {says: nice weather, then: asks}\n"
    write(
        tmp_path,
        s__late_yaml=PARCEL.replace("{to: asks, when: {rules", "{to: chats, when: {rules").replace(
            "    asks:\n", chats + "    asks:\n"
        ),
    )
    main(["run", "suite.yaml", "--out", "three", "-q"])
    capsys.readouterr()
    main(["compare", "two", "three", "--json"])
    (case,) = [one for one in json.loads(capsys.readouterr().out)["cases"] if one["change"] != "same"]
    assert [(turn["before"], turn["after"]) for turn in case["turns"] if None in (turn["before"], turn["after"])] == [(None, 1)]


def test_a_run_goes_on_after_the_users_that_were_over(tmp_path: Path) -> None:
    """A conversation that ended before its limit of messages is not held again; one that was cut off is."""
    suite = simulated(tmp_path)
    whole = play(suite, clock=fixed_clock())
    folder = Path(whole.model.folder)
    lines = (folder / JOURNAL).read_bytes().splitlines(keepends=True)
    kept, over = [], 0
    for line in lines:
        over += line.startswith(b'{"t":"attempt"')
        if over == 3 and line.startswith(b'{"t":"attempt"'):
            break
        kept.append(line)
    (folder / JOURNAL).write_bytes(b"".join(kept))
    (folder / INDEX).unlink(missing_ok=True)
    again = run(RunRequest((), resume=str(folder), reports=()), Silence(), fixed_clock())
    text = (folder / JOURNAL).read_bytes()
    assert text.count(b'{"t":"attempt"') == 6
    assert {case.name: case.verdict for case in again.model.cases} == {case.name: case.verdict for case in whole.model.cases}


def test_shards_make_one_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Merged, they are what one machine would have recorded."""
    simulated(tmp_path, "", s__stuck_yaml=PLAIN.replace("hello", "hi", 1))
    monkeypatch.chdir(tmp_path)
    assert main(["run", "suite.yaml", "--out", "all", "-q"]) == 0
    for part in ("1/2", "2/2"):
        assert main(["run", "suite.yaml", "--shard", part, "--out", f"part{part[0]}", "-q"]) == 0
    assert main(["merge", "part1", "part2", "--out", "merged", "-q"]) == 0
    assert canonical(tmp_path / "merged") == canonical(tmp_path / "all")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder with a run of simulated users that passed, in `one`."""
    simulated(tmp_path, "repeats: 2\n", s__stuck_yaml=PLAIN.replace("hello", "hi", 1))
    monkeypatch.chdir(tmp_path)
    assert main(["run", "suite.yaml", "--out", "one", "-q"]) == 0
    return tmp_path


def told(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    """The JSON that a verb prints."""
    capsys.readouterr()
    main([*words, "--json"])
    return json.loads(capsys.readouterr().out)


def test_records_are_mutated_by_the_states_they_were_said_in(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What a state expects kills; a survivor stands at its state, with a proposal that holds each time it was said."""
    found = told(capsys, "mutate", "one")
    assert found["score"]["killed"] > 0
    survivors = [one for one in found["mutants"] if one["fate"] == "survived" and one["file"] == "s/late.yaml"]
    thanks = [one for one in survivors if one["line"] == 14]
    assert any(one.get("proposal") for one in thanks)


def test_edges_cover_nothing(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A rule that only an edge asks for was hit and not asserted; the tool that a state expects was."""
    found = told(capsys, "coverage", "one")
    state = {row["name"]: row["asserted"] for row in found["items"] if row["kind"] in ("rule", "tool")}
    assert state["hello"]  # by the script beside
    assert state["track"]
    write(here, s__plain_yaml="turns: [ok]\n", s__stuck_yaml="turns: [ok]\n")
    main(["run", "suite.yaml", "--out", "two", "-q"])
    found = told(capsys, "coverage", "two")
    state = {row["name"]: row["asserted"] for row in found["items"] if row["kind"] in ("rule", "tool")}
    assert not state["hello"]
    assert state["track"]


def test_a_failing_simulated_conversation_is_cut_down(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """To an ordinary script of what was said; where nobody failed but the user gave up, that is said."""
    write(here, agent_yaml=AGENT.replace(", tools: [track]", ""))
    main(["run", "suite.yaml", "--out", "bad", "-q", "-k", "late#1"])
    found = told(capsys, "minimise", "bad", "late#1", "--out", "small.yaml")
    assert "simulator" not in found["text"]
    assert "A-7" in found["text"]
    write(here, agent_yaml=AGENT, s__late_yaml="simulator:\n  states:\n    a: {says: hello, then: gives_up}\n")
    main(["run", "suite.yaml", "--out", "up", "-q", "-k", "late"])
    capsys.readouterr()
    assert main(["minimise", "up", "late#1", "--out", "none.yaml"]) == 2
    assert "simulated user" in capsys.readouterr().err


def test_a_simulated_user_is_not_exported(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What will be said is not known: it is told as lost, beside scripts that come over, and refused alone."""
    capsys.readouterr()
    assert main(["export", "promptfoo", "s", "--out", "out", "--lossy"]) == 0
    assert "simulated user" in capsys.readouterr().out
    assert main(["export", "promptfoo", "s/late.yaml", "--out", "out2", "--lossy"]) == 2
    assert "simulated user" in capsys.readouterr().err


def test_an_edit_of_the_agent_reaches_simulated_users(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`impact` plays them: which message first differs; and `bisect` finds the edit that breaks them."""
    new = here / "new.yaml"
    new.write_text(AGENT.replace(", tools: [track]", "").replace("Pardon?", "Sorry?"))
    found = told(capsys, "impact", "agent.yaml", "new.yaml", "--suite", "suite.yaml")
    assert {(one["case"], one["message"]) for one in found["chosen"]} == {("late", 2)}
    found = told(capsys, "bisect", "agent.yaml", "new.yaml", "--script", "s/late.yaml", "--suite", "suite.yaml")
    assert "tools" in json.dumps(found)


def test_files_of_simulated_users_are_known_as_scripts(here: Path) -> None:
    """By pytest and by editors, which read them unasked; the lens over a rule counts no edge."""
    assert looks_like_script(here / "s/late.yaml")
    project = Project((here,))
    late = here / "s/late.yaml"
    assert project.files.kind(late) == "script"
    mentions = {(one.kind, one.name, one.absent) for one in project.mentions(late)}
    assert ("rule", "hello", True) in mentions
    assert ("tool", "track", False) in mentions


def test_a_damaged_copy_of_a_run_is_still_shown(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An ending of another shape takes nothing from the rest of the case."""
    shutil.copytree(here / "one", here / "odd")
    path = here / "odd" / JOURNAL
    path.write_bytes(path.read_bytes().replace(b'"blame":"engine"', b'"blame":"nobody"'))
    assert main(["show", "odd", "late#1"]) == 0
    assert "simulated user: greets → asks → thanks → done" in capsys.readouterr().out
