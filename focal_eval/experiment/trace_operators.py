"""The operators on recorded turns. Each gives the changes it can make, in the order of the record; what is unknown has none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, TypeVar

import orjson

from focal_eval.experiment.trace_scene import Draft, Scene
from focal_eval.experiment.trace_words import altered_text, negated, other_numbers, sentences
from focal_eval.records import UNKNOWN, RuleMatch, ToolCall

MOST_CALLS = 50  # of one turn, and as many rules, edges, variables, citations ...: what an engine sends has no bound
MOST_LEAVES = 40  # values changed in one call's arguments or result
MOST_NESTED = 6
MOST_SHOWN = 2_000  # characters of a value
MOST_NUMBERS = 20  # of one response
MOST_SENTENCES = 20
ADDED_RULES = 2  # rules that were near, or dropped, tried in one turn
OUTCOMES = ("resolved", "awaiting-user", "fallback", "blocked", "escalated")

Path = tuple[str | int, ...]
T = TypeVar("T")


def _shown(found: Any) -> str:
    """A value in one line, the beginning of a long one."""
    try:
        return orjson.dumps(found, default=str).decode()[:MOST_SHOWN]
    except TypeError:  # nested too deep, or a whole number beyond 64 bits
        return repr(found)[:MOST_SHOWN]


def _calls(scene: Scene) -> tuple[ToolCall, ...]:
    return () if scene.reply.tools is UNKNOWN else scene.reply.tools


def _few(items: Iterable[T]) -> Iterator[tuple[int, T]]:
    """The first of what may be very many, with their places."""
    return islice(enumerate(items), MOST_CALLS)


def _named(calls: Sequence[ToolCall]) -> str:
    return ", ".join(call.name for call in calls) or "no call"


def _call(call: ToolCall) -> str:
    given = "" if call.arguments is UNKNOWN else _shown(call.arguments)
    return f"{call.name} {given}".rstrip()


def drop_tool(scene: Scene) -> Iterator[Draft]:
    """Each call, not made."""
    calls = _calls(scene)
    for place, call in _few(calls):
        kept = (*calls[:place], *calls[place + 1 :])
        yield Draft(f"tool:{call.name}", _call(call), "", f"the call of '{call.name}' is lost", {"tools": kept})


def duplicate_tool(scene: Scene) -> Iterator[Draft]:
    """Each call, made twice."""
    calls = _calls(scene)
    for place, call in _few(calls):
        kept = (*calls[: place + 1], *calls[place:])
        text = f"'{call.name}' is called twice"
        yield Draft(f"tool:{call.name}", _call(call), f"{_call(call)} (twice)", text, {"tools": kept})


def reorder_tools(scene: Scene) -> Iterator[Draft]:
    """Each two calls that follow each other, in the other order."""
    calls = _calls(scene)
    for place in range(min(len(calls), MOST_CALLS) - 1):
        one, other = calls[place], calls[place + 1]
        if one.group is not None and one.group == other.group:
            continue  # made at once: they have no order
        kept = (*calls[:place], other, one, *calls[place + 2 :])
        text = f"'{other.name}' is called before '{one.name}'"
        yield Draft(f"tool:{one.name}", _named(calls), _named(kept), text, {"tools": kept})


def add_tool(scene: Scene) -> Iterator[Draft]:
    """A call of a tool that other turns call and this one does not."""
    if scene.reply.tools is UNKNOWN:
        return
    used = {call.name for call in scene.reply.tools}
    name = next((name for name in sorted(scene.known.tools) if name not in used), None)
    if name is not None:
        calls = (*scene.reply.tools, ToolCall(name, {}, None))
        yield Draft(f"tool:{name}", "", name, f"'{name}' is called, too", {"tools": calls})


def change_argument(scene: Scene) -> Iterator[Draft]:
    """Each value among the arguments, changed."""
    yield from _changed_values(scene, "arguments", "argument")


def change_result(scene: Scene) -> Iterator[Draft]:
    """Each value of a result, changed."""
    yield from _changed_values(scene, "result", "result")


def _changed_values(scene: Scene, field: str, noun: str) -> Iterator[Draft]:
    calls = _calls(scene)
    for place, call in _few(calls):
        found = getattr(call, field)
        if found is UNKNOWN or found is None or _is_input(scene, call, field):
            continue
        for path, old, new in islice(_others(found), MOST_LEAVES):
            where = ".".join(map(str, (call.name, *path)))
            changes: dict[str, Any] = {field: _with(found, path, new)}
            changed = replace(call, **changes)
            text = f"{noun} {where} is {_shown(new)} instead of {_shown(old)}"
            kept = (*calls[:place], changed, *calls[place + 1 :])
            yield Draft(f"{noun}:{where}", _shown(old), _shown(new), text, {"tools": kept})


def _is_input(scene: Scene, call: ToolCall, field: str) -> bool:
    """Whether a result is what the script says: no agent could have another one."""
    return field == "result" and call.name in scene.answered


def drop_argument(scene: Scene) -> Iterator[Draft]:
    """Each argument, missing."""
    yield from _lost_keys(scene, "arguments", "argument")


def drop_result(scene: Scene) -> Iterator[Draft]:
    """Each part of a result, missing."""
    yield from _lost_keys(scene, "result", "result")


def _lost_keys(scene: Scene, field: str, noun: str) -> Iterator[Draft]:
    calls = _calls(scene)
    for place, call in _few(calls):
        found = getattr(call, field)
        if not isinstance(found, Mapping) or _is_input(scene, call, field):
            continue
        for name in islice(found, MOST_LEAVES):
            kept = {key: item for key, item in found.items() if key != name}
            lost: dict[str, Any] = {field: kept}
            changed = (*calls[:place], replace(call, **lost), *calls[place + 1 :])
            text = f"{noun} {call.name}.{name} is missing"
            yield Draft(f"{noun}:{call.name}.{name}", _shown(found[name]), "", text, {"tools": changed})


def _others(found: Any, path: Path = ()) -> Iterator[tuple[Path, Any, Any]]:
    """Every value in plain data with others in its place: numbers one more and one less, texts changed, booleans flipped."""
    if isinstance(found, bool):
        yield path, found, not found
    elif isinstance(found, (int, float)):
        yield path, found, found + 1
        yield path, found, found - 1
    elif isinstance(found, str):
        yield path, found, altered_text(found)
    elif found is None:
        yield path, found, "something"
    elif len(path) < MOST_NESTED:
        items = found.items() if isinstance(found, Mapping) else enumerate(found) if isinstance(found, (list, tuple)) else ()
        for key, item in items:
            yield from _others(item, (*path, key))


def _with(found: Any, path: Path, new: Any) -> Any:
    """The data with another value at the path."""
    if not path:
        return new
    first, rest = path[0], path[1:]
    if isinstance(found, Mapping):
        return {key: _with(item, rest, new) if key == first else item for key, item in found.items()}
    return [_with(item, rest, new) if place == first else item for place, item in enumerate(found)]


def drop_rule(scene: Scene) -> Iterator[Draft]:
    """Each rule that matched, not matched."""
    rules = () if scene.reply.rules is UNKNOWN else scene.reply.rules
    for place, rule in _few(rules):
        kept = (*rules[:place], *rules[place + 1 :])
        yield Draft(f"rule:{rule.name}", rule.name, "", f"rule '{rule.name}' does not match", {"rules": kept})


def add_rule(scene: Scene) -> Iterator[Draft]:
    """Rules that were near or were dropped, matched; where there are none, one that matches elsewhere."""
    reply = scene.reply
    if reply.rules is UNKNOWN:
        return
    matched = {rule.name for rule in reply.rules}
    dropped = [] if reply.candidates is UNKNOWN else [one.name for one in reply.candidates if one.suppressed is not None]
    names = [name for name in dict.fromkeys(dropped) if name not in matched][:ADDED_RULES]
    if not names:
        names = [name for name in sorted(scene.known.rules) if name not in matched][:1]
    for name in names:
        rules = (*reply.rules, RuleMatch(name))
        yield Draft(f"rule:{name}", "", name, f"rule '{name}' matches, too", {"rules": rules})


def stay_step(scene: Scene) -> Iterator[Draft]:
    """The scenario where it stood before the turn."""
    if scene.before is not None:
        yield from _elsewhere(scene, scene.before.scenario, "the scenario stays at")


def skip_step(scene: Scene) -> Iterator[Draft]:
    """The scenario where it stands after the next turn."""
    if scene.after is not None:
        yield from _elsewhere(scene, scene.after.scenario, "the scenario is already at")


def leave_scenario(scene: Scene) -> Iterator[Draft]:
    """No scenario any more."""
    yield from _elsewhere(scene, None, "the scenario is left:")


def _elsewhere(scene: Scene, state: Any, words: str) -> Iterator[Draft]:
    here = scene.reply.scenario
    if here is UNKNOWN or state is UNKNOWN or state == here:
        return
    old, new = str(here or "none"), str(state or "none")
    yield Draft(f"step:{old}", old, new, f"{words} {new} instead of {old}", {"scenario": state})


def drop_transition(scene: Scene) -> Iterator[Draft]:
    """Each edge that was taken, not taken; staying where one is is no edge."""
    edges = () if scene.reply.transitions is UNKNOWN else scene.reply.transitions
    for place, edge in _few(edges):
        if edge.kind == "continue":
            continue
        name = f"{edge.scenario or ''}/{edge.source or ''} → {edge.target or 'end'}"
        kept = (*edges[:place], *edges[place + 1 :])
        what = f"{edge.kind}:{name}"
        yield Draft(what, f"{edge.kind} {name}", "", f"the edge {name} ({edge.kind}) is not taken", {"transitions": kept})


def change_template(scene: Scene) -> Iterator[Draft]:
    """Another template's name, or none."""
    old = scene.reply.template
    if old is UNKNOWN:
        return
    new = next((name for name in sorted(scene.known.templates) if name != old), None)
    if old != new:
        text = f"template {new or 'none'} instead of {old or 'none'}"
        yield Draft(f"template:{old or 'none'}", old or "none", new or "none", text, {"template": new})


