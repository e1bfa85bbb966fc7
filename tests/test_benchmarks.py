"""The benchmark measures what it says: the same work for all, the same verdicts from all, tables from the data alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BENCHMARKS = ROOT / "benchmarks"


def run(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=110)
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


def contents(folder: Path) -> dict[str, bytes]:
    here = str(folder).encode()
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return {str(file.relative_to(folder)): file.read_bytes().replace(here, b"") for file in files}


def test_the_same_size_gives_the_same_conversations(tmp_path: Path) -> None:
    """The generator asks neither clock nor machine, and a longer workload begins with the shorter one."""
    for name, count in (("one", 30), ("two", 30), ("more", 60)):
        run("benchmarks/generate.py", str(count), str(tmp_path / name))
    first, second, more = (contents(tmp_path / name) for name in ("one", "two", "more"))
    assert first == second
    scripts = {name: text for name, text in first.items() if name.startswith("scripts/")}
    assert len(scripts) == 30
    assert scripts.items() <= more.items()


def test_some_conversations_must_fail(tmp_path: Path) -> None:
    """A tool that finds nothing wrong, or everything, cannot pass for a fast one."""
    run("benchmarks/generate.py", "400", str(tmp_path))
    expected = json.loads((tmp_path / "expected.json").read_text())
    assert expected["passed"] + expected["failed"] == 400
    assert 8 <= expected["failed"] <= 40


@pytest.mark.parametrize("kind", ["files", "same-json", "one-file"])
def test_the_bare_loop_finds_exactly_the_wrong_ones(kind: str, tmp_path: Path) -> None:
    """The floor that everything is compared with does the work."""
    run("benchmarks/generate.py", "200", str(tmp_path))
    run("benchmarks/bare.py", kind, str(tmp_path), str(tmp_path / "out.jsonl"))
    seen = json.loads(run("benchmarks/verdicts.py", "bare", str(tmp_path)).stdout)
    assert seen == json.loads((tmp_path / "expected.json").read_text())


def test_the_store_is_measured_on_every_database_there_is() -> None:
    """Each question has a row; small figures are written nowhere."""
    before = (BENCHMARKS / "README.md").read_bytes()
    shown = run("benchmarks/store.py", "--quick").stdout
    assert "10 runs of 20 cases, 200 rows" in shown
    assert "| `history suite` | " in shown
    assert (BENCHMARKS / "README.md").read_bytes() == before


def test_a_quick_run_measures_every_job_that_is_installed(tmp_path: Path) -> None:
    """Without its peers installed the benchmark still runs, says what was not measured, and judges verdicts."""
    shown = run("benchmarks/run.py", "--quick", "--work", str(tmp_path / "work")).stdout
    assert "20 conversations of 5 turns, 300 checks" in shown
    rows = {cells[1].strip(): cells[2:] for line in shown.splitlines() if len(cells := line.split("|")) > 4}
    for job in ("limit-files-c", "limit-same-json", "limit-yaml-c", "focal-eval", "focal-eval, html", "`focal-eval --help`"):
        assert float(rows[job][1]) > 0
    assert "not measured: its environment is not installed" in rows["pydantic-evals"][0]
    assert "wrong" not in shown


def test_the_tables_are_those_of_the_data() -> None:
    """README.md shows results.json and nothing else."""
    readme = (BENCHMARKS / "README.md").read_text(encoding="utf-8")
    between = readme.split("<!-- results -->")[1].split("<!-- /results -->")[0]
    assert between.strip() == run("benchmarks/run.py", "--render").stdout.strip()


def test_the_tables_of_remote_runs_are_those_of_the_data() -> None:
    """README.md shows remote.json and nothing else."""
    readme = (BENCHMARKS / "README.md").read_text(encoding="utf-8")
    between = readme.split("<!-- remote -->")[1].split("<!-- /remote -->")[0]
    assert between.strip() == run("benchmarks/remote.py", "--render").stdout.strip()


def test_the_table_of_the_page_is_that_of_the_data() -> None:
    """README.md shows page.json and nothing else."""
    readme = (BENCHMARKS / "README.md").read_text(encoding="utf-8")
    between = readme.split("<!-- page -->")[1].split("<!-- /page -->")[0]
    assert between.strip() == run("benchmarks/page.py", "--render").stdout.strip()


@pytest.mark.slow  # a server process and five jobs in three settings
def test_a_quick_remote_run_arrives_at_the_verdicts(tmp_path: Path) -> None:
    """Over HTTP focal-eval finds exactly the conversations that must fail."""
    shown = run("benchmarks/remote.py", "--quick", "--work", str(tmp_path / "work")).stdout
    assert shown.count("| focal-eval |") == 3
    assert "wrong" not in shown


def test_the_tables_of_the_journal_are_those_of_the_data() -> None:
    """README.md shows journal.json and nothing else."""
    readme = (BENCHMARKS / "README.md").read_text(encoding="utf-8")
    between = readme.split("<!-- journal -->")[1].split("<!-- /journal -->")[0]
    assert between.strip() == run("benchmarks/journal.py", "--render").stdout.strip()
