"""A run leaves nothing for the collector of garbage cycles, which is called so rarely that it would fill the memory."""

from __future__ import annotations

import gc
from pathlib import Path

from focal_eval.evaluate import RunRequest, run
from focal_eval.report.progress import Silence

SUITE = Path(__file__).resolve().parents[2] / "evals" / "retail.yaml"
ONCE = 200  # objects that one run leaves, however long it is: its event loop, its parser


def left_by(folder: Path, repeats: int) -> int:
    """Objects in circles that nothing refers to any more, once a run is over and forgotten."""
    gc.collect()
    enabled = gc.isenabled()
    gc.disable()
    try:
        request = RunRequest((SUITE,), keyword="exchanges or address", repeats=repeats, out=folder, reports=())
        cases = len(run(request, Silence()).model.cases)
        assert cases >= 10 * repeats
        return gc.collect()
    finally:
        if enabled:
            gc.enable()


def test_conversations_leave_no_cycles(tmp_path: Path) -> None:
    """Nine times as many conversations leave what one of each does."""
    left_by(tmp_path / "first", 1)  # what is made once for all runs
    few, many = left_by(tmp_path / "few", 1), left_by(tmp_path / "many", 9)
    assert many < few + ONCE, f"{few} objects became {many}"
