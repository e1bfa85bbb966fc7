"""What is wrong with a graph of states before anybody walks it, and which names have a value in which state."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from focal_eval.errors import Label, Problems
from focal_eval.registry import did_you_mean
from focal_eval.script.model import ENDS, Simulator, State
from focal_eval.script.templates import Placed, Trail
from focal_eval.source import Span


def check_graph(simulator: Simulator, start: Span, problems: Problems) -> bool:
    """Reports words that name nothing, states nobody comes to or gets out of, and edges that are never taken."""
    before = len(problems.errors)
    states = {state.name: state for state in simulator.states}
    if simulator.start not in states:
        problems.error(
            "unknown-state", f"no state is named '{simulator.start}'", start, help=did_you_mean(simulator.start, states)
        )
    for word, span in _words(simulator):
        if word not in states and word not in ENDS:
            fix = did_you_mean(word, (*states, *ENDS))
            problems.error("unknown-state", f"no state or end is named '{word}'", span, help=fix)
    _ends_only(simulator, states, problems)
    for state in simulator.states:
        _after_default(state, problems)
    if len(problems.errors) == before:
        _reachable(simulator, states, problems)
        _way_out(simulator, problems)
    return len(problems.errors) == before


def _words(simulator: Simulator) -> Iterator[tuple[str, Span]]:
    """Every word that says where the user goes."""
    for state in simulator.states:
        yield from ((edge.to, edge.span) for edge in state.then)
        if state.at_most is not None and state.at_most.to is not None:
            yield state.at_most.to, state.at_most.span
    for limit in (simulator.max_turns, simulator.stuck):
        if limit is not None and limit.to is not None:
            yield limit.to, limit.span


def _ends_only(simulator: Simulator, states: Mapping[str, State], problems: Problems) -> None:
    for name, limit in (("max_turns", simulator.max_turns), ("stuck", simulator.stuck)):
        if limit is not None and limit.to in states:
            fix = f"say how it ends: {', '.join(ENDS[:-1])} or {ENDS[-1]}"
            problems.error("not-an-end", f"'{name}' ends the conversation, and '{limit.to}' is a state", limit.span, help=fix)


def _after_default(state: State, problems: Problems) -> None:
    """An edge without `when` is always taken, so none after it ever is."""
    default = next((edge for edge in state.then if edge.when is None), None)
    if default is None:
        return
    for edge in state.then[state.then.index(default) + 1 :]:
        label = Label(default.span, "this edge has no 'when' and is always taken")
        fix = "put the edge without 'when' last"
        problems.error(
            "unreachable-edge", f"the user never goes to '{edge.to}' from here", edge.span, help=fix, labels=(label,)
        )


def ways(state: State) -> tuple[str, ...]:
    """Where the user can go from a state, or instead of it where it was visited too often."""
    more = () if state.at_most is None or state.at_most.to is None else (state.at_most.to,)
    return (*(edge.to for edge in state.then), *more)


def _reachable(simulator: Simulator, states: Mapping[str, State], problems: Problems) -> None:
    seen = {simulator.start}
    todo = [simulator.start]
    while todo:
        for word in ways(states[todo.pop()]):
            if word in states and word not in seen:
                seen.add(word)
                todo.append(word)
    for state in simulator.states:
        if state.name not in seen:
            text = f"no way leads from '{simulator.start}' to the state '{state.name}'"
            problems.error("unreachable-state", text, state.span, help="add an edge that goes there, or drop it")


def _way_out(simulator: Simulator, problems: Problems) -> None:
    """A state must lead to an end, over however many others."""
    out: set[str] = set(ENDS)
    grown = True
    while grown:
        found = {state.name for state in simulator.states if state.name not in out and out.intersection(ways(state))}
        out |= found
        grown = bool(found)
    for state in simulator.states:
        if state.name in out:
            continue
        text = f"no way leads from the state '{state.name}' to an end" if state.then else f"no edge leads out of '{state.name}'"
        problems.error("no-way-out", text, state.span, help=f"end with 'then: {ENDS[0]}', {ENDS[1]} or {ENDS[2]}")


def place_names(simulator: Simulator, trail: Trail) -> None:
    """Notes for each use of a name in the graph which names surely have a value there: saved on every way that leads to it."""
    saved = {state.name: {entry.name for entry in state.turn.save} for state in simulator.states}
    trail.saved.update((entry.name, entry.span) for state in simulator.states for entry in state.turn.save)
    known = _known(simulator, saved)
    for state in simulator.states:
        uses, after = trail.states[state.name]
        here = known[state.name]
        trail.placed.append(Placed(uses, frozenset(here)))
        trail.placed.append(Placed(after, frozenset(here | saved[state.name])))
    trail.placed.append(Placed(trail.goal, _at_ends(simulator, known, saved, ENDS[:1])))
    trail.at_end = _at_ends(simulator, known, saved, ENDS)


def _known(simulator: Simulator, saved: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """The names that were saved before a state is spoken, on whatever way: the greatest solution, found by taking away."""
    everything = set[str]().union(*saved.values())
    known = {state.name: set(everything) for state in simulator.states}
    known[simulator.start] = set()
    changed = True
    while changed:
        changed = False
        for state in simulator.states:
            for word, given in _leaving(state, known, saved):
                if word in known and not known[word] <= given:
                    known[word] &= given
                    changed = True
    return known


def _leaving(state: State, known: Mapping[str, set[str]], saved: Mapping[str, set[str]]) -> Iterable[tuple[str, set[str]]]:
    """Where one goes from a state with what; instead of a state that was visited too often, what was known before it."""
    yield from ((edge.to, known[state.name] | saved[state.name]) for edge in state.then)
    if state.at_most is not None and state.at_most.to is not None:
        yield state.at_most.to, known[state.name]


def _at_ends(
    simulator: Simulator, known: Mapping[str, set[str]], saved: Mapping[str, set[str]], ends: tuple[str, ...]
) -> frozenset[str]:
    """The names that surely have a value where the conversation ends so."""
    found = [given for state in simulator.states for word, given in _leaving(state, known, saved) if word in ends]
    for limit in (simulator.max_turns, simulator.stuck):  # may come after any state
        if limit is not None and limit.to in ends:
            found.extend(known[state.name] | saved[state.name] for state in simulator.states)
    return frozenset(set.intersection(*found)) if found else frozenset()
