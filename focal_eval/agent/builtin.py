"""What a tool answers by itself, where no script says otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from focal_eval.agent.filling import filled
from focal_eval.agent.model import Table, Tool
from focal_eval.template import TemplateProblem
from focal_eval.text import fold
from focal_eval.value import value

NO_ANSWER = "no answer is defined"


@value
class ToolOutcome:
    """What a tool answered."""

    result: Any = None
    error: str | None = None
    delay_ms: float | None = None


def table_rows(table: Table) -> dict[str, Any]:
    """The rows of a table by their folded keys; of two equal keys the first counts."""
    rows: dict[str, Any] = {}
    for key, row in table.rows:
        rows.setdefault(fold(str(key)), row)
    return rows


def builtin_answer(tool: Tool, arguments: Mapping[str, Any], rows: Mapping[str, Any]) -> ToolOutcome:
    """The answer of the tool's `answers`, `table` (by its `rows`), `fails` or `returns`, the first of these it has."""
    if tool.answers:
        for answer in tool.answers:
            if all(name in arguments and same(value, arguments[name]) for name, value in answer.when):
                return _said(answer.returns, answer.fails, arguments)
        return ToolOutcome(error="no answer fits these arguments")
    if tool.table is not None:
        return _looked_up(tool.table, arguments, rows)
    if tool.fails is not None:
        return ToolOutcome(error=str(tool.fails))
    if tool.returns is not None:
        return _said(tool.returns, None, arguments)
    return ToolOutcome(error=NO_ANSWER)


def same(one: Any, other: Any) -> bool:
    """Equal, where texts are compared without case and runs of white space."""
    if isinstance(one, str) and isinstance(other, str):
        return fold(str(one)) == fold(other)
    return bool(one == other)


def _looked_up(table: Table, arguments: Mapping[str, Any], rows: Mapping[str, Any]) -> ToolOutcome:
    key = fold("|".join(str(arguments.get(str(name), "")) for name in table.by))
    return _said(rows[key], None, arguments) if key in rows else ToolOutcome(error=str(table.missing))


def _said(returns: Any, fails: str | None, arguments: Mapping[str, Any]) -> ToolOutcome:
    if fails is not None:
        return ToolOutcome(error=str(fails))
    try:
        return ToolOutcome(result=filled(returns, arguments))
    except TemplateProblem as problem:
        return ToolOutcome(error=f"its result cannot be made: {problem}")
