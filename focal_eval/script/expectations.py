"""Reads `expect`, `when` and `conversation` into expectations: short and long forms, groups, `not`, `soft`, `because`.

Which checks there are is the registry's business; this module knows only the grammar around them.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any

from focal_eval.document import INVALID, Reader, Shape
from focal_eval.document.reader import MappingNode, Node, ScalarNode, SequenceNode
from focal_eval.document.shape import Boolean, JsonSchema, SchemaBuilder, Text
from focal_eval.registry import did_you_mean, find, names
from focal_eval.script.check_schema import check_schema
from focal_eval.script.kinds import Kind, Kinds, shape_of_check
from focal_eval.script.model import Expectation
from focal_eval.script.templates import may_hold_templates, note_templates

GROUPS = ("any_of", "all_of", "not")
_SOFT = Boolean()
_BECAUSE = Text(may_be_empty=False)
RESPONSE, CONVERSATION = "response.", "conversation."


@lru_cache(maxsize=8)
def keys_under(prefix: str) -> tuple[str, ...]:
    """The check keys that may stand at a place, without their prefix: "", "response." or "conversation."."""
    if not prefix:
        return (*(name for name in names("checks") if "." not in name), "response")
    return tuple(name.removeprefix(prefix) for name in names("checks") if name.startswith(prefix))


class Block(Shape):
    """A mapping of expectations (or a list of such mappings), all of which must hold."""

    expected = "a mapping of expectations"

    def __init__(self, prefix: str = "") -> None:
        self.prefix = prefix

    def read(self, node: Node, reader: Reader) -> Any:
        found = _block(node, reader, self.prefix, self)
        return found if found is INVALID else tuple(found)

    def schema(self, into: SchemaBuilder) -> JsonSchema:
        name = {"": "Expect", RESPONSE: "ResponseExpect", CONVERSATION: "ConversationExpect"}[self.prefix]
        one = into.define(name, self._object, self)
        return {"anyOf": [one, {"type": "array", "items": one}]}

    def _object(self, into: SchemaBuilder) -> JsonSchema:
        again = self.schema(into)
        properties: JsonSchema = {
            "any_of": {"type": "array", "minItems": 1, "items": again, "description": "At least one of these holds."},
            "all_of": {"type": "array", "minItems": 1, "items": again, "description": "All of these hold."},
            "not": {**again, "description": "These do not all hold."},
            "soft": {"type": "boolean", "description": "Reported, but fails nothing."},
            "because": {"type": "string", "minLength": 1, "description": "Why this is expected; shown when it fails."},
        }
        for key in keys_under(self.prefix):
            if key == "response" and not self.prefix:
                contains = shape_of_check("response.contains")
                short = [contains.schema(into)] if contains else []
                properties[key] = {"anyOf": [Block(RESPONSE).schema(into), *short]}
            elif (shape := shape_of_check(self.prefix + key)) is not None:
                properties[key] = check_schema(shape, into, find("checks", self.prefix + key))
        return {"type": "object", "properties": properties, "additionalProperties": False}


_KINDS = {"": Kinds("", "response"), RESPONSE: Kinds(RESPONSE), CONVERSATION: Kinds(CONVERSATION)}
BLOCKS = {prefix: Block(prefix) for prefix in ("", RESPONSE, CONVERSATION)}


def _block(node: Node, reader: Reader, prefix: str, shape: Shape) -> Any:
    if isinstance(node, SequenceNode):
        if not reader.enter(node):
            return INVALID
        parts = [_block(child, reader, prefix, shape) for child in node.value]
        reader.leave()
        return INVALID if INVALID in parts else [item for part in parts for item in part]
    if not isinstance(node, MappingNode):
        return shape.wrong(node, reader)
    if not reader.enter(node):
        return INVALID
    soft, because, rest = _reserved(reader.pairs(node), reader)
    out: list[Expectation] = []
    sound = soft is not INVALID and because is not INVALID
    kinds = _KINDS[prefix]
    for name, key, value in rest:
        kind = kinds[name]
        if kind is not None and type(value) is not MappingNode:  # as most are: nothing of the language can be in it
            found = _leaf(kind, key, value, value, reader)
            if found is not INVALID:
                out.append(found)
                continue
        else:
            found = _entry(name, key, value, reader, prefix)
        if found is INVALID:
            sound = False
        else:
            out.extend(found)
    reader.leave()
    return _marked(out, soft, because) if sound else INVALID


def _marked(found: list[Expectation], soft: Any, because: Any) -> list[Expectation]:
    if not soft and because is None:
        return found
    return [replace(item, soft=item.soft or bool(soft), because=item.because or because) for item in found]


Pairs = list[tuple[str, ScalarNode, Node]]


def _reserved(pairs: Pairs, reader: Reader) -> tuple[Any, Any, Pairs]:
    """`soft` and `because` taken out of a mapping's entries."""
    soft: Any = False
    because: Any = None
    rest = pairs
    for name, _, value in pairs:
        if name == "soft":
            soft = _SOFT.read(value, reader)
        elif name == "because":
            because = _BECAUSE.read(value, reader)
        else:
            continue
        rest = [entry for entry in rest if entry[0] != name]
    return soft, because, rest


