"""Google ADK: evaluation sets become scripts, each case a conversation with its golden replies and tool calls.

Three shapes are read: the evaluation set of today (`eval_cases` with `conversation`), the one before it (a list of cases with
`data` and `initial_session`), and the first one (a list of `query`, `expected_tool_use`, `reference`: one conversation).
Keys are read in both of ADK's spellings, `user_content` and `userContent`. ADK compares the calls of a turn with all that are
expected, in order; so do the scripts. Rubrics, of cases, turns and the `test_config.json` of a folder, are asked of a judge.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from focal_eval.errors import Problems
from focal_eval.importers import adk_criteria, tree
from focal_eval.importers.adk_criteria import NO_CRITERIA, Criteria, criteria_of, folder_of, is_config, rubrics_in, today
from focal_eval.importers.base import Imported, option, yes_or_no
from focal_eval.importers.criteria import KEPT, judged
from focal_eval.importers.drafts import Draft, Scripts, origin, script, turn
from focal_eval.importers.foreign import Source
from focal_eval.importers.losses import Losses
from focal_eval.importers.tree import Place, Tree, mapping, mappings, pass_over, read_tree, scalar_text
from focal_eval.importers.write import call, data_said, literal, said

SENTENCES = {
    **tree.SENTENCES,
    "not-text": "parts of messages that are not text, such as images",
    "thought": "parts of replies that the model thought and did not say",
    "silent-turn": "turns in which the user says no text",
    "intermediate-response": "what sub-agents said on the way to the final response",
    "tool-result": "recorded results of tools: `--stubs yes` makes them what the tools answer",
    **adk_criteria.SENTENCES,
    "simulated-user": "cases in which a model plays the user (`conversation_scenario`)",
    "bad-value": "values of another kind than the format has there",
    "unnamed-call": "tool calls without a name",
    "final-state": "the expected state at the end: expected of the variables after the last turn",
}
APPROXIMATED = adk_criteria.APPROXIMATED | {"final-state"}


@dataclass(frozen=True, slots=True)
class Adk:
    """Evaluation sets of Google's Agent Development Kit."""

    suffixes: ClassVar[tuple[str, ...]] = (".json",)
    stubs: bool = option(yes_or_no, doc="whether recorded results are what tools answer: yes or no", default=False)

    def read(self, sources: Sequence[Source], problems: Problems) -> Imported:
        losses = Losses(SENTENCES, APPROXIMATED)
        scripts = Scripts(sources, problems, losses, (".test.json", ".evalset.json", ".json"))
        trees = [(source, read) for source in sources if (read := read_tree(source, problems, losses)) is not None]
        configs = {folder_of(source): criteria_of(read, losses) for source, read in trees if is_config(source, read)}
        for source, read in trees:
            if is_config(source, read):
                continue
            cases = _cases(read)
            if cases is None:
                pass_over(source, problems, losses, "an evaluation set of ADK")
                continue
            reading = _Reading(read, source, losses, self.stubs, configs.get(folder_of(source), NO_CRITERIA))
            scripts.add(source, [draft for case in cases if (draft := reading.draft(case)) is not None])
        return scripts.imported()


@dataclass(frozen=True, slots=True)
class _Case:
    """A case in one shape for all three: its data in today's spelling, and where it stands."""

    id: str
    data: Mapping[str, Any]
    path: tuple[str | int, ...]
    turns: tuple[str | int, ...]  # below the path


def _cases(read: Tree) -> list[_Case] | None:
    """The cases of a file, None where it is none of the three shapes."""
    data = read.data
    if isinstance(data, Mapping):
        data = today(data)
        if "eval_cases" not in data:
            return None
        key = "eval_cases" if "eval_cases" in read.data else "evalCases"
        found = mappings(data["eval_cases"])
        return [_Case(_id(today(item), index, "eval_id"), today(item), (key, index), ()) for index, item in found]
    items = mappings(data)
    if not items or not isinstance(data, list):
        return None
    if any("data" in item and "query" not in item for _, item in items):
        return [
            _Case(_id(item, index, "name"), {**item, "session_input": item.get("initial_session")}, (index,), ("data",))
            for index, item in items
        ]
    return [_Case("", {"data": data}, (), ())] if any("query" in item for _, item in items) else None


def _id(item: Mapping[str, Any], index: int, key: str) -> str:
    return scalar_text(item[key]) if item.get(key) not in (None, "") else f"case-{index + 1}"


