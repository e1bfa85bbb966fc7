"""Parlant's features: what was said before becomes history, the last customer message the turn, `Then` the expectations.

What a feature sets up (guidelines, tools, journeys, terms) is the agent's own matter: it is kept as words in the script's
origin. What a language model is to tell of a message is asked of a judge.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, ClassVar

from focal_eval.errors import Problems
from focal_eval.importers.base import Imported
from focal_eval.importers.criteria import KEPT, judged
from focal_eval.importers.drafts import together
from focal_eval.importers.foreign import Source
from focal_eval.importers.gherkin import Feature, Scenario, Step
from focal_eval.importers.losses import Losses
from focal_eval.importers.recorded_script import Names
from focal_eval.importers.write import Word, said, yaml_text
from focal_eval.source import whole_file

SENTENCES = {
    "assertion-in-words": "assertions in words on calls and staged events, unseen by a judge: kept in the script's origin",
    "call-count": "how many calls are made where the feature names no tool, or several: kept in the script's origin",
    "history-tool": "tool calls and results before the conversation: kept in the script's origin",
    "other-file": "files of the folder that are no features of Parlant",
    "scoped-variable": "variables of one customer, group or tag: the conversation has them",
    "setup": "what the agent and its engine begin with, such as guidelines and tools: kept in the script's origin",
    "some-call": "events of tool calls: some call is expected, however many there are",
    "status-event": "status events of the engine, such as typing",
    "tool-error": "that no tool fails, where no tool is named",
    "unknown-step": "steps that are not known: kept in the script's origin",
    "without-turn": "scenarios in which nothing is said, processed or expected",
}
APPROXIMATED = frozenset({"scoped-variable", "some-call"})
_OURS = ("a customer message, ", "processing is triggered", "messages are emitted", "a guideline ", "processing are triggered")
_USER = re.compile(r'a customer message, "(.*)"(?:, flagged for (.+))?\Z', re.DOTALL)
_AGENT = re.compile(r'an? (?:human message on behalf of the agent|agent message), "(.*)"\Z', re.DOTALL)
_VARIABLE = re.compile(r'an? (?:context )?variable "([^"]+)" set to "(.*?)"(?: for .+)?\Z', re.DOTALL)
_CALLED = re.compile(r'(?:a call to|a call with tool_id of) "(?:[\w-]+:)?([\w.-]+)"(.*)\Z', re.DOTALL)
_IN_WORDS = re.compile(r"(?:the|at least one) message (.*\S)", re.DOTALL)
_TOOL = re.compile(r'the tool "([^"]+)"(?: from "[^"]+")?\Z')


@dataclass(slots=True)
class _Draft:
    """A script while its steps come in."""

    said: list[tuple[str, str]] = field(default_factory=list)  # who, what; since the last turn
    history: list[dict[str, str]] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)
    tools: list[str] = field(default_factory=list)
    setup: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    turns: list[_Turn] = field(default_factory=list)


@dataclass(slots=True)
class _Turn:
    """What is processed, and what must come of it."""

    user: str | None
    contains: list[str] = field(default_factory=list)
    excludes: list[str] = field(default_factory=list)
    messages: int | None = None  # how many, 1 for a single one
    calls: list[str] = field(default_factory=list)
    no_calls: bool = False
    some_call: Step | None = None
    count: int | None = None
    no_error: Step | None = None
    rubrics: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Parlant:
    """Features of Parlant's own tests, and those written like them."""

    suffixes: ClassVar[tuple[str, ...]] = (".feature",)

    def read(self, sources: Sequence[Source], problems: Problems) -> Imported:
        losses = Losses(SENTENCES, APPROXIMATED)
        scripts: dict[str, str] = {}
        turns = 0
        names = Names()
        for source in sources:
            text = source.text(problems)
            if text is None:
                continue
            if not any(word in text for word in _OURS):
                _refuse(source, losses, problems)
                continue
            feature = Feature(text, source.file, problems)
            folder = Names().of(feature.name or PurePath(source.file).stem, "feature")
            for scenario in feature.scenarios:
                script = _script(scenario, feature, _drafted(scenario, losses), source, losses)
                if not script["turns"]:
                    losses.add("without-turn", scenario.place)
                    continue
                turns += len(script["turns"])
                name = names.of(f"{folder}-{scenario.name}", "scenario")
                scripts[f"scenarios/{name}.yaml"] = yaml_text(script)
        return Imported(scripts, losses=losses.listed(), conversations=len(scripts), turns=turns, kept=losses.kept())


