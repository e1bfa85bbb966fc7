"""Measures focal-eval beside the bare loop and its peers, whole processes in turn: A B C, A B C, ...

    python benchmarks/run.py             everything; writes results.json and the tables in README.md
    python benchmarks/run.py --quick     a smoke test: tiny input, one round, nothing installed, nothing written
    python benchmarks/run.py --render    prints the tables of results.json
    python benchmarks/run.py --sizes 1000 --jobs limit-files-c,focal-eval     a part, printed and not written

Exit code 1 where focal-eval or a bare loop did not arrive at the expected verdicts.
"""

from __future__ import annotations

import argparse
import compileall
import datetime
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import peers_environment
from jobs import Job, replay_jobs, start_jobs
from measure import Measured, measure, own_peak_mib
from peers_environment import Peers
from tables import render, rewrite

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results.json"
README = HERE / "README.md"
LIMIT_S = 900.0
TURNS = 5
LONG_TURNS = 20
Row = dict[str, Any]


@dataclass(slots=True)
class Bench:
    """One sitting: where it works, what is missing, and whether anything that must be right was wrong."""

    work: Path
    only: frozenset[str]
    missing: dict[str, str]
    wrong: list[str] = field(default_factory=list)

    def chosen(self, jobs: list[Job]) -> list[Job]:
        return [job for job in jobs if not self.only or job.name in self.only]

    def data(self, conversations: int, turns: int) -> Path:
        """The folder of inputs, generated anew so that a change of the generator is never missed."""
        folder = self.work / "data" / f"{conversations}x{turns}"
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run(
            [sys.executable, str(HERE / "generate.py"), str(conversations), str(folder), "--turns", str(turns)], check=True
        )
        return folder

    def once(self, job: Job, expected: dict[str, int] | None) -> tuple[Measured, str | None]:
        """One run of a job in an empty folder, and what was wrong with its results."""
        folder = self.work / "out"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        log = self.work / "log.txt"
        took = measure(job.command, folder, {"NO_COLOR": "1", **job.environment}, log, LIMIT_S)
        problem = self._problem(job, took, folder, log, expected)
        if problem and (job.name.startswith(("focal-eval", "limit", "python"))):
            self.wrong.append(f"{job.name}: {problem}")
        shutil.rmtree(folder, ignore_errors=True)
        return took, problem

    def _problem(self, job: Job, took: Measured, folder: Path, log: Path, expected: dict[str, int] | None) -> str | None:
        last = (log.read_text(errors="replace").strip().splitlines() or [""])[-1][:160]
        if took.exit_code < 0:
            return f"ended by signal {-took.exit_code}: {last}"
        if expected is None or not job.reads:
            return f"exit code {took.exit_code}: {last}" if took.exit_code else None
        read = subprocess.run(
            [sys.executable, str(HERE / "verdicts.py"), job.reads, str(folder)], capture_output=True, text=True, check=False
        )
        if read.returncode:
            return f"left no readable results (exit code {took.exit_code}): {last}"
        seen = json.loads(read.stdout)
        return None if seen == expected else f"says {seen}, expected {expected}"

    def interleaved(self, jobs: list[Job], rounds: int, expected: dict[str, int] | None) -> list[Row]:
        """Every job once a round, so that what else the machine does falls on all of them alike."""
        seen: dict[str, list[Measured]] = {}
        problems: dict[str, str] = {}
        for number in range(rounds):
            for job in self.chosen(jobs):
                if job.needs in self.missing or job.name in problems:
                    continue
                print(f"  round {number + 1}/{rounds}  {job.name}", file=sys.stderr, flush=True)
                if job.again and number == 0:
                    self.once(job, expected)
                took, problem = self.once(job, expected)
                seen.setdefault(job.name, []).append(took)
                if problem:
                    problems[job.name] = problem
        return [
            self._row(job, seen.get(job.name, []), problems.get(job.name) or self.missing.get(job.needs))
            for job in self.chosen(jobs)
        ]

    def _row(self, job: Job, runs: list[Measured], problem: str | None) -> Row:
        row: Row = {"job": job.name}
        if problem:
            return row | {"problem": f"wrong: {problem}" if runs else f"not measured: {problem}"}
        wall = [run.wall_s for run in runs]
        return row | {
            "wall_s": round(statistics.median(wall), 4),
            "wall_min_s": round(min(wall), 4),
            "wall_max_s": round(max(wall), 4),
            "cpu_s": round(statistics.median(run.cpu_s for run in runs), 4),
            "peak_mib": round(statistics.median(run.peak_mib for run in runs), 1),
            "rounds": len(runs),
        }

    def replay(self, conversations: int, turns: int, rounds: int, peers: Peers, names: frozenset[str] = frozenset()) -> Row:
        """One size of the workload through every job, or through those named."""
        print(f"{conversations} conversations of {turns} turns", file=sys.stderr, flush=True)
        data = self.data(conversations, turns)
        expected = json.loads((data / "expected.json").read_text())
        jobs = [job for job in replay_jobs(data, peers) if not names or job.name in names]
        rows = self.interleaved(jobs, rounds, expected)
        shutil.rmtree(data)
        return {"conversations": conversations, "turns": turns, "expected": expected, "rows": rows}


