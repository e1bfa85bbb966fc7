"""What CONTRIBUTING.md shows is true: its example of a plug-in is installed and used as it stands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS: list[tuple[str, str]] = BLOCK.findall(TEXT)


def block(language: str, number: int = 0) -> str:
    """An example of CONTRIBUTING.md."""
    return [text for found, text in BLOCKS if found == language][number]


@pytest.fixture
def contributed(tmp_path: Path) -> Path:
    """A folder with the example as somebody's installed package, entry point and all."""
    package = tmp_path / "site" / "my_checks"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "questions.py").write_text(block("python"))
    proof = block("python", 1).replace("focal_eval.checks.questions", "my_checks.questions")
    (package / "test_questions.py").write_text(proof)
    (metadata := tmp_path / "site" / "my_checks-1.0.dist-info").mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: my-checks\nVersion: 1.0\n")
    group, key, target = re.findall(r'"([\w.:]+)"', block("toml"))
    (metadata / "entry_points.txt").write_text(f"[{group}]\n{key} = {target}\n")
    (tmp_path / "script.yaml").write_text(
        "turns:\n  - user: hello\n" + "".join(f"    {line}\n" for line in block("yaml").splitlines())
    )
    return tmp_path


def run(*arguments: str, folder: Path, plug_in: bool) -> subprocess.CompletedProcess[str]:
    paths = [str(folder / "site")] if plug_in else []
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_example_of_a_check_keeps_the_contract(contributed: Path) -> None:
    """The test that goes with the example passes."""
    program = "from my_checks.test_questions import *; test_questions_keeps_the_contract()"
    done = run("-c", program, folder=contributed, plug_in=True)
    assert done.returncode == 0, done.stderr


def test_a_script_can_use_the_example_once_it_is_installed(contributed: Path) -> None:
    """The entry point makes the check known, and only the entry point."""
    without = run("-m", "focal_eval", "check", "script.yaml", folder=contributed, plug_in=False)
    assert "error[unknown-check]: no check is named 'questions'" in without.stdout + without.stderr
    done = run("-m", "focal_eval", "check", "script.yaml", folder=contributed, plug_in=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_file_it_names_is_there() -> None:
    """Paths in CONTRIBUTING.md that are not part of an example lead somewhere."""
    outside = BLOCK.sub("", TEXT)
    named = [*re.findall(r"`([\w./-]+\.(?:py|toml|md))`", outside), *re.findall(r"\]\(([\w/]+)\)", outside)]
    assert [path for path in named if not (ROOT / path).exists()] == []
    assert named
