"""Runs on a cluster of real processes: a scheduler and two workers of Dask distributed on loopback."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from focal_eval.cli import main
from focal_eval.evaluate.cluster import dask
from tests.evaluate.clusters import (
    Cluster,
    closed,
    cluster,
    header,
    interrupt,
    package,
    records,
    run,
    said,
    slow_suite,
    started,
    until,
)

pytest.importorskip("distributed", reason="Dask distributed is not installed (the extra dask)")
pytestmark = pytest.mark.xdist_group("cluster")
ROOT = Path(__file__).parents[2]


def test_a_cluster_gives_the_records_of_one_process(shared: Cluster, tmp_path: Path) -> None:
    """Every line of every case of the example's suite is the same, its times aside, and so is the verdict."""
    suite = str(ROOT / "evals" / "retail.yaml")
    common = ("--report", "none", "-q")
    code, told = run(shared.path, "run", suite, "--out", str(tmp_path / "one"), *common, cwd=tmp_path)
    assert code == 0, told
    code, told = run(shared.path, "run", suite, "--out", str(tmp_path / "many"), "--cluster", shared.url, *common, cwd=tmp_path)
    assert code == 0, told
    one, many = records(tmp_path / "one"), records(tmp_path / "many")
    assert len(one) > 200
    assert many == one
    assert header(tmp_path / "many")["counts"] == header(tmp_path / "one")["counts"]


def test_files_go_along(shared: Cluster, tmp_path: Path) -> None:
    """Fragments, a folder of a brain's files, Python of the suite's own, params and repeats arrive at the workers."""
    suite = slow_suite(tmp_path / "a", cases=5, wait_s=0.0)
    (tmp_path / "a" / "scripts" / "fragments").mkdir()
    (tmp_path / "a" / "scripts" / "fragments" / "hello.yaml").write_text(
        "turns:\n  - user: hello\n    expect: {response: {contains: hello}}\n"
    )
    (tmp_path / "a" / "scripts" / "twice.yaml").write_text("turns:\n  - include: fragments/hello.yaml\n  - {user: bye}\n")
    words = ("run", "suite.yaml", "--repeats", "3", "--report", "none", "-q")
    code, told = run(shared.path, *words, "--out", "one", cwd=suite.parent)
    assert code == 0, told
    code, told = run(shared.path, *words, "--out", "many", "--cluster", shared.url, cwd=suite.parent)
    assert code == 0, told
    assert len(records(suite.parent / "many")) == 18
    assert records(suite.parent / "many") == records(suite.parent / "one")


@pytest.mark.slow
def test_a_long_script_goes_to_each_worker_once(shared: Cluster, tmp_path: Path) -> None:
    """A script of many rows is played whole although it does not go with every batch."""
    suite = slow_suite(tmp_path / "a", cases=4_000, wait_s=0.0)
    code, told = run(
        shared.path, "run", "suite.yaml", "--report", "none", "-q", "--out", "o", "--cluster", shared.url, cwd=suite.parent
    )
    assert code == 0, told
    assert header(tmp_path / "a" / "o")["counts"]["passed"] == 4_000  # type: ignore[index]


def test_a_killed_worker_costs_no_case(shared: Cluster, tmp_path: Path) -> None:
    """One of three workers is killed in the middle: its cases are played by the others, each once, and the run passes."""
    suite = slow_suite(tmp_path / "a", cases=120, wait_s=0.05)
    out = suite.parent / "out"
    third = shared.hire()
    shared.wait()
    words = ("--cluster", shared.url, "--report", "none")
    process = started(shared.path, "run", "suite.yaml", "--out", "out", *words, cwd=suite.parent)
    until(lambda: len(closed(out)) >= 10)
    third.kill()
    code, told = said(process)
    assert code == 0, told
    assert len(closed(out)) == len(set(closed(out))) == 120


def test_a_killed_scheduler_leaves_a_run_that_can_be_resumed(path: Path, tmp_path: Path) -> None:
    """The run ends with exit code 3 and says how it goes on; resumed in one process it has each case once."""
    suite = slow_suite(tmp_path / "a", cases=100, wait_s=0.1)
    out = suite.parent / "out"
    with cluster(tmp_path / "it", path) as made:
        process = started(
            path, "run", "suite.yaml", "--out", "out", "--cluster", made.url, "--report", "none", cwd=suite.parent
        )
        until(lambda: len(closed(out)) >= 10)
        assert made.scheduler is not None
        made.scheduler.kill()
        code, told = said(process)
    assert code == 3, told
    assert "the scheduler at tcp://127.0.0.1:" in told
    assert f"focal-eval run --resume {header(out)['id']}" in told
    assert header(out)["state"] == "workers-lost"
    kept = len(closed(out))
    assert 10 <= kept < 100
    code, told = run(path, "run", "--resume", "out", "--report", "none", "--concurrency", "50", cwd=suite.parent)
    assert code == 0, told
    assert len(closed(out)) == len(set(closed(out))) == 100


