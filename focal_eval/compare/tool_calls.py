"""What differs between the tool calls of two replies: the calls as a sequence, then what was given and came back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from focal_eval.compare.align import align
from focal_eval.compare.model import Difference, Lane
from focal_eval.compare.sequences import changes
from focal_eval.compare.structure import canonical, structural
from focal_eval.records import Json

Data = Mapping[str, Json]
Found = Iterable[Difference]


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
