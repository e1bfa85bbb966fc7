"""Writes scripts and suites as YAML a person goes on editing, and says foreign data so that nothing in it is read as ours.

The style is that of hand-written scripts: keys in the order given, lists indented under their key, short leaves in one line,
long texts as blocks. What is written reads back as the same data: see `yaml_text`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from focal_eval.document.reader import STR, plain_tag
from focal_eval.registry import nearest
from focal_eval.script.matchers import OPERATORS
from focal_eval.template import has_template

WIDTH = 100
_FLOW_WIDTH = 84  # a collection of scalars up to this long stands in one line
_WORDS = frozenset({"any", "absent"})  # matchers where they stand unquoted
_NOT_IN_BLOCKS = re.compile(r"[ \t](?:\n|\Z)|\A[ \n]|\n\Z|[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff]")
_READ_BY_TEMPLATES = re.compile(r"\{*\r|\{+[{%#]")


class _Dumper(yaml.SafeDumper):
    """PyYAML's dumper in our style; a text is quoted where either YAML 1.1 or our reader would take it for something else."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def resolve(self, kind: type[Node], value: Any, implicit: Any) -> Any:
        if kind is ScalarNode and implicit[0]:
            if (core := plain_tag(value)) != STR:
                return core
            if value in _WORDS:
                return "tag:focal-eval,2026:matcher"  # differs from text, which makes PyYAML quote it
        return super().resolve(kind, value, implicit)  # type: ignore[no-untyped-call]  # PyYAML's stubs leave it out

    def text(self, data: str) -> ScalarNode:
        style = None
        if _NOT_IN_BLOCKS.search(data):
            style = '"'
        elif "\n" in data:
            style = "|"
        elif len(data) > WIDTH:
            style = ">"
        return self.represent_scalar(STR, data, style=style)

    def mapping(self, data: Mapping[str, Any]) -> MappingNode:
        node = self.represent_mapping("tag:yaml.org,2002:map", data.items())
        node.flow_style = not isinstance(data, Block) and _short(part for pair in node.value for part in pair)
        return node

    def sequence(self, data: Sequence[Any]) -> SequenceNode:
        node = self.represent_sequence("tag:yaml.org,2002:seq", data)
        node.flow_style = _short(node.value)
        return node


class Block(dict[str, Any]):
    """A mapping that always stands as a block, however short."""


_Dumper.add_representer(str, _Dumper.text)
_Dumper.add_representer(dict, _Dumper.mapping)
_Dumper.add_representer(Block, _Dumper.mapping)
_Dumper.add_representer(list, _Dumper.sequence)
_Dumper.add_representer(tuple, _Dumper.sequence)


def _short(nodes: Any) -> bool:
    length = 0
    for node in nodes:
        if not isinstance(node, ScalarNode) or node.style in ("|", ">"):
            return False
        length += len(node.value) + 2
    return length <= _FLOW_WIDTH


def _dump(data: Any) -> str:
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=WIDTH, indent=2)


def yaml_text(data: Mapping[str, Any]) -> str:
    """The mapping as a YAML file; top-level lists of mappings and their items are set apart by blank lines.

    Plain data reads back equal through `focal_eval.document`; numbers must be finite and within 300 digits.
    """
    parts: list[str] = []
    for key, value in data.items():
        if isinstance(value, (list, tuple)) and value and all(isinstance(item, Mapping) for item in value):
            items = "\n".join(_indented(_dump([Block(item)])) for item in value)
            gap = "\n" if parts else ""
            parts.append(gap + _dump(Block({key: None})).removesuffix(" null\n") + "\n" + items)
        else:
            parts.append(_dump(Block({key: value})))
    return "".join(parts)


def _indented(text: str) -> str:
    lines = text.split("\n")
    return "\n".join(f"  {line}" if line else line for line in lines)


def said(text: str) -> str:
    """Foreign text as a script says it: `{{`, `{%` and `{#` are written so that the template engine gives them back."""
    if not has_template(text):
        return text
    return _READ_BY_TEMPLATES.sub(lambda found: '{{ "' + found[0].replace("\r", "\\r") + '" }}', text)


def data_said(value: Any) -> Any:
    """Plain data with every text in it `said`."""
    if isinstance(value, str):
        return said(value)
    if isinstance(value, Mapping):
        return {name: data_said(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [data_said(item) for item in value]
    return value


_CALL_WORDS = frozenset({"args", "result", "error", "only"})


def call(name: str, arguments: Mapping[str, Any] | None) -> Any:
    """A recorded call as an expectation: the tool with these arguments, by its name alone where none are known."""
    if not arguments:
        return name
    given = {argument: literal(value) for argument, value in arguments.items()}
    return {name: given if _CALL_WORDS.isdisjoint(given) else {"args": given}}


_OPERATOR_WORDS = frozenset({*OPERATORS, "within", "only"})


def literal(value: Any) -> Any:
    """Foreign data as a matcher that means just that data: what looks like operators is put under `equals`."""
    if isinstance(value, Mapping):
        if _looks_like_operators(value):
            return {"equals": data_said(value)}
        return {name: literal(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [literal(item) for item in value]
    return said(value) if isinstance(value, str) else value


def _looks_like_operators(value: Mapping[str, Any]) -> bool:
    if not value or not _OPERATOR_WORDS.isdisjoint(value):
        return True
    return len(value) == 1 and nearest(next(iter(value)), _OPERATOR_WORDS) is not None
