"""Values of an agent file that may be written in more than one way: conditions, slots to collect, texts by language."""

from __future__ import annotations

from typing import Any

from focal_eval.agent.placed import KeyedBy, Placed, PlainData
from focal_eval.document import INVALID, Reader, SchemaBuilder, Shape
from focal_eval.document.reader import MappingNode, Node, ScalarNode, SequenceNode
from focal_eval.document.shape import ListOf
from focal_eval.value import value


@value
class Requires:
    """A condition: names that must be set, names that must have values, or an expression."""

    names: tuple[Placed, ...] = ()
    values: tuple[tuple[Placed, Any], ...] = ()
    expression: Placed | None = None

    @classmethod
    def __shape__(cls) -> Shape:
        return _RequiresShape()

    def __bool__(self) -> bool:
        return bool(self.names or self.values or self.expression)


class _RequiresShape(Shape):
    expected = "an expression, a list of names, or a mapping of names to values"

    def read(self, node: Node, reader: Reader) -> Any:
        if type(node) is SequenceNode:
            names = ListOf(Placed.__shape__()).read(node, reader)
            return INVALID if names is INVALID else Requires(names=names)
        if type(node) is MappingNode:
            values = KeyedBy(PlainData()).read(node, reader)
            return INVALID if values is INVALID else Requires(values=values)
        text: Any = Placed.__shape__().read(node, reader) if type(node) is ScalarNode else self.wrong(node, reader)
        return INVALID if text is INVALID else Requires(expression=text)

    def schema(self, into: SchemaBuilder) -> dict[str, Any]:
        return {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}, {"type": "object"}]}


@value
class Need:
    """Slots a step wants: one of these groups has to be complete."""

    any_of: tuple[tuple[Placed, ...], ...]


@value
class Collect:
    """What a step collects, in the order it asks."""

    needs: tuple[Need, ...] = ()

    @classmethod
    def __shape__(cls) -> Shape:
        return _CollectShape()

    @property
    def slots(self) -> tuple[Placed, ...]:
        """Every slot named."""
        return tuple(slot for need in self.needs for group in need.any_of for slot in group)


class _CollectShape(Shape):
    expected = "a slot, a list of slots, or {any_of: [[slot], [slot, slot]]}"

    def read(self, node: Node, reader: Reader) -> Any:
        items = node.value if type(node) is SequenceNode else [node]
        needs = [self._need(item, reader) for item in items]
        return INVALID if INVALID in needs else Collect(tuple(needs))

    def _need(self, node: Node, reader: Reader) -> Any:
        if type(node) is ScalarNode:
            name = Placed.__shape__().read(node, reader)
            return INVALID if name is INVALID else Need(((name,),))
        pairs = reader.pairs(node) if type(node) is MappingNode else []
        if [name for name, _, _ in pairs] != ["any_of"]:
            return self.wrong(node, reader)
        groups = ListOf(ListOf(Placed.__shape__()), single=False).read(pairs[0][2], reader)
        return INVALID if groups is INVALID else Need(groups)

    def schema(self, into: SchemaBuilder) -> dict[str, Any]:
        names = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
        choice = {
            "type": "object",
            "properties": {"any_of": {"type": "array", "items": names}},
            "required": ["any_of"],
            "additionalProperties": False,
        }
        one = {"anyOf": [{"type": "string"}, choice]}
        return {"anyOf": [one, {"type": "array", "items": one}]}


@value
class TextByLanguage:
    """A text, or one text a language; the language of a text without one is empty."""

    texts: tuple[tuple[Placed, Placed], ...]

    @classmethod
    def __shape__(cls) -> Shape:
        return _TextShape()

    def pick(self, language: str, default: str) -> Placed:
        """The text in the language, else in the default language, else the first."""
        if len(self.texts) > 1:
            for wanted in (language, default):
                for spoken, text in self.texts:
                    if spoken == wanted:
                        return text
        return self.texts[0][1]


class _TextShape(Shape):
    expected = "text, or a mapping from language to text"

    def read(self, node: Node, reader: Reader) -> Any:
        if type(node) is MappingNode:
            texts = KeyedBy(Placed.__shape__()).read(node, reader)
            if texts == ():
                return reader.error("empty-text", "a text needs at least one language", node)
            return INVALID if texts is INVALID else TextByLanguage(texts)
        if type(node) is not ScalarNode:
            return self.wrong(node, reader)
        text = Placed.__shape__().read(node, reader)
        return INVALID if text is INVALID else TextByLanguage(((Placed(""), text),))

    def schema(self, into: SchemaBuilder) -> dict[str, Any]:
        text = {"type": "string", "minLength": 1}
        return {"anyOf": [text, {"type": "object", "additionalProperties": text, "minProperties": 1}]}
