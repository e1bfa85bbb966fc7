"""Measures a run on a Dask cluster of two workers beside processes of its own, on the conversations of `generate.py`.

    python benchmarks/cluster.py                       1,000, 10,000 and 100,000 conversations; writes cluster.json
    python benchmarks/cluster.py --sizes 1000          a part, printed and not written
    python benchmarks/cluster.py --render              writes the figures of cluster.json into docs/guide/scale.md

A scheduler and two workers are started as real processes on loopback; they are there before the clock starts, as a cluster is.
Each figure is that of a whole `focal-eval run`, from its start to its end. Exit code 1 where a run did not find what it must.
"""

from __future__ import annotations

import argparse
import datetime
import json
import math
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from measure import measure
from run import HERE, TURNS, machine

RESULTS = HERE / "cluster.json"
SIZES = (1_000, 10_000, 100_000)
LIMIT_S = 3_600.0
PAGE = HERE.parent / "docs" / "guide" / "scale.md"
BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"
WORKERS = 2
NIGHT_CASES, NIGHT_S = 1_000_000, 8 * 3600  # what the guide plans for
TURN_S = 2.0  # of an engine that asks a model


@dataclass
class Cluster:
    """Processes that stay while everything is measured."""

    url: str
    workers: list[subprocess.Popen[bytes]]

    def cpu_s(self) -> float:
        """What the workers have taken so far."""
        ticks = os.sysconf("SC_CLK_TCK")
        fields = [Path(f"/proc/{worker.pid}/stat").read_text().rsplit(")", 1)[1].split() for worker in self.workers]
        return sum(int(found[11]) + int(found[12]) for found in fields) / ticks

    def peak_mib(self) -> float:
        """The most memory that one of them has had."""
        told = [Path(f"/proc/{worker.pid}/status").read_text() for worker in self.workers]
        return max(int(found[1]) for text in told if (found := re.search(r"VmHWM:\s+(\d+) kB", text))) / 1024


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """A scheduler and workers of one thread each."""
    environment = {**os.environ, "DASK_DISTRIBUTED__WORKER__MEMORY__TERMINATE": "False"}
    address = folder / "scheduler.json"
    started: list[subprocess.Popen[bytes]] = []

    def start(kind: str, name: str, *options: str) -> subprocess.Popen[bytes]:
        with (folder / f"{name}.log").open("wb") as log:
            command = [sys.executable, "-m", f"distributed.cli.dask_{kind}", "--no-dashboard", "--scheduler-file", str(address)]
            made = subprocess.Popen(
                [*command, "--host", "127.0.0.1", *options], stdout=log, stderr=log, env=environment, cwd=folder
            )
        started.append(made)
        return made

    try:
        start("scheduler", "scheduler", "--port", "0")
        until(lambda: address.exists() and address.stat().st_size > 0)
        names = [f"worker-{number}" for number in range(WORKERS)]
        workers = [start("worker", name, "--nthreads", "1", "--no-nanny", "--name", name) for name in names]
        until(lambda: all("Registered to" in (folder / f"{name}.log").read_text() for name in names))
        yield Cluster(json.loads(address.read_text())["address"], workers)
    finally:
        for process in started:
            process.kill()
            process.wait()


def until(holds: Any) -> None:
    """Returns once it holds, and gives up after a minute."""
    for _ in range(600):
        if holds():
            return
        time.sleep(0.1)
    raise SystemExit("the cluster did not start")


def generated(folder: Path, size: int) -> tuple[Path, dict[str, int]]:
    """The suite of so many conversations, and what it must come to."""
    data = folder / str(size)
    subprocess.run([sys.executable, str(HERE / "generate.py"), str(size), str(data), "--turns", str(TURNS)], check=True)
    expected: dict[str, int] = json.loads((data / "expected.json").read_text())
    return data, expected


def once(job: str, options: list[str], data: Path, there: Cluster, expected: dict[str, int]) -> dict[str, Any]:
    """One run, with the CPU and the memory of whoever plays."""
    out, log = data / "out", data / "log.txt"
    command = [sys.executable, "-m", "focal_eval", "run", str(data / "suite.yaml"), "--out", str(out), "--report", "none", "-q"]
    before = there.cpu_s()
    took = measure([*command, *options], data, {"NO_COLOR": "1", "FOCAL_EVAL_CACHE": str(data / "cache")}, log, LIMIT_S)
    spent = there.cpu_s() - before
    found = json.loads((out / "run.json").read_text())["counts"] if (out / "run.json").exists() else {}
    journal = (out / "journal.jsonl").stat().st_size if found else 0
    shutil.rmtree(out, ignore_errors=True)
    if {name: found.get(name) for name in expected} != expected:
        raise SystemExit(f"{job}: found {found}, expected {expected}: {log.read_text()[-400:]}")
    return {
        "wall_s": round(took.wall_s, 3),
        "cpu_s": round(took.cpu_s + spent, 3),
        "parent_cpu_s": round(took.cpu_s, 3),
        "peak_mib": round(took.peak_mib, 1),
        "journal_mib": round(journal / 2**20, 2),
        "worker_peak_mib": round(there.peak_mib(), 1),
    }


