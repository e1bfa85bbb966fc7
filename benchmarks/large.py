"""Measures large runs: 100 to 100,000 conversations, in one process and in several, with the memory of each process.

    python benchmarks/large.py                 everything; writes large.json and the table in README.md, half an hour
    python benchmarks/large.py --quick         a smoke test: tiny input, nothing written
    python benchmarks/large.py --render        prints the table of large.json
    python benchmarks/large.py --sizes 5000 --workers 2 --engines function     a part, printed and not written

Engines: `function`, the desk of the other benchmarks, about a microsecond an answer; `embedded`, the retail agent with its own
conversations, the whole suite once or in so many copies of its files, so that each size holds the same mix and no conversation
has been made ready for another; `served`, the desk behind HTTP, one process that is not measured.
The scripts come from the cache, so each measured run follows one that filled it. Reports are written, the HTML one too.
Exit code 1 where a run did not arrive at the expected verdicts.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from generate import SUITE, SUITE_REMOTE, conversations, script
from remote import serving
from run import machine
from tables import render_large, rewrite

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "large.json"
README = HERE / "README.md"
PROJECT = HERE.parent
RETAIL_CASES = 315  # of the retail suite
TURNS = 5
SIZES = (100, 5_000, 100_000)
ROUNDS = 5  # of a run that takes seconds: its row is the one in the middle by the time of a turn
SHORT = 5_000  # conversations of such a run, at most
EVERY_S = 0.1  # between two looks at the memory


@dataclass(frozen=True, slots=True)
class Took:
    """One run of a whole tree of processes; peaks are of resident memory."""

    wall_s: float
    cpu_s: float
    peaks_mib: list[float]  # the process that was started, then the others, the largest first
    exit_code: int


def watched(command: list[str], folder: Path, environment: dict[str, str], log: Path) -> Took:
    """Runs a command, and looks at its processes while it runs."""
    peaks: dict[int, float] = {}
    with log.open("wb") as output:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=folder, env={**os.environ, **environment}, stdout=output, stderr=subprocess.STDOUT
        )
        while True:
            for pid in tree(process.pid):
                peaks[pid] = max(peaks.get(pid, 0.0), peak_mib(pid))
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            time.sleep(EVERY_S)
        wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    first = peaks.pop(process.pid, 0.0)
    return Took(wall, usage.ru_utime + usage.ru_stime, [first, *sorted(peaks.values(), reverse=True)], process.returncode)


def tree(pid: int) -> Iterator[int]:
    """A process and all below it."""
    yield pid
    with contextlib.suppress(OSError):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            yield from tree(int(child))


def peak_mib(pid: int) -> float:
    """The most memory a process had so far."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return 0.0


def data(work: Path, count: int) -> Path:
    """A suite of so many scripts, written once."""
    folder = work / "large" / str(count)
    if not (folder / "expected.json").exists():
        (folder / "scripts").mkdir(parents=True, exist_ok=True)
        failed = 0
        for conversation in conversations(count, TURNS):
            (folder / "scripts" / f"{conversation['id']}.yaml").write_text(script(conversation))
            failed += conversation["wrong"]
        (folder / "suite.yaml").write_text(SUITE)
        (folder / "suite-remote.yaml").write_text(SUITE_REMOTE)
        (folder / "desk.py").write_text((HERE / "engine.py").read_text())
        (folder / "expected.json").write_text(json.dumps({"passed": count - failed, "failed": failed}))
    return folder


def retail(work: Path, copies: int) -> Path:
    """The retail suite with so many copies of each script, written once."""
    folder = work / "large" / f"retail-{copies}"
    suite = folder / "evals" / "retail.yaml"
    if not suite.exists():
        for number in range(copies):
            shutil.copytree(PROJECT / "scenarios" / "retail", folder / "scenarios" / f"{number:04}", dirs_exist_ok=True)
        shutil.copytree(PROJECT / "evals" / "agents", folder / "evals" / "agents", dirs_exist_ok=True)
        suite.write_text((PROJECT / "evals" / "retail.yaml").read_text().replace("scenarios/retail/", "scenarios/"))
    return suite


