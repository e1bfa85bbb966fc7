"""Which changes of an agent can make no difference, whatever is said: each with its proof in one sentence.

Only what follows from how a turn is played is called equivalent. What merely made no difference so far is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from focal_eval.agent import Playable
from focal_eval.agent.compiled import PlayedGo, PlayedStep
from focal_eval.agent.lexicon import Token, tokens
from focal_eval.agent.model import Agent, Rule, Slot
from focal_eval.agent.walk import triggers
from focal_eval.experiment.edits import Edited

Proof = Callable[[Edited, Playable, Playable], str | None]


def equivalent(changes: tuple[Edited, ...], old: Playable, new: Playable) -> str | None:
    """Why no conversation can tell the two agents apart; None where one might.

    It holds for an agent whose templates are said as they stand, as a lab plays it.
    """
    if not changes:
        return "the two agents are the same"
    reasons = []
    for edited in changes:
        reason = next((why for proof in _PROOFS.get(edited.kind, ()) if (why := proof(edited, old, new)) is not None), None)
        if reason is None:
            return None
        reasons.append(reason)
    return "; ".join(dict.fromkeys(reasons))


def _same_test(edited: Edited, old: Playable, new: Playable) -> str | None:
    """A trigger that comes to the same once it is made ready, such as one in which a word stood twice."""
    if edited.fields != {"match"}:
        return None
    same = old.rules[edited.name].test == new.rules[edited.name].test and old.rules[edited.name].test is not None
    return "the trigger asks for the same without it" if same else None


def _both_ways(edited: Edited, old: Playable, new: Playable) -> str | None:
    """One side of an exclusion that the other side states as well."""
    if edited.fields != {"excludes"}:
        return None
    lost = set(map(str, edited.old.excludes)) ^ set(map(str, edited.new.excludes))
    mutual = all(_excludes(old, name, edited.name) and _excludes(new, name, edited.name) for name in lost)
    return f"{' and '.join(sorted(lost))} excludes it as well, and one side is enough" if mutual else None


def _excludes(agent: Playable, one: str, other: str) -> bool:
    rule = agent.rules.get(one)
    return rule is not None and other in map(str, rule.rule.excludes)


def _never_matches(edited: Edited, old: Playable, new: Playable) -> str | None:
    """A rule that is switched off, and that no other rule implies."""
    sides: list[Rule] = [rule for rule in (edited.old, edited.new) if rule is not None]
    idle = bool(sides) and not any(rule.enabled for rule in sides)
    implied = any(edited.name in map(str, rule.implies) for agent in (old, new) for rule in agent.file.rules)
    seen = any(rule.match is not None for rule in sides)  # told as dropped
    return "the rule is switched off" if idle and not implied and not seen else None


def _edges(edited: Edited, old: Playable, new: Playable) -> str | None:
    """Switches of edges that have nothing to decide."""
    if edited.fields != {"go"} or len(edited.old.go) != len(edited.new.go):
        return None
    flow, _, step = edited.name.partition("/")
    here, there = old.scenarios[flow].steps[step], new.scenarios[flow].steps[step]
    if _tried(here) == _tried(there):
        return "one edge reads the message and the other does not, and those are tried at different times"
    reasons = list(_idle_switches(here, there))
    return None if None in reasons else "; ".join(dict.fromkeys(str(reason) for reason in reasons))


def _tried(step: PlayedStep) -> tuple[list[object], list[object]]:
    """The edges in the order in which the message chooses, and in which they are looked at after the step's tools."""
    told = [(go, (go.go.to, go.test, go.go.early, go.go.at_once, go.go.clear, go.go.sets)) for go in step.go]
    return [edge for go, edge in told if not go.silent], [edge for go, edge in told if go.silent or go.go.at_once]


def _idle_switches(here: PlayedStep, there: PlayedStep) -> Iterator[str | None]:
    """For each edge that differs why that makes no difference, None where it may."""
    for one, other in zip(here.go, there.go, strict=True):
        if one.go == other.go:
            continue
        told = (one.go.to, one.test, one.go.clear, one.go.sets) == (other.go.to, other.test, other.go.clear, other.go.sets)
        if not told or one.go.priority != other.go.priority:
            yield None
            continue
        if one.go.early != other.go.early:
            yield None if here.step.collect.needs else "the step collects nothing that an early edge could be early for"
        if one.go.at_once != other.go.at_once:
            yield "the edge does not look at the message, so it is taken at once anyway" if _silent(one, other) else None


