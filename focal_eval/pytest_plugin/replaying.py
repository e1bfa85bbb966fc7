"""The `replay` fixture: a test written by hand plays a script and asks what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from focal_eval.errors import FocalEvalError, Problems, Refused
from focal_eval.evaluate.request import RunRequest
from focal_eval.evaluate.sitting import OneByOne
from focal_eval.evaluate.table import Table, one_case
from focal_eval.evaluate.target import named_suite
from focal_eval.pytest_plugin.joining import joined
from focal_eval.pytest_plugin.session import Session, session_of
from focal_eval.pytest_plugin.telling import FAILED, ConversationFailed, EngineBroke, plain, told_of
from focal_eval.records import TurnRecord, Verdict
from focal_eval.records.codec import turn_from_json
from focal_eval.report.ansi import Paint
from focal_eval.report.diagnosed import diagnosed
from focal_eval.report.in_memory import HeldRun
from focal_eval.runner.plan import Case
from focal_eval.runner.played import Played
from focal_eval.script.load import shown

if TYPE_CHECKING:
    from focal_eval.script.suite import Suite


class Replayed:
    """What came of one case: its verdict, its turns as records, and the frames of what failed."""

    def __init__(self, case: Case, played: Played) -> None:
        self.name, self.verdict = case.name, played.verdict
        self.told = told_of(played)
        run = HeldRun(played.lines)
        (found,) = run.cases
        self.turns: tuple[TurnRecord, ...] = tuple(turn_from_json(run.document(place)) for place in found.last.turns)

    @property
    def passed(self) -> bool:
        """Whether every expectation held."""
        return self.verdict is Verdict.PASSED

    @property
    def failures(self) -> str:
        """The frames of what failed or broke, empty where nothing did."""
        return "" if self.passed else plain(self.told.painted)

    def assert_passed(self) -> None:
        """Fails the test with the script's frames, and no traceback, unless the verdict is `passed`."""
        __tracebackhide__ = True
        text = f"{self.name}: {self.told.message or self.verdict.value}\n{self.failures}"
        if self.verdict is Verdict.ERRORED:
            raise EngineBroke(text, pytrace=False)
        if not self.passed:
            raise ConversationFailed(text, pytrace=False)

    def __repr__(self) -> str:
        return f"<Replayed {self.name}: {self.verdict.value}, {len(self.turns)} turns>"


class Replay:
    """Plays scripts on the session's engine; call it, or await `later` in a test that has a loop of its own."""

    def __init__(self, table: Playing, folders: pytest.TempPathFactory) -> None:
        self._table, self._folders = table, folders

    def __call__(self, script: str | Path, *, case: str | None = None) -> Replayed:
        """Plays the script at a path, or the YAML in a text of several lines; `case` names one where it makes several."""
        __tracebackhide__ = True
        chosen = self._chosen(script, case)
        return Replayed(chosen, self._table.play(chosen))

    async def later(self, script: str | Path, *, case: str | None = None) -> Replayed:
        """The same for a test that is awaited: other tasks of its loop go on meanwhile."""
        __tracebackhide__ = True
        chosen = self._chosen(script, case)
        future = self._table.session.loop.submit(self._table.player.play(chosen, self._table.next(chosen)))
        return Replayed(chosen, await asyncio.wrap_future(future))

    def _chosen(self, script: str | Path, case: str | None) -> Case:
        __tracebackhide__ = True
        path, root = self._file(script)
        try:
            return one_case(self._table.table.cases(path, root), case)
        except FocalEvalError as problem:
            raise _refused(problem) from None

    def _file(self, script: str | Path) -> tuple[Path, Path]:
        """The file of a script and the folder its includes lie below; a text is written to one."""
        if isinstance(script, str) and "\n" in script:
            path = self._folders.mktemp("replay") / "script.yaml"
            path.write_text(dedent(script).lstrip("\n"), encoding="utf-8")
            return path, path.parent
        path = Path(script)
        here = self._table.session.options.here
        for base in (Path.cwd(), here):
            if (base / path).is_file():
                found = (base / path).resolve()
                return found, here if found.is_relative_to(here) else found.parent
        pytest.fail(f"there is no script {script}", pytrace=False)


class Playing:
    """The session's engine, and how often each case was played on it."""

    def __init__(self, table: Table, session: Session) -> None:
        self.table, self.session = table, session
        self.engine = table.engine
        self.player: OneByOne = table.player
        self._times: dict[str, int] = {}

    def next(self, case: Case) -> int:
        """Which time this is that a case is played: engines that remember users are told it."""
        self._times[case.id] = self._times.get(case.id, 0) + 1
        return self._times[case.id]

    def play(self, case: Case) -> Played:
        """Plays a case."""
        return self.session.loop.run(self.player.play(case, self.next(case)))


def suite_of(config: pytest.Config) -> Suite:
    """The suite a session's fixtures mean; fails the test that asks where that cannot be told."""
    joined(config)
    session = session_of(config)
    named = session.options.suite
    if named is None:
        known = session.programme.suites()
        if len(known) != 1:
            told = "there are several: " + ", ".join(map(shown, known)) if known else "there is none below evals/"
            pytest.fail(f"name a suite with --focal-suite FILE, or focal_suite in the ini file; {told}", pytrace=False)
        named = known[0]
    try:
        return named_suite(Path(shown(named)), Problems())
    except FocalEvalError as problem:
        raise _refused(problem) from None


def table_of(config: pytest.Config) -> Iterator[Playing]:
    """The session's engine, while the session lasts."""
    joined(config)
    session = session_of(config)
    options = session.options
    suite = None
    if options.suite is not None or options.agent is None:
        suite = Path(suite_of(config).file)
    request = RunRequest((), suite=suite, engine=options.engine, agent=options.agent)
    try:
        table = Table(request, session.clock, session.talks)
    except FocalEvalError as problem:
        raise _refused(problem) from None
    try:
        yield Playing(table, session)
    finally:
        session.loop.run(table.player.close())
        if table.recorder is not None:
            table.recorder.save()


def _refused(problem: FocalEvalError) -> Exception:
    told = list(diagnosed(problem.diagnostics, Paint(False))) if isinstance(problem, Refused) else []
    failure: Exception = FAILED("\n".join(told or [str(problem)]), pytrace=False)
    return failure
