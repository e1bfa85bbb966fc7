"""Scripts as a configuration of promptfoo: a test a turn, a conversation a `conversationId`.

The prompt is the conversation in messages: what was said before, the tests of the same conversation, and the user's words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from focal_eval.checks.calls import Call
from focal_eval.checks.judge import ALL_PLANTS
from focal_eval.document.writing import Block, Dumper, dump
from focal_eval.importers.exporting import SENTENCES as COMMON
from focal_eval.importers.exporting import Case, Format, NotPlain, Told, plain_of
from focal_eval.importers.losses import Losses
from focal_eval.script.model import Expectation
from focal_eval.template import has_template

PROMPT = """\
[
  {% for before in history %}
    {% for role, content in before %}
      {"role": "{{ role }}", "content": {{ content | dump }} },
    {% endfor %}
  {% endfor %}
  {% for completion in _conversation %}
    {"role": "user", "content": {{ completion.input | dump }} },
    {"role": "assistant", "content": {{ completion.output | dump }} },
  {% endfor %}
  {"role": "user", "content": {{ message | dump }} }
]
"""
_GROUP = re.compile(r"\(\?P<([A-Za-z_]\w*)>")
_NOT_JAVASCRIPT = re.compile(r"\(\?[a-zA-Z]+[:)]|\(\?P[=>]|\(\?>|\\[AZ]|[*+?}]\+|\(\?\(|\(\?R|\[\[:")

OWN = {
    "pattern": "patterns that JavaScript does not read, such as (?i)",
    "template-text": "texts with `{{` or `{%`, which promptfoo would fill in",
    "tool-set": "exact calls in any order: compared as a set of names (tool-call-f1)",
    "call-order": "the order of calls that are expected with arguments",
    "embedded-json": "JSON in a reply: looked for anywhere in it (contains-json)",
    "judge-audit": "known answers that a judge is tried on (`examples`, `plant`): promptfoo does not try its graders",
    "judge-scale": "points of a judge: the same share of the best grade, as `threshold`",
    "meaning": "what is meant (`means`): likeness by an embedding model; numbers and denials are not looked at there",
    "tags": "tags of scripts: kept as metadata of the tests",
    "engine": "the engine: the provider `echo` stands in its place",
}
_APPROXIMATED = frozenset({
    *("folded-text", "tool-set", "call-order", "embedded-json", "tags", "variants", "engine"),
    *("judge-audit", "judge-scale", "meaning"),
})  # fmt: skip
Assert = dict[str, Any]


def write(cases: Sequence[Case], losses: Losses) -> Mapping[str, str]:
    """The configuration and its prompt."""
    tests = [test for case in cases for test in _Conversation(case, losses).tests()]
    losses.add("engine", cases[0].script.span)
    config = {"description": "Exported scripts", "prompts": ["file://prompt.json"], "providers": ["echo"], "tests": tests}
    return {"promptfooconfig.yaml": dump(Block(config), _Style, width=100), "prompt.json": PROMPT}


class _Style(Dumper):
    one_line = 0  # everything in blocks, as promptfoo's own examples are


class _Lost(Exception):
    """An expectation that promptfoo does not have, by the kind of the loss."""


class _Conversation:
    """Writes the tests of one case."""

    def __init__(self, case: Case, losses: Losses) -> None:
        self.case, self.losses = case, losses
        self.script = case.script

    def tests(self) -> list[dict[str, Any]]:
        script, losses = self.script, self.losses
        if script.stubs:
            losses.add("stubs", script.stubs[0].span)
        if script.given.variables or script.given.scenario:
            losses.add("start", script.given.span or script.span)
        if script.metadata:
            losses.add("setting", script.span)
        if script.tags:
            losses.add("tags", script.span)
        history = self._history()
        out = []
        for index, told in enumerate(self.case.turns):
            variables: dict[str, Any] = {"message": self._safe(told.user, told)}
            if history and index == 0:
                variables["history"] = history
            out.append(self._test(told, variables, index))
        return out

    def _history(self) -> list[dict[str, str]]:
        out = []
        for user, agent in self.script.given.history:
            for role, said in (("user", user), ("assistant", agent)):
                if said is not None and said.template:
                    self.losses.add("unfilled", said.span)
                elif said is not None:
                    out.append({role: said.text})
        self.losses.keep("history messages", len(out))
        return out

    def _safe(self, text: str, told: Told) -> str:
        if has_template(_STORED.sub("", text)):
            self.losses.add("template-text", told.turn.span)
        return text

    def _test(self, told: Told, variables: dict[str, Any], index: int) -> dict[str, Any]:
        test: dict[str, Any] = {"description": told.turn.name or f"{self.case.name}, turn {index + 1}", "vars": variables}
        asserts = [made for item in told.expect for made in self._asserts(item)]
        if asserts:
            test["assert"] = asserts
        if told.agent is not None:
            self.losses.add("golden-reply", told.turn.agent.span if told.turn.agent else told.turn.span)
        test["metadata"] = {"conversationId": self.case.name}
        if self.script.tags:
            test["metadata"]["tags"] = list(self.script.tags)
        for item in told.turn.save:
            if item.source.text.strip() == "response.text" and "options" not in test:
                test["options"] = {"storeOutputAs": item.name}
                self.losses.keep("saved values")
            else:
                self.losses.add("saved", item.span)
        return test

    def _asserts(self, item: Expectation) -> list[Assert]:
        """The assertions of an expectation; none, counted, where there are none of its meaning."""
        try:
            found = self._of(item)
        except _Lost as problem:
            self.losses.add(str(problem), item.span)
            return []
        except NotPlain:
            self.losses.add("matcher", item.span)
            return []
        for made in found:
            if has_template(_STORED.sub("", str(made.get("value", "")))):
                self.losses.add("template-text", item.span)
            if item.soft:
                made["weight"] = 0
            if item.because:
                made["metric"] = item.because
        self.losses.keep("assertions", len(found))
        return found

    def _of(self, item: Expectation) -> list[Assert]:
        if item.key == "not":
            (group,) = item.children
            return [_negated(self._single(group))]
        if item.key == "all_of":
            inner = [made for group in item.children for child in group for made in self._of(child)]
            return [{"type": "assert-set", "assert": inner}]
        if item.key == "any_of":
            each = [self._single(group) for group in item.children]
            return [{"type": "assert-set", "threshold": round(1 / len(each), 4), "assert": each}] if len(each) > 1 else each
        rule = _RULES.get(item.key)
        if rule is None:
            raise _Lost("other-check")
        return rule(item.check, lambda kind: self.losses.add(kind, item.span))

    def _single(self, group: Sequence[Expectation]) -> Assert:
        found = [made for child in group for made in self._of(child)]
        if len(found) != 1 or any(child.soft or child.because for child in group):
            raise _Lost("group")
        return found[0]


_STORED = re.compile(r"\{\{ [A-Za-z_][A-Za-z0-9_]* \}\}")  # a stored output
Tell = Callable[[str], None]


def _negated(made: Assert) -> Assert:
    kind = made["type"]
    several = kind.endswith("trajectory:tool-used") and not isinstance(made["value"], str)  # whose inverse is that none is used
    if kind == "assert-set" or several:
        raise _Lost("group")
    return {**made, "type": kind.removeprefix("not-") if kind.startswith("not-") else f"not-{kind}"}


def _kind(check: Any, base: str, tell: Tell) -> str:
    """The assertion's type by how a text is compared."""
    if check.case == check.space == "strict":
        return base
    tell("folded-text")
    return base if check.case == "strict" or base not in ("contains", "contains-all") else f"i{base}"


