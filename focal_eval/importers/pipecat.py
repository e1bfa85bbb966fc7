"""Pipecat: behavioural evaluations become scripts; what is heard or timed is told as lost.

A file holds one scenario (`name`, `turns`) or several (`scenarios`). A turn says something (`user`), presses keys (`dtmf`), or
only waits; `expect` lists events. Function calls, the text of replies and what a model judges of them (`eval`) are kept; the
speech events have no place in a conversation of texts. `within_ms` of a reply is its time limit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from focal_eval.errors import Problems
from focal_eval.importers import tree
from focal_eval.importers.base import Imported
from focal_eval.importers.criteria import KEPT, judged
from focal_eval.importers.drafts import Draft, Scripts, origin, script, turn
from focal_eval.importers.foreign import Source
from focal_eval.importers.losses import Losses
from focal_eval.importers.tree import Place, Tree, mapping, mappings, pass_over, read_tree, scalar_text
from focal_eval.importers.write import Word, call, said

REPLIES = frozenset({"response", "llm_response", "tts_response"})
_READ = frozenset({"event", "within_ms", "text_contains", "text_excludes", "calls", "name", "args", "eval", "absent"})
_TURN = frozenset({"user", "dtmf", "expect", "send_after", "image", "audio"})
_FILE = frozenset({"name", "turns", "context", "description", "tags"})

SENTENCES = {
    **tree.SENTENCES,
    "judged-criterion": "criteria on calls of functions (`eval`), which a judge of replies does not see: kept under `origin`",
    "speech-event": "events of speech and of the pipeline, which a conversation of texts does not have",
    "send-after": "when a turn is sent (`send_after`): a turn follows on the reply to the one before",
    "image": "images shown to the bot",
    "recording": "recordings played in place of the user's words: the words are said",
    "keys": "pressed keys (`dtmf`): said as the text that the bot's aggregator makes of them",
    "reply-time": "time limits of a reply: taken for those of the whole turn",
    "event-time": "time limits of other events",
    "call-order": "calls expected in an order and some of them in any: looked for in any order",
    "second-reply": "events that must not come after others (`absent`): a turn has one reply",
    "system-prompt": "system messages of the context: a script says nothing of how the agent is instructed",
    "not-text": "parts of the context that are not text",
    "setting": "settings of voices, judges and of the run",
    "persona": "scenarios in which a model plays the user (`persona`)",
    "bad-value": "values of another kind than the format has there",
    "empty-scenario": "scenarios without turns",
}
APPROXIMATED = frozenset({"keys", "reply-time", "call-order", "recording", "yaml-tag"})


@dataclass(frozen=True, slots=True)
class Pipecat:
    """Behavioural evaluations of Pipecat."""

    suffixes: ClassVar[tuple[str, ...]] = (".yaml", ".yml")

    def read(self, sources: Sequence[Source], problems: Problems) -> Imported:
        losses = Losses(SENTENCES, APPROXIMATED)
        scripts = Scripts(sources, problems, losses, self.suffixes)
        for source in sources:
            read = read_tree(source, problems, losses)
            if read is None:
                continue
            found = _scenarios(read)
            if found is None:
                pass_over(source, problems, losses, "a scenario of Pipecat: it has neither `turns` nor `scenarios`")
                continue
            drafts = (_Scenario(read, source, losses, path, data).draft() for path, data in found)
            scripts.add(source, [draft for draft in drafts if draft is not None])
        return scripts.imported()


def _scenarios(read: Tree) -> list[tuple[tuple[str | int, ...], Mapping[str, Any]]] | None:
    """The scenarios of a file with their places; None where it is another format's."""
    data = mapping(read.data)
    shared = {key: data[key] for key in ("context", "user", "judge", "stop_on_failure") if key in data}
    if isinstance(data.get("scenarios"), list):
        items = mappings(data["scenarios"])
        fits = any("turns" in item or "persona" in item for _, item in items)
        return [(("scenarios", index), {**shared, **item}) for index, item in items] if fits else None
    turns = mappings(data.get("turns"))
    fits = any({"user", "expect", "dtmf"} & set(item) for _, item in turns) and not isinstance(data.get("conversation"), list)
    return [((), data)] if fits and not any(isinstance(item.get("expect"), Mapping) for _, item in turns) else None


