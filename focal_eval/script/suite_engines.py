"""The engines of a suite: the entry of each, with values from the environment, and what an editor is told of it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import field
from typing import Any

from focal_eval.document import INVALID, Reader, Shape, record_of
from focal_eval.document.reader import STR, MappingNode, Node, ScalarNode, SequenceNode, plain_tag
from focal_eval.document.reading import Filled
from focal_eval.document.shape import JsonSchema, SchemaBuilder, Text
from focal_eval.errors import Diagnostic, Problems
from focal_eval.registry import did_you_mean, find, names
from focal_eval.script.suite_cassette import CassetteUse
from focal_eval.source import Span
from focal_eval.text import listed
from focal_eval.value import value as a_value

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
_VARIABLE_SCHEMA: JsonSchema = {
    "type": "string",
    "pattern": r"\$\{[A-Za-z_][A-Za-z0-9_]*(:-[^}]*)?\}",
    "description": "A value from the environment: ${NAME}, or ${NAME:-default}.",
}
_BY_VALUE = frozenset({"wrong-type", "unknown-word", "out-of-range"})  # what another value at the same place would mend


@a_value
class Engine:
    """An engine entry: its kind, its configuration, and the environment variables that were missing."""

    kind: str
    config: Any  # None where it cannot be made without the missing variables
    span: Span
    missing: tuple[tuple[str, Span], ...] = ()
    secrets: tuple[str, ...] = ()  # values that came from the environment
    spans: Mapping[str, Span] = field(default_factory=dict)  # of the values, by key
    cassette: CassetteUse | None = None


class EngineShape(Shape):
    """`engine`: `kind`, and the fields of that kind's configuration."""

    expected = "a mapping with 'kind'"

    def read(self, node: Node, reader: Reader) -> Any:
        if not isinstance(node, MappingNode):
            return self.wrong(node, reader)
        if not reader.enter(node):
            return INVALID
        pairs = reader.pairs(node)
        reader.leave()
        kind_node = next((value for name, _, value in pairs if name == "kind"), None)
        if kind_node is None:
            return reader.error("missing-key", "the key 'kind' is missing", node, help=did_you_mean("", names("engines")))
        kind = Text().read(kind_node, reader)
        if kind is INVALID:
            return INVALID
        made = find("engines", kind)
        if made is None:
            fix = did_you_mean(kind, names("engines"))
            return reader.error("unknown-engine", f"no engine is named '{kind}'", kind_node, help=fix)
        missing: list[tuple[str, Span]] = []
        secrets: list[str] = []
        own = [(key, value) for name, key, value in pairs if name not in ("kind", "cassette")]
        filled = [(key, with_environment(value, reader, missing, secrets)) for key, value in own]
        rest = MappingNode(node.tag, filled, node.start_mark, node.end_mark)
        config = configured(made, rest, reader, [span for _, span in missing])
        tapes = [(key, with_environment(value, reader, missing, secrets)) for name, key, value in pairs if name == "cassette"]
        cassette = _cassette(kind, made, tapes[0], reader) if tapes else None
        if INVALID in (config, cassette):
            return INVALID
        spans = {name: reader.span(value) for name, _, value in pairs}
        return Engine(kind, config, reader.span(node), tuple(missing), tuple(secrets), spans, cassette)

    def schema(self, into: SchemaBuilder) -> JsonSchema:
        options: list[JsonSchema] = []
        for kind in names("engines"):
            own = record_of(find("engines", kind)).schema(into)
            name = own["$ref"].rsplit("/", 1)[-1]
            inner = into.defs[name] = with_variables(into.defs[name], into, set())
            inner.setdefault("properties", {})["kind"] = {"const": kind, "description": "Names the engine."}
            if kind != "cassette":
                doc = "Where its conversations are recorded and replayed from."
                inner["properties"]["cassette"] = {**record_of(CassetteUse).schema(into), "description": doc}
            inner["required"] = sorted({"kind", *inner.get("required", [])})
            options.append(own)
        return {"anyOf": options}


