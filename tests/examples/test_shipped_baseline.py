"""The baseline of the example suite is what the suite does today, byte for byte."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from focal_eval.clock import fixed_clock
from focal_eval.compare import masks_of
from focal_eval.compare.baseline import Kept, read_files
from focal_eval.compare.baseline_model import AGENT, path_of, short
from focal_eval.compare.baseline_writing import text_of
from focal_eval.evaluate import RunRequest, run
from focal_eval.evaluate.agent_edits import kept_agent
from focal_eval.evaluate.approval_units import masked
from focal_eval.evaluate.recorded_cases import recorded, script_digest

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "evals" / "baselines" / "retail"
RENEW = "after an edit: focal-eval approve latest --only new,wrong,unused,reformatted --reason TEXT"


class Silent:
    """Nobody watches."""

    def started(self, cases: int, turns: int) -> None: ...
    def case_done(self, name: str, verdict: str) -> None: ...
    def finished(self) -> None: ...


def test_the_shipped_baseline_is_up_to_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Made anew from a run of today, with the approvals that stand there, every file comes out the same."""
    monkeypatch.chdir(ROOT)
    model = run(RunRequest((Path("evals/retail.yaml"),), out=tmp_path / "run", reports=()), Silent(), fixed_clock()).model
    masks = masks_of(model.header)
    played = {case.name: case for case in model.cases}
    agent = short(model.header["engine"]["agent"]["digest"])
    files = list(read_files(FOLDER))
    names = {kept.case.name for file in files for kept in file.cases}
    assert names == set(played), RENEW
    for file in files:
        fresh = tuple(
            Kept(
                masked(recorded(model, played[kept.case.name]), masks),
                replace(kept.approval, script=short(script_digest(model, played[kept.case.name])), agent=agent),
            )
            for kept in file.cases
        )
        path = FOLDER / str(path_of(file.script))
        assert text_of(replace(file, cases=fresh)) == path.read_text(encoding="utf-8"), RENEW
    assert (FOLDER / AGENT).read_text(encoding="utf-8") == kept_agent(model), RENEW


def test_the_shipped_baseline_is_small() -> None:
    """It takes less than 4.5 kB a case, and a megabyte and a half in all, so that a checkout does not grow by it."""
    cases = sum(len(file.cases) for file in read_files(FOLDER))
    size = sum(path.stat().st_size for path in FOLDER.rglob("*.y*ml"))
    assert size < 4_500 * cases
    assert size < 1_500_000
