"""Shapes of checks whose whole YAML value is one thing: a matcher, a list of events, a mapping with the author's keys."""

from __future__ import annotations

from typing import Any

from focal_eval.checks.base import settle
from focal_eval.document import INVALID, Reader, SchemaBuilder, Shape
from focal_eval.document.reader import Node, SequenceNode


class WholeValue(Shape):
    """Reads the whole node by one shape and builds the check from it; a check with `as_list` is told whether it was a list."""

    def __init__(self, kind: type, field: str, inner: Shape) -> None:
        self.kind, self.field, self.inner = kind, field, inner
        self.expected = inner.expected

    def read(self, node: Node, reader: Reader) -> Any:
        value = self.inner.read(node, reader)
        if value is INVALID:
            return INVALID
        try:
            made = self.kind(**{self.field: value})
        except ValueError as problem:
            return reader.error("bad-value", str(problem), node)
        if hasattr(made, "as_list"):
            settle(made, as_list=isinstance(node, SequenceNode))
        return made

    def schema(self, into: SchemaBuilder) -> dict[str, Any]:
        return dict(self.inner.schema(into))
