"""Writes scripts and suites as YAML a person goes on editing, and says foreign data so that nothing in it is read as ours.

The style is that of hand-written scripts: keys in the order given, lists indented under their key, short leaves in one line,
long texts as blocks. What is written reads back as the same data: see `yaml_text`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from focal_eval.document.writing import Block, Dumper, Word, dump
from focal_eval.registry import nearest
from focal_eval.script.matchers import OPERATORS
from focal_eval.template import has_template

__all__ = ["Block", "Word", "call", "data_said", "literal", "said", "yaml_text"]

WIDTH = 100
_READ_BY_TEMPLATES = re.compile(r"\{*\r|\{+[{%#]")


class _Dumper(Dumper):
    """The style of scripts: long texts are folded, and a text that is a matcher's word is quoted."""

    fold_at = WIDTH
    quoted = frozenset({"any", "absent"})


def _dump(data: Any) -> str:
    return dump(data, _Dumper, width=WIDTH)


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
        return said(name)
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
