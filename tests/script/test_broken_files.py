"""The broken files of `broken/`: each says in its first lines what is found in it, and nothing else is."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from focal_eval.errors import Diagnostic
from focal_eval.evaluate import check_paths

ROOT = Path(__file__).resolve().parent.parent.parent
BROKEN = Path("tests/script/broken")
FILES = sorted(path.relative_to(ROOT) for path in (ROOT / BROKEN).rglob("*.yaml"))
EXPECT = re.compile(r"# expect: (.+)")
MEANT = re.compile(r"did you mean '(.*)'\?\Z")


def expected(path: Path) -> list[str]:
    """What the head of a file announces, a line each: `7:9 unknown-check did-you-mean=contains`."""
    found = [match[1] for line in (ROOT / path).read_text(encoding="utf-8").split("\n") if (match := EXPECT.match(line))]
    assert found, f"{path} announces nothing"
    return [line for line in found if line != "nothing"]


def announced(item: Diagnostic) -> str:
    """A diagnostic in the words of those lines."""
    words = [f"{item.span.line}:{item.span.column}"]
    words += ["warning"] if item.severity == "warning" else []
    words.append(item.code)
    if item.help:
        meant = MEANT.match(item.help)
        words.append(f"did-you-mean={meant[1]}" if meant else f"fix={item.help}")
    return " ".join(words)


def test_one_pass_finds_what_every_file_announces(monkeypatch: pytest.MonkeyPatch) -> None:
    """All mistakes of all files at once: each at its place, with its code and its way out, and nothing beside them."""
    monkeypatch.chdir(ROOT)
    found: dict[Path, list[str]] = {path: [] for path in FILES}
    for item in check_paths([BROKEN]).problems:
        found[Path(item.span.file)].append(announced(item))
    assert found == {path: expected(path) for path in FILES}


def test_the_files_are_many_and_small() -> None:
    """The corpus is worth its name: a file shows one mistake, two at most, and what follows from it."""
    assert len(FILES) >= 100
    assert {path for path in FILES if len(expected(path)) > 2} == set()
    assert len({line.split()[1] for path in FILES for line in expected(path)}) > 40


def test_the_command_says_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """`focal-eval check FOLDER --format concise` prints a line a problem, counts on the side, and refuses."""
    command = [sys.executable, "-m", "focal_eval", "check", str(BROKEN), "--format", "concise"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 2
    said = re.compile(r"(tests/script/broken/[^:]+):(\d+:\d+): (error|warning)\[([a-z0-9-]+)\]: .+")
    lines = [said.fullmatch(line) for line in done.stdout.splitlines()]
    assert all(lines)
    found = sorted((line[1], line[2], line[3], line[4]) for line in lines if line)
    wanted = []
    for path in FILES:
        for line in expected(path):
            place, *words = line.split()
            severity = words.pop(0) if words[0] == "warning" else "error"
            wanted.append((path.as_posix(), place, severity, words[0]))
    assert found == sorted(wanted)
    errors = sum(severity == "error" for _, _, severity, _ in wanted)
    assert done.stderr.startswith(f"{errors} errors and {len(wanted) - errors} warnings in ")


ALONE = [path for path in FILES if expected(path) and "warning" not in "".join(expected(path)) and "circle" not in path.stem]


@pytest.mark.parametrize("path", ALONE, ids=str)
def test_a_file_alone_is_refused_as_well(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is wrong in a file is found when it is named alone, but for names that only its agent does not know."""
    monkeypatch.chdir(ROOT)
    if "references" in path.parts and "two-mistakes" not in path.stem:
        assert check_paths([path]).problems == []
        agent = BROKEN / "agents" / "desk.yaml"
        assert [announced(item) for item in check_paths([path], agent).problems] == expected(path)
    else:
        found = [announced(item) for item in check_paths([path]).problems if Path(item.span.file) == path]
        assert found == expected(path)