def _contains(check: Any, tell: Tell) -> list[Assert]:
    if len(check.text) == 1:
        return [{"type": _kind(check, "contains", tell), "value": check.text[0]}]
    return [{"type": _kind(check, "contains-all", tell), "value": list(check.text)}]


def _excludes(check: Any, tell: Tell) -> list[Assert]:
    kind = _kind(check, "contains", tell)
    return [{"type": f"not-{kind}", "value": text} for text in check.text]


def _equals(check: Any, tell: Tell) -> list[Assert]:
    return [{"type": _kind(check, "equals", tell), "value": check.text}]


def _starts(check: Any, tell: Tell) -> list[Assert]:
    return [{"type": _kind(check, "starts-with", tell), "value": check.text}]


def _matches(check: Any, _: Tell) -> list[Assert]:
    out = []
    for pattern in check.pattern:
        text = pattern if isinstance(pattern, str) else pattern.text
        if _NOT_JAVASCRIPT.search(text):
            raise _Lost("pattern")
        out.append({"type": "regex", "value": _GROUP.sub(r"(?<\1>", text)})
    return out


def _json(check: Any, tell: Tell) -> list[Assert]:
    if check.where or check.equals is not None:
        raise _Lost("other-check")
    tell("embedded-json")
    return [{"type": "contains-json", "value": check.schema} if check.schema is not None else {"type": "contains-json"}]


def _words(key: str) -> Callable[[Any, Tell], list[Assert]]:
    return lambda check, _: [{"type": "word-count", "value": {key: check.words}}]


