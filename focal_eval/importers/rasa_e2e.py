"""Rasa Pro's end-to-end test cases: steps, assertions, fixtures, metadata and stubs of custom actions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from focal_eval.importers import criteria
from focal_eval.importers.drafts import Draft, origin, script, turn
from focal_eval.importers.foreign import Source
from focal_eval.importers.losses import Losses
from focal_eval.importers.rasa_words import UNSET, action, slot_matcher, template, variables
from focal_eval.importers.tree import Place, Tree, mapping, mappings, scalar_text
from focal_eval.importers.write import Word, data_said, said
from focal_eval.pattern import Pattern
from focal_eval.template import has_template

SENTENCES = {
    "built-in-action": "actions that are Rasa's own, such as action_listen",
    "several-templates": "several responses in one turn: a reply has one template, so any of them is taken",
    "flow-end": "flows that end (`flow_completed`, `flow_cancelled`): a scenario is left, completed or not",
    "flow-step": "the step at which a flow ended",
    "pattern-flow": "Rasa's own patterns, such as pattern_correction",
    "clarification": "which flows a clarification offers",
    "slot-not-set": "slots that are not set in a turn: expected not to have the value after it",
    "button-payload": "payloads of buttons: their titles are looked for among the follow-ups",
    **criteria.SENTENCES,
    "judged-criterion": "replies grounded in what the assistant found, which a judge is not shown: kept under `origin`",
    "assertion-order": "assertions whose order counts (`assertion_order_enabled`): calls alone are expected in order",
    "missing-fixture": "fixtures and metadata that are named and defined in none of the files",
    "turn-metadata": "metadata of single steps",
    "bad-pattern": "patterns that are not read here",
    "bad-value": "values of another kind than the format has there",
    "other-assertion": "assertions that Rasa Pro does not document",
    "mixed-reply": "texts of the bot beside names of responses: each text is looked for in the reply",
    "command": "commands other than start_flow and set_slot",
    "empty-case": "test cases in which the user says nothing",
}
APPROXIMATED = criteria.APPROXIMATED | frozenset(
    {"several-templates", "flow-end", "slot-not-set", "button-payload", "mixed-reply"}
)
_Path = tuple[str | int, ...]


@dataclass(slots=True)
class Shared:
    """What test cases of all files may name."""

    fixtures: dict[str, dict[str, Any]] = field(default_factory=dict)
    metadata: dict[str, dict[str, Any]] = field(default_factory=dict)
    files: set[str] = field(default_factory=set)

    def take(self, read: Tree) -> None:
        """Adds the fixtures and metadata of a file; the first of a name stays."""
        data = mapping(read.data)
        for key, into in (("fixtures", self.fixtures), ("metadata", self.metadata)):
            for _, item in mappings(data.get(key)):
                for name, given in item.items():
                    into.setdefault(name, _merged(given))
                    self.files.add(read.file)

    def took(self, read: Tree) -> bool:
        """Whether a file had something to share."""
        return read.file in self.files


def _merged(given: Any) -> dict[str, Any]:
    """A mapping, or the mappings of a list as one."""
    items = given if isinstance(given, list) else [given]
    return {str(key): value for item in items if isinstance(item, Mapping) for key, value in item.items()}


def drafts(read: Tree, source: Source, shared: Shared, losses: Losses) -> list[Draft]:
    """The test cases of a file."""
    data = mapping(read.data)
    cases = mappings(data["test_cases"])
    made = (_Case(read, source, shared, losses, index, case).draft() for index, case in cases)
    return [draft for draft in made if draft is not None]


@dataclass(slots=True)
class _Open:
    """A turn while its steps come in."""

    user: str | None
    expect: list[dict[str, Any]] = field(default_factory=list)
    spoken: list[str] = field(default_factory=list)
    templates: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    slots: dict[str, Any] = field(default_factory=dict)
    ordered: bool = False


class _Case:
    """Reads one test case."""

    def __init__(self, read: Tree, source: Source, shared: Shared, losses: Losses, index: int, case: Mapping[str, Any]) -> None:
        self.tree, self.source, self.shared, self.losses = read, source, shared, losses
        self.path: _Path = ("test_cases", index)
        self.case = case
        self.name = scalar_text(case.get("test_case") or f"case {index + 1}")
        self.turns: list[dict[str, Any]] = []
        self.criteria: list[dict[str, Any]] = []
        self.open: _Open | None = None

    def _lost(self, kind: str, path: _Path) -> None:
        self.losses.add(kind, self.tree.at(*path))

    def draft(self) -> Draft | None:
        for index, step in mappings(self.case.get("steps")):
            self._step(step, (*self.path, "steps", index))
        self._close()
        place = self.tree.at(*self.path)
        if not any("user" in item for item in self.turns):
            self.losses.add("empty-case", place)
            return None
        given = self._fixtures()
        found = origin("rasa", self.source, place, test_case=self.name, criteria=self.criteria)
        parts = {
            "metadata": data_said(self._metadata()),
            "given": {"variables": data_said(given)} if given else {},
            "tools": self._stubs(),
            "turns": self.turns,
        }
        return Draft(self.name, script(self.name.replace("_", " "), ["rasa", "e2e"], found, **parts), place)

    def _named(self, names: Any, known: Mapping[str, dict[str, Any]], path: _Path) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for name in names if isinstance(names, list) else [names] if names is not None else []:
            if isinstance(name, str) and name in known:
                out |= known[name]
            else:
                self._lost("missing-fixture", path)
        return out

    def _fixtures(self) -> dict[str, Any]:
        out = self._named(self.case.get("fixtures"), self.shared.fixtures, (*self.path, "fixtures"))
        self.losses.keep("variables", len(out))
        return out

    def _metadata(self) -> dict[str, Any]:
        return self._named(self.case.get("metadata"), self.shared.metadata, (*self.path, "metadata"))

    def _stubs(self) -> dict[str, list[Any]]:
        """What custom actions answer in this case; those of its own name go before those of the file."""
        given = mapping(mapping(self.tree.data).get("stub_custom_actions"))
        common = {key: value for key, value in given.items() if "::" not in key}
        own = {
            key.partition("::")[2]: value for key, value in given.items() if key.partition("::")[0] == self.name and "::" in key
        }
        out = {name: [{"returns": data_said(value)}] for name, value in {**common, **own}.items() if name.strip()}
        self.losses.keep("stubs", len(out))
        return out

    def _step(self, step: Mapping[str, Any], path: _Path) -> None:
        if "user" in step:
            self._close()
            text = scalar_text(step["user"]) if step["user"] is not None else ""
            if not text.strip():
                self._lost("bad-value", path)
                return
            self.losses.keep("user turns")
            self.open = _Open(text, ordered=step.get("assertion_order_enabled") is True)
            if step.get("metadata") is not None:
                self._lost("turn-metadata", path)
            if self.open.ordered:
                self._lost("assertion-order", path)
            for index, item in mappings(step.get("assertions")):
                self._assertions(item, (*path, "assertions", index))
        elif "assertions" in step:
            for index, item in mappings(step.get("assertions")):
                self._assertions(item, (*path, "assertions", index))
        else:
            self._observed(step, path)

    def _now(self) -> _Open:
        if self.open is None:
            self.open = _Open(None)
        return self.open

    def _observed(self, step: Mapping[str, Any], path: _Path) -> None:
        """A step that says what came of the user's: a text, a response's name, a slot."""
        now = self._now()
        if isinstance(step.get("bot"), str) and step["bot"].strip():
            now.spoken.append(step["bot"].strip())
            self.losses.keep("bot texts")
        elif isinstance(step.get("utter"), str):
            now.templates.append(step["utter"])
            self.losses.keep("response names")
        elif "slot_was_set" in step:
            found = variables(step["slot_was_set"])
            now.slots |= found
            self.losses.keep("slots", len(found))
        elif "slot_was_not_set" in step:
            given = step["slot_was_not_set"]
            for item in given if isinstance(given, list) else [given]:
                named = item.items() if isinstance(item, Mapping) else [(item, ...)]
                for name, value in named:
                    self._not_set(str(name), value, path)
        elif "commands" in step:
            self._commands(step["commands"], (*path, "commands"))
        else:
            self._lost("bad-value", path)

    def _commands(self, given: Any, path: _Path) -> None:
        """What the assistant was to understand: flows that start and slots that are set are seen in what comes of it."""
        for index, item in mappings(given):
            for kind, value in item.items():
                if kind == "start_flow":
                    self._started(value, (*path, index))
                elif kind in ("set_slot", "correct_slot"):
                    found = variables(value)
                    self._now().slots |= found
                    self.losses.keep("slots", len(found))
                else:
                    self._lost("command", (*path, index))

    def _not_set(self, name: str, value: Any, path: _Path) -> None:
        """A slot that has no value, or not this one."""
        self._lost("slot-not-set", path)
        unset = dict(UNSET)
        self._now().expect.append(
            {"variables": {name: unset if value in (..., None) else {"one_of": [Word("absent"), {"not": slot_matcher(value)}]}}}
        )

    def _assertions(self, item: Mapping[str, Any], path: _Path) -> None:
        for kind, given in item.items():
            self._assertion(kind, given, (*path, kind))

    def _assertion(self, kind: str, given: Any, path: _Path) -> None:
        now = self._now()
        if kind == "flow_started":
            self._started(given, path)
        elif kind in ("flow_completed", "flow_cancelled"):
            self._ended(given, path)
        elif kind == "action_executed" and isinstance(given, str):
            self._executed(now, given, path)
        elif kind == "slot_was_set":
            for _, slot in mappings(given):
                name = scalar_text(slot.get("name"))
                now.expect.append({"variables": {name: slot_matcher(slot["value"]) if "value" in slot else {"not": None}}})
                self.losses.keep("slots")
        elif kind == "slot_was_not_set":
            for _, slot in mappings(given):
                self._not_set(scalar_text(slot.get("name")), slot.get("value", ...), path)
        elif kind in ("bot_uttered", "bot_did_not_utter"):
            self._uttered(mapping(given), path, negated=kind == "bot_did_not_utter")
        elif kind == "pattern_clarification_contains":
            self._lost("clarification", path)
        elif kind in ("generative_response_is_relevant", "generative_response_is_grounded"):
            self._generative(kind, mapping(given), path)
        else:
            self._lost("other-assertion", path)

    def _generative(self, kind: str, given: Mapping[str, Any], path: _Path) -> None:
        """A share of its statements grades a reply; whether it is grounded is told by the truth, where one is given."""
        rubric = "answers what the customer said"
        if kind.endswith("grounded"):
            truth = given.get("ground_truth")
            if not isinstance(truth, str) or not truth.strip():
                self._lost("judged-criterion", path)
                self.criteria.append({"turn": len(self.turns) + 1, "says": kind.replace("_", " ")})
                return
            rubric = f"claims nothing that this does not support: {truth}"
        made = criteria.judged(rubric, given.get("threshold"))
        self._lost("judged-words", path)
        if isinstance(made, Mapping):
            self._lost("judged-points", path)
        self._now().expect.append({"response": {"judge": made}})
        self.losses.keep(criteria.KEPT)

    def _started(self, given: Any, path: _Path) -> None:
        flows = [given] if isinstance(given, str) else mapping(given).get("flow_ids")
        named = [flow for flow in flows if isinstance(flow, str) and flow.strip()] if isinstance(flows, list) else []
        ours = [flow for flow in named if not flow.startswith("pattern_") and "/" not in flow]
        if not ours:
            self._lost("pattern-flow" if named else "bad-value", path)
            return
        wanted = [{"scenario": {"id": said(flow), "kind": "start"}} for flow in ours]
        self._now().expect.append(wanted[0] if len(wanted) == 1 else {"any_of": wanted})
        self.losses.keep("flows")

    def _ended(self, given: Any, path: _Path) -> None:
        flow = given if isinstance(given, str) else mapping(given).get("flow_id")
        if not isinstance(flow, str) or flow.startswith("pattern_"):
            self._lost("pattern-flow" if isinstance(flow, str) else "bad-value", path)
            return
        if mapping(given).get("flow_step_id") is not None:
            self._lost("flow-step", path)
        self._lost("flow-end", path)
        self._now().expect.append({"scenario": {"kind": "exit"}})

    def _executed(self, now: _Open, name: str, path: _Path) -> None:
        kind = action(name)
        if kind == "template":
            now.templates.append(name)
        elif kind == "tool" and name.strip():
            now.calls.append(name)
        else:
            self._lost("built-in-action", path)
            return
        self.losses.keep("actions")

    def _uttered(self, given: Mapping[str, Any], path: _Path, *, negated: bool) -> None:
        now, found = self._now(), list[dict[str, Any]]()
        name, pattern = given.get("utter_name"), given.get("text_matches")
        if isinstance(name, str) and name.strip():
            self.losses.keep("response names")
            if not negated:
                now.templates.append(name)
            found.append({"template": said(name)})
        if isinstance(pattern, str) and pattern.strip():
            if _reads(pattern):
                self.losses.keep("reply patterns")
                found.append({"response": {"matches": pattern}})
            else:
                self._lost("bad-pattern", path)
        titles = [scalar_text(button["title"]) for _, button in mappings(given.get("buttons")) if button.get("title")]
        if titles:
            self._lost("button-payload", path)
            found.append({"follow_ups": {"contains": [said(title) for title in titles]}})
        if negated:
            now.expect += [{"not": item} for item in found]
        else:
            now.expect += [item for item in found if "template" not in item]

    def _close(self) -> None:
        """Ends the turn that is open."""
        now, self.open = self.open, None
        if now is None:
            return
        expect, agent = list(now.expect), None
        place: Place = self.tree.at(*self.path)
        if now.templates:
            expect.append(template(now.templates, self.losses, place))
        if now.spoken and now.templates:
            self.losses.add("mixed-reply", place)
            texts = [said(text) for text in now.spoken]
            expect.append({"response": {"contains": {"text": texts, "case": "strict"}}})
        elif now.spoken:
            agent = said("\n\n".join(now.spoken))
        if now.calls:
            calls = [said(name) for name in now.calls]
            expect.append({"tools": {"calls": calls} if now.ordered else {"calls": calls, "order": Word("any")}})
        if now.slots:
            expect.append({"variables": now.slots})
        made = turn(now.user, agent=agent, expect=_merged_variables(expect))
        if made:
            self.turns.append(made)


def _merged_variables(expect: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The expectations with those of different variables in one."""
    out: list[dict[str, Any]] = []
    together: dict[str, Any] = {}
    for item in expect:
        if set(item) == {"variables"} and not set(item["variables"]) & set(together):
            together |= item["variables"]
        else:
            out.append(item)
    return [*out, {"variables": together}] if together else out


def _reads(pattern: str) -> bool:
    try:
        Pattern(pattern)
    except ValueError:
        return False
    return not has_template(pattern)
