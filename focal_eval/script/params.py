"""`params`: lists multiply into a matrix, `rows` is a table; one case each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product
from math import prod
from typing import Any

from focal_eval.document import INVALID, Reader, Shape, plain
from focal_eval.document.reader import MappingNode, Node, SequenceNode
from focal_eval.document.shape import JsonSchema, SchemaBuilder
from focal_eval.source import Span

MAX_CASES = 10_000  # of one script


@dataclass(frozen=True, slots=True)
class Params:
    """The cases' values, multiplied out, and where each name is defined."""

    rows: tuple[Mapping[str, Any], ...] = ({},)
    spans: Mapping[str, Span] = field(default_factory=dict)


class ParamsShape(Shape):
    """Reads `params`."""

    expected = "a mapping of lists"

    def read(self, node: Node, reader: Reader) -> Any:
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
            if not name.isidentifier():
                reader.error("bad-name", f"'{name}' cannot be used in {{{{ }}}}", key, help="use letters, digits and _")
                sound = False
                continue
            if name in spans:
                reader.error("duplicate-key", f"the param '{name}' is also a column of 'rows'", key)
                sound = False
            spans[name] = reader.span(key)
            values = self._values(value, reader)
            sound = sound and values is not INVALID
            matrix[name] = values if values is not INVALID else [None]
        reader.leave()
        if not sound:
            return INVALID
        count = len(table) * prod(len(values) for values in matrix.values())
        if count > MAX_CASES:
            return reader.error("too-many-cases", f"these params give {count:,} cases; the limit is {MAX_CASES:,}", node)
        rows = tuple({**row, **dict(zip(matrix, picked, strict=True))} for row in table for picked in product(*matrix.values()))
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
        return values

    @staticmethod
    def _table(node: Node, reader: Reader, spans: dict[str, Span]) -> Any:
        if not isinstance(node, SequenceNode) or not node.value:
            return reader.error("wrong-type", "'rows' takes a list of mappings, one a case", node)
        if not reader.enter(node):
            return INVALID
        rows: list[dict[str, Any]] = []
        sound = True
        for item in node.value:
            row = plain(item, reader)
            if row is INVALID:
                sound = False
                continue
            if not isinstance(row, dict) or not row:
                reader.error("wrong-type", "a row is a mapping of names to values", item)
                sound = False
                continue
            for key, _ in item.value:
                spans.setdefault(key.value, reader.span(key))
                if not key.value.isidentifier():
                    reader.error(
                        "bad-name", f"'{key.value}' cannot be used in {{{{ }}}}", key, help="use letters, digits and _"
                    )
                    sound = False
            if rows and row.keys() != rows[0].keys():
                missing = sorted(rows[0].keys() ^ row.keys())
                reader.error("uneven-rows", f"the rows do not have the same names: {', '.join(missing)}", item)
                sound = False
            rows.append(row)
        reader.leave()
        return rows if sound else INVALID

    def schema(self, into: SchemaBuilder) -> JsonSchema:
        return {
            "type": "object",
            "description": "Lists multiply into a matrix; `rows` is a table with one case a row.",
            "properties": {"rows": {"type": "array", "minItems": 1, "items": {"type": "object", "minProperties": 1}}},
            "additionalProperties": {},
        }
