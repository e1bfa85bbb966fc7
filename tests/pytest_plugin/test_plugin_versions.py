"""The plug-in under the versions of pytest it is meant for, and what it costs a session that plays no script."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.pytest_plugin.project import FOREIGN, build, environment, run, write

VERSIONS = ["7.4.4", "8.3.5", "9.0.2"]
_LISTED = """
import sys
import pytest

class Look:
    def pytest_sessionfinish(self):
        print("LOADED", *sorted(name for name in sys.modules if name.startswith("focal_eval")))

sys.exit(pytest.main(["-q", "-s", *sys.argv[1:]], plugins=[Look()]))
"""


def loaded(project: Path, *arguments: str) -> set[str]:
    """The modules of this project that a session has loaded at its end."""
    done = subprocess.run(
        [sys.executable, "-c", _LISTED, *arguments],
        cwd=project, env=environment(project.parent), capture_output=True, text=True, check=False,
    )  # fmt: skip
    (line,) = [line for line in done.stdout.split("\n") if "LOADED" in line]
    return set(line.partition("LOADED")[2].split())


def test_a_session_without_scripts_loads_the_hooks_alone(tmp_path: Path) -> None:
    """Found by its entry point, the plug-in loads one module; YAML of others, named or come across, loads no more.

    A project with suites pays when it has pytest look where YAML lies.
    """
    project = tmp_path / "foreign"
    write(project, FOREIGN)
    hooks = {"focal_eval", "focal_eval.pytest_plugin"}
    assert loaded(project, ".") == hooks
    build(tmp_path / "shop", "greeting.yaml")
    write(tmp_path / "shop", {"tests/test_plain.py": FOREIGN["test_plain.py"]})
    assert loaded(tmp_path / "shop", "tests") == hooks
    assert loaded(tmp_path / "shop", "scenarios") > hooks


@pytest.fixture(scope="module", params=VERSIONS)
def version(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A version of pytest, installed into a folder of its own."""
    folder = tmp_path_factory.mktemp("pytest")
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--target",
        str(folder),
        f"pytest=={request.param}",
        "pytest-xdist",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"pytest {request.param} cannot be installed: {done.stderr.strip()[-200:]}")
    return request.param, folder


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("processes", ["0", "2"])
def test_verdicts_are_the_same_under_each_version(version: tuple[str, Path], processes: str, tmp_path: Path) -> None:
    """Outcomes, frames, lines of turns, JUnit, the run folder and --lf are as they are under today's pytest."""
    name, folder = version
    project = build(tmp_path / "shop")
    code, said = run(project, "-v", "-n", processes, "--junitxml=junit.xml", "scenarios", first=(folder,))
    assert f"pytest-{name}" in said
    assert code == 1
    assert "= 2 failed, 2 passed, 2 skipped, 2 xfailed, 2 errors in " in said
    for line in (
        "      expected  text containing 'A-1'",
        "  error[engine-error]: bot.py:answer raised RuntimeError: the bot fell over",
        "  turn 2: error[engine-error]: bot.py:answer raised RuntimeError: the bot fell over",
    ):
        assert line in [one.rstrip() for one in said.split("\n")], said
    assert "\n✓ turn 2: passed · rules goodbye · " in said
    assert "Traceback" not in said
    assert "✗ 3 of 10 cases failed and 2 errored" in said
    assert 'name="focal.turn.2.rules" value="goodbye"' in (project / "junit.xml").read_text()
    assert len(list((project / "reports").iterdir())) == 1
    again = run(project, "--lf", "-n", processes, "--focal-report", "none", "scenarios", first=(folder,))[1]
    assert "2 failed, 2 errors in " in again
    write(project, {"scenarios/broken.yaml": "turns:\n  - user: hello\n    expct: {}\n"})
    refused = run(project, "-n", processes, "scenarios", first=(folder,))[1]
    assert "scenarios/broken.yaml:3:5: error[unknown-key]: no key is named 'expct' here; did you mean 'expect'?" in refused


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_fixtures_are_the_same_under_each_version(version: tuple[str, Path], tmp_path: Path) -> None:
    """`replay` plays and fails in frames."""
    project = build(tmp_path / "shop", "greeting.yaml", "money/refund.yaml")
    test = (
        'def test_good(replay):\n    replay("scenarios/greeting.yaml").assert_passed()\n\n'
        'def test_bad(replay):\n    replay("scenarios/money/refund.yaml", case="order=A-2").assert_passed()\n'
    )
    write(project, {"test_it.py": test})
    said = run(project, "test_it.py", first=(version[1],))[1]
    assert "1 failed, 1 passed in " in said
    assert "      expected  text containing 'A-1'" in said
    assert "Traceback" not in said
