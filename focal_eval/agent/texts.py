"""Patterns, expressions and templates of an agent file, and the slots and tools made of them, can be used as they stand."""

from __future__ import annotations

import re
from collections.abc import Iterator

from focal_eval.agent.expression import ExpressionProblem, compile_expression
from focal_eval.agent.filling import texts_of
from focal_eval.agent.lexicon import tokens
from focal_eval.agent.model import Agent, Arg, Slot, Tool, Trigger
from focal_eval.agent.placed import Placed
from focal_eval.agent.slots import date_pattern
from focal_eval.agent.walk import PROVIDED, expressions, triggers, values
from focal_eval.errors import Problems
from focal_eval.pattern import compile_pattern
from focal_eval.registry import did_you_mean
from focal_eval.source import Span
from focal_eval.template import TemplateProblem, compile_template, has_template

_TOOL_NAME = re.compile(r"\b(?:result|error)(?:\.([A-Za-z]\w*)|\[['\"]([^'\"]+)['\"]\])")
_FUNCTION = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*\Z")


def check_texts(agent: Agent, problems: Problems) -> None:
    """Reports what cannot be compiled, and names in expressions and templates that nothing gives a value."""
    known = set(agent.names().variables) | PROVIDED
    tools = {str(tool.id) for tool in agent.tools}
    for pattern in _patterns(agent):
        try:
            compile_pattern(str(pattern), ignore_case=True)
        except ValueError as problem:
            problems.error("bad-pattern", str(problem), pattern.span)
    for expression, extra in expressions(agent):
        _expression(expression, known | extra, tools, problems)
    for value, only in values(agent):
        for text in texts_of(value):
            if isinstance(text, Placed) and has_template(text):
                _template(text, known if only is None else set(only), tools if only is None else None, problems)
    for trigger in triggers(agent):
        _trigger(trigger, problems)
    for slot in agent.slots:
        _slot(slot, problems)
    for tool in agent.tools:
        _tool(tool, known, tools, problems)


def _patterns(agent: Agent) -> Iterator[Placed]:
    for trigger in triggers(agent):
        yield from trigger.pattern
    for rule in agent.rules:
        yield from (text for _, text in rule.extract)
        yield from rule.forbid
    yield from (text for slot in agent.slots for text in slot.pattern)
    yield from (text for tool in agent.tools for _, arg in tool.args for text in arg.from_)


def _expression(text: Placed, known: set[str], tools: set[str], problems: Problems) -> None:
    try:
        expression = compile_expression(str(text))
    except ExpressionProblem as problem:
        problems.error("bad-expression", str(problem), text.span)
        return
    for name in expression.names:
        if name[0] not in known:
            _unknown_name(name[0], known, text.span, problems)
        elif name[0] in ("result", "error") and len(name) > 1:
            _known_tool(name[1], tools, text.span, problems)


def _unknown_name(name: str, known: set[str], span: Span, problems: Problems) -> None:
    fix = did_you_mean(name, known, list_up_to=0) or "give it an initial value under 'variables'"
    problems.error("unknown-variable", f"no variable or slot is named '{name}'", span, help=fix)


def _known_tool(name: str, tools: set[str], span: Span, problems: Problems) -> None:
    if name not in tools:
        problems.error("unknown-tool", f"no tool is named '{name}'", span, help=did_you_mean(name, tools))


def _template(text: Placed, known: set[str], tools: set[str] | None, problems: Problems) -> None:
    try:
        template = compile_template(str(text))
    except TemplateProblem as problem:
        problems.error("bad-template", str(problem), text.span)
        return
    for name in sorted(template.names - known):
        if tools is None:
            fix = did_you_mean(name, known)
            problems.error("unknown-argument", f"the tool has no argument '{name}'", text.span, help=fix)
        else:
            _unknown_name(name, known, text.span, problems)
    for match in _TOOL_NAME.finditer(text):
        if tools is not None and template.names & {"result", "error"}:
            _known_tool(match[1] or match[2], tools, text.span, problems)


def _trigger(trigger: Trigger, problems: Problems) -> None:
    parts = (
        trigger.trigger, trigger.any_words, trigger.all_words, trigger.phrase, trigger.pattern, trigger.filled,
        trigger.corrected, trigger.language, trigger.called, trigger.on_tool_error, trigger.if_, trigger.not_,
        trigger.any_, trigger.all_,
    )  # fmt: skip
    if not any(parts):
        problems.error("empty-trigger", "this trigger says nothing, so it would always hold", trigger.span)
    for text in (*trigger.any_words, *trigger.all_words, *trigger.phrase):
        if not tokens(text):
            problems.error("empty-trigger", f"'{text}' holds no word", text.span, help="use 'pattern' for signs")


def _slot(slot: Slot, problems: Problems) -> None:
    kind = slot.kind or ("choice" if slot.values else "text")
    if kind == "choice" and not slot.values:
        problems.error("bad-slot", "a choice needs 'values'", slot.span)
    if kind != "choice" and slot.values:
        problems.error("bad-slot", f"'values' belong to a choice, not to a slot of kind {kind}", slot.span)
    if slot.formats and kind != "date":
        problems.error("bad-slot", f"'formats' belong to a date, not to a slot of kind {kind}", slot.span)
    if slot.pattern and kind == "choice":
        problems.error("bad-slot", "a choice is read by its 'values', not by a pattern", slot.span)
    if kind == "text" and not slot.pattern and slot.listen == "always":
        problems.error("bad-slot", "without a pattern the whole message is the value, so it cannot listen always", slot.span)
    if slot.min is not None and slot.max is not None and slot.min > slot.max:
        problems.error("bad-slot", f"'min' {slot.min:g} is above 'max' {slot.max:g}", slot.span)
    if (slot.min is not None or slot.max is not None) and kind == "date":
        problems.error("bad-slot", "'min' and 'max' do not bound a date", slot.span, help="use 'check'")
    for text in slot.formats:
        try:
            date_pattern(str(text))
        except ValueError as problem:
            problems.error("bad-slot", f"the date format '{text}': {problem}", text.span)
    for value, meanings in slot.values:
        for text in meanings:
            if not tokens(text):
                problems.error("bad-slot", f"'{text}', a word for {value}, holds no word", text.span)


def _tool(tool: Tool, known: set[str], tools: set[str], problems: Problems) -> None:
    arguments = {str(name) for name, _ in tool.args}
    for name, arg in tool.args:
        sources = _sources(arg)
        if len(sources) != 1:
            said = "has no source" if not sources else f"has several sources: {', '.join(sources)}"
            fix = "give one of variable, from, result, expression, value"
            problems.error("bad-argument", f"the argument '{name}' {said}", arg.span, help=fix)
        if arg.result is not None:
            _expression(Placed(f"result.{arg.result}", arg.result.span), known, tools, problems)
    for answer in tool.answers:
        for key, _ in answer.when:
            if str(key) not in arguments:
                nearest = did_you_mean(key, arguments)
                problems.error("unknown-argument", f"the tool has no argument '{key}'", key.span, help=nearest)
    if tool.python is not None and not _FUNCTION.match(tool.python):
        problems.error("bad-value", f"'{tool.python}' is not of the form module:function", tool.python.span)


def _sources(arg: Arg) -> list[str]:
    given = {
        "variable": arg.variable is not None,
        "from": bool(arg.from_),
        "result": arg.result is not None,
        "expression": arg.expression is not None,
        "value": arg.value is not None,
    }
    return [name for name, there in given.items() if there]
