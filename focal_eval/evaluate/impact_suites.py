"""Which suites an edit of an agent concerns, and the latest run of each."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from focal_eval.clock import fixed_clock
from focal_eval.document import Document, read_file
from focal_eval.engines import Setting
from focal_eval.errors import Problems, UsageError
from focal_eval.evaluate.folders import latest_folder, read_folder
from focal_eval.evaluate.target import named_suite
from focal_eval.report.model import ReportModel
from focal_eval.script.load import shown
from focal_eval.script.suite import Suite, looks_like_suite, read_suite
from focal_eval.text import listed

LATEST, NONE = "latest", "none"
FOLDER = Path("evals")


def suites_of(old: Path, new: Path) -> tuple[Suite, ...]:
    """The suites in evals/ that play one of the agents; where none does, the only suite there. Raises UsageError otherwise."""
    wanted = {path.resolve() for path in (old, new)}
    suites = [suite for path in sorted(FOLDER.glob("*.yaml")) if (suite := _suite_at(path)) is not None]
    own = tuple(suite for suite in suites if _agent_of(suite) in wanted)
    if own or len(suites) == 1:
        return own or tuple(suites)
    if not suites:
        raise UsageError(f"name the suite with --suite FILE; there is none in {FOLDER}/")
    names = [suite.file for suite in suites]
    command = shlex.join(("focal-eval", "impact", str(old), str(new), "--suite", names[0]))
    raise UsageError(
        f"no suite in {FOLDER}/ plays {old} or {new}; there is {listed(names)}; name those that are meant, such as '{command}'"
    )


def suites_named(paths: Sequence[Path]) -> tuple[Suite, ...]:
    """The suites in these files, each once. Raises UsageError where there is none, Refused where one is wrong."""
    return tuple(named_suite(path, Problems()) for path in dict.fromkeys(paths))


def _suite_at(path: Path) -> Suite | None:
    document: Document = read_file(path, shown(path))
    return read_suite(document, path) if looks_like_suite(document.root) else None


def _agent_of(suite: Suite) -> Path | None:
    config = suite.fields.engine.config
    if config is None:  # a variable of the environment is missing
        return None
    path = config.agent_file(Setting(suite.folder, fixed_clock(), False))
    return None if path is None else Path(path).resolve()


def run_of(suite: Suite, run: str | None, runs: Path, engine: str | None) -> ReportModel | None:
    """The run to look back at: the one that is named, else the latest of the suite, and of the engine where one is named."""
    if run == NONE:
        return None
    if run is not None and run != LATEST:
        return read_folder(run, runs)
    folder = latest_folder(runs, suite.path, engine)
    if folder is None and run == LATEST:
        raise UsageError(f"there is no run of {suite.file} below {runs}")
    return None if folder is None else read_folder(str(folder), runs)


def is_of(model: ReportModel, suite: Suite) -> bool:
    """Whether a run was of that suite."""
    recorded = (model.header.get("suite") or {}).get("file")
    return recorded is not None and Path(str(recorded)).resolve() == suite.path
