"""A part of an agent in a few lines of Markdown: a rule's condition and action, a tool's arguments, a template's text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from focal_eval.agent.model import Agent, Rule, Scenario, Slot, Step, TemplateDef, Tool
from focal_eval.agent.parts import Part, parts

_MOST = 600


Held = dict[tuple[str, str], Part]


def held(agent: Agent) -> Held:
    """The parts of an agent by kind and name, as mentions have them: a slot is the variable of its name."""
    found: Held = {}
    for one in parts(agent):
        found.setdefault(("variable" if one.kind == "slot" else one.kind, one.name), one)
    return found


def told_of(parts_of: Held, kind: str, name: str) -> str | None:
    """The part of that kind and name; None where the agent has none."""
    plain = name.partition(".")[0] if kind == "argument" else name
    one = parts_of.get(("tool" if kind == "argument" else kind, plain))
    if one is None:
        return None
    lines = list(_TELL.get(one.kind, _plain)(one.value))
    if kind == "argument":
        lines = [f"- argument of the tool `{plain}`", *lines]
    return "\n".join([f"**{kind}** `{name}`", "", *lines]).rstrip()


def _cut(text: object) -> str:
    said = " ".join(str(text).split())
    said = said if len(said) <= _MOST else said[: _MOST - 1] + "…"
    return said.replace("\\", "\\\\").replace("<", "\\<").replace("*", "\\*").replace("_", "\\_").replace("`", "\\`")


def _item(label: str, said: object) -> Iterator[str]:
    if said not in (None, "", ()):
        yield f"- {label}: {_cut(said)}"


def _listed(names: Iterable[object]) -> str:
    return ", ".join(map(str, names))


def _rule(rule: Rule) -> Iterator[str]:
    yield from _item("when", rule.when)
    yield from _item("match", None if rule.match is None else _trigger(rule.match))
    yield from _item("then", rule.then)
    places = [*rule.scope.scenario, *rule.scope.step]
    yield from _item("scope", _listed(places) or "global")
    yield f"- priority: {rule.priority}"
    yield from _item("cooldown", f"{rule.cooldown_turns} turns" if rule.cooldown_turns else None)
    yield from _item("fires at most", rule.max_fires or None)
    yield from _item("template", rule.template)
    yield from _item("tools", _listed(rule.tools))
    yield from _item("excludes", _listed(rule.excludes))
    yield from _item("enforces", _listed((*rule.enforce, *rule.forbid)))
    if rule.hard:
        yield "- a hard constraint"
    if not rule.enabled:
        yield "- disabled"


def _trigger(trigger: Any) -> str:
    """A trigger's keys with what they hold."""
    names = ("trigger", "any_words", "all_words", "phrase", "pattern", "filled", "corrected", "language", "called", "if_")
    said = [f"{name.rstrip('_')} {_words(getattr(trigger, name))}" for name in names if getattr(trigger, name)]
    said += [f"{name.rstrip('_')} (…)" for name in ("not_", "any_", "all_") if getattr(trigger, name)]
    return "; ".join(said)


def _words(held: Any) -> str:
    return _listed(held) if isinstance(held, tuple) else str(held)


def _tool(tool: Tool) -> Iterator[str]:
    yield from _item("does", tool.description)
    yield from _item("arguments", _listed(name for name, _ in tool.args))
    yield from _item("after", _listed(tool.depends_on))


def _template(template: TemplateDef) -> Iterator[str]:
    yield f"- mode: {template.mode}"
    for language, text in template.text.texts:
        yield from _item(str(language) or "text", text)


def _step(step: Step) -> Iterator[str]:
    yield from _item("title", step.title)
    yield from _item("collects", _listed(step.collect.slots))
    yield from _item("tools", _listed(step.tools))
    yield from _item("template", step.template)
    yield from _item("goes to", _listed(go.to for go in step.go))
    if step.terminal:
        yield "- ends the scenario"


def _scenario(flow: Scenario) -> Iterator[str]:
    yield from _item("title", flow.title)
    yield from _item("enters by", _listed(flow.enter.rules) or (flow.enter.match and _trigger(flow.enter.match)))
    yield from _item("steps", _listed(step.id for step in flow.steps))


def _slot(slot: Slot) -> Iterator[str]:
    yield f"- slot, {slot.kind or ('choice' if slot.values else 'text')}"
    yield from _item("values", _listed(name for name, _ in slot.values))
    yield from _item("asked by", slot.ask)


def _plain(held: object) -> Iterator[str]:
    yield from _item("at first", "null" if held is None else held)


_TELL: dict[str, Callable[[Any], Iterator[str]]] = {
    "rule": _rule,
    "tool": _tool,
    "template": _template,
    "step": _step,
    "scenario": _scenario,
    "slot": _slot,
    "trigger": lambda trigger: _item("holds when", _trigger(trigger)),
}
