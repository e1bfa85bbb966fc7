"""Mutants of an agent, made from the grammar of its file: each operator is one small function in a table.

What an operator gives is one change of one part; the table below names every operator, and `LEFT_OUT` every field that none
changes, with the reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping

from focal_eval.agent import Agent
from focal_eval.agent.parts import Part, parts, with_part, without
from focal_eval.experiment import agent_mutants_flows as flows
from focal_eval.experiment import agent_mutants_rules as rules
from focal_eval.experiment import agent_mutants_tables as tables
from focal_eval.experiment import agent_mutants_texts as texts
from focal_eval.experiment import agent_mutants_triggers as triggers
from focal_eval.experiment.agent_mutants_form import GONE, Altered
from focal_eval.experiment.mutants import Mutant, mutant_id
from focal_eval.value import value

Operator = Callable[[Part, Agent], Iterable[Altered]]

OPERATORS: Mapping[str, tuple[tuple[str, ...], Operator]] = {
    "delete-rule": (("rule",), rules.delete),
    "swap-priority": (("rule",), rules.swap_priority),
    "widen-scope": (("rule",), rules.widen_scope),
    "narrow-scope": (("rule",), rules.narrow_scope),
    "drop-limit": (("rule",), rules.drop_limit),
    "change-bound": (("rule",), rules.change_bound),
    "drop-constraint": (("rule",), rules.drop_constraint),
    "drop-relation": (("rule",), rules.drop_relation),
    "negate-condition": (("rule", "scenario", "transition", "tool", "slot", "trigger"), triggers.negate_condition),
    "shift-comparison": (("rule", "scenario", "transition", "tool", "slot", "trigger"), triggers.shift_comparison),
    "drop-condition": (("rule", "scenario", "transition", "tool", "slot", "trigger"), triggers.drop_condition),
    "negate-trigger": (("rule", "scenario", "transition", "trigger"), triggers.negate),
    "widen-trigger": (("rule", "scenario", "transition", "trigger"), triggers.widen),
    "narrow-trigger": (("rule", "scenario", "transition", "trigger"), triggers.narrow),
    "unhook-tool": (("rule", "step"), tables.unhook_tool),
    "drop-template": (("rule", "step", "scenario", "slot"), tables.drop_template),
    "drop-set": (("rule", "step", "transition", "scenario", "tool"), flows.drop_set),
    "drop-outcome": (("rule", "step"), tables.drop_outcome),
    "flip-switch": (("rule", "step", "transition", "scenario", "slot", "tool", "template"), tables.flip),
    "cut-transition": (("transition",), flows.cut),
    "retarget-transition": (("transition",), flows.retarget),
    "swap-transitions": (("step",), flows.swap_transitions),
    "drop-failure": (("transition",), flows.drop_failure),
    "drop-slot": (("step",), flows.drop_slot),
    "keep-slot": (("transition", "scenario"), flows.keep_slot),
    "disable-enter": (("scenario",), flows.disable_enter),
    "disable-exit": (("scenario",), flows.disable_exit),
    "disable-relocalise": (("scenario",), flows.disable_relocalise),
    "skip-first": (("scenario",), flows.skip_first),
    "change-interrupts": (("scenario",), flows.change_interrupts),
    "drop-argument": (("tool",), tables.drop_argument),
    "drop-dependency": (("tool",), tables.drop_dependency),
    "narrow-slot": (("slot",), tables.narrow_slot),
    "loosen-slot": (("slot",), tables.loosen_slot),
    "drop-sentence": (("template",), texts.drop_sentence),
    "negate-sentence": (("template",), texts.negate_sentence),
    "change-number": (("template",), texts.change_number),
    "drop-placeholder": (("template",), texts.drop_placeholder),
    "swap-placeholders": (("template",), texts.swap_placeholders),
    "change-mode": (("template",), texts.change_mode),
    "drop-language": (("setting", "template"), tables.drop_language),
    "change-variable": (("variable",), tables.change_variable),
    "change-setting": (("setting",), tables.change_setting),
}
"""By name: the kinds of part it changes, and the function that gives its changes of one part."""

LEFT_OUT: Mapping[str, str] = {
    "rule.id": "a name; renaming changes nothing an agent does",
    "rule.when": "words for people where a trigger stands; scored where none does, and `delete-rule` asks the question",
    "rule.then": "words for people and generators; the templates speak",
    "rule.enabled": "switching a rule off is what `delete-rule` does",
    "rule.tags": "words for people",
    "transition.to": "a part of `retarget-transition`",
    "transition.priority": "`swap-transitions` changes the order in which edges are tried",
    "step.title": "words for people",
    "step.id": "a name",
    "step.go": "its edges are parts of their own",
    "scenario.id": "a name",
    "scenario.title": "words for people",
    "scenario.steps": "its steps are parts of their own",
    "scenario.start": "retargeting the edges that lead into a scenario asks the same",
    "scenario.priority": "of two scenarios asked for at once; `disable-enter` asks whether either is noticed",
    "slot.id": "a name",
    "slot.kind": "another kind of slot is another slot: its patterns, values and bounds are changed one by one",
    "tool.id": "a name",
    "tool.description": "words for people and generators",
    "tool.returns": "what a tool answers where no script says so stands for the systems behind the agent",
    "tool.answers": "as tool.returns",
    "tool.table": "as tool.returns",
    "tool.python": "as tool.returns",
    "tool.fails": "as tool.returns",
    "tool.delay_ms": "as tool.returns",
    "template.id": "a name",
    "settings.max_moves": "a guard against endless moves; an agent that reaches it is broken already",
    "settings.max_regenerations": "of a generator; a lab plays templates as they stand",
}
"""Fields that no operator changes, each with the reason."""

MOST_SHOWN = 400  # characters of a line before and after


@value
class AgentMutant:
    """A mutant with what makes its agent."""

    mutant: Mutant
    part: tuple[str, str]  # kind and name of the part that is changed
    altered: Altered

    def agent(self, base: Agent) -> Agent:
        """The mutated agent; all other parts are the base's own objects."""
        kind, name = self.part
        made = without(base, kind, name) if self.altered.held is GONE else with_part(base, kind, name, self.altered.held)
        for kind, name, held in self.altered.more:
            made = with_part(made, kind, name, held)
        return made