def change_outcome(scene: Scene) -> Iterator[Draft]:
    """Another outcome."""
    old = scene.reply.outcome
    if old is not UNKNOWN:
        new = next(word for word in OUTCOMES if word != old)
        yield Draft(f"outcome:{old}", old, new, f"the outcome is {new} instead of {old}", {"outcome": new})


def _set_here(scene: Scene) -> Iterator[tuple[str, Any, Any]]:
    """The variables this turn set or changed: name, value before, value now. What was there at the start is not the turn's."""
    now = scene.reply.variables
    if now is UNKNOWN or scene.before is None or scene.before.variables is UNKNOWN:
        return
    was = scene.before.variables
    changed = ((name, was.get(name), item) for name, item in now.items() if name not in was or was[name] != item)
    yield from islice(changed, MOST_CALLS)


def change_variable(scene: Scene) -> Iterator[Draft]:
    """Each variable that the turn set, with another value."""
    for name, _, item in _set_here(scene):
        found = next(iter(_others(item)), None)
        if found is not None:
            yield _variable(scene, name, item, _with(item, found[0], found[2]))


def keep_variable(scene: Scene) -> Iterator[Draft]:
    """Each variable that the turn set, as it was before."""
    for name, was, item in _set_here(scene):
        yield _variable(scene, name, item, was)


