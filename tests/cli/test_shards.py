"""`run --shard` and `merge`: shards put together are the run that one machine would have given."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from focal_eval.cli import main
from focal_eval.clock import fixed_clock
from focal_eval.evaluate import RunRequest, run
from focal_eval.evaluate.merging import MergeRequest, merge
from focal_eval.report.journal import read_run
from focal_eval.report.progress import progress
from focal_eval.runner.seal import is_sealed
from focal_eval.runner.shard import Shard
from tests.cli.shop import build

ROOT = Path(__file__).resolve().parents[2]
REPORTS = ("html", "junit", "markdown", "jsonl", "json")


@pytest.fixture
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The small suite with a dozen more scripts, in the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    file = build(tmp_path)
    for number in range(12):
        turns = "".join(f"\n  - {{user: 'hello {turn}', expect: {{rules: [greet]}}}}" for turn in range(1 + number % 4))
        (tmp_path / "scenarios" / f"more-{number:02}.yaml").write_text(f"title: Greeting {number}\nturns:{turns}\n")
    return file.relative_to(tmp_path)


def fail(script: str, rule: str = "goodbye") -> None:
    """Makes one script expect what does not happen."""
    path = Path("scenarios") / script
    path.write_text(path.read_text().replace("rules: [greet]", f"rules: [{rule}]", 1))


def play(suite: Path, of: int, *more: str) -> list[int]:
    """Plays every shard; the exit codes."""
    return [main(["run", str(suite), "--shard", f"{at}/{of}", "--out", f"shards/{at}", *more]) for at in range(1, of + 1)]


def header(folder: str) -> dict[str, Any]:
    out: dict[str, Any] = json.loads(Path(folder, "run.json").read_text())
    return out


def records(folder: Path) -> Iterator[bytes]:
    """The lines of the cases as they are, in the order of the report's cases."""
    model = read_run(folder)
    for case in model.cases:
        yield from (model.line(place) for place in case.places())


def one_and_merged(suite: Path, of: int, tmp: Path, **more: Any) -> tuple[Path, Path]:
    """A run by one machine and by several, on a clock that stands still."""
    quiet = progress(None, quiet=True, clock=fixed_clock())  # type: ignore[arg-type]  # nothing is written
    request = RunRequest((suite,), out=tmp / "one", reports=REPORTS, **more)
    run(request, quiet, fixed_clock())
    folders = []
    for at in range(1, of + 1):
        part = RunRequest((suite,), out=tmp / f"part-{at}", reports=(), shard=Shard(at, of), **more)
        folders.append(str(run(part, quiet, fixed_clock()).model.folder))
    merge(MergeRequest(tuple(folders), out=tmp / "merged", reports=REPORTS))
    return tmp / "one", tmp / "merged"


def same(one: Path, merged: Path) -> None:
    """Holds a merged run to the one of one machine: nothing differs but the id and what tells of the merging."""
    assert list(records(one)) == list(records(merged))
    assert all(is_sealed(line) for line in (merged / "journal.jsonl").read_bytes().splitlines())
    ids = [str(orjson.loads((folder / "run.json").read_bytes())["id"]).encode() for folder in (one, merged)]
    left, right = (orjson.loads((folder / "run.json").read_bytes()) for folder in (one, merged))
    assert right.pop("merged")["runs"]
    assert {**left, "id": ""} == {**right, "id": ""}
    for name in ("junit.xml", "summary.md", "run.jsonl", "run-results.json", "report.html"):
        texts = [(folder / name).read_bytes().replace(known, b"ID") for folder, known in zip((one, merged), ids, strict=True)]
        assert texts[0] == texts[1], name


@pytest.mark.parametrize("of", [1, 3, 7])
def test_merged_shards_are_one_run_byte_for_byte(suite: Path, tmp_path: Path, of: int) -> None:
    """Records, statistics, gates and all reports are those of one machine; only the id differs."""
    fail("more-03.yaml")
    same(*one_and_merged(suite, of, tmp_path))


