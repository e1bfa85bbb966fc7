"""Makes the example of a regression report in this folder: `python reports/example/make.py`.

The example suite is played twice, the second time on an agent with three edits: a harmless wording, one that breaks
conversations, and one that changes replies and breaks nothing. Time and ids are not the machine's: it is the same everywhere.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from contextlib import chdir
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from focal_eval.clock import Clock, fixed_clock, seeded
from focal_eval.evaluate import RunRequest, run
from focal_eval.evaluate.comparing import CompareRequest, compare
from focal_eval.evaluate.comparison_page import write_page
from focal_eval.report.progress import Silence

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
NAME = "comparison.html"
SUBJECTS = ("refunds", "greeting", "parcels", "identity", "fragments")  # folders of the example suite's scripts
EDITS = (
    ('en: "Goodbye, and have a nice day!"', 'en: "Goodbye, and have a lovely day!"'),
    ('result.lookup_order.price > 50"}', 'result.lookup_order.price > 100"}'),
    (
        "    then: offer more help\n    priority: -20\n    template: anything-else",
        "    then: offer more help\n    priority: -20\n    template: capabilities",
    ),
)


def main() -> int:
    """Writes the page beside this file."""
    page = HERE / NAME
    page.write_bytes(example())
    print(f"reports/example/{NAME}: {page.stat().st_size:,} bytes")
    return 0


def example() -> bytes:
    """The page."""
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        for name in ("evals", "scenarios"):
            shutil.copytree(ROOT / name, Path(name))
        for subject in Path("scenarios/retail").iterdir():
            if subject.is_dir() and subject.name not in SUBJECTS:
                shutil.rmtree(subject)
        _play("baseline", day=20)
        agent = Path("evals/agents/retail.yaml")
        text = agent.read_text(encoding="utf-8")
        for before, after in EDITS:
            assert text.count(before) == 1, f"{agent.name} does not hold once: {before}"
            text = text.replace(before, after)
        agent.write_text(text, encoding="utf-8")
        _play("candidate", day=21)
        return write_page(compare(CompareRequest("runs/baseline", "runs/candidate")), Path("page.html")).read_bytes()


def _play(name: str, day: int) -> None:
    request = RunRequest(
        (), suite=Path("evals/retail.yaml"), concurrency=1, out=Path("runs") / name, reports=("jsonl",), cache=None
    )
    run(request, Silence(), _clock(day))


def _clock(day: int) -> Clock:
    """A clock on which every look takes a little time, the same each time."""
    return replace(fixed_clock(datetime(2026, 11, day, 9, 30, tzinfo=UTC), seed=day), elapsed=_ticking(seeded(day)))


def _ticking(source: Random) -> Callable[[], float]:
    passed = 0.0

    def elapsed() -> float:
        nonlocal passed
        passed += source.lognormvariate(-6.6, 0.7)
        return passed

    return elapsed


if __name__ == "__main__":
    os.umask(0o022)
    raise SystemExit(main())