class _Scenario:
    """Reads one scenario."""

    def __init__(
        self, read: Tree, source: Source, losses: Losses, path: tuple[str | int, ...], data: Mapping[str, Any]
    ) -> None:
        self.tree, self.source, self.losses = read, source, losses
        self.path, self.data = path, data
        self.criteria: list[dict[str, Any]] = []

    def _at(self, *more: str | int) -> Place:
        return self.tree.at(*self.path, *more)

    def _lost(self, kind: str, *more: str | int) -> None:
        self.losses.add(kind, self._at(*more))

    def draft(self) -> Draft | None:
        """The scenario as a script, None where it has no turns."""
        for key in self.data:
            if key == "persona":
                self._lost("persona", key)
            elif key not in _FILE:
                self._lost("setting", key)
        if "persona" in self.data:
            return None
        turns = [made for index, item in mappings(self.data.get("turns")) if (made := self._turn(index, item)) is not None]
        if not turns:
            self._lost("empty-scenario")
            return None
        name = (
            scalar_text(self.data.get("name") or "") or self.source.file.replace("\\", "/").rpartition("/")[2].partition(".")[0]
        )
        history = self._history()
        found = origin("pipecat", self.source, self._at(), name=name, criteria=self.criteria)
        given = {"history": history} if history else {}
        title = name.replace("_", " ").replace("-", " ")
        return Draft(name, script(title, ["pipecat"], found, given=given, turns=turns), self._at())

    def _history(self) -> list[dict[str, str]]:
        out: list[dict[str, str]] = []
        for index, message in mappings(self.data.get("context")):
            role, content = message.get("role"), message.get("content")
            if role in ("system", "developer"):
                self._lost("system-prompt", "context", index)
            elif not isinstance(content, str) or not content.strip() or role not in ("user", "assistant"):
                self._lost("not-text", "context", index)
            elif role == "user":
                out.append({"user": said(content)})
            elif out and "agent" not in out[-1]:
                out[-1]["agent"] = said(content)
            else:
                out.append({"agent": said(content)})
        self.losses.keep("history messages", sum(map(len, out)))
        return out

    def _turn(self, index: int, item: Mapping[str, Any]) -> dict[str, Any] | None:
        for key, kind in (("send_after", "send-after"), ("image", "image"), ("audio", "recording")):
            if item.get(key) is not None:
                self._lost(kind, "turns", index, key)
        for key in set(item) - _TURN:
            self._lost("setting", "turns", index, key)
        user = None
        if item.get("dtmf") is not None:
            self._lost("keys", "turns", index, "dtmf")
            user = f"DTMF: {scalar_text(item['dtmf'])}"
        elif item.get("user") is not None:
            user = scalar_text(item["user"])
            if not user.strip():
                self._lost("bad-value", "turns", index, "user")
                return None
            self.losses.keep("user turns")
        number = index + 1
        expect = self._expected(item.get("expect"), index, number)
        if user is None and not expect:
            expect = [{"response": {"min_chars": 1}}]
        return turn(user, expect=expect)

    def _expected(self, events: Any, index: int, number: int) -> list[dict[str, Any]]:
        """The expectations of a turn's events, calls together."""
        out: list[dict[str, Any]] = []
        calls: list[list[Any]] = []
        ordered = True
        given = events if isinstance(events, list) else []
        if events is not None and not isinstance(events, list):
            self._lost("bad-value", "turns", index, "expect")
        for at, event in mappings(given):
            path = ("turns", index, "expect", at)
            name = event.get("event")
            if name == "function_call":
                made = self._calls(event, path, number, out)
                calls += [made] if made else []
                ordered = ordered and len(made) < 2
            elif isinstance(name, str) and name in REPLIES:
                out += self._reply(event, path, number)
            else:
                self._lost("speech-event", *path)
        if not calls:
            return out
        if len(calls) > 1 and not ordered:
            self._lost("call-order", "turns", index, "expect")
        flat = [made for group in calls for made in group]
        self.losses.keep("tool calls", len(flat))
        return [*out, {"tools": {"calls": flat, "order": Word("any")} if not ordered else {"calls": flat}}]

    def _calls(
        self, event: Mapping[str, Any], path: tuple[str | int, ...], number: int, out: list[dict[str, Any]]
    ) -> list[Any]:
        self._time(event, path, reply=False)
        self._criterion(event, path, number)
        if event.get("absent") is True:
            self.losses.keep("forbidden calls")
            out.append({"tools": {"none": True}})
            return []
        listed = mappings(event.get("calls")) if event.get("calls") is not None else [(0, event)]
        made = []
        for _, item in listed:
            if isinstance(item.get("name"), str) and item["name"].strip():
                arguments = item.get("args")
                if arguments is not None and not isinstance(arguments, Mapping):
                    self._lost("bad-value", *path)
                    arguments = None
                made.append(call(item["name"], arguments))
            else:
                self.losses.keep("any-tool calls")
                out.append({"not": {"tools": {"none": True}}})
        return made

    def _reply(self, event: Mapping[str, Any], path: tuple[str | int, ...], number: int) -> list[dict[str, Any]]:
        if event.get("absent") is True:
            self._lost("second-reply", *path)
            return []
        out: list[dict[str, Any]] = []
        for key, check in (("text_contains", "contains"), ("text_excludes", "excludes")):
            if event.get(key) is not None and scalar_text(event[key]).strip():
                out.append({"response": {check: {"text": [said(scalar_text(event[key]))], "case": "strict"}}})
                self.losses.keep("reply texts")
        for key in sorted(set(event) - _READ):
            self._lost("setting", *path, key)
        if not out:
            self.losses.keep("expected answers")
            out.append({"response": {"min_chars": 1}})
        if event.get("eval") and (rubric := scalar_text(event["eval"])).strip():
            out.append({"response": {"judge": judged(rubric)}})
            self.losses.keep(KEPT)
        limit = self._time(event, path, reply=True)
        return out if limit is None else [*out, {"latency_ms": {"max": limit}}]

    def _criterion(self, event: Mapping[str, Any], path: tuple[str | int, ...], number: int) -> None:
        if event.get("eval"):
            self._lost("judged-criterion", *path, "eval")
            self.criteria.append({"turn": number, "says": scalar_text(event["eval"])})

    def _time(self, event: Mapping[str, Any], path: tuple[str | int, ...], *, reply: bool) -> int | float | None:
        limit = event.get("within_ms")
        if limit is None:
            return None
        good = isinstance(limit, (int, float)) and not isinstance(limit, bool) and 0 < limit < 1e9
        if not good:
            self._lost("bad-value", *path, "within_ms")
            return None
        self._lost("reply-time" if reply else "event-time", *path, "within_ms")
        return limit if reply else None
