"""A script as plain data and back: what the cache of scripts keeps.

Only a script that is whole in itself is packed: without fragments and simulated users, with the checks that come with the
package. What a check is given by its constructor is kept; what it works out from that it works out again. Where a template is
filled for each case, the YAML node that holds it is kept.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import MISSING, Field, fields, is_dataclass, replace
from functools import lru_cache
from sys import intern
from typing import Any

import orjson

from focal_eval.document.packed_node import pack_node, unpack_node
from focal_eval.document.reader import Node
from focal_eval.pattern import Pattern
from focal_eval.registry import find
from focal_eval.script.model import Expectation, Given, Said, Script, Turn
from focal_eval.source import Span

_OURS = ("focal_eval.checks.", "focal_eval.script.")
_MOST_KEPT = 5_000
_TUPLE, _LIST, _MAPPING, _SET, _SPAN, _EXPECTATION, _PATTERN, _NODE = "(", "[", "{", "<", "@", "=", "~", "#"
_REST = ("conversation", "xfail", "skip", "metadata", "origin", "stubs", "given", "tags", "channel", "timeout_s")
_PARAMS = ("rows", "param_spans")


class NotPlain(ValueError):
    """Raised for a script, or a part of one, that is not kept."""


Known = dict[int, tuple[Any, str]]  # by identity; a check that is held keeps it


def packed(script: Script, known: Known | None = None) -> list[Any]:
    """The script as lists, texts and numbers. Raises NotPlain where it cannot come back the same.

    `known` holds what checks that many scripts share were packed as.
    """
    if set(script.texts) != {script.file} or script.simulator is not None:
        raise NotPlain("fragments or a simulated user")
    pack = _Packing(script.file, {} if known is None else known)
    rest = {name: pack.value(value) for name in (*_REST, *_PARAMS) if (value := getattr(script, name)) != _USUAL[name]}
    return [script.id, script.title, pack.span(script.span), [pack.turn(turn) for turn in script.turns], rest or None]


_USUAL: dict[str, Any] = {
    "conversation": (),
    "xfail": None,
    "skip": None,
    "metadata": {},
    "origin": {},
    "stubs": (),
    "given": Given(),
    "tags": (),
    "channel": None,
    "timeout_s": None,
    "rows": ({},),
    "param_spans": {},
}


class _Packing:
    """Packs the parts of one file's script."""

    def __init__(self, file: str, known: Known) -> None:
        self.file, self.known = file, known

    def span(self, span: Span) -> list[int]:
        if span.file != self.file:
            raise NotPlain("a place in another file")
        return list(span[1:])

    def said(self, said: Said) -> list[Any]:
        return [said.text, *self.span(said.span)]

    def turn(self, turn: Turn) -> list[Any]:
        rest = {
            "agent": turn.agent and [*self.said(turn.agent), turn.agent.template],
            "templates": [number for number, said in enumerate(turn.user) if said.template],
            "save": turn.save and self.value(turn.save),
            "when": turn.when and self.expectations(turn.when),
            "timeout_s": turn.timeout_s,
            "name": turn.name,
        }
        rest = {name: value for name, value in rest.items() if value not in (None, (), [])}
        if turn.when == ():
            raise NotPlain("an empty condition")
        said = [self.said(said) for said in turn.user]
        return [said, self.expectations(turn.expect), *self.span(turn.span), rest or None]

    def expectations(self, found: tuple[Expectation, ...]) -> list[Any]:
        return [self.expectation(item) for item in found]

    def expectation(self, item: Expectation) -> list[Any]:
        check = None if item.check is None else self.check(item.key, item.check)
        rest = None
        if item.soft or item.because is not None or item.children or item.templated or item.node is not None:
            children = [self.expectations(child) for child in item.children]
            rest = [item.soft, item.because, children, self.value(item.node), item.templated]
        return [item.key, check, *self.span(item.span), *self.span(item.value_span), rest]

    def check(self, key: str, check: Any) -> str:
        known = self.known.get(id(check))
        if known is not None:
            return known[1]
        if type(check) is not find("checks", key):
            raise NotPlain("a check of another key")
        said = orjson.dumps(self.value(check)).decode()
        if len(self.known) >= _MOST_KEPT:
            self.known.clear()
        self.known[id(check)] = check, said
        return said

    def value(self, value: Any) -> Any:
        """Any value a script or a check may hold."""
        kind = type(value)
        if value is None or kind is str or kind is bool or kind is int:
            return value
        if kind is float and math.isfinite(value):
            return value
        if kind is Span:
            return [_SPAN, *self.span(value)]
        if kind is Expectation:
            return [_EXPECTATION, self.expectation(value)]
        if isinstance(value, Node):
            return [_NODE, *pack_node(value)]
        if kind is Pattern:
            return [_PATTERN, value.text, value.ignore_case]
        if kind in _SEQUENCES:
            return [_SEQUENCES[kind], *map(self.value, value)]
        if kind is frozenset and all(type(item) is str for item in value):
            return [_SET, *sorted(value)]
        if kind is dict and all(type(key) is str for key in value):
            return [_MAPPING, *[part for key, item in value.items() for part in (key, self.value(item))]]
        return self._object(value, kind)

    def _object(self, value: Any, kind: type) -> list[Any]:
        name = f"{kind.__module__}:{kind.__qualname__}"
        if not is_dataclass(kind) or not name.startswith(_OURS):
            raise NotPlain(f"a value of {name}")
        usual, brief = _given(kind)
        given = {name: item for name, default in usual if not _same(item := getattr(value, name), default)}
        return [name, brief and value.brief, {name: self.value(item) for name, item in given.items()}]


