"""Measures `focal-eval mutate SUITE` beside the plain ways to do the same, with the same verdicts.

    .venv/bin/python benchmarks/mutate.py [--suite evals/retail.yaml] [--mutants 400] [--plain 60] [--runs 3]

`mutate` tries every mutant of a draw in two processes. `the whole suite, in memory` plays every case on each mutant of a
part of that draw, in one process; `focal-eval run` is a whole process for a mutant. Their time is set to a second of work for
each mutant; CPU time is told beside wall time, since it does not hang on what else a machine does.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import resource
import subprocess
import sys
import time
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

from tables import rewrite

from focal_eval.evaluate.laboratory import open_lab
from focal_eval.evaluate.request import RunRequest
from focal_eval.experiment.agent_mutants import agent_mutants
from focal_eval.experiment.lab import Lab
from focal_eval.experiment.mutants import Fate, score
from focal_eval.experiment.mutate import try_naively
from focal_eval.experiment.mutate_pool import Trials
from focal_eval.experiment.reach import Reach

HERE = Path(__file__).resolve().parent
WORKERS = 2


def lab_of(suite: Path) -> Lab:
    """The lab of a suite."""
    return open_lab(RunRequest((suite,))).lab


def used() -> float:
    """CPU seconds of this process and of those it waited for."""
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def measured(suite: Path, count: int, plain: int, runs: int) -> dict[str, Any]:
    """Every figure."""

    lab = lab_of(suite)
    every = agent_mutants(lab.agent, suite.name)
    drawn = every if count >= len(every) else [every[n] for n in sorted(random.Random(0).sample(range(len(every)), count))]
    wall, cpu = time.perf_counter(), used()
    reach = Reach(lab)
    trial = Trials(reach, partial(lab_of, suite), WORKERS).run(drawn)
    ours = {"wall_s": time.perf_counter() - wall, "cpu_s": used() - cpu, "mutants": len(drawn)}
    fates = {one.mutant.id: one.fate for one in trial.tried}
    part = drawn[:: max(1, len(drawn) // plain)][:plain]
    for position in range(len(lab.cases)):
        lab.base(position)
    wall, cpu = time.perf_counter(), used()
    other = {one.mutant.id: try_naively(lab, one) for one in part}
    whole = {"wall_s": time.perf_counter() - wall, "cpu_s": used() - cpu, "mutants": len(part)}
    wall, cpu = time.perf_counter(), used()
    for _ in range(runs):
        command = [sys.executable, "-m", "focal_eval", "run", str(suite), "--report", "none", "-q"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    process = {"wall_s": time.perf_counter() - wall, "cpu_s": used() - cpu, "mutants": runs}
    differ = [name for name, fate in other.items() if fate is not _plain(fates[name])]
    found = score(trial.tried)
    return {
        "measured_on": date.today().isoformat(),
        "machine": {"cores": WORKERS, "python": platform.python_version(), "system": platform.system()},
        "suite": suite.as_posix(),
        "cases": len(lab.cases),
        "turns": sum(len(case.exchanges) for case in reach.cases),
        "made": len(every),
        "score": found.value,
        "rows": {"mutate": ours, "memory": whole, "process": process},
        "compared": len(part),
        "differ": differ,
    }


def _plain(fate: Fate) -> Fate:
    return Fate.NOT_COVERED if fate is Fate.EQUIVALENT else fate


NAMES = {
    "mutate": "`focal-eval mutate`, two processes",
    "memory": "the whole suite, in memory, one process",
    "process": "`focal-eval run`, a process for each mutant",
}


def render(found: dict[str, Any]) -> str:
    """The table of a results document; the same document gives the same text."""
    rows = found["rows"]
    ours = rows["mutate"]["wall_s"] / rows["mutate"]["mutants"]
    lines = [
        f"Measured {found['measured_on']} on {found['machine']['cores']} cores, {found['machine']['system']}, "
        f"Python {found['machine']['python']}: {found['suite']}, {found['cases']:,} cases, {found['turns']:,} turns, "
        f"{found['made']:,} mutants. Of {found['compared']} mutants tried both ways, {len(found['differ'])} "
        "had another verdict.",
        "",
        "| way | mutants | wall | CPU | wall a mutant | times as long |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, row in rows.items():
        each = row["wall_s"] / row["mutants"]
        lines.append(
            f"| {NAMES[name]} | {row['mutants']:,} | {row['wall_s']:.1f} s | {row['cpu_s']:.1f} s | {each * 1000:.0f} ms "
            f"| {each / ours:.1f} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", type=Path, default=Path("evals/retail.yaml"))
    parser.add_argument("--mutants", type=int, default=400)
    parser.add_argument("--plain", type=int, default=60)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--render", action="store_true", help="only write the table again")
    given = parser.parse_args()
    results = HERE / "mutate.json"
    if not given.render:
        made = measured(given.suite, given.mutants, given.plain, given.runs)
        results.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
    rewrite(HERE / "README.md", render(json.loads(results.read_text(encoding="utf-8"))), "mutate")


if __name__ == "__main__":
    main()
