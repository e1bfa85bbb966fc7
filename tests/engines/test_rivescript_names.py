"""Names in scripts are looked up in the brain before anything is run."""

from __future__ import annotations

from pathlib import Path

import pytest

from focal_eval.errors import Diagnostic
from focal_eval.evaluate import check_paths

BRAIN = (
    "+ hello [*]\n- <call>look_up it</call>{topic=booking}\n> topic booking\n+ yes\n- no\n< topic\n> object look_up python\n"
)
BRAIN += "    return 'x'\n< object\n"


def found(folder: Path, expect: str, brain: str = "desk.rive", more: str = "") -> list[Diagnostic]:
    """What checking a suite finds whose one script expects this."""
    (folder / "desk.rive").write_text(BRAIN, encoding="utf-8")
    script = f"turns:\n  - user: hello\n    expect: {expect}\n{more}"
    (folder / "hello.yaml").write_text(script, encoding="utf-8")
    suite = f"scripts: [hello.yaml]\nengine: {{kind: rivescript, brain: {brain}}}\n"
    (folder / "suite.yaml").write_text(suite, encoding="utf-8")
    return check_paths([folder / "suite.yaml"]).problems


def test_names_of_the_brain_are_known(tmp_path: Path) -> None:
    """A trigger's text, its place, its topic, a macro and its words."""
    everything = '{rules: ["hello [*]", "desk.rive:1", "booking/yes"], scenario: desk/booking, tools: [{look_up: {words: it}}]}'
    assert found(tmp_path, everything) == []


@pytest.mark.parametrize(
    ("expect", "code", "fix"),
    [
        ('{rules: ["helo [*]"]}', "unknown-rule", "did you mean 'hello [*]'?"),
        ('{rules: ["desk.rive:2"]}', "unknown-rule", "did you mean 'desk.rive:4'?"),
        ("{scenario: desk/bookings}", "unknown-step", "did you mean 'booking'?"),
        ("{scenario: dask/booking}", "unknown-scenario", "did you mean 'desk'?"),
        ("{tools: [lookup]}", "unknown-tool", "did you mean 'look_up'?"),
        ("{tools: [{look_up: {word: it}}]}", "unknown-argument", "did you mean 'words'?"),
    ],
)
def test_an_unknown_name_is_an_error_with_the_nearest_one(tmp_path: Path, expect: str, code: str, fix: str) -> None:
    """At its place in the script, and never a failed expectation after the run."""
    (problem,) = found(tmp_path, expect)
    assert (problem.code, problem.severity, problem.help) == (code, "error", fix)
    assert problem.span.file.endswith("hello.yaml")


def test_a_stub_for_a_macro_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """It would never be heard."""
    (problem,) = found(tmp_path, "{tools: [look_up]}", more="tools:\n  lok_up: [{returns: 1}]\n")
    assert (problem.code, problem.help) == ("unknown-tool", "did you mean 'look_up'?")


def test_a_field_that_a_brain_does_not_report_is_refused(tmp_path: Path) -> None:
    """RiveScript scores nothing and keeps no candidates."""
    (problem,) = found(tmp_path, '{rules: {near: ["hello [*]"]}}')
    assert problem.code == "unreported-field"


def test_a_brain_that_is_not_there_is_an_error_at_the_suite(tmp_path: Path) -> None:
    """Under the key that names it, once."""
    problems = found(tmp_path, "{rules: []}", brain="desc.rive")
    (problem,) = [problem for problem in problems if problem.severity == "error"]
    assert (problem.code, problem.span.line, problem.span.column) == ("missing-agent", 2, 35)
    assert problem.message == "there is no brain desc.rive; did you mean 'desk.rive'?"


def test_a_brains_own_errors_stand_in_its_file(tmp_path: Path) -> None:
    """Checking a suite checks its brain, each problem once."""
    found(tmp_path, "{}")
    (tmp_path / "desk.rive").write_text("+ Hello\n- Hi.\n", encoding="utf-8")
    (problem,) = [problem for problem in check_paths([tmp_path / "suite.yaml"]).problems if problem.code == "brain-syntax"]
    assert (Path(problem.span.file).name, problem.span.line) == ("desk.rive", 1)
