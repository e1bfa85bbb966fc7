"""The run folders of a session: written by the process that hears of every item, and told in pytest's summary."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from focal_eval.errors import FocalEvalError, Refused
from focal_eval.evaluate.approval_units import Category
from focal_eval.evaluate.approving import ApproveRequest, approve
from focal_eval.evaluate.authors import author_here
from focal_eval.evaluate.request import RunResult
from focal_eval.evaluate.sitting import Sitting, narrowed
from focal_eval.pytest_plugin.items import CaseItem
from focal_eval.pytest_plugin.programme import NotPlayable, Part, names_of
from focal_eval.pytest_plugin.session import Session, received
from focal_eval.pytest_plugin.telling import failed_turns, frame_of
from focal_eval.report.ansi import Paint
from focal_eval.report.diagnosed import diagnosed
from focal_eval.report.terminal import gate_line, last_line
from focal_eval.runner.plan import Case
from focal_eval.script.load import real, shown
from focal_eval.text import counted

_INTERRUPTED = 2  # pytest's exit code
_MOST = 5  # warnings that are shown


def cases_of(config: pytest.Config, session: Session, ids: Sequence[str]) -> Iterator[tuple[Part, Case]]:
    """The cases that ids of items name; ids of other tests are left out."""
    parts: dict[str, dict[str, tuple[Part, Case]]] = {}
    for name in ids:
        file, _, item = name.partition("::")
        if not file.endswith((".yaml", ".yml")):
            continue
        if file not in parts:
            parts[file] = _named(session, config.rootpath / file)
        found = parts[file].get(item) or parts[file].get(item.rpartition("@")[0])  # xdist adds `@group` to some
        if found is not None:
            yield found


def _named(session: Session, path: Path) -> dict[str, tuple[Part, Case]]:
    programme = session.programme
    try:
        if path in session.options.named and programme.suite_at(path) is not None:
            part: Part | None = programme.part_of_suite(path)
            assert part is not None
            cases: Iterable[Case] = (case for file in sorted(part.cases) for case in part.cases[file])
        else:
            part = programme.part_of(path, named=path in session.options.named)
            cases = () if part is None else part.cases.get(real(path), ())
    except NotPlayable:
        return {}
    return {} if part is None else {name: (part, case) for name, case in names_of(cases)}


class Keeper:
    """Writes a run folder for each suite of the session."""

    def __init__(self, config: pytest.Config, session: Session) -> None:
        self.config, self.session = config, session
        self._chosen: dict[str, list[str]] = {}  # ids of cases by part
        self._parts: dict[str, Part] = {}
        self._sittings: dict[str, Sitting] = {}
        self._results: list[RunResult] = []
        self._said: list[str] = []  # about baselines
        self._problems: list[str] = []

    def choose(self, cases: Iterable[tuple[Part, Case]]) -> None:
        """Says which cases will be played; what was said first holds."""
        if self._chosen:
            return
        for part, case in cases:
            self._parts[part.key] = part
            self._chosen.setdefault(part.key, []).append(case.id)

    def handed_out(self, ids: Sequence[str]) -> None:
        """Learns from the ids of items which cases other processes will play."""
        self.choose(cases_of(self.config, self.session, ids))

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """The items that are left are those that will be played."""
        self.choose((item.part, item.case) for item in session.items if isinstance(item, CaseItem))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: Any) -> None:
        """Writes a case down as it is heard of, before anybody else sees the report."""
        if (told := getattr(report, "focal_told", None)) is not None and isinstance(report.longrepr, str):
            report.longrepr = frame_of(told)  # on its way from another process it became plain text
        sent = report.__dict__.pop("focal_played", None)
        if sent is None or self.session.options.runs is None or sent["part"] not in self._parts:
            return
        try:
            self._sitting(sent["part"]).take(received(sent))
        except FocalEvalError as problem:
            pytest.exit(f"focal-eval: {problem}", returncode=int(problem.exit_code))

    def _sitting(self, key: str) -> Sitting:
        if key not in self._sittings:
            part = self._parts[key]
            assert part.prepared is not None
            prepared = narrowed(part.prepared, self._chosen[key])
            self._sittings[key] = Sitting(part.request, prepared, self.session.clock)
        return self._sittings[key]

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Judges the runs. A gate of a suite that was played whole fails the session as a test does."""
        state = "stopped" if session.shouldfail else "interrupted" if exitstatus == _INTERRUPTED else "workers-lost"
        for key, sitting in self._sittings.items():
            try:
                result = sitting.end(state)
                self._results.append(result)
                if self.session.options.update:
                    self._approve(result)
            except FocalEvalError as problem:
                self._problems.extend(_told(problem))
            else:
                if not int(session.exitstatus) and result.exit_code and self._is_whole(key):
                    session.exitstatus = int(pytest.ExitCode.TESTS_FAILED)
        if self._problems and not int(session.exitstatus):
            session.exitstatus = int(pytest.ExitCode.TESTS_FAILED)

    def _is_whole(self, key: str) -> bool:
        part = self._parts[key]
        assert part.prepared is not None
        return part.request.suite is None and len(self._chosen[key]) == part.prepared.plan.collected

    def _approve(self, result: RunResult) -> None:
        reason = self.session.options.reason
        changed = (Category.WRONG,) if reason is not None else ()
        only = (Category.NEW, *changed, Category.REFORMATTED)
        done = approve(ApproveRequest(str(result.model.folder), only=only, author=author_here(), reason=reason))
        kinds = [(category, sum(item.approved and item.category == category for item in done.items)) for category in only]
        told = [f"{count} {category}" for category, count in kinds if count] or ["nothing new"]
        bad = sum(item.category == Category.NEW and not item.approved for item in done.items)
        other = [item for item in done.items if item.category == Category.WRONG and not item.approved]
        told += [f"{counted(bad, 'new case')} left, as what did not pass is"] if bad else []
        if other:
            why = "say why with --focal-reason" if reason is None else "as what did not pass is"
            told.append(f"{counted(len(other), 'changed case')} left, {why}")
        self._said.append(f"baseline {shown(done.folder)}: {'; '.join(told)}; {counted(len(done.written), 'file')} written")

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """The verdict of each run as `focal-eval run` gives it, with the gates that failed and where the report lies."""
        if not (self._results or self._problems):
            return
        paint = Paint(terminalreporter.hasmarkup)
        terminalreporter.write_sep("=", "focal-eval")
        for result in self._results:
            for line in self._lines(result, paint):
                terminalreporter.write_line(line)
        for line in (*self._said, *self._problems):
            terminalreporter.write_line(line)

    def _lines(self, result: RunResult, paint: Paint) -> Iterator[str]:
        yield from diagnosed(result.warnings, paint, most=_MOST)
        if result.cassette is not None:
            yield result.cassette
        yield from (gate_line(gate, paint) for gate in result.model.gates if gate.get("passed") is False)
        report = result.written.get("html") or result.model.folder
        suite = (result.model.header.get("suite") or {}).get("file")
        begin = f"{suite}: " if suite and len(self._results) > 1 else ""
        yield begin + last_line(result.model, paint, Path(shown(report)))


def _told(problem: FocalEvalError) -> list[str]:
    more = diagnosed(problem.diagnostics, Paint(False)) if isinstance(problem, Refused) else ()
    return [f"focal-eval: {problem}", *more]


class Teller:
    """With `-v`, says of each turn that went wrong what went wrong, beneath the item's own line."""

    def __init__(self, reporter: Any) -> None:
        self._reporter = reporter

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: Any) -> None:
        """A line for each failure of a turn."""
        told = getattr(report, "focal_told", None)
        if told is None or not report.failed or self._reporter.verbosity <= 0:
            return
        for line, colour in failed_turns(told["turns"]):
            self._reporter.ensure_newline()
            self._reporter.write(line, **{"purple" if colour == "magenta" else colour: True})
            self._reporter.currentfspath = -2  # the line is open, as pytest leaves its own