class _Reading:
    """Reads the cases of one file."""

    def __init__(self, read: Tree, source: Source, losses: Losses, stubs: bool, asked: Criteria) -> None:
        self.tree, self.source, self.losses = read, source, losses
        self.stubs, self.asked = stubs, asked
        self.answers: dict[str, list[Any]] = {}
        self.criteria: list[dict[str, Any]] = []

    def draft(self, case: _Case) -> Draft | None:
        """The case as a script, None where nobody says anything in it."""
        place = self.tree.at(*case.path)
        if case.data.get("conversation_scenario"):
            self.losses.add("simulated-user", place)
            return None
        self.answers, self.criteria = {}, []
        old = "data" in case.data
        turns, ids = self._old(case) if old else self._today(case)
        if not turns:
            return None
        self._final_state(case, turns)
        whole = [{"judge": made} for made in self._rubrics(case.data, place, None)]
        session = today(mapping(case.data.get("session_input")))
        state = mapping(session.get("state"))
        known = {"app_name": session.get("app_name"), "user_id": session.get("user_id")}
        set_id = self._set_id()
        found = origin("adk", self.source, place, eval_set=set_id, eval_id=case.id, invocations=ids, criteria=self.criteria)
        self.losses.keep("variables", len(state))
        return Draft(
            case.id or _stem(self.source),
            script(
                _title(case.id, self.source),
                ["adk"],
                found,
                metadata={name: said(value) for name, value in known.items() if isinstance(value, str) and value},
                given={"variables": data_said(state)} if state else {},
                tools=self.answers,
                turns=turns,
                conversation=whole,
            ),
            place,
        )

    def _set_id(self) -> str | None:
        given = today(self.tree.data) if isinstance(self.tree.data, Mapping) else {}
        return scalar_text(given["eval_set_id"]) if given.get("eval_set_id") else None

    def _today(self, case: _Case) -> tuple[list[dict[str, Any]], list[str]]:
        turns: list[dict[str, Any]] = []
        ids: list[str] = []
        for index, item in mappings(case.data.get("conversation")):
            data = today(item)
            at = (*case.path, "conversation", index)
            user = self._text(data.get("user_content"), at)
            if user is None:
                self.losses.add("silent-turn", self.tree.at(*at))
                continue
            calls = self._calls(data.get("intermediate_data"), at)
            rubrics = self._rubrics(data, self.tree.at(*at), len(turns) + 1)
            turns.append(self._turn(user, self._text(data.get("final_response"), at), calls, rubrics))
            ids += [scalar_text(data["invocation_id"])] if data.get("invocation_id") else []
        return turns, ids

    def _old(self, case: _Case) -> tuple[list[dict[str, Any]], list[str]]:
        turns = []
        for index, item in mappings(case.data.get("data")):
            at = (*case.path, *case.turns, index)
            query = item.get("query")
            if not isinstance(query, str) or not query.strip():
                self.losses.add("silent-turn", self.tree.at(*at))
                continue
            reply = item.get("reference")
            calls = None
            if isinstance(item.get("expected_tool_use"), list):
                calls = [
                    self._call(used.get("tool_name"), used.get("tool_input"), used.get("mock_tool_output"), (*at, number))
                    for number, used in mappings(item["expected_tool_use"])
                ]
            for _ in mappings(item.get("expected_intermediate_agent_responses")):
                self.losses.add("intermediate-response", self.tree.at(*at, "expected_intermediate_agent_responses"))
            turns.append(self._turn(query, reply if isinstance(reply, str) and reply.strip() else None, calls))
        return turns, []

    def _turn(self, user: str, reply: str | None, calls: list[Any] | None, rubrics: Sequence[Any] = ()) -> dict[str, Any]:
        self.losses.keep("user turns")
        self.losses.keep("golden texts", reply is not None)
        expect: list[dict[str, Any]] = [
            {"response": {"judge": made}} for made in (*rubrics, *self.asked.of(reply, self.losses))
        ]
        if calls is not None:
            made = [item for item in calls if item is not None]
            self.losses.keep("tool calls", len(made))
            expect.insert(0, {"tools": {"exactly": made} if made else {"none": True}})
        return turn(user, agent=None if reply is None else said(reply), expect=expect)

    def _text(self, content: Any, at: tuple[str | int, ...]) -> str | None:
        """The text of a message, None where there is none."""
        out = []
        for _, part in mappings(mapping(content).get("parts")):
            if part.get("thought"):
                self.losses.add("thought", self.tree.at(*at))
            elif isinstance(part.get("text"), str):
                out.append(part["text"])
            elif any(value is not None for value in part.values()):
                self.losses.add("not-text", self.tree.at(*at))
        text = "".join(out)
        return text if text.strip() else None

    def _calls(self, data: Any, at: tuple[str | int, ...]) -> list[Any] | None:
        """The calls of an invocation, in both of today's spellings; None where nothing is known of them."""
        if not isinstance(data, Mapping):
            return None
        given = today(data)
        place = self.tree.at(*at, "intermediate_data")
        if "invocation_events" in given:
            parts = [part for _, event in mappings(given["invocation_events"]) for part in _parts(event)]
            uses = [item for part in parts if (item := mapping(part.get("function_call") or part.get("functionCall")))]
            results = [
                item for part in parts if (item := mapping(part.get("function_response") or part.get("functionResponse")))
            ]
            spoken = sum(isinstance(part.get("text"), str) and bool(part["text"].strip()) for part in parts)
        else:
            uses = [item for _, item in mappings(given.get("tool_uses"))]
            results = [item for _, item in mappings(given.get("tool_responses"))]
            spoken = len(given["intermediate_responses"]) if isinstance(given.get("intermediate_responses"), list) else 0
        for _ in range(spoken):
            self.losses.add("intermediate-response", place)
        answers = _answers(uses, results)
        return [
            self._call(item.get("name"), item.get("args"), answers.get(number), (*at, "intermediate_data"))
            for number, item in enumerate(uses)
        ]

    def _call(self, name: Any, arguments: Any, answer: Any, at: tuple[str | int, ...]) -> Any:
        if not isinstance(name, str) or not name.strip():
            self.losses.add("unnamed-call", self.tree.at(*at))
            return None
        if arguments is not None and not isinstance(arguments, Mapping):
            self.losses.add("bad-value", self.tree.at(*at))
            arguments = None
        if answer is not None and self.stubs:
            matched = {key: literal(value) for key, value in (arguments or {}).items()}
            self.losses.keep("stubs")
            stub = {"when": matched, "returns": data_said(answer)} if matched else {"returns": data_said(answer)}
            if stub not in self.answers.setdefault(name, []):
                self.answers[name].append(stub)
        elif answer is not None:
            self.losses.add("tool-result", self.tree.at(*at))
        return call(name, arguments)

    def _rubrics(self, data: Mapping[str, Any], place: Place, number: int | None) -> list[Any]:
        """The rubrics of a case or of one of its turns; what they say of calls is kept for a reader."""
        out = []
        for rubric in rubrics_in(data):
            if rubric.of_calls:
                self.losses.add("rubric", place)
                self.criteria.append({"turn": number, "says": rubric.says} if number else {"says": rubric.says})
                continue
            if number is None:
                self.losses.add("case-rubric", place)
            self.losses.keep(KEPT)
            out.append(judged(rubric.says))
        return out

    def _final_state(self, case: _Case, turns: list[dict[str, Any]]) -> None:
        state = mapping(case.data.get("final_session_state"))
        if not state:
            return
        self.losses.add("final-state", self.tree.at(*case.path, "final_session_state"))
        wanted = {"variables": {name: literal(value) for name, value in state.items()}}
        turns[-1]["expect"] = {**turns[-1].get("expect", {}), **wanted}


def _parts(event: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [part for _, part in mappings(mapping(event.get("content")).get("parts"))]


def _answers(uses: Sequence[Mapping[str, Any]], results: Sequence[Mapping[str, Any]]) -> dict[int, Any]:
    """The result of each call by its number: by the call's id, else by the tool's name in order."""
    out: dict[int, Any] = {}
    for result in results:
        fits = (
            number
            for number, use in enumerate(uses)
            if number not in out
            and (use.get("id") == result.get("id") if result.get("id") else use.get("name") == result.get("name"))
        )
        number = next(fits, None)
        if number is not None and result.get("response") is not None:
            out[number] = result["response"]
    return out


def _stem(source: Source) -> str:
    return source.file.replace("\\", "/").rpartition("/")[2].partition(".")[0]


def _title(id: str, source: Source) -> str:
    """The case's id where it says something to a reader, else the file's name in words."""
    return _stem(source).replace("_", " ").replace("-", " ") if not id or "/" in id else id
