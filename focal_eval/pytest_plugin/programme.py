"""What a session plays: which suite each script belongs to, and the cases of each suite, read once."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field, replace
from pathlib import Path

from focal_eval.clock import Clock
from focal_eval.document import read_file
from focal_eval.errors import Diagnostic, FocalEvalError, Problems, Refused
from focal_eval.evaluate.preparing import Prepared, prepare
from focal_eval.evaluate.request import RunRequest
from focal_eval.pytest_plugin.options import Options
from focal_eval.report.characters import one_line
from focal_eval.runner.plan import Case
from focal_eval.script.cache import cache_folder
from focal_eval.script.collect import collect
from focal_eval.script.load import files_below, is_fragment, real, shown
from focal_eval.script.suite import Suite, looks_like_suite, read_suite
from focal_eval.value import value

FOLDER = "evals"
_HEAD = 65_536  # bytes of a file that are looked at to tell whether it is a script
_TURNS = re.compile(rb"^(?:turns|simulator)[ \t]*:", re.MULTILINE).search
_MOST_NAME = 300  # characters of an item's name


class NotPlayable(Exception):
    """A script that cannot be played; the text is for people. What has one `matter` is told of the first script alone."""

    def __init__(self, message: str, problems: Iterable[Diagnostic] = (), matter: str | None = None) -> None:
        super().__init__(message)
        self.problems = tuple(problems)
        self.matter = matter or "\n".join([message, *map(str, self.problems)])


@value
class Found:
    """A suite with the files it plays."""

    suite: Suite
    scripts: frozenset[Path]


@value
class Beside:
    """What lies in one folder of suites."""

    suites: tuple[Found, ...]
    broken: tuple[Diagnostic, ...]  # of files that are suites, or might be, and cannot be read


@value
class Part:
    """The scripts of one suite that a session may play, read and planned; `request` is what `focal-eval run` would be asked."""

    key: str
    request: RunRequest
    prepared: Prepared | None  # None where nothing of it can be played
    cases: Mapping[Path, tuple[Case, ...]] = field(default_factory=dict)  # by file, each in order
    problems: Mapping[Path, tuple[Diagnostic, ...]] = field(default_factory=dict)  # of a file, which then has no cases
    refused: NotPlayable | None = None  # why nothing can be played

    @property
    def suite(self) -> Path | None:
        """The suite's file."""
        return self.request.suite


