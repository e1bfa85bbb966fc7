"""The commands in the README and the guide do what stands beneath them."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.pytest_plugin.project import installed

ROOT = Path(__file__).resolve().parents[2]
ELSEWHERE = {"cluster.md", "import.md", "judges.md", "semantic.md", "simulated-personas.md"}
"""Pages whose commands tests of their own run: where there is a cluster, an input, a judge, an encoder, a model."""
PAGES = [ROOT / "README.md", *sorted(page for page in (ROOT / "docs").rglob("*.md") if page.name not in ELSEWHERE)]
BLOCK = re.compile(r"^```console(?: (skip=[\w-]+|terminal=server))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COPIED = ("evals", "scenarios", "docs", "benchmarks")
TITLED = re.compile(r'^```\w+ title="([\w./-]+)"\n(.*?)^```$', re.MULTILINE | re.DOTALL)
PAGES_URL = "http://127.0.0.1:8787"  # where pages say that an agent is served
FROM_NOTHING = "<!-- commands start in an empty folder -->"


@dataclass
class Step:
    """A command and what must come out of it, in order; `…` stands for anything."""

    command: str
    line: int
    expected: list[str] = field(default_factory=list)
    serves: bool = False  # it goes on in a terminal of its own until the page ends


def steps_of(page: Path) -> list[Step]:
    """The commands of a page's console blocks; a block marked `skip=sample-data` needs data that lies beside the checkout."""
    text = page.read_text(encoding="utf-8")
    steps: list[Step] = []
    for match in BLOCK.finditer(text):
        if match.group(1) == "skip=sample-data" and not (ROOT.parent / "shared" / "data").is_dir():
            continue
        block: list[Step] = []
        first = text[: match.start(2)].count("\n") + 1
        for number, line in enumerate(match.group(2).rstrip("\n").split("\n"), first):
            if line.startswith("$ "):
                block.append(Step(line[2:], number, serves=match.group(1) == "terminal=server"))
            elif line.startswith("> ") and block and not block[-1].expected:
                block[-1].command += "\n" + line[2:]
            elif block:
                block[-1].expected.append(line)
        steps += block
    return steps


def printed(step: Step, environment: dict[str, str], folder: Path, timeout: int = 110) -> str:
    """What a command of a page prints in a folder."""
    done = subprocess.run(
        ["bash", "-c", step.command],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        cwd=folder, env=environment, check=False, timeout=timeout,
    )  # fmt: skip
    return done.stdout


def compare(step: Step, said: str, where: str) -> None:
    """Holds that the lines of the page are printed, in their order."""
    lines = said.split("\n")
    at = 0
    for wanted in step.expected:
        if wanted.strip() == "…":
            continue
        found = next((index for index in range(at, len(lines)) if same(wanted, lines[index])), None)
        assert found is not None, f"{where}:{step.line}: $ {step.command}\nnot printed: {wanted}\n{said}"
        at = found + 1


def same(wanted: str, line: str) -> bool:
    pattern = ".*".join(re.escape(part) for part in wanted.rstrip().split("…"))
    return re.fullmatch(pattern, line.rstrip()) is not None


@contextmanager
def server(step: Step, environment: dict[str, str], folder: Path, page: str) -> Iterator[str]:
    """A command that serves, on a port that is free instead of the page's; gives the URL. At the end Ctrl-C, which it obeys."""
    command = [*shlex.split(step.command), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=folder, env=environment) as process:
        try:
            assert process.stdout is not None
            said = process.stdout.readline()
            url = re.search(r"http://127\.0\.0\.1:\d+", said)
            assert url is not None, f"{page}:{step.line}: $ {step.command}\nserves nothing: {said}"
            compare(step, said.replace(url[0], PAGES_URL), page)
            yield url[0]
        finally:
            process.send_signal(signal.SIGINT)
            code = process.wait(20)
        assert code == 0, f"{page}:{step.line}: $ {step.command}\nended with {code}"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where every page finds its copy of the project: at one path, so that the cache of scripts serves them all."""
    return tmp_path_factory.mktemp("pages")


LONG = {
    *("baselines.md", "bisect.md", "cassette.md", "compare.md", "coverage.md", "impact.md", "minimise.md", "mutation.md"),
    *("pytest.md", "rejudge.md", "serve.md", "store.md", "whatif.md"),
}
"""Executed by `make prove`: their verbs have quicker tests of their own."""


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, id=page.name, marks=[pytest.mark.slow] if page.name in LONG else [])
        for page in PAGES
        if BLOCK.search(page.read_text(encoding="utf-8"))
    ],
)
def test_commands_of_a_page_print_what_the_page_says(page: Path, warmed: Path, place: Path) -> None:
    """Each command of a page, run in order in a copy of the project, prints the lines beneath it.

    A page that says so starts in an empty folder; the files it shows with a title are there as shown.
    """
    project = place / "project"
    shutil.rmtree(project, ignore_errors=True)
    project.mkdir()
    environment = prepared(page, project) | {"FOCAL_EVAL_CACHE": str(place / "cache")}
    environment["PATH"] = f"{warmed}{os.pathsep}{environment['PATH']}"
    with ExitStack() as serving:
        for step in steps_of(page):
            if step.serves:
                environment["FOCAL_EVAL_SERVED"] = serving.enter_context(server(step, environment, project, page.name))
                continue
            said = printed(step, environment, project, timeout=280)
            compare(step, said.replace(environment.get("FOCAL_EVAL_SERVED", PAGES_URL), PAGES_URL), page.name)


def prepared(page: Path, folder: Path) -> dict[str, str]:
    """Puts what a page's commands need into the folder; gives the environment they run in."""
    text = page.read_text(encoding="utf-8")
    for name in COPIED:
        if FROM_NOTHING not in text and (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns(".work", "__pycache__"))
    for name, content in TITLED.findall(text):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")
    beside = folder.parent / "shared"
    if (ROOT.parent / "shared").is_dir() and not beside.exists():
        beside.symlink_to(ROOT.parent / "shared")
    return {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "NO_COLOR": "1",
        "COLUMNS": "120",
        "PYTHONPATH": os.pathsep.join([str(installed(folder.parent)), str(ROOT)]),  # with the plug-in's entry point
    }
