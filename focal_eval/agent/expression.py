"""Expressions of agent files: parsed and judged once, then computed over plain data only.

No attributes but keys of mappings, no methods, no powers, shifts, comprehensions or formatted strings; products are of
numbers only. So an expression is done in time bounded by its length.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from focal_eval.agent.computing import FUNCTIONS, WORDS, computing

MAX_EXPRESSION = 1_000  # characters

_ALLOWED = (
    ast.Expression, ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.USub, ast.UAdd, ast.BinOp, ast.Add, ast.Sub,
    ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Compare, ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.In,
    ast.NotIn, ast.Is, ast.IsNot, ast.IfExp, ast.Call, ast.Name, ast.Load, ast.Attribute, ast.Subscript, ast.Constant,
    ast.List, ast.Tuple,
)  # fmt: skip


class ExpressionProblem(ValueError):
    """The text is not an expression that can be used; `column` counts characters from 0."""

    def __init__(self, message: str, column: int = 0) -> None:
        super().__init__(message)
        self.column = column


class Undecided(Exception):
    """The expression has no value here: something is not set or of the wrong kind."""


class Expression:
    """A parsed expression; `names` are the dotted names it reads, such as ("result", "lookup_order")."""

    __slots__ = ("_compute", "names", "text")

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
        self._compute = computing(tree.body)

    def value(self, names: Mapping[str, Any]) -> Any:
        """What it comes to. Raises Undecided where a value is missing or of the wrong kind."""
        try:
            value = self._compute(names)
        except Exception as problem:  # whatever an operator raises
            raise Undecided(str(problem)) from None
        if isinstance(value, float) and not math.isfinite(value):
            raise Undecided("the value is not finite")
        return value

    def holds(self, names: Mapping[str, Any]) -> bool:
        """Whether it is true; what cannot be computed is not."""
        try:
            value = self._compute(names)
        except Exception:  # the same
            return False
        return bool(value) and not (isinstance(value, float) and not math.isfinite(value))

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


def _dotted(tree: ast.AST) -> Iterator[tuple[str, ...]]:
    """The names read, each with the keys that follow it as far as they are written out."""
    todo = [tree]
    while todo:
        here = todo.pop()
        parts: list[str] = []
        while isinstance(here, (ast.Attribute, ast.Subscript)):
            if isinstance(here, ast.Attribute):
                parts.append(here.attr)
            elif isinstance(here.slice, ast.Constant) and isinstance(here.slice.value, str):
                parts.append(here.slice.value)
            else:
                parts.clear()
                todo.append(here.slice)
            here = here.value
        if not isinstance(here, ast.Name):
            todo.extend(child for child in ast.iter_child_nodes(here) if not _is_function(here, child))
        elif here.id not in WORDS:
            yield (here.id, *reversed(parts))


def _is_function(node: ast.AST, part: ast.AST) -> bool:
    return isinstance(node, ast.Call) and part is node.func


@lru_cache(maxsize=4096)
def compile_expression(text: str) -> Expression:
    """The expression, cached. Raises ExpressionProblem."""
    return Expression(text)
