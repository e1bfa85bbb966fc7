"""Shapes: how a value is read from a YAML node, and how it stands in the JSON Schema, said once.

`shape_of(type)` derives the shape from a type: `str`, `int`, `float`, `bool`, `Any` (plain data), `Literal`, `tuple[T, ...]`
(a list, or one value of it), `dict[str, T]`, `T | None`, dataclasses (a mapping of their fields, unknown keys refused), and
any class with a `__shape__()` classmethod of its own. A dataclass with a class variable `short = "field"` may also be
written as that field's value alone. A field may carry `metadata={"key": "not", "doc": "..."}`.
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Literal, Union, get_args, get_origin

from focal_eval.document.reader import (
    BOOL,
    FLOAT,
    INT,
    NULL,
    STR,
    MappingNode,
    Node,
    ScalarNode,
    SequenceNode,
    plain_tag,
)
from focal_eval.document.reading import INVALID, Filled, Invalid, Reader, is_bare_template, unquoted_template
from focal_eval.registry import did_you_mean, nearest

JsonSchema = dict[str, Any]


class Shape:
    """Reads one node into one value, or reports and returns INVALID."""

    expected = "a value"

    def read(self, node: Node, reader: Reader) -> Any:
        raise NotImplementedError

    def schema(self, into: SchemaBuilder) -> JsonSchema:
        raise NotImplementedError

    def wrong(self, node: Node, reader: Reader) -> Invalid:
        """Reports what was found instead, naming YAML's traps."""
        if is_bare_template(node):
            return unquoted_template(node, reader)
        found, fix = _found(node, self.expected)
        return reader.error("wrong-type", f"expected {self.expected}, found {found}", node, help=fix)


_TRAPS = frozenset({"yes", "no", "on", "off", "y", "n"})


def _found(node: Node, expected: str) -> tuple[str, str | None]:
    if isinstance(node, MappingNode):
        return "a mapping", None
    if isinstance(node, SequenceNode):
        return "a list", None
    tag, text = node.tag, str(node.value)
    shown = text if len(text) <= 40 else text[:37] + "..."
    if tag == NULL:
        return "nothing", None
    if tag == STR:
        if expected == "true or false" and text.casefold() in _TRAPS and not getattr(node, "style", None):
            return f"the text '{shown}'", "write true or false; 'yes', 'no', 'on' and 'off' are text"
        if "number" in expected and text[:1] == "0" and text.isdigit():
            return f"the text '{shown}'", "a leading zero makes it text; drop the zero"
        if "number" in expected and getattr(node, "style", None) and plain_tag(text or " ") in (INT, FLOAT):
            return f"the text '{shown}'", "write it without quotes"
        if "number" in expected and ":" in text:
            return f"the text '{shown}'", "a time like 12:30 is text, not a number"
        return f"the text '{shown}'", None
    kind = {INT: "the number", FLOAT: "the number", BOOL: "the boolean"}.get(tag, "the value")
    return f"{kind} {shown}", f'to say it as text, write "{shown}"' if expected.startswith("text") else None


class Text(Shape):
    """Text; with `may_be_empty=False` an empty one is an error."""

    expected = "text"

    def __init__(self, *, may_be_empty: bool = True) -> None:
        self.may_be_empty = may_be_empty

    def read(self, node: Node, reader: Reader) -> Any:
        if (node.tag == STR and isinstance(node, ScalarNode)) or (type(node) is Filled and node.tag in (INT, FLOAT, BOOL)):
            if not node.value and not self.may_be_empty:
                return reader.error("empty-text", "this text must not be empty", node)
            return reader.text(node) if reader.comments else node.value
        return self.wrong(node, reader)

    def schema(self, into: SchemaBuilder) -> JsonSchema:
        return {"type": "string"} if self.may_be_empty else {"type": "string", "minLength": 1}