def _variable(scene: Scene, name: str, old: Any, new: Any) -> Draft:
    assert scene.reply.variables is not UNKNOWN
    changed = {**scene.reply.variables, name: new}
    text = f"variable {name} is {_shown(new)} instead of {_shown(old)}"
    return Draft(f"variable:{name}", _shown(old), _shown(new), text, {"variables": changed})


def drop_enforcement(scene: Scene) -> Iterator[Draft]:
    """Each constraint that was looked at, passed over."""
    items = () if scene.reply.enforcement is UNKNOWN else scene.reply.enforcement
    for place, item in _few(items):
        kept = (*items[:place], *items[place + 1 :])
        text = f"constraint '{item.rule}' is not looked at"
        yield Draft(f"constraint:{item.rule}", f"{item.rule}: {item.action}", "", text, {"enforcement": kept})


def blank_response(scene: Scene) -> Iterator[Draft]:
    """Nothing is said."""
    response = scene.reply.response
    if response is not UNKNOWN and response:
        yield Draft("response:all", response, "", "nothing is said", {"response": "", "messages": ()})


def _parts(scene: Scene) -> tuple[str, ...]:
    """The messages of the reply; the response where there is but one."""
    reply = scene.reply
    if reply.response is UNKNOWN or not reply.response:
        return ()
    return reply.messages if "\n\n".join(reply.messages) == reply.response else (reply.response,)


