"""What differs in a turn that two versions of an agent play, in words: the first thing, in the order of a turn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from focal_eval.agent import Playable
from focal_eval.agent.builtin import ToolOutcome
from focal_eval.agent.play import turn_steps
from focal_eval.agent.turn import Called, Enforced, Played, ToolRequest
from focal_eval.experiment.watched import Exchange
from focal_eval.text import shorten

_MOST = 40  # characters of a value


def first_difference(old: Played, new: Played) -> str:
    """The first thing that differs between two plays of a turn: `rules: + offer-refund`, `step: returns/ask → none`."""
    return next(_differences(old, new), "what the session knows")


def where_it_stops(agent: Playable, exchange: Exchange, scorer: Any) -> str:
    """Why an agent cannot take a turn with the answers of its record: which tool it asks instead, or what breaks."""
    steps = turn_steps(agent, exchange.before, exchange.message, scorer)
    asked: list[tuple[ToolRequest, ToolOutcome | None]] = list(exchange.asked)
    answer: Any = None
    try:
        while True:
            request = steps.send(answer)
            if not isinstance(request, ToolRequest):
                return "it asks for its words"
            then = asked.pop(0) if asked else None
            if then is None:
                return f"tools: + {request.name}({_arguments(request.arguments)})"
            if then[0].name != request.name:
                return f"tools: asks {request.name} where it asked {then[0].name}"
            if repr(then[0].arguments) != repr(request.arguments):
                return f"tools: {request.name} {_changed(then[0].arguments, request.arguments)}"
            answer = then[1]
    except StopIteration:
        missing = ", ".join(dict.fromkeys(request.name for request, _ in asked))
        return f"tools: - {missing}" if missing else "what the session knows"
    except Exception as problem:  # whatever breaks is what differs
        return f"it breaks: {shorten(str(problem) or type(problem).__name__, 100)}"


def _differences(old: Played, new: Played) -> Iterator[str]:
    rules = [[match.name for match in side.rules] for side in (old, new)]
    if rules[0] != rules[1]:
        yield f"rules: {_sets(*rules)}"
    step = [f"{side.scenario}/{side.step}" if side.scenario else "none" for side in (old, new)]
    if step[0] != step[1]:
        yield f"step: {step[0]} → {step[1]}"
    tools = [[call.name for call in side.tools] for side in (old, new)]
    if tools[0] != tools[1]:
        yield f"tools: {_sets(*tools)}"
    elif old.tools != new.tools:
        yield f"tools: {next(_calls(old.tools, new.tools), 'as long as they take')}"
    if old.enforcement != new.enforcement:
        yield f"enforcement: {_enforced(old.enforcement, new.enforcement)}"
    if old.template != new.template:
        yield f"template: {old.template or 'none'} → {new.template or 'none'}"
    if old.messages != new.messages:
        yield "response"
    if old.outcome != new.outcome:
        yield f"outcome: {old.outcome} → {new.outcome}"
    dropped = [{one.name: one for one in side.dropped} for side in (old, new)]
    if dropped[0] != dropped[1]:
        names = [name for name in {**dropped[0], **dropped[1]} if dropped[0].get(name) != dropped[1].get(name)]
        yield f"candidates: {', '.join(sorted(names))}"
    moves = [[(move.kind, move.scenario, move.source, move.target) for move in side.moves] for side in (old, new)]
    if moves[0] != moves[1]:
        yield "moves of the scenario"
    known = [{**side.state.variables} for side in (old, new)]
    if repr(known[0]) != repr(known[1]):
        yield f"variables: {_changed(*known)}"


def _sets(old: Sequence[str], new: Sequence[str]) -> str:
    went = [f"- {name}" for name in old if name not in new]
    came = [f"+ {name}" for name in new if name not in old]
    if came or went:
        return ", ".join((*came, *went))
    return "in another order" if sorted(old) == sorted(new) else f"{', '.join(old)} → {', '.join(new)}"


def _calls(old: Sequence[Called], new: Sequence[Called]) -> Iterator[str]:
    """What differs in calls of the same tools."""
    for one, other in zip(old, new, strict=True):
        if one.arguments != other.arguments:
            yield f"{one.name} {_changed(one.arguments, other.arguments)}"
        elif one.error != other.error:
            yield f"{one.name} {f'fails: {shorten(other.error, _MOST)}' if other.error else 'does not fail'}"
        elif one.result != other.result:
            yield f"{one.name} returns {_spelt(one.result)} → {_spelt(other.result)}"


def _enforced(old: Sequence[Enforced], new: Sequence[Enforced]) -> str:
    """Constraint by constraint: what it did, and what it does."""
    here, there = ({one.rule: one for one in side} for side in (old, new))
    out = []
    for name in dict.fromkeys((*here, *there)):
        one, other = here.get(name), there.get(name)
        was, now = (none.action if none is not None else "none" for none in (one, other))
        if was != now:
            out.append(f"{name} {was} → {now}")
        elif one != other and other is not None:
            out.append(f"{name} {now}, for another reason")
    return ", ".join(out) or "in another order"


def _changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """The first key whose value differs, with both values."""
    for key in dict.fromkeys((*old, *new)):
        one, other = (_spelt(side[key]) if key in side else "none" for side in (old, new))
        if one != other:
            return f"{key} {one} → {other}"
    return "in another order"


def _arguments(held: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}: {_spelt(one)}" for name, one in held.items())


def _spelt(held: Any) -> str:
    return shorten(repr(held), _MOST)
