"""Approving keeps no texts in memory: each goes to the disk as it is made, and takes its place at the end."""

from __future__ import annotations

import sys
import tracemalloc
from pathlib import Path

import pytest

from focal_eval.compare.baseline_writing import Staging
from focal_eval.evaluate import RunRequest, run
from focal_eval.report.progress import Silence
from tests.evaluate.approved_shop import AGENT, CLOCK, SUITE
from tests.peaks import peak_of

EACH = 10  # cases of a script
LONG = "hello " * 300  # said in each text, so that texts weigh more than what must be known of a case


def test_texts_wait_on_the_disk(tmp_path: Path) -> None:
    """Twenty megabytes are written with less than two in memory; none stands in its place before the end."""
    tracemalloc.start()
    try:
        with Staging() as staging:
            for number in range(200):
                staging.put(tmp_path / f"{number}.yaml", f"{number:06}" * 17_000)
            assert not list(tmp_path.glob("*.yaml"))
            staging.commit()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sum(path.stat().st_size for path in tmp_path.glob("*.yaml")) == 200 * 6 * 17_000
    assert peak < 2_000_000


def test_what_is_not_committed_leaves_nothing(tmp_path: Path) -> None:
    """Neither texts nor folders made for them; a file that is also written is not removed."""
    with Staging() as staging:
        staging.put(tmp_path / "a/b/c.yaml", "text")
    assert list(tmp_path.iterdir()) == []
    with Staging() as staging:
        staging.put(tmp_path / "a/b.yaml", "text")
        staging.remove(tmp_path / "a/b.yaml")
        staging.commit()
    assert (tmp_path / "a/b.yaml").read_text(encoding="utf-8") == "text"


def peak(folder: Path, scripts: int) -> tuple[int, int]:
    """The peak of memory of a process that approves the first run of so many scripts, and the bytes it wrote."""
    (folder / "scripts").mkdir(parents=True)
    (folder / "agent.yaml").write_text(AGENT, encoding="utf-8")
    (folder / "evals.yaml").write_text(SUITE, encoding="utf-8")
    rows = "".join(f"    - {{row: {number}}}\n" for number in range(EACH))
    turn = f"  - user: '{LONG}{{{{ row }}}}'\n    expect: {{rules: [greet]}}\n"
    for number in range(scripts):
        (folder / f"scripts/s{number}.yaml").write_text(f"params:\n  rows:\n{rows}turns:\n{turn * 2}", encoding="utf-8")
    run(RunRequest((Path("evals.yaml"),), out=Path("run"), reports=()), Silence(), CLOCK)
    memory, _ = peak_of(["approve", "run", "--author", "Ada", "-q"], folder)
    written = list((folder / "baselines").rglob("*.yaml"))
    assert len(written) == scripts
    return memory, sum(path.stat().st_size for path in written)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the peak is told by Linux alone")
def test_five_thousand_cases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From five hundred cases to five thousand, memory grows by what is known of a case: some kilobytes, 160 MB in all."""
    found = []
    for scripts in (50, 500):
        where = tmp_path / str(scripts)
        where.mkdir()
        monkeypatch.chdir(where)
        found.append(peak(where, scripts))
    (memory, wrote), (more_memory, more_wrote) = found
    assert more_wrote - wrote > 15_000_000
    assert more_memory - memory < 4_500 * 20_000, found
    assert more_memory < 160_000_000, found
