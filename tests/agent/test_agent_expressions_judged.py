"""Expressions come to what a library for them says, which walks the tree itself."""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simpleeval import DEFAULT_OPERATORS, EvalWithCompoundTypes

from focal_eval.agent.computing import FUNCTIONS, WORDS
from focal_eval.agent.expression import compile_expression

NAMES: dict[str, Any] = {
    "n": 3,
    "price": 18.5,
    "tier": "gold",
    "flag": False,
    "items": [1, 2, "three"],
    "result": {"order": {"total": 40, "lines": [{"id": "mug"}, {"id": None}]}, "gone": None, "get-user": {"id": "u1"}},
}
LITERALS = st.sampled_from(["0", "1", "-2", "2.5", "''", "'gold'", "'7'", "true", "false", "null", "None", "True"])
_PATHS = (
    "missing; result.order.total; result.order.lines[0].id; result.order.lines[n]; result.gone.total; result['get-user'].id; "
    "result.order.lines[-1]; items[1]; items[true]; items['x']; tier.upper"
)
PATHS = st.sampled_from([*_PATHS.split("; "), *NAMES])
_BINARY = "+; -; *; /; //; %; ==; !=; <; <=; >; >=; in; is; and; or; not in; is not"
BINARY = st.sampled_from(_BINARY.split("; "))
CALLS = st.sampled_from(sorted(FUNCTIONS))


def _larger(part: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds("({} {} {})".format, part, BINARY, part),
        st.builds("({} {} {} {} {})".format, part, BINARY, part, BINARY, part),
        st.builds("(not {})".format, part),
        st.builds("(-{})".format, part),
        st.builds("(+{})".format, part),
        st.builds("({} if {} else {})".format, part, part, part),
        st.builds("{}({})".format, CALLS, part),
        st.builds("{}({}, {})".format, CALLS, part, part),
        st.builds("[{}, {}]".format, part, part),
        st.builds("({}, {})".format, part, part),
        st.builds("({})[{}]".format, part, part),
        st.builds("({}).id".format, part),
    )


def _product(left: Any, right: Any) -> Any:
    assert all(isinstance(side, (int, float)) and abs(side) < 1e15 for side in (left, right))
    return left * right


def _remainder(left: Any, right: Any) -> Any:
    assert all(isinstance(side, (int, float)) for side in (left, right))
    return left % right


class Judge(EvalWithCompoundTypes):  # type: ignore[misc]  # simpleeval is untyped
    """The library's own walk, with keys of mappings in place of attributes."""

    def __init__(self, names: Mapping[str, Any]) -> None:
        operators = {**DEFAULT_OPERATORS, ast.Mult: _product, ast.Mod: _remainder}
        super().__init__(operators=operators, functions=dict(FUNCTIONS), names=names)

    def _eval_attribute(self, node: ast.Attribute) -> Any:
        return self._under(self._eval(node.value), node.attr)

    def _eval_subscript(self, node: ast.Subscript) -> Any:
        return self._under(self._eval(node.value), self._eval(node.slice))

    def _eval_name(self, node: ast.Name) -> Any:
        return self.names.get(node.id, WORDS.get(node.id))

    @staticmethod
    def _under(holder: Any, name: Any) -> Any:
        if isinstance(holder, dict):
            return holder.get(name)
        if isinstance(holder, (list, tuple)) and isinstance(name, int):
            return holder[name] if -len(holder) <= name < len(holder) else None
        return None


@settings(max_examples=300, deadline=None)
@given(st.recursive(st.one_of(LITERALS, PATHS), _larger, max_leaves=10))
@pytest.mark.filterwarnings("ignore::SyntaxWarning")
def test_an_expression_comes_to_what_another_evaluator_says(text: str) -> None:
    """Whatever is put together, the value is the same, and undecided where the other one fails."""
    try:
        expected = Judge(NAMES).eval(text)
        decided = not (isinstance(expected, float) and not math.isfinite(expected))
    except Exception:
        expected, decided = None, False
    expression = compile_expression(text)
    assert expression.holds(NAMES) is (decided and bool(expected)), text
    if not decided:
        assert expression.value_or_none(NAMES) is None, text
        return
    value = expression.value(NAMES)
    assert (type(value), repr(value)) == (type(expected), repr(expected)), text