class Programme:
    """The parts of one session, each made when its first script is met."""

    def __init__(self, options: Options, clock: Clock) -> None:
        self.options, self.clock = options, clock
        self._beside: dict[Path, Beside] = {}
        self._parts: dict[str, Part] = {}

    def suite_at(self, path: Path) -> Suite | None:
        """The suite in a file that was named; None where it is none, or cannot be read."""
        document = read_file(path, shown(path))
        return read_suite(document, path) if looks_like_suite(document.root) else None

    def part(self, key: str) -> Part:
        """A part that was made, by its key."""
        return self._parts[key]

    def part_of_suite(self, path: Path) -> Part:
        """The part of a suite that was named, all of its scripts."""
        return self._part(real(path))

    def part_of(self, path: Path, *, named: bool) -> Part | None:
        """The part a script belongs to; None for a file that is no script of ours. Raises NotPlayable.

        A file that was named is a script if it looks like one; one that was come across has to be in a suite, unless an option
        says what to play scripts on.
        """
        if is_fragment(path):
            return None
        options, wanted = self.options, real(path)
        if options.suite is not None:
            known = self._scripts_of(options.suite)
            return self._part(real(options.suite)) if wanted in known or looks_like_script(path) else None
        fitting, broken = self._suites_with(wanted)
        if len(fitting) == 1:
            return self._part(fitting[0])
        if len(fitting) > 1:
            names = ", ".join(shown(suite) for suite in fitting)
            told = f"several suites contain {shown(path)}; pick one with --focal-suite: {names}"
            raise NotPlayable(told, matter=f"several suites: {names}")
        if not looks_like_script(path):
            return None
        if options.agent is not None:
            return self._part(None)
        if broken:
            raise NotPlayable("the suite cannot be read", broken)
        if named:
            raise NotPlayable(
                f"{shown(path)} belongs to no suite; name one with --focal-suite FILE, or an agent with --focal-agent FILE"
            )
        return None

    def _suites_with(self, path: Path) -> tuple[list[Path], tuple[Diagnostic, ...]]:
        """The suites that contain a script: those in the nearest folder of suites above us, else above the script."""
        broken: list[Diagnostic] = []
        here = self.options.here
        for folder in dict.fromkeys((here, *here.parents, *path.parents)):
            beside = self._look(folder / FOLDER)
            fitting = [real(Path(found.suite.file)) for found in beside.suites if path in found.scripts]
            if fitting:
                return fitting, ()
            broken.extend(beside.broken)
        return [], tuple(broken)

    def suites(self) -> list[Path]:
        """The suites in the nearest folder that has any."""
        for folder in (self.options.here, *self.options.here.parents):
            if found := self._look(folder / FOLDER).suites:
                return [real(Path(one.suite.file)) for one in found]
        return []

    def _look(self, folder: Path) -> Beside:
        if folder not in self._beside:
            suites: list[Found] = []
            broken: list[Diagnostic] = []
            for path in sorted(folder.glob("*.yaml")) if folder.is_dir() else ():
                document = read_file(path, shown(path))
                meant = looks_like_suite(document.root)
                suite = read_suite(document, path) if meant else None
                if suite is not None:
                    suites.append(Found(suite, frozenset(file for file, _ in collect(suite, Problems())[0])))
                elif meant or document.root is None:
                    broken.extend(document.problems.errors)
            self._beside[folder] = Beside(tuple(suites), tuple(broken))
        return self._beside[folder]

    def _scripts_of(self, suite: Path) -> frozenset[Path]:
        for found in self._look(suite.parent).suites:
            if real(Path(found.suite.file)) == real(suite):
                return found.scripts
        named = self.suite_at(suite) if suite.is_file() else None
        return frozenset() if named is None else frozenset(file for file, _ in collect(named, Problems())[0])

    def _part(self, suite: Path | None) -> Part:
        key = "" if suite is None else str(suite)
        if key not in self._parts:
            self._parts[key] = self._made(key, suite)
        return self._parts[key]

    def _made(self, key: str, suite: Path | None) -> Part:
        listed = frozenset() if suite is None else self._scripts_of(suite)
        named = self.options.named
        below = {path for path in listed if _is_below(path, named)}
        if suite is None or suite == (None if self.options.suite is None else real(self.options.suite)):
            below |= {real(path) for path in self._strangers(suite is None, listed)}
        if not below or (suite is not None and suite in {real(path) for path in named}):
            below |= listed
        whole = below == listed
        request = RunRequest(
            paths=(_beside_us(suite),) if suite is not None and whole else tuple(_beside_us(path) for path in sorted(below)),
            suite=None if suite is None or whole else _beside_us(suite),
            agent=None if self.options.agent is None else _beside_us(self.options.agent),
            engine=self.options.engine,
            runs=self.options.runs or Path("reports"),
            cache=cache_folder(os.environ),
        )
        return self._prepared(key, request, frozenset(below))

    def _strangers(self, anything: bool, listed: frozenset[Path]) -> Iterator[Path]:
        """Scripts that we were pointed at and that no suite lists; a file that was named, or below a folder that was."""
        for path in self.options.named:
            for file in files_below(path) if path.is_dir() else [path] if path.suffix in (".yaml", ".yml") else []:
                if is_fragment(file) or real(file) in listed or not looks_like_script(file):
                    continue
                if not anything or not self._suites_with(real(file))[0]:
                    yield file

    def _prepared(self, key: str, request: RunRequest, files: frozenset[Path]) -> Part:
        """The part; where scripts are broken, of the others alone."""
        bad: dict[Path, tuple[Diagnostic, ...]] = {}
        while True:
            try:
                prepared = prepare(request, self.clock)
            except Refused as problem:
                errors = _by_file(problem.diagnostics)
                fresh = {path: found for path, found in errors.items() if path in files and path not in bad}
                if not fresh or len(bad) + len(fresh) == len(files):
                    return self._refused(key, request, {**bad, **fresh}, problem)
                bad.update(fresh)
                left = tuple(_beside_us(path) for path in sorted(files - bad.keys()))
                suite = request.suite or (Path(key) if key else None)
                request = replace(request, paths=left, suite=None if suite is None else _beside_us(suite))
            except FocalEvalError as problem:
                return Part(key, request, None, refused=NotPlayable(str(problem)))
            else:
                return Part(key, request, prepared, _by_script(prepared), bad)

    def _refused(self, key: str, request: RunRequest, bad: dict[Path, tuple[Diagnostic, ...]], problem: Refused) -> Part:
        told = {item for several in bad.values() for item in several}
        rest = [item for item in problem.diagnostics if item not in told and item.severity == "error"]
        if not rest and bad:
            return Part(key, request, None, problems=bad)
        return Part(key, request, None, problems=bad, refused=NotPlayable(str(problem), rest))


def looks_like_script(path: Path) -> bool:
    """Whether a file has `turns:` or `simulator:` at its left edge: enough to tell scripts from other YAML, unread."""
    try:
        with path.open("rb") as stream:
            return _TURNS(stream.read(_HEAD)) is not None
    except OSError:
        return False


def names_of(cases: Iterable[Case]) -> Iterator[tuple[str, Case]]:
    """The names of the items of one file: those of its cases, each on one line and told apart."""
    several = [(one_line(case.name, _MOST_NAME).replace("::", ":"), case) for case in cases]
    often = Counter(name for name, _ in several)
    yield from ((name if often[name] == 1 else f"{name}~{case.id[:6]}", case) for name, case in several)


def _is_below(path: Path, folders: Iterable[Path]) -> bool:
    return any(path.is_relative_to(real(folder)) for folder in folders)


def _beside_us(path: Path) -> Path:
    return Path(shown(path))


def _by_file(problems: Iterable[Diagnostic]) -> dict[Path, tuple[Diagnostic, ...]]:
    out: dict[Path, list[Diagnostic]] = {}
    for item in problems:
        out.setdefault(real(Path(item.span.file)), []).append(item)
    return {path: tuple(items) for path, items in out.items() if any(item.severity == "error" for item in items)}


def _by_script(prepared: Prepared) -> dict[Path, tuple[Case, ...]]:
    out: dict[Path, list[Case]] = {}
    for case in prepared.plan.cases:
        out.setdefault(real(Path(case.script.file)), []).append(case)
    return {path: tuple(cases) for path, cases in out.items()}
