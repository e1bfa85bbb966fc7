"""A suite kept warm: after an edit only what it touches is read, checked and played again, and what changed is told.

An edited script is played; of an edited agent those scripts are played that its edit can be seen in (`experiment.reach`).
The others leave the same records, so they keep their verdicts.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from focal_eval.clock import Clock
from focal_eval.errors import Diagnostic, Refused
from focal_eval.evaluate.checking import check_paths
from focal_eval.evaluate.edits_on_disk import state_of
from focal_eval.evaluate.laboratory import Opened, open_lab
from focal_eval.evaluate.request import RunRequest
from focal_eval.evaluate.running import run
from focal_eval.evaluate.target import collected, entry_of
from focal_eval.experiment.lab import Lab, Replay
from focal_eval.experiment.reach import Reach
from focal_eval.records import Verdict
from focal_eval.report.progress import progress
from focal_eval.runner.plan import Case
from focal_eval.script.load import real
from focal_eval.script.suite import Suite
from focal_eval.value import value

_GOOD = frozenset({Verdict.PASSED, Verdict.XFAILED, Verdict.SKIPPED})


@value
class Shown:
    """A case whose verdict changed, or that is still bad, with the first thing that is wrong."""

    case: str
    script: str
    verdict: str
    why: str | None = None

    def as_json(self) -> dict[str, Any]:
        return {"case": self.case, "script": self.script, "verdict": self.verdict, "why": self.why}


@value
class Update:
    """What an edit came to."""

    played: int
    cases: int
    broke: tuple[Shown, ...] = ()  # were good, or are new, and are bad now
    healed: tuple[Shown, ...] = ()
    still: tuple[Shown, ...] = ()  # played, and bad as before
    gone: tuple[str, ...] = ()
    bad: int = 0  # of all cases
    problems: tuple[Diagnostic, ...] = ()
    refused: str | None = None  # why nothing was played; verdicts are those of before
    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """One line of `watch --json`."""
        listed = {name: [one.as_json() for one in getattr(self, name)] for name in ("broke", "healed", "still")}
        problems = [
            {"code": one.code, "severity": one.severity, "message": one.message, **one.span._asdict()} for one in self.problems
        ]
        return {
            "played": self.played,
            "cases": self.cases,
            "bad": self.bad,
            **listed,
            "gone": list(self.gone),
            "problems": problems,
            "refused": self.refused,
            "seconds": round(self.seconds, 3),
        }


@value
class _Base:
    """The cases as they were played once, on one agent: every later agent is held against it."""

    reach: Reach
    digests: Mapping[str, str]  # of the scripts at that time

    def touched(self, opened: Opened) -> frozenset[str]:
        """The cases whose records may differ from those of the base; those of scripts that were edited since are."""
        lab = self.reach.lab
        change = self.reach.of(opened.lab.agent)
        found = {lab.cases[at].name for at in change.candidates if not lab.deterministic or change.first(at) is not None}
        found |= {case.name for at, case in enumerate(lab.cases) if self.reach.cases[at].begun is None}
        found |= {case.name for case in opened.lab.cases if self.digests.get(case.name) != case.script.digest}
        return frozenset(found)


class Watching:
    """The cases of a request with their verdicts, brought up to date by `look`.

    An engine that is not played in this process is asked only where `request.engine` names it; else scripts are checked alone.
    """

    def __init__(self, request: RunRequest, clock: Clock) -> None:
        self.request, self.clock = request, clock
        self._opened: Opened | None = None
        self._base: _Base | None = None
        self._touched: frozenset[str] = frozenset()  # by the agent of the last look, against that of the base
        self._replays: dict[str, Shown] = {}
        self._digests: dict[str, str] = {}
        self._bases: tuple[Path, ...] = tuple(real(path) for path in request.paths)
        self._kind: tuple[object, bool] | None = None  # the suite's state, and whether its engine is played here

    def files(self) -> tuple[Path, ...]:
        """The files and folders whose edits are looked for."""
        return self._bases

    def look(self) -> Update:
        """Reads what there is now, and plays what may have changed since the last time."""
        began = self.clock.elapsed()
        try:
            made = self._look()
        except Refused as problem:
            found = tuple(problem.diagnostics)
            made = Update(0, len(self._replays), bad=self._bad(), problems=found, refused=str(problem))
        return replace(made, seconds=self.clock.elapsed() - began)

    def warm(self) -> None:
        """Makes ready, while nobody waits, what an edit of the agent asks for: once, for all edits to come."""
        if self._base is None and self._opened is not None:
            self._base = _Base(Reach(self._opened.lab), dict(self._digests))
            self._touched = frozenset()

    def _look(self) -> Update:
        if self._is_here():
            return self._in_lab()
        scripts = collected(self.request)
        entry, _ = entry_of(self.request, scripts.suite)
        self._bases = _watched(self.request, scripts.suite, entry, [script.file for script in scripts.scripts])
        config: Any = entry.config
        here = entry.kind == "embedded" and (config is None or config.generator.kind == "template")
        self._kind = (self._suite_state(scripts.suite), here)
        return self._in_lab() if here else self._elsewhere({script.id: script.digest for script in scripts.scripts}, scripts)

    def _is_here(self) -> bool:
        """Whether the engine is known to be played here, and the suite that says so is what it was."""
        if self._kind is None or self._opened is None or not self._kind[1]:
            return False
        return self._kind[0] == self._suite_state(self._opened.prepared.target.suite)

    @staticmethod
    def _suite_state(suite: Suite | None) -> object:
        return None if suite is None else state_of([suite.path])

    def _in_lab(self) -> Update:
        opened = open_lab(self.request, Clock())
        cases = opened.lab.cases
        chosen = self._chosen(opened)
        played = {cases[place].name: _shown(cases[place], opened.lab.base(place)) for place in chosen}
        update = self._settled(played, {case.name for case in cases})
        self._opened = opened
        self._digests = {case.name: case.script.digest for case in cases}
        return replace(update, problems=tuple(opened.prepared.target.warnings))

    def _chosen(self, opened: Opened) -> list[int]:
        """Positions of the cases to play: new ones, those of edited scripts, and those that the agent's edit touches."""
        cases, before = opened.lab.cases, self._opened
        if before is None or _terms(before.lab) != _terms(opened.lab):
            self._base = None
            return list(range(len(cases)))
        affected: set[str] = set()
        if before.lab.engine.agent.digest != opened.lab.engine.agent.digest:
            self.warm()
            assert self._base is not None
            touched = self._base.touched(opened)
            affected = {*touched, *self._touched}  # what the edit before touched may be as it was
            self._touched = touched
        return [
            at for at, case in enumerate(cases) if case.name in affected or self._digests.get(case.name) != case.script.digest
        ]

    def _elsewhere(self, digests: dict[str, str], scripts: Any) -> Update:
        """Checks; plays edited scripts on an engine that was named."""
        files = {script.id: script.file for script in scripts.scripts}
        checked = check_paths(self.request.paths, engine=self.request.engine)
        if checked.errors:
            raise _refused(checked.problems)
        changed = [name for name, digest in digests.items() if self._digests.get(name) != digest]
        self._digests = digests
        if self.request.engine is None:
            words = "the engine is not played in this process; name it with --engine to have it asked"
            return Update(0, len(digests), problems=tuple(checked.problems), refused=words)
        if not changed:
            return Update(0, len(self._replays), bad=self._bad())
        with tempfile.TemporaryDirectory(prefix="focal-eval-watch-") as folder:
            paths = tuple(Path(files[name]) for name in changed)
            suite = None if scripts.suite is None else scripts.suite.path
            out = Path(folder) / "run"
            wanted = replace(self.request, paths=paths, suite=suite, out=out, reports=(), store="off")
            model = run(wanted, progress(io.StringIO(), quiet=True, clock=self.clock), self.clock).model
            played = {
                case.name: Shown(case.name, case.file, str(case.verdict), case.message) for case in model.cases
            }  # fmt: skip
        names = {name for name, one in self._replays.items() if one.script in files.values()} | played.keys()
        return self._settled(played, names)

    def _settled(self, played: Mapping[str, Shown], names: set[str]) -> Update:
        """Takes new verdicts over, and says what they change."""
        before = self._replays
        bad = [one for one in played.values() if not _is_good(one)]
        broke = tuple(one for one in bad if one.case not in before or _is_good(before[one.case]))
        still = tuple(one for one in bad if one not in broke)
        healed = tuple(
            one for one in played.values() if _is_good(one) and one.case in before and not _is_good(before[one.case])
        )
        gone = tuple(sorted(before.keys() - names))
        self._replays = {name: one for name, one in {**before, **played}.items() if name in names}
        return Update(len(played), len(self._replays), broke, healed, still, gone, self._bad())

    def _bad(self) -> int:
        return sum(not _is_good(one) for one in self._replays.values())


