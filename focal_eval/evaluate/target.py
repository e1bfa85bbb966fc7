"""Which suite, which scripts and which engine a request means, every problem of every file in one pass."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from focal_eval.clock import Clock
from focal_eval.document import read_file
from focal_eval.engines import Engine, EngineConfig, Setting
from focal_eval.errors import Diagnostic, FocalEvalError, Problems, Refused, UsageError
from focal_eval.evaluate.cassettes import Used, cassette_of, recorder_of, stale
from focal_eval.evaluate.connecting import engine_of
from focal_eval.evaluate.inspecting import Inspection
from focal_eval.evaluate.request import RunRequest
from focal_eval.registry import did_you_mean, find
from focal_eval.script.cache import Cached, ScriptCache
from focal_eval.script.collect import collect, script_id
from focal_eval.script.load import Loader, files_below, is_fragment, real, shown
from focal_eval.script.model import Script
from focal_eval.script.names import KnownNames, Sound, check_references, has_names
from focal_eval.script.repeats import Repeats
from focal_eval.script.shelf import HELD, Filed, Shelf, opened
from focal_eval.script.suite import Suite, SuiteFields, looks_like_suite, read_suite
from focal_eval.script.suite_engines import Engine as EngineEntry
from focal_eval.source import whole_file
from focal_eval.value import value

if TYPE_CHECKING:
    from focal_eval.engines.recorded import Recorder
    from focal_eval.evaluate.agents import AgentFile
    from focal_eval.records import Json


@value
class Target:
    """Everything a run needs, read and checked; nothing was sent to an engine."""

    fields: SuiteFields
    suite: Suite | None
    scripts: Shelf
    root: Path
    entry: EngineEntry
    engine_name: str | None
    engine: Engine
    agent: AgentFile | None
    warnings: tuple[Diagnostic, ...]
    secrets: tuple[str, ...] = ()  # nowhere to be written
    recorder: Recorder | None = None  # the engine, where it has a cassette

    @property
    def cassette(self) -> Mapping[str, Json] | None:
        """The cassette in play and the mode of each layer, for a run's header; None where there is none."""
        if self.recorder is not None:
            return self.recorder.as_json()
        file = getattr(self.entry.config, "file", None) if self.entry.kind == "cassette" else None
        return None if file is None else {"file": file, "layers": {"turns": "replay"}}


@value
class Collected:
    """The scripts a request names, read, with the suite they belong to; no engine was looked at."""

    suite: Suite | None
    fields: SuiteFields
    scripts: tuple[Script, ...]
    root: Path


def find_target(request: RunRequest, clock: Clock, held: int | None = HELD) -> Target:
    """Reads everything a request names. Raises Refused with all diagnostics, or UsageError.

    No more than so many scripts are held in memory, None for all of them; each is looked at while it is read.
    """
    problems = Problems()
    suite, named = _suite_of_request(request, problems)
    fields = suite.fields if suite is not None else bare_fields()
    entry, engine_name = entry_of(request, suite)
    folder = suite.folder if suite is not None else Path.cwd()
    used = cassette_of(entry, folder, request)
    if used is None or not used.asks_nobody:
        problems.extend(unset(entry))
    entries, root = _entries(suite, named, problems)
    setting = Setting(folder, clock, request.allow_python)
    about = Problems()  # the agent
    agent = None if entry.missing else agent_beside(entry, setting, about)  # a missing variable is an error already
    if agent is not None:
        about.extend(agent.problems)
    names = None if agent is None else agent.names
    inspection = Inspection(with_overrides(fields, request), names, allow_python=request.allow_python)
    connection = _Connection(entry, setting, used, agent)
    if not (problems.errors or about.errors):
        connection.make(inspection)
    loader = Loader(root, None if request.cache is None else ScriptCache(request.cache, root))
    shelf = Shelf(loader, inspection.finish, held)
    for found in loader.glance(entries):
        if not isinstance(found, Cached):
            shelf.add(inspection.look(found))
        elif held is not None and found.facts is not None and inspection.passes(found.facts):
            shelf.put(found, found.facts)
        elif (script := loader.whole(found)) is not None:
            shelf.add(inspection.look(script), found)
    for several in (loader.loaded.problems, about, inspection.unknown, inspection.idle):
        problems.extend(several)
    if problems.errors:
        raise Refused("nothing was run", problems)
    engine, recorder = connection.made()
    problems.extend(connection.problems)
    if inspection.demands.errors:
        raise Refused("nothing was run", unique(inspection.demands))
    warnings = [item for item in problems if item.severity == "warning"]
    return Target(
        fields,
        suite,
        shelf,
        root,
        entry,
        engine_name,
        engine,
        agent,
        (*warnings, *unique(inspection.demands), *inspection.unsaid),
        (
            *entry.secrets,
            *setting.secrets,
            *(() if fields.judge is None else fields.judge.secrets),
            *(() if fields.simulator is None else fields.simulator.secrets),
        ),
        recorder,
    )


