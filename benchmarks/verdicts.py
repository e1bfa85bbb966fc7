"""How many conversations a job passed and failed, read from the results it left on disk.

    python benchmarks/verdicts.py KIND FOLDER

Runs as a process of its own, so that a large result file does not swell the process that measures.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

Counts = dict[str, int]


def counts(verdicts: list[bool]) -> Counts:
    """The two numbers every job must agree on."""
    return {"passed": sum(verdicts), "failed": len(verdicts) - sum(verdicts)}


def bare(folder: Path) -> Counts:
    passed: dict[str, bool] = {}
    with (folder / "out.jsonl").open("rb") as lines:
        for line in lines:
            turn = json.loads(line)
            passed[turn["conversation"]] = passed.get(turn["conversation"], True) and all(turn["passed"])
    return counts(list(passed.values()))


def pytest(folder: Path) -> Counts:
    suite = ElementTree.parse(folder / "out.xml").getroot().find("testsuite")
    assert suite is not None
    failed = int(suite.attrib["failures"])
    return {"passed": int(suite.attrib["tests"]) - failed, "failed": failed}


def pydantic_evals(folder: Path) -> Counts:
    report = json.loads((folder / "out.json").read_bytes())
    return counts([all(check["value"] for check in case["assertions"].values()) for case in report["cases"]])


def promptfoo(folder: Path) -> Counts:
    results = json.loads((folder / "out.json").read_bytes())["results"]["results"]
    return counts([result["success"] for result in results])


def focal_eval(folder: Path) -> Counts:
    run = json.loads((folder / "run" / "run.json").read_bytes())["counts"]
    return {"passed": run.get("passed", 0), "failed": sum(run.values()) - run.get("passed", 0)}


READERS: dict[str, Callable[[Path], Counts]] = {
    "bare": bare,
    "pytest": pytest,
    "pydantic-evals": pydantic_evals,
    "promptfoo": promptfoo,
    "focal-eval": focal_eval,
}


if __name__ == "__main__":
    print(json.dumps(READERS[sys.argv[1]](Path(sys.argv[2]))))
