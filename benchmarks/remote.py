"""Measures focal-eval against a server beside clients that judge nothing: whole processes in turn, A B C, A B C, ...

    python benchmarks/remote.py             everything; writes remote.json and the tables in README.md
    python benchmarks/remote.py --quick     a smoke test: tiny input, one round, nothing installed, nothing written
    python benchmarks/remote.py --render    prints the tables of remote.json

The server is `chat_server.py`, one process of its own that is not measured. Exit code 1 where focal-eval did not arrive at
the expected verdicts.
"""

from __future__ import annotations

import argparse
import compileall
import contextlib
import datetime
import json
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import peers_environment
from jobs import remote_jobs
from peers_environment import Peers
from run import Bench, machine
from tables import render_remote, rewrite

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "remote.json"
README = HERE / "README.md"
TURNS = 5
SETTINGS = ((0, 50), (50, 50), (50, 200))  # milliseconds each reply is held back, conversations at a time
START_S = 20.0


@contextlib.contextmanager
def serving(python: Path) -> Iterator[str]:
    """The server on a free port; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    server = subprocess.Popen([str(python), str(HERE / "chat_server.py"), str(port)])
    try:
        _wait(url, server)
        yield url
    finally:
        server.terminate()
        server.wait()


def _wait(url: str, server: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + START_S
    while True:
        try:
            get(f"{url}/health")
            return
        except OSError:
            if server.poll() is not None or time.monotonic() > until:
                raise
            time.sleep(0.05)


def get(url: str) -> None:
    with urllib.request.urlopen(url, timeout=5) as answer:
        answer.read()


def measure_all(bench: Bench, peers: Peers, count: int, rounds: int, python: Path) -> dict[str, Any]:
    """The whole document that remote.json holds."""
    data = bench.data(count, TURNS)
    expected = json.loads((data / "expected.json").read_text())
    tables = []
    with serving(python) as url:
        for latency, concurrency in SETTINGS:
            print(f"{latency} ms, {concurrency} at a time", file=sys.stderr, flush=True)
            get(f"{url}/latency/{latency}")
            rows = bench.interleaved(remote_jobs(data, peers, url, (count, TURNS), concurrency), rounds, expected)
            tables.append({"latency_ms": latency, "concurrency": concurrency, "rows": rows})
    return {
        "measured_on": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": machine(),
        "versions": peers_environment.versions(peers),
        "conversations": count,
        "turns": TURNS,
        "expected": expected,
        "tables": tables,
    }


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure focal-eval against a server, beside clients that judge nothing.")
    parser.add_argument("--quick", action="store_true", help="tiny input, one round, no installation, nothing written")
    parser.add_argument("--render", action="store_true", help="print the tables of remote.json and measure nothing")
    parser.add_argument("--rounds", type=int, default=5, help="times every job runs (default: %(default)s)")
    parser.add_argument("--jobs", default="", help="only these jobs, separated by semicolons; printed and not written")
    parser.add_argument("--work", type=Path, default=HERE / ".work", help="scratch folder (default: benchmarks/.work)")
    return parser.parse_args()


def main() -> int:
    asked = arguments()
    if asked.render:
        print(render_remote(json.loads(RESULTS.read_text())))
        return 0
    peers = Peers(asked.work.resolve())
    missing = peers_environment.present(peers) if asked.quick else peers_environment.install(peers)
    if not asked.quick:  # as an installation has it; a checkout may run where Python is told to keep no bytecode
        compileall.compile_dir(HERE.parent / "focal_eval", quiet=2)
    bench = Bench(peers.work, frozenset(filter(None, asked.jobs.split(";"))), missing)
    python = Path(sys.executable) if "python" in missing else peers.python
    results = measure_all(bench, peers, 20 if asked.quick else 1000, 1 if asked.quick else asked.rounds, python)
    print(render_remote(results))
    if not (asked.quick or asked.jobs):
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")
        rewrite(README, render_remote(results), "remote")
    for problem in bench.wrong:
        print(f"wrong: {problem}", file=sys.stderr)
    return 1 if bench.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
