"""Collectors for script and suite files, and the item a case is.

A case is played in an item's setup and judged in its call: an engine that breaks is pytest's ERROR, an expectation that does
not hold is its FAILED, and no plug-in has to be told the difference.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from focal_eval.errors import Diagnostic
from focal_eval.pytest_plugin.programme import NotPlayable, Part, names_of
from focal_eval.pytest_plugin.session import session_of
from focal_eval.pytest_plugin.telling import (
    ConversationFailed,
    EngineBroke,
    Frame,
    Place,
    Told,
    properties,
    told_of,
    turn_lines,
)
from focal_eval.records import Verdict
from focal_eval.report.ansi import Paint
from focal_eval.report.characters import one_line
from focal_eval.report.diagnosed import diagnosed
from focal_eval.runner.plan import Case
from focal_eval.runner.played import Played
from focal_eval.runner.repeats import key_of
from focal_eval.script.load import real
from focal_eval.script.model import Mark
from focal_eval.script.shelf import opened

_STRANGE = re.compile(r"[^\w:+.\-\\/\[\]]")  # in `-m` these end a word
_ACTING = ("skip", "skipif", "xfail", "parametrize", "usefixtures", "filterwarnings", "tryfirst", "trylast")  # pytest's own
_PLUGINS = (
    "anyio",
    "asyncio",
    "benchmark",
    "dependency",
    "django_db",
    "flaky",
    "order",
    "repeat",
    "timeout",
    "trio",
    "xdist_group",
)
_TAKEN = frozenset((*_ACTING, *_PLUGINS, "and", "or", "not", "True", "False", "None"))
"""What a marker of that name would do, a tag must not."""


def collector_of(path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """A collector for a script, or for a suite that was named; None for other files."""
    session = session_of(parent.config)
    named = parent.session.isinitpath(path)
    if named and session.programme.suite_at(path) is not None:
        return SuiteFile.from_parent(parent, path=path)
    try:
        part = session.programme.part_of(path, named=named)
    except NotPlayable as problem:
        return ScriptFile.from_parent(parent, path=path, problem=problem)
    return None if part is None else ScriptFile.from_parent(parent, path=path, part=part)


def marker_of(tag: str) -> str:
    """The marker that stands for a tag: its name, what `-m` cannot read replaced; `tag_skip` for one that would act."""
    name = _STRANGE.sub("_", tag)
    return f"tag_{name}" if name in _TAKEN or name.startswith("_") else name


class ScriptFile(pytest.File):
    """A script: an item a case."""

    def __init__(self, *, part: Part | None = None, problem: NotPlayable | None = None, **rest: Any) -> None:
        super().__init__(**rest)
        self._part, self._problem = part, problem

    def collect(self) -> Iterable[pytest.Item]:
        if self._part is None:
            assert self._problem is not None
            if session_of(self.config).first(self._problem.matter, self.path):
                raise _unreadable(self._problem)
            return ()
        path = real(self.path)
        return _items(self, self._part, (path,), self._part.cases.get(path, ()))


class SuiteFile(pytest.File):
    """A suite that was named on the command line: an item a case of all its scripts."""

    def collect(self) -> Iterable[pytest.Item]:
        part = session_of(self.config).programme.part_of_suite(self.path)
        several = (case for path in sorted(part.cases) for case in part.cases[path])
        return _items(self, part, tuple(part.problems), several)


def _items(parent: pytest.File, part: Part, files: Iterable[Path], cases: Iterable[Case]) -> Iterator[pytest.Item]:
    """The items of some cases, or the error of files that cannot be read."""
    session = session_of(parent.config)
    if part.refused is not None:
        if session.first(part.refused.matter, parent.path):
            raise _unreadable(part.refused)
        return
    if problems := [item for path in files for item in part.problems.get(path, ())]:
        raise _unreadable(NotPlayable("", problems))
    for name, case in names_of(cases):
        whole = f"{parent.nodeid}::{name}"  # spelt out, as pytest reads it back: its own would not part name and params
        yield CaseItem.from_parent(parent, name=name, nodeid=whole, part=part, case=case)


def _unreadable(problem: NotPlayable) -> pytest.Collector.CollectError:
    problems: list[Diagnostic] = list(problem.problems)
    lines = [str(problem)] if str(problem) and not problems else []
    return pytest.Collector.CollectError("\n".join([*lines, *diagnosed(problems, Paint(False))]))


class CaseItem(pytest.Item):
    """One case of a script."""

    def __init__(self, *, part: Part, case: Case, **rest: Any) -> None:
        super().__init__(**rest)
        self.part, self.case = part, case
        self.played: Played | None = None
        self.told: Told | None = None
        self._times = 0
        script = opened(case.script)
        self._place = Path(script.file).absolute(), script.span.line - 1
        assert part.prepared is not None
        for tag in dict.fromkeys((*script.tags, *part.prepared.fields.tags)):
            self._mark(tag)
        self._expect(script.skip, script.xfail)

    def _mark(self, tag: str) -> None:
        name = marker_of(tag)
        self.config.addinivalue_line("markers", f"{name}: cases with the tag {tag!r} (focal-eval)")
        self.add_marker(name)
        self.extra_keyword_matches.add(tag)

    def _expect(self, skip: Mark | None, xfail: Mark | None) -> None:
        """Says in pytest's own markers what the script and the suite say of the case."""
        session = session_of(self.config)
        if skip is not None:
            self.add_marker(pytest.mark.skip(reason=skip.reason))
        if (held := session.quarantined(self.part, key_of(self.case))) is not None:
            self.add_marker(pytest.mark.xfail(reason=held, strict=False))
        elif xfail is not None:
            self.add_marker(pytest.mark.xfail(reason=xfail.reason, strict=True, raises=ConversationFailed))

    def setup(self) -> None:
        """Plays the case. Raises EngineBroke where no verdict came of it."""
        if self.config.getoption("setuponly", False):
            return
        session = session_of(self.config)
        self._times += 1
        self.played = self.told = None
        if (lost := session.lost(self.part)) is not None:
            raise EngineBroke(f"not asked: {lost}", pytrace=False)
        self.played = session.play(self.part, self.case, self._times)
        self.told = told_of(self.played)
        self.user_properties[:] = [entry for entry in self.user_properties if not str(entry[0]).startswith("focal.")]
        self.user_properties.extend(properties(self.played, self.told))
        if self.played.verdict is Verdict.ERRORED:
            raise EngineBroke(self.told.message, pytrace=False)

    def runtest(self) -> None:
        """Raises ConversationFailed where an expectation did not hold."""
        assert self.played is not None
        assert self.told is not None
        if self.played.verdict in (Verdict.FAILED, Verdict.XFAILED):
            raise ConversationFailed(self.told.message, pytrace=False)
        if self.played.verdict is Verdict.SKIPPED:
            pytest.skip(self.told.reason)

    def reportinfo(self) -> tuple[os.PathLike[str], int, str]:
        return *self._place, self.name

    def report(self, report: Any) -> None:
        """Adds to a report of this item what was played, and has it say it in our words."""
        told, played = self.told, self.played
        if report.when == "teardown":
            return
        if report.skipped and isinstance(report.longrepr, tuple):  # the script's place, not ours
            path, line, _ = self.location
            report.longrepr = (path, (line or 0) + 1, str(report.longrepr[2]).removeprefix("Skipped: "))
        session = session_of(self.config)
        if played is None and report.when == "setup" and not report.passed and session.lost(self.part) is None:
            played = session.not_played(self.part, self.case, _reason_of(report), skipped=report.skipped)
        if played is not None and report.when == "setup":
            report.focal_played = session.sent(self.part, played)
        if told is None or played is None:
            return
        if told.turns and (report.when == "call" or report.failed):
            report.sections.append(("conversation", "\n".join(turn_lines(told.turns))))
        if isinstance(report.longrepr, str) and report.longrepr.startswith("[XPASS(strict)]"):
            return
        if report.longrepr is not None and not isinstance(report.longrepr, tuple):
            told_json = {key: getattr(told, key) for key in ("painted", "message", "file", "line")}
            report.focal_told = told_json | {"turns": [turn.as_json() for turn in told.turns]}
            report.longrepr = Frame(told.painted, Place(told.file, told.line, told.message))


def _reason_of(report: pytest.TestReport) -> str:
    """Why an item was not played, in a line."""
    if isinstance(report.longrepr, tuple):
        return str(report.longrepr[2])
    if told := getattr(report, "wasxfail", ""):
        return str(told)
    crash = getattr(report.longrepr, "reprcrash", None)
    return one_line(str(crash.message if crash is not None else report.longrepr), 400)
