"""`save`: what a turn keeps for later ones, and where it reads it from."""

from __future__ import annotations

from typing import Any

from focal_eval.document import INVALID, Reader, Shape
from focal_eval.document.reader import MappingNode, Node
from focal_eval.document.shape import JsonSchema, SchemaBuilder
from focal_eval.script.model import Said, Saved
from focal_eval.script.templates import SaidText, Trail


class SaveShape(Shape):
    """`save`: names, each with a `{{ }}` or a JMESPath that says where its value comes from."""

    expected = "a mapping of names"

    def read(self, node: Node, reader: Reader) -> Any:
        if not isinstance(node, MappingNode):
            return self.wrong(node, reader)
        if not reader.enter(node):
            return INVALID
        trail = Trail.of(reader)
        start = len(trail.uses)
        out = []
        for name, key, value in reader.pairs(node):
            said = SaidText(may_be_empty=False).read(value, reader)
            if not name.isidentifier():
                said = reader.error("bad-name", f"'{name}' cannot be used in {{{{ }}}}", key, help="use letters, digits and _")
            elif said is not INVALID and not said.template:
                said = _path(said, value, reader)
            out.append(said if said is INVALID else Saved(name, said, reader.span(key)))
        trail.sources += trail.take(start)
        reader.leave()
        return INVALID if INVALID in out else tuple(out)

    def schema(self, into: SchemaBuilder) -> JsonSchema:
        return {"type": "object", "additionalProperties": {"type": "string", "minLength": 1}}


def _path(said: Said, node: Node, reader: Reader) -> Any:
    import jmespath

    try:
        tree = jmespath.compile(said.text).parsed
    except (jmespath.exceptions.JMESPathError, RecursionError) as problem:
        first = str(problem).strip().split("\n")[0].removeprefix("Invalid jmespath expression: ").rstrip(":")
        return reader.error(
            "bad-path", f"not a JMESPath: {first}", node, help="or write a template such as {{ response.text }}"
        )
    Trail.of(reader).sources.extend((name, said.span) for name in sorted(_roots(tree)))
    return said


_FIRST_ONLY = frozenset(
    {"subexpression", "index_expression", "projection", "value_projection", "filter_projection", "flatten", "pipe"}
)  # what stands after the first part is looked up in the first part's value


def _roots(tree: Any) -> set[str]:
    """The names a path reads from outside: `tools` of `length(tools[0].arguments)`."""
    found: set[str] = set()
    stack = [tree]
    while stack:
        here = stack.pop()
        if here["type"] == "field":
            found.add(here["value"])
        elif here["type"] in _FIRST_ONLY:
            stack.append(here["children"][0])
        elif here["type"] != "expref":  # `&field` is looked up in the items of a list
            stack.extend(child for child in here["children"] if isinstance(child, dict))
    return found
