"""Importing files into a folder: all or nothing, and nobody's edits are lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from focal_eval.cli import main
from focal_eval.errors import Refused, StorageError, UsageError
from focal_eval.importers import ImportReport, import_files, options_of
from focal_eval.importers.base import numbers
from focal_eval.importers.run import MAX_FILE_BYTES
from tests.importers.told_runs import RUNS, agent, run, user, written


def codes(refused: Refused) -> list[tuple[str, str]]:
    return [(item.code, item.span.file) for item in refused.diagnostics]


def test_an_import_writes_scripts_suites_and_cassettes(tmp_path: Path) -> None:
    """The report names every file, relative to the output folder."""
    report = import_files("tau-bench", [written(tmp_path)], tmp_path / "out")
    found = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert found == sorted([*report.scripts, *report.suites, *report.cassettes])
    assert len(report.scripts) == 4
    assert report.sources == (str(tmp_path / "shop.json"),)


def test_a_folder_is_read_whole(tmp_path: Path) -> None:
    """All files of the format below it, hidden ones and others left alone."""
    (tmp_path / "in" / "b").mkdir(parents=True)
    written(tmp_path / "in", RUNS[:1], "one.json")
    written(tmp_path / "in" / "b", RUNS[1:2], "two.json")
    (tmp_path / "in" / ".hidden.json").write_text("broken", encoding="utf-8")
    (tmp_path / "in" / "readme.md").write_text("# runs", encoding="utf-8")
    report = import_files("tau-bench", [tmp_path / "in"], tmp_path / "out")
    assert report.scripts == ("one/scenarios/task-00-trial-0.yaml", "two/scenarios/task-01-trial-0.yaml")


def test_importing_again_is_no_change(tmp_path: Path) -> None:
    """The same files with the same content are no conflict."""
    source = written(tmp_path)
    assert import_files("tau-bench", [source], tmp_path / "out") == import_files("tau-bench", [source], tmp_path / "out")


def test_an_edited_script_is_not_overwritten(tmp_path: Path) -> None:
    """Somebody's work is in it: the import names the file, writes nothing, and goes on only by `force`."""
    source = written(tmp_path)
    report = import_files("tau-bench", [source], tmp_path / "out")
    edited = tmp_path / "out" / report.scripts[0]
    edited.write_text("title: mine\n", encoding="utf-8")
    gone = tmp_path / "out" / report.scripts[1]
    gone.unlink()
    with pytest.raises(Refused, match="nothing was imported: 1 problem") as caught:
        import_files("tau-bench", [source], tmp_path / "out")
    assert codes(caught.value) == [("import-overwrites", str(edited))]
    assert not gone.exists()
    import_files("tau-bench", [source], tmp_path / "out", force=True)
    assert edited.read_text(encoding="utf-8").startswith("title: 'Task 0")
    assert gone.exists()


