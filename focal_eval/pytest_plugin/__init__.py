"""Scripts as pytest items: `pytest scenarios/` plays them, and leaves the run folder that `focal-eval run` would.

This module is imported by every pytest session on a machine that has focal-eval: it holds the hooks alone, and imports the
rest once a session turns out to play a script.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from focal_eval.engines import Engine
    from focal_eval.pytest_plugin.replaying import Replay
    from focal_eval.script.suite import Suite

__all__: list[str] = []

YAML = (".yaml", ".yml")
_FOLDER = "evals"  # where suites lie
_NEAR = pytest.StashKey[dict[str, bool]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options and ini settings; a setting's path is relative to the ini file's folder, an option's to where pytest starts."""
    group = parser.getgroup("focal-eval", "conversation scripts")
    for name, metavar, text in (
        ("suite", "FILE", "the suite of the scripts, where several contain them or none does"),
        ("engine", "NAME", "one of the suite's `engines:`"),
        ("agent", "FILE", "an agent file for the embedded engine, instead of the suite's engine"),
        ("report", "DIR", "where run folders are written (default: reports); none for nowhere"),
    ):
        group.addoption(f"--focal-{name}", metavar=metavar, default=None, help=text)
        parser.addini(f"focal_{name}", f"{text} (as --focal-{name})", type="string", default="")
    group.addoption(
        "--focal-update-baseline",
        action="store_true",
        help="approve what passed and is new as baseline, and what changed too where --focal-reason says why",
    )
    group.addoption("--focal-reason", metavar="TEXT", default=None, help="why the baseline changes")


def pytest_configure(config: pytest.Config) -> None:
    """Refuses options that contradict each other."""
    if config.getoption("focal_reason") and not config.getoption("focal_update_baseline"):
        raise pytest.UsageError("--focal-reason is for --focal-update-baseline")
    report = config.getoption("focal_report") or config.getini("focal_report")
    if config.getoption("focal_update_baseline") and report == "none":
        raise pytest.UsageError("--focal-update-baseline approves a run folder; leave out --focal-report none")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """A collector for a script, or for a suite that is named; other YAML is left alone."""
    if file_path.suffix not in YAML or not _may_concern(file_path, parent):
        return None
    from focal_eval.pytest_plugin.items import collector_of
    from focal_eval.pytest_plugin.joining import joined

    joined(parent.config)
    return collector_of(file_path, parent)


def _may_concern(path: Path, parent: pytest.Collector) -> bool:
    """Whether a file is worth a look: it was named, an option was given, or there are suites above it or above us."""
    config = parent.config
    if parent.session.isinitpath(path) or any(_given(config, name) for name in ("suite", "agent")):
        return True
    known = config.stash.setdefault(_NEAR, {})
    return _has_suites(config.invocation_params.dir, known) or _has_suites(path.parent, known)


def _given(config: pytest.Config, name: str) -> bool:
    return bool(config.getoption(f"focal_{name}") or config.getini(f"focal_{name}"))


def _has_suites(folder: Path, known: dict[str, bool]) -> bool:
    """Whether a folder or one above it has a folder of suites."""
    text = str(folder)
    if text not in known:
        known[text] = (folder / _FOLDER).is_dir() or (folder.parent != folder and _has_suites(folder.parent, known))
    return known[text]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(node: Any, ids: Sequence[str]) -> None:
    """The process that hands items out learns which ones there are, and so what its run folders will hold."""
    if any(f"{suffix}::" in name for name in ids for suffix in YAML):
        from focal_eval.pytest_plugin.joining import joined

        keeper = joined(node.config)
        assert keeper is not None, "who hands out items keeps the runs"
        keeper.handed_out(ids)


@pytest.fixture(scope="session")
def focal_suite(pytestconfig: pytest.Config) -> Suite:
    """The suite that `--focal-suite` or the ini file names, or the only one there is below `evals/`."""
    from focal_eval.pytest_plugin.replaying import suite_of

    return suite_of(pytestconfig)


@pytest.fixture(scope="session")
def _focal_table(pytestconfig: pytest.Config) -> Iterator[Any]:
    from focal_eval.pytest_plugin.replaying import table_of

    yield from table_of(pytestconfig)


@pytest.fixture(scope="session")
def focal_engine(_focal_table: Any) -> Engine:
    """The engine that scripts are replayed on, connected once a session."""
    engine: Engine = _focal_table.engine
    return engine


@pytest.fixture
def replay(_focal_table: Any, tmp_path_factory: pytest.TempPathFactory) -> Replay:
    """Plays a script, given as a path or as YAML, and returns what came of it."""
    from focal_eval.pytest_plugin.replaying import Replay

    return Replay(_focal_table, tmp_path_factory)