_SEQUENCES: dict[type, str] = {tuple: _TUPLE, list: _LIST}


@lru_cache(maxsize=512)
def _given(kind: Any) -> tuple[tuple[tuple[str, Any], ...], bool]:
    """The fields a class is made with, with what each is if nothing is said, and whether it keeps that it was written short."""
    specs = fields(kind)
    usual = tuple((spec.name, _default(spec)) for spec in specs if spec.init)
    return usual, any(spec.name == "brief" and not spec.init for spec in specs)


def _default(spec: Field[Any]) -> Any:
    return spec.default if spec.default_factory is MISSING else spec.default_factory()


def _same(item: Any, default: Any) -> bool:
    return type(item) is type(default) and bool(item == default) and repr(item) == repr(default)


_tuple: Callable[[type[Span], tuple[str, int, int, int, int]], Span] = tuple.__new__


class Unpacking:
    """Unpacks scripts; checks that say the very same are made once. Raises what a damaged cache makes it raise."""

    def __init__(self) -> None:
        self._checks: dict[str, Any] = {}
        self.file = ""

    def script(self, data: list[Any], file: str, digest: str, text: str) -> Script:
        """The script that was packed, as the file with this text says it."""
        self.file = file
        name, title, span, turns, rest = data
        given = {field: self.value(value) for field, value in rest.items()} if rest else {}
        told = tuple([self.turn(index, turn) for index, turn in enumerate(turns)])
        place = _tuple(Span, (file, *span))
        return Script(name, file, digest, title, place, told, texts={file: text}, **given)

    def turn(self, index: int, data: list[Any]) -> Turn:
        said, expect, line, column, end_line, end_column, rest = data
        file = self.file
        user = tuple([Said(text, _tuple(Span, (file, a, b, c, d))) for text, a, b, c, d in said])
        expected = tuple([self.expectation(item) for item in expect])
        place = _tuple(Span, (file, line, column, end_line, end_column))
        if rest is None:
            return Turn(index, user, place, expected)
        for number in rest.pop("templates", ()):
            user = (*user[:number], replace(user[number], template=True), *user[number + 1 :])
        more = {name: self._part(name, value) for name, value in rest.items()}
        return Turn(index, user, place, expected, **more)

    def _part(self, name: str, value: Any) -> Any:
        if name == "agent":
            text, a, b, c, d, template = value
            return Said(text, _tuple(Span, (self.file, a, b, c, d)), template)
        if name == "when":
            return tuple([self.expectation(item) for item in value])
        return self.value(value)

    def expectation(self, data: list[Any]) -> Expectation:
        key, said, a, b, c, d, e, f, g, h, rest = data
        file = self.file
        check = None if said is None else self._checks.get(said) or self._check(key, said)
        span, value_span = _tuple(Span, (file, a, b, c, d)), _tuple(Span, (file, e, f, g, h))
        if rest is None:
            return Expectation(key, span, value_span, check)
        soft, because, children, node, templated = rest
        groups = tuple([tuple([self.expectation(item) for item in child]) for child in children])
        return Expectation(key, span, value_span, check, soft, because, groups, self.value(node), templated)

    def _check(self, key: str, said: str) -> Any:
        kind = find("checks", key)  # loads the module its values are of, too
        check = self.value(orjson.loads(said))
        if type(check) is not kind:
            raise NotPlain("a check of another key")
        if len(self._checks) >= _MOST_KEPT:
            self._checks.clear()
        self._checks[said] = check
        return check

    def value(self, data: Any) -> Any:
        """The value that was packed."""
        if type(data) is not list:
            return data
        mark = data[0]
        if mark == _TUPLE:
            return tuple([item if type(item) is not list else self.value(item) for item in data[1:]])
        if mark == _LIST:
            return [self.value(item) for item in data[1:]]
        if mark == _MAPPING:
            return dict(zip(map(intern, data[1::2]), map(self.value, data[2::2]), strict=True))
        if mark == _SPAN:
            return _tuple(Span, (self.file, *data[1:]))
        if mark == _SET:
            return frozenset(data[1:])
        if mark == _EXPECTATION:
            return self.expectation(data[1])
        if mark == _NODE:
            return unpack_node(data[1:])
        if mark == _PATTERN:
            return Pattern(data[1], ignore_case=data[2])
        return self._object(*data)

    def _object(self, name: str, brief: bool, given: dict[str, Any]) -> Any:
        made = _class_of(name)(**{key: item if type(item) is not list else self.value(item) for key, item in given.items()})
        if brief:
            object.__setattr__(made, "brief", True)
        return made


@lru_cache(maxsize=512)
def _class_of(name: str) -> Any:
    """The class of a value: one of the package's checks or of the model, loaded already."""
    module, _, word = name.partition(":")
    kind = getattr(sys.modules[module], word) if name.startswith(_OURS) else None
    if not is_dataclass(kind):
        raise NotPlain(f"a value of {name}")
    return kind
