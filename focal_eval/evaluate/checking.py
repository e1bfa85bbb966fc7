"""Reads scripts, suites, agents and baselines without running anything: all errors of all files in one pass."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from focal_eval.clock import Clock
from focal_eval.compare.baseline_reading import check_baseline, looks_like_baseline
from focal_eval.document import Document, read_file
from focal_eval.document.reader import MappingNode, ScalarNode
from focal_eval.errors import Diagnostic, Problems, UsageError
from focal_eval.evaluate.agents import check_agent, read_agent
from focal_eval.evaluate.grounds import EngineSeen, against, ground_of, project_root
from focal_eval.evaluate.judge_setup import without_judge
from focal_eval.evaluate.persona_setup import without_player
from focal_eval.evaluate.quarantine import quarantine_of
from focal_eval.evaluate.target import unique
from focal_eval.evaluate.unreviewed import TAG
from focal_eval.registry import did_you_mean
from focal_eval.script.collect import script_id
from focal_eval.script.load import Loader, files_below, is_folder, is_fragment, is_there, nearest_file, real, shown
from focal_eval.script.model import Script
from focal_eval.script.names import KnownNames
from focal_eval.script.quarantine import looks_like_quarantine, read_quarantine
from focal_eval.script.suite import Suite, looks_like_agent, looks_like_suite, read_suite

_SCRIPT_KEYS = frozenset({"turns", "simulator", "title", "expect", "conversation", "given", "params"})


@dataclass(slots=True)
class Checked:
    """What was read, and every problem of it, in the order of files and lines."""

    problems: list[Diagnostic] = field(default_factory=list)
    scripts: int = 0
    fragments: int = 0
    suites: int = 0
    agents: int = 0
    baselines: int = 0
    quarantines: int = 0
    unreviewed: int = 0  # scripts whose expectations are what was observed, and nobody has looked at yet
    passed_over: list[str] = field(default_factory=list)  # YAML files in folders that are none of these

    @property
    def files(self) -> int:
        return self.scripts + self.fragments + self.suites + self.agents + self.baselines + self.quarantines

    @property
    def errors(self) -> list[Diagnostic]:
        return [problem for problem in self.problems if problem.severity == "error"]

    @property
    def warnings(self) -> list[Diagnostic]:
        return [problem for problem in self.problems if problem.severity == "warning"]


@dataclass(slots=True)
class _Files:
    scripts: dict[Path, Document] = field(default_factory=dict)
    fragments: list[Path] = field(default_factory=list)
    suites: dict[Path, Document] = field(default_factory=dict)
    agents: dict[Path, Document] = field(default_factory=dict)
    engines: dict[Path, EngineSeen] = field(default_factory=dict)  # of scripts that a suite runs
    roots: dict[Path, Path] = field(default_factory=dict)  # of those too: the folder their includes must stay below
    entries: list[tuple[Suite, list[tuple[Path, str]]]] = field(default_factory=list)  # of suites, with the scripts' ids
    engine: str | None = None  # the one that is looked at, where a suite names it
    engines_named: set[str] = field(default_factory=set)


def check_paths(paths: Iterable[Path], agent: Path | None = None, engine: str | None = None) -> Checked:
    """Checks files and folders. Scripts are checked against the agent of a suite among the paths that runs them, else `agent`.

    `engine` is a name under a suite's `engines:`, looked at instead of its `engine:`; a suite without it is checked as ever.
    Raises UsageError where a path does not exist, nothing is there to check, or no suite names the engine.
    """
    checked = Checked()
    files = _Files(engine=engine)
    for path in paths:
        _gather(path, files, checked)
    if not (files.scripts or files.fragments or files.suites or files.agents or checked.baselines or checked.quarantines):
        raise UsageError("there is nothing to check: no scripts, suites or agents in " + ", ".join(map(str, paths)))
    for path, document in files.agents.items():
        checked.agents += 1
        checked.problems.extend(check_agent(document, path))
    known: dict[Path, KnownNames] = {}
    for path, document in files.suites.items():
        checked.suites += 1
        _suite(path, document, files, known, checked)
    if engine is not None and engine not in files.engines_named:
        fix = did_you_mean(engine, files.engines_named) or "none names any under 'engines:'"
        raise UsageError(f"no suite among these has an engine '{engine}'; {fix}")
    if agent is not None and not is_there(agent):
        near = nearest_file(agent)
        raise UsageError(f"there is no agent {agent}" + (f"; {near}" if near else ""))
    default = None if agent is None else read_agent(agent)
    if default is not None:
        checked.problems.extend(default.problems)
    read = _scripts(files, known, default.names if default else None, checked)
    for suite, entries in files.entries:
        _quarantine(suite, entries, read, checked)
        for script, _ in entries:
            checked.problems.extend(() if script not in read else without_judge(read[script], suite.fields))
            checked.problems.extend(() if script not in read else without_player(read[script], suite.fields))
    order = {name: place for place, name in enumerate(dict.fromkeys(problem.span.file for problem in checked.problems))}
    checked.problems = sorted(
        unique(checked.problems), key=lambda problem: (order[problem.span.file], problem.span.line, problem.span.column)
    )
    return checked


def _gather(path: Path, files: _Files, checked: Checked) -> None:
    if is_folder(path):
        for file in files_below(path):
            _sort(file, files, checked, named=False)
    elif is_there(path):
        _sort(path, files, checked, named=True)
    else:
        near = nearest_file(path)
        raise UsageError(f"there is no file {path}" + (f"; {near}" if near else ""))


def _sort(path: Path, files: _Files, checked: Checked, *, named: bool) -> None:
    resolved = real(path)
    if is_fragment(path):
        files.fragments.append(resolved)
        return
    document = read_file(path, shown(path))
    root = document.root
    if looks_like_suite(root):
        files.suites[resolved] = document
    elif looks_like_quarantine(root):
        read_quarantine(document)
        checked.quarantines += 1
        checked.problems.extend(document.problems)
    elif looks_like_baseline(root):
        checked.baselines += 1
        check_baseline(document, path)
        checked.problems.extend(document.problems)
    elif looks_like_agent(root):
        files.agents[resolved] = document
    elif named or root is None or not isinstance(root, MappingNode) or _keys(root) & _SCRIPT_KEYS:
        files.scripts[resolved] = document
    else:
        checked.passed_over.append(document.file)


def _keys(root: MappingNode) -> set[str]:
    return {key.value for key, _ in root.value if isinstance(key, ScalarNode)}


def _suite(path: Path, document: Document, files: _Files, known: dict[Path, KnownNames], checked: Checked) -> None:
    """Checks a suite, and takes its scripts and its agent along."""
    suite = read_suite(document, path)
    checked.problems.extend(document.problems)
    if suite is None:
        return
    ground = ground_of(suite, files.engine)
    files.entries.append((suite, list(ground.entries)))
    files.engines_named |= suite.fields.engines.keys()
    checked.problems.extend(ground.problems)
    for script, _ in ground.entries:
        files.roots.setdefault(script, ground.root)
        if ground.engine is not None:
            files.engines.setdefault(script, ground.engine)
        if script not in files.scripts:
            files.scripts[script] = read_file(script, shown(script))
        if ground.names is not None:
            known.setdefault(script, ground.names)


def _quarantine(suite: Suite, entries: list[tuple[Path, str]], read: Mapping[Path, Script], checked: Checked) -> None:
    """Checks what a suite has in quarantine against its scripts; where one of them cannot be read, only the form."""
    problems = Problems()
    scripts = [replace(read[path], id=name) for path, name in entries if path in read]
    whole = len(scripts) == len(entries)
    quarantine_of(suite, scripts, suite.fields.variants, Clock().now().date(), problems, whole=whole)
    checked.problems.extend(problems)


def _scripts(
    files: _Files, known: dict[Path, KnownNames], default: KnownNames | None, checked: Checked
) -> Mapping[Path, Script]:
    """Checks the scripts and fragments; those that could be read."""
    everything = [*files.scripts, *files.fragments]
    read: dict[Path, Script] = {}
    if not everything:
        return read
    top = project_root(everything)
    alone = Loader(top)
    loaders = {root: Loader(root) for root in dict.fromkeys(files.roots.values())}
    for path, document in files.scripts.items():
        checked.scripts += 1
        loader = loaders[files.roots[path]] if path in files.roots else alone
        script = loader.from_document(document, path, script_id(path, top))
        checked.problems.extend(document.problems)
        if script is not None:
            read[path] = script
            checked.unreviewed += TAG in script.tags
            checked.problems.extend(against(script, known.get(path, default), files.engines.get(path)))
    for path in files.fragments:
        checked.fragments += 1
        alone.check_fragment(path)
    for loader in (alone, *loaders.values()):
        checked.problems.extend(loader.loaded.problems)
    return read
