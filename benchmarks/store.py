"""Measures the store: runs taken in, and every question of `focal-eval history`, on SQLite and on PostgreSQL.

    .venv/bin/python benchmarks/store.py [--runs 1000] [--cases 1000] [--rounds 7] [--render]

Each run is taken in as `focal-eval store ingest` does, one transaction each; then each question is asked so often, on an open
store, and the slowest answer stands beside the median. PostgreSQL is a server of its own with its usual settings, on a socket.
"""

from __future__ import annotations

import argparse
import datetime
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from run import machine
from tables import rewrite

from focal_eval.errors import UsageError
from focal_eval.store import CaseFacts, RunFacts, Store, TryFacts, address_of, open_store
from focal_eval.store.model import Scope
from focal_eval.testing.postgres import NoPostgres, throwaway_postgres

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "store.json"
LIMIT_MS = 200.0
SUITE, ENGINE = "evals/nightly.yaml", "embedded"
RULES = 60
AT = "2026-01-01T00:00:00.000Z"


def run_of(number: int, cases: int) -> RunFacts:
    """A run of so many cases, three in a hundred bad, a few flaky; an edit of the agent every twenty runs changes rules."""
    source = random.Random(number)
    moment = datetime.datetime(2023, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(hours=number)
    stamp = f"{moment:%Y-%m-%dT%H:%M:%S}.000Z"
    return RunFacts(
        id=f"{moment:%Y%m%d-%H%M%S}-{number:04x}",
        suite=SUITE,
        engine=ENGINE,
        engine_kind="embedded",
        started_at=stamp,
        finished_at=stamp,
        cases=tuple(_case(place, number, source) for place in range(cases)),
        verdict="failed",
        exit_code=1,
        folder=f"reports/{number}",
        version="1",
        suite_digest="suite",
        agent_file="agent.yaml",
        agent_digest=f"agent {number // 20}",
        planned=cases,
        turns=5 * cases,
        elapsed_us=cases * 1000,
        p50_us=source.randrange(800, 1200),
        p95_us=source.randrange(8_000, 12_000),
        tokens=cases * 300,
    )


def _case(place: int, number: int, source: random.Random) -> CaseFacts:
    bad = (place * 31 + number // 20) % 37 == 0 or source.random() < 0.003
    reason = f"turn {place % 5 + 1}: the reply of case {place} does not hold 'refund'" if bad else None
    first = (place + number // 100) % RULES
    return CaseFacts(
        key=f"group-{place % 40}/case-{place}",
        script=f"group-{place % 40}/case-{place}",
        title=f"What case {place} is about",
        file=f"scenarios/group-{place % 40}/case-{place}.yaml",
        digest=f"script {place} {number // 200}",
        tries=(TryFacts(1, 1, "failed" if bad else "passed", source.randrange(500, 5000), reason),),
        turns=5,
        elapsed_us=source.randrange(500, 5000) + place,
        tokens=source.randrange(200, 400),
        rules=tuple(sorted((f"rule-{(first + step * 7) % RULES}", 1 + step) for step in range(3))),
    )


def questions(cases: int, runs: int) -> dict[str, Callable[[Store], object]]:
    """Each question by the words that ask it."""
    case = f"group-{cases // 2 % 40}/case-{cases // 2}"

    def typo(store: Store) -> str:
        try:
            store.case(case + "x", Scope())
        except UsageError as problem:
            return str(problem)
        raise AssertionError("no case has that name")

    everything = Scope(last=runs)
    return {
        "`history CASE`": lambda store: store.case(case, Scope()),
        f"`history CASE --last {runs}`": lambda store: store.case(case, everything),
        "`history rule:NAME`": lambda store: store.rule("rule-7", Scope()),
        f"`history rule:NAME --last {runs}`": lambda store: store.rule("rule-7", everything),
        "`history suite`": lambda store: store.suite(Scope()),
        f"`history suite --last {runs}`": lambda store: store.suite(everything),
        "`history` of a misspelt case": typo,
        "`store list`": lambda store: store.runs(Scope(last=20)),
        "strips of the report, 20 runs of every case": lambda store: store.strips(Scope(SUITE, ENGINE, last=20)),
    }


def measured(opened: Callable[[], Store], runs: int, cases: int, rounds: int) -> dict[str, Any]:
    """The figures of one database, in milliseconds."""
    store = opened()
    taken = []
    for number in range(runs):
        run = run_of(number, cases)
        begun = time.perf_counter()
        assert store.ingest(run, AT).outcome == "new"
        taken.append(1000 * (time.perf_counter() - begun))
    store.close()
    store = opened()
    out: dict[str, Any] = {"ingest_ms": _figures(taken[-max(1, runs // 10) :]), "ingest_all_s": round(sum(taken) / 1000, 1)}
    again = run_of(runs - 1, cases)
    out["known_ms"] = _figures([_timed(lambda: store.ingest(again, AT)) for _ in range(rounds)])
    asked = questions(cases, runs)
    out["questions"] = {}
    for name, ask in asked.items():
        times = [_timed(lambda ask=ask: ask(store)) for _ in range(rounds)]  # type: ignore[misc]
        out["questions"][name] = _figures(times) | {"first": round(times[0], 1)}
    store.close()
    return out


def _timed(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    call()
    return 1000 * (time.perf_counter() - begun)


def _figures(times: list[float]) -> dict[str, float]:
    return {"median": round(statistics.median(times), 1), "slowest": round(max(times), 1)}


def render(found: dict[str, Any]) -> str:
    """The table of a results document; the same document gives the same text."""
    hosts = found["databases"]
    lines = [
        f"Measured {found['measured_on']} on {found['machine']['cores']} cores, {found['machine']['memory_gib']} GiB, "
        f"{found['machine']['system']}, "
        f"Python {found['machine']['python']}: {found['runs']:,} runs of {found['cases']:,} cases, "
        f"{found['runs'] * found['cases']:,} rows. Times are milliseconds, median and slowest of {found['rounds']}; "
        f"the limit of a question is {LIMIT_MS:.0f}.",
        "",
        "| what | " + " | ".join(f"{host}, median | slowest" for host in hosts) + " |",
        "|---|" + "---:|" * (2 * len(hosts)),
    ]
    rows = {name: [host["questions"][name] for host in hosts.values()] for name in next(iter(hosts.values()))["questions"]}
    rows[f"taking in a run of {found['cases']:,} cases, the last tenth of them"] = [
        host["ingest_ms"] for host in hosts.values()
    ]
    rows["taking in a run that is there"] = [host["known_ms"] for host in hosts.values()]
    for name, row in rows.items():
        cells = [f"{figures['median']:,.1f} | {figures['slowest']:,.1f}" for figures in row]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    sizes = ", ".join(f"{host} {figures['size_mb']:,.0f} MB" for host, figures in hosts.items())
    return "\n".join([*lines, "", f"Size: {sizes}."])


def size_mb(store: Store) -> float:
    """What the store takes on disk."""
    from focal_eval.store.sql import SqlStore

    assert isinstance(store, SqlStore)
    try:
        return round(store.bytes() / 1e6, 1)
    finally:
        store.close()


def every_database(runs: int, cases: int, rounds: int) -> dict[str, Any]:
    """SQLite's figures, and PostgreSQL's where a server can be had."""
    out = {}
    with tempfile.TemporaryDirectory() as folder:
        file = address_of(f"{folder}/store.sqlite")
        out["SQLite"] = measured(lambda: open_store(file, make=True), runs, cases, rounds)
        out["SQLite"]["size_mb"] = size_mb(open_store(file))
    try:
        with throwaway_postgres(settings=()) as url:
            address = address_of(url)
            out["PostgreSQL"] = measured(lambda: open_store(address), runs, cases, rounds)
            out["PostgreSQL"]["size_mb"] = size_mb(open_store(address))
    except NoPostgres as problem:
        print(f"no PostgreSQL here: {problem}", file=sys.stderr)
    return out


def main() -> int:
    """Measures, writes store.json and the table; 1 where an answer took longer than the limit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--quick", action="store_true", help="ten runs of twenty cases; nothing is written")
    parser.add_argument("--render", action="store_true", help="only write the table of store.json again")
    given = parser.parse_args()
    if given.quick:
        given.runs, given.cases = 10, 20
    if not given.render:
        found = {
            "measured_on": datetime.datetime.now(datetime.UTC).date().isoformat(),
            "machine": machine(),
            "runs": given.runs,
            "cases": given.cases,
            "rounds": given.rounds,
            "databases": every_database(given.runs, given.cases, given.rounds),
        }
        if given.quick:
            print(render(found))
            return 0
        RESULTS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    found = json.loads(RESULTS.read_text(encoding="utf-8"))
    rewrite(HERE / "README.md", render(found), "store")
    slow = [
        f"{host}: {name}"
        for host, figures in found["databases"].items()
        for name, times in figures["questions"].items()
        if times["slowest"] > LIMIT_MS
    ]
    print("\n".join(slow) or "every answer within the limit")
    return int(bool(slow))


if __name__ == "__main__":
    raise SystemExit(main())
