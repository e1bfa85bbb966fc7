"""The JSON Schema of a check as a script writes it: in groups, with `soft` and `because`, and with `{{ }}` for its values."""

from __future__ import annotations

from typing import Any

from focal_eval.document import SchemaBuilder, Shape
from focal_eval.document.shape import JsonSchema


def check_schema(shape: Shape, into: SchemaBuilder, kind: Any) -> JsonSchema:
    """The check's own schema, and the same value under `not`, `any_of`, `all_of` beside `soft` and `because`."""
    known = set(into.defs)
    own = _or_template(shape.schema(into))
    for name in into.defs.keys() - known:
        into.defs[name] = _or_template(into.defs[name])
    doc = (getattr(kind, "__doc__", None) or "").strip().split("\n")[0]
    if getattr(kind, "open_keys", False):
        return {**own, "description": doc}
    around: JsonSchema = {
        "type": "object",
        "properties": {
            "not": own,
            "any_of": {"type": "array", "minItems": 1, "items": own},
            "all_of": {"type": "array", "minItems": 1, "items": own},
            "soft": {"type": "boolean"},
            "because": {"type": "string"},
        },
        "anyOf": [{"required": ["not"]}, {"required": ["any_of"]}, {"required": ["all_of"]}, {"required": ["soft"]},
                  {"required": ["because"]}],
    }  # fmt: skip
    return {"anyOf": [own, around], "description": doc}


_TEMPLATE: JsonSchema = {"type": "string", "pattern": r"\{\{"}
_NOT_TEXT = frozenset({"integer", "number", "boolean"})


def _or_template(schema: JsonSchema) -> JsonSchema:
    """The schema, where a number, a boolean or a word may also be a text with `{{ }}` that gives it."""
    out: JsonSchema = {}
    for key, value in schema.items():
        if key == "properties":
            out[key] = {name: _or_template(inner) for name, inner in value.items()}
        elif isinstance(value, dict):
            out[key] = _or_template(value)
        elif key in ("anyOf", "allOf", "oneOf"):
            out[key] = [_or_template(inner) for inner in value]
        else:
            out[key] = value
    if "enum" in out or out.get("format") == "regex" or str(out.get("type")) in _NOT_TEXT:
        doc = out.pop("description", None)
        out = {"anyOf": [out, _TEMPLATE], **({"description": doc} if doc else {})}
    return out
