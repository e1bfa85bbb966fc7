"""Changes of expressions: the whole negated, a comparison or bound shifted, a conjunct dropped."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator

from focal_eval.agent.expression import compile_expression

_SHIFTED: dict[type[ast.cmpop], ast.cmpop] = {
    ast.Lt: ast.LtE(), ast.LtE: ast.Lt(), ast.Gt: ast.GtE(), ast.GtE: ast.Gt(), ast.Eq: ast.NotEq(), ast.NotEq: ast.Eq(),
    ast.In: ast.NotIn(), ast.NotIn: ast.In(), ast.Is: ast.IsNot(), ast.IsNot: ast.Is(),
}  # fmt: skip


def negated(text: str) -> str:
    """The expression that is true where this one is not, and the other way round."""
    tree = _body(text)
    if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.Not):
        return ast.unparse(tree.operand)
    return f"not ({text.strip()})"


def shifted(text: str) -> Iterator[tuple[str, str]]:
    """The expression with one comparison or one bound changed, and what was changed in words."""
    count = sum(1 for _ in ast.walk(_body(text)))
    for number in range(count):
        tree = copy.deepcopy(_body(text))
        for what in _shift(list(ast.walk(tree))[number]):
            yield _checked(ast.unparse(tree)), what


def _shift(node: ast.AST) -> Iterator[str]:
    """Changes the node in place, once for each change; the caller reads the tree in between."""
    if isinstance(node, ast.Compare):
        own = list(node.ops)
        for position, operator in enumerate(own):
            node.ops[position] = _SHIFTED[type(operator)]
            yield f"{_said(operator)} became {_said(node.ops[position])}"
            node.ops[position] = operator
    elif isinstance(node, ast.Constant) and isinstance(node.value, (int, float)) and not isinstance(node.value, bool):
        old = node.value
        for new in (old + 1, old - 1):
            node.value = new
            yield f"{old} became {new}"
        node.value = old


def dropped(text: str) -> Iterator[tuple[str, str]]:
    """The expression with one side of an `and` or `or` left out, and which."""
    count = sum(1 for _ in ast.walk(_body(text)))
    for number in range(count):
        node = list(ast.walk(_body(text)))[number]
        if not isinstance(node, ast.BoolOp):
            continue
        for position, side in enumerate(node.values):
            tree = copy.deepcopy(_body(text))
            other = list(ast.walk(tree))[number]
            assert isinstance(other, ast.BoolOp)
            del other.values[position]
            yield _checked(ast.unparse(tree)), ast.unparse(side)


def _body(text: str) -> ast.expr:
    return ast.parse(text.strip(), mode="eval").body


def _checked(text: str) -> str:
    """An expression that agents may hold; raises ExpressionProblem."""
    compile_expression(text)
    return text


def _said(operator: ast.cmpop) -> str:
    return ast.unparse(ast.Compare(ast.Name("a"), [operator], [ast.Name("b")]))[2:-2]
