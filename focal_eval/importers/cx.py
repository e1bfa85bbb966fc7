"""Dialogflow CX: exported test cases become scripts that expect intents, pages, parameters and replies.

What is read: one test case as an agent's JSON package holds them, a list of them, what the API lists, or one a line.
An intent is expected as a matched rule, a page as a step; parameters are expected as far as the test case tracks them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import PurePath
from typing import Any, ClassVar

from focal_eval.errors import Problems
from focal_eval.importers.base import Imported
from focal_eval.importers.chat import MAX_TURNS
from focal_eval.importers.foreign import Placed, Source, conform, read_json
from focal_eval.importers.losses import Losses
from focal_eval.importers.places import lines_of_items
from focal_eval.importers.recorded_script import Names
from focal_eval.importers.write import data_said, literal, said, yaml_text
from focal_eval.source import Span, whole_file
from focal_eval.text import shorten

SENTENCES = {
    "audio-input": "test cases with spoken input: a script holds words",
    "diagnostics": "diagnostic information of turns",
    "dtmf": "digits that are dialled: the user says them",
    "empty-turn": "turns in which nobody says anything and nothing is observed",
    "event": "events of the surroundings, such as a welcome: the agent speaks first there",
    "injected-later": "parameters that are set after the first turn",
    "injected-first": "parameters that are set before the first turn: the conversation starts with them as variables",
    "intent": "intents that are triggered: expected as matched rules of their names",
    "intent-input": "intents that are triggered without words: the user says the intent's name",
    "last-result": "results and differences of the last run",
    "no-turns": "test cases without turns",
    "other-file": "files of the folder that hold no test cases",
    "page": "pages: expected as steps of their names",
    "start": "flows and pages at which a test case starts: kept in the script's origin",
    "status": "turns that the agent answered with an error",
    "untracked": "session parameters that the test case does not track, which is to say compare",
    "webhook": "that webhooks are called: whether they are is the engine's matter",
}
APPROXIMATED = frozenset({"dtmf", "event", "injected-first", "intent", "intent-input", "page"})
_TAG = re.compile(r"[\w.-]{1,60}\Z")
_MAX_DEPTH = 30


@dataclass(frozen=True, slots=True)
class _Named:
    """A resource as the API shows it."""

    name: str | None = None
    displayName: str | None = None  # noqa: N815  # the API's spelling

    def shown(self) -> str | None:
        """What people call it."""
        return self.displayName or (self.name.rsplit("/", 1)[-1] if self.name else None)


@dataclass(frozen=True, slots=True)
class _UserInput:
    input: dict[str, Any] = field(default_factory=dict)
    injectedParameters: dict[str, Any] | None = None  # noqa: N815
    isWebhookEnabled: bool | None = None  # noqa: N815


@dataclass(frozen=True, slots=True)
class _Output:
    """What the agent did."""

    sessionParameters: dict[str, Any] | None = None  # noqa: N815
    triggeredIntent: _Named | None = None  # noqa: N815
    currentPage: _Named | None = None  # noqa: N815
    textResponses: list[dict[str, Any]] = field(default_factory=list)  # noqa: N815
    differences: list[Any] | None = None
    diagnosticInfo: Any = None  # noqa: N815
    status: Any = None


@dataclass(frozen=True, slots=True)
class _Turn:
    userInput: _UserInput = field(default_factory=_UserInput)  # noqa: N815
    virtualAgentOutput: _Output = field(default_factory=_Output)  # noqa: N815


@dataclass(frozen=True, slots=True)
class _Config:
    trackingParameters: list[str] | None = None  # noqa: N815
    flow: str | None = None
    page: str | None = None


@dataclass(frozen=True, slots=True)
class _Case:
    """One test case."""

    displayName: str  # noqa: N815
    testCaseConversationTurns: list[_Turn] = field(default_factory=list)  # noqa: N815
    name: str | None = None
    tags: list[str] | None = None
    notes: str | None = None
    testConfig: _Config | None = None  # noqa: N815
    lastTestResult: dict[str, Any] | None = None  # noqa: N815


@dataclass(frozen=True, slots=True)
class DialogflowCX:
    """Test cases of Dialogflow CX."""

    suffixes: ClassVar[tuple[str, ...]] = (".json", ".jsonl")

    def read(self, sources: Sequence[Source], problems: Problems) -> Imported:
        losses = Losses(SENTENCES, APPROXIMATED)
        scripts: dict[str, str] = {}
        turns = 0
        names = Names()
        for source in sources:
            for case, line, place in _cases(source, losses, problems):
                script = _Script(case, source, line, place, losses).made(problems)
                if script is not None:
                    scripts[f"scenarios/{names.of(case.displayName, 'test-case')}.yaml"] = yaml_text(script)
                    turns += len(script["turns"])
        return Imported(scripts, losses=losses.listed(), conversations=len(scripts), turns=turns, kept=losses.kept())


Place = Callable[..., Callable[[], Span]]
_Found = tuple[_Case, int, Place]


def _cases(source: Source, losses: Losses, problems: Problems) -> list[_Found]:
    """The test cases of a file, each with its line and what gives the place of its values."""
    if source.file.endswith(".jsonl"):
        return _lines(source, losses, problems)
    quiet = Problems()
    read = read_json(source, Any, quiet)
    if read is None or not _holds_cases(read[0]):
        _refuse(source, quiet, losses, problems)
        return []
    data, placed = read
    if isinstance(data, list):
        found: list[_Case] = conform(data, list[_Case], placed, problems) or []
        lines = lines_of_items(placed.text, ())
        return [(case, line, partial(placed.at, index)) for index, (case, line) in enumerate(zip(found, lines, strict=False))]
    if _is_case(data):
        case: _Case | None = conform(data, _Case, placed, problems)
        return [] if case is None else [(case, 1, placed.at)]
    listed: _Listed | None = conform(data, _Listed, placed, problems)
    cases = [] if listed is None else listed.testCases
    at = partial(placed.at, "testCases")
    lines = lines_of_items(placed.text, ("testCases",))
    return [(case, line, partial(at, index)) for index, (case, line) in enumerate(zip(cases, lines, strict=False))]


@dataclass(frozen=True, slots=True)
class _Listed:
    testCases: list[_Case]  # noqa: N815


def _holds_cases(data: Any) -> bool:
    """Whether a file is a test case, a list of them, or has them under `testCases`."""
    if isinstance(data, Mapping) and isinstance(data.get("testCases"), list):
        return True
    return _is_case(data) or (isinstance(data, list) and any(map(_is_case, data)))


def _is_case(data: Any) -> bool:
    return isinstance(data, Mapping) and "displayName" in data and "testCaseConversationTurns" in data


def _lines(source: Source, losses: Losses, problems: Problems) -> list[_Found]:
    text = source.text(problems)
    out: list[_Found] = []
    for number, line in enumerate((text or "").split("\n"), 1):
        if not line.strip():
            continue
        quiet = Problems()
        read = read_json(Source(source.file, line.encode()), Any, quiet)
        if read is None or not _is_case(read[0]):
            _refuse(source, quiet, losses, problems)
            return []
        case = conform(read[0], _Case, Placed(source.file, line), problems)
        if case is not None:
            out.append((case, number, partial(_on_line, source.file, number)))
    return out


def _on_line(file: str, number: int, *_: str | int) -> Callable[[], Span]:
    return lambda: Span(file, number, 1, number, 2)


def _refuse(source: Source, quiet: Problems, losses: Losses, problems: Problems) -> None:
    if not source.named:
        losses.add("other-file", whole_file(source.file))
    elif quiet.errors:
        problems.extend(quiet)
    else:
        said_so = "the file holds no test cases: none has displayName and testCaseConversationTurns"
        problems.error("import-shape", said_so, whole_file(source.file))


class _Script:
    """One test case on its way to a script."""

    def __init__(self, case: _Case, source: Source, line: int, place: Place, losses: Losses) -> None:
        self._case, self._source, self._line, self._place, self._losses = case, source, line, place, losses
        self._config = case.testConfig or _Config()

    def made(self, problems: Problems) -> dict[str, Any] | None:
        """The script; None where the test case has no turns, or words that nobody wrote down."""
        turns = self._case.testCaseConversationTurns
        if len(turns) > MAX_TURNS:
            problems.error("import-too-large", f"the test case has more than {MAX_TURNS:,} turns", self._place()())
            return None
        if not turns:
            self._losses.add("no-turns", self._place())
            return None
        if any("audio" in turn.userInput.input for turn in turns):
            self._losses.add("audio-input", self._place())
            return None
        case = self._case
        script: dict[str, Any] = {"title": said(shorten(" ".join(case.displayName.split()), 120) or "Test case")}
        if case.notes and case.notes.strip():
            script["description"] = said(case.notes)
        tags = [tag.lstrip("#") for tag in case.tags or ()]
        script["tags"] = list(dict.fromkeys(["cx", *(tag for tag in tags if _TAG.match(tag))]))
        script["origin"] = self._origin()
        if given := plain(turns[0].userInput.injectedParameters):
            self._losses.add("injected-first", self._at(0, "userInput", "injectedParameters"))
            script["given"] = {"variables": {name: data_said(value) for name, value in given.items()}}
        made = [self._turn(turn, number) for number, turn in enumerate(turns)]
        script["turns"] = [turn for turn in made if turn]
        if script["turns"]:
            return script
        self._losses.add("no-turns", self._place())
        return None

    def _at(self, number: int, *path: str | int) -> Callable[[], Span]:
        return self._place("testCaseConversationTurns", number, *path)

    def _origin(self) -> dict[str, Any]:
        out: dict[str, Any] = {"format": "cx", "file": said(PurePath(self._source.file).name), "line": self._line}
        if self._case.name:
            out["test_case"] = said(self._case.name)
        for key, value in (("flow", self._config.flow), ("page", self._config.page)):
            if value:
                out[key] = said(value)
                self._losses.add("start", self._place("testConfig", key))
        if self._case.lastTestResult is not None:
            self._losses.add("last-result", self._place("lastTestResult"))
        return out

    def _turn(self, turn: _Turn, number: int) -> dict[str, Any]:
        """The turn; nothing where there is nothing in it."""
        out: dict[str, Any] = {}
        user = self._user(turn.userInput, number)
        if user is not None:
            out["user"] = said(user)
            self._losses.keep("user messages")
        if number and turn.userInput.injectedParameters:
            self._losses.add("injected-later", self._at(number, "userInput", "injectedParameters"))
        if turn.userInput.isWebhookEnabled:
            self._losses.add("webhook", self._at(number, "userInput", "isWebhookEnabled"))
        output = turn.virtualAgentOutput
        texts = [_text(message) for message in output.textResponses]
        if any(texts):
            out["agent"] = said("\n\n".join(filter(None, texts)))
            self._losses.keep("answers")
        expect = self._expected(output, number)
        if expect:
            out["expect"] = expect
        if not out:
            self._losses.add("empty-turn", self._at(number))
        return out

    def _user(self, given: _UserInput, number: int) -> str | None:
        """What the user says; None where the agent speaks unasked."""
        said_input = given.input
        text = _mapping(said_input.get("text")).get("text")
        if isinstance(text, str) and text.strip():
            return text
        digits = _mapping(said_input.get("dtmf")).get("digits")
        if isinstance(digits, str) and digits.strip():
            self._losses.add("dtmf", self._at(number, "userInput", "input"))
            return digits
        intent = _mapping(said_input.get("intent")).get("intent")
        if isinstance(intent, str) and intent.strip():
            self._losses.add("intent-input", self._at(number, "userInput", "input"))
            return intent.rsplit("/", 1)[-1]
        self._losses.add("event", self._at(number, "userInput"))
        return None

    def _expected(self, output: _Output, number: int) -> dict[str, Any]:
        out: dict[str, Any] = {}
        where = partial(self._at, number, "virtualAgentOutput")
        if output.triggeredIntent is not None and (intent := output.triggeredIntent.shown()):
            self._losses.add("intent", where("triggeredIntent"))
            out["rules"] = [said(intent)]
        if output.currentPage is not None and (page := output.currentPage.shown()):
            self._losses.add("page", where("currentPage"))
            out["scenario"] = {"step": said(page)}
        tracked = set(self._config.trackingParameters or ())
        known = plain(output.sessionParameters) or {}
        if wanted := {name: literal(value) for name, value in known.items() if name in tracked}:
            out["variables"] = wanted
            self._losses.keep("tracked parameters", len(wanted))
        for name in known:
            if name not in tracked:
                self._losses.add("untracked", where("sessionParameters", name))
        for key, kind in (("diagnosticInfo", "diagnostics"), ("differences", "last-result"), ("status", "status")):
            if getattr(output, key):
                self._losses.add(kind, where(key))
        return out


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(message: Mapping[str, Any]) -> str:
    """The words of a reply; `text` holds variants, of which the agent said the first."""
    texts = message.get("text")
    texts = texts.get("text") if isinstance(texts, Mapping) else texts
    return next((text for text in texts if isinstance(text, str)), "") if isinstance(texts, list) else ""


def plain(value: Any, depth: int = 0) -> Any:
    """Parameters as data, also where a client wrote them as the fields of a protocol buffer's Struct."""
    if depth > _MAX_DEPTH:
        return None
    if isinstance(value, Mapping):
        if set(value) == {"fields"} and isinstance(value["fields"], Mapping):
            return {str(name): plain(item, depth + 1) for name, item in value["fields"].items()}
        kinds = set(value) - {"kind"}
        if len(kinds) == 1 and (kind := next(iter(kinds))) in _STRUCT:
            inner = value[kind]
            if kind == "listValue":
                return [plain(item, depth + 1) for item in _mapping(inner).get("values") or ()]
            return None if kind == "nullValue" else plain(inner, depth + 1) if kind == "structValue" else inner
        return {str(name): plain(item, depth + 1) for name, item in value.items()}
    return [plain(item, depth + 1) for item in value] if isinstance(value, list) else value


_STRUCT = frozenset({"stringValue", "numberValue", "boolValue", "nullValue", "structValue", "listValue"})
