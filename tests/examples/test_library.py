"""The library example: a brain of some size, and scripts that hold every trigger of it."""

from __future__ import annotations

import re
import shutil
from functools import lru_cache
from pathlib import Path

import pytest

from focal_eval.checks.base import as_check
from focal_eval.engines import Names, Setting
from focal_eval.errors import ExitCode, Refused
from focal_eval.evaluate import RunRequest, RunResult, run
from focal_eval.registry import find
from focal_eval.script.load import Loader, files_below
from focal_eval.script.names import expectations_of
from focal_eval.testing import engine_conformance
from tests.examples.retail import ROOT, Silent

BRAIN = ROOT / "evals" / "agents" / "library"
SCRIPTS = ROOT / "scenarios" / "library"
SUITE = ROOT / "evals" / "library.yaml"
CONFIG = find("engines", "rivescript")("agents/library", trust=("desk.rive",))
TRIGGER = re.compile(r"^\s*\+ (.*)$")


@lru_cache(maxsize=1)
def names() -> Names:
    """What the brain names."""
    found: Names = CONFIG.known_names(Setting(ROOT / "evals"))
    return found


def triggers() -> list[str]:
    """The place of every trigger but that of the begin block: `loans.rive:14`."""
    return sorted(name for name in names().rules if re.fullmatch(r"\w+\.rive:\d+", name))


def play(folder: Path, brain: Path) -> RunResult:
    """A run of the whole suite against a brain in a copy of the example."""
    (folder / "evals" / "agents").mkdir(parents=True)
    shutil.copy(SUITE, folder / "evals")
    shutil.copytree(SCRIPTS, folder / "scenarios" / "library")
    shutil.copytree(brain, folder / "evals" / "agents" / "library")
    return run(RunRequest(paths=(folder / "evals" / "library.yaml",), out=folder / "run", reports=()), Silent())


def without(place: str, folder: Path) -> Path:
    """A copy of the brain with one trigger cut out, down to the next command that is not its own."""
    shutil.copytree(BRAIN, folder)
    name, _, line = place.partition(":")
    lines = (folder / name).read_text(encoding="utf-8").split("\n")
    first = int(line) - 1
    assert TRIGGER.match(lines[first]), place
    last = first + 1
    while last < len(lines) and lines[last].strip()[:1] in set("-*@%^") and lines[last].strip()[:1]:
        last += 1
    (folder / name).write_text("\n".join([*lines[:first], *lines[last:]]), encoding="utf-8")
    return folder


def test_it_is_a_brain_of_some_size() -> None:
    """Triggers, flows and macros are as many as a real desk's, and nothing in it is odd to RiveScript."""
    assert len(triggers()) >= 60
    assert len(names().scenarios["library"]) >= 4
    assert len(names().tools) >= 6
    assert names().problems == ()


def test_it_uses_the_whole_language() -> None:
    """Wildcards, optionals, alternatives, arrays, redirects, conditions, `%`, topics that include, variables, macros."""
    text = "\n".join(file.read_text(encoding="utf-8") for file in sorted(BRAIN.glob("*.rive")))
    for part in ("> begin", "! sub", "! array", "+ *", "[*]", "#", " _", "(@day)", "@item", "\n@ ", "{@", "* <get", "% shall",
                 "includes exits", "<set ", "<bot ", "<formal>", "<star2>", "> object", "<call>"):  # fmt: skip
        assert part in text, part


def test_the_suite_passes(tmp_path: Path) -> None:
    """Every case of it, on the brain as it is."""
    result = play(tmp_path, BRAIN)
    assert result.exit_code is ExitCode.OK
    assert len(result.model.cases) >= 30


def test_every_trigger_is_expected_by_name() -> None:
    """No trigger is only passed through: some script says that it matches, in a row of its params at least."""
    files = sorted(files_below(SCRIPTS))
    loaded = Loader(SCRIPTS).load((file, file.stem) for file in files)
    expected = {
        ref.name
        for script in loaded.scripts
        for item in expectations_of(script)
        if item.check is not None
        for ref in as_check(item.check).refs()
        if ref.kind == "rule"
    }
    text = "\n".join(file.read_text(encoding="utf-8") for file in files)
    by_text = {name for name in names().rules if not re.fullmatch(r"\w+\.rive:\d+", name)}
    assert {name for name in by_text - expected if f'"{name}"' not in text and f"rule: {name}," not in text} == set()


def noticed(place: str, folder: Path) -> bool:
    """Whether the suite sees that a trigger is gone: by a failure, or by refusing a name that nobody has any more."""
    try:
        result = play(folder, without(place, folder / "changed"))
    except Refused as refused:
        return {problem.code for problem in refused.diagnostics if problem.severity == "error"} == {"unknown-rule"}
    return result.exit_code is ExitCode.FAILED


@pytest.mark.parametrize("place", triggers()[::9])
def test_a_trigger_that_is_gone_is_noticed(place: str, tmp_path: Path) -> None:
    """Some script fails without it: here one in nine, all of them below."""
    assert noticed(place, tmp_path)


@pytest.mark.slow  # half a second a trigger
@pytest.mark.timeout(900)
def test_no_trigger_can_go_unnoticed(tmp_path: Path) -> None:
    """The suite holds every single trigger of the brain."""
    assert [place for place in triggers() if not noticed(place, tmp_path / place.replace(":", "-"))] == []


def test_the_brain_keeps_the_contract_of_engines() -> None:
    """The conformance kit finds nothing in a whole conversation with it."""
    said = ("Hello!", "I want to renew my books", "104233", "many thanks", "a study room", "for 5 people", "friday")
    engine_conformance(CONFIG, messages=said, setting=Setting(ROOT / "evals"))
