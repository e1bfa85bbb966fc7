"""Expressions made ready to compute: a tree that was judged becomes nested functions of the names it reads.

A function is made once for each part and then called with names alone. Values come in by a name, by a key, or out of a
function of the language; there each is looked at, and what is no plain data goes no further.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

Compute = Callable[[Mapping[str, Any]], Any]
"""Gives a part's value from what names stand for; raises whatever an operator raises."""

MAX_JOINED = 100_000  # characters or items that `+` puts together
MAX_ROUND = 12
WORDS: Mapping[str, Any] = {"true": True, "false": False, "null": None, "none": None}

_PLAIN = frozenset({bool, dict, float, int, list, str, type(None)})


def _text(value: Any) -> str:
    if isinstance(value, (str, int, float, bool)) or value is None:
        return str(value)
    raise TypeError("str() takes a single value")


def _round(value: float, digits: int = 0) -> float:
    return round(value, max(-MAX_ROUND, min(MAX_ROUND, digits)))


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "len": len, "min": min, "max": max, "abs": abs, "round": _round, "int": int, "float": float, "str": _text,
    "lower": str.lower, "upper": str.upper,
}  # fmt: skip


def _sum(left: Any, right: Any) -> Any:
    if hasattr(left, "__len__") and hasattr(right, "__len__") and len(left) + len(right) > MAX_JOINED:
        raise ValueError(f"'+' joins no more than {MAX_JOINED:,} characters or items")
    return left + right


def _product(left: Any, right: Any) -> Any:
    if not all(isinstance(side, (int, float)) and abs(side) < 1e15 for side in (left, right)):
        raise TypeError("'*' takes two numbers")
    return left * right


def _remainder(left: Any, right: Any) -> Any:
    if not all(isinstance(side, (int, float)) for side in (left, right)):
        raise TypeError("'%' takes two numbers")
    return left % right


def _within(left: Any, right: Any) -> bool:
    return operator.contains(right, left)


def _not_within(left: Any, right: Any) -> bool:
    return not operator.contains(right, left)


_OPERATORS: Mapping[type, Callable[..., Any]] = {
    ast.Add: _sum, ast.Sub: operator.sub, ast.Mult: _product, ast.Div: operator.truediv, ast.FloorDiv: operator.floordiv,
    ast.Mod: _remainder, ast.Not: operator.not_, ast.USub: operator.neg, ast.UAdd: operator.pos, ast.Eq: operator.eq,
    ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge,
    ast.In: _within, ast.NotIn: _not_within, ast.Is: operator.is_, ast.IsNot: operator.is_not,
}  # fmt: skip


def computing(tree: ast.expr) -> Compute:
    """The function that computes a tree, which must hold nothing but what the language allows."""
    made: dict[ast.AST, Compute] = {}
    for node in reversed(list(ast.walk(tree))):  # parts before what they are parts of, without recursion
        make = _MAKERS.get(type(node))
        if make is not None:
            made[node] = make(node, made)
    return made[tree]


def _looked_at(value: Any) -> Any:
    """The value itself, not all that is in it: a key gives one of that at a time, which comes here too."""
    if type(value) not in _PLAIN and (callable(value) or isinstance(value, ModuleType)):
        raise TypeError("this is no plain data")
    return value


def _key(holder: Any, name: Any) -> Any:
    """What stands under a key or at a place; None where nothing does."""
    if type(holder) is dict or isinstance(holder, Mapping):
        return _looked_at(holder.get(name))
    if isinstance(holder, (list, tuple)) and isinstance(name, int):
        return _looked_at(holder[name]) if -len(holder) <= name < len(holder) else None
    return None


def _name(node: Any, _: Mapping[ast.AST, Compute]) -> Compute:
    name, absent = node.id, WORDS.get(node.id)

    def read(names: Mapping[str, Any]) -> Any:
        value = names.get(name, absent)
        return value if type(value) in _PLAIN else _looked_at(value)

    return read


def _constant(node: Any, _: Mapping[ast.AST, Compute]) -> Compute:
    value = node.value
    return lambda _: value


def _attribute(node: Any, made: Mapping[ast.AST, Compute]) -> Compute:
    keys, holder = [node.attr], node.value
    while isinstance(holder, ast.Attribute):
        keys.insert(0, holder.attr)
        holder = holder.value
    start = made[holder]

    def follow(names: Mapping[str, Any]) -> Any:
        value = start(names)
        for key in keys:
            value = _key(value, key)
        return value

    return follow


def _subscript(node: Any, made: Mapping[ast.AST, Compute]) -> Compute:
    holder, place = made[node.value], made[node.slice]
    return lambda names: _key(holder(names), place(names))


def _unary(node: Any, made: Mapping[ast.AST, Compute]) -> Compute:
    operate, part = _OPERATORS[type(node.op)], made[node.operand]
    return lambda names: operate(part(names))


def _binary(node: Any, made: Mapping[ast.AST, Compute]) -> Compute:
    operate, left, right = _OPERATORS[type(node.op)], made[node.left], made[node.right]
    return lambda names: operate(left(names), right(names))


def _choice(node: Any, made: Mapping[ast.AST, Compute]) -> Compute:
    """`and`, `or`: the value of the part that decides."""
    *first, last = [made[part] for part in node.values]
    decides = isinstance(node.op, ast.Or)

    def decide(names: Mapping[str, Any]) -> Any:
        for part in first:
            value = part(names)
            if bool(value) is decides:
                return value
        return last(names)

    return decide


def _comparison(node: Any, made: Mapping[ast.AST, Compute]) -> Compute:
    start = made[node.left]
    links = [(_OPERATORS[type(kind)], made[part]) for kind, part in zip(node.ops, node.comparators, strict=True)]
    if len(links) == 1:
        ((operate, other),) = links
        return lambda names: operate(start(names), other(names))

    def chain(names: Mapping[str, Any]) -> Any:
        left, held = start(names), True
        for operate, part in links:
            right = part(names)
            held = operate(left, right)
            if not held:
                break
            left = right
        return held

    return chain


def _conditional(node: Any, made: Mapping[ast.AST, Compute]) -> Compute:
    test, one, other = made[node.test], made[node.body], made[node.orelse]
    return lambda names: one(names) if test(names) else other(names)


def _call(node: Any, made: Mapping[ast.AST, Compute]) -> Compute:
    function, given = FUNCTIONS[node.func.id], [made[part] for part in node.args]
    return lambda names: _looked_at(function(*[part(names) for part in given]))


def _list(node: Any, made: Mapping[ast.AST, Compute]) -> Compute:
    parts = [made[part] for part in node.elts]
    return lambda names: [part(names) for part in parts]


def _tuple(node: Any, made: Mapping[ast.AST, Compute]) -> Compute:
    parts = [made[part] for part in node.elts]
    return lambda names: tuple([part(names) for part in parts])


_MAKERS: Mapping[type, Callable[[Any, Mapping[ast.AST, Compute]], Compute]] = {
    ast.Name: _name, ast.Constant: _constant, ast.Attribute: _attribute, ast.Subscript: _subscript, ast.UnaryOp: _unary,
    ast.BinOp: _binary, ast.BoolOp: _choice, ast.Compare: _comparison, ast.IfExp: _conditional, ast.Call: _call,
    ast.List: _list, ast.Tuple: _tuple,
}  # fmt: skip
