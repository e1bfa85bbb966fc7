"""Every place where a file names something of an agent: rules, tools and their arguments, scenarios, steps, templates, ..."""

from __future__ import annotations

from collections.abc import Iterator

from focal_eval.agent.compiled import target
from focal_eval.agent.expression import ExpressionProblem, compile_expression
from focal_eval.agent.filling import texts_of
from focal_eval.agent.model import Agent, Scenario
from focal_eval.agent.parts import parts
from focal_eval.agent.placed import NOWHERE, Placed
from focal_eval.agent.references import uses
from focal_eval.agent.walk import expressions, values
from focal_eval.document.reader import MappingNode, Node, ScalarNode
from focal_eval.script.model import Script
from focal_eval.script.names import edges_of, expectations_of
from focal_eval.script.places import place
from focal_eval.script.previews import previews
from focal_eval.source import Span
from focal_eval.template import TemplateProblem, compile_template, has_template
from focal_eval.value import value

KINDS = ("rule", "scenario", "step", "tool", "argument", "template", "variable", "trigger")
"""What is looked for. A step is `scenario/step`, an argument `tool.argument`; a slot is the variable of its name."""


@value
class Mention:
    """A name of an agent at a place; `code` where the place is an expression or a template that reads it."""

    kind: str
    name: str
    span: Span
    defines: bool = False
    absent: bool = False  # expected not to be seen, or asked for without expecting it
    code: bool = False

    @property
    def key(self) -> tuple[str, str]:
        return self.kind, self.name

    @property
    def word(self) -> str:
        """The part of the name that stands at the place."""
        return word_of(self.kind, self.name)


def word_of(kind: str, name: str) -> str:
    """What is written for a name: `confirm` for the step `returns/confirm`."""
    return name.rpartition("/")[2] if kind == "step" else name.partition(".")[2] if kind == "argument" else name


def in_script(script: Script) -> Iterator[Mention]:
    """What a script names; an expectation with `{{ }}` names what it is filled with."""
    asked = {id(item) for item in edges_of(script)}
    for item in expectations_of(script):
        text = script.texts.get(item.value_span.file, "")
        for made in (item,) if item.check is not None else previews(item, script):
            for ref in made.check.refs():
                if not has_template(ref.name):
                    span = place(made, ref.path, text, word=ref.name.rpartition(".")[2])
                    yield from _named(ref.kind, ref.name, span, absent=ref.absent or id(item) in asked)
    for stub in script.stubs:
        yield Mention("tool", stub.tool, stub.span)
        for answer in stub.answers:
            for name, span in answer.argument_spans.items():
                yield Mention("argument", f"{stub.tool}.{name}", span)
    if script.given.scenario and script.given.scenario_span:
        yield from _named("scenario", script.given.scenario, script.given.scenario_span)


def given_variables(root: Node | None, file: str) -> Iterator[Mention]:
    """The variables a script starts with, by the keys under `given: variables:`."""
    here = root
    for word in ("given", "variables"):
        pairs = here.value if isinstance(here, MappingNode) else []
        here = next((item for key, item in pairs if isinstance(key, ScalarNode) and key.value == word), None)
    for key, _ in here.value if isinstance(here, MappingNode) else []:
        if isinstance(key, ScalarNode):
            start, end = key.start_mark, key.end_mark
            span = Span(file, start.line + 1, start.column + 1, end.line + 1, end.column + 1)
            yield Mention("variable", key.value, span)


def _named(kind: str, name: str, span: Span, *, absent: bool = False) -> Iterator[Mention]:
    if kind == "scenario" and "/" in name:
        flow, _, step = name.partition("/")
        yield Mention("scenario", flow, span, absent=absent)
        if step not in ("", "*"):
            yield Mention("step", name, span, absent=absent)
        return
    if kind == "argument":
        tool, _, word = name.partition(".")
        if not word:
            kind, name = "tool", tool
    yield Mention(kind, name, span, absent=absent)


