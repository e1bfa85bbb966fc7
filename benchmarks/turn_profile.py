"""Where the time of a turn goes: one run under the profiler, its time told by room of the package.

    python benchmarks/turn_profile.py [CONVERSATIONS]

The profiler makes Python dearer than C, so the shares say where to look, not how long it takes.
"""

from __future__ import annotations

import contextlib
import cProfile
import io
import os
import pstats
import shutil
import sys
import time
from collections import Counter
from pathlib import Path

from large import TURNS, data

HERE = Path(__file__).resolve().parent
WORK = HERE / ".work"
PARTS = {
    "reading scripts and planning": ("document/", "script/", "evaluate/", "runner/plan", "runner/repeats", "pattern", "yaml"),
    "playing: engine, session, event loop": ("engines/", "runner/opening", "runner/limits", "asyncio", "desk.py", "selectors"),
    "judging": ("checks/", "runner/judge", "runner/ready", "runner/scope", "records/", "text.py"),
    "journal: redact, seal, write, index": ("runner/journal", "runner/seal", "runner/reading", "runner/redact", "runner/index"),
    "conducting: schedule, attempt, lines": ("runner/", "report/progress", "clock"),
    "reports": ("report/", "jinja2", "markupsafe"),
}
Function = tuple[str, int, str]


def part_of(function: Function) -> str:
    """The part of a run a function belongs to."""
    name = function[0].replace(os.sep, "/")
    return next((part for part, marks in PARTS.items() if any(mark in name for mark in marks)), "start-up and the rest")


def shares(stats: pstats.Stats) -> Counter[str]:
    """Seconds of each part; what is written in C counts where it is called from."""
    out: Counter[str] = Counter()
    for function, (_, _, own, _, callers) in stats.stats.items():  # type: ignore[attr-defined]  # typeshed hides it
        if function[0] != "~" or not callers:
            out[part_of(function)] += own
            continue
        for caller, (_, _, spent, _) in callers.items():
            out[part_of(caller)] += spent
    return out


def main() -> int:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 5_000
    suite, out = data(WORK, count) / "suite.yaml", WORK / "large" / "profile"
    os.environ["FOCAL_EVAL_CACHE"] = str(WORK / "large" / "cache")
    from focal_eval.cli.main import main as focal_eval

    profiler = cProfile.Profile(time.process_time)  # other work on the machine is no part of it
    for measured in (False, True):
        shutil.rmtree(out, ignore_errors=True)
        with contextlib.redirect_stdout(io.StringIO()):
            if measured:
                profiler.enable()
            focal_eval(["run", str(suite), "--out", str(out), "-q"])
            profiler.disable()
    found = shares(pstats.Stats(profiler))
    print("| part | share | µs a turn, profiled |\n|---|---:|---:|")
    for part, seconds in found.most_common():
        print(f"| {part} | {seconds / found.total():.0%} | {seconds / (count * TURNS) * 1e6:.0f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
