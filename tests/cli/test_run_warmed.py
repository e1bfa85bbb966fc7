"""What a run loads once is there before its first turn, and a small run loads no more than it needs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

DESK = """
import json, pathlib, sys

def answer(message, context):
    seen = pathlib.Path("first.json")
    if not seen.exists():
        names = ("focal_eval.checks.text", "focal_eval.checks.rules", "rapidfuzz", "difflib")
        seen.write_text(json.dumps([name for name in names if name in sys.modules]))
    return {"response": "On its way."}
"""
SUITE = """
title: Desk
scripts: [talk.yaml]
engine: {kind: callable, target: desk.py:answer, reports: [response]}
gates: {pass_rate: {min: 0}}
"""
TALK = "title: Talk\nturns:\n  - {user: hello, expect: {response: {contains: nothing of the kind}}}\n"


def loaded_before_the_first_turn(folder: Path, repeats: int) -> list[str]:
    for name, text in (("desk.py", DESK), ("suite.yaml", SUITE), ("talk.yaml", TALK)):
        (folder / name).write_text(text)
    words = ["run", "suite.yaml", "--repeats", str(repeats), "--out", "run", "-q", "--report", "none"]
    for _ in range(2):  # the second time with the cache of scripts
        (folder / "first.json").unlink(missing_ok=True)
        command = [sys.executable, "-m", "focal_eval", *words]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        words[-4] = "again"
    found: list[str] = json.loads((folder / "first.json").read_text())
    return found


@pytest.mark.parametrize(("repeats", "library"), [(1, False), (300, True)])
def test_a_run_loads_its_checks_before_its_first_turn(tmp_path: Path, repeats: int, library: bool) -> None:
    """The first conversation waits for nothing that others do not; what words failures is loaded ahead of many turns only."""
    found = loaded_before_the_first_turn(tmp_path, repeats)
    assert "focal_eval.checks.text" in found
    assert "focal_eval.checks.rules" not in found  # no script asks for it
    assert ("rapidfuzz" in found) is library
