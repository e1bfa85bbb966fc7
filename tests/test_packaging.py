"""What a user installs: the wheel holds the whole package and works outside the checkout."""

from __future__ import annotations

import email
import os
import site
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

import focal_eval

ROOT = Path(__file__).resolve().parent.parent

AGENT = """\
agent: mug-shop
rules:
  - id: apologise
    when: the customer reports a broken item
    match: {any_words: [broken, cracked]}
    then: apologise
    template: sorry
templates: [{id: sorry, mode: EXCLUSIVE, text: "I am sorry that it is broken."}]
"""
SCRIPT = """\
title: A broken mug
turns:
  - user: My mug arrived broken
    expect:
      rules: [apologise]
      response: {contains: sorry}
"""
SUITE = """\
scripts: [scripts/*.yaml]
engine: {kind: embedded, agent: agent.yaml}
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, built by the project's own backend."""
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a fresh environment that has the wheel, and this one's libraries behind it."""
    home = tmp_path_factory.mktemp("fresh") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home)], check=True)
    python = home / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(python)]
    subprocess.run([*pip, "install", "--quiet", "--no-deps", "--no-index", str(wheel)], check=True, capture_output=True)
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(home), "platbase": str(home)}))
    (packages / "libraries.pth").write_text("\n".join(site.getsitepackages()))
    return home / "bin"


def run(program: Path, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A program run outside the checkout, with nothing of this environment's paths."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run(
        [program, *arguments],
        cwd=folder,
        env={**environment, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_wheel_holds_every_file_of_the_package(wheel: Path) -> None:
    """Pages of error codes, report assets and templates are in it, as they stand in the checkout; nothing else is."""
    with zipfile.ZipFile(wheel) as archive:
        inside = {name for name in archive.namelist() if ".dist-info/" not in name}
    package = ROOT / "focal_eval"
    known = subprocess.run(
        ["git", "ls-files", "-z", "focal_eval"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout
    wanted = {name for name in known.split("\0") if name and (ROOT / name).exists()} or {
        str(file.relative_to(ROOT)) for file in package.rglob("*") if file.is_file() and "__pycache__" not in file.parts
    }
    assert sorted(wanted - inside) == []
    assert sorted(name for name in inside if "__pycache__" in name or not name.startswith("focal_eval/")) == []
    assert {"focal_eval/py.typed", "focal_eval/codes/unknown-key.md"} <= inside


def test_the_wheel_says_what_it_is(wheel: Path) -> None:
    """Version, licence, Python and the extra that brings everything stand in its metadata."""
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        said = email.message_from_bytes(archive.read(metadata))
        licence = [name for name in archive.namelist() if name.endswith("/licenses/LICENSE")]
    assert said["Version"] == focal_eval.__version__
    assert said["License-Expression"] == "MIT"
    assert said["Requires-Python"] == ">=3.11"
    assert "all" in said.get_all("Provides-Extra", [])
    assert len(licence) == 1


def test_the_installed_command_says_its_version(installed: Path, tmp_path: Path) -> None:
    """It is the wheel's code that runs, not the checkout's."""
    where = run(installed / "python", "-c", "import focal_eval; print(focal_eval.__file__)", folder=tmp_path)
    assert Path(where.stdout.strip()).is_relative_to(installed.parent)
    said = run(installed / "focal-eval", "--version", folder=tmp_path)
    assert said.returncode == 0, said.stderr
    assert focal_eval.__version__ in said.stdout


def test_the_installed_command_explains_a_code(installed: Path, tmp_path: Path) -> None:
    """The pages of the error codes are found where the package lies."""
    said = run(installed / "focal-eval", "explain", "unknown-key", folder=tmp_path)
    assert said.returncode == 0, said.stderr
    assert "unknown-key" in said.stdout


def test_the_installed_command_checks_and_runs_a_suite(installed: Path, tmp_path: Path) -> None:
    """A small suite is checked, replayed and reported with nothing but the wheel."""
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "broken-mug.yaml").write_text(SCRIPT)
    (tmp_path / "agent.yaml").write_text(AGENT)
    (tmp_path / "suite.yaml").write_text(SUITE)
    checked = run(installed / "focal-eval", "check", "suite.yaml", folder=tmp_path)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    ran = run(installed / "focal-eval", "run", "suite.yaml", "--out", "out", "--report", "html,junit", folder=tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert {"run.json", "journal.jsonl", "report.html", "junit.xml"} <= {file.name for file in (tmp_path / "out").iterdir()}
