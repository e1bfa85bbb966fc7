"""A simulated user whose part a model plays; and the same user of a recorded conversation, who asks nobody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from focal_eval.clock import content_id
from focal_eval.records import Json, TurnRecord
from focal_eval.records.simulated import Ending
from focal_eval.runner.persona_model import TRIES, PersonaAsker, Worded, cost_of
from focal_eval.runner.persona_prompt import GOES_ON, Answer, Part, answer_of, messages_of
from focal_eval.runner.plan import Case
from focal_eval.runner.simulated import BROKE, TOO_OFTEN, UNSAYABLE, Ends, Move, Says, SoFar
from focal_eval.script.model import Persona, Said, Simulator, Turn
from focal_eval.script.templates import Filler
from focal_eval.template import TemplateProblem
from focal_eval.text import fold

STATE = "persona"
"""What the state of a turn is called that a model worded."""

SAME = 3  # messages in a row of the same words end a conversation
_SEEDS = 2**31


class PersonaUser:
    """Has a model say what comes next, or that it is over. Everything a request hangs on is in the journal's note."""

    def __init__(self, case: Case, simulator: Simulator, asker: PersonaAsker | None, seed: int) -> None:
        assert simulator.persona is not None
        self._case, self._simulator, self._asker, self._seed = case, simulator, asker, seed
        self._persona: Persona = simulator.persona

    async def move(self, seen: SoFar) -> Move:
        """The next message, or the end with its reason. Raises StorageError, as a cassette may."""
        asker = self._asker
        if asker is None:
            return self._ends(BROKE, "there is no model here that plays the persona")
        try:
            messages = messages_of(part_of(self._simulator, seen.values), seen.turns)
        except TemplateProblem as unfilled:
            return self._ends(UNSAYABLE, f"the persona cannot be filled: {unfilled}")
        spent: list[Worded] = []
        useless: str | None = None
        note: dict[str, Json] = {}
        for number in range(TRIES):
            seed = self._number(len(seen.turns), number)
            worded = await asker.say(messages, seed)
            spent.append(worded)
            answer = answer_of(worded.text)
            note = self._note(asker, spent, seed, answer.why)
            if worded.error is not None:
                return self._ends(BROKE, worded.error, note)
            useless = worded.problem or answer.problem
            if useless is None:
                return self._moved(answer, seen, note)
        return self._ends(BROKE, f"nothing can be made of what the simulator's model answers: {useless}", note)

    def _moved(self, answer: Answer, seen: SoFar, note: Mapping[str, Json]) -> Move:
        """What an answer comes to."""
        if answer.status != GOES_ON:
            return self._ends(answer.status, answer.why or f"the persona says it is over: {answer.status}", note)
        if _again(answer.say, seen.turns):
            return self._ends(TOO_OFTEN, f"the persona said the same {SAME} times in a row", note)
        said = Said(answer.say, self._persona.span)
        return Says(Turn(len(seen.turns), (said,), self._persona.span, state=STATE), note)

    def _ends(self, end: str, why: str, note: Mapping[str, Json] | None = None) -> Ends:
        return Ends(end, why, STATE, note or {}, self._persona.span)

    def _number(self, turn: int, number: int) -> int:
        """The seed of one request: another one for each case, turn and try, and the same in each run."""
        return int(content_id(str(self._seed), self._case.id, str(turn), str(number), length=16), 16) % _SEEDS

    @staticmethod
    def _note(asker: PersonaAsker, spent: Sequence[Worded], seed: int, why: str) -> dict[str, Json]:
        """How the user came by the message, with what all tries took."""
        last, wording = spent[-1], asker.wording
        out: dict[str, Json] = {
            "model": last.model or asker.client.access.model,
            "seed": seed,
            "temperature": wording.temperature,
        }
        counts = [one.tokens.total for one in spent if one.tokens is not None and one.tokens.total is not None]
        costs = [cost for one in spent if (cost := cost_of(one.tokens, wording.prices)) is not None]
        out |= {"tokens": sum(counts)} if counts else {}
        out |= {"cost": round(sum(costs), 8)} if costs else {}
        out |= {"tries": len(spent)} if len(spent) > 1 else {}
        out |= {"kept": True} if all(one.kept for one in spent) else {}
        return out | ({"why": why} if why else {})


def _again(said: str, turns: Sequence[TurnRecord]) -> bool:
    """Whether the same was said in each of the last messages."""
    before = [turn.user for turn in turns[-(SAME - 1) :]]
    return len(before) == SAME - 1 and all(text is not None and fold(text) == fold(said) for text in before)


def part_of(simulator: Simulator, values: Mapping[str, Any]) -> Part:
    """The persona with its templates filled. Raises TemplateProblem."""
    assert simulator.persona is not None
    filler = Filler(values)
    persona = simulator.persona
    facts = {name: values.get(name) for name in simulator.knows}
    return Part(filler.said(persona.text), filler.said(persona.wants), facts)


class RecordedPersona:
    """Says again what was recorded, word by word, and ends as it ended."""

    def __init__(
        self,
        simulator: Simulator,
        turns: Sequence[TurnRecord],
        notes: Sequence[Mapping[str, Json] | None],
        ending: Ending | None,
        note: Mapping[str, Json],
    ) -> None:
        self._span = simulator.span if simulator.persona is None else simulator.persona.span
        pairs = zip(turns, notes or [None] * len(turns), strict=True)
        self._said = [(turn, noted) for turn, noted in pairs if turn.skipped is None and turn.user is not None]
        self._ending, self._note = ending, note

    async def move(self, seen: SoFar) -> Move:
        """The same as `decide`: nobody is asked."""
        return self.decide(seen)

    def decide(self, seen: SoFar) -> Move:
        """The recorded message, or the recorded end."""
        place = len(seen.turns)
        if place < len(self._said):
            turn, noted = self._said[place]
            said = Said(turn.user or "", self._span)
            return Says(Turn(place, (said,), self._span, state=STATE), noted or {})
        if self._ending is None:
            return Ends(BROKE, "the recording does not tell how the conversation ended", STATE, span=self._span)
        return Ends(self._ending.end, self._ending.why, STATE, self._note, self._span)