def _silent(*edges: PlayedGo) -> bool:
    return all(edge.silent for edge in edges)


def _beside_steps(edited: Edited, old: Playable, new: Playable) -> str | None:
    """How a template stands beside a step's text is asked of the templates of rules alone."""
    if edited.fields - {"mode", "then_step"} or not edited.fields:
        return None
    if "FALLBACK" in (edited.old.mode, edited.new.mode) or old.fallback != new.fallback:
        return None
    answers = any(str(rule.template) == edited.name for agent in (old, new) for rule in agent.file.rules)
    return None if answers else "no rule says it, and of a step's texts neither mode nor then_step is asked"


def _never_said(edited: Edited, old: Playable, new: Playable) -> str | None:
    if _languages(old.file) != _languages(new.file):
        return None
    said = {name for agent in (old, new) for name in _templates(agent)}
    return None if edited.name in said else "nothing says the template"


def _languages(agent: Agent) -> set[str]:
    return {str(code) for template in agent.templates for code, _ in template.text.texts}


def _templates(agent: Playable) -> Iterator[str]:
    """Every template that something of the agent names."""
    file = agent.file
    names = [agent.fallback, file.greeting, *(one for rule in file.rules for one in (rule.template, rule.fallback))]
    names += [one for slot in file.slots for one in (slot.ask, slot.reask, slot.invalid)]
    names += [one for flow in file.scenarios for one in (flow.exit_template, *_said(flow.steps))]
    return (str(name) for name in names if name is not None)


def _said(steps: tuple[object, ...]) -> Iterator[str | None]:
    for step in steps:
        yield getattr(step, "template", None)
        yield getattr(step, "otherwise", None)


def _never_read(edited: Edited, old: Playable, new: Playable) -> str | None:
    """A slot that no step collects and that does not always listen."""
    sides: list[Slot] = [slot for slot in (edited.old, edited.new) if slot is not None]
    flows = [flow for agent in (old, new) for flow in agent.scenarios.values()]
    idle = all(slot.listen != "always" for slot in sides) and not any(edited.name in flow.slots for flow in flows)
    return "no step collects the slot" if idle else None


def _same_words(edited: Edited, _old: Playable, _new: Playable) -> str | None:
    """A word for a slot's value that says the value's own name, which is heard anyway."""
    if edited.fields != {"values"}:
        return None
    return "the value's own name says the same" if _meanings(edited.old) == _meanings(edited.new) else None


def _meanings(slot: Slot) -> list[tuple[tuple[Token, ...], str]]:
    """What each word means, in the order in which they count."""
    said: dict[tuple[Token, ...], str] = {}
    for name, words in slot.values:
        said |= {tokens(str(word)): str(name) for word in (name, *words)}
    return [(key, name) for key, name in said.items() if key]


def _asks_for_nothing(edited: Edited, _old: Playable, _new: Playable) -> str | None:
    """How a scenario interrupts another one is asked where a rule or a trigger starts it."""
    if edited.fields != {"interrupts"}:
        return None
    started = any(flow.enter.rules or flow.enter.match is not None for flow in (edited.old, edited.new))
    return None if started else "no rule and no trigger starts it, so there is nothing for it to interrupt"


def _never_called(edited: Edited, old: Playable, new: Playable) -> str | None:
    names: set[str] = set()
    for agent in (old.file, new.file):
        names |= {str(tool) for rule in agent.rules for tool in rule.tools}
        names |= {str(tool) for flow in agent.scenarios for step in flow.steps for tool in step.tools}
        names |= {str(other) for tool in agent.tools for other in tool.depends_on}
    return None if edited.name in names else "nothing calls the tool"


def _never_asked(edited: Edited, old: Playable, new: Playable) -> str | None:
    used = {str(name) for agent in (old.file, new.file) for trigger in triggers(agent) for name in trigger.trigger}
    return None if edited.name in used else "no trigger names it"


_PROOFS: dict[str, tuple[Proof, ...]] = {
    "rule": (_same_test, _both_ways, _never_matches),
    "step": (_edges,),
    "template": (_beside_steps, _never_said),
    "slot": (_never_read, _same_words),
    "scenario": (_asks_for_nothing,),
    "tool": (_never_called,),
    "trigger": (_never_asked,),
}