def machine() -> dict[str, Any]:
    """What the figures were taken on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "memory_gib": round(memory / 2**30),
        "python": platform.python_version(),
    }


def measure_all(bench: Bench, peers: Peers, sizes: list[int], rounds: int, *, memory: bool) -> dict[str, Any]:
    """The whole document that results.json holds."""
    print("start-up", file=sys.stderr, flush=True)
    start = bench.interleaved(start_jobs(peers), rounds * 3, None)
    replay = [bench.replay(size, TURNS, rounds, peers) for size in sizes]
    long = [bench.replay(size, LONG_TURNS, 1, peers, frozenset({"focal-eval"})) for size in sizes] if memory else []
    return {
        "measured_on": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": machine(),
        "versions": peers_environment.versions(peers),
        "floor_mib": round(own_peak_mib(), 1),
        "start": start,
        "replay": replay,
        "long": long,
    }


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure focal-eval beside the bare loop and its peers.")
    parser.add_argument("--quick", action="store_true", help="tiny input, one round, no installation, nothing written")
    parser.add_argument("--render", action="store_true", help="print the tables of results.json and measure nothing")
    parser.add_argument("--sizes", default="1000,5000", help="conversations, separated by commas (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="times every job runs (default: %(default)s)")
    parser.add_argument("--jobs", default="", help="only these jobs, separated by semicolons; printed and not written")
    parser.add_argument("--work", type=Path, default=HERE / ".work", help="scratch folder (default: benchmarks/.work)")
    return parser.parse_args()


def main() -> int:
    asked = arguments()
    if asked.render:
        print(render(json.loads(RESULTS.read_text())))
        return 0
    sizes = [20] if asked.quick else [int(size) for size in asked.sizes.split(",")]
    peers = Peers(asked.work.resolve())
    missing = peers_environment.present(peers) if asked.quick else peers_environment.install(peers)
    if not asked.quick:  # as an installation has it; a checkout may run where Python is told to keep no bytecode
        compileall.compile_dir(HERE.parent / "focal_eval", quiet=2)
    bench = Bench(peers.work, frozenset(filter(None, asked.jobs.split(";"))), missing)
    whole = not (asked.quick or asked.jobs) and asked.sizes == "1000,5000"
    results = measure_all(bench, peers, sizes, 1 if asked.quick else asked.rounds, memory=whole)
    print(render(results))
    if whole:
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")
        rewrite(README, render(results))
    for problem in bench.wrong:
        print(f"wrong: {problem}", file=sys.stderr)
    return 1 if bench.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
