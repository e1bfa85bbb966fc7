"""The shape of a pattern: compiled while it is read, so that a wrong one is reported at its place."""

from __future__ import annotations

from typing import Annotated, Any

from focal_eval.document.reader import STR, Node, ScalarNode
from focal_eval.document.reading import Reader
from focal_eval.document.shape import JsonSchema, SchemaBuilder, Shape
from focal_eval.pattern import Pattern, compile_pattern


class PatternShape(Shape):
    """A text that is a regular expression, read as a `Pattern`."""

    expected = "text that is a pattern"

    def read(self, node: Node, reader: Reader) -> Any:
        if not isinstance(node, ScalarNode) or node.tag != STR:
            return self.wrong(node, reader)
        try:
            return compile_pattern(node.value)
        except ValueError as problem:
            return reader.error("bad-pattern", str(problem), node)

    def schema(self, into: SchemaBuilder) -> JsonSchema:
        return {"type": "string", "format": "regex"}


PatternText = Annotated[Pattern, PatternShape()]
"""The type of a field that holds a pattern."""