def measured(size: int, work: Path, rounds: int) -> dict[str, Any]:
    """Each job in turn, so many rounds; a cluster of its own for each size, so that its memory is of that size.

    The largest size is not played by one process: that would tell nothing that the smaller ones do not.
    """
    data, expected = generated(work, size)
    rows: dict[str, list[dict[str, Any]]] = {}
    with tempfile.TemporaryDirectory() as logs, cluster(Path(logs)) as there:
        jobs = {
            "one process": ["--workers", "1"],
            "two processes": ["--workers", "2"],
            "cluster of two": ["--cluster", there.url],
        }
        if size == max(SIZES):
            del jobs["one process"]
        once("warming up", ["--workers", "2"], data, there, expected)  # the cache of scripts
        for number in range(rounds):
            for job, options in jobs.items():
                print(f"{size:,} conversations, round {number + 1}/{rounds}: {job}", file=sys.stderr, flush=True)
                rows.setdefault(job, []).append(once(job, options, data, there, expected))
    shutil.rmtree(data)
    return {
        "conversations": size,
        "turns": TURNS,
        "rounds": rounds,
        "rows": [row(job, runs, size) for job, runs in rows.items()],
    }


def row(job: str, runs: list[dict[str, Any]], size: int) -> dict[str, Any]:
    """The medians of one job's rounds."""
    middle = {key: round(statistics.median(run[key] for run in runs), 3) for key in runs[0]}
    if job != "cluster of two":
        del middle["worker_peak_mib"], middle["parent_cpu_s"]
    return {"job": job, **middle, "ms_a_case": round(middle["wall_s"] / size * 1000, 4)}


def table(result: dict[str, Any]) -> str:
    """A size's rows for people."""
    lines = [f"{result['conversations']:,} conversations of {result['turns']} turns"]
    for found in result["rows"]:
        extra = f", a worker {found['worker_peak_mib']:.0f} MiB" if "worker_peak_mib" in found else ""
        took = f"{found['wall_s']:>8.2f} s  {found['ms_a_case']:>7.3f} ms a case  CPU {found['cpu_s']:>8.2f} s"
        lines.append(f"  {found['job']:<14} {took}  {found['peak_mib']:>5.0f} MiB{extra}")
    return "\n".join(lines)


def render() -> str:
    """What the figures come to for a million conversations a night, as the guide tells it."""
    told = json.loads(RESULTS.read_text())
    size = told["sizes"][-1]
    cases, rows = size["conversations"], {found["job"]: found for found in size["rows"]}
    here, there = rows["two processes"], rows["cluster of two"]
    played = (there["cpu_s"] - there["parent_cpu_s"]) / cases * 1000
    kept = there["parent_cpu_s"] / cases * 1000
    more = (there["cpu_s"] - here["cpu_s"]) / cases * 1000
    cores = math.ceil(NIGHT_CASES * played / 1000 / NIGHT_S)
    journal = there["journal_mib"] / cases * NIGHT_CASES / 1024
    rate = NIGHT_CASES / NIGHT_S
    minutes = kept * NIGHT_CASES / 60e3
    talk_s = size["turns"] * TURN_S
    lines = [
        f"Measured {told['measured']} with {cases:,} conversations of {size['turns']} turns on a cluster of "
        f"{told['workers']} workers, {told['machine']['cores']} cores for all of them, Python {told['machine']['python']}.",
        "",
        "| of one conversation | |",
        "|---|---:|",
        f"| processor time of a worker | {played:.2f} ms |",
        f"| processor time of the process that keeps the journal | {kept:.2f} ms |",
        f"| both together, more than `--workers {told['workers']}` on one machine | {more:.2f} ms |",
        f"| in the journal | {there['journal_mib'] / cases * 1024:.1f} KiB |",
        "",
        f"| for {NIGHT_CASES:,} conversations in {NIGHT_S // 3600} hours | |",
        "|---|---:|",
        f"| conversations a second: {NIGHT_CASES:,} / {NIGHT_S:,} s | {rate:.1f} |",
        f"| an embedded agent, cores of workers: {NIGHT_CASES:,} × {played:.2f} ms / {NIGHT_S:,} s, rounded up | {cores} |",
        f"| the process that keeps the journal: {NIGHT_CASES:,} × {kept:.2f} ms, of one core | {minutes:.0f} min |",
        f"| the most that this process keeps up with: 1 / {kept:.2f} ms, a second | {1000 / kept:,.0f} |",
        f"| the journal: {NIGHT_CASES:,} × {there['journal_mib'] / cases * 1024:.1f} KiB | {journal:.1f} GiB |",
        f"| an engine that takes {TURN_S:g} s a turn, conversations at the same time: {rate:.1f} × {talk_s:g} s "
        f"| {math.ceil(rate * talk_s)} |",
        f"| what it is asked, messages a second: {rate:.1f} × {size['turns']} | {rate * size['turns']:.0f} |",
    ]
    return "\n".join(lines)


def rewritten(page: str) -> str:
    """The guide with today's figures between its marks."""
    before, rest = page.split(BEGIN)
    return f"{before}{BEGIN}\n\n{render()}\n\n{END}{rest.split(END)[1]}"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", help="numbers of conversations, with commas; then nothing is written")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--render", action="store_true")
    arguments = parser.parse_args()
    if arguments.render:
        PAGE.write_text(rewritten(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
        return 0
    sizes = [int(word) for word in arguments.sizes.split(",")] if arguments.sizes else list(SIZES)
    results: list[dict[str, Any]] = []
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    with tempfile.TemporaryDirectory(prefix="focal-eval-bench-") as work:
        for size in sizes:
            results.append(measured(size, Path(work), arguments.rounds))
            print(table(results[-1]), flush=True)
            if arguments.sizes is None:
                told = {"measured": today, "machine": machine(), "workers": WORKERS, "sizes": results}
                RESULTS.write_text(json.dumps(told, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