def test_an_interrupt_ends_the_run_on_the_workers_too(shared: Cluster, tmp_path: Path) -> None:
    """Ctrl-C ends the run with 130; the workers are free at once, and play the rest when it is resumed there."""
    suite = slow_suite(tmp_path / "a", cases=400, wait_s=0.2)
    out = suite.parent / "out"
    words = ("--cluster", shared.url, "--report", "none")
    process = started(shared.path, "run", "suite.yaml", "--out", "out", *words, cwd=suite.parent)
    until(lambda: len(closed(out)) >= 4)
    interrupt(process)
    code, told = said(process)
    assert code == 130, told
    kept = len(closed(out))
    assert 4 <= kept < 200
    (suite.parent / "bot.py").write_text("async def answer(message, conversation):\n    return 'you said ' + message\n")
    code, told = run(shared.path, "run", "--resume", "out", *words, cwd=suite.parent)
    assert code == 0, told
    assert len(closed(out)) == len(set(closed(out))) == 400


def test_workers_of_another_version_are_named(path: Path, tmp_path: Path) -> None:
    """Nothing is run where a worker has another version, other code of the same version, or no package; each is named."""
    other = package(tmp_path / "other")
    init = other / "focal_eval" / "__init__.py"
    init.write_text(init.read_text().replace("__version__ = ", '__version__ = "0.0.9"  # '))
    edited = package(tmp_path / "edited")
    (edited / "focal_eval" / "text.py").write_text((edited / "focal_eval" / "text.py").read_text() + "\nX = 1\n")
    (tmp_path / "broken" / "focal_eval").mkdir(parents=True)
    (tmp_path / "broken" / "focal_eval" / "__init__.py").write_text("import no_such_module\n")
    suite = slow_suite(tmp_path / "a", cases=2, wait_s=0.0)
    with cluster(tmp_path / "it", path, workers=0) as made:
        for where in (other, edited, tmp_path / "broken"):
            made.hire(path=where)
        made.wait()
        code, told = run(path, "run", "suite.yaml", "--out", "out", "--cluster", made.url, cwd=suite.parent)
    assert code == 2, told
    assert "it has focal-eval 0.0.9, here is" in told
    assert "is other code" in told
    assert "focal-eval cannot be imported (ModuleNotFoundError: No module named 'no_such_module')" in told
    assert told.count("the worker tcp://127.0.0.1:") == 3
    assert not (suite.parent / "out").exists()


def test_a_missing_plug_in_is_named(shared: Cluster, tmp_path: Path) -> None:
    """A check that another package adds here and not there is named with that package; an unused one is not asked for."""
    (tmp_path / "plug").mkdir()
    (tmp_path / "plug" / "loud.py").write_text(
        "from dataclasses import dataclass\nfrom typing import ClassVar\nfrom focal_eval.checks.base import TurnCheck\n"
        "from focal_eval.records import Finding\n\n\n@dataclass(frozen=True, slots=True)\nclass Loud(TurnCheck):\n"
        '    """Says how loud it is."""\n\n    needs: ClassVar[frozenset[str]] = frozenset()\n    most: int\n\n'
        "    def judge(self, seen):\n        return ()\n\n    def describe(self):\n        return 'loud'\n"
    )
    info = tmp_path / "plug" / "loud-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: loud\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text("[focal_eval.checks]\nloud = loud:Loud\n")
    suite = slow_suite(tmp_path / "a", cases=2, wait_s=0.0)
    words = ("run", "suite.yaml", "--cluster", shared.url, "--report", "none")
    both = f"{shared.path}:{tmp_path / 'plug'}"
    code, told = run(shared.path, *words, "--out", "one", cwd=suite.parent, PYTHONPATH=both)
    assert code == 0, told
    (suite.parent / "scripts" / "loud.yaml").write_text("turns:\n  - user: hello\n    expect: {loud: {most: 3}}\n")
    code, told = run(shared.path, *words, "--out", "two", cwd=suite.parent, PYTHONPATH=both)
    assert code == 2, told
    assert told.count("the check 'loud' is missing: install loud 1.2 there") == 2


def test_a_cluster_that_is_not_there_is_said_so(path: Path, tmp_path: Path) -> None:
    """Where nobody listens the run has no verdict, and no folder is left."""
    suite = slow_suite(tmp_path / "a", cases=2, wait_s=0.0)
    code, told = run(path, "run", "suite.yaml", "--out", "out", "--cluster", "dask://127.0.0.1:9", cwd=suite.parent)
    assert code == 3, told
    assert "the cluster at tcp://127.0.0.1:9 cannot be reached; is it running?" in told
    assert not (suite.parent / "out").exists()


def test_what_listens_and_is_no_scheduler_is_said_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Something that takes the connection and says nothing ends the run within a limit, instead of never."""
    monkeypatch.setattr(dask, "SPOKEN_S", 1.0)
    suite = slow_suite(tmp_path / "a", cases=2, wait_s=0.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"127.0.0.1:{silent.getsockname()[1]}"
        assert main(["run", str(suite), "--out", str(tmp_path / "out"), "--cluster", f"dask://{url}"]) == 3
    said = capsys.readouterr().err
    assert f"the cluster at tcp://{url} takes connections and does not answer; is it a Dask scheduler?" in said
    assert not (tmp_path / "out").exists()


def test_wrong_addresses_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A scheme that is none is met with the nearest one."""
    suite = slow_suite(tmp_path / "a", cases=2, wait_s=0.0)
    assert main(["run", str(suite), "--out", str(tmp_path / "out"), "--cluster", "dsk://127.0.0.1:9"]) == 2
    assert capsys.readouterr().err == "focal-eval: --cluster: 'dsk' is no scheme of a cluster; did you mean 'dask'?\n"