class Number(Shape):
    """An integer or a float; `whole=True` takes integers only, bounds are inclusive."""

    def __init__(self, *, whole: bool = False, minimum: float | None = None, maximum: float | None = None) -> None:
        self.whole, self.minimum, self.maximum = whole, minimum, maximum
        self.expected = "a whole number" if whole else "a number"

    def read(self, node: Node, reader: Reader) -> Any:
        if node.tag == INT:
            value: int | float = int(node.value)
        elif node.tag == FLOAT and not self.whole:
            value = float(node.value)
            if math.isinf(value):
                return reader.error("out-of-range", "the number is too large", node)
        else:
            return self.wrong(node, reader)
        if self.minimum is not None and value < self.minimum:
            return reader.error("out-of-range", f"{value} is below {self.minimum}", node)
        if self.maximum is not None and value > self.maximum:
            return reader.error("out-of-range", f"{value} is above {self.maximum}", node)
        return value

    def schema(self, into: SchemaBuilder) -> JsonSchema:
        out: JsonSchema = {"type": "integer" if self.whole else "number"}
        if self.minimum is not None:
            out["minimum"] = self.minimum
        if self.maximum is not None:
            out["maximum"] = self.maximum
        return out


class Boolean(Shape):
    """`true` or `false`, nothing that only sounds like it."""

    expected = "true or false"

    def read(self, node: Node, reader: Reader) -> Any:
        if node.tag == BOOL:
            return node.value[0] in "tT"
        return self.wrong(node, reader)

    def schema(self, into: SchemaBuilder) -> JsonSchema:
        return {"type": "boolean"}


class Choice(Shape):
    """One of a few words."""

    def __init__(self, words: tuple[Any, ...]) -> None:
        self.words = words
        self.expected = "one of " + ", ".join(str(word) for word in words)

    def read(self, node: Node, reader: Reader) -> Any:
        if isinstance(node, ScalarNode):
            value = scalar(node)
            if any(value is word or (type(value) is type(word) and value == word) for word in self.words):
                return value
            if node.tag == STR:
                bare = any(str(word) == node.value for word in self.words)
                fix = "write it without quotes" if bare else did_you_mean(node.value, map(str, self.words), list_up_to=0)
                return reader.error("unknown-word", f"'{node.value}' is not {self.expected}", node, help=fix)
        return self.wrong(node, reader)

    def schema(self, into: SchemaBuilder) -> JsonSchema:
        return {"enum": list(self.words)}


class ListOf(Shape):
    """A list; where `single` is set one bare value stands for a list of one."""

    def __init__(self, item: Shape, *, single: bool = True) -> None:
        self.item, self.single = item, single
        self.expected = f"{item.expected} or a list" if single else "a list"

    def read(self, node: Node, reader: Reader) -> Any:
        if type(node) is not SequenceNode:
            if not self.single:
                return self.wrong(node, reader)
            if node.tag == NULL:
                return self.wrong(node, reader)
            value = self.item.read(node, reader)
            return INVALID if value is INVALID else (value,)
        if not reader.enter(node):
            return INVALID
        item = self.item
        values = tuple([item.read(child, reader) for child in node.value])
        reader.leave()
        return INVALID if INVALID in values else values

    def schema(self, into: SchemaBuilder) -> JsonSchema:
        item = self.item.schema(into)
        many: JsonSchema = {"type": "array", "items": item}
        return {"anyOf": [item, many]} if self.single else many


class MapOf(Shape):
    """A mapping from text to one kind of value."""

    expected = "a mapping"

    def __init__(self, item: Shape) -> None:
        self.item = item

    def read(self, node: Node, reader: Reader) -> Any:
        if type(node) is not MappingNode:
            return self.wrong(node, reader)
        if not reader.enter(node):
            return INVALID
        out = {name: self.item.read(value, reader) for name, _, value in reader.pairs(node)}
        reader.leave()
        return INVALID if INVALID in out.values() else out

    def schema(self, into: SchemaBuilder) -> JsonSchema:
        return {"type": "object", "additionalProperties": self.item.schema(into)}


class Anything(Shape):
    """Plain data: text, numbers, booleans, null, lists and mappings with text keys."""

    def read(self, node: Node, reader: Reader) -> Any:
        return plain(node, reader)

    def schema(self, into: SchemaBuilder) -> JsonSchema:
        return {}


class Maybe(Shape):
    """The shape, or null for "not given"."""

    def __init__(self, inner: Shape) -> None:
        self.inner = inner
        self.expected = inner.expected

    def read(self, node: Node, reader: Reader) -> Any:
        if node.tag == NULL and not isinstance(self.inner, Anything):
            return None
        return self.inner.read(node, reader)

    def schema(self, into: SchemaBuilder) -> JsonSchema:
        return {"anyOf": [self.inner.schema(into), {"type": "null"}]}


