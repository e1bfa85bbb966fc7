"""Real runs of tau-bench, imported and replayed; the differences are counted a second time from the raw data."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from rapidfuzz import fuzz

from focal_eval.cli import main
from focal_eval.importers import ImportReport, import_files
from focal_eval.text import fold

SAMPLE = Path(__file__).resolve().parents[3] / "shared" / "data" / "tau-bench-trajectories"

pytestmark = pytest.mark.skipif(not SAMPLE.is_dir(), reason="no sample data beside the checkout")

Turn = tuple[list[tuple[str, Any]], str | None]  # the calls between two user messages, and what was said at last


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ImportReport]:
    """All conversations, imported once."""
    out = tmp_path_factory.mktemp("real") / "imported"
    return out, import_files("tau-bench", [SAMPLE], out)


def raw_runs() -> list[dict[str, Any]]:
    (file,) = SAMPLE.glob("*.json")
    runs: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))
    return runs


def raw_turns(run: dict[str, Any]) -> list[Turn]:
    """The turns that were answered, read off the messages as simply as can be."""
    turns: list[Turn] = []
    for message in run["traj"][1:]:
        if message["role"] == "user":
            turns.append(([], None))
        elif message["role"] == "assistant":
            calls, said = turns[-1]
            for call in message.get("tool_calls") or []:
                calls.append((call["function"]["name"], json.loads(call["function"]["arguments"])))
            if not message.get("tool_calls"):
                said = message["content"]
            turns[-1] = (calls, said)
    return turns if turns[-1] != ([], None) else turns[:-1]


def conversations(trial: int) -> dict[int, list[Turn]]:
    return {run["task_id"]: raw_turns(run) for run in raw_runs() if run["trial"] == trial}


def replayed(folder: Path, out: Path, *more: str) -> tuple[int, list[dict[str, Any]]]:
    """The exit code and the journal of a run of the imported suite."""
    code = main(["run", str(folder / "suite.yaml"), "--out", str(out), *more])
    return code, [json.loads(line) for line in (out / "journal.jsonl").read_bytes().splitlines()]


def results(journal: list[dict[str, Any]], key: str) -> Counter[str]:
    """How the turns' expectations of one kind came out."""
    found = (result for line in journal if line["t"] == "turn" for result in line["results"])
    return Counter(result["outcome"] for result in found if result["key"] == key)


def test_every_conversation_is_imported(imported: tuple[Path, ImportReport]) -> None:
    """A hundred runs give a hundred scripts, with as many turns as the raw data has answered ones."""
    _, report = imported
    assert (len(report.scripts), len(report.cassettes), len(report.suites)) == (100, 4, 4)
    assert report.turns == sum(len(raw_turns(run)) for run in raw_runs())
    assert report.warnings == ()
    lost = {loss.kind: loss.count for loss in report.losses}
    assert lost["system-prompt"] == 100
    stops = sum(
        "###STOP###" in (message["content"] or "") for run in raw_runs() for message in run["traj"] if message["role"] == "user"
    )
    assert lost["stop-marker"] == stops
    asides = [message for run in raw_runs() for message in run["traj"] if message["content"] and message.get("tool_calls")]
    assert lost["aside"] == len(asides)