class _Connection:
    """The engine, connected before the scripts are read, as they are held to what it can do; its own problems come last."""

    def __init__(self, entry: EngineEntry, setting: Setting, used: Used | None, agent: AgentFile | None) -> None:
        self._what = entry, setting, used, agent
        self.problems = Problems()
        self._made: tuple[Engine, Recorder | None] | None = None
        self._failed: FocalEvalError | None = None

    def make(self, inspection: Inspection) -> None:
        try:
            self._made = connected(*self._what, self.problems)
        except FocalEvalError as problem:
            self._failed = problem
        else:
            inspection.engine(self._made[0], self._what[0].kind)

    def made(self) -> tuple[Engine, Recorder | None]:
        if self._failed is not None:
            raise self._failed
        assert self._made is not None, "it is made unless there are errors, which are raised before"
        return self._made


def unknown_names(scripts: Iterable[Script], known: KnownNames) -> Iterator[Diagnostic]:
    """What scripts that are about to be replayed name and the agent does not have."""
    known, sound = replace(known, replay=True), Sound()
    for script in scripts:
        if not (isinstance(script, Filed) and script.facts is not None and has_names(known, script.facts.names)):
            yield from check_references(opened(script), known, replay=True, sound=sound)


def collected(request: RunRequest) -> Collected:
    """The scripts a request names, as they are read for a run. Raises Refused with all their errors, or UsageError."""
    problems = Problems()
    suite, named = _suite_of_request(request, problems)
    scripts, root = _loaded(request, suite, named, problems)
    if problems.errors:
        raise Refused("the scripts cannot be read", problems)
    return Collected(suite, suite.fields if suite is not None else bare_fields(), scripts, root)


class NoSuite(UsageError):
    """Scripts without a suite, and no agent named to play them on."""


def _suite_of_request(request: RunRequest, problems: Problems) -> tuple[Suite | None, list[Path]]:
    suite, named = _suite_and_scripts(request, problems)
    if suite is None:
        if problems.errors:
            raise Refused("the suite cannot be read", problems)
        if request.agent is None:
            raise NoSuite("these scripts belong to no suite; name one with --suite FILE, or an agent with --agent FILE")
    return suite, named


def _loaded(request: RunRequest, suite: Suite | None, named: list[Path], problems: Problems) -> tuple[tuple[Script, ...], Path]:
    entries, root = _entries(suite, named, problems)
    loader = Loader(root, None if request.cache is None else ScriptCache(request.cache, root))
    loaded = loader.load(entries)
    problems.extend(loaded.problems)
    return tuple(loaded.scripts), root


def connected(
    entry: EngineEntry, setting: Setting, used: Used | None, agent: AgentFile | None, problems: Problems
) -> tuple[Engine, Recorder | None]:
    """The engine, with its cassette before it where there is one."""
    if used is None:
        return engine_of(entry, setting), None
    digest = None if agent is None else agent.digest
    recorder = recorder_of(used, entry, setting, digest)
    problems.extend(stale(used, recorder, entry, digest))
    return recorder, recorder


def unset(entry: EngineEntry) -> Iterator[Diagnostic]:
    """An error for each variable of the environment that the engine needs and that is not set."""
    for variable, span in entry.missing:
        fix = f"export {variable}=…, or write ${{{variable}:-default}}"
        yield Diagnostic("unset-variable", f"the environment variable {variable} is not set", span, help=fix)


def agent_beside(entry: EngineEntry, setting: Setting, problems: Problems) -> AgentFile | None:
    """What the names in scripts are checked against, where the engine has it."""
    config: EngineConfig = entry.config
    path = config.agent_file(setting)
    if path is None and not hasattr(config, "known_names"):
        return None
    from focal_eval.evaluate.agents import agent_of, read_agent  # the agent's whole machinery, where there is an agent

    return agent_of(entry, setting, problems) if path is None else read_agent(path, setting)


def bare_fields() -> SuiteFields:
    """The settings of a run without a suite."""
    from focal_eval.source import Span

    nowhere = EngineEntry("embedded", None, Span("", 1, 1, 1, 1))
    return SuiteFields(scripts=(), engine=nowhere)


