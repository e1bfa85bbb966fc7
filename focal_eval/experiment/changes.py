"""The edits between two versions of an agent, each on its own, and the agent with any of them applied."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

from focal_eval.agent import Agent
from focal_eval.agent.authored import authored, same
from focal_eval.agent.parts import Part, parts
from focal_eval.agent.placed import Placed
from focal_eval.agent.spellings import Collect, Requires
from focal_eval.records import Json
from focal_eval.value import value

_CHILDREN = {"scenario": "steps", "step": "go"}
_LISTS = {"rule": "rules", "tool": "tools", "template": "templates", "slot": "slots"}
_PAIRS = {"trigger": "triggers", "variable": "variables"}
_SETTINGS = ("greeting", "fallback", "languages", "settings")
_ORDERED = frozenset({"rule", "scenario", "step", "transition", "template", "slot"})
_SPELT_WHOLE = (Collect, Requires)
"""What a file spells in one piece, however it is taken apart when it is read."""

Held = dict[str, Part]  # by id, in order; a scenario without its steps, a step without its transitions
Path = tuple[str, ...]


@value
class Change:
    """One edit that can be made or left out by itself."""

    kind: str  # of the part: rule | scenario | step | transition | tool | template | slot | trigger | variable | setting
    name: str
    change: str  # added | removed | edited | renamed | moved
    path: Path = ()  # the field that was edited: ("match", "any_words")
    before: Json = None  # as the file would say it; None where it did not
    after: Json = None
    line: int = 0  # in the new file; in the old one where it was removed

    @property
    def where(self) -> str:
        """`rule offer-refund, match.any_words`."""
        if self.change == "moved":
            return f"order of {self.kind}s" + (f" of {self.name}" if self.name else "")
        return f"{self.kind} {self.name}" + (f", {self.field}" if self.field else "")

    @property
    def field(self) -> str:
        """The field as the file has it: `match.any_words`, `text.en`; empty where all of the part came or went."""
        return ".".join(name.removesuffix("_") for name in self.path if name not in ("", "texts"))

    def as_json(self) -> dict[str, Json]:
        """Plain JSON; `field` is null where all of the part came or went."""
        return {
            "kind": self.kind,
            "name": self.name,
            "change": self.change,
            "field": self.field or None,
            "before": self.before,
            "after": self.after,
            "line": self.line,
        }


class Edits:
    """Two versions of an agent and what differs between them; neither ever changes. Titles and descriptions do not count."""

    def __init__(self, old: Agent, new: Agent) -> None:
        self.old, self.new = old, new
        self._here, self._there = _flat(old), _flat(new)
        self._renamed = _renamed(self._here, self._there)
        self.changes = tuple(self._changes())

    def agent(self, chosen: Iterable[int]) -> Agent:
        """The old agent with the changes at these positions made; they need not fit together."""
        held = dict(self._here)
        moved: set[str] = set()
        for position in sorted(set(chosen)):
            change = self.changes[position]
            if change.change == "moved":
                moved.add(f"{change.kind}:{change.name}" if change.name else change.kind)
            else:
                self._make(change, held)
        return _built(self.old, held, self._order(held, moved))

    def _changes(self) -> Iterator[Change]:
        here, there = self._here, self._there
        for name, part in here.items():
            if name in self._renamed:
                other = there[self._renamed[name]]
                yield Change(part.kind, part.name, "renamed", ("id",), part.name, other.name, other.span.line)
            elif name not in there and not _inside(part, here, there):
                yield Change(part.kind, part.name, "removed", before=_whole(part, here), line=part.span.line)
        for name, part in there.items():
            if name in here:
                yield from _edited(here[name], part)
            elif name not in self._renamed.values() and not _inside(part, there, here):
                yield Change(part.kind, part.name, "added", after=_whole(part, there), line=part.span.line)
        yield from self._moved()

    def _moved(self) -> Iterator[Change]:
        """Lists whose common entries stand in another order: of equal ones the first wins."""
        groups: dict[str, tuple[list[str], list[str]]] = {}
        for side, (own, others) in enumerate(((self._here, self._there), (self._there, self._here))):
            for name, part in own.items():
                if name in others and part.kind in _ORDERED:
                    groups.setdefault(_group_of(name), ([], []))[side].append(name)
        for group, (one, other) in groups.items():
            if one != other:
                kind, _, holder = group.partition(":")
                first = next(b for a, b in zip(one, other, strict=True) if a != b)
                was, now = ([name.partition(":")[2] for name in side] for side in (one, other))
                yield Change(kind, holder, "moved", ("order",), was, now, self._there[first].span.line)

    def _make(self, change: Change, held: Held) -> None:
        name = f"{change.kind}:{change.name}"
        if change.change == "removed":
            for inner in [one for one in held if one == name or _below(one, name)]:
                del held[inner]
        elif change.change == "added":
            for inner, part in self._there.items():
                if inner == name or (_below(inner, name) and inner not in self._here):
                    held[inner] = part
        elif change.change == "renamed":
            _rename(held, name, self._there[self._renamed[name]])
        elif name in held:
            part, other = held[name], self._there[name]
            held[name] = replace(part, value=_with(part.value, other.value, change.path))

    def _order(self, held: Held, moved: set[str]) -> list[str]:
        """The ids in the order they stand in: as in the old file, or as in the new one where that was moved."""
        old, new = list(self._here), list(self._there)
        out: list[str] = []
        for group in dict.fromkeys(_group_of(name) for name in (*old, *new)):
            sides = [[name for name in side if _group_of(name) == group] for side in (old, new)]
            first, second = reversed(sides) if group in moved else sides
            out += [name for name in _merged(first, second) if name in held]
        return out


def _flat(agent: Agent) -> Held:
    out: Held = {}
    for part in parts(agent):
        children = _CHILDREN.get(part.kind)
        out[part.id] = part if children is None else replace(part, value=replace(part.value, **{children: ()}))
    return out


def _group_of(name: str) -> str:
    """The list a part stands in: `rule`, `step:returns`, `transition:returns/ask`."""
    kind, _, rest = name.partition(":")
    if kind == "step":
        return f"step:{rest.partition('/')[0]}"
    return f"transition:{rest.partition(' → ')[0]}" if kind == "transition" else kind


def _below(name: str, holder: str) -> bool:
    """Whether a part stands inside a scenario or step."""
    kind, _, rest = holder.partition(":")
    inner, _, own = name.partition(":")
    if kind == "scenario":
        return inner in ("step", "transition") and own.startswith(f"{rest}/")
    return kind == "step" and inner == "transition" and own.startswith(f"{rest} → ")


def _inside(part: Part, side: Held, other: Held) -> bool:
    """Whether a part came or went with the scenario or step it stands in."""
    holders = (name for name in side if name not in other and name != part.id)
    return part.kind in ("step", "transition") and any(_below(part.id, name) for name in holders)


def _renamed(here: Held, there: Held) -> dict[str, str]:
    """Old ids with new ones, where exactly one part that went is just like exactly one that came."""
    sides: list[dict[str, list[str]]] = []
    for one, other in ((here, there), (there, here)):
        found: dict[str, list[str]] = {}
        for name, part in one.items():
            if name not in other and part.kind in _LISTS:
                found.setdefault(_content(part), []).append(name)
        sides.append(found)
    gone, came = sides
    return {gone[like][0]: came[like][0] for like in gone if len(gone[like]) == 1 and len(came.get(like, ())) == 1}


def _content(part: Part) -> str:
    """All that a part says beside its id."""
    return repr((part.kind, {key: one for key, one in authored(part.value).items() if key != "id"}))


def _rename(held: Held, name: str, part: Part) -> None:
    """Puts the renamed part where the old one stood."""
    items = [(part.id, part) if own == name else (own, one) for own, one in held.items()]
    held.clear()
    held.update(items)


def _whole(part: Part, side: Held) -> Json:
    """What a part that came or went says, with what stands in it."""
    data = authored(part.value)
    inner = [one for name, one in side.items() if _below(name, part.id)]
    if part.kind == "scenario":
        data["steps"] = [_whole(one, side) for one in inner if one.kind == "step"]
    elif part.kind == "step" and inner:
        data["go"] = [authored(one.value) for one in inner]
    return data


def _edited(one: Part, other: Part) -> Iterator[Change]:
    for path, before, after in _differences(one.value, other.value):
        was, now = (None if item is None else authored(item) for item in (before, after))
        yield Change(other.kind, other.name, "edited", path, was, now, _line_in(after, other.span.line))


def _line_in(held: Any, default: int) -> int:
    """Where a value stands, as far as it knows."""
    if isinstance(held, Collect):
        held = held.slots
    if isinstance(held, Requires):
        held = held.names or held.expression
    if isinstance(held, tuple) and held:
        return _line_in(held[0], default)
    line: int = getattr(getattr(held, "span", None), "line", 0)
    return line if line > 1 else default


def _differences(one: Any, other: Any, path: Path = ()) -> Iterator[tuple[Path, Any, Any]]:
    """What differs, field by field, as deep as both sides have the same kind of thing."""
    if type(one) is type(other) and same(one, other):
        return
    if is_dataclass(one) and type(one) is type(other) and not isinstance(one, _SPELT_WHOLE):
        for spec in fields(one):
            if spec.name != "span":
                yield from _differences(getattr(one, spec.name), getattr(other, spec.name), (*path, spec.name))
        return
    here, there = _keyed(one), _keyed(other)
    if here is not None and there is not None:
        common = [[key for key in side if key in also] for side, also in ((here, there), (there, here))]
        if common[0] == common[1]:
            for key in dict.fromkeys((*here, *there)):
                if (key in here) != (key in there) or not same(here[key], there[key]):
                    yield (*path, key), here.get(key), there.get(key)
            return
    yield path, one, other


def _keyed(held: Any) -> Mapping[str, Any] | None:
    """A tuple of (name, value) as a mapping, None for anything else."""
    if isinstance(held, tuple) and held and all(isinstance(one, tuple) and len(one) == 2 for one in held):
        return {str(name): one for name, one in held}
    return None


def _with(one: Any, other: Any, path: Path) -> Any:
    """The first value with what the second holds at that path."""
    if not path:
        return other
    name, rest = path[0], path[1:]
    if is_dataclass(one) and not isinstance(one, type):
        made: Any = replace(one, **{name: _with(getattr(one, name), getattr(other, name), rest)})
        return made
    there = {str(pair[0]): pair for pair in other}
    if name not in there:
        return tuple(pair for pair in one if str(pair[0]) != name)
    if any(str(pair[0]) == name for pair in one):
        return tuple(there[name] if str(pair[0]) == name else pair for pair in one)
    before = list(there)[: list(there).index(name)]
    place = sum(1 for pair in one if str(pair[0]) in before)
    return (*one[:place], there[name], *one[place:])


def _merged(first: Sequence[str], second: Sequence[str]) -> list[str]:
    """The first list, with what only the second has after what it follows there."""
    out = list(first)
    for place, name in enumerate(second):
        if name not in out:
            before = next((out.index(one) for one in reversed(second[:place]) if one in out), -1)
            out.insert(before + 1, name)
    return out


def _built(old: Agent, held: Held, order: Sequence[str]) -> Agent:
    """An agent of these parts in this order; a part whose scenario or step is not there is left out."""
    named: dict[str, list[Part]] = {}
    for name in order:
        named.setdefault(_group_of(name), []).append(held[name])
    made: dict[str, Any] = {field: tuple(part.value for part in named.get(kind, ())) for kind, field in _LISTS.items()}
    for kind, field in _PAIRS.items():
        made[field] = tuple((Placed(part.name, part.span), part.value) for part in named.get(kind, ()))
    flows = []
    for flow in named.get("scenario", ()):
        steps = [
            replace(step.value, go=tuple(go.value for go in named.get(f"transition:{step.name}", ())))
            for step in named.get(f"step:{flow.name}", ())
        ]
        flows.append(replace(flow.value, steps=tuple(steps)))
    settings = {part.name: part.value for part in named.get("setting", ())}
    made |= {name: settings.get(name) for name in _SETTINGS}
    return replace(old, scenarios=tuple(flows), **made)
