"""Changes of what a part lists or switches: tools, arguments, templates, values of slots, languages, variables, settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from focal_eval.agent import Agent
from focal_eval.agent.model import Languages, Settings, Slot, Tool
from focal_eval.agent.parts import Part
from focal_eval.agent.spellings import TextByLanguage
from focal_eval.experiment.agent_mutants_form import GONE, Altered, apart, line, place, put, put_field

TEMPLATES: Mapping[str, tuple[str, ...]] = {
    "rule": ("template",),
    "step": ("template", "otherwise"),
    "scenario": ("exit_template",),
    "slot": ("ask", "reask", "invalid"),
}
SWITCHES: Mapping[str, tuple[str, ...]] = {
    "rule": ("hard",),
    "step": ("terminal",),
    "transition": ("early", "at_once"),
    "scenario": ("resume",),
    "slot": ("correctable",),
    "tool": ("reuse",),
    "template": ("then_step",),
}
"""Yes and no, by kind of part."""


def unhook_tool(part: Part, _: Agent) -> Iterator[Altered]:
    """The rule or step does not call one of its tools."""
    held = part.value
    for number, tool in enumerate(held.tools):
        yield Altered(
            replace(held, tools=apart(held.tools, number)), tool.span, line("tools", (tool,)), "", f"it does not call '{tool}'"
        )


def drop_template(part: Part, _: Agent) -> Iterator[Altered]:
    """The part says nothing where it had a text."""
    for key in TEMPLATES[part.kind]:
        name = getattr(part.value, key)
        if name is not None:
            yield Altered(replace(part.value, **{key: None}), name.span, line(key, name), "", f"it does not say '{name}'")


def drop_outcome(part: Part, _: Agent) -> Iterator[Altered]:
    """The turn does not end with the outcome it had."""
    outcome = part.value.outcome
    if outcome is not None:
        yield Altered(
            replace(part.value, outcome=None), outcome.span, line("outcome", outcome), "", f"its outcome is not '{outcome}'"
        )


def flip(part: Part, _: Agent) -> Iterator[Altered]:
    """A switch is on where it was off, or off where it was on; `hard` counts for constraints alone."""
    held = part.value
    for key in SWITCHES[part.kind]:
        if key == "hard" and not (held.enforce or held.forbid):
            continue
        old = getattr(held, key)
        yield Altered(
            replace(held, **{key: not old}), part.span, line(key, old), line(key, not old), f"'{key}' is {str(not old).lower()}"
        )


def drop_argument(part: Part, _: Agent) -> Iterator[Altered]:
    """The tool is called without one of its arguments; one that may be missing must not, and the other way round."""
    tool: Tool = part.value
    for number, (name, arg) in enumerate(tool.args):
        yield Altered(
            replace(tool, args=apart(tool.args, number)), name.span, line(str(name), arg), "", f"'{name}' is not passed"
        )
        other = replace(arg, optional=not arg.optional)
        held = replace(tool, args=put(tool.args, number, (name, other)))
        text = f"it is called without '{name}' as well" if other.optional else f"it is not called without '{name}'"
        yield Altered(held, name.span, line(str(name), arg), line(str(name), other), text)


def drop_dependency(part: Part, _: Agent) -> Iterator[Altered]:
    """The tool does not wait for another one."""
    tool: Tool = part.value
    for number, name in enumerate(tool.depends_on):
        held = replace(tool, depends_on=apart(tool.depends_on, number))
        yield Altered(held, name.span, line("depends_on", (name,)), "", f"it does not wait for '{name}'")


def narrow_slot(part: Part, _: Agent) -> Iterator[Altered]:
    """A pattern, a value, a word for a value or a format of a slot is not known any more."""
    slot: Slot = part.value
    for key, noun in (("pattern", "pattern"), ("formats", "format"), ("normalise", "step")):
        items = getattr(slot, key)
        for number, item in enumerate(items):
            held = put_field(slot, key, apart(items, number))
            yield Altered(held, place(item, part), line(key, (item,)), "", f"the {noun} '{item}' is lost")
    for number, (name, said) in enumerate(slot.values):
        held = replace(slot, values=apart(slot.values, number))
        yield Altered(held, name.span, line(str(name), said), "", f"the value '{name}' is not known any more")
        for position, word in enumerate(said):
            less = put(slot.values, number, (name, apart(said, position)))
            text = f"'{word}' does not mean '{name}' any more"
            yield Altered(replace(slot, values=less), word.span, line(str(name), (word,)), "", text)


def loosen_slot(part: Part, _: Agent) -> Iterator[Altered]:
    """A bound is one off or not kept; a slot is read where it was not."""
    slot: Slot = part.value
    for key in ("min", "max"):
        bound = getattr(slot, key)
        if bound is None:
            continue
        yield Altered(put_field(slot, key, None), part.span, line(key, bound), "", f"'{key}' is not kept")
        for other in (bound + 1, bound - 1):
            after = line(key, other)
            yield Altered(
                replace(slot, **{key: other}), part.span, line(key, bound), after, f"'{key}' is {other:g}, not {bound:g}"
            )
    for listen in ("step", "scenario", "always"):
        if listen != slot.listen:
            held = replace(slot, listen=listen)
            before, after = line("listen", slot.listen), line("listen", listen)
            yield Altered(held, part.span, before, after, f"it is read '{listen}', not '{slot.listen}'")


def drop_language(part: Part, _: Agent) -> Iterator[Altered]:
    """A template has no text in one language; a language is not noticed, or metadata do not name it."""
    if part.kind == "template":
        texts = part.value.text.texts
        for number, (code, text) in enumerate(texts) if len(texts) > 1 else ():
            held = replace(part.value, text=TextByLanguage(apart(texts, number)))
            yield Altered(held, code.span, line(str(code), text), "", f"it has no text in '{code}'")
        return
    if part.name != "languages":
        return
    languages: Languages = part.value
    for number, (code, trigger) in enumerate(languages.detect):
        held = replace(languages, detect=apart(languages.detect, number))
        yield Altered(held, code.span, line(str(code), trigger), "", f"'{code}' is not noticed")
        for position, word in enumerate(trigger.any_words) if len(trigger.any_words) > 1 else ():
            less = replace(trigger, any_words=apart(trigger.any_words, position))
            held = replace(languages, detect=put(languages.detect, number, (code, less)))
            yield Altered(held, word.span, line("any_words", (word,)), "", f"'{word}' does not tell '{code}'")
    if languages.metadata is not None:
        held = replace(languages, metadata=None)
        yield Altered(
            held, languages.metadata.span, line("metadata", languages.metadata), "", "metadata do not name the language"
        )


def change_variable(part: Part, _: Agent) -> Iterator[Altered]:
    """A variable begins with another value."""
    old = part.value
    new: Any = None
    if isinstance(old, bool):
        new = not old
    elif isinstance(old, (int, float)):
        new = old + 1
    elif old is None:
        return  # there is no other value that every variable may have
    yield Altered(new, part.span, line(part.name, old), line(part.name, new), f"'{part.name}' begins as {str(new).lower()}")


def change_setting(part: Part, agent: Agent) -> Iterator[Altered]:
    """A figure or switch for the whole agent is another; one that nothing uses is left alone."""
    if part.name in ("greeting", "fallback"):
        yield Altered(GONE, part.span, line(part.name, part.value), "", f"the agent has no {part.name}")
    if part.name != "settings":
        return
    settings: Settings = part.value
    changes: list[tuple[str, Any]] = [("max_rules", 1)] if settings.max_rules > 1 else []
    changes.append(("queue", not settings.queue))
    if any(rule.match is None and rule.when is not None and not (rule.enforce or rule.forbid) for rule in agent.rules):
        changes += [
            ("threshold", round(min(1.0, settings.threshold + 0.2), 2)),
            ("threshold", round(settings.threshold / 2, 3)),
        ]
    for key, new in changes:
        old = getattr(settings, key)
        held = replace(settings, **{key: new})
        yield Altered(
            held,
            place(settings, part),
            line(key, old),
            line(key, new),
            f"'{key}' is {str(new).lower()}, not {str(old).lower()}",
        )
