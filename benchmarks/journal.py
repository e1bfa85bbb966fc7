"""What a journal that survives costs, and what reading it by its index saves; whole processes in turn, A B C, A B C, ...

python benchmarks/journal.py             both tables; writes journal.json and the tables in README.md; five minutes
python benchmarks/journal.py --quick     a smoke test: tiny input, one round, nothing written
python benchmarks/journal.py --render    prints the tables of journal.json
"""

from __future__ import annotations

import argparse
import datetime
import json
import shutil
import sys
import timeit
from pathlib import Path
from typing import Any

import orjson
from jobs import BIN, Job
from run import Bench, Row, machine
from tables import rewrite

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from focal_eval.runner.journal import Journal, dumps
from focal_eval.runner.redact import Redactor
from focal_eval.runner.seal import is_sealed, sealed
from focal_eval.runner.sync import Sync

HERE = Path(__file__).resolve().parent
RESULTS, README = HERE / "journal.json", HERE / "README.md"
TURNS = 5


def sync_jobs(data: Path) -> list[Job]:
    """The same run with each policy."""
    run = [str(BIN / "focal-eval"), "run", str(data / "suite.yaml"), "--out", "run", "--report", "junit"]
    again = {"FOCAL_EVAL_CACHE": str(data / "cache")}
    return [
        Job(f"--sync {policy.value}", [*run, "--sync", policy.value], "focal-eval", environment=again, again=True)
        for policy in reversed(Sync)
    ]


def reading_jobs(folder: Path, case: str) -> list[Job]:
    """What is asked of one large run."""
    verb = str(BIN / "focal-eval")
    return [
        Job("focal-eval runs RUN", [verb, "runs", str(folder)]),
        Job("focal-eval runs RUN --verdict failed", [verb, "runs", str(folder), "--verdict", "failed"]),
        Job("focal-eval show RUN CASE", [verb, "show", str(folder), case]),
        Job("focal-eval report RUN --report none", [verb, "report", str(folder), "--report", "none", "-q"]),
    ]


def large_run(folder: Path, cases: int) -> str:
    """A run of so many cases, every twentieth of which failed; the id of one in its middle."""
    shutil.rmtree(folder, ignore_errors=True)
    header = {
        "format": 2,
        "id": "large",
        "started_at": "2026-01-01T00:00:00.000Z",
        "state": "running",
        "plan": {"cases": cases},
    }
    journal = Journal(folder, header, Redactor(), sync=Sync.OFF)
    for number in range(cases):
        journal.lines(_lines(number))
    counts = {"failed": len(range(0, cases, 20)), "passed": cases - len(range(0, cases, 20))}
    journal.end({"state": "finished", "verdict": "failed", "counts": counts})
    journal.close()
    return f"{cases // 2:012x}"


def _lines(number: int) -> list[bytes]:
    case, script = f"{number:012x}", f"bikes/talk-{number // 100}"
    head = {"t": "case", "case": case, "name": f"{script}[bike=B-{number}]", "script": script, "title": "A bike is returned"}
    rest = {"file": f"scenarios/{script}.yaml", "line": 1, "tags": ["bikes"], "params": {"bike": f"B-{number}"}, "repeat": 1}
    failed = not number % 20
    result = {"key": "rules", "text": "rules: [returned]", "outcome": "failed" if failed else "passed", "at": ["f", 1, 1, 1, 9]}
    reply = {"response": f"Your bike B-{number} is on its way back to us. " * 3, "rules": [{"name": "returned"}], "tools": []}
    turn = {"t": "turn", "case": case, "attempt": 1}
    said = {"user": f"I want to return B-{number}", "reply": reply, "elapsed_ms": 1.5}
    turns = [{**turn, "i": i, **said, "results": [result] if i == TURNS - 1 else []} for i in range(TURNS)]
    verdict = (
        {"verdict": "failed", "elapsed_ms": 7.5, "reason": "did not match"}
        if failed
        else {"verdict": "passed", "elapsed_ms": 7.5}
    )
    over = {"t": "attempt", "case": case, "attempt": 1, **verdict, "results": []}
    return [dumps(line) for line in ({**head, **rest, "channel": "api", "turns": TURNS}, *turns, over)]


