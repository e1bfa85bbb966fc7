"""A small project on disk with scripts of every verdict, and pytest run in it as a user would."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import focal_eval.pytest_plugin.joining
import focal_eval.pytest_plugin.replaying  # noqa: F401  # as `import_all` leaves the plug-in out

_BLOCKED = tuple(f"-pno:{name}" for name in ("hypothesispytest", "anyio", "platformdirs", "timeout"))
ROOT = Path(__file__).resolve().parents[2]

BOT = """
def answer(message, conversation):
    if "boom" in message:
        raise RuntimeError("the bot fell over")
    print("asked:", message)
    rules = [rule for word, rule in (("hello", "greet"), ("bye", "goodbye"), ("refund", "refund")) if word in message]
    return {"response": f"You said {message}.", "rules": rules}
"""

SUITE = """
scripts: [../scenarios/**/*.yaml]
engine: {kind: callable, target: bot.py:answer, reports: [rules]}
engines:
  other: {kind: callable, target: bot.py:answer, reports: [rules], deterministic: true}
tags: [nightly]
quarantine:
  - {case: held, owner: anna, expires: 2099-12-31, reason: the next release mends it}
"""

SCRIPTS = {
    "broke.yaml": "turns:\n  - user: hello\n    expect: {rules: [greet]}\n  - user: boom\n    expect: {rules: [greet]}\n",
    "expects-nothing.yaml": "turns:\n  - user: hello\n",
    "greeting.yaml": """title: A greeting is returned
tags: [smoke]
turns:
  - user: hello
    expect: {rules: [greet], response: {contains: hello}}
  - user: bye
    expect: {rules: [goodbye]}
""",
    "held.yaml": "turns:\n  - user: hello\n    expect: {rules: [goodbye]}\n",
    "money/refund.yaml": """title: A refund
tags: [money, skip, two words]
params: {order: [A-1, A-2]}
turns:
  - user: "I want a refund for {{ order }}"
    expect: {rules: [refund], response: {contains: A-1}}
  - user: bye
    expect: {rules: [goodbye]}
""",
    "skipped.yaml": "skip: too dear\nturns:\n  - user: hello\n    expect: {rules: [greet]}\n",
    "xfail-breaks.yaml": "xfail: not built yet\nturns:\n  - user: boom\n    expect: {rules: [greet]}\n",
    "xfail.yaml": "xfail: not built yet\nturns:\n  - user: hello\n    expect: {rules: [goodbye]}\n",
    "xpass.yaml": "xfail: not built yet\nturns:\n  - user: hello\n    expect: {rules: [greet]}\n",
    "fragments/said.yaml": "turns:\n  - user: hello\n",
}

FOREIGN = {
    "docker-compose.yaml": "services: {web: {image: nginx}}\n",
    ".github/workflows/ci.yaml": "on: push\njobs: {}\n",
    "data/odd.yaml": "turns: 5\n",
    "data/broken.yaml": "a: [\n",
    "test_plain.py": "def test_plain():\n    pass\n",
}


def write(folder: Path, files: Mapping[str, str]) -> None:
    """Writes files below a folder."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def build(folder: Path, *scripts: str, suite: str = SUITE) -> Path:
    """The project with these scripts, all of them where none is named; the folder."""
    if scripts and "held.yaml" not in scripts:
        suite = suite.partition("quarantine:")[0]
    write(folder, {"evals/shop.yaml": suite, "evals/bot.py": BOT})
    write(folder, {f"scenarios/{name}": text for name, text in SCRIPTS.items() if not scripts or name in scripts})
    return folder


def installed(folder: Path) -> Path:
    """A folder for the path on which the plug-in is installed as pyproject.toml declares it."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["entry-points"]["pytest11"]
    info = folder / "site" / "focal_eval_declared-1.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: focal-eval-declared\nVersion: 1\n", encoding="utf-8")
    lines = [f"{name} = {target}" for name, target in declared.items()]
    (info / "entry_points.txt").write_text("\n".join(["[pytest11]", *lines, ""]), encoding="utf-8")
    return info.parent


def environment(folder: Path, *first: Path) -> dict[str, str]:
    """What pytest is run with: the plug-in found by its entry point, `first` before all else on the path."""
    paths = [*map(str, first), str(installed(folder)), str(ROOT)]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "GIT_"))}
    return {
        **inherited,
        "PYTHONPATH": os.pathsep.join(paths),
        "FOCAL_EVAL_CACHE": "off",
        "FOCAL_EVAL_AUTHOR": "anna",
        "COLUMNS": "200",
        "NO_COLOR": "1",
    }


def inside(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    """pytest run by this very process, as that is faster; the plug-in is named where it is not installed."""
    here = entry_points(group="pytest11", name="focal_eval")
    named = () if here else ("-p", "focal_eval.pytest_plugin")
    return pytester.runpytest_inprocess(*_BLOCKED, "-p", "no:xdist", *named, *arguments)


def run(project: Path, *arguments: str, first: tuple[Path, ...] = (), python: str = sys.executable) -> tuple[int, str]:
    """pytest's exit code and output, run in the project without the other plug-ins of this machine but xdist."""
    command = [python, "-m", "pytest", *_BLOCKED, *arguments]
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=project,
        env=environment(project.parent, *first),
        check=False,
        timeout=100,
    )
    return done.returncode, done.stdout
