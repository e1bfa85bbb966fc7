from __future__ import annotations

import math
from typing import Any

import pytest

from focal_eval.agent.expression import ExpressionProblem, Undecided, compile_expression

NAMES: dict[str, Any] = {
    "n": 3,
    "tier": "gold",
    "flag": False,
    "items": [1, 2],
    "result": {"order": {"total": 18.5, "items": ["mug"]}, "get-user": {"id": "u1"}, "gone": None},
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("n <= 3 and tier == 'gold'", True),
        ("1 < n < 3", False),
        ("tier in ['gold', 'silver']", True),
        ("'x' not in tier", True),
        ("not flag", True),
        ("n * 2 + 1 == 7", True),
        ("n // 2 == 1 and n % 2 == 1 and -n < 0 and n / 2 == 1.5", True),
        ("result.order.total > 18", True),
        ("result['get-user'].id == 'u1'", True),
        ("result.order.items[0] == 'mug'", True),
        ("result.order.items[5]", False),
        ("result.gone.total < 5", False),
        ("not result.gone", True),
        ("result.nothing.at.all", False),
        ("missing", False),
        ("missing == null", True),
        ("true and not false", True),
        ("len(items) == 2 and max(items) == 2 and min(1, 2) == 1", True),
        ("lower('ABC') == 'abc' and upper(tier) == 'GOLD'", True),
        ("round(2.456, 1) == 2.5 and abs(-2) == 2", True),
        ("int('7') == 7 and float('1.5') == 1.5 and str(7) == '7'", True),
        ("'yes' if flag else 'no'", True),
        ("max(missing) <= 50", False),
        ("1 / 0", False),
        ("'a' * 1000000000", False),
        ("items * 1000000000", False),
        ("'%s' % 1", False),
        ("9999999999999999 * 9999999999999999", False),
        ("1e300 + 1e308 * 10", False),
        ("len(5) > 1", False),
        ("str(items) == ''", False),
        ("items.append", False),
        ("tier.upper", False),
    ],
)
def test_an_expression_holds_over_plain_data(text: str, expected: bool) -> None:
    """Operators, keys and the few functions work; what cannot be computed is not true."""
    assert compile_expression(text).holds(NAMES) is expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("2 ** 99", "Pow is not allowed"),
        ("1 << 99", "LShift is not allowed"),
        ("[x for x in items]", "ListComp is not allowed"),
        ("(x := 3)", "NamedExpr is not allowed"),
        ("lambda: 1", "Lambda is not allowed"),
        ("f'{n}'", "JoinedStr is not allowed"),
        ("{'a': 1}", "Dict is not allowed"),
        ("n.__class__", "must not start with an underscore"),
        ("_n", "must not start with an underscore"),
        ("open('x')", "only these functions may be called"),
        ("tier.upper()", "only these functions may be called"),
        ("round(n, digits=1)", "only these functions may be called"),
        ("b'x'", "only texts, numbers"),
        ("items[1:2]", "Slice is not allowed"),
        ("n ==", "not an expression"),
        ("n = 3", "not an expression"),
        ("", "not an expression"),
        ("(" * 300 + ")" * 300, "not an expression"),
        ("n + " * 400 + "n", "longer than 1000 characters"),
    ],
)
def test_what_is_no_expression_is_refused(text: str, message: str) -> None:
    """Anything that could run long, reach attributes or call more than a few functions is refused when it is read."""
    with pytest.raises(ExpressionProblem, match=message):
        compile_expression(text)


def test_an_expression_knows_the_names_it_reads() -> None:
    """Dotted names are told as far as they are written out."""
    text = "result.a.b <= limit and x['y-z'].id == items[n] and len(result) > 0 and true"
    assert compile_expression(text).names == (
        ("items",),
        ("limit",),
        ("n",),
        ("result",),
        ("result", "a", "b"),
        ("x", "y-z", "id"),
    )


def test_a_value_that_cannot_be_computed_is_undecided() -> None:
    """`value` tells undecided from false."""
    with pytest.raises(Undecided, match="not supported between"):
        compile_expression("missing <= 3").value(NAMES)


@pytest.mark.parametrize("value", [len, math, {"inner": print}])
def test_what_is_no_plain_data_has_no_value(value: object) -> None:
    """A function or a module among the values is never handed on, wherever it stands."""
    expression = compile_expression("x.inner" if isinstance(value, dict) else "x")
    with pytest.raises(Undecided, match="no plain data"):
        expression.value({"x": value})


@pytest.mark.parametrize("text", ["-" * 990 + "n", "not " * 240 + "n", "n" + "+n" * 498, "result" + ".a" * 490])
def test_an_expression_may_be_as_deep_as_it_is_long(text: str) -> None:
    """However deep its parts stand in each other, it is read, tells its names, and comes to a value or to none."""
    expression = compile_expression(text)
    assert [name[0] for name in expression.names] == [text[-1] if text[-1] == "n" else "result"]
    assert expression.value_or_none(NAMES) in (-3, 3, 499 * 3, True, None)


def test_what_a_sum_puts_together_is_bounded() -> None:
    """A text that doubles again and again is refused before it is made."""
    text = "+".join(["x"] * 400)
    assert compile_expression(text).value({"x": "a" * 250}) == "a" * 100_000
    with pytest.raises(Undecided, match="no more than 100,000 characters"):
        compile_expression(text).value({"x": "a" * 251})
