"""The agent as Focal lists it: rules, scenarios, steps and templates with UUIDs made from their names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

from focal_eval.agent.compiled import Playable, PlayedGo, PlayedScenario, PlayedStep
from focal_eval.agent.model import Rule, Scope, TemplateDef
from focal_eval.clock import named_uuid
from focal_eval.records import ScenarioState
from focal_eval.template import compile_template

Item = dict[str, Any]


class Ids:
    """UUIDs for what an agent names; the same on every machine."""

    def __init__(self, agent: str) -> None:
        self._agent = agent
        self.agent = named_uuid("agent", agent)
        self._made: dict[tuple[str, ...], str] = {}

    def of(self, *names: str) -> str:
        """The id of `rule, name`, `scenario, name`, `step, scenario, name` or `template, name`."""
        made = self._made.get(names)
        if made is None:
            made = self._made[names] = named_uuid("agent", self._agent, *names)
        return made

    def place(self, state: ScenarioState | None) -> Item | None:
        """Where a conversation stands, in ids."""
        if state is None:
            return None
        step = None if state.step is None else self.of("step", state.id, state.step)
        return {"id": self.of("scenario", state.id), "step": step}


class Catalogue:
    """What the lists under /v1/agents hold, by id."""

    def __init__(self, agent: Playable, ids: Ids, since: str) -> None:
        self._played, self._ids, self._since = agent, ids, since

    @cached_property
    def agent(self) -> Item:
        file = self._played.file
        return {
            "id": self._ids.agent,
            "name": self._played.name,
            "description": file.description or file.title,
            "enabled": True,
            "current_version": 1,
            # as Focal shows them; an agent file has no such settings
            "settings": {"model": None, "temperature": 0.0, "max_tokens": 1024},
            "stats": None,
            **self._dated(),
        }

    @cached_property
    def rules(self) -> Mapping[str, Item]:
        return _by_id(self._rule(rule) for rule in self._played.file.rules)

    @cached_property
    def scenarios(self) -> Mapping[str, Item]:
        return _by_id(self._scenario(flow) for flow in self._played.scenarios.values())

    @cached_property
    def templates(self) -> Mapping[str, Item]:
        return _by_id(self._template(one) for one in self._played.file.templates)

    def _dated(self) -> Item:
        return {"created_at": self._since, "updated_at": self._since}

    def _rule(self, rule: Rule) -> Item:
        scope, scope_id = self._scope(rule.scope)
        template = () if rule.template is None else (self._ids.of("template", str(rule.template)),)
        return {
            "id": self._ids.of("rule", str(rule.id)),
            "name": str(rule.id),
            "condition_text": str(rule.when or ""),
            "action_text": str(rule.then or ""),
            "scope": scope,
            "scope_id": scope_id,
            "priority": rule.priority,
            "enabled": rule.enabled,
            "max_fires_per_session": rule.max_fires,
            "cooldown_turns": rule.cooldown_turns,
            "is_hard_constraint": rule.hard,
            "attached_tool_ids": [str(tool) for tool in rule.tools],
            "attached_template_ids": list(template),
            "has_embedding": False,
            **self._dated(),
        }

    def _scope(self, scope: Scope) -> tuple[str, str | None]:
        """Focal knows one place a rule; of several the first is named."""
        if scope.step:
            flow, _, step = str(scope.step[0]).partition("/")
            return "STEP", self._ids.of("step", flow, step)
        if scope.scenario:
            return "SCENARIO", self._ids.of("scenario", str(scope.scenario[0]))
        return "GLOBAL", None

    def _scenario(self, flow: PlayedScenario) -> Item:
        return {
            "id": self._ids.of("scenario", flow.name),
            "name": flow.name,
            "description": flow.scenario.title,
            "entry_step_id": self._ids.of("step", flow.name, flow.start),
            "steps": [self._step(flow, step) for step in flow.steps.values()],
            "tags": [],
            "enabled": True,
            "version": 1,
            **self._dated(),
        }

    def _step(self, flow: PlayedScenario, step: PlayedStep) -> Item:
        return {
            "id": self._ids.of("step", flow.name, step.name),
            "name": step.name,
            "description": step.step.title,
            "is_entry": step.name == flow.start,
            "is_terminal": step.step.terminal,
            "transitions": [self._transition(flow, go) for go in step.go if go.scenario or go.step],
        }

    def _transition(self, flow: PlayedScenario, go: PlayedGo) -> Item:
        there = flow if go.scenario is None else self._played.scenarios[go.scenario]
        condition = "" if go.go.if_ is None else str(go.go.if_)
        return {"condition": condition, "to_step_id": self._ids.of("step", there.name, go.step or there.start)}

    def _template(self, one: TemplateDef) -> Item:
        texts = [str(text) for _, text in one.text.texts]
        return {
            "id": self._ids.of("template", str(one.id)),
            "name": str(one.id),
            "text": texts[0],
            "mode": one.mode,
            "scope": "GLOBAL",
            "scope_id": None,
            "conditions": None,
            "variables_used": sorted({name for text in texts for name in compile_template(text).names}),
            **self._dated(),
        }


def _by_id(items: Iterable[Item]) -> Mapping[str, Item]:
    return {item["id"]: item for item in items}


def page(items: list[Any], limit: int, offset: int, total: int | None = None) -> Item:
    """One page of a list, in Focal's frame; `total` where it is not the number of items."""
    total = len(items) if total is None else total
    part = items[offset : offset + limit]
    return {"items": part, "total": total, "limit": limit, "offset": offset, "has_more": offset + len(part) < total}