class Either(Shape):
    """The first shape whose kind of node fits; the fit is decided by `takes`, so that errors speak of one shape."""

    def __init__(self, *options: tuple[Callable[[Node], bool], Shape]) -> None:
        self.options = options
        self.expected = " or ".join(dict.fromkeys(shape.expected for _, shape in options))

    def read(self, node: Node, reader: Reader) -> Any:
        for takes, shape in self.options:
            if takes(node):
                return shape.read(node, reader)
        return self.wrong(node, reader)

    def schema(self, into: SchemaBuilder) -> JsonSchema:
        return {"anyOf": [shape.schema(into) for _, shape in self.options]}


def is_scalar(node: Node) -> bool:
    """Whether the node is a single value."""
    return isinstance(node, ScalarNode)


def is_list(node: Node) -> bool:
    """Whether the node is a list."""
    return isinstance(node, SequenceNode)


def is_mapping(node: Node) -> bool:
    """Whether the node is a mapping."""
    return isinstance(node, MappingNode)


def is_boolean(node: Node) -> bool:
    """Whether the node is `true` or `false`."""
    return node.tag == BOOL


def is_number(node: Node) -> bool:
    """Whether the node is a number."""
    return node.tag in (INT, FLOAT)


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """A key of a record: the field it fills, its shape, whether it must be there, and its help text."""

    field: str
    shape: Shape
    required: bool
    doc: str | None


class Record(Shape):
    """A mapping with known keys, built into a dataclass; `short` names the field a bare value stands for."""

    expected = "a mapping"

    def __init__(self, build: Callable[..., Any], entries: dict[str, Entry], *, name: str, short: str | None = None) -> None:
        self.build, self.entries, self.name, self.short = build, entries, name, short
        self.required = tuple(key for key, entry in entries.items() if entry.required)
        if short is not None:
            self.short_shape = next(entry.shape for entry in entries.values() if entry.field == short)
            self.expected = f"{self.short_shape.expected} or a mapping"

    def read(self, node: Node, reader: Reader) -> Any:
        if type(node) is not MappingNode:
            if self.short is None or (node.tag == NULL and not isinstance(self.short_shape, (Anything, Maybe))):
                return self.wrong(node, reader)
            value = self.short_shape.read(node, reader)
            return INVALID if value is INVALID else self.make({self.short: value}, node, reader)
        values = self.fields(node, reader)
        return INVALID if values is INVALID else self.make(values, node, reader)

    def fields(self, node: MappingNode, reader: Reader) -> Any:
        if not reader.enter(node):
            return INVALID
        values: dict[str, Any] = {}
        sound = True
        misspelt: set[str | None] = set()
        for name, key, child in reader.pairs(node):
            entry = self.entries.get(name)
            if entry is None:
                unknown_key(name, key, self.entries, reader)
                misspelt.add(nearest(name, self.entries))
                sound = False
                continue
            value = entry.shape.read(child, reader)
            if value is INVALID:
                sound = False
            values[entry.field] = value
        reader.leave()
        for key_name in self.required:
            if self.entries[key_name].field not in values and key_name not in misspelt:
                reader.error("missing-key", f"the key '{key_name}' is missing", node)
                sound = False
        return values if sound else INVALID

    def make(self, values: dict[str, Any], node: Node, reader: Reader) -> Any:
        """Builds the dataclass; a ValueError from its `__post_init__` is the user's mistake at this node."""
        try:
            return self.build(**values)
        except ValueError as problem:
            return reader.error("bad-value", str(problem), node)

    def schema(self, into: SchemaBuilder) -> JsonSchema:
        return into.define(self.name, self._object, self)

    def _object(self, into: SchemaBuilder) -> JsonSchema:
        properties = {}
        for key, entry in self.entries.items():
            properties[key] = dict(entry.shape.schema(into))
            if entry.doc:
                properties[key]["description"] = entry.doc
        out: JsonSchema = {"type": "object", "properties": properties, "additionalProperties": False}
        if self.required:
            out["required"] = list(self.required)
        if doc := (getattr(self.build, "__doc__", None) or "").strip().split("\n")[0]:
            out["description"] = doc
        return {"anyOf": [self.short_shape.schema(into), out]} if self.short else out


