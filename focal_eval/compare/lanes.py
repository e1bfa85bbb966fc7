"""What differs between two replies, lane by lane; both come without what is masked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from focal_eval.compare.align import Pair, align
from focal_eval.compare.model import Difference, Lane
from focal_eval.compare.structure import canonical, structural
from focal_eval.records import Json

Data = Mapping[str, Json]
Found = Iterable[Difference]


def sequence(lane: Lane, before: Sequence[str], after: Sequence[str], path: str) -> list[Difference]:
    """Texts that went, came, or stand in another place; `before` and `after` are their places."""
    return changes(lane, align(before, after, lambda one, other: float(one == other)), before, after, path)


def changes(lane: Lane, pairs: Iterable[Pair], before: Sequence[str], after: Sequence[str], path: str) -> list[Difference]:
    """What is unpaired went or came; where the same name did both, it moved."""
    alone = [pair for pair in pairs if None in pair]
    gone = {one: before[one] for one, _ in alone if one is not None}
    came = {other: after[other] for _, other in alone if other is not None}
    moved: dict[int, int] = {}
    for place, name in came.items():
        there = next((one for one, known in gone.items() if known == name and one not in moved), None)
        if there is not None:
            moved[there] = place
    targets = set(moved.values())
    return [
        *(Difference(lane, "removed", name, one, None, (path, one)) for one, name in gone.items() if one not in moved),
        *(Difference(lane, "added", name, None, other, (path, other)) for other, name in came.items() if other not in targets),
        *(Difference(lane, "moved", gone[one], one, other, (path, other)) for one, other in moved.items()),
    ]


def rules(before: Data, after: Data) -> Found:
    """Rules that no longer match, that match now, or in another order; what another one explains comes after it."""
    here, there = _by_name(before["rules"]), _by_name(after["rules"])
    looked, looks = _by_name(before.get("candidates") or ()), _by_name(after.get("candidates") or ())
    found = []
    for change in sequence(Lane.RULES, list(here), list(there), "rules"):
        name = change.what
        one = _match(here.get(name) or looked.get(name))
        other = _match(there.get(name) or looks.get(name))
        found.append(Difference(Lane.RULES, change.kind, name, one, other, change.path))
    names = {change.what for change in found}
    return sorted(found, key=lambda change: not dropped_by(change).isdisjoint(names))


def dropped_by(change: Difference) -> frozenset[str]:
    """The rules that keep the rule of a difference from matching, on the side where it does not match."""
    side = change.after if change.kind == "removed" else change.before
    by = side.get("by") if isinstance(side, Mapping) else None
    return frozenset(part.strip() for part in str(by).split(",")) if by else frozenset()


def _by_name(items: Iterable[Data]) -> dict[str, Data]:
    return {str(item.get("name")): item for item in items}


def _match(item: Data | None) -> Json:
    """What is worth knowing of a rule on one side: its score, and what dropped it. None where it was not looked at."""
    return None if item is None else {key: item[key] for key in ("score", "suppressed", "by") if key in item}


def candidates(before: Data, after: Data) -> Found:
    """Rules that match on neither side and were looked at on one only, or dropped for another reason."""
    matched = {rule.get("name") for reply in (before, after) for rule in reply.get("rules") or ()}
    here, there = _by_name(before["candidates"]), _by_name(after["candidates"])
    for name in sorted((here.keys() | there.keys()) - matched):
        one, other = here.get(name), there.get(name)
        if one is None or other is None:
            kind = "added" if one is None else "removed"
        elif _why(one) != _why(other):
            kind = "changed"
        else:
            continue
        yield Difference(Lane.CANDIDATES, kind, name, _match(one), _match(other), ("candidates",))


def _why(item: Data) -> tuple[Json, Json]:
    """What dropped a candidate; of a near miss the figures are scores, which are no difference."""
    dropped = item.get("suppressed")
    return dropped, None if dropped == "near-miss" else item.get("by")


def step(before: Data, after: Data) -> Found:
    """Where the conversation stands."""
    one, other = _place(before["scenario"]), _place(after["scenario"])
    if one != other:
        kind = "added" if one is None else "removed" if other is None else "changed"
        yield Difference(Lane.STEP, kind, str(other or one), one, other, ("scenario",))


def _place(scenario: Data | None) -> str | None:
    if scenario is None:
        return None
    return str(scenario.get("id")) + (f"/{scenario['step']}" if scenario.get("step") is not None else "")


def transitions(before: Data, after: Data) -> Found:
    """The edges that led there."""
    one, other = _edges(before["transitions"]), _edges(after["transitions"])
    if one != other:
        yield Difference(Lane.STEP, "changed", "transitions", one, other, ("transitions",))


def _edges(items: Iterable[Data]) -> list[str]:
    out = []
    for item in items:
        ends = [str(item[key]) for key in ("source", "target") if item.get(key) is not None]
        out.append(" ".join(filter(None, (str(item.get("kind")), item.get("scenario"), " → ".join(ends)))))
    return out


def tools(before: Data, after: Data) -> Found:
    """Calls that went, came or moved, then what was given to and came back from those that stayed."""
    here, there = calls(before["tools"]), calls(after["tools"])
    pairs = align([_Call(call) for call in here], [_Call(call) for call in there], _alike)
    names = [str(call.get("name")) for call in here], [str(call.get("name")) for call in there]
    found = changes(Lane.TOOL, pairs, *names, "tools")
    yield from (_called(change, here, there) for change in found)
    kept = [(one, other) for one, other in pairs if one is not None and other is not None]
    moved = [(change.before, change.after) for change in found if change.kind == "moved"]
    both = [(here[one], there[other], other) for one, other in sorted((*kept, *moved), key=lambda pair: pair[1])]
    for one, other, place in both:
        if "arguments" in one and "arguments" in other:
            yield from structural(
                one["arguments"], other["arguments"], Lane.ARGUMENT, str(one["name"]), ("tools", place, "arguments")
            )
    for one, other, place in both:
        yield from _results(one, other, place)


def calls(items: Sequence[Data]) -> list[Data]:
    """Calls in order; those that ran in parallel in an order of their own, since they have none."""
    out: list[Data] = []
    groups: list[Json] = []
    for item in items:
        group = item.get("group")
        out.append(item)
        groups.append(("call", len(out)) if group is None else ("group", group))
    first = {group: place for place, group in reversed(list(enumerate(groups)))}
    order = sorted(range(len(out)), key=lambda place: (first[groups[place]], *_parallel(out[place], groups[place])))
    return [out[place] for place in order]


def _parallel(call: Data, group: Json) -> tuple[str, bytes]:
    return (str(call.get("name")), canonical(call.get("arguments"))) if group[0] == "group" else ("", b"")


class _Call:
    """A call as it is aligned: by name and arguments."""

    __slots__ = ("arguments", "name")

    def __init__(self, call: Data) -> None:
        self.name, self.arguments = str(call.get("name")), canonical(call.get("arguments"))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Call) and (self.name, self.arguments) == (other.name, other.arguments)

    def __hash__(self) -> int:
        return hash((self.name, self.arguments))


def _alike(one: _Call, other: _Call) -> float:
    return 0.0 if one.name != other.name else 2.0 if one.arguments == other.arguments else 1.0


def _called(change: Difference, here: Sequence[Data], there: Sequence[Data]) -> Difference:
    """The difference with the arguments of the call it is about."""
    one = None if change.before is None else here[change.before].get("arguments")
    other = None if change.after is None else there[change.after].get("arguments")
    return Difference(Lane.TOOL, change.kind, change.what, one, other, change.path)


def _results(one: Data, other: Data, place: int) -> Iterator[Difference]:
    name, path = str(one["name"]), ("tools", place)
    failed, fails = one.get("error"), other.get("error")
    if failed is not None or fails is not None:
        if failed != fails:
            kind = "added" if failed is None else "removed" if fails is None else "changed"
            yield Difference(Lane.RESULT, kind, f"{name}.error", failed, fails, (*path, "error"))
        return
    if "result" in one and "result" in other:
        yield from structural(one["result"], other["result"], Lane.RESULT, name, (*path, "result"))
    if one.get("status") and other.get("status") and one["status"] != other["status"]:
        yield Difference(Lane.RESULT, "changed", f"{name}.status", one["status"], other["status"], (*path, "status"))


def variables(before: Data, after: Data) -> Found:
    """What the session knows after the turn."""
    return structural(before["variables"], after["variables"], Lane.VARIABLES, "", ("variables",))


def template(before: Data, after: Data) -> Found:
    """The template that was said."""
    one, other = before["template"], after["template"]
    if one != other:
        kind = "added" if one is None else "removed" if other is None else "changed"
        yield Difference(Lane.TEMPLATE, kind, str(one if other is None else other), one, other, ("template",))


def enforcement(before: Data, after: Data) -> Found:
    """What hard constraints did."""
    here = {str(item.get("rule")): item for item in before["enforcement"]}
    there = {str(item.get("rule")): item for item in after["enforcement"]}
    for rule in sorted(here.keys() | there.keys()):
        one, other = here.get(rule), there.get(rule)
        if one != other:
            kind = "added" if one is None else "removed" if other is None else "changed"
            yield Difference(Lane.ENFORCEMENT, kind, rule, one, other, ("enforcement",))


def response(before: Data, after: Data) -> Found:
    """What was answered; `what` names the template whose words differ, where that is known."""
    one, other = before["response"], after["response"]
    if one != other:
        yield Difference(Lane.RESPONSE, "changed", _worded(before, after) or "response", one, other, ("response",))


def _worded(before: Data, after: Data) -> str | None:
    """The template of the first message that differs, where an engine tells the templates of all messages."""
    names = [(reply.get("metadata") or {}).get("templates") for reply in (before, after)]
    here, there = _messages(before), _messages(after)
    known = names[0] or names[1]
    if isinstance(known, list) and names[0] in (None, names[1]) and len(known) == len(here) == len(there):
        return next((str(name) for name, one, other in zip(known, here, there, strict=True) if one != other), None)
    same = before.get("template") is not None and before.get("template") == after.get("template")
    return str(before["template"]) if same and len(here) == len(there) == 1 else None


def _messages(reply: Data) -> list[Json]:
    return list(reply.get("messages") or [reply["response"]])


def follow_ups(before: Data, after: Data) -> Found:
    """The follow-ups suggested."""
    return _texts(Lane.FOLLOW_UPS, list(map(str, before["follow_ups"])), list(map(str, after["follow_ups"])), "follow_ups")


def _texts(lane: Lane, before: Sequence[str], after: Sequence[str], path: str) -> Iterator[Difference]:
    """Texts that went, came or moved, each side with the text where it is there."""
    for change in sequence(lane, before, after, path):
        one, other = (None if place is None else change.what for place in (change.before, change.after))
        yield Difference(lane, change.kind, change.what, one, other, change.path)


def citations(before: Data, after: Data) -> Found:
    """The sources named."""
    here, there = list(map(_source, before["citations"])), list(map(_source, after["citations"]))
    return _texts(Lane.CITATIONS, here, there, "citations")


def _source(item: Data) -> str:
    return str(item.get("url") or item.get("source") or item.get("text") or "a source without a name")


def told(key: str) -> Callable[[Data, Data], Found]:
    """A word the engine says of the turn."""

    def compared(before: Data, after: Data) -> Found:
        if before[key] != after[key]:
            yield Difference(Lane.OUTCOME, "changed", key, before[key], after[key], (key,))

    return compared


def metadata(before: Data, after: Data) -> Found:
    """Whatever else the engine says."""
    return structural(before["metadata"], after["metadata"], Lane.OUTCOME, "metadata", ("metadata",))


COMPARED: tuple[tuple[str, Lane, Callable[[Data, Data], Found]], ...] = (
    ("candidates", Lane.CANDIDATES, candidates),
    ("rules", Lane.RULES, rules),
    ("scenario", Lane.STEP, step),
    ("transitions", Lane.STEP, transitions),
    ("tools", Lane.TOOL, tools),
    ("variables", Lane.VARIABLES, variables),
    ("template", Lane.TEMPLATE, template),
    ("enforcement", Lane.ENFORCEMENT, enforcement),
    ("response", Lane.RESPONSE, response),
    ("follow_ups", Lane.FOLLOW_UPS, follow_ups),
    ("citations", Lane.CITATIONS, citations),
    ("outcome", Lane.OUTCOME, told("outcome")),
    ("type", Lane.OUTCOME, told("type")),
    ("format", Lane.OUTCOME, told("format")),
    ("model", Lane.OUTCOME, told("model")),
    ("finish_reason", Lane.OUTCOME, told("finish_reason")),
    ("metadata", Lane.OUTCOME, metadata),
)
"""Keys of a reply in the order of the pipeline, each with its lane."""

OFTEN_UNSAID = frozenset({"type", "format", "model", "finish_reason", "metadata"})
"""Keys whose absence on one side tells nothing: engines leave them out where there is nothing to say, baselines always."""


def replies(before: Data, after: Data) -> Iterator[Difference]:
    """Every difference of two replies in pipeline order, as far as both sides know."""
    for key, _, compared in COMPARED:
        if key in before and key in after:
            yield from compared(before, after)


def unknown(before: Data, after: Data) -> set[Lane]:
    """The lanes that one side alone knows."""
    return {lane for key, lane, _ in COMPARED if (key in before) is not (key in after) and key not in OFTEN_UNSAID}
