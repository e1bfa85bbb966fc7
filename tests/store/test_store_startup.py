"""A run without a store loads nothing of one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.cli.shop import build

PROGRAM = """
import sys
from focal_eval.cli import main
main(["run", "suite.yaml", "--out", "run", "-q", "--report", "none"])
print(sorted(name for name in sys.modules if name.startswith(("focal_eval.store", "sqlalchemy", "alembic", "sqlite3"))))
"""


def test_a_run_without_a_store_loads_nothing_of_one(tmp_path: Path) -> None:
    """Neither the room nor a database's library: starting is as quick as it was."""
    build(tmp_path)
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
