"""What a suite's scripts are checked against: its agent's names, its engine's abilities, the root of their includes."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from focal_eval.clock import Clock
from focal_eval.engines import Abilities, EngineConfig, Setting
from focal_eval.errors import Diagnostic, Problems, Refused
from focal_eval.evaluate.agents import agent_of
from focal_eval.evaluate.demands import check_demands
from focal_eval.script.collect import collect
from focal_eval.script.load import real
from focal_eval.script.model import Script
from focal_eval.script.names import KnownNames, check_idle, check_references
from focal_eval.script.suite import Suite
from focal_eval.script.suite_engines import Engine as EngineEntry
from focal_eval.value import value

MARKS = ("evals", "scenarios", "pyproject.toml", ".git")
"""What marks the folder of a project."""


@value
class EngineSeen:
    """What the engine of a suite can do, and what becomes of expectations on fields it does not report."""

    abilities: Abilities
    kind: str
    unreported: str


@value
class Ground:
    """A suite as its scripts stand on it."""

    suite: Suite
    entries: tuple[tuple[Path, str], ...]  # its scripts with their ids
    root: Path  # their includes must stay below it
    names: KnownNames | None  # of its agent; None where it names none, or one with errors
    engine: EngineSeen | None
    agents: tuple[Path, ...]  # every agent file that its engines name, the engine in use first
    problems: tuple[Diagnostic, ...]  # of the suite and of its agents


def ground_of(suite: Suite, engine: str | None = None) -> Ground:
    """The ground under a suite's scripts; `engine` is a name under `engines:` that is looked at instead, where it has it."""
    problems = Problems()
    entries, root = collect(suite, problems)
    chosen = suite.fields.engines.get(engine) if engine is not None else None
    names = _agent_names(suite, chosen, problems)
    seen = None if problems.errors else _engine(suite, chosen, problems)
    return Ground(suite, tuple(entries), root, names, seen, _agent_files(suite), tuple(problems))


def against(script: Script, names: KnownNames | None, engine: EngineSeen | None) -> list[Diagnostic]:
    """What is wrong with a script that could be read, as far as these tell."""
    found = check_idle(script)
    if names is not None:
        found += check_references(script, names)
    if engine is not None:
        found += check_demands([script], engine.abilities, engine.kind, unreported=engine.unreported)
    return found


def project_root(paths: Iterable[Path]) -> Path:
    """The folder includes must stay below: the project's where one is marked, else what the files share."""
    shared = Path(os.path.commonpath([path.parent for path in paths]))
    for folder in (shared, *shared.parents):
        if any((folder / mark).exists() for mark in MARKS):
            return folder
    return shared


def _engine(suite: Suite, chosen: EngineEntry | None, problems: Problems) -> EngineSeen | None:
    """The engine as far as it can be known without running anything: local Python is left alone."""
    entry = chosen or suite.fields.engine
    if entry.missing:
        for variable, span in entry.missing if chosen is not None else ():
            text = f"the environment variable {variable} is not set, so what this engine cannot be asked is not known"
            problems.warning("unset-variable", text, span)
        return None
    config: EngineConfig = entry.config
    try:
        engine = config.connect(Setting(suite.folder, Clock(), allow_python=False))
    except Refused as problem:
        problems.extend(problem.diagnostics)
        return None
    return EngineSeen(engine.abilities, entry.kind, suite.fields.unreported)


def _agent_names(suite: Suite, chosen: EngineEntry | None, problems: Problems) -> KnownNames | None:
    """Names of the chosen engine's agent, else of the first that has a file; what is wrong in any agent file is told."""
    setting = Setting(suite.folder, Clock())
    names = None
    for entry in (suite.fields.engine, *suite.fields.engines.values()):
        agent = None if entry.missing else agent_of(entry, setting, problems)
        if agent is not None:
            problems.extend(agent.problems)
            if chosen is None or entry is chosen:
                names = names or agent.names
    return names


def _agent_files(suite: Suite) -> tuple[Path, ...]:
    setting = Setting(suite.folder, Clock())
    found = []
    for entry in (suite.fields.engine, *suite.fields.engines.values()):
        config: EngineConfig | None = None if entry.missing else entry.config
        path = None if config is None else config.agent_file(setting)
        if path is not None:
            found.append(real(path))
    return tuple(dict.fromkeys(found))