_DEFINED = {"rule": "rule", "scenario": "scenario", "step": "step", "tool": "tool", "template": "template"} | {
    "slot": "variable",
    "trigger": "trigger",
    "variable": "variable",
}


def in_agent(agent: Agent) -> Iterator[Mention]:
    """What an agent defines, and what its parts name."""
    for one in parts(agent):
        if one.kind in _DEFINED:
            yield Mention(_DEFINED[one.kind], one.name, one.span, defines=True)
    tools = {str(tool.id): {str(name) for name, _ in tool.args} for tool in agent.tools}
    for tool in agent.tools:
        for name, _ in tool.args:
            yield Mention("argument", f"{tool.id}.{name}", name.span, defines=True)
        for name in () if tool.table is None else tool.table.by:
            yield Mention("argument", f"{tool.id}.{name}", name.span)
        for answer in tool.answers:
            yield from (Mention("argument", f"{tool.id}.{name}", name.span) for name, _ in answer.when)
    for kind, name in uses(agent):
        if kind != "language":
            yield Mention({"slot": "variable"}.get(kind, kind), str(name), name.span)
    known = {str(name) for name, _ in agent.variables}
    for holder in agent.setters():
        for name, _ in holder.sets:  # the first that sets a variable without initial value defines it
            yield Mention("variable", str(name), name.span, defines=str(name) not in known)
            known.add(str(name))
    for flow in agent.scenarios:
        yield from _places(flow)
    for rule in agent.rules:
        for name in rule.scope.step:
            yield from _named("scenario", str(name), name.span)
    yield from _code(agent, set(tools))


def _places(flow: Scenario) -> Iterator[Mention]:
    """Steps that a scenario goes to, and other scenarios."""
    inside = [name for name in (flow.start, *(back.to for back in flow.relocalise)) if name is not None]
    for name in inside:
        yield Mention("step", f"{flow.id}/{name}", name.span)
    for step in flow.steps:
        for go in step.go:
            scenario, to = target(str(go.to))
            if scenario is not None:
                yield Mention("scenario", scenario, go.to.span)
            if to is not None and not (to == "end" and scenario is None):
                yield Mention("step", f"{scenario or flow.id}/{to}", go.to.span)


def _code(agent: Agent, tools: set[str]) -> Iterator[Mention]:
    """Variables and tools that expressions and templates read."""
    variables = agent.names().variables
    for text, own in expressions(agent):
        try:
            names = compile_expression(str(text)).names
        except ExpressionProblem:
            continue
        yield from _read(
            text, {name[0] for name in names} - own, {name[1] for name in names if len(name) > 1}, variables, tools
        )
    for tool in agent.tools:
        rows = () if tool.table is None else tool.table.rows
        for said in texts_of((tool.returns, *(answer.returns for answer in tool.answers), rows)):
            for name in sorted(_template_names(said) & {str(name) for name, _ in tool.args}):
                yield Mention("argument", f"{tool.id}.{name}", getattr(said, "span", NOWHERE), code=True)
    for held, only in values(agent):
        for said in texts_of(held):
            if only is None and isinstance(said, Placed) and (used := _template_names(said)):
                yield from _read(said, set(used), tools if used & {"result", "error"} else set(), variables, tools)


def _template_names(text: str) -> frozenset[str]:
    """The names that a text's template reads."""
    try:
        return frozenset(compile_template(str(text)).names) if has_template(text) else frozenset()
    except TemplateProblem:
        return frozenset()


def _read(text: Placed, names: set[str], below: set[str], variables: frozenset[str], tools: set[str]) -> Iterator[Mention]:
    yield from (Mention("variable", name, text.span, code=True) for name in sorted(names & variables))
    if names & {"result", "error"}:
        for tool in sorted(below & tools):
            if f"result.{tool}" in text or f"error.{tool}" in text:
                yield Mention("tool", tool, text.span, code=True)
