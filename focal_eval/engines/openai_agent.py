"""What a model is told of an agent file: its rules, scenarios and fixed texts as a system prompt, its tools as declarations."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from focal_eval.agent.model import Agent, Arg, Rule, Scenario, Step, Tool
from focal_eval.errors import UsageError
from focal_eval.records import Json

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]")
_LONGEST_NAME = 64
_TYPES = {"number": "number", "amount": "number"}


@dataclass(frozen=True, slots=True)
class Declared:
    """A tool as the model is told of it; `name` is what scripts call it."""

    name: str
    description: str | None = None
    parameters: Mapping[str, Json] = field(default_factory=lambda: {"type": "object", "properties": {}})


class Toolbox:
    """The declared tools by the names the endpoint allows: letters, digits, `_` and `-`, at most 64."""

    def __init__(self, tools: Iterator[Declared]) -> None:
        self.by_wire_name: dict[str, Declared] = {}
        for tool in tools:
            wire = wire_name(tool.name)
            if wire in self.by_wire_name:
                other = self.by_wire_name[wire].name
                raise UsageError(f"the tools '{other}' and '{tool.name}' are both '{wire}' to the model; rename one")
            self.by_wire_name[wire] = tool

    def called(self, wire: str) -> str:
        """What scripts call the tool the model named; an unknown name stays as it is."""
        known = self.by_wire_name.get(wire)
        return wire if known is None else known.name

    def as_json(self) -> list[Json]:
        """The key `tools` of a request."""
        return [
            {
                "type": "function",
                "function": {
                    "name": wire,
                    **({} if tool.description is None else {"description": tool.description}),
                    "parameters": dict(tool.parameters),
                },
            }
            for wire, tool in self.by_wire_name.items()
        ]


def wire_name(name: str) -> str:
    """A tool's name as the endpoint allows it."""
    return _NOT_IN_NAMES.sub("_", name)[:_LONGEST_NAME]


def agent_tools(agent: Agent) -> Iterator[Declared]:
    """The tools of an agent; what a slot is decides what an argument may be."""
    for tool in agent.tools:
        yield Declared(str(tool.id), tool.description, _parameters(agent, tool))


def _parameters(agent: Agent, tool: Tool) -> dict[str, Json]:
    properties = {str(name): _property(agent, arg) for name, arg in tool.args}
    required = [str(name) for name, arg in tool.args if not arg.optional]
    return {"type": "object", "properties": properties, **({"required": required} if required else {})}


def _property(agent: Agent, arg: Arg) -> dict[str, Json]:
    if arg.value is not None:
        return {"enum": [arg.value]}
    slot = next((slot for slot in agent.slots if slot.id == arg.variable), None)
    if slot is None:
        return {}
    if slot.values:
        return {"type": "string", "enum": [str(value) for value, _ in slot.values]}
    return {"type": _TYPES.get(slot.kind or "text", "string")}


def agent_prompt(agent: Agent) -> str:
    """The agent as instructions to a model; the same file gives the same text."""
    texts = {str(one.id): str(one.text.pick("", str(agent.languages.default))) for one in agent.templates}
    lines = [f"You are {agent.title or agent.id}."]
    if agent.description:
        lines.append(agent.description)
    lines.append("Answer in the user's language. Do not invent facts: what you need to know, ask the user or a tool.")
    if rules := [line for rule in agent.rules if rule.enabled for line in _rule(rule, agent, texts)]:
        lines += [
            "",
            "# Rules",
            "Follow every rule whose condition holds. Of rules that contradict, the one with the higher priority counts.",
        ]
        lines += rules
    for scenario in agent.scenarios:
        lines += ["", *_scenario(scenario, texts)]
    fallback = agent.fallback or next((one.id for one in agent.templates if one.mode == "FALLBACK"), None)
    if fallback is not None and str(fallback) in texts:
        lines += ["", f"Where nothing of this fits, say: {texts[str(fallback)]}"]
    return "\n".join(lines)


def _rule(rule: Rule, agent: Agent, texts: Mapping[str, str]) -> Iterator[str]:
    when, then = (None if text is None else " ".join(text.split()) for text in (rule.when, rule.then))
    exact = _exact(rule, agent, texts)
    if not (when or then or exact):
        return
    head = f"- {rule.id}"
    if rule.priority:
        head += f" (priority {rule.priority})"
    if places := [f"{place}" for place in (*rule.scope.scenario, *rule.scope.step)]:
        head += f" (only in {', '.join(places)})"
    said = [part for part in (f"when {when}" if when else "", then or "") if part]
    if rule.tools:
        said.append("use " + ", ".join(map(str, rule.tools)))
    if exact:
        said.append(exact)
    yield f"{head}: " + ("always: " if rule.hard else "") + "; ".join(said)


def _exact(rule: Rule, agent: Agent, texts: Mapping[str, str]) -> str | None:
    template = next((one for one in agent.templates if one.id == rule.template), None)
    if template is None:
        return None
    words = "say exactly" if template.mode == "EXCLUSIVE" else "say, in your own words"
    return f"{words}: {texts[str(template.id)]}"


def _scenario(scenario: Scenario, texts: Mapping[str, str]) -> Iterator[str]:
    yield f"# Scenario {scenario.id}" + (f": {scenario.title}" if scenario.title else "")
    for step in scenario.steps:
        yield f"- {step.id}" + (f" ({step.title})" if step.title else "") + ": " + (_step(step, texts) or "go on")


def _step(step: Step, texts: Mapping[str, str]) -> str:
    said = []
    if step.collect.slots:
        said.append("ask for " + ", ".join(map(str, step.collect.slots)))
    if step.tools:
        said.append("use " + ", ".join(map(str, step.tools)))
    if step.template is not None and str(step.template) in texts:
        said.append(f"say: {texts[str(step.template)]}")
    if targets := list(dict.fromkeys(str(go.to) for go in step.go)):
        said.append("then " + " or ".join(targets))
    if step.terminal:
        said.append("the scenario ends here")
    return "; ".join(said)


def known_facts(variables: Mapping[str, Any]) -> str:
    """What is known of a conversation when it begins, as a line of the prompt."""
    shown = {name: value for name, value in sorted(variables.items()) if value is not None}
    return "" if not shown else "Known of this user: " + orjson.dumps(shown, default=str).decode()