def _entry(name: str, key: ScalarNode, value: Node, reader: Reader, prefix: str) -> Any:
    if name in GROUPS:
        return _group(name, key, value, reader, lambda child: _block(child, reader, prefix, BLOCKS[prefix]))
    if not prefix and name == "response":
        if isinstance(value, MappingNode):
            return _block(value, reader, RESPONSE, BLOCKS[RESPONSE])
        return _check(_KINDS[RESPONSE]["contains"], key, value, reader)
    kind = _KINDS[prefix][name]
    if kind is None:
        _unknown(name, key, reader, prefix)
        return INVALID
    return _check(kind, key, value, reader)


def _unknown(name: str, key: Node, reader: Reader, prefix: str) -> None:
    for other in ("", RESPONSE, CONVERSATION):
        if other != prefix and name in keys_under(other):
            place = {"": "directly under 'expect'", RESPONSE: "under 'response'", CONVERSATION: "under 'conversation'"}[other]
            reader.error("unknown-check", f"'{name}' does not belong here", key, help=f"it stands {place}")
            return
    known = (*keys_under(prefix), *GROUPS, "soft", "because")
    reader.error("unknown-check", f"no check is named '{name}'", key, help=did_you_mean(name, known, list_up_to=40))


def _group(name: str, key: ScalarNode, value: Node, reader: Reader, read: Any) -> Any:
    if name == "not":
        children = [read(value)]
    else:
        if not isinstance(value, SequenceNode) or not value.value:
            return reader.error("wrong-type", f"'{name}' takes a list of at least one alternative", value)
        if not reader.enter(value):
            return INVALID
        children = [read(child) for child in value.value]
        reader.leave()
    if INVALID in children:
        return INVALID
    if soft := next((item for child in children for item in child if item.soft), None):
        fix = f"write 'soft: true' beside '{name}', for all of it"
        reader.problems.error(
            "soft-in-group", f"'{name}' holds or fails as a whole, so no part of it can be soft", soft.span, help=fix
        )
        return INVALID
    if not all(children):
        reader.warning("empty-expect", f"'{name}' holds nothing to judge", key)
    groups = tuple(tuple(child) for child in children)
    return [Expectation(name, reader.span(key), reader.span(value), children=groups)]


def _check(kind: Kind | None, key: ScalarNode, value: Node, reader: Reader) -> Any:
    """One check's entry: its groups, its `soft` and `because`, and the check itself."""
    assert kind is not None
    if type(value) is not MappingNode or kind.open_keys or not _has_words(value):
        found = _leaf(kind, key, value, value, reader)
        return found if found is INVALID else [found]
    if not reader.enter(value):
        return INVALID
    soft, because, rest = _reserved(reader.pairs(value), reader)
    out: list[Expectation] = []
    sound = soft is not INVALID and because is not INVALID
    kept = []
    for entry in rest:
        if entry[0] in GROUPS and entry[0] not in kind.own_words:
            found = _group(entry[0], entry[1], entry[2], reader, lambda child: _check(kind, key, child, reader))
            if found is INVALID:
                sound = False
            else:
                out.extend(found)
        else:
            kept.append((entry[1], entry[2]))
    reader.leave()
    if not sound:
        return INVALID
    if kept or not out:
        own = MappingNode(value.tag, kept, value.start_mark, value.end_mark, value.flow_style)
        found = _leaf(kind, key, value, own, reader)
        if found is INVALID:
            return INVALID
        out.insert(0, found)
    return _marked(out, soft, because)


_WORDS = frozenset({*GROUPS, "soft", "because", "<<"})  # what is merged in may hold the others


def _has_words(node: MappingNode) -> bool:
    return any(type(key) is ScalarNode and key.value in _WORDS for key, _ in node.value)


def _leaf(kind: Kind, key: ScalarNode, value: Node, own: Node, reader: Reader) -> Any:
    if may_hold_templates(reader) and (templated := note_templates(own, reader)):
        if templated is INVALID:
            return INVALID
        return Expectation(kind.key, reader.span(key), reader.span(value), node=own, templated=True)
    check = kind.read(own, reader)
    return INVALID if check is INVALID else Expectation(kind.key, reader.span(key), reader.span(value), check)
