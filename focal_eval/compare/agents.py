"""What was edited in an agent file, field by field, and which other parts of the agent an edit reaches."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson

from focal_eval.compare.align import align
from focal_eval.compare.model import Edit
from focal_eval.compare.structure import canonical
from focal_eval.records import Json
from focal_eval.value import value

Data = Mapping[str, Json]
Lines = Mapping[tuple[str, str], int]

_LISTS = {"rules": "rule", "scenarios": "scenario", "templates": "template", "tools": "tool", "slots": "slot"}
_MAPPINGS = {"triggers": "trigger", "variables": "variable"}
_RELATIONS = ("outranks", "excludes", "implies", "requires")
KINDS: Mapping[str, str] = {**_LISTS, **_MAPPINGS}
"""Keys of an agent file that hold parts, with what the parts are."""

_SINGLE = frozenset(
    {"outranks", "excludes", "implies", "tools", "tags", "language", "enforce", "forbid", "enter", "scenario", "step", "clear"}
    | {"any_words", "all_words", "phrase", "pattern", "filled", "corrected", "called", "on_tool_error", "trigger", "depends_on"}
)
"""Keys under which one text is as good as a list of one."""

_CODE = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)


@value
class Part:
    """One part of an agent: what it is, its name, its fields."""

    kind: str
    name: str
    fields: Data

    @property
    def id(self) -> str:
        return f"{self.kind}:{self.name}"


def agent_edits(
    before: Json, after: Json, *, before_lines: Lines | None = None, after_lines: Lines | None = None
) -> tuple[Edit, ...]:
    """The edits between two agent files as plain data, in the order of the file; a line is known where `lines` has the part.

    A part that was taken out while one just like it came under another name was renamed; rules and edges that swapped
    places were moved, since of equal ones the first wins.
    """
    here, there = ({part.id: part for part in parts_of(side)} for side in (before, after))
    renamed = _renamed(here, there)
    links = _Links((*here.values(), *there.values()))
    lines = before_lines or {}, after_lines or {}
    out = []
    for name in _in_order(here, there):
        one, other = here.get(name), there.get(name)
        if name in renamed.values():
            continue
        if name in renamed and one is not None:
            other = there[renamed[name]]
        edit = _edit(one, other, links, lines)
        if edit is not None:
            out.append(edit)
    return (*out, *_moved(here, there, links, lines[1]))


def _in_order(here: Mapping[str, Part], there: Mapping[str, Part]) -> list[str]:
    pairs = align(list(here), list(there), lambda one, other: float(one == other))
    names = [*here], [*there]
    return list(dict.fromkeys(names[1][other] if other is not None else names[0][one or 0] for one, other in pairs))


def _edit(one: Part | None, other: Part | None, links: _Links, lines: tuple[Lines, Lines]) -> Edit | None:
    if other is None:
        assert one is not None
        return Edit(one.kind, one.name, "removed", line=lines[0].get((one.kind, one.name)), touches=links.of(one))
    line = lines[1].get((other.kind, other.name))
    if one is None:
        return Edit(other.kind, other.name, "added", line=line, touches=links.of(other))
    fields = tuple(_fields(one.fields, other.fields))
    reached = tuple(dict.fromkeys((*links.of(other), *links.of(one))))
    if one.name != other.name:
        return Edit(other.kind, other.name, "renamed", (("id", one.name, other.name), *fields), line, reached)
    return Edit(other.kind, other.name, "edited", fields, line, reached) if fields else None


def _fields(before: Data, after: Data, begin: str = "") -> Iterator[tuple[str, Json, Json]]:
    """What differs, field by field: `match.if`, `text.en`."""
    for key in dict.fromkeys((*before, *after)):
        one, other = before.get(key), after.get(key)
        if canonical(_settled(one, key)) == canonical(_settled(other, key)):
            continue
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            yield from _fields(one, other, f"{begin}{key}.")
        else:
            yield f"{begin}{key}", one, other


def _settled(data: Json, key: str = "") -> Json:
    """The data with one text as a list of one, where that means the same."""
    if isinstance(data, Mapping):
        return {str(name): _settled(item, str(name)) for name, item in data.items()}
    if isinstance(data, list):
        return [_settled(item) for item in data]
    return [data] if key in _SINGLE and isinstance(data, str) else data


def parts_of(agent: Json) -> Iterator[Part]:
    """Every part of an agent file; what is no list of parts is a setting."""
    if not isinstance(agent, Mapping):
        return
    for key, item in agent.items():
        kind = _LISTS.get(key)
        if kind == "scenario":
            for name, fields in _named(item):
                yield from _scenario(name, fields)
        elif kind is not None:
            yield from (Part(kind, name, fields) for name, fields in _named(item))
        elif key in _MAPPINGS and isinstance(item, Mapping):
            yield from (Part(_MAPPINGS[key], str(name), {"value": data}) for name, data in item.items())
        elif isinstance(item, Mapping):
            yield from (Part("setting", f"{key}.{name}", {"value": data}) for name, data in item.items())
        else:
            yield Part("setting", str(key), {"value": item})


def _named(items: Json) -> Iterator[tuple[str, Data]]:
    """Parts of a list with ids, or of a mapping by id."""
    if isinstance(items, Mapping):
        pairs: Iterable[tuple[Any, Json]] = items.items()
    elif isinstance(items, list):
        pairs = ((item.get("id"), item) for item in items if isinstance(item, Mapping))
    else:
        return
    for name, item in pairs:
        fields = item if isinstance(item, Mapping) else {"text": item}
        yield str(name), {str(key): data for key, data in fields.items() if key != "id"}


def _scenario(name: str, fields: Data) -> Iterator[Part]:
    yield Part("scenario", name, {key: item for key, item in fields.items() if key != "steps"})
    for step, inner in _named(fields.get("steps")):
        yield Part("step", f"{name}/{step}", {key: item for key, item in inner.items() if key != "go"})
        goes = inner.get("go")
        seen: dict[str, int] = {}
        for go in goes if isinstance(goes, list) else [goes]:
            to = str(go.get("to")) if isinstance(go, Mapping) else str(go)
            if go is None:
                continue
            seen[to] = seen.get(to, 0) + 1
            again = f" ({seen[to]})" if seen[to] > 1 else ""
            kept = {key: item for key, item in go.items() if key != "to"} if isinstance(go, Mapping) else {}
            yield Part("transition", f"{name}/{step} → {to}{again}", kept)


def _renamed(here: Mapping[str, Part], there: Mapping[str, Part]) -> dict[str, str]:
    """Old ids with new ones, where exactly one part that went is just like exactly one that came."""
    gone = _by_content(part for name, part in here.items() if name not in there)
    came = _by_content(part for name, part in there.items() if name not in here)
    return {gone[like][0]: came[like][0] for like in gone if len(gone[like]) == 1 and len(came.get(like, ())) == 1}


def _by_content(parts: Iterable[Part]) -> dict[tuple[str, bytes], list[str]]:
    out: dict[tuple[str, bytes], list[str]] = {}
    for part in parts:
        if part.fields and part.kind not in ("transition", "setting", "variable"):
            out.setdefault((part.kind, canonical(_settled(part.fields))), []).append(part.id)
    return out


def _moved(here: Mapping[str, Part], there: Mapping[str, Part], links: _Links, lines: Lines) -> Iterator[Edit]:
    """Rules that swapped places, and edges of one step: of equal ones the first wins."""
    for one, other in _ordered(here, there):
        if one == other:
            continue
        stayed = {
            place for place, pair in align(one, other, lambda a, b: float(a == b)) if place is not None and pair is not None
        }
        for place, name in enumerate(one):
            if place not in stayed:
                part = there[name]
                where = (("after", _before(one, name), _before(other, name)),)
                yield Edit(part.kind, part.name, "moved", where, lines.get((part.kind, part.name)), links.of(part))


def _ordered(here: Mapping[str, Part], there: Mapping[str, Part]) -> Iterator[tuple[list[str], list[str]]]:
    """The parts that both have and whose order counts, group by group."""
    groups: dict[str, tuple[list[str], list[str]]] = {}
    for place, (parts, others) in enumerate(((here, there), (there, here))):
        for name, part in parts.items():
            if name in others and part.kind in ("rule", "transition"):
                group = part.name.partition(" → ")[0] if part.kind == "transition" else ""
                groups.setdefault(group, ([], []))[place].append(name)
    yield from groups.values()


def _before(names: list[str], name: str) -> str | None:
    place = names.index(name)
    return names[place - 1].partition(":")[2] if place else None


class _Links:
    """Which parts a part reaches: by its relations, and by being named in them."""

    def __init__(self, parts: Iterable[Part]) -> None:
        self._parts = tuple(parts)
        self._words = [_words(part) for part in self._parts]

    def of(self, part: Part) -> tuple[str, ...]:
        """The part itself, then what it names and what names it."""
        out = dict.fromkeys([part.id, *_named_by(part)])
        if part.kind in ("rule", "setting"):
            return tuple(out)
        names = {part.name.rpartition("/")[2]}
        if part.kind == "trigger":
            names |= self._through(names)
        out.update(dict.fromkeys(self._naming(names)))
        return tuple(out)

    def _naming(self, names: set[str]) -> Iterator[str]:
        yield from (part.id for part, words in zip(self._parts, self._words, strict=True) if not names.isdisjoint(words))

    def _through(self, names: set[str]) -> set[str]:
        """The triggers that use these, and those that use them."""
        known = set(names)
        while True:
            more = {name.partition(":")[2] for name in self._naming(known) if name.startswith("trigger:")} - known
            if not more:
                return known
            known |= more


_WORD = re.compile(r"[\w-]+")


def _words(part: Part) -> frozenset[str]:
    """Every word of a part that can be a name; of a template's text only what is filled in."""
    if part.kind == "template":
        text = " ".join(_CODE.findall(orjson.dumps(part.fields).decode()))
    else:
        text = orjson.dumps({key: item for key, item in part.fields.items() if key not in _PROSE}).decode()
    return frozenset(_WORD.findall(text))


_PROSE = frozenset({"when", "then", "title", "description", "text"})


def _named_by(part: Part) -> Iterator[str]:
    """What a part names itself."""
    fields = part.fields
    if part.kind == "setting":
        yield "rule:*"
    if part.kind == "scenario":
        yield f"step:{part.name}/*"
    if part.kind == "transition":
        step, _, target = part.name.partition(" → ")
        target = target.partition(" (")[0]
        yield f"step:{step}"
        yield f"step:{target if '/' in target else step.partition('/')[0] + '/' + target}"
    for relation in _RELATIONS:
        yield from (f"rule:{name}" for name in _texts(fields.get(relation)))
    yield from (f"tool:{name}" for name in _texts(fields.get("tools")))
    for key in ("template", "otherwise", "fallback", "ask", "reask", "invalid", "exit_template"):
        yield from (f"template:{name}" for name in _texts(fields.get(key)))


def _texts(data: Json) -> list[str]:
    if isinstance(data, str):
        return [data]
    return [item for item in data if isinstance(item, str)] if isinstance(data, list) else []
