"""A case that ends every worker of a cluster that plays it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.evaluate.clusters import closed, cluster, header, records, run, slow_suite

pytest.importorskip("distributed", reason="Dask distributed is not installed (the extra dask)")
pytestmark = pytest.mark.xdist_group("cluster")


def _poisoned(folder: Path, cases: int) -> Path:
    """A suite of which the case with number 13 ends the process that plays it, at once."""
    suite = slow_suite(folder, cases=cases, wait_s=0.0)
    (folder / "bot.py").write_text(
        "import os\n\n\nasync def answer(message, conversation):\n    if message == 'number 13':\n        os._exit(9)\n"
        "    return 'you said ' + message\n"
    )
    return suite


@pytest.mark.parametrize(
    ("failures", "cases"),
    [
        pytest.param("0", 40, id="first"),
        pytest.param("3", 300, id="default", marks=[pytest.mark.slow, pytest.mark.timeout(300)]),
    ],
)
def test_a_case_that_kills_every_worker_harms_no_other(path: Path, tmp_path: Path, failures: str, cases: int) -> None:
    """Workers come again by their nanny; the case is told as worker-lost, and each other one has its verdict, once."""
    suite = _poisoned(tmp_path / "a", cases)
    with cluster(tmp_path / "it", path, nanny=True, DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES=failures) as made:
        words = ("run", "suite.yaml", "--out", "out", "--cluster", made.url, "--report", "none")
        code, told = run(path, *words, cwd=suite.parent)
    out = suite.parent / "out"
    assert code == 3, told
    assert "worker-lost" in told
    assert len(closed(out)) == len(set(closed(out))) == cases
    counts = header(out)["counts"]
    assert (counts["errored"], counts["passed"]) == (1, cases - 1), told  # type: ignore[index]
    (bad,) = [lines for lines in records(out).values() if b'"worker-lost"' in lines[-1]]
    assert json.loads(bad[0])["name"] == "echo[n=13]"