def _cassette(kind: str, made: type, pair: tuple[Node, Node], reader: Reader) -> Any:
    """What `cassette` says, INVALID where it cannot be."""
    key, value = pair
    if kind == "cassette":
        fix = "replay it with `kind: cassette`, or give this key to the engine that is recorded"
        return reader.error("cassette-layer", "a cassette is not recorded again", key, help=fix)
    use = record_of(CassetteUse).read(value, reader)
    if use is INVALID:
        return INVALID
    has = getattr(made, "cassette_layers", ("turns",))
    lacking = [layer for layer, _ in use.layers if layer not in has]
    if lacking:
        said = f"the engine '{kind}' asks nobody in the layer '{lacking[0]}'; it has {listed(tuple(has))}"
        return reader.error("cassette-layer", said, value)
    return use


def configured(made: type, node: MappingNode, reader: Reader, missing: list[Span]) -> Any:
    """The configuration; None where nothing but missing variables is in its way, which counts when the engine is chosen."""
    if not missing:
        return record_of(made).read(node, reader)
    problems, reader.problems = reader.problems, Problems()
    try:
        config = record_of(made).read(node, reader)
        found = list(reader.problems)
    finally:
        reader.problems = problems
    kept = [item for item in found if not _is_of(item, missing)]
    problems.extend(kept)
    return None if config is INVALID and not any(item.severity == "error" for item in kept) else config


def _is_of(problem: Diagnostic, missing: list[Span]) -> bool:
    """Whether the problem is that a variable's value is not there: at its place, or of the mapping that is made with it."""
    if problem.code in _BY_VALUE:
        return problem.span in missing
    return problem.code == "bad-value" and any(_within(span, problem.span) for span in missing)


def _within(inner: Span, outer: Span) -> bool:
    begins = (outer.line, outer.column) <= (inner.line, inner.column)
    return begins and (inner.end_line, inner.end_column) <= (outer.end_line, outer.end_column)


def with_environment(node: Node, reader: Reader, missing: list[tuple[str, Span]], secrets: list[str]) -> Node:
    """The node with `${NAME}` and `${NAME:-default}` replaced from the environment."""
    if "${" not in reader.document.text:
        return node
    if isinstance(node, ScalarNode):
        if "${" not in node.value:
            return node

        def value_of(match: re.Match[str]) -> str:
            name, default = match.group(1), match.group(2)
            value = os.environ.get(name)
            if value:
                secrets.append(value)
                return value
            if default is None:
                missing.append((name, reader.span(node)))
                return match.group(0)
            return default

        text = _VARIABLE.sub(value_of, node.value)
        tag = plain_tag(text) if text and text not in ("~", "null") else STR
        return Filled(tag, text, node.start_mark, node.end_mark, '"')
    if not reader.enter(node):
        return node
    made: Node
    if isinstance(node, SequenceNode):
        items = [with_environment(item, reader, missing, secrets) for item in node.value]
        made = SequenceNode(node.tag, items, node.start_mark, node.end_mark)
    else:
        pairs = [(key, with_environment(item, reader, missing, secrets)) for key, item in node.value]
        made = MappingNode(node.tag, pairs, node.start_mark, node.end_mark)
    reader.leave()
    return made


def with_variables(schema: JsonSchema, into: SchemaBuilder, seen: set[str]) -> JsonSchema:
    """The schema with `"${NAME}"` in the place of every number, boolean and word, as the reader takes it."""
    if (name := schema.get("$ref", "").removeprefix("#/$defs/")) and name not in seen:
        seen.add(name)
        into.defs[name] = with_variables(into.defs[name], into, seen)
    if schema.get("type") in ("integer", "number", "boolean") or "enum" in schema:
        about = {key: schema[key] for key in ("description",) if key in schema}
        bare = {key: value for key, value in schema.items() if key not in about}
        return {"anyOf": [bare, into.define("Variable", lambda _: _VARIABLE_SCHEMA, Engine)], **about}
    out = dict(schema)
    if "properties" in out:
        out["properties"] = {key: with_variables(value, into, seen) for key, value in out["properties"].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(out.get(key), dict):
            out[key] = with_variables(out[key], into, seen)
    if "anyOf" in out:
        out["anyOf"] = [with_variables(option, into, seen) for option in out["anyOf"]]
    return out
