"""Tool calls of a turn: in order of dependency, once for the same arguments, with what each lacks said."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable
from typing import Any

from focal_eval.agent.builtin import ToolOutcome, builtin_answer
from focal_eval.agent.candidates import apply_sets
from focal_eval.agent.expression import compile_expression
from focal_eval.agent.filling import filled
from focal_eval.agent.model import Arg, Tool
from focal_eval.agent.slots import chosen_group
from focal_eval.agent.turn import Called, Request, ToolRequest, Work
from focal_eval.pattern import PatternTimeout, compile_pattern
from focal_eval.template import TemplateProblem

_ABSENT: Any = object()


def run_tools(work: Work, names: Iterable[str]) -> Generator[Request, Any, None]:
    """Calls tools and, before each, those it depends on."""
    for name in _in_order(work, names):
        yield from _run(work, work.agent.tools[name])


def _in_order(work: Work, names: Iterable[str]) -> list[str]:
    """Tools, each after those whose results it needs and that have none yet."""
    out: list[str] = []
    for name in names:
        _put_in_order(work, str(name), out)
    return out


def _put_in_order(work: Work, name: str, out: list[str]) -> None:
    """Appends a tool and what it needs. Within another a function that calls itself would be a garbage cycle, one a call."""
    if name in out:
        return
    for other in work.agent.tools[name].depends_on:
        if work.state.results.get(str(other)) is None:
            _put_in_order(work, str(other), out)
    if name not in out:
        out.append(name)


def _run(work: Work, tool: Tool) -> Generator[Request, Any, None]:
    name, state = str(tool.id), work.state
    broken = [str(other) for other in tool.depends_on if state.results.get(other) is None]
    if broken:
        _skip(work, name, f"needs {broken[0]}, which has no result")
        return
    if tool.if_ is not None and not compile_expression(str(tool.if_)).holds(work.names()):
        return
    arguments, lacking = _arguments(work, tool)
    if lacking:
        _skip(work, name, f"lacks {', '.join(lacking)}")
        return
    key = f"{name} {json.dumps(arguments, sort_keys=True, default=str)}"
    if key in work.done_calls:
        return
    work.done_calls.add(key)
    if tool.reuse and key in state.calls:
        _succeed(work, tool, state.calls[key])
        return
    outcome = yield ToolRequest(name, arguments)
    if outcome is None:
        outcome = builtin_answer(tool, arguments, work.agent.rows.get(name, {}))
    _record(work, tool, key, arguments, outcome)


def _record(work: Work, tool: Tool, key: str, arguments: dict[str, Any], outcome: ToolOutcome) -> None:
    name = str(tool.id)
    duration = tool.delay_ms if outcome.delay_ms is None else outcome.delay_ms
    work.calls.append(Called(name, arguments, outcome.result, outcome.error, float(duration)))
    if outcome.error is not None:
        work.failed.add(name)
        work.called.discard(name)
        work.state.errors[name] = outcome.error
        work.state.results[name] = None
        return
    if tool.reuse:
        work.state.calls[key] = outcome.result
    _succeed(work, tool, outcome.result)


def _succeed(work: Work, tool: Tool, result: Any) -> None:
    name = str(tool.id)
    work.called.add(name)
    work.failed.discard(name)
    work.state.results[name] = result
    work.state.errors[name] = None
    apply_sets(work, tool.sets, f"tool {name}")


def _skip(work: Work, tool: str, why: str) -> None:
    entry = {"tool": tool, "why": why}
    if entry not in work.skipped:
        work.skipped.append(entry)


def _arguments(work: Work, tool: Tool) -> tuple[dict[str, Any], list[str]]:
    made: dict[str, Any] = {}
    lacking: list[str] = []
    for name, arg in tool.args:
        value = _value(work, str(name), arg)
        if value is not _ABSENT:
            made[str(name)] = value
        elif not arg.optional:
            lacking.append(str(name))
    return made, lacking


def _value(work: Work, name: str, arg: Arg) -> Any:
    if arg.variable is not None:
        value = work.names().get(str(arg.variable))
    elif arg.from_:
        value = _from_message(work, name, arg)
    elif arg.result is not None:
        value = compile_expression(f"result.{arg.result}").value_or_none(work.names())
    elif arg.expression is not None:
        value = compile_expression(str(arg.expression)).value_or_none(work.names())
    else:
        try:
            return filled(arg.value, work.names())
        except TemplateProblem:
            return _ABSENT
    return _ABSENT if value is None else value


def _from_message(work: Work, name: str, arg: Arg) -> str | None:
    for text in arg.from_:
        pattern = compile_pattern(str(text), ignore_case=True)
        try:
            match = pattern.search(work.text)
        except PatternTimeout as problem:
            work.note(str(problem))
            continue
        if match is not None:
            return chosen_group(match, pattern, name)
    return None
