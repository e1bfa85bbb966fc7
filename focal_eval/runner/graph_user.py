"""A simulated user that is a graph: what it says follows from its states, the facts observed and the case's seed alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from focal_eval.clock import content_id, seeded
from focal_eval.records import Outcome, TurnRecord
from focal_eval.runner.plan import Case
from focal_eval.runner.ready import Judgement, Ready
from focal_eval.runner.simulated import NO_EDGE, TOO_OFTEN, UNKNOWN_FACT, UNSAYABLE, Ends, Move, Says, SoFar, limited
from focal_eval.script.model import ENDS, Edge, Said, Simulator, State
from focal_eval.script.templates import Filler
from focal_eval.template import TemplateProblem
from focal_eval.text import counted

Holds = Callable[[Sequence[Ready], Sequence[TurnRecord]], Judgement]
"""Whether conditions hold of the turns so far: passed, failed, or not to be told."""

Edges = tuple[tuple[Ready, ...] | None, ...]
"""The conditions of a state's edges, in order; None for one that is taken in any case."""


class GraphUser:
    """Walks a graph of states through one attempt. `edges` are its conditions made ready, by state."""

    def __init__(self, case: Case, simulator: Simulator, edges: dict[str, Edges], holds: Holds, seed: int) -> None:
        self._case, self._simulator, self._edges, self._holds, self._seed = case, simulator, edges, holds, seed
        self._states = {state.name: state for state in simulator.states}
        self._visits: Counter[str] = Counter()
        self._here: State | None = None

    async def move(self, seen: SoFar) -> Move:
        """The same as `decide`: nobody is asked."""
        return self.decide(seen)

    def decide(self, seen: SoFar) -> Move:
        """The next message, or the end with its reason."""
        if self._here is None:
            return self._enter(self._simulator.start, seen)
        found = self._leave(self._here, seen)
        if isinstance(found, Ends):
            return found
        edge, why = found
        return Ends(edge.to, why, self._here.name, span=edge.span) if edge.to in ENDS else self._enter(edge.to, seen)

    def _leave(self, state: State, seen: SoFar) -> tuple[Edge, str] | Ends:
        """Where the first edge leads whose facts hold, and why; a fact that is not known decides nothing, for or against."""
        for edge, when in zip(state.then, self._edges[state.name], strict=True):
            if when is None:
                others = "no other edge fits" if len(state.then) > 1 else "in any case"
                return edge, f"after '{state.name}', {others}"
            outcome, _, reason = self._holds(when, seen.turns)
            if outcome is Outcome.PASSED:
                return edge, f"after '{state.name}', as this holds: {' and '.join(ready.text for ready in when)}"
            if outcome is not Outcome.FAILED:
                why = f"it cannot be told whether the user goes from '{state.name}' to '{edge.to}': {reason}"
                return Ends(UNKNOWN_FACT, why, state.name, span=edge.span)
        return Ends(NO_EDGE, f"no edge of the state '{state.name}' fits what the agent did", state.name, span=state.span)

    def _enter(self, name: str, seen: SoFar) -> Move:
        """The state's message; that of another one where it was said too often."""
        left = None if self._here is None else self._here.name
        for _ in self._states:
            state = self._states[name]
            most = state.at_most
            if most is None or self._visits[name] < most.times:
                return self._say(state, seen)
            why = f"'{name}' was said {counted(most.times, 'time')}, and no more may be"
            if most.to is None or most.to in ENDS:
                return limited(most, TOO_OFTEN, why, left)
            name = most.to
        return Ends(TOO_OFTEN, "every state that could be next was said too often", left)

    def _say(self, state: State, seen: SoFar) -> Move:
        said = self._wording(state)
        try:
            text = Filler(seen.values).said(said)
        except TemplateProblem as problem:
            return Ends(UNSAYABLE, f"what is said in '{state.name}' cannot be filled: {problem}", state.name, span=said.span)
        self._visits[state.name] += 1
        self._here = state
        return Says(replace(state.turn, index=len(seen.turns), user=(Said(text, said.span),)))

    def _wording(self, state: State) -> Said:
        """One of the state's texts: another one at each visit and in each repeat, in an order that the seed gives."""
        said = state.turn.user
        if len(said) == 1:
            return said[0]
        order = list(said)
        number = content_id(str(self._seed), self._case.script.id, state.name, length=16)
        seeded(int(number, 16)).shuffle(order)
        return order[(self._case.pick + self._visits[state.name]) % len(order)]
