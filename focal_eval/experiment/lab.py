"""A suite's cases, played in memory on any version of their agent, with the verdicts that a run gives.

An attempt is the same one a run makes; only nothing is written, and time stands still. What a run would do again for each
version of the agent (reading scripts, making expectations ready) is done once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from focal_eval.agent import Agent, Playable
from focal_eval.engines.embedded import EmbeddedEngine
from focal_eval.records import CheckResult, TurnRecord, Verdict
from focal_eval.runner.attempt import Attempt
from focal_eval.runner.judge import PreparedScript
from focal_eval.runner.opening import Terms
from focal_eval.runner.plan import Case
from focal_eval.value import value

GOOD = frozenset({Verdict.PASSED, Verdict.XFAILED})
BAD = frozenset({Verdict.FAILED, Verdict.ERRORED, Verdict.XPASSED})
T = TypeVar("T")


@value
class Mark:
    """One thing that went wrong, the same wherever it goes wrong in the same way."""

    turn: int | None  # from 0; None for the conversation and for an engine that broke outside a turn
    key: str  # "rules", "response.contains", "fault"
    text: str  # the expectation in words, or the kind of fault


@value
class Replay:
    """One case as one version of the agent played it."""

    case: int  # position in the lab's cases
    verdict: Verdict
    reason: str | None
    turns: tuple[TurnRecord, ...]
    bad: tuple[tuple[int | None, CheckResult], ...] = ()  # what failed or crashed it, with the turn's index
    end: str | None = None  # how a simulated user ended it

    @property
    def good(self) -> bool:
        """Passed, or failed as its script says."""
        return self.verdict in GOOD

    @property
    def marks(self) -> tuple[Mark, ...]:
        """What went wrong, in the order of the conversation."""
        faults = tuple(Mark(turn.index, "fault", turn.fault.kind) for turn in self.turns if turn.fault is not None)
        return (*faults, *(Mark(turn, result.key, result.text) for turn, result in self.bad))


class Lab:
    """The cases of a suite and the engine they are played on; it holds no conversation and never changes.

    `terms` are those of a run on the embedded engine, with a clock that stands still.
    """

    def __init__(self, cases: Sequence[Case], terms: Terms) -> None:
        if not isinstance(terms.engine, EmbeddedEngine):
            raise TypeError("a lab plays on the embedded engine")
        self.cases = tuple(_unhurried(case) for case in cases)
        self.terms = replace(terms, case_timeout_s=None)
        self.engine: EmbeddedEngine = terms.engine
        self._prepared: dict[str, PreparedScript] = {}
        self._python: dict[str, Callable[..., Any]] = {}
        self.learn(self.engine)
        self._base: list[Replay | None] = [None] * len(self.cases)

    @property
    def agent(self) -> Agent:
        """The agent as authored."""
        return self.engine.agent.file

    def learn(self, engine: EmbeddedEngine) -> None:
        """Takes over the functions behind the tools of another version of the agent, so that any mixture can call them."""
        for name, function in engine.python.items():
            self._python[str(engine.agent.tools[name].python)] = function

    @property
    def deterministic(self) -> bool:
        """Whether a case played twice gives the same; else local Python has a say in it."""
        return not self._python and self.engine.scorer is None and self.engine.writer is None

    def on(self, agent: Agent | Playable) -> Version:
        """Another version of the agent, ready to play the cases."""
        playable = agent if isinstance(agent, Playable) else Playable(agent, self.engine.agent.digest, self.engine.agent)
        python = {
            name: self._python[str(tool.python)]
            for name, tool in (playable.tools.items() if self._python else ())
            if str(tool.python) in self._python
        }
        engine = EmbeddedEngine(playable, python, self.engine.writer, self.engine.scorer, self.terms.clock)
        return Version(self, replace(self.terms, engine=engine))

    def base(self, position: int) -> Replay:
        """The case as the agent plays it; played once."""
        found = self._base[position]
        if found is None:
            found = self._base[position] = Version(self, self.terms).play(position)
        return found

    def prepared(self, case: Case) -> PreparedScript:
        """The script's expectations, made ready once."""
        script = case.script
        found = self._prepared.get(script.id)
        if found is None or found.script is not script:
            found = self._prepared[script.id] = PreparedScript(script)
        return found

    def drive(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What a coroutine returns. Where nothing can wait no event loop is started, which costs more than a turn."""
        if self._python or self.engine.writer is not None:
            return asyncio.run(work())
        coroutine = work()
        try:
            coroutine.send(None)
        except StopIteration as done:
            result: T = done.value
            return result
        coroutine.close()
        raise RuntimeError("the embedded engine waited, although it has nothing to wait for")


class Version:
    """One version of a lab's agent."""

    def __init__(self, lab: Lab, terms: Terms) -> None:
        self.lab, self.terms = lab, terms

    def play(self, position: int) -> Replay:
        """The case of that position, played and judged."""
        return self.play_case(self.lab.cases[position], position)

    def play_case(self, case: Case, position: int = -1) -> Replay:
        """A case that need not be one of the lab's: a script that was cut down, or changed."""
        if case.script.skip is not None:
            return Replay(position, Verdict.SKIPPED, case.script.skip.reason, ())
        attempt = Attempt(_unhurried(case), self.lab.prepared(case), self.terms, None)
        verdict = self.lab.drive(attempt.play)
        simulation = attempt.simulation
        end = None if simulation is None or simulation.end is None else simulation.end.end
        return Replay(position, verdict, attempt.reason, tuple(attempt.turns), tuple(attempt.bad), end)


def _unhurried(case: Case) -> Case:
    """The case without a time limit of its own: in a lab nothing is waited for."""
    if case.script.timeout_s is None:
        return case
    return replace(case, script=replace(case.script, timeout_s=None))
