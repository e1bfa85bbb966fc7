"""Expressions of agent files: parsed and judged once, computed by simpleeval over plain data only.

No attributes but keys of mappings, no methods, no powers, shifts, comprehensions or formatted strings; products are of
numbers only. So an expression is done in time bounded by its length.
"""

from __future__ import annotations

import ast
import math
import threading
from collections.abc import Iterator, Mapping
from functools import lru_cache
from types import ModuleType
from typing import Any

MAX_EXPRESSION = 1_000  # characters
MAX_ROUND = 12

_ALLOWED = (
    ast.Expression, ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.USub, ast.UAdd, ast.BinOp, ast.Add, ast.Sub,
    ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Compare, ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.In,
    ast.NotIn, ast.Is, ast.IsNot, ast.IfExp, ast.Call, ast.Name, ast.Load, ast.Attribute, ast.Subscript, ast.Constant,
    ast.List, ast.Tuple,
)  # fmt: skip
_PLAIN = frozenset({bool, dict, float, int, list, str, type(None)})
_WORDS = {"true": True, "false": False, "null": None, "none": None}


class ExpressionProblem(ValueError):
    """The text is not an expression that can be used; `column` counts characters from 0."""

    def __init__(self, message: str, column: int = 0) -> None:
        super().__init__(message)
        self.column = column


class Undecided(Exception):
    """The expression has no value here: something is not set or of the wrong kind."""


def _text(value: Any) -> str:
    if isinstance(value, (str, int, float, bool)) or value is None:
        return str(value)
    raise TypeError("str() takes a single value")


def _round(value: float, digits: int = 0) -> float:
    return round(value, max(-MAX_ROUND, min(MAX_ROUND, digits)))


FUNCTIONS: Mapping[str, Any] = {
    "len": len, "min": min, "max": max, "abs": abs, "round": _round, "int": int, "float": float, "str": _text,
    "lower": str.lower, "upper": str.upper,
}  # fmt: skip


def _product(left: Any, right: Any) -> Any:
    if not all(isinstance(side, (int, float)) and abs(side) < 1e15 for side in (left, right)):
        raise TypeError("'*' takes two numbers")
    return left * right


def _remainder(left: Any, right: Any) -> Any:
    if not all(isinstance(side, (int, float)) for side in (left, right)):
        raise TypeError("'%' takes two numbers")
    return left % right


@lru_cache(maxsize=1)
def _evaluator_class() -> Any:
    from simpleeval import DEFAULT_OPERATORS, EvalWithCompoundTypes, FeatureNotAvailable

    operators = {**DEFAULT_OPERATORS, ast.Mult: _product, ast.Mod: _remainder}

    class PlainData(EvalWithCompoundTypes):  # type: ignore[misc]  # simpleeval is untyped
        """Keys of mappings instead of attributes; what is not there is None."""

        def __init__(self) -> None:
            super().__init__(operators=operators, functions=FUNCTIONS)

        def _eval_attribute(self, node: Any) -> Any:
            return self._key(self._eval(node.value), node.attr)

        def _eval_subscript(self, node: Any) -> Any:
            return self._key(self._eval(node.value), self._eval(node.slice))

        def _eval_name(self, node: Any) -> Any:
            return self.names.get(node.id, _WORDS.get(node.id))

        def _check_disallowed_items(self, item: Any) -> None:
            """Looks at the value itself, not at all that is in it: `_key` gives one of that at a time, which comes here too."""
            if type(item) not in _PLAIN and (callable(item) or isinstance(item, ModuleType)):
                raise FeatureNotAvailable("this is no plain data")

        @staticmethod
        def _key(holder: Any, name: Any) -> Any:
            if isinstance(holder, Mapping):
                return holder.get(name)
            if isinstance(holder, (list, tuple)) and isinstance(name, int):
                return holder[name] if -len(holder) <= name < len(holder) else None
            return None

    return PlainData


_evaluators = threading.local()