def seal_ns(loops: int) -> dict[str, float]:
    """What a line of a turn costs more by its checksum, in nanoseconds, and how long the line is."""
    line = _lines(1)[1]
    whole = sealed(line)
    return {
        "bytes": len(line),
        "more_bytes": len(whole) - len(line),
        "sealed_ns": round(min(timeit.repeat(lambda: sealed(line), number=loops, repeat=5)) / loops * 1e9),
        "checked_ns": round(min(timeit.repeat(lambda: is_sealed(whole), number=loops, repeat=5)) / loops * 1e9),
    }


def measured(bench: Bench, conversations: int, cases: int, rounds: int) -> dict[str, Any]:
    """The whole document that journal.json holds."""
    data = bench.data(conversations, TURNS)
    expected = json.loads((data / "expected.json").read_text())
    sync = bench.interleaved(sync_jobs(data), rounds, expected)
    shutil.rmtree(data)
    folder = bench.work / "large"
    case = large_run(folder, cases)
    reading = bench.interleaved(reading_jobs(folder, case), rounds, None)
    size = {name: (folder / f"{name}.jsonl").stat().st_size for name in ("journal", "index")}
    shutil.rmtree(folder)
    return {
        "measured_on": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": machine(),
        "conversations": conversations,
        "turns": TURNS,
        "cases": cases,
        "sizes": size,
        "seal": seal_ns(200 if rounds == 1 else 200_000),
        "sync": sync,
        "reading": reading,
    }


def render(results: dict[str, Any]) -> str:
    """The tables of a results document."""
    machine, seal, size = results["machine"], results["seal"], results["sizes"]
    system = f"{machine['cores']} cores, {machine['memory_gib']} GiB, {machine['system']}, Python {machine['python']}"
    mb = {name: f"{count / 1e6:,.0f} MB" for name, count in size.items()}
    return "\n\n".join(
        [
            f"Measured {results['measured_on']} on {system}.",
            f"**{results['conversations']:,} conversations of {results['turns']} turns, by policy**",
            _table(results["sync"], "--sync off"),
            f"A checksum adds {seal['more_bytes']} bytes and {seal['sealed_ns']:,} ns to the {seal['bytes']:,} bytes of a "
            f"turn's line, and {seal['checked_ns']:,} ns where it is read.",
            f"**A run of {results['cases']:,} cases** (journal {mb['journal']}, index {mb['index']})",
            _table(results["reading"], "focal-eval runs RUN"),
        ]
    )


def _table(rows: list[Row], floor: str) -> str:
    least = next((row.get("cpu_s") for row in rows if row["job"] == floor), None)
    out = [f"| | wall s, median (range) | CPU s | × `{floor}` | peak MiB |", "|---|---:|---:|---:|---:|"]
    for row in rows:
        if "problem" in row:
            out.append(f"| `{row['job']}` | {row['problem']} | | | |")
            continue
        wall = f"{row['wall_s']:.2f} ({row['wall_min_s']:.2f} to {row['wall_max_s']:.2f})"
        ratio = f"{row['cpu_s'] / least:.2f}" if least else "–"
        out.append(f"| `{row['job']}` | {wall} | {row['cpu_s']:.2f} | {ratio} | {row['peak_mib']:.0f} |")
    return "\n".join(out)


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure what a journal that survives costs.")
    parser.add_argument("--quick", action="store_true", help="tiny input, one round, nothing written")
    parser.add_argument("--render", action="store_true", help="print the tables of journal.json and measure nothing")
    parser.add_argument("--conversations", type=int, default=5000)
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--work", type=Path, default=HERE / ".work", help="scratch folder (default: benchmarks/.work)")
    asked = parser.parse_args()
    if asked.render:
        print(render(orjson.loads(RESULTS.read_bytes())))
        return 0
    bench = Bench(asked.work.resolve() / "journal", frozenset(), {})
    few = (20, 300, 1)
    results = measured(bench, *(few if asked.quick else (asked.conversations, asked.cases, asked.rounds)))
    print(render(results))
    if not asked.quick:
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")
        rewrite(README, render(results), "journal")
    for problem in bench.wrong:
        print(f"wrong: {problem}", file=sys.stderr)
    return 1 if bench.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