def _refuse(source: Source, losses: Losses, problems: Problems) -> None:
    if source.named:
        said_so = "the file is no feature of Parlant: it has no customer messages, guidelines or processing"
        problems.error("import-shape", said_so, whole_file(source.file))
    else:
        losses.add("other-file", whole_file(source.file))


def _drafted(scenario: Scenario, losses: Losses) -> _Draft:
    draft = _Draft()
    for step in scenario.steps:
        if step.kind == "given":
            _given(step, draft, losses)
        elif step.kind == "when":
            _when(step, draft, losses)
        elif draft.turns:
            _then(step, draft, losses)
        else:
            losses.add("unknown-step", step.place)
            draft.words.append(step.text)
    return draft


def _given(step: Step, draft: _Draft, losses: Losses) -> None:
    if (found := _USER.match(step.text)) is not None:
        draft.said.append(("user", _bare(found[1])))
        if found[2]:
            losses.add("setup", step.place)
            draft.setup.append(step.text)
        losses.keep("customer messages")
    elif (found := _AGENT.match(step.text)) is not None:
        draft.said.append(("agent", _bare(found[1])))
        losses.keep("agent messages")
    elif (found := _VARIABLE.match(step.text)) is not None:
        draft.variables[found[1]] = found[2]
        losses.keep("variables")
        if not step.text.endswith(f'"{found[2]}"'):
            losses.add("scoped-variable", step.place)
    else:
        if (tool := _TOOL.match(step.text)) is not None:
            draft.tools.append(tool[1])
        losses.add("history-tool" if step.text.startswith("a tool event") else "setup", step.place)
        draft.setup.append(step.text if step.body is None else f"{step.text}\n{step.body}")


def _bare(text: str) -> str:
    """The message as a person wrote it: quotes that were escaped stand for themselves."""
    return text.replace('\\"', '"')


def _when(step: Step, draft: _Draft, losses: Losses) -> None:
    """A turn: the last message is the user's; what was said before it is history."""
    if "triggered" not in step.text and "emitted" not in step.text:
        losses.add("unknown-step", step.place)
        draft.words.append(step.text)
        return
    user = None
    before = draft.said
    if before and before[-1][0] == "user":
        user, before = before[-1][1], before[:-1]
    if draft.turns:
        draft.turns += [_Turn(text) for who, text in before if who == "user"]
    else:
        draft.history = _pairs(before)
    draft.said = []
    draft.turns.append(_Turn(user))