def _evaluator() -> Any:
    """This thread's evaluator; making one costs more than most expressions."""
    made = getattr(_evaluators, "made", None)
    if made is None:
        made = _evaluators.made = _evaluator_class()()
    return made


class Expression:
    """A parsed expression; `names` are the dotted names it reads, such as ("result", "lookup_order")."""

    __slots__ = ("_tree", "names", "text")

    def __init__(self, text: str) -> None:
        if len(text) > MAX_EXPRESSION:
            raise ExpressionProblem(f"the expression is longer than {MAX_EXPRESSION} characters")
        try:
            tree = ast.parse(text.strip(), mode="eval")
        except SyntaxError as problem:
            raise ExpressionProblem(f"not an expression: {problem.msg}", max(0, (problem.offset or 1) - 1)) from None
        except (ValueError, RecursionError, MemoryError):
            raise ExpressionProblem("not an expression") from None
        for node in ast.walk(tree):
            _judge(node)
        self.text = text
        self.names: tuple[tuple[str, ...], ...] = tuple(sorted(set(_dotted(tree.body))))
        self._tree = tree.body

    def value(self, names: Mapping[str, Any]) -> Any:
        """What it comes to. Raises Undecided where a value is missing or of the wrong kind."""
        evaluator = _evaluator()
        evaluator.names = names
        try:
            value = evaluator.eval(self.text, self._tree)
        except Exception as problem:  # simpleeval passes on whatever an operator raises
            raise Undecided(str(problem)) from None
        if isinstance(value, float) and not math.isfinite(value):
            raise Undecided("the value is not finite")
        return value

    def holds(self, names: Mapping[str, Any]) -> bool:
        """Whether it is true; what cannot be computed is not."""
        try:
            return bool(self.value(names))
        except Undecided:
            return False

    def value_or_none(self, names: Mapping[str, Any]) -> Any:
        """What it comes to, None where it cannot be computed."""
        try:
            return self.value(names)
        except Undecided:
            return None


def _judge(node: ast.AST) -> None:
    column = getattr(node, "col_offset", 0)
    if not isinstance(node, _ALLOWED):
        raise ExpressionProblem(f"{type(node).__name__} is not allowed in an expression", column)
    if isinstance(node, ast.Call):
        name = node.func.id if isinstance(node.func, ast.Name) else None
        if name not in FUNCTIONS or node.keywords:
            known = ", ".join(sorted(FUNCTIONS))
            raise ExpressionProblem(f"only these functions may be called, by position: {known}", column)
    if isinstance(node, ast.Constant) and not isinstance(node.value, (str, int, float, bool, type(None))):
        raise ExpressionProblem("only texts, numbers, true, false and null stand in an expression", column)
    if isinstance(node, (ast.Name, ast.Attribute)):
        name = node.id if isinstance(node, ast.Name) else node.attr
        if name.startswith("_"):
            raise ExpressionProblem(f"the name '{name}' must not start with an underscore", column)


def _dotted(node: ast.AST) -> Iterator[tuple[str, ...]]:
    """The names read, each with the keys that follow it as far as they are written out."""
    parts: list[str] = []
    here = node
    while isinstance(here, (ast.Attribute, ast.Subscript)):
        if isinstance(here, ast.Attribute):
            parts.append(here.attr)
        elif isinstance(here.slice, ast.Constant) and isinstance(here.slice.value, str):
            parts.append(here.slice.value)
        else:
            parts.clear()
            yield from _dotted(here.slice)
        here = here.value
    if isinstance(here, ast.Name):
        if here.id not in _WORDS:
            yield (here.id, *reversed(parts))
        return
    for child in ast.iter_child_nodes(here):
        if not (isinstance(here, ast.Call) and child is here.func):
            yield from _dotted(child)


@lru_cache(maxsize=4096)
def compile_expression(text: str) -> Expression:
    """The expression, cached. Raises ExpressionProblem."""
    return Expression(text)