def test_the_command_takes_options_and_force(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`focal-eval import` hands a format's options on; refused is 2, forced is 0."""
    source, out = written(tmp_path), tmp_path / "out"
    command = ["import", "tau-bench", str(source), "--out", str(out), "--trials", "0", "--tasks", "0"]
    assert main([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["scripts"] == ["scenarios/task-00-trial-0.yaml"]
    (out / "suite.yaml").write_text("mine", encoding="utf-8")
    assert main(command) == 2
    assert "error[import-overwrites]" in capsys.readouterr().err
    assert main([*command, "--force"]) == 0


def test_all_problems_of_all_files_come_out_of_one_pass(tmp_path: Path) -> None:
    """A broken file, a misspelt one and an empty folder are three diagnostics, and nothing is written."""
    good, broken = written(tmp_path), tmp_path / "broken.json"
    broken.write_text("[", encoding="utf-8")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(Refused, match="nothing was imported: 3 problems") as caught:
        import_files("tau-bench", [good, tmp_path / "shopp.json", empty, broken], tmp_path / "out")
    told = sorted(str(item).removeprefix(f"{tmp_path}/") for item in caught.value.diagnostics)
    assert told == [
        "broken.json:1:2: error[import-json]: not JSON: unexpected end of data",
        "empty:1:1: error[import-nothing]: the folder holds no *.json",
        "shopp.json:1:1: error[import-unreadable]: there is no such file or folder; did you mean 'shop.json'?",
    ]
    assert not (tmp_path / "out").exists()


def test_a_choice_that_leaves_nothing_is_refused(tmp_path: Path) -> None:
    """An empty suite would pass; so it is not written."""
    with pytest.raises(Refused, match="nothing was imported") as caught:
        import_files("tau-bench", [written(tmp_path)], tmp_path / "out", {"trials": "7"})
    assert codes(caught.value) == [("import-nothing", str(tmp_path / "shop.json"))]


def test_a_conversation_that_cannot_be_a_script_is_refused_before_writing(tmp_path: Path) -> None:
    """What our own reader would refuse is never written: here a template of more than 20,000 characters."""
    source = written(tmp_path, [run(0, 0, user("{{ " + "x" * 30_000), agent("What?"))])
    with pytest.raises(Refused, match="nothing was imported") as caught:
        import_files("tau-bench", [source], tmp_path / "out")
    (found,) = caught.value.diagnostics
    assert found.code == "import-unwritable"
    assert "the script would not read back: not a template" in found.message
    assert not (tmp_path / "out").exists()


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    """The limit is said; the file is given up at it."""
    with (tmp_path / "big.json").open("wb") as stream:
        stream.truncate(MAX_FILE_BYTES + 1)
    with pytest.raises(Refused, match="1 problem") as caught:
        import_files("tau-bench", [tmp_path / "big.json"], tmp_path / "out")
    assert "the file is larger than 64 MiB" in str(caught.value.diagnostics[0])


def test_a_folder_that_cannot_be_written_is_a_storage_error(tmp_path: Path) -> None:
    """A file stands where the output folder should be."""
    (tmp_path / "out").write_text("", encoding="utf-8")
    with pytest.raises(StorageError, match=r"out/.* cannot be (read|written): Not a directory"):
        import_files("tau-bench", [written(tmp_path)], tmp_path / "out", force=True)


@pytest.mark.parametrize(
    ("format", "options", "said"),
    [
        ("tau-bensh", {}, "no format is named 'tau-bensh'; did you mean 'tau-bench'?"),
        ("tau-bench", {"trails": "0"}, "tau-bench has no option '--trails'; did you mean 'trials'?"),
        ("tau-bench", {"trials": "0-x"}, "--trials: '0-x' is neither a number nor a range such as 0-9"),
        ("tau-bench", {"tasks": "9-0"}, "--tasks: the range '9-0' runs backwards"),
        ("tau-bench", {"tasks": ""}, "--tasks: '' is neither a number"),
        ("tau-bench", {"tasks": "0-999999999999"}, "--tasks: '0-999999999999' names more than 100,000 numbers"),
        ("tau-bench", {"golden": "1.5"}, "--golden: '1.5' is neither equal, off nor a number from 0 to 1"),
        ("tau-bench", {"golden": "nan"}, "--golden: 'nan' is neither"),
    ],
)
def test_a_wrong_format_or_option_names_the_nearest(tmp_path: Path, format: str, options: dict[str, str], said: str) -> None:
    """The call itself is wrong: a usage error, before any file is read."""
    with pytest.raises(UsageError) as caught:
        import_files(format, [tmp_path / "none.json"], tmp_path / "out", options)
    assert str(caught.value).startswith(said)


def test_numbers_are_single_or_in_ranges() -> None:
    """Both may be mixed."""
    assert numbers("0, 2-4,3") == {0, 2, 3, 4}


def test_options_are_described_for_help() -> None:
    """The command line shows them without knowing any importer."""
    assert [option.name for option in options_of("tau-bench")] == ["trials", "tasks", "golden"]
    assert all(option.doc for option in options_of("tau-bench"))


def report_of(tmp_path: Path) -> ImportReport:
    return import_files("tau-bench", [written(tmp_path)], tmp_path / "out")


def test_the_report_says_what_was_written_and_what_was_left_behind(tmp_path: Path) -> None:
    """Most frequent loss first, each with its first place, and the command to run what was imported."""
    lines = report_of(tmp_path).text().splitlines()
    assert lines[0] == "Read 1 file: 4 conversations, 7 turns."
    assert lines[1] == f"Wrote 4 scripts, 2 cassettes, 2 suites to {tmp_path / 'out'}."
    assert lines[3] == "Left behind:"
    assert lines[4] == "  4  system-prompt: system prompts: a script says nothing of how the agent is instructed"
    assert lines[5] == f"     first at {tmp_path / 'shop.json'}:7:4"
    assert lines[-1] == f"Run it: focal-eval run {tmp_path / 'out' / 'suite.yaml'}"


def test_the_guide_shows_what_is_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The output in the guide is that of this very file."""
    monkeypatch.chdir(tmp_path)
    written(tmp_path, name="runs.json")
    shown = import_files("tau-bench", [Path("runs.json")], Path("imported")).text()
    guide = Path(__file__).resolve().parents[2] / "docs" / "guide" / "import.md"
    assert f"$ focal-eval import tau-bench runs.json --out imported\n{shown}\n```" in guide.read_text(encoding="utf-8")


def test_the_report_is_plain_data(tmp_path: Path) -> None:
    """For `--json`: everything in it survives JSON."""
    data = report_of(tmp_path).to_json()
    assert json.loads(json.dumps(data)) == {
        **data,
        **{key: list(data[key]) for key in ("sources", "scripts", "suites", "cassettes")},
    }
    assert data["losses"][0]["example"] == f"{tmp_path / 'shop.json'}:7:4"