def test_every_script_and_suite_checks_without_a_word(
    imported: tuple[Path, ImportReport], capsys: pytest.CaptureFixture[str]
) -> None:
    """`check` finds neither an error nor a warning in what was written."""
    folder, _ = imported
    assert main(["check", str(folder), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["diagnostics"] == []
    assert (told["files"]["scripts"], told["files"]["suites"]) == (100, 4)


@pytest.mark.parametrize("trial", [0, 3])
def test_a_trial_passes_on_its_own_recording(imported: tuple[Path, ImportReport], tmp_path: Path, trial: int) -> None:
    """Everything that was recorded is said, called and answered again; only the answer key may fail, softly."""
    folder, _ = imported
    suite = folder / ("suite.yaml" if trial == 0 else f"suite-trial-{trial}.yaml")
    assert main(["run", str(suite), "--out", str(tmp_path / "run")]) == 0
    header = json.loads((tmp_path / "run" / "run.json").read_bytes())
    assert header["counts"]["passed"] == 25
    journal = [json.loads(line) for line in (tmp_path / "run" / "journal.jsonl").read_bytes().splitlines()]
    turns = conversations(trial)
    assert results(journal, "tools") == {"passed": sum(len(talk) for talk in turns.values())}
    golden = sum(said is not None for talk in turns.values() for _, said in talk)
    assert results(journal, "response.golden") == {"passed": golden}


def test_another_trial_differs_as_the_raw_data_does(imported: tuple[Path, ImportReport], tmp_path: Path) -> None:
    """Trial 1 on trial 0's scripts: the turns with other calls, those with other replies, and those without an answer."""
    folder, _ = imported
    code, journal = replayed(folder, tmp_path / "run", "--engine", "trial-1")
    assert code == 1
    mine, other = conversations(0), conversations(1)
    pairs = [(one, two) for task, talk in mine.items() for one, two in zip(talk, other[task], strict=False)]
    calls = Counter("passed" if one[0] == two[0] else "failed" for one, two in pairs)
    unanswered = sum(max(0, len(talk) - len(other[task])) for task, talk in mine.items())
    assert calls["failed"] > 50
    assert results(journal, "tools") == calls + Counter(skipped=unanswered)

    said = [(one[1], two[1]) for one, two in pairs if one[1] is not None and two[1] is not None]
    alike = Counter("passed" if fuzz.ratio(fold(one), fold(two)) >= 60 else "failed" for one, two in said)
    judged = results(journal, "response.golden")
    assert {name: judged[name] for name in ("passed", "failed")} == alike

    missed = [line for line in journal if line["t"] == "turn" and "fault" in line]
    assert len(missed) == sum(len(other[task]) < len(talk) for task, talk in mine.items())
    assert {line["fault"]["kind"] for line in missed} == {"cassette-miss"}
    verdicts = Counter(line["verdict"] for line in journal if line["t"] == "attempt")
    assert verdicts["errored"] == len(missed)
    assert verdicts["passed"] + verdicts["failed"] == 25 - len(missed)


def test_other_words_are_told_beside_the_reply(imported: tuple[Path, ImportReport], tmp_path: Path) -> None:
    """Every reply by position says what the user had said in the recording, where that was something else."""
    folder, _ = imported
    _, journal = replayed(folder, tmp_path / "run", "--engine", "trial-1", "-k", "task-22")
    said = {trial: user_words(22, trial) for trial in (0, 1)}
    replies = [line["reply"] for line in journal if line["t"] == "turn" and "reply" in line]
    assert len(replies) == len(said[0])
    for number, reply in enumerate(replies):
        note = reply["metadata"]["cassette"]
        assert (note["conversation"], note["turn"]) == ("task-22", number + 1)
        same = said[0][number] == said[1][number]
        assert note.get("recorded_user") == (None if same else said[1][number])
    assert any("recorded_user" not in reply["metadata"]["cassette"] for reply in replies)


def user_words(task: int, trial: int) -> list[str]:
    """What the user said and the agent answered."""
    (run,) = [run for run in raw_runs() if (run["task_id"], run["trial"]) == (task, trial)]
    return [message["content"] for message in run["traj"] if message["role"] == "user"][: len(raw_turns(run))]


def test_a_trial_by_its_words_leaves_another_recording_at_once(imported: tuple[Path, ImportReport], tmp_path: Path) -> None:
    """Under `match: text` other words are no answer: the miss is at the first turn that differs."""
    folder, _ = imported
    suite = (folder / "suite.yaml").read_text(encoding="utf-8").replace("cassettes/trial-0.jsonl", "cassettes/trial-1.jsonl")
    (folder / "by-words.yaml").write_text(suite.replace(", match: position", ""), encoding="utf-8")
    code = main(["run", str(folder / "by-words.yaml"), "--out", str(tmp_path / "run")])
    (folder / "by-words.yaml").unlink()
    journal = [json.loads(line) for line in (tmp_path / "run" / "journal.jsonl").read_bytes().splitlines()]
    faults = [line["fault"] for line in journal if line["t"] == "turn" and "fault" in line]
    assert code in (1, 3)
    assert len(faults) == 25
    assert all("the user says other words than the script" in fault["message"] for fault in faults)
    assert all(fault["detail"].startswith("nearest recorded message: turn ") for fault in faults)
