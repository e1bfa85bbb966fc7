"""How big, how quick and how hungry the regression report is, beside another tool's report on as many results.

`python benchmarks/page.py [--cases 10000] [--turns 5] [--rounds 3] [--no-peer]` writes a comparison of so many conversations,
opens it in headless Chromium and prints a row of figures: the file's size, the time to write it, first paint, the time until
the list can be used, the slowest keystroke of a filter, opening a conversation, and the memory of all of the browser's
processes: with an empty page, right after everything was searched and filtered letter by letter, and a few seconds later.
Playwright's own html report is opened in turn, ours, theirs, ours, theirs; each figure is the median of the rounds.
`--write` keeps the figures in page.json and the table in README.md, `--render` prints that table.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import page_peer
from peers_environment import Peers
from run import machine
from tables import render_page, rewrite

from focal_eval.compare import Masks, compare_cases, grouped
from focal_eval.compare.model import CaseChange, Comparison, RecordedCase, Side
from focal_eval.compare.stats import measured, statistics_of
from focal_eval.evaluate.recorded_cases import recorded
from focal_eval.report import ReportModel, read_run
from focal_eval.report.comparison import ComparisonView, write

LIMITS = {"file_mb": 25.0, "first_paint_ms": 1000.0, "keystroke_ms": 100.0, "memory_mb": 500.0}
HERE = Path(__file__).resolve().parent
RESULTS = HERE / "page.json"
SETTLING_MS = 4_000  # until a browser has thrown away what it no longer needs
QUERY = "verdict:changed rule:apologise refund"


def compared(before: ReportModel, after: ReportModel) -> ComparisonView:
    """Two runs, compared case by case."""
    sides = [{case.name: case for case in model.cases} for model in (before, after)]

    def one(change: CaseChange, place: int) -> Sequence[RecordedCase]:
        case = sides[place].get(change.name)
        return [] if case is None else [recorded((before, after)[place], case)]

    masks = Masks()
    cases = tuple(
        compare_cases(recorded(before, sides[0][name]), recorded(after, sides[1][name]), masks)
        for name in sides[0]
        if name in sides[1]
    )
    comparison = Comparison(Side("baseline", "run"), Side("candidate", "run"), cases, grouped(cases, None), None)
    statistics = statistics_of(_measured(before), _measured(after))
    return ComparisonView(
        comparison,
        lambda change: one(change, 0),
        lambda change: one(change, 1),
        (),
        statistics.as_json(),
        before.header,
        after.header,
    )


def _measured(model: ReportModel) -> Iterator[Any]:
    return (measured(recorded(model, case)) for case in model.cases)


def sample_runs(folder: Path, cases: int, turns: int) -> tuple[ReportModel, ReportModel]:
    """A run and one in which every 37th conversation failed and every 9th says something else."""
    from tests.report.sample_run import write_run
    from tests.report.sample_volume import volume_cases

    before = volume_cases(cases, turns, broken_every=10**9)
    write_run(folder / "before", before)
    after = volume_cases(cases, turns, broken_every=10**9)
    failing = volume_cases(cases, turns, broken_every=37)
    for number, case in enumerate(after):
        if number % 37 == 36:
            case.attempts = failing[number].attempts
        if number % 9 == 0:
            said = case.attempts[0].turns[turns // 2]
            assert said.reply is not None
            said.reply = _reworded(said.reply)
    write_run(folder / "after", after)
    return read_run(folder / "before"), read_run(folder / "after")


def _reworded(reply: Any) -> Any:
    from dataclasses import replace

    return replace(reply, response=f"Certainly. {reply.response}")


def memory_mb(pids: Sequence[int]) -> float:
    """Memory that these processes have for themselves, and their part of what they share."""
    total = 0
    for pid in pids:
        rollup = Path(f"/proc/{pid}/smaps_rollup")
        try:
            total += sum(int(line.split()[1]) for line in rollup.read_text().splitlines() if line.startswith("Pss:"))
        except (OSError, IndexError):
            continue
    return total / 1024


def descendants(pid: int) -> list[int]:
    """A process and all that it started."""
    parents: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            parents.setdefault(int(fields[1]), []).append(int(folder.name))
    out = [pid]
    for one in out:
        out += parents.get(one, [])
    return out


def opened(url: str, *, ours: bool) -> dict[str, float]:
    """The figures of one page in a fresh browser."""
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert path is not None, "no Chromium here"
    with sync_playwright() as driver:
        already = set(descendants(os.getpid()))
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto("data:text/html,<title>empty</title><p>empty")
        page.wait_for_timeout(SETTLING_MS)  # until the browser has started what it starts with any page
        blank = memory_mb([pid for pid in descendants(os.getpid()) if pid not in already])
        begun = time.perf_counter()
        page.goto(url)
        page.wait_for_selector("#list .row, article.cause" if ours else page_peer.SEEN, timeout=120_000)
        usable = 1000 * (time.perf_counter() - begun)
        paint = page.evaluate("() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? -1")
        out = {"first_paint_ms": paint, "usable_ms": usable, "blank_mb": blank}
        out |= _used(page) if ours else page_peer.used(page)
        out["peak_mb"] = memory_mb([pid for pid in descendants(os.getpid()) if pid not in already])
        page.wait_for_timeout(SETTLING_MS)
        out["memory_mb"] = memory_mb([pid for pid in descendants(os.getpid()) if pid not in already])
        browser.close()
    return {name: round(figure, 1) for name, figure in out.items()}


def _used(page: Any) -> dict[str, float]:
    """A filter typed letter by letter, once what was said has been read, and a conversation opened."""
    slowest = """async (text) => {
      const search = document.getElementById('search');
      let slowest = 0;
      for (let length = 1; length <= text.length; length += 1) {
        search.value = text.slice(0, length);
        const begun = performance.now();
        search.dispatchEvent(new Event('input', { bubbles: true }));
        document.body.getBoundingClientRect();
        slowest = Math.max(slowest, performance.now() - begun);
        await new Promise((resolve) => requestAnimationFrame(resolve));
      }
      return slowest;
    }"""
    first = page.evaluate(slowest, QUERY)
    begun = time.perf_counter()
    while "Looking through" in page.inner_text("#query-problem"):
        page.wait_for_timeout(50)
    read = 1000 * (time.perf_counter() - begun)
    again = page.evaluate(slowest, QUERY)
    opening = """async () => {
      const begun = performance.now();
      document.querySelector('.row-link').click();
      while (!document.getElementById('case-title')) await new Promise((resolve) => setTimeout(resolve, 1));
      return performance.now() - begun;
    }"""
    return {"keystroke_ms": max(first, again), "words_read_ms": read, "conversation_ms": page.evaluate(opening)}


def _rounds(page: Path, peer: Path | None, rounds: int) -> tuple[dict[str, float], dict[str, float]]:
    """The medians of each figure of both pages, opened in turn so that other work on the machine falls on both."""
    ours, theirs = [], []
    for _ in range(rounds):
        ours.append(opened(page.as_uri(), ours=True))
        if peer is not None:
            theirs.append(opened((peer / "index.html").resolve().as_uri(), ours=False))
    return _median(ours), _median(theirs)


def _median(rounds: Sequence[dict[str, float]]) -> dict[str, float]:
    return {name: round(statistics.median(one[name] for one in rounds), 1) for name in (rounds[0] if rounds else ())}


def _peer(folder: Path, figures: dict[str, float]) -> dict[str, Any]:
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return {"name": f"Playwright {page_peer.version()}", "file_mb": round(size / 1e6, 2), **figures}


def main() -> int:
    """Prints the figures as JSON; 1 where one is over its limit."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3, help="how often each page is opened; figures are medians")
    parser.add_argument("--no-peer", action="store_true", help="measure our page alone")
    parser.add_argument("--work", type=Path, default=HERE / ".work", help="scratch folder (default: benchmarks/.work)")
    parser.add_argument("--write", action="store_true", help="keep the figures in page.json and their table in README.md")
    parser.add_argument("--render", action="store_true", help="print the table of page.json and measure nothing")
    arguments = parser.parse_args()
    if arguments.render:
        print(render_page(json.loads(RESULTS.read_text())))
        return 0
    peer, missing = (None, "not asked for")
    if not arguments.no_peer:
        peer, missing = page_peer.report(Peers(arguments.work.resolve()), arguments.cases, arguments.turns)
    with tempfile.TemporaryDirectory() as folder:
        view = compared(*sample_runs(Path(folder), arguments.cases, arguments.turns))
        begun = time.perf_counter()
        page = write(view, Path(folder) / "comparison.html")
        figures = {"file_mb": round(page.stat().st_size / 1e6, 2), "written_s": round(time.perf_counter() - begun, 1)}
        del view
        ours, theirs = _rounds(page, peer, arguments.rounds)
    figures |= ours
    found: dict[str, Any] = {
        "measured_on": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": machine(),
        "cases": arguments.cases,
        "turns": arguments.turns,
        "rounds": arguments.rounds,
        "limits": LIMITS,
        "ours": figures,
        "peer": {"name": f"Playwright {page_peer.version()}", "missing": missing} if peer is None else _peer(peer, theirs),
    }
    over = [name for name, limit in LIMITS.items() if figures[name] > limit]
    print(json.dumps(found | {"over": over}, indent=2))
    if arguments.write:
        RESULTS.write_text(json.dumps(found, indent=1) + "\n")
        rewrite(HERE / "README.md", render_page(found), "page")
    return int(bool(over))


if __name__ == "__main__":
    raise SystemExit(main())