def _pairs(said_before: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    out: list[dict[str, str]] = []
    for who, text in said_before:
        if who == "agent" and out and "agent" not in out[-1]:
            out[-1]["agent"] = said(text)
        else:
            out.append({who: said(text)})
    return out


def _then(step: Step, draft: _Draft, losses: Losses) -> None:
    turn, text = draft.turns[-1], step.text.removesuffix(".") if step.text.endswith(("emitted.", "occurred.")) else step.text
    for pattern, take in _THEN:
        found = pattern.fullmatch(text)
        if found is not None:
            take(turn, found, step)
            losses.keep("assertions")
            return
    if (found := re.fullmatch(r"the tool calls event contains (.+)", text, re.DOTALL)) is not None:
        _calls(found[1], turn, step, draft, losses)
    elif "status event" in text:
        losses.add("status-event", step.place)
    elif (asserted := _IN_WORDS.match(text)) is not None:
        turn.rubrics.append(asserted[1])
        turn.messages = 1 if turn.messages is None else turn.messages
        losses.keep(KEPT)
    elif text.startswith(("the staged ", "a no-match message")):
        losses.add("assertion-in-words", step.place)
        draft.words.append(step.text)
        turn.messages = 1 if turn.messages is None else turn.messages  # of which something is said there
    else:
        losses.add("unknown-step", step.place)
        draft.words.append(step.text)


def _calls(what: str, turn: _Turn, step: Step, draft: _Draft, losses: Losses) -> None:
    if (number := re.fullmatch(r"(\d{1,3}) tool call\(s\)", what)) is not None:
        if len(set(draft.tools)) == 1:
            turn.count = int(number[1])
            losses.keep("assertions")
        else:
            losses.add("call-count", step.place)
            draft.words.append(step.text)
    elif (called := _CALLED.match(what)) is not None:
        turn.calls.append(called[1])
        losses.keep("assertions")
        if called[2].strip():  # with which arguments is said in words
            losses.add("assertion-in-words", step.place)
            draft.words.append(step.text)
    else:
        losses.add("assertion-in-words", step.place)
        draft.words.append(step.text)


def _text_of(found: re.Match[str]) -> str:
    return _bare(found[1])


_Take = Callable[[_Turn, re.Match[str], Step], None]


def _set(name: str, value: Any) -> _Take:
    return lambda turn, _found, _step: setattr(turn, name, value)


def _add(name: str) -> _Take:
    return lambda turn, found, _step: getattr(turn, name).append(_text_of(found))


def _count(turn: _Turn, found: re.Match[str], _step: Step) -> None:
    turn.messages = int(found[1])


def _remember(name: str) -> _Take:
    return lambda turn, _found, step: setattr(turn, name, step)


_THEN: tuple[tuple[re.Pattern[str], _Take], ...] = tuple(
    (re.compile(pattern, re.DOTALL), take)
    for pattern, take in (
        (r'(?:the|at least one) message contains the text "(.*)"', _add("contains")),
        (r'the message doesn\'t contain the text "(.*)"', _add("excludes")),
        (r"a single message event is emitted", _set("messages", 1)),
        (r"a total of (\d{1,3}) message events? (?:is|are) emitted", _count),
        (r"no (?:message )?events are emitted", _set("messages", 0)),
        (r"no tool calls event is emitted", _set("no_calls", True)),
        (r"a single tool calls event is emitted", _remember("some_call")),
        (r"no tool error has occurred", _remember("no_error")),
    )
)
"""Steps that say exactly what is expected."""


def _script(scenario: Scenario, feature: Feature, draft: _Draft, source: Source, losses: Losses) -> dict[str, Any]:
    origin: dict[str, Any] = {"format": "parlant", "file": said(PurePath(source.file).name), "line": scenario.place.line}
    for name, words in (("setup", draft.setup), ("in_words", draft.words)):
        if words:
            origin[name] = [said(text) for text in words]
    given: dict[str, Any] = {}
    if draft.variables:
        given["variables"] = {_name(name): said(value) for name, value in draft.variables.items()}
    if draft.history:
        given["history"] = draft.history
    tags = [tag for tag in ("parlant", *scenario.tags) if re.fullmatch(r"[\w.-]{1,60}", tag)]
    script: dict[str, Any] = {"title": said(scenario.name or feature.name or "Scenario"), "tags": list(dict.fromkeys(tags))}
    script["origin"] = origin
    if given:
        script["given"] = given
    made = [_turn(turn, draft, losses) for turn in draft.turns]
    script["turns"] = [turn for turn in made if turn]
    return script


def _name(variable: str) -> str:
    """A variable's name as scripts know it: `Current Date` → `current_date`."""
    return variable if variable.isidentifier() else re.sub(r"\W+", "_", variable).strip("_").lower() or "variable"


def _turn(turn: _Turn, draft: _Draft, losses: Losses) -> dict[str, Any]:
    out: dict[str, Any] = {} if turn.user is None else {"user": said(turn.user)}
    expect: dict[str, Any] = {}
    response: dict[str, Any] = {}
    if turn.contains:
        response["contains"] = [said(text) for text in turn.contains]
    if turn.excludes:
        response["excludes"] = [said(text) for text in turn.excludes]
    if turn.messages == 0:
        response["max_chars"] = 0
    elif turn.messages is not None and not turn.contains:
        response["min_chars"] = 1
    if response:
        expect["response"] = response
    if (turn.messages or 0) > 1:
        expect["messages"] = {"count": turn.messages}
    tools = _tools(turn, draft, losses)
    if tools is not None:
        expect |= tools
    found = together([*([expect] if expect else []), *({"response": {"judge": judged(text)}} for text in turn.rubrics)])
    return out if found is None else out | {"expect": found}


def _tools(turn: _Turn, draft: _Draft, losses: Losses) -> Mapping[str, Any] | None:
    only = draft.tools[0] if len(set(draft.tools)) == 1 else None
    names = turn.calls or ([only] if only is not None and (turn.some_call or turn.count) else [])
    if turn.no_error is not None and not names and not turn.no_calls:
        losses.add("tool-error", turn.no_error.place)
    if turn.some_call is not None:
        losses.add("some-call", turn.some_call.place)
    if turn.no_calls:
        return {"tools": {"none": True}}
    calls = [{name: {"error": Word("absent")}} if turn.no_error is not None else said(name) for name in names]
    if turn.count is not None and only is not None and turn.count > 0:
        return {"tools": {"calls": calls, "count": {only: turn.count}, "order": Word("any")}}
    if calls:
        return {"tools": {"calls": calls, "order": Word("any")}}
    return {"not": {"tools": {"none": True}}} if turn.some_call is not None else None
