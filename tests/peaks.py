"""The peak of a command's memory, told by its own process: what `wait4` tells begins with that of the process it came from."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_PEAK_FILE = "PEAK_FILE"
_RUN = f"""
import os, pathlib, sys
from focal_eval.cli.main import main
code = main(sys.argv[1:])
status = pathlib.Path("/proc/self/status").read_text()
kib = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
pathlib.Path(os.environ["{_PEAK_FILE}"]).write_text(kib)
sys.exit(code)
"""


def peak_of(words: list[str], scratch: Path) -> tuple[int, bytes]:
    """The peak in bytes of `focal-eval` with these words, which must end well, and what it printed; Linux alone."""
    told = scratch / "peak.txt"
    environment = os.environ | {"PYTHONPATH": str(ROOT), _PEAK_FILE: str(told)}
    command = [sys.executable, "-c", _RUN, *words]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment, check=True)
    return int(told.read_text()) * 1024, done.stdout
