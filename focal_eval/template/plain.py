"""Templates of the usual kind, computed without the code Jinja2 would write for them.

Names, keys, choices, comparisons, sums and filters: what most templates are made of becomes nested functions of the values.
They know only what goes well. A value that is missing, an attribute that is no key, whatever an operator or a filter raises:
then Jinja2's sandbox fills the template, and its word stands, be it a value or an error.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

Compute = Callable[[Mapping[str, Any]], Any]

MAX_DEPTH = 40  # of a tree; what is deeper is for Jinja2 to judge
_JINJAS_OWN = frozenset({"self", "super", "loop", "caller", "varargs", "kwargs"})
_ATTRIBUTES = frozenset(dir(dict))  # in a template they come before keys
_HOLDERS = frozenset({dict, list, tuple, str})

_COMPARE: Mapping[str, Callable[[Any, Any], Any]] = {
    "eq": operator.eq, "ne": operator.ne, "lt": operator.lt, "lteq": operator.le, "gt": operator.gt, "gteq": operator.ge,
    "in": lambda left, right: left in right, "notin": lambda left, right: left not in right,
}  # fmt: skip
_BINARY: Mapping[str, Callable[[Any, Any], Any]] = {
    "Add": operator.add, "Sub": operator.sub, "Div": operator.truediv, "FloorDiv": operator.floordiv,
}  # fmt: skip


class Unusual(Exception):
    """What is to be computed is for Jinja2 itself."""


class Plan:
    """How the parts of a template are computed, and the names they read."""

    def __init__(self, env: Any) -> None:
        from jinja2 import Undefined

        self.env, self._undefined = env, Undefined
        self.names: set[str] = set()

    def of(self, node: Any, depth: int = 0) -> Compute:
        """The function that computes a part. Raises Unusual for one of another kind."""
        make = _MAKERS.get(type(node).__name__)
        if make is None or depth > MAX_DEPTH:
            raise Unusual
        return make(self, node, depth + 1)

    def all(self, nodes: list[Any], depth: int) -> list[Compute]:
        return [self.of(node, depth) for node in nodes]

    def constant(self, node: Any, _: int) -> Compute:
        value = node.value
        return lambda _: value

    def text(self, node: Any, _: int) -> Compute:
        value = node.data
        return lambda _: value

    def name(self, node: Any, _: int) -> Compute:
        name = node.name
        if node.ctx != "load" or name in _JINJAS_OWN:
            raise Unusual
        self.names.add(name)
        return lambda values: values[name]

    def attribute(self, node: Any, depth: int) -> Compute:
        holder, name = self.of(node.node, depth), node.attr
        if node.ctx != "load" or name in _ATTRIBUTES:
            raise Unusual

        def read(values: Mapping[str, Any]) -> Any:
            held = holder(values)
            if type(held) is not dict:
                raise Unusual
            return held[name]

        return read

    def item(self, node: Any, depth: int) -> Compute:
        holder, place = self.of(node.node, depth), self.of(node.arg, depth)
        if node.ctx != "load":
            raise Unusual

        def read(values: Mapping[str, Any]) -> Any:
            held = holder(values)
            if type(held) not in _HOLDERS:
                raise Unusual
            return held[place(values)]

        return read

    def filtered(self, node: Any, depth: int) -> Compute:
        call = self.env.filters.get(node.name)
        passed = getattr(call, "jinja_pass_arg", None)
        if call is None or node.node is None or node.kwargs or node.dyn_args is not None or node.dyn_kwargs is not None:
            raise Unusual
        if passed is not None and passed.name != "environment":
            raise Unusual
        first = () if passed is None else (self.env,)
        parts, undefined = self.all([node.node, *node.args], depth), self._undefined

        def compute(values: Mapping[str, Any]) -> Any:
            value = call(*first, *[part(values) for part in parts])
            if isinstance(value, undefined):
                raise Unusual
            return value

        return compute

    def conditional(self, node: Any, depth: int) -> Compute:
        if node.expr2 is None:
            raise Unusual
        test, one, other = self.all([node.test, node.expr1, node.expr2], depth)
        return lambda values: one(values) if test(values) else other(values)

    def comparison(self, node: Any, depth: int) -> Compute:
        if len(node.ops) != 1:
            raise Unusual
        left, right = self.all([node.expr, node.ops[0].expr], depth)
        compare = _COMPARE[node.ops[0].op]
        return lambda values: compare(left(values), right(values))

    def both(self, node: Any, depth: int) -> Compute:
        left, right = self.all([node.left, node.right], depth)
        return lambda values: left(values) and right(values)

    def either(self, node: Any, depth: int) -> Compute:
        left, right = self.all([node.left, node.right], depth)
        return lambda values: left(values) or right(values)

    def negation(self, node: Any, depth: int) -> Compute:
        part = self.of(node.node, depth)
        return lambda values: not part(values)

    def minus(self, node: Any, depth: int) -> Compute:
        part = self.of(node.node, depth)
        return lambda values: -part(values)

    def binary(self, node: Any, depth: int) -> Compute:
        left, right = self.all([node.left, node.right], depth)
        operate = _BINARY[type(node).__name__]
        return lambda values: operate(left(values), right(values))

    def joined(self, node: Any, depth: int) -> Compute:
        parts = self.all(node.nodes, depth)
        return lambda values: "".join([str(part(values)) for part in parts])

    def mapping(self, node: Any, depth: int) -> Compute:
        pairs = [(self.of(pair.key, depth), self.of(pair.value, depth)) for pair in node.items]
        return lambda values: {key(values): value(values) for key, value in pairs}

    def sequence(self, node: Any, depth: int) -> Compute:
        parts = self.all(node.items, depth)
        return lambda values: [part(values) for part in parts]


_MAKERS: Mapping[str, Callable[[Plan, Any, int], Compute]] = {
    "Const": Plan.constant, "TemplateData": Plan.text, "Name": Plan.name, "Getattr": Plan.attribute, "Getitem": Plan.item,
    "Filter": Plan.filtered, "CondExpr": Plan.conditional, "Compare": Plan.comparison, "And": Plan.both, "Or": Plan.either,
    "Not": Plan.negation, "Neg": Plan.minus, "Add": Plan.binary, "Sub": Plan.binary, "Div": Plan.binary,
    "FloorDiv": Plan.binary, "Concat": Plan.joined, "Dict": Plan.mapping, "List": Plan.sequence,
}  # fmt: skip