def test_repeats_that_end_early_are_merged_alike(suite: Path, tmp_path: Path) -> None:
    """Tallies, classes, spared repeats and where flaky cases part ways are those of one run."""
    suite.write_text(
        suite.read_text() + "repeats: {at_most: 12, until: stable, flaky_from: 0.3, alpha: 0.1}\nprices: {total: 2.0}\n"
        "gates: {pass_rate: {min: 0.5}, flaky: {max: 1}, p95_latency_ms: {max: 1000}}\n"
    )
    for number in (2, 7):
        Path(f"scenarios/flaky-{number}.yaml").write_text("turns: [{user: [hello, what], expect: {rules: [greet]}}]\n")
    one, merged = one_and_merged(suite, 3, tmp_path)
    same(one, merged)
    told = json.loads((merged / "run.json").read_text())
    assert len(told["statistics"]["flaky"]) == 2
    assert told["spared"] > 0
    assert [gate["passed"] for gate in told["gates"]] == [True, False, True]


@pytest.mark.slow
def test_the_example_in_three_shards_is_one_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """evals/retail.yaml, three hundred conversations: the same bytes."""
    monkeypatch.chdir(ROOT)
    same(*one_and_merged(Path("evals/retail.yaml"), 3, tmp_path))


def test_a_shard_says_what_it_is(suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its header tells the part and the plan of the whole; gates are not judged in it; the last lines say so."""
    assert play(suite, 3) == [0, 0, 0]
    told = capsys.readouterr().out
    assert re.search(
        r"– gate pass rate: not judged, as this is shard 1 of 3; asked for ≥ 1\nshard 1 of 3: \d of 15 cases", told
    )
    parts = [header(f"shards/{at}") for at in (1, 2, 3)]
    assert sum(part["plan"]["cases"] for part in parts) == 15
    assert {part["shard"]["plan"]["cases"] for part in parts} == {15}
    assert len({part["shard"]["cuts"] for part in parts}) == 1
    assert "Shard" in Path("shards/1/report.html").read_text()
    assert main(["merge", "shards/1", "shards/2", "shards/3", "--out", "out"]) == 0
    assert "✓ All 15 cases passed" in capsys.readouterr().out


def test_more_shards_than_cases_are_no_error(suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A shard without a case exits with 0 and says so; merged it is nothing. Without any script each shard is refused."""
    assert play(suite, 18) == [0] * 18
    assert "No case falls to this shard" in capsys.readouterr().out
    assert main(["merge", *[f"shards/{at}" for at in range(1, 19)], "--out", "out", "-q"]) == 0
    assert capsys.readouterr().out.startswith("✓ All 15 cases passed")
    shutil.rmtree("scenarios")
    Path("scenarios").mkdir()
    assert main(["run", str(suite), "--shard", "1/2"]) == 2


def test_a_failure_that_no_other_shard_can_save_is_told_at_once(suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With every case asked to pass one shard exits with 1; where some may fail none does, and the whole is judged."""
    fail("more-03.yaml")
    assert sorted(play(suite, 3)) == [0, 0, 1]
    assert "gate pass rate: 0.933333" in capsys.readouterr().out  # 14 of 15 at most
    assert main(["merge", "shards/1", "shards/2", "shards/3", "--out", "out"]) == 1
    shutil.rmtree("shards")
    suite.write_text(suite.read_text() + "gates: {pass_rate: {min: 0.9}, failed: {max: 0}}\n")
    assert sorted(play(suite, 3)) == [0, 0, 1]
    assert "✗ gate failed: 1" in capsys.readouterr().out
    shutil.rmtree("shards")
    suite.write_text(suite.read_text().replace("failed: {max: 0}", "failed: {max: 1}"))
    assert play(suite, 3) == [0, 0, 0]
    assert "Played: gates are judged when the shards are merged" in capsys.readouterr().out
    assert main(["merge", "shards/1", "shards/2", "shards/3", "--out", "again"]) == 0


def test_a_missing_shard_is_named_and_can_be_played_later(suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 3 with what is there, no gate judged; `run --resume` plays the rest, and then it is the whole run."""
    play(suite, 3)
    capsys.readouterr()
    assert main(["merge", "shards/3", "shards/1", "--out", "out"]) == 3
    told = capsys.readouterr().out
    assert "Partial run: shard 2 of 3 is missing; only what was recorded is shown." in told
    assert "gate pass rate: not judged, as shard 2 of 3 is missing" in told
    there = header("shards/1")["plan"]["cases"] + header("shards/3")["plan"]["cases"]
    assert header("out")["counts"]["not_run"] == 15 - there
    assert main(["run", "--resume", "out"]) == 0
    assert header("out")["counts"]["passed"] == 15


def test_a_shard_that_was_killed_stays_partial_and_one_resumed_is_whole(
    suite: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Lines up to the kill are taken over, exit 3 names the shard; once it was resumed the merged run is whole."""
    play(suite, 3)
    journal = Path("shards/2/journal.jsonl")
    lines = journal.read_bytes().splitlines(keepends=True)
    ends = [at for at, line in enumerate(lines) if line.startswith(b'{"t":"attempt"')]
    journal.write_bytes(b"".join(lines[: ends[1] + 2]) + lines[ends[1] + 2][:20])  # two cases, a third begun, a torn line
    Path("shards/2/index.jsonl").unlink()
    capsys.readouterr()
    assert main(["merge", "shards/1", "shards/2", "shards/3", "--out", "partial"]) == 3
    assert "shard 2 of 3 did not reach its end" in capsys.readouterr().out
    whole = header("shards/1")["plan"]["cases"] + header("shards/3")["plan"]["cases"] + 2
    assert header("partial")["counts"]["passed"] == whole
    assert main(["run", "--resume", "shards/2"]) == 0
    assert header("shards/2")["shard"]["index"] == 2
    assert main(["merge", "shards/1", "shards/2", "shards/3", "--out", "out"]) == 0
    assert len(read_run(Path("out")).cases) == 15


def test_lines_that_cannot_be_read_leave_no_verdict(suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A line that was changed is left out and told; the case it belonged to is not taken for passed."""
    play(suite, 2)
    journal = Path("shards/1/journal.jsonl")
    data = journal.read_bytes()
    at = data.index(b'{"t":"attempt"')
    journal.write_bytes(data[: at + 40] + b"#" + data[at + 41 :])
    Path("shards/1/index.jsonl").unlink()
    assert main(["merge", "shards/1", "shards/2", "--out", "out"]) == 3
    told = capsys.readouterr()
    assert "shard 1 of 2 (shards/1): 1 line of its journal could not be read and left out" in told.err
    assert "1 case is in no shard's journal" in told.out


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("twice", "shard 1 of 3 is there as shards/1 and as shards/copy; name each shard once"),
        ("same", "shard 1 of 3 is there twice; name each shard once"),
        ("other", "it was cut in other numbers of shards"),
        ("whole", "shards/2 is no shard: it was run without --shard; merge takes the runs of --shard 1/N to N/N"),
        (
            "suite",
            "shard 2 of 3 (shards/2) and shard 1 of 3 (shards/1) are no parts of one run: the suite suite.yaml is another",
        ),
        ("agent", "the agent agent.yaml is another one (digest "),
        ("plan", "the cases that were planned differ"),
        ("durations", "they were balanced by other durations (12 times of times.json and none)"),
        ("nothing", "no run is named 'shards/9' below reports"),
    ],
)
def test_what_is_no_part_of_one_run_is_refused(
    suite: Path, capsys: pytest.CaptureFixture[str], change: str, words: str
) -> None:
    """Exit 2, the first difference by its name, and nothing is written."""
    play(suite, 3)
    runs = ["shards/1", "shards/2", "shards/3"]
    again = ["--out", "shards/2", "--shard", "2/3"]
    shutil.rmtree("shards/2")
    if change in ("twice", "same"):
        main(["run", str(suite), "--out", "shards/copy", "--shard", "1/3"])
        runs[1] = "shards/copy" if change == "twice" else "shards/1"
    elif change == "other":
        again[3] = "2/4"
    elif change == "whole":
        again = again[:2]
    elif change == "suite":
        suite.write_text(suite.read_text() + "concurrency: 3\n")
    elif change == "agent":
        Path("agent.yaml").write_text(Path("agent.yaml").read_text() + "# edited\n")
    elif change == "plan":
        Path("scenarios/extra.yaml").write_text("turns: [{user: hello, expect: {rules: [greet]}}]\n")
    elif change == "durations":
        cases = {"more-03": 60_000, **{f"more-{at:02}": 1 for at in range(12) if at != 3}}
        times = {"durations": 1, "suites": {"suite.yaml": {"repeats": 1, "cases": cases}}}
        Path("times.json").write_text(json.dumps(times))
        again += ["--durations", "times.json"]
    elif change == "nothing":
        runs[1] = "shards/9"
    if change not in ("twice", "same", "nothing"):
        main(["run", str(suite), *again])
    capsys.readouterr()
    assert main(["merge", *runs, "--out", "out", *(["--anyway"] if change in ("plan", "durations") else [])]) == 2
    assert words in capsys.readouterr().err
    assert not Path("out").exists()


def test_an_edited_script_is_named_and_merged_only_when_asked(suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The script that both shards played differs: it is named; `--anyway` takes both."""
    play(suite, 2)
    both = [f"scenarios/more-{number:02}.yaml" for number in range(12)]
    shutil.rmtree("shards/2")
    for name in both:
        Path(name).write_text(Path(name).read_text() + "# edited\n")
    main(["run", str(suite), "--shard", "2/2", "--out", "shards/2"])
    capsys.readouterr()
    assert main(["merge", "shards/1", "shards/2", "--out", "out"]) == 2
    assert "the scripts are others; --anyway merges them all the same" in capsys.readouterr().err
    assert main(["merge", "shards/1", "shards/2", "--out", "out", "--anyway"]) == 0


def test_durations_balance_and_stay(suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`merge` writes them beside the suite, where shards find them; a second night changes no time that is about the same."""
    play(suite, 3)
    times = Path("durations.json")
    main(["merge", "shards/1", "shards/2", "shards/3", "--out", "out", "--write-durations", str(times)])
    assert "durations.json: 15 times changed" in capsys.readouterr().err
    told = json.loads(times.read_text())
    assert told["suites"]["suite.yaml"]["cases"].keys() == {"greeting", *(f"more-{at:02}" for at in range(12)), *(
        f"money/refund[order=A-{at}]" for at in (1, 2))}  # fmt: skip
    told["suites"]["suite.yaml"]["cases"] |= {"more-00": 60_000, "gone": 4}
    times.write_text(json.dumps(told))
    shutil.rmtree("shards")
    play(suite, 3)
    assert "balanced by durations.json" in capsys.readouterr().out
    alone = next(part for at in (1, 2, 3) if (part := header(f"shards/{at}"))["shard"]["share"] > 0.9)
    assert alone["plan"]["cases"] == 1
    main(["merge", "shards/1", "shards/2", "shards/3", "--out", "second", "--write-durations", str(times)])
    after = json.loads(times.read_text())["suites"]["suite.yaml"]["cases"]
    assert "gone" not in after
    assert after["more-00"] < 60_000
    shutil.rmtree("shards")
    assert play(suite, 2, "--durations", "second") == [0, 0]
    assert header("shards/1")["shard"]["durations"] == "second"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "there is no file other.json"),
        ("[", "other.json is no file of durations"),
        ('{"durations": 2, "suites": {}}', "other.json is a file of durations of format 2; this version reads 1"),
        ('{"durations": 1, "suites": {"a": {"repeats": 0, "cases": {}}}}', "other.json is no file of durations"),
        ('{"durations": 1, "suites": {"a": {"repeats": 1, "cases": {"x": -1}}}}', "other.json is no file of durations"),
    ],
)
def test_durations_that_cannot_be_read_are_refused(
    suite: Path, capsys: pytest.CaptureFixture[str], text: str | None, words: str
) -> None:
    """Exit 2 with a sentence, before anything is played."""
    if text is not None:
        Path("other.json").write_text(text)
    assert main(["run", str(suite), "--shard", "1/2", "--durations", "other.json"]) == 2
    assert words in capsys.readouterr().err
    assert not Path("reports").exists()


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--shard", "4/3"], "'4/3': shards are counted from 1 to 3"),
        (["--durations", "x.json"], "--durations is for --shard; nothing was run"),
        (["--resume", "latest", "--shard", "1/2"], "--resume takes its shard from the run; leave --shard out"),
    ],
)
def test_wrong_words_are_refused(suite: Path, capsys: pytest.CaptureFixture[str], words: list[str], problem: str) -> None:
    """Exit 2, and what to do instead."""
    assert main(["run", str(suite), *words]) == 2
    assert problem in capsys.readouterr().err


def test_a_comparison_is_made_of_the_whole(suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Shards are told what to compare with and do not; the merged run does, and exits as one run would."""
    main(["run", str(suite), "--out", "before"])
    fail("more-02.yaml")
    suite.write_text(suite.read_text() + "gates: {pass_rate: {min: 0.5}}\n")
    assert play(suite, 3, "--baseline", "before") == [0, 0, 0]
    assert not any(Path("shards").glob("*/comparison.html"))
    capsys.readouterr()
    assert main(["merge", "shards/1", "shards/2", "shards/3", "--out", "out"]) == 1
    assert "1 regressed" in capsys.readouterr().out
    assert Path("out/comparison.html").is_file()
