"""Tries mutants of an agent on a suite's cases: which does the suite notice?

A mutant is killed where a case that is good on the agent is not on the mutant. Only cases that the mutant touches are judged
(`reach`); the others leave the same records, and the same records have the same verdict.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from focal_eval.agent import Agent, Playable
from focal_eval.experiment.agent_mutants import AgentMutant
from focal_eval.experiment.equivalent import equivalent
from focal_eval.experiment.lab import Lab, Replay
from focal_eval.experiment.mutants import Fate, Killer, Mutant, Tried
from focal_eval.experiment.reach import Change, Difference, Reach
from focal_eval.experiment.unnoticed import proposal_for, seen_in
from focal_eval.records import Verdict
from focal_eval.script.model import Turn
from focal_eval.template import TemplateProblem, compile_template, has_template


def try_mutant(reach: Reach, mutant: AgentMutant) -> Tried:
    """What becomes of one mutant; cases with the fewest messages are played first, and the first kill ends it."""
    agent = mutant.agent(reach.lab.agent)
    problem = broken(agent, mutant)
    if problem is not None:
        return Tried(mutant.mutant, Fate.BROKEN, weak=problem)
    base = reach.lab.engine.agent
    try:
        change = reach.of(Playable(agent, base.digest, base))
    except Exception as problem:  # whatever keeps it from being made ready keeps it from being loaded
        return Tried(mutant.mutant, Fate.BROKEN, weak=f"it cannot be made ready: {problem}")
    return _tried(change, mutant.mutant)


def broken(agent: Agent, mutant: AgentMutant) -> str | None:
    """Why the mutated text cannot be said at all; None where it can."""
    if mutant.part[0] != "template":
        return None
    name = mutant.part[1]
    texts = [str(text) for one in agent.templates if str(one.id) == name for _, text in one.text.texts]
    try:
        for text in texts:
            if has_template(text):
                compile_template(text)
    except TemplateProblem as problem:
        return str(problem)
    return None


def _tried(change: Change, mutant: Mutant) -> Tried:
    probes, differing = 0, []
    for position in _in_order(change):
        base = change.reach.cases[position].replay
        replay = change.version.play(position)
        probes += 1
        if base.good and not replay.good:
            return Tried(mutant, Fate.KILLED, killer_of(change.reach.lab, replay), probes=probes)
        if differ(base, replay):
            differing.append(replay)
    if differing:
        return _survived(change, mutant, differing, probes)
    reason = None if probes else equivalent(change.edits, change.reach.lab.engine.agent, change.agent)
    if reason is not None:
        return Tried(mutant, Fate.EQUIVALENT, probes=probes, weak=reason)
    return Tried(mutant, Fate.NOT_COVERED, probes=probes, weak="no script plays a turn in which it makes a difference")


def _in_order(change: Change) -> Iterator[int]:
    """The touched cases: first those in which something differs at a turn that expects something of it."""
    later = []
    for position in change.candidates:
        found = change.first(position)
        if found is None:
            continue
        if _looked_at(change, found):
            yield position
        else:
            later.append(position)
    yield from later


def _looked_at(change: Change, found: Difference) -> bool:
    """Whether the first turn that differs is asked about what differs in it; a turn that breaks always is."""
    if found.old is None or found.new is None:
        return True
    turn = turn_of(change, found.case, found.exchange)
    if turn is None:
        return False
    asked = {item.key.partition(".")[0] for item in turn.expect}
    return any(key in asked for key, field in _FIELDS if getattr(found.old, field) != getattr(found.new, field))


_FIELDS = (
    ("response", "messages"), ("rules", "rules"), ("tools", "tools"), ("scenario", "step"), ("scenario", "scenario"),
    ("template", "template"), ("outcome", "outcome"), ("enforcement", "enforcement"), ("transitions", "moves"),
)  # fmt: skip
"""Keys of expectations with the field of a turn they look at."""


def _survived(change: Change, mutant: Mutant, differing: list[Replay], probes: int) -> Tried:
    """A survivor with the cases that played it and yet passed, and what in the first of them nobody looked at."""
    cases = change.reach.lab.cases
    names = tuple(cases[replay.case].name for replay in differing)
    first = differing[0]
    base = change.reach.cases[first.case].replay
    case = cases[first.case]
    seen = seen_in(base, first)
    assert seen is not None
    turn = turn_of(change, first.case, seen.turn)
    at = None if turn is None else (turn.span.file, turn.span.line)
    weak = f"in {case.name}, turn {seen.turn + 1}, {seen.text}; no expectation looks at it"
    return Tried(mutant, Fate.SURVIVED, covered=names, probes=probes, weak=weak, proposal=proposal_for(seen), at=at)


def turn_of(change: Change, case: int, index: int) -> Turn | None:
    """What the script says at a turn of a case, as the agent plays it; None where it says nothing there."""
    said = change.reach.cases[case].replay.turns
    state = said[index].state if index < len(said) else None
    return change.reach.lab.cases[case].script.turn_at(index, state)


def differ(base: Replay, replay: Replay) -> bool:
    """Whether two replays of a case left different records."""
    return base.turns != replay.turns or [turn.reply for turn in base.turns] != [turn.reply for turn in replay.turns]


def killer_of(lab: Lab, replay: Replay) -> Killer:
    """What noticed it first."""
    name = lab.cases[replay.case].name
    if replay.verdict is Verdict.XPASSED or not replay.marks:
        return Killer(name, replay.reason or f"the case {replay.verdict.value}", None)
    mark = replay.marks[0]
    return Killer(name, f"the engine broke: {mark.text}" if mark.key == "fault" else mark.text, mark.turn)


def try_naively(lab: Lab, mutant: AgentMutant) -> Fate:
    """The same question asked the plain way: every case is played in full on the mutant, and none is left out.

    It knows no equivalence: what leaves the same records everywhere is not covered.
    """
    agent = mutant.agent(lab.agent)
    if broken(agent, mutant) is not None:
        return Fate.BROKEN
    try:
        version = lab.on(Playable(agent, lab.engine.agent.digest))
    except Exception:  # as in try_mutant
        return Fate.BROKEN
    found = Fate.NOT_COVERED
    for position in range(len(lab.cases)):
        base, replay = lab.base(position), version.play(position)
        if base.good and not replay.good:
            found = Fate.KILLED
        elif found is Fate.NOT_COVERED and differ(base, replay):
            found = Fate.SURVIVED
    return found


def try_all(reach: Reach, mutants: Iterable[AgentMutant]) -> list[Tried]:
    """Every mutant in this process, one after the other."""
    return [try_mutant(reach, mutant) for mutant in mutants]
