"""Matchers: how a script says what one value must be, read with its places.

    order_id: A-1001                      a literal; numbers as numbers, text after trimming, 7 is not "7"
    note: any                             there, whatever it is; `absent`: not there. In quotes both are plain text
    total: {approx: 18.5, within: 0.01}   operators, see OPERATORS; several together must all hold
    address: {city: Paris}                a mapping with these keys, more may be there unless it holds `only: true`
    items: [mug, any]                     a list with exactly these items
    filter: {equals: {type: red}}         data as it stands, for a mapping that looks like operators

A mapping is read as operators when every key is one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from focal_eval.document import INVALID, Reader, SchemaBuilder, Shape, plain
from focal_eval.document.patterns import PatternShape
from focal_eval.document.reader import BOOL, STR, MappingNode, Node, ScalarNode, SequenceNode
from focal_eval.document.shape import Number, is_number
from focal_eval.script import operators as op
from focal_eval.script.conditions import AnyValue, Condition, Equals, Fields, Items, Literal, Mismatch, NotThere, not_wanted
from focal_eval.script.wording import ABSENT
from focal_eval.value import value

JsonSchema = dict[str, Any]


@value
class Matcher:
    """What one value must be."""

    condition: Condition

    @classmethod
    def __shape__(cls) -> Shape:
        return SHAPE

    def mismatch(self, value: Any) -> Mismatch | None:
        """None where the value is as asked; `ABSENT` stands for one that is not there."""
        return self.condition.mismatch(value)

    def describe(self) -> str:
        return self.condition.describe()


def literally(value: Any) -> Matcher:
    """The matcher of plain data: that value in full, nothing in it read as a keyword or an operator."""
    return Matcher(Equals(value) if isinstance(value, (Mapping, list, tuple)) else Literal(value))


def match_arguments(matchers: Mapping[str, Matcher], arguments: Mapping[str, Any], only: bool = False) -> list[Mismatch]:
    """Every argument that is not as asked, each path starting with its name; with `only` an extra one is a mismatch too."""
    out = []
    for name, matcher in matchers.items():
        if found := matcher.condition.mismatch(arguments.get(name, ABSENT)):
            out.append(found.below(name))
    if only:
        out.extend(not_wanted(name, arguments[name]) for name in arguments if name not in matchers)
    return out


class ConditionShape(Shape):
    """Reads any node into a condition."""

    expected = "a value or a matcher"

    def read(self, node: Node, reader: Reader) -> Any:
        if isinstance(node, ScalarNode):
            return self._scalar(node, reader)
        if not reader.enter(node):
            return INVALID
        try:
            return self._list(node, reader) if isinstance(node, SequenceNode) else self._mapping(node, reader)
        finally:
            reader.leave()

    @staticmethod
    def _scalar(node: ScalarNode, reader: Reader) -> Any:
        if node.tag == STR and not node.style:
            if node.value == "any":
                return AnyValue()
            if node.value == "absent":
                return NotThere()
        value = plain(node, reader)
        return INVALID if value is INVALID else Literal(value)

    def _list(self, node: Node, reader: Reader) -> Any:
        items = []
        for child in node.value:
            item = self.read(child, reader)
            if isinstance(item, NotThere):
                item = reader.error("bad-value", "an item of a list cannot be absent", child, help='"absent" in quotes is text')
            items.append(item)
        return INVALID if INVALID in items else Items(tuple(items))

    def _mapping(self, node: Node, reader: Reader) -> Any:
        assert isinstance(node, MappingNode)
        pairs = reader.pairs(node)
        if pairs and all(name in OPERATORS for name, _, _ in pairs):
            return self._operators(pairs, reader)
        _warn_of_misspelt(pairs, reader)
        fields: dict[str, Any] = {}
        only = False
        for name, _, child in pairs:
            if name == "only" and child.tag == BOOL:
                only = child.value[0] in "tT"
            else:
                fields[name] = self.read(child, reader)
        return INVALID if INVALID in fields.values() else Fields(fields, only)

    @staticmethod
    def _operators(pairs: list[tuple[str, ScalarNode, Node]], reader: Reader) -> Any:
        given = {name: child for name, _, child in pairs}
        found = [read(given[name], reader) for name, read in _ALONE.items() if name in given]
        if "approx" in given or "within" in given:
            found.append(_approx(given.get("approx"), given.get("within"), reader))
        if "at_least" in given or "at_most" in given:
            found.append(_bounds(given.get("at_least"), given.get("at_most"), reader))
        if INVALID in found:
            return INVALID
        return found[0] if len(found) == 1 else op.AllOf(tuple(found))

    def schema(self, into: SchemaBuilder) -> JsonSchema:
        return into.define("Matcher", lambda _: _schema(), self)


class MatcherShape(Shape):
    """Reads any node into a `Matcher`."""

    expected = ConditionShape.expected

    def read(self, node: Node, reader: Reader) -> Any:
        condition = CONDITION.read(node, reader)
        return INVALID if condition is INVALID else Matcher(condition)

    def schema(self, into: SchemaBuilder) -> JsonSchema:
        return CONDITION.schema(into)


CONDITION = ConditionShape()
SHAPE = MatcherShape()


def _one_of(node: Node, reader: Reader) -> Any:
    if not isinstance(node, SequenceNode) or not node.value:
        return reader.error("bad-value", "'one_of' takes a list of at least one value", node)
    choices = _each(node, reader)
    return INVALID if INVALID in choices else op.OneOf(choices)


def _each(node: Node, reader: Reader) -> tuple[Any, ...]:
    """The conditions of a list, or of one value that stands for a list of one."""
    if not isinstance(node, SequenceNode):
        return (CONDITION.read(node, reader),)
    if not reader.enter(node):
        return (INVALID,)
    out = tuple([CONDITION.read(child, reader) for child in node.value])
    reader.leave()
    return out


def _approx(node: Node | None, distance: Node | None, reader: Reader) -> Any:
    if node is None:
        return reader.error("bad-value", "'within' goes with 'approx'", distance) if distance is not None else INVALID
    centre = Number().read(node, reader)
    within: Any = max(1e-9, 1e-6 * abs(centre)) if isinstance(centre, (int, float)) else 0.0
    if distance is not None:
        within = Number(minimum=0).read(distance, reader)
    return INVALID if centre is INVALID or within is INVALID else op.Approx(centre, within)


def _bounds(lower: Node | None, upper: Node | None, reader: Reader) -> Any:
    low = None if lower is None else Number().read(lower, reader)
    high = None if upper is None else Number().read(upper, reader)
    if low is INVALID or high is INVALID:
        return INVALID
    if lower is not None and low is not None and high is not None and low > high:
        return reader.error("bad-value", f"no number is at least {low} and at most {high}", lower)
    return op.Between(low, high)


def _contains(node: Node, reader: Reader) -> Any:
    parts = _each(node, reader)
    return INVALID if INVALID in parts else op.Containing(parts)


_OTHER_WORDS = {"string": "text", "str": "text", "object": "mapping", "dict": "mapping", "array": "list", "int": "integer",
                "float": "number", "bool": "boolean"}  # fmt: skip


def _type(node: Node, reader: Reader) -> Any:
    nodes = node.value if isinstance(node, SequenceNode) else [node]
    kinds = []
    for child in nodes:
        word = "null" if child.value == "null" else child.value
        if isinstance(child, ScalarNode) and word in op.KINDS:
            kinds.append(word)
            continue
        meant = _OTHER_WORDS.get(word) if isinstance(word, str) else None
        fix = f"did you mean '{meant}'?" if meant else "for a field of that name write {equals: {type: ...}}"
        return reader.error("unknown-word", f"'type' takes one of {', '.join(op.KINDS)}", child, help=fix)
    return op.OfKind(tuple(kinds)) if kinds else reader.error("bad-value", "'type' takes at least one word", node)


def _pattern(node: Node, reader: Reader) -> Any:
    pattern = PatternShape().read(node, reader)
    return INVALID if pattern is INVALID else op.Matching(pattern)


def _not(node: Node, reader: Reader) -> Any:
    inner = CONDITION.read(node, reader)
    return INVALID if inner is INVALID else op.Not(inner)


def _equals(node: Node, reader: Reader) -> Any:
    value = plain(node, reader)
    if value is INVALID:
        return INVALID
    return literally(value).condition


def _length(node: Node, reader: Reader) -> Any:
    if is_number(node):
        number = Number(whole=True, minimum=0).read(node, reader)
        return INVALID if number is INVALID else op.HasLength(Literal(number))
    if isinstance(node, MappingNode) and {key.value for key, _ in node.value} <= {"at_least", "at_most", "not", "one_of"}:
        inner = CONDITION.read(node, reader)
        return INVALID if inner is INVALID else op.HasLength(inner)
    return reader.error("bad-value", "'length' takes a number, or bounds such as {at_least: 1}", node)


_ALONE: dict[str, Callable[[Node, Reader], Any]] = {
    "contains": _contains,
    "equals": _equals,
    "length": _length,
    "matches": _pattern,
    "not": _not,
    "one_of": _one_of,
    "type": _type,
}
OPERATORS = (*_ALONE, "approx", "within", "at_least", "at_most")
"""The keys of an operator mapping."""

_LONG_NAMES = tuple(name for name in OPERATORS if len(name) > 4)
_FOREIGN = {"regex": "matches", "gte": "at_least", "lte": "at_most", "any_of": "one_of", "oneOf": "one_of"}


def _warn_of_misspelt(pairs: list[tuple[str, ScalarNode, Node]], reader: Reader) -> None:
    """Warns where a mapping was most likely meant as operators: one key that is nearly one, and no other fields."""
    strange = [(name, key) for name, key, _ in pairs if name not in OPERATORS]
    if len(strange) != 1:
        return
    name, key = strange[0]
    import difflib  # for slips of the fingers alone

    close = difflib.get_close_matches(name.casefold().replace("-", "_"), _LONG_NAMES, n=1, cutoff=0.8)
    meant = _FOREIGN.get(name) or (close[0] if close else None)
    if meant:
        said = f"'{name}' is read as a field of the value, not as an operator"
        reader.warning("unknown-operator", said, key, help=f"did you mean '{meant}'?")


def _schema() -> JsonSchema:
    number: JsonSchema = {"type": "number"}
    one: JsonSchema = {"$ref": "#/$defs/Matcher"}
    many: JsonSchema = {"anyOf": [one, {"type": "array", "items": one}]}
    kind: JsonSchema = {"enum": list(op.KINDS)}
    operators: JsonSchema = {
        "type": "object",
        "description": "operators; several together must all hold",
        "minProperties": 1,
        "additionalProperties": False,
        "properties": {
            "approx": number,
            "within": {"type": "number", "minimum": 0},
            "at_least": number,
            "at_most": number,
            "contains": many,
            "equals": {},
            "length": {"anyOf": [{"type": "integer", "minimum": 0}, one]},
            "matches": {"type": "string", "format": "regex"},
            "not": one,
            "one_of": {"type": "array", "items": one, "minItems": 1},
            "type": {"anyOf": [kind, {"type": "array", "items": kind, "minItems": 1}]},
        },
    }
    scalar: JsonSchema = {"type": ["string", "number", "boolean", "null"], "description": "a literal, or any, or absent"}
    fields: JsonSchema = {"type": "object", "additionalProperties": one, "properties": {"only": {"type": "boolean"}}}
    return {"anyOf": [scalar, {"type": "array", "items": one}, operators, fields]}
