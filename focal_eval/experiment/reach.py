"""Which cases can a changed agent touch? A case that is left out leaves the same records under the changed agent.

Two sieves. What the edited parts had a hand in is looked up in the recorded turns (`reach_turns`). The turns left are played
again by the new agent alone, each from the state it had, with the answers it got: as long as every turn of a case ends in the
same state with the same records, the case is the same up to there, whatever its expectations are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property

from focal_eval.agent import Agent, Playable
from focal_eval.agent.turn import Played
from focal_eval.clock import Clock
from focal_eval.engines.embedded import EmbeddedEngine
from focal_eval.experiment.edits import Edited, edits
from focal_eval.experiment.lab import Lab, Version
from focal_eval.experiment.reach_turns import Turns
from focal_eval.experiment.watched import Exchange, Watched, alike, alike_states, play_again, start_again, watch
from focal_eval.value import value

BEGIN = -1  # the turn of a difference that shows before the first message


@value
class Difference:
    """The first exchange of a case that the changed agent plays differently."""

    case: int  # position in the lab's cases
    exchange: int  # position among the case's exchanges; BEGIN where it begins differently
    old: Played | None  # None where it broke
    new: Played | None  # None where it breaks, or asks its tools something else


class Reach:
    """A lab's cases as they were played once, ready to tell what a change can touch."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        elapsed = Clock().elapsed  # the lab's own clock stands still
        began = elapsed()
        self.cases: tuple[Watched, ...] = watch(lab)
        self.took_s = elapsed() - began  # for a watchdog's budget, never for a result
        self._first: list[int] = []
        row: list[Exchange] = []
        for case in self.cases:
            self._first.append(len(row))
            row.extend(case.exchanges)
        self.turns = Turns(lab.engine.agent, row)
        self.eagerness = [_eagerness(lab, position) for position in range(len(self.cases))]
        self.case_of = [position for position, case in enumerate(self.cases) for _ in case.exchanges]

    def of(self, agent: Agent | Playable) -> Change:
        """What becomes of the cases with that agent; nothing is played before it is asked."""
        return Change(self, agent)

    def place(self, case: int, exchange: int) -> int:
        """An exchange's place in the row of all."""
        return self._first[case] + exchange


def _eagerness(lab: Lab, position: int) -> tuple[float, int]:
    """Sorts cases by how soon they notice a change: expectations for each message to play, most first."""
    script = lab.cases[position].script
    expected = sum(len(turn.expect) for turn in script.authored) + len(script.closing)
    return -expected / max(1, len(script.authored)), position


class Change:
    """One changed agent, held against the recorded cases."""

    def __init__(self, reach: Reach, agent: Agent | Playable) -> None:
        self.reach = reach
        base = reach.lab.engine.agent
        self.agent = agent if isinstance(agent, Playable) else Playable(agent, base.digest, base)
        self.edits: tuple[Edited, ...] = edits(base.file, self.agent.file)
        self._known: dict[int, Difference | None] = {}

    @cached_property
    def version(self) -> Version:
        """The changed agent, ready to play cases in full."""
        return self.reach.lab.on(self.agent)

    @cached_property
    def candidates(self) -> tuple[int, ...]:
        """Cases that may be touched, as far as looking up tells; first those that expect most of each message."""
        cases = self.reach.cases
        found = {self.reach.case_of[place] for place in self._places}
        found |= {position for position, case in enumerate(cases) if self._begins_otherwise(case)}
        found -= {position for position, case in enumerate(cases) if self.reach.lab.cases[position].script.skip is not None}
        return tuple(sorted(found, key=self.reach.eagerness.__getitem__))

    def first(self, position: int) -> Difference | None:
        """Where the case first differs; None where it leaves the same records."""
        if position not in self._known:
            self._known[position] = self._look(position) if position in self._set else None
        return self._known[position]

    def touched(self) -> Iterator[Difference]:
        """Every case that differs, as it is found."""
        return (found for position in self.candidates if (found := self.first(position)) is not None)

    @cached_property
    def _set(self) -> frozenset[int]:
        return frozenset(self.candidates)

    @cached_property
    def _places(self) -> set[int]:
        return self.reach.turns.of(self.agent, self.edits)

    def _look(self, position: int) -> Difference | None:
        case = self.reach.cases[position]
        if case.begun is None or self._begins_otherwise(case):
            return Difference(position, BEGIN, None, None)
        scorer = self.reach.lab.engine.scorer
        for number, exchange in enumerate(case.exchanges):
            if self.reach.place(position, number) not in self._places:
                continue
            played = None if exchange.played is None else play_again(self.agent, exchange, scorer)
            if played is None or exchange.played is None or not alike(exchange.played, played):
                return Difference(position, number, exchange.played, played)
        return None

    def _begins_otherwise(self, case: Watched) -> bool:
        """Whether the conversation starts from another state, or the engine says another thing of itself."""
        if case.start is None or case.begun is None or self._speaks_otherwise:
            return True
        if not self._opening and not any((edited.kind, edited.name) in case.seen for edited in self.edits):
            return False
        try:
            return not alike_states(case.begun, start_again(self.agent, case.start))
        except Exception:  # what cannot begin is played in full, and breaks there
            return True

    @cached_property
    def _opening(self) -> bool:
        """Whether an edit may matter to every case's beginning."""
        return any(_opens(edited) for edited in self.edits)

    @cached_property
    def _speaks_otherwise(self) -> bool:
        engine = self.reach.lab.engine
        if self.agent.file.greeting is not None and engine.agent.file.greeting is not None:
            return False
        made = EmbeddedEngine(self.agent, engine.python, engine.writer, engine.scorer, engine.clock)
        return made.abilities != engine.abilities


def _opens(edited: Edited) -> bool:
    """Variables and languages; a template's languages are those the agent speaks."""
    if edited.kind == "template":
        return edited.old is None or edited.new is None or _spoken(edited.old.text.texts) != _spoken(edited.new.text.texts)
    if (edited.kind, edited.name) == ("setting", "languages"):
        return bool(edited.fields - {"detect"}) or _spoken(edited.old.detect) != _spoken(edited.new.detect)
    return edited.kind == "variable"


def _spoken(texts: Iterable[tuple[str, object]]) -> set[str]:
    return {str(code) for code, _ in texts}
