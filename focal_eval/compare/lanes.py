"""What differs between two replies, lane by lane; both come without what is masked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from focal_eval.compare.model import Difference, Lane
from focal_eval.compare.sequences import sequence
from focal_eval.compare.structure import equal_json, structural
from focal_eval.compare.tool_calls import tools
from focal_eval.records import Json

Data = Mapping[str, Json]
Found = Iterable[Difference]


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
        if key in before and key in after and not equal_json(before[key], after[key]):
            yield from compared(before, after)


def unknown(before: Data, after: Data) -> set[Lane]:
    """The lanes that one side alone knows."""
    return {lane for key, lane, _ in COMPARED if (key in before) is not (key in after) and key not in OFTEN_UNSAID}
