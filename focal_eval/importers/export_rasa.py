"""Scripts as end-to-end test cases of Rasa Pro: a test case a conversation, assertions under what the user says."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from focal_eval.document.writing import Block, Dumper, dump
from focal_eval.importers.drafts import slug
from focal_eval.importers.exporting import SENTENCES as COMMON
from focal_eval.importers.exporting import Case, Format, NotPlain, Told, plain_of
from focal_eval.importers.losses import Losses
from focal_eval.importers.rasa_words import BUILT_IN
from focal_eval.script.conditions import Literal, NotThere
from focal_eval.script.matchers import Matcher
from focal_eval.script.model import Expectation
from focal_eval.script.operators import Not, OneOf

OWN = {
    "contained-text": "texts that a reply contains: looked for as a pattern in one message",
    "golden-pattern": "golden replies: expected word for word, as a pattern",
    "call-order": "the order of calls: each action is expected by itself",
    "call-arguments": "arguments of calls: an action has none",
    "closed-calls": "calls of which there are no others, and their number",
    "scenario-state": "where a conversation stands after a turn: only that a flow starts can be said",
    "tags": "tags of scripts",
}
_APPROXIMATED = frozenset({"contained-text", "folded-text", "golden-pattern", "golden-reply", "call-order", "variants", "tags"})
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
Assertion = dict[str, Any]


class _Style(Dumper):
    one_line = 0


class _Lost(Exception):
    """An expectation that Rasa Pro does not have, by the kind of the loss."""


def write(cases: Sequence[Case], losses: Losses) -> Mapping[str, str]:
    """All test cases in one file, with their fixtures, metadata and stubs."""
    fixtures: list[dict[str, Any]] = []
    metadata: list[dict[str, Any]] = []
    stubs: dict[str, Any] = {}
    tests = []
    for number, case in enumerate(cases, 1):
        name = f"{slug(case.name, 'case').replace('-', '_')}_{number}"
        test: dict[str, Any] = {"test_case": name}
        if case.script.given.variables:
            fixtures.append({f"start_{number}": [{key: value} for key, value in case.script.given.variables.items()]})
            test["fixtures"] = [f"start_{number}"]
            losses.keep("variables", len(case.script.given.variables))
        if case.script.metadata:
            metadata.append({f"metadata_{number}": dict(case.script.metadata)})
            test["metadata"] = f"metadata_{number}"
        stubs |= _stubs(case, name, losses)
        test["steps"] = _steps(case, losses)
        tests.append(test)
    data = {"fixtures": fixtures, "metadata": metadata, "stub_custom_actions": stubs, "test_cases": tests}
    return {"e2e_tests.yml": dump(Block({key: value for key, value in data.items() if value}), _Style, width=100)}


def _stubs(case: Case, name: str, losses: Losses) -> dict[str, Any]:
    out = {}
    for stub in case.script.stubs:
        answer = stub.answers[0]
        gives = answer.steps[0].returns
        plain = len(stub.answers) == 1 and answer.when is None and len(answer.steps) == 1 and answer.times is None
        if plain and answer.node is None and isinstance(gives, Mapping) and {"events", "responses"} <= set(gives):
            out[f"{name}::{stub.tool}"] = gives
            losses.keep("stubs")
        else:
            losses.add("stubs", stub.span)
    return out


def _steps(case: Case, losses: Losses) -> list[dict[str, Any]]:
    script = case.script
    if script.given.scenario or script.given.history:
        losses.add("start", script.given.span or script.span)
    if script.tags:
        losses.add("tags", script.span)
    return [_step(told, losses) for told in case.turns]


def _step(told: Told, losses: Losses) -> dict[str, Any]:
    step: dict[str, Any] = {"user": told.user}
    found: list[Assertion] = []
    for item in told.expect:
        try:
            made = _of(item, partial(losses.add, place=item.span))
        except _Lost as problem:
            losses.add(str(problem), item.span)
            continue
        except NotPlain:
            losses.add("matcher", item.span)
            continue
        if item.soft or item.because:
            losses.add("group", item.span)
        found += made
    if told.agent is not None:
        losses.add("golden-pattern", told.turn.agent.span if told.turn.agent else told.turn.span)
        found.append({"bot_uttered": {"text_matches": rf"\A\s*{_quoted(told.agent.strip())}\s*\Z"}})
    for saved in told.turn.save:
        losses.add("saved", saved.span)
    losses.keep("assertions", len(found))
    if found:
        step["assertions"] = found
    return step


Tell = Callable[[str], None]


def _of(item: Expectation, tell: Tell) -> list[Assertion]:
    if item.key == "not":
        (group,) = item.children
        return [_negated(made) for made in _single(group, tell)]
    if item.key == "any_of":
        return _any_flow(item)
    rule = _RULES.get(item.key)
    if rule is None:
        raise _Lost("group" if item.children else "other-check")
    return rule(item.check, tell)


def _single(group: Sequence[Expectation], tell: Tell) -> list[Assertion]:
    made = [found for child in group for found in _of(child, tell)]
    if len(made) != 1:
        raise _Lost("group")
    return made


def _negated(made: Assertion) -> Assertion:
    if set(made) == {"bot_uttered"}:
        return {"bot_did_not_utter": made["bot_uttered"]}
    if set(made) == {"bot_did_not_utter"}:
        return {"bot_uttered": made["bot_did_not_utter"]}
    raise _Lost("group")


def _any_flow(item: Expectation) -> list[Assertion]:
    """Alternatives of flows that start, the only ones there are."""
    flows = [child.check for group in item.children for child in group if child.key == "scenario" and len(group) == 1]
    if len(flows) != len(item.children) or not all(_starts(check) for check in flows):
        raise _Lost("group")
    return [{"flow_started": {"operator": "any", "flow_ids": [check.id for check in flows]}}]


def _starts(check: Any) -> bool:
    return check.kind == ("start",) and check.id is not None and check.step is None and check.via is None


def _scenario(check: Any, _: Tell) -> list[Assertion]:
    if not _starts(check):
        raise _Lost("scenario-state")
    return [{"flow_started": {"operator": "all", "flow_ids": [check.id]}}]


def _template(check: Any, _: Tell) -> list[Assertion]:
    name = plain_of(check.value)
    if not isinstance(name, str):
        raise _Lost("matcher")
    return [{"bot_uttered": {"utter_name": name}}]


def _quoted(text: str) -> str:
    """A text as a pattern that means it; spaces need no backslash."""
    return re.escape(text).replace(r"\ ", " ")


def _contains(check: Any, tell: Tell) -> list[Assertion]:
    return [{"bot_uttered": {"text_matches": _within(text, check, tell)}} for text in check.text]


def _excludes(check: Any, tell: Tell) -> list[Assertion]:
    return [{"bot_did_not_utter": {"text_matches": _within(text, check, tell)}} for text in check.text]


def _within(text: str, check: Any, tell: Tell) -> str:
    tell("contained-text")
    if check.case == "strict":
        return _quoted(text)
    tell("folded-text")
    return f"(?i){_quoted(text)}"


def _matches(check: Any, _: Tell) -> list[Assertion]:
    return [{"bot_uttered": {"text_matches": item if isinstance(item, str) else item.text}} for item in check.pattern]


def _variables(check: Any, _: Tell) -> list[Assertion]:
    was: list[dict[str, Any]] = []
    was_not: list[dict[str, Any]] = []
    for name, matcher in check.values.items():
        kind, slot = _slot(name, matcher)
        (was if kind else was_not).append(slot)
    out: list[Assertion] = []
    if was:
        out.append({"slot_was_set": was})
    if was_not:
        out.append({"slot_was_not_set": was_not})
    return out


def _slot(name: str, matcher: Matcher) -> tuple[bool, dict[str, Any]]:
    """Whether a slot is expected to be set, and how it is said."""
    condition = matcher.condition
    if isinstance(condition, NotThere):
        return False, {"name": name}
    if isinstance(condition, Not) and condition.inner == Literal(None):
        return True, {"name": name}
    if isinstance(condition, OneOf) and len(condition.choices) == 2 and isinstance(condition.choices[0], NotThere):
        other = condition.choices[1]
        if other == Literal(None):
            return False, {"name": name}
        if isinstance(other, Not):
            return False, {"name": name, "value": plain_of(Matcher(other.inner))}
    return True, {"name": name, "value": plain_of(matcher)}


def _tools(check: Any, tell: Tell) -> list[Assertion]:
    if check.exactly is not None or check.none or check.count or check.excludes or check.extras == "forbid":
        raise _Lost("closed-calls")
    if not all(call.named_only for call in check.calls):
        raise _Lost("call-arguments")
    if any(call.name in BUILT_IN or call.name.startswith("utter_") for call in check.calls):
        raise _Lost("other-check")
    if len(check.calls) > 1 and check.order != "any":
        tell("call-order")
    return [{"action_executed": call.name} for call in check.calls]


_RULES: Mapping[str, Callable[[Any, Tell], list[Assertion]]] = {
    "response.contains": _contains,
    "response.excludes": _excludes,
    "response.matches": _matches,
    "scenario": _scenario,
    "template": _template,
    "tools": _tools,
    "variables": _variables,
}
FORMAT = Format({**COMMON, **OWN}, _APPROXIMATED, write)
