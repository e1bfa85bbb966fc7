"""How fast `focal-eval whatif` goes through recordings, and how much memory it takes: the sample data, told ever more often.

.venv/bin/python benchmarks/whatif.py [TIMES ...]        default: 1 6 59; needs ../shared/data beside the checkout
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT.parent / "shared" / "data"
AGENT = ROOT / "evals" / "agents" / "retail.yaml"
EDITS = (("any_words: [return*, send back", "any_words: [return*, refund*, send back"), ("exchange*, swap*,", "exchange*,"))


def recordings(folder: Path, times: int) -> None:
    """The sample dialogues as one JSON list, the sample runs a line each, both told so often."""
    dialogues = json.loads((DATA / "sgd-dev" / "dialogues_003.json").read_text(encoding="utf-8"))
    runs = json.loads(next((DATA / "tau-bench-trajectories").glob("*.json")).read_text(encoding="utf-8"))
    with (folder / "sgd.json").open("w", encoding="utf-8") as stream:
        for place in range(times):
            text = json.dumps([{**one, "dialogue_id": f"{one['dialogue_id']}-{place}"} for one in dialogues], indent=1)
            stream.write(("[" if place == 0 else ",") + text[1:-1])
        stream.write("]")
    with (folder / "tau.jsonl").open("w", encoding="utf-8") as stream:
        for place in range(times):
            stream.writelines(json.dumps({**one, "trial": one["trial"] + 4 * place}) + "\n" for one in runs)


def candidate(folder: Path) -> Path:
    """The retail agent with two edited triggers."""
    text = AGENT.read_text(encoding="utf-8")
    for before, after in EDITS:
        assert before in text, f"{AGENT} has no '{before}' any more"
        text = text.replace(before, after)
    path = folder / "candidate.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def measured(folder: Path, new: Path, workers: int) -> tuple[float, float, float, dict[str, int]]:
    """Wall seconds, CPU seconds, peak MiB of the largest process, and the document."""
    command = [sys.executable, "-m", "focal_eval", "whatif", str(folder), "--agent", str(AGENT), "--candidate", str(new)]
    began = time.perf_counter()
    with subprocess.Popen(
        [*command, "--workers", str(workers), "--json"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        found = json.loads(process.stdout.read())
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return time.perf_counter() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, found


def main(times: list[int]) -> None:
    print("| turns | processes | changed | wall s | turns/s | CPU s | peak MiB a process |")
    print("|---:|---:|---:|---:|---:|---:|---:|")
    for count in times:
        with tempfile.TemporaryDirectory() as scratch:
            told = Path(scratch, "told")
            told.mkdir()
            recordings(told, count)
            for workers in (1, 2):
                wall, cpu, peak, found = measured(told, candidate(Path(scratch)), workers)
                turns = found["turns"]
                row = (
                    f"{turns:,}",
                    workers,
                    f"{found['changed']:,}",
                    f"{wall:.1f}",
                    f"{turns / wall:,.0f}",
                    f"{cpu:.1f}",
                    f"{peak:.0f}",
                )
                print("| " + " | ".join(map(str, row)) + " |", flush=True)


if __name__ == "__main__":
    if not DATA.is_dir():
        sys.exit("the sample data lies in ../shared/data beside the checkout; it is not there")
    main([int(word) for word in sys.argv[1:]] or [1, 6, 59])