def _latency(check: Any, _: Tell) -> list[Assert]:
    if check.max is None or check.min is not None or check.clock != "either":
        raise _Lost("other-check")
    return [{"type": "latency", "threshold": check.max}]


def _cost(check: Any, _: Tell) -> list[Assert]:
    return [{"type": "cost", "threshold": check.max}]


def _finish(check: Any, _: Tell) -> list[Assert]:
    return [{"type": "finish-reason", "value": plain_of(check.value)}]


def _refusal(check: Any, _: Tell) -> list[Assert]:
    return [{"type": "is-refusal" if check.refusal else "not-is-refusal"}]


def _judge(check: Any, tell: Tell) -> list[Assert]:
    if check.of == "conversation":
        raise _Lost("other-check")
    if check.examples.good or check.examples.bad or len(check.plant) < len(ALL_PLANTS):
        tell("judge-audit")
    made: Assert = {"type": "llm-rubric", "value": check.rubric}
    if check.scale is None:
        return [made]
    tell("judge-scale")
    return [{**made, "threshold": round(check.at_least / check.scale, 4)}]


def _means(check: Any, tell: Tell) -> list[Assert]:
    tell("meaning")
    made: Assert = {"type": "similar", "value": list(check.text) if len(check.text) > 1 else check.text[0]}
    return [made if check.at_least is None else {**made, "threshold": check.at_least}]


def _tools(check: Any, tell: Tell) -> list[Assert]:
    out: list[Assert] = []
    if check.none:
        out.append({"type": "trajectory:tool-used", "value": {"pattern": "*", "min": 0, "max": 0}})
    if check.order == "strict" or (check.extras == "forbid" and check.calls):
        raise _Lost("other-check")
    if check.calls:
        out += _called(check.calls, check.order, tell)
    if check.exactly is not None:
        out += _exactly(check.exactly, check.order, tell)
    for name, count in check.count.items():
        out.append({"type": "trajectory:tool-used", "value": {"name": _named(name), **_bounds(count)}})
    for call in check.excludes:
        out.append(_negated(_one(call)))
    return out


def _bounds(count: Any) -> dict[str, int]:
    low = {"min": count.min if count.min is not None else 0}
    return low if count.max is None else {**low, "max": count.max}


def _called(calls: Sequence[Call], order: str, tell: Tell) -> list[Assert]:
    names = [_named(call.name) for call in calls]
    if all(call.named_only for call in calls):
        if len(names) == 1:
            return [{"type": "trajectory:tool-used", "value": names[0]}]
        if order == "any" and len(set(names)) == len(names):
            return [{"type": "trajectory:tool-used", "value": names}]
        if order == "in_order":
            return [{"type": "trajectory:tool-sequence", "value": {"steps": names}}]
    if len(calls) > 1 and order == "in_order":
        tell("call-order")
    return [_one(call) for call in calls]


def _exactly(calls: Sequence[Call], order: str, tell: Tell) -> list[Assert]:
    if not calls:
        return [{"type": "trajectory:tool-used", "value": {"pattern": "*", "min": 0, "max": 0}}]
    names = [_named(call.name) for call in calls]
    out: list[Assert] = [_one(call) for call in calls if not call.named_only]
    if order == "any":
        tell("tool-set")
        return [{"type": "tool-call-f1", "value": names}, *out]
    return [{"type": "trajectory:tool-sequence", "value": {"mode": "exact", "steps": names}}, *out]


def _one(call: Call) -> Assert:
    asked = call.details
    if asked.result is not None or asked.error is not None:
        raise _Lost("result")
    if call.named_only:
        return {"type": "trajectory:tool-used", "value": _named(call.name)}
    value: dict[str, Any] = {"name": _named(call.name), "args": {name: plain_of(item) for name, item in asked.args.items()}}
    return {"type": "trajectory:tool-args-match", "value": value | ({"mode": "exact"} if asked.only else {})}


def _named(name: str) -> str:
    """A tool's name where promptfoo does not take it for a pattern."""
    if set("*?") & set(name):
        raise _Lost("other-check")
    return name


_RULES: Mapping[str, Callable[[Any, Tell], list[Assert]]] = {
    "response.contains": _contains,
    "response.excludes": _excludes,
    "response.equals": _equals,
    "response.starts_with": _starts,
    "response.matches": _matches,
    "response.json": _json,
    "response.min_words": _words("min"),
    "response.max_words": _words("max"),
    "response.refusal": _refusal,
    "response.judge": _judge,
    "response.means": _means,
    "latency_ms": _latency,
    "cost": _cost,
    "finish_reason": _finish,
    "tools": _tools,
}
FORMAT = Format({**COMMON, **OWN}, _APPROXIMATED, write, "{{{{ {} }}}}")
