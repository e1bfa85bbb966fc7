"""The guide to adapters: its excerpts are the code as it stands, its small adapter can be installed and run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "guide" / "write-an-adapter.md").read_text(encoding="utf-8")
EXCERPT = re.compile(r"^<!-- from (\S+) -->\n```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TITLED = dict(re.findall(r'^```\w+ title="([\w./-]+)"\n(.*?)^```$', GUIDE, re.MULTILINE | re.DOTALL))


def test_there_are_excerpts_of_each_part() -> None:
    """The configuration, the mapping, the names and the process are shown."""
    assert {file for file, _ in EXCERPT.findall(GUIDE)} >= {
        f"focal_eval/engines/rivescript{part}.py" for part in ("", "_brain", "_worker")
    }


@pytest.mark.parametrize(("file", "text"), EXCERPT.findall(GUIDE))
def test_an_excerpt_is_the_code_as_it_stands(file: str, text: str) -> None:
    """A changed line in the engine changes the guide."""
    assert text in (ROOT / file).read_text(encoding="utf-8")


def installed(folder: Path) -> dict[str, str]:
    """The guide's files in a folder, known to Python as `pip install .` makes them known; the environment to run in."""
    for name, text in TITLED.items():
        (folder / name).write_text(text, encoding="utf-8")
    project = tomllib.loads(TITLED["pyproject.toml"])["project"]
    info = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    points = [f"[{group}]\n" + "".join(f"{name} = {target}\n" for name, target in known.items())
              for group, known in project["entry-points"].items()]  # fmt: skip
    (info / "entry_points.txt").write_text("\n".join(points), encoding="utf-8")
    return {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}", "NO_COLOR": "1"}


def ran(folder: Path, environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "focal_eval", *words]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, check=False)


def test_the_small_adapter_is_found_and_run(tmp_path: Path) -> None:
    """Its name is a `kind`: the suite passes, and fails where the brain says something else."""
    environment = installed(tmp_path)
    done = ran(tmp_path, environment, "run", "suite.yaml", "--out", "first", "--report", "none")
    assert done.returncode == 0, done.stdout + done.stderr
    brain = tmp_path / "desk.rive"
    brain.write_text(brain.read_text(encoding="utf-8").replace("is renewed", "is gone"), encoding="utf-8")
    done = ran(tmp_path, environment, "run", "suite.yaml", "--out", "second", "--report", "none")
    assert done.returncode == 1, done.stdout + done.stderr


def test_its_name_is_among_those_that_are_known(tmp_path: Path) -> None:
    """A slip of the fingers is told the plug-in's name, and its fields are checked as those of any engine."""
    environment = installed(tmp_path)
    suite = tmp_path / "suite.yaml"
    suite.write_text(TITLED["suite.yaml"].replace("kind: desk", "kind: deskk"), encoding="utf-8")
    done = ran(tmp_path, environment, "check", "suite.yaml")
    assert "did you mean 'desk'?" in done.stdout
    suite.write_text(TITLED["suite.yaml"].replace("brain:", "brian:"), encoding="utf-8")
    done = ran(tmp_path, environment, "check", "suite.yaml")
    assert "did you mean 'brain'?" in done.stdout
