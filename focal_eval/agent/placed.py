"""Values that keep their place: texts, records and collections of an agent file."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from focal_eval.document import INVALID, Reader, Record, SchemaBuilder, Shape, plain, record_of
from focal_eval.document.reader import STR, MappingNode, Node, ScalarNode, SequenceNode
from focal_eval.document.shape import Text
from focal_eval.source import Span, whole_file

NOWHERE = whole_file("")  # the place of a value that was not read from a file


class Placed(str):
    """A text of the file that knows where it stands; it equals, hashes and prints like the text alone."""

    __slots__ = ("span",)
    span: Span

    def __new__(cls, text: str, span: Span = NOWHERE) -> Placed:
        made = super().__new__(cls, text)
        made.span = span
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return Placed, (str(self), self.span)

    @classmethod
    def __shape__(cls) -> Shape:
        return _PlacedText()


class _PlacedText(Text):
    def __init__(self) -> None:
        super().__init__(may_be_empty=False)

    def read(self, node: Node, reader: Reader) -> Any:
        value = super().read(node, reader)
        return value if value is INVALID else Placed(value, reader.span(node))


class PlacedRecord(Record):
    """A record whose dataclass has a field `span`: where the mapping stands."""

    def make(self, values: dict[str, Any], node: Node, reader: Reader) -> Any:
        return super().make({**values, "span": reader.span(node)}, node, reader)


@lru_cache(maxsize=64)
def placed_record(kind: type) -> PlacedRecord:
    """The shape of a dataclass with a field `span`, which is filled and is no key of the file."""
    record = record_of(kind, leave_out=frozenset({"span"}))
    return PlacedRecord(kind, record.entries, name=record.name, short=record.short)


class Located:
    """A base for dataclasses of the agent file that keep their place."""

    __slots__ = ()

    @classmethod
    def __shape__(cls) -> Shape:
        return _Later(cls)


class _Later(Shape):
    """The record of a dataclass, made when it is first used: a trigger may hold triggers."""

    def __init__(self, kind: type) -> None:
        self.kind = kind
        self.expected = "text or a mapping" if getattr(kind, "short", None) else "a mapping"

    def read(self, node: Node, reader: Reader) -> Any:
        return placed_record(self.kind).read(node, reader)

    def schema(self, into: SchemaBuilder) -> dict[str, Any]:
        return placed_record(self.kind).schema(into)


class ById(Shape):
    """A collection of things with an `id`: a list whose entries name it, or a mapping from id to the rest."""

    expected = "a list of mappings with an id, or a mapping by id"

    def __init__(self, kind: type) -> None:
        self.kind = kind

    @property
    def item(self) -> PlacedRecord:
        return placed_record(self.kind)

    def read(self, node: Node, reader: Reader) -> Any:
        if type(node) is SequenceNode:
            if not reader.enter(node):
                return INVALID
            full = self.item
            item = PlacedRecord(self.kind, full.entries, name=full.name)  # a bare value would have no id
            items = [item.read(child, reader) for child in node.value]
        elif type(node) is MappingNode:
            if not reader.enter(node):
                return INVALID
            items = [self._named(key, child, reader) for _, key, child in reader.pairs(node)]
        else:
            return self.wrong(node, reader)
        reader.leave()
        return INVALID if INVALID in items else tuple(items)

    def _named(self, key: ScalarNode, node: Node, reader: Reader) -> Any:
        item = self.item
        entries = {name: entry for name, entry in item.entries.items() if name != "id"}
        name = Placed(key.value, reader.span(key))

        def build(**values: Any) -> Any:
            return self.kind(id=name, **values)

        return PlacedRecord(build, entries, name=item.name, short=item.short).read(node, reader)

    def schema(self, into: SchemaBuilder) -> dict[str, Any]:
        item = self.item
        body = {name: entry for name, entry in item.entries.items() if name != "id"}
        listed = Record(self.kind, item.entries, name=item.name).schema(into)
        named = Record(self.kind, body, name=f"{item.name}ById").schema(into)
        if item.short is not None:
            named = {"anyOf": [{"type": "string", "minLength": 1}, named]}
        return {"anyOf": [{"type": "array", "items": listed}, {"type": "object", "additionalProperties": named}]}


class KeyedBy(Shape):
    """A mapping whose keys are names with a place: a tuple of (name, value)."""

    expected = "a mapping"

    def __init__(self, item: Shape) -> None:
        self.item = item

    def read(self, node: Node, reader: Reader) -> Any:
        if type(node) is not MappingNode:
            return self.wrong(node, reader)
        if not reader.enter(node):
            return INVALID
        pairs = [(Placed(name, reader.span(key)), self.item.read(child, reader)) for name, key, child in reader.pairs(node)]
        reader.leave()
        return INVALID if any(value is INVALID for _, value in pairs) else tuple(pairs)

    def schema(self, into: SchemaBuilder) -> dict[str, Any]:
        return {"type": "object", "additionalProperties": self.item.schema(into)}


class PlainData(Shape):
    """Plain data whose texts keep their places, so that a template inside can be pointed at."""

    expected = "a value"

    def read(self, node: Node, reader: Reader) -> Any:
        if type(node) is ScalarNode and node.tag == STR:
            return Placed(node.value, reader.span(node))
        if type(node) is not SequenceNode and type(node) is not MappingNode:
            return plain(node, reader)
        if not reader.enter(node):
            return INVALID
        made: Any
        if isinstance(node, SequenceNode):
            made = [self.read(child, reader) for child in node.value]
            bad = any(value is INVALID for value in made)
        else:
            assert isinstance(node, MappingNode)
            made = {name: self.read(child, reader) for name, _, child in reader.pairs(node)}
            bad = any(value is INVALID for value in made.values())
        reader.leave()
        return INVALID if bad else made

    def schema(self, into: SchemaBuilder) -> dict[str, Any]:
        return {}