def unknown_key(name: str, key: Node, known: typing.Iterable[str], reader: Reader) -> None:
    """Reports a key nobody knows, under the key itself, with the nearest one."""
    reader.error("unknown-key", f"no key is named '{name}' here", key, help=did_you_mean(name, known))


class SchemaBuilder:
    """Collects `$defs` while shapes describe themselves."""

    def __init__(self) -> None:
        self.defs: dict[str, JsonSchema] = {}

    def define(self, name: str, make: Callable[[SchemaBuilder], JsonSchema], owner: object) -> JsonSchema:
        if name not in self.defs:
            self.defs[name] = {}
            self.defs[name] = make(self)
        return {"$ref": f"#/$defs/{name}"}


def scalar(node: Node) -> Any:
    """The plain value of a scalar node."""
    tag = node.tag
    if tag == STR:
        return node.value
    if tag == INT:
        return int(node.value)
    if tag == FLOAT:
        return float(node.value)
    if tag == BOOL:
        return node.value[0] in "tT"
    return None if tag == NULL else node.value


def plain(node: Node, reader: Reader) -> Any:
    """Plain data of any node, INVALID where a part was reported."""
    if isinstance(node, ScalarNode):
        value = scalar(node)
        if isinstance(value, float) and math.isinf(value):
            return reader.error("out-of-range", "the number is too large", node)
        return value
    if not reader.enter(node):
        return INVALID
    try:
        if isinstance(node, SequenceNode):
            items = [plain(child, reader) for child in node.value]
            return INVALID if INVALID in items else items
        assert isinstance(node, MappingNode)
        out = {name: plain(value, reader) for name, _, value in reader.pairs(node)}
        return INVALID if INVALID in out.values() else out
    finally:
        reader.leave()


@lru_cache(maxsize=1024)
def shape_of(kind: Any) -> Shape:
    """The shape of a type; see the module's docstring for what is understood."""
    own = getattr(kind, "__shape__", None)
    if own is not None:
        return typing.cast(Shape, own())
    if isinstance(kind, Shape):
        return kind
    simple: dict[Any, Callable[[], Shape]] = {
        str: Text,
        int: lambda: Number(whole=True),
        float: Number,
        bool: Boolean,
        Any: Anything,
        object: Anything,
    }
    if kind in simple:
        return simple[kind]()
    origin, args = get_origin(kind), get_args(kind)
    if origin is typing.Annotated:
        given = next((extra for extra in args[1:] if isinstance(extra, Shape)), None)
        return given or shape_of(args[0])
    if origin is Literal:
        return Choice(args)
    if origin in (Union, types.UnionType):
        inner = [arg for arg in args if arg is not type(None)]
        if len(inner) == 1:
            return Maybe(shape_of(inner[0]))
    if origin is tuple and len(args) == 2 and args[1] is Ellipsis:
        return ListOf(shape_of(args[0]))
    if origin in (dict, typing.Mapping) or getattr(origin, "__name__", "") == "Mapping":
        return MapOf(shape_of(args[1]))
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return record_of(kind)
    raise TypeError(f"no shape for {kind!r}")


@lru_cache(maxsize=512)
@lru_cache(maxsize=512)
def record_of(kind: type, *, leave_out: frozenset[str] = frozenset()) -> Record:
    """The record shape of a dataclass; a field named with a trailing `_` has the key without it (`not_` is `not`)."""
    hints = typing.get_type_hints(kind, include_extras=True)
    entries: dict[str, Entry] = {}
    for spec in dataclasses.fields(kind):
        if spec.name in leave_out or not spec.init:
            continue
        required = spec.default is dataclasses.MISSING and spec.default_factory is dataclasses.MISSING
        key = spec.metadata.get("key", spec.name.rstrip("_"))
        shape = spec.metadata.get("shape") or shape_of(hints[spec.name])
        entries[key] = Entry(spec.name, shape, required, spec.metadata.get("doc"))
    return Record(kind, entries, name=kind.__name__, short=getattr(kind, "short", None))