@dataclass(slots=True)
class Bench:
    """Where it works, and what was wrong."""

    work: Path
    url: str
    wrong: list[str]
    rounds: int | None = None  # of each row; None for ROUNDS of those that take seconds, and one of the others

    def rows(self, engine: str, sizes: list[int], workers: list[int], *, warm: bool) -> list[dict[str, Any]]:
        """A row for each size and number of workers, taken in turn so that the machine's moods fall on all; first the cache."""
        taken: dict[tuple[int, int], list[dict[str, Any]]] = {(size, some): [] for size in sizes for some in workers}
        for size in [] if warm else sizes:
            self.run(engine, size, workers[0])
        for number in range(self.rounds or ROUNDS):
            for (size, some), rows in taken.items():
                if self.rounds or size <= SHORT or not number:
                    rows.append(self.run(engine, size, some))
        return [sorted(rows, key=lambda row: float(row["played_s"]))[len(rows) // 2] for rows in taken.values()]

    def run(self, engine: str, count: int, workers: int) -> dict[str, Any]:
        """One run, as a row of the table."""
        print(f"{engine}, {count:,} conversations, {workers} workers", file=sys.stderr, flush=True)
        command, expected = self.command(engine, count)
        environment = {"NO_COLOR": "1", "FOCAL_EVAL_CACHE": str(self.work / "large" / "cache"), "BENCH_URL": self.url}
        out, log = self.work / "large" / "out", self.work / "large" / "log.txt"
        shutil.rmtree(out, ignore_errors=True)
        took = watched([*command, "--workers", str(workers), "--out", str(out)], self.work, environment, log)
        header = json.loads((out / "run.json").read_text())
        seen = {verdict: header["counts"][verdict] for verdict in expected} if header.get("counts") else {}
        if seen != expected:
            self.wrong.append(f"{engine} {count} x {workers}: {seen}, expected {expected}: {log.read_text()[-300:]}")
        html = (out / "report.html").stat().st_size if (out / "report.html").exists() else 0
        return {
            "engine": engine,
            "conversations": header["plan"]["cases"],
            "turns": header["plan"]["turns"],
            "workers": workers,
            "wall_s": round(took.wall_s, 3),
            "played_s": round(header["elapsed_ms"] / 1000, 3),
            "cpu_s": round(took.cpu_s, 3),
            "peaks_mib": [round(peak, 1) for peak in took.peaks_mib],
            "html_mib": round(html / 2**20, 1),
        }

    def command(self, engine: str, count: int) -> tuple[list[str], dict[str, int]]:
        """What is run, and what has to come out."""
        base = [sys.executable, "-m", "focal_eval", "run"]
        if engine == "embedded":
            copies = -(-count // RETAIL_CASES)
            expected = {"passed": copies * (RETAIL_CASES - 1), "xfailed": copies, "failed": 0, "errored": 0}
            return [*base, str(retail(self.work, copies)), "-q"], expected
        folder = data(self.work, count)
        name = "suite.yaml" if engine == "function" else "suite-remote.yaml"
        return [*base, str(folder / name), "-q"], json.loads((folder / "expected.json").read_text())


def measure_all(asked: argparse.Namespace, work: Path) -> tuple[dict[str, Any], list[str]]:
    """The document that large.json holds, and what was wrong."""
    rows = []
    with serving(Path(sys.executable)) if "served" in asked.engines else contextlib.nullcontext("") as url:
        bench = Bench(work, url, [], asked.rounds)
        for engine in asked.engines:
            rows += bench.rows(engine, asked.sizes, asked.workers, warm=asked.warm)
    document = {"measured_on": datetime.datetime.now(datetime.UTC).date().isoformat(), "machine": machine(), "rows": rows}
    return document, bench.wrong


def arguments() -> argparse.Namespace:
    def numbers(text: str) -> list[int]:
        return [int(part) for part in text.split(",")]

    parser = argparse.ArgumentParser(description="Measure large runs, in one process and in several.")
    parser.add_argument("--quick", action="store_true", help="tiny input, nothing written")
    parser.add_argument("--render", action="store_true", help="print the table of large.json and measure nothing")
    parser.add_argument("--sizes", type=numbers, default=list(SIZES))
    parser.add_argument("--workers", type=numbers, default=[1, 2])
    parser.add_argument("--engines", type=lambda text: text.split(","), default=["function", "embedded", "served"])
    parser.add_argument("--rounds", type=int, help=f"runs of each row, of which the middle one is told (default: {ROUNDS}, 1)")
    parser.add_argument("--warm", action="store_true", help="the cache of scripts is filled already")
    parser.add_argument("--add", action="store_true", help="put the rows into large.json and the table in README.md")
    parser.add_argument("--work", type=Path, default=HERE / ".work", help="scratch folder (default: benchmarks/.work)")
    asked = parser.parse_args()
    if asked.quick:
        asked.sizes = [20]
    return asked


def main() -> int:
    asked = arguments()
    if asked.render:
        print(render_large(json.loads(RESULTS.read_text())))
        return 0
    work = asked.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    results, wrong = measure_all(asked, work)
    whole = not asked.quick and asked.sizes == list(SIZES) and len(asked.engines) == 3
    if asked.add and RESULTS.exists():
        fresh = {key_of(row) for row in results["rows"]}
        results["rows"] += [row for row in json.loads(RESULTS.read_text())["rows"] if key_of(row) not in fresh]
        results["rows"].sort(key=key_of)
    print(render_large(results))
    if whole or asked.add:
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")
        rewrite(README, render_large(results), "large")
    for problem in wrong:
        print(f"wrong: {problem}", file=sys.stderr)
    return 1 if wrong else 0


def key_of(row: dict[str, Any]) -> tuple[int, int, int]:
    """By what rows are told apart and ordered."""
    return ("function", "embedded", "served").index(row["engine"]), row["conversations"], row["workers"]


if __name__ == "__main__":
    sys.exit(main())