def _said(scene: Scene, place: int, part: str) -> dict[str, Any]:
    """The fields of a reply with one of its messages changed; a message of which nothing is left is not sent."""
    parts = _parts(scene)
    new = tuple(item for item in (*parts[:place], part, *parts[place + 1 :]) if item)
    return {"response": "\n\n".join(new), "messages": new if scene.reply.messages else ()}


def drop_sentence(scene: Scene) -> Iterator[Draft]:
    """Each sentence of several, missing."""
    parts = _parts(scene)
    for place, part in _few(parts):
        pieces = sentences(part)
        if len(parts) == 1 and len(pieces) == 1:
            continue  # that is a blank response
        for at in range(0, min(len(pieces), 2 * MOST_SENTENCES), 2):
            kept = "".join((*pieces[:at], *pieces[at + 2 :])).rstrip()
            yield Draft("response:sentence", pieces[at], "", f"'{pieces[at]}' is not said", _said(scene, place, kept))


def swap_sentences(scene: Scene) -> Iterator[Draft]:
    """Each two sentences that follow each other, in the other order."""
    for place, part in _few(_parts(scene)):
        pieces = sentences(part)
        for at in range(0, min(len(pieces), 2 * MOST_SENTENCES) - 2, 2):
            one, gap, other = pieces[at : at + 3]
            swapped = "".join((*pieces[:at], other, gap, one, *pieces[at + 3 :]))
            before, after = f"{one} {other}", f"{other} {one}"
            yield Draft("response:order", before, after, f"'{other}' comes before '{one}'", _said(scene, place, swapped))


def negate_sentence(scene: Scene) -> Iterator[Draft]:
    """Each sentence, saying the opposite."""
    metadata = scene.reply.metadata
    language = metadata.get("language") if metadata is not UNKNOWN else None
    for place, part in _few(_parts(scene)):
        pieces = sentences(part)
        for at in range(0, min(len(pieces), 2 * MOST_SENTENCES), 2):
            opposite = negated(pieces[at], language if isinstance(language, str) else None)
            if opposite is not None:
                changed = "".join((*pieces[:at], opposite, *pieces[at + 1 :]))
                yield Draft("response:sense", pieces[at], opposite, f"'{opposite}' is said", _said(scene, place, changed))


def change_number(scene: Scene) -> Iterator[Draft]:
    """Each number in the response, another one."""
    for place, part in _few(_parts(scene)):
        for old, new, changed in islice(other_numbers(part), MOST_NUMBERS):
            yield Draft(f"response:{old}", old, new, f"{new} is said instead of {old}", _said(scene, place, changed))


def drop_citation(scene: Scene) -> Iterator[Draft]:
    """Each citation, missing."""
    items = () if scene.reply.citations is UNKNOWN else scene.reply.citations
    for place, item in _few(items):
        kept = (*items[:place], *items[place + 1 :])
        name = item.source or item.url or item.text or str(place + 1)
        yield Draft(f"citation:{name}", name, "", f"the source '{name}' is not named", {"citations": kept})


def drop_follow_up(scene: Scene) -> Iterator[Draft]:
    """Each follow-up, missing."""
    items = () if scene.reply.follow_ups is UNKNOWN else scene.reply.follow_ups
    for place, item in _few(items):
        kept = (*items[:place], *items[place + 1 :])
        yield Draft(f"follow-up:{item}", item, "", f"the follow-up '{item}' is not suggested", {"follow_ups": kept})
