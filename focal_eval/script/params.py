"""`params`: lists multiply into a matrix, `rows` is a table; one case each."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import field
from itertools import product
from sys import intern
from typing import Any

from focal_eval.document import INVALID, Reader, Shape, plain
from focal_eval.document.reader import MappingNode, Node, SequenceNode
from focal_eval.document.shape import JsonSchema, SchemaBuilder
from focal_eval.errors import Label
from focal_eval.source import Span
from focal_eval.value import value as a_value

MAX_CASES = 10_000  # of one script
_COUNTED = 1_000_000_000


@a_value
class Params:
    """The cases' values, multiplied out, and where each name is defined."""

    rows: tuple[Mapping[str, Any], ...] = ({},)
    spans: Mapping[str, Span] = field(default_factory=dict)


class ParamsShape(Shape):
    """Reads `params`."""

    expected = "a mapping of lists"

    def read(self, node: Node, reader: Reader) -> Any:
        reader.scratch["params"] = None  # unknown, until they are read
        if not isinstance(node, MappingNode):
            return self.wrong(node, reader)
        if not reader.enter(node):
            return INVALID
        spans: dict[str, Span] = {}
        matrix: dict[str, list[Any]] = {}
        table: Any = [{}]
        sound = True
        for name, key, value in reader.pairs(node):
            if name == "rows":
                table = self._table(value, reader, spans)
                sound = sound and table is not INVALID
                continue
            if not _usable(name, key, reader):
                sound = False
                continue
            if name in spans:
                first = (Label(spans[name], "first defined here"),)
                reader.error("duplicate-key", f"the param '{name}' is also a column of 'rows'", key, labels=first)
                sound = False
            spans[name] = reader.span(key)
            values = self._values(value, reader)
            sound = sound and values is not INVALID
            matrix[intern(name)] = values if values is not INVALID else [None]
        reader.leave()
        if not sound:
            return INVALID
        count = len(table)
        for values in matrix.values():
            count = min(count * len(values), _COUNTED)
        if count > MAX_CASES:
            many = f"{count:,}" if count < _COUNTED else f"more than {_COUNTED:,}"
            return reader.error("too-many-cases", f"these params give {many} cases; the limit is {MAX_CASES:,}", node)
        rows = tuple({**row, **dict(zip(matrix, picked, strict=True))} for row in table for picked in product(*matrix.values()))
        reader.scratch["params"] = spans
        return Params(rows, spans)

    @staticmethod
    def _values(node: Node, reader: Reader) -> Any:
        values = plain(node, reader)
        if values is INVALID:
            return INVALID
        if not isinstance(values, list):
            return [values]
        if not values:
            return reader.error("no-cases", "an empty list gives no cases", node)
        return values if _each_once(zip(values, node.value, strict=True), reader) else INVALID

    @staticmethod
    def _table(node: Node, reader: Reader, spans: dict[str, Span]) -> Any:
        if not isinstance(node, SequenceNode) or not node.value:
            return reader.error("wrong-type", "'rows' takes a list of mappings, one a case", node)
        if not reader.enter(node):
            return INVALID
        rows: list[dict[str, Any]] = []
        nodes: list[Node] = []
        sound = True
        for item in node.value:
            row = _row(item, reader, spans)
            if row is INVALID:
                sound = False
                continue
            if rows and row.keys() != rows[0].keys():
                missing = sorted(rows[0].keys() ^ row.keys())
                reader.error("uneven-rows", f"the rows do not have the same names: {', '.join(missing)}", item)
                sound = False
            rows.append(row)
            nodes.append(item)
        reader.leave()
        return rows if _each_once(zip(rows, nodes, strict=True), reader) and sound else INVALID

    def schema(self, into: SchemaBuilder) -> JsonSchema:
        return {
            "type": "object",
            "description": "Lists multiply into a matrix; `rows` is a table with one case a row.",
            "properties": {"rows": {"type": "array", "minItems": 1, "items": {"type": "object", "minProperties": 1}}},
            "additionalProperties": {},
        }


def _each_once(values: Iterable[tuple[Any, Node]], reader: Reader) -> bool:
    """Whether no value comes twice: a case is known by its values, so two alike could not be told apart."""
    seen: dict[str, Node] = {}
    sound = True
    for value, node in values:
        key = json.dumps(value, sort_keys=True)
        if key in seen:
            label = (Label(reader.span(seen[key]), "the first"),)
            reader.error(
                "duplicate-case", "this makes the same case once more", node, help="drop it, or use 'repeats'", labels=label
            )
            sound = False
        seen.setdefault(key, node)
    return sound


def _row(node: Node, reader: Reader, spans: dict[str, Span]) -> Any:
    """One row as plain data; its names are noted in `spans`."""
    if not isinstance(node, MappingNode) or not node.value:
        return reader.error("wrong-type", "a row is a mapping of names to values", node)
    if not reader.enter(node):
        return INVALID
    row: dict[str, Any] = {}
    for name, key, value in reader.pairs(node):
        spans.setdefault(name, reader.span(key))
        row[intern(name)] = plain(value, reader)
        if not _usable(name, key, reader):
            row[name] = INVALID
    reader.leave()
    return INVALID if INVALID in row.values() else row


def _usable(name: str, key: Node, reader: Reader) -> bool:
    """Whether a template can use a name; reported where it cannot."""
    if name.isidentifier():
        return True
    reader.error("bad-name", f"'{name}' cannot be used in {{{{ }}}}", key, help="use letters, digits and _")
    return False