def _is_good(one: Shown) -> bool:
    return one.verdict in {str(verdict) for verdict in _GOOD}


def _terms(lab: Lab) -> object:
    """What of a suite decides how its cases are played and judged."""
    terms = lab.terms
    return (
        terms.channel,
        terms.unreported,
        terms.prices,
        terms.root,
        terms.seed,
        terms.tolerated,
        terms.masks,
        terms.timeout_s,
    )


def _shown(case: Case, replay: Replay) -> Shown:
    mark = next(iter(replay.marks), None)
    where = "" if mark is None or mark.turn is None else f"turn {mark.turn + 1}: "
    return Shown(case.name, case.script.file, str(replay.verdict), replay.reason if mark is None else f"{where}{mark.text}")


def _watched(request: RunRequest, suite: Suite | None, entry: Any, scripts: list[str]) -> tuple[Path, ...]:
    """Folders of scripts, the suite, and what its engine is made of."""
    from focal_eval.engines import Setting

    found: dict[Path, None] = dict.fromkeys(real(path) for path in request.paths)
    if suite is not None:
        found[suite.path] = None
        for pattern in suite.fields.scripts:
            base = suite.folder / pattern.text.removeprefix("!").partition("*")[0]
            found[real(base if base.is_dir() else base.parent)] = None
    found.update(dict.fromkeys(real(Path(script)) for script in scripts))
    agent = (
        None if entry.config is None else entry.config.agent_file(Setting(Path() if suite is None else suite.folder, Clock()))
    )
    if agent is not None:
        found[real(agent)] = None
    return tuple(found)


def _refused(problems: list[Diagnostic]) -> Refused:
    return Refused("nothing was run", problems)