def agent_mutants(agent: Agent, file: str, operators: Iterable[str] | None = None) -> tuple[AgentMutant, ...]:
    """Every mutant of an agent: part by part in the order of the file, operator by operator in the order of the table."""
    chosen = OPERATORS if operators is None else {name: OPERATORS[name] for name in OPERATORS if name in set(operators)}
    seen: Counter[str] = Counter()
    return tuple(one for part in parts(agent) for one in _of_part(part, agent, file, chosen, seen))


def described() -> dict[str, str]:
    """What each operator does, in a sentence."""
    return {name: (operator.__doc__ or "").strip().splitlines()[0] for name, (_, operator) in OPERATORS.items()}


def _of_part(
    part: Part, agent: Agent, file: str, operators: Mapping[str, tuple[tuple[str, ...], Operator]], seen: Counter[str]
) -> Iterator[AgentMutant]:
    for name, (kinds, operator) in operators.items():
        if part.kind not in kinds:
            continue
        for altered in operator(part, agent):
            place = (altered.before, altered.after, altered.text)
            again = seen[repr((name, part.id, place))]
            seen[repr((name, part.id, place))] += 1
            found = mutant_id(name, part.id, *place, *([str(again)] if again else []))
            line = altered.span.line if altered.span.file else part.span.line
            before, after = _shown(altered.before, altered.after)
            mutant = Mutant(found, "agent", name, part.id, file, line, before, after, altered.text)
            yield AgentMutant(mutant, (part.kind, part.name), altered)


def _shown(before: str, after: str) -> tuple[str, str]:
    """Both lines, long ones cut down to where they differ."""
    if max(len(before), len(after)) <= MOST_SHOWN:
        return before, after
    same = next((at for at, (one, other) in enumerate(zip(before, after, strict=False)) if one != other), 0)
    start = max(0, same - MOST_SHOWN // 4)
    return _cut(before, start), _cut(after, start)


def _cut(text: str, start: int) -> str:
    head = "…" if start and text else ""
    tail = "…" if len(text) > start + MOST_SHOWN else ""
    return head + text[start : start + MOST_SHOWN] + tail
