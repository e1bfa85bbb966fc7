"""The scripts and suites in the README can be copied as they stand."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from focal_eval.cli import main

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```yaml\n# (\S+\.yaml)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = BLOCK.findall((ROOT / "README.md").read_text(encoding="utf-8"))


def test_the_readme_shows_a_script_and_a_suite() -> None:
    """There is a script of about ten lines, and a suite."""
    files = [name for name, _ in BLOCKS]
    assert any(name.startswith("scenarios/") for name in files)
    assert any(name.startswith("evals/") for name in files)
    script = next(text for name, text in BLOCKS if name.startswith("scenarios/"))
    assert len(script.splitlines()) <= 10


@pytest.mark.parametrize(("name", "text"), BLOCKS, ids=[name for name, _ in BLOCKS])
def test_what_the_readme_shows_passes(
    name: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each script is put where it says it stands and passes on the example agent; each suite is run."""
    shutil.copytree(ROOT / "evals", tmp_path / "evals")
    shutil.copytree(ROOT / "scenarios", tmp_path / "scenarios")
    monkeypatch.chdir(tmp_path)
    Path(name).write_text(text, encoding="utf-8")
    arguments = [name, "--suite", "evals/retail.yaml"] if name.startswith("scenarios/") else [name]
    assert main(["run", *arguments, "-q", "--report", "none"]) == 0, capsys.readouterr().err