def _suite_and_scripts(request: RunRequest, problems: Problems) -> tuple[Suite | None, list[Path]]:
    """The suite a request names, and the scripts it names beside it; folders stand for all scripts below."""
    if not request.paths and request.suite is None:
        raise UsageError("nothing to run: name a suite or scripts")
    suites: list[Suite] = []
    scripts: list[Path] = []
    broken = Problems()  # of files that no YAML can be read from: a suite as likely as a script
    for path in request.paths:
        if path.is_dir():
            below = [file for file in files_below(path) if not is_fragment(file)]
            if not below:
                raise UsageError(f"{path} holds no scripts")
            scripts.extend(below)
            continue
        if not path.exists():
            raise UsageError(f"there is no file {path}" + _near_path(path))
        document = read_file(path, shown(path))
        if looks_like_suite(document.root):
            suite = read_suite(document, path)
            problems.extend(document.problems)
            if suite is not None:
                suites.append(suite)
        else:
            broken.extend(document.problems if document.root is None else ())
            scripts.append(path)
    if request.suite is not None:
        suites.append(named_suite(request.suite, problems))
    if len(suites) > 1:
        raise UsageError("one suite at a time: " + ", ".join(suite.file for suite in suites))
    if suites or problems.errors or request.agent is not None:
        return (suites[0] if suites else None), scripts
    suite = _suite_of(scripts, problems)
    if suite is None:
        problems.extend([item for item in broken if item not in set(problems)])
    return suite, scripts


def named_suite(path: Path, problems: Problems) -> Suite:
    """The suite in a file. Raises UsageError where there is none, Refused where it is wrong."""
    if not path.is_file():
        raise UsageError(f"there is no suite {path}" + _near_path(path))
    document = read_file(path, shown(path))
    suite = read_suite(document, path)
    problems.extend(document.problems)
    if suite is None:
        raise Refused("the suite cannot be read", problems)
    return suite


def _near_path(path: Path) -> str:
    try:
        near = did_you_mean(path.name, [item.name for item in path.parent.iterdir()], list_up_to=0)
    except OSError:
        return ""
    return f"; {near}" if near else ""


def _suite_of(scripts: list[Path], problems: Problems) -> Suite | None:
    """The one suite below `evals/`, here or above, that contains all the scripts.

    Where there is none, the problems of suites that cannot be read are added: one of them may be the one.
    """
    wanted = {real(path) for path in scripts}
    fitting: list[Suite] = []
    broken = Problems()
    for folder in (Path.cwd(), *Path.cwd().parents):
        candidates = sorted((folder / "evals").glob("*.yaml")) if (folder / "evals").is_dir() else []
        for path in candidates:
            document = read_file(path, shown(path))
            suite = read_suite(document, path) if looks_like_suite(document.root) else None
            if suite is None and (document.root is None or looks_like_suite(document.root)):
                broken.extend(document.problems)
            if suite is not None and wanted <= {entry for entry, _ in collect(suite, Problems())[0]}:
                fitting.append(suite)
        if fitting:
            break
    if len(fitting) > 1:
        raise UsageError("several suites contain these scripts; pick one with --suite: " + ", ".join(s.file for s in fitting))
    if not fitting:
        problems.extend(broken)
    return fitting[0] if fitting else None


def _entries(suite: Suite | None, named: list[Path], problems: Problems) -> tuple[list[tuple[Path, str]], Path]:
    """The scripts to load with their ids: the suite's, cut down to those that were named."""
    entries: list[tuple[Path, str]] = []
    root = Path.cwd()
    if suite is not None:
        entries, root = collect(suite, problems)
    if not named:
        return entries, root
    ids = dict(entries)
    wanted = [real(path) for path in named]
    top = Path(os.path.commonpath([path.parent for path in wanted]))
    out = [(path, ids.get(path) or script_id(path, top)) for path in wanted]
    return sorted(dict(out).items(), key=lambda entry: entry[1]), Path(os.path.commonpath([root.resolve(), top]))


def entry_of(request: RunRequest, suite: Suite | None) -> tuple[EngineEntry, str | None]:
    """The engine a request means, and its name in the suite. Raises UsageError."""
    if request.agent is not None:
        if not request.agent.is_file():
            raise UsageError(f"there is no agent {request.agent}" + _near_path(request.agent))
        place = whole_file(shown(request.agent))
        config = find("engines", "embedded")(agent=str(request.agent.resolve()))
        return EngineEntry("embedded", config, place), None
    assert suite is not None
    if request.engine is None:
        entry, name = suite.fields.engine, None
    elif request.engine in suite.fields.engines:
        entry, name = suite.fields.engines[request.engine], request.engine
    else:
        fix = did_you_mean(request.engine, suite.fields.engines) or "it names no engines under 'engines:'"
        raise UsageError(f"{suite.file} has no engine '{request.engine}'; {fix}")
    return entry, name


def with_overrides(fields: SuiteFields, request: RunRequest) -> SuiteFields:
    """The suite's settings with what the command line says instead."""
    return replace(
        fields,
        repeats=Repeats(request.repeats) if request.repeats else fields.repeats,
        concurrency=request.concurrency or fields.concurrency,
        timeout_s=request.timeout_s or fields.timeout_s,
    )


def unique(problems: Iterable[Diagnostic]) -> list[Diagnostic]:
    """The diagnostics in order, each once."""
    return list(dict.fromkeys(problems))
