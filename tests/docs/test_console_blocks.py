"""The commands in the README and the guide do what stands beneath them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ELSEWHERE = {"import.md"}  # executed beside the importers, which know its input
PAGES = [ROOT / "README.md", *sorted(page for page in (ROOT / "docs").rglob("*.md") if page.name not in ELSEWHERE)]
BLOCK = re.compile(r"^```console( skip=[\w-]+)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COPIED = ("evals", "scenarios", "docs", "benchmarks")
TITLED = re.compile(r'^```\w+ title="([\w./-]+)"\n(.*?)^```$', re.MULTILINE | re.DOTALL)
FROM_NOTHING = "<!-- commands start in an empty folder -->"


@dataclass
class Step:
    """A command and what must come out of it, in order; `…` stands for anything."""

    command: str
    line: int
    expected: list[str] = field(default_factory=list)


def blocks(page: Path) -> list[list[Step]]:
    """The console blocks of a page; a block marked `skip=sample-data` needs data that lies beside the checkout."""
    text = page.read_text(encoding="utf-8")
    out = []
    for match in BLOCK.finditer(text):
        if match.group(1) and not (ROOT.parent / "shared" / "data").is_dir():
            continue
        steps: list[Step] = []
        first = text[: match.start(2)].count("\n") + 1
        for number, line in enumerate(match.group(2).rstrip("\n").split("\n"), first):
            if line.startswith("$ "):
                steps.append(Step(line[2:], number))
            elif line.startswith("> ") and steps and not steps[-1].expected:
                steps[-1].command += "\n" + line[2:]
            elif steps:
                steps[-1].expected.append(line)
        out.append(steps)
    return out


def same(wanted: str, line: str) -> bool:
    pattern = ".*".join(re.escape(part) for part in wanted.rstrip().split("…"))
    return re.fullmatch(pattern, line.rstrip()) is not None


@pytest.mark.parametrize(
    "page", [page for page in PAGES if BLOCK.search(page.read_text(encoding="utf-8"))], ids=lambda p: p.name
)
def test_commands_of_a_page_print_what_the_page_says(page: Path, tmp_path: Path) -> None:
    """Each command of a page, run in order in a copy of the project, prints the lines beneath it.

    A page that says so starts in an empty folder; the files it shows with a title are there as shown.
    """
    text = page.read_text(encoding="utf-8")
    for name, content in TITLED.findall(text):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content, encoding="utf-8")
    for name in COPIED:
        if FROM_NOTHING not in text and (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns(".work", "__pycache__"))
    beside = tmp_path.parent / "shared"
    if (ROOT.parent / "shared").is_dir() and not beside.exists():
        beside.symlink_to(ROOT.parent / "shared")
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "NO_COLOR": "1",
        "COLUMNS": "120",
        "PYTHONPATH": str(ROOT),
    }
    for steps in blocks(page):
        for step in steps:
            done = subprocess.run(
                ["bash", "-c", step.command],
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                cwd=tmp_path, env=environment, check=False, timeout=110,
            )  # fmt: skip
            lines = done.stdout.split("\n")
            at = 0
            for wanted in step.expected:
                if wanted.strip() == "…":
                    continue
                found = next((index for index in range(at, len(lines)) if same(wanted, lines[index])), None)
                assert found is not None, f"{page.name}:{step.line}: $ {step.command}\nnot printed: {wanted}\n" + "\n".join(
                    lines
                )
                at = found + 1
