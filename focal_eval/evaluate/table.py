"""A suite and its engine, set up once, for scripts that come one at a time."""

from __future__ import annotations

from pathlib import Path

from focal_eval.clock import Clock
from focal_eval.engines import Engine, Setting
from focal_eval.errors import Diagnostic, Problems, Refused, UsageError
from focal_eval.evaluate.cassettes import cassette_of
from focal_eval.evaluate.inspecting import Inspection
from focal_eval.evaluate.request import RunRequest
from focal_eval.evaluate.sitting import OneByOne
from focal_eval.evaluate.target import (
    agent_beside,
    bare_fields,
    connected,
    entry_of,
    named_suite,
    unique,
    unset,
    with_overrides,
)
from focal_eval.registry import did_you_mean
from focal_eval.runner.opening import Terms
from focal_eval.runner.plan import Case, cases_of
from focal_eval.runner.redact import Redactor
from focal_eval.script.collect import collect, script_id
from focal_eval.script.load import Loader


class Table:
    """What a request names beside its scripts: the suite's settings, the agent and the engine, connected.

    Raises Refused with every problem found, or UsageError; nothing is sent to the engine.
    """

    def __init__(self, request: RunRequest, clock: Clock, talks: str) -> None:
        problems = Problems()
        suite = None if request.suite is None else named_suite(request.suite, problems)
        if suite is None and request.agent is None:
            raise UsageError("there is no engine to play on: name a suite or an agent")
        self._ids = {} if suite is None else dict(collect(suite, problems)[0])
        self.fields = with_overrides(suite.fields if suite is not None else bare_fields(), request)
        self._request = request
        entry, _ = entry_of(request, suite)
        folder = suite.folder if suite is not None else Path.cwd()
        used = cassette_of(entry, folder, request)
        if used is None or not used.asks_nobody:
            problems.extend(unset(entry))
        setting = Setting(folder, clock, request.allow_python)
        agent = None if entry.missing else agent_beside(entry, setting, problems)
        if agent is not None:
            problems.extend(agent.problems)
        if problems.errors:
            raise Refused("nothing was run", problems)
        self._names = None if agent is None else agent.names
        self._kind = entry.kind
        self.engine: Engine
        self.engine, self.recorder = connected(entry, setting, used, agent, problems)
        if problems.errors:
            raise Refused("nothing was run", problems)
        self.player = OneByOne(self._terms(clock, talks), Redactor((*entry.secrets, *setting.secrets)))

    def _terms(self, clock: Clock, talks: str) -> Terms:
        fields = self.fields
        return Terms(
            engine=self.engine,
            clock=clock,
            channel=fields.channel,
            timeout_s=fields.timeout_s,
            case_timeout_s=fields.case_timeout_s,
            unreported=fields.unreported,
            prices=fields.prices,
            root=Path.cwd() if self._request.allow_python else None,
            seed=fields.seed,
            tolerated=frozenset(fields.tolerate),
            masks=fields.mask,
            run_id="" if self.engine.abilities.deterministic else talks,
        )

    def cases(self, path: Path, root: Path) -> tuple[Case, ...]:
        """The cases of the script in a file, each once; what it includes lies below `root`. Raises Refused."""
        loaded = Loader(root).load([(path, self._ids.get(path) or script_id(path, root))])
        problems: list[Diagnostic] = list(loaded.problems)
        if loaded.errors:
            raise Refused(f"{path} cannot be played", problems)
        (script,) = loaded.scripts
        inspection = Inspection(self.fields, self._names, allow_python=self._request.allow_python)
        inspection.engine(self.engine, self._kind)
        script = inspection.look(script)
        for several in (inspection.unknown, inspection.idle, inspection.demands):
            problems.extend(several)
        if any(problem.severity == "error" for problem in problems):
            raise Refused(f"{path} cannot be played", unique(problems))
        return tuple(cases_of(script, 1, self.fields.variants))


def one_case(cases: tuple[Case, ...], name: str | None) -> Case:
    """The case of that name, its label or its number from 1; the only one where none is named. Raises UsageError."""
    if name is None and len(cases) == 1:
        return cases[0]
    named = [case for case in cases if name in (case.name, case.name.removeprefix(case.script.id).strip("[]"))]
    if len(named) == 1:
        return named[0]
    known = [case.name for case in cases]
    if name is None:
        raise UsageError(f"the script makes {len(cases)} cases; name one of them: " + ", ".join(known[:8]))
    fix = did_you_mean(name, known, list_up_to=8)
    raise UsageError(f"the script makes no case '{name}'" + (f"; {fix}" if fix else ""))
