"""tau-bench: recorded runs of a customer-service agent become scripts, one cassette a trial, and suites that compare trials.

The file is a JSON list of runs: `task_id`, `trial`, `reward`, `info` and `traj`, the chat messages. tau-bench simulates the
user by a model, so the same task is told in other words in each trial: a trial replays on its own cassette by its words, and
on another trial's by position.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import Any, ClassVar

from focal_eval.engines.recording import RecordedConversation, RecordedTurn, recording_bytes
from focal_eval.errors import Problems
from focal_eval.importers import chat
from focal_eval.importers.base import Imported, numbers, option
from focal_eval.importers.foreign import Placed, Source, read_json
from focal_eval.importers.losses import Losses
from focal_eval.importers.write import Block, call, said, yaml_text
from focal_eval.records import UNKNOWN, Json
from focal_eval.text import shorten

STOP = "###STOP###"  # the simulated user's sign that it is done
_INTRODUCTION = re.compile(r"\A(?:You are|Your name is|Your user id is) [^.!?]{1,60}\. +(?=\S)")
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]+")

SENTENCES = {
    **chat.SENTENCES,
    "duplicate-run": "runs of a task and trial that came before: the first one is kept",
    "empty-run": "runs in which the agent did nothing",
    "stop-marker": f"the marker {STOP} of the simulated user",
    "not-chosen": "runs left out by --trials or --tasks",
}


@dataclass(frozen=True, slots=True)
class _Action:
    """A call of the task's answer key."""

    name: str
    kwargs: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Task:
    """What the simulated user was told, and what solves the task."""

    instruction: str | None = None
    user_id: str | None = None
    actions: list[_Action] = field(default_factory=list)
    outputs: list[Any] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Info:
    task: _Task | None = None


@dataclass(frozen=True, slots=True)
class _Run:
    """One recorded conversation."""

    task_id: int
    traj: list[chat.Message]
    trial: int = 0
    reward: float | None = None
    info: _Info | None = None


@dataclass(frozen=True, slots=True)
class _Talk:
    """A run, read: its exchanges and where it came from."""

    run: _Run
    exchanges: tuple[chat.Exchange, ...]
    file: str

    @property
    def key(self) -> str:
        return f"task-{self.run.task_id:02d}"

    @property
    def name(self) -> str:
        return f"{self.key}-trial-{self.run.trial}"


def golden(text: str) -> str | float:
    """How replies are compared: `equal`, `off`, or how alike they must be, such as `0.6`."""
    if text in ("equal", "off"):
        return text
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise ValueError(f"'{text}' is neither equal, off nor a number from 0 to 1")
    return share


@dataclass(frozen=True, slots=True)
class TauBench:
    """Recorded runs of tau-bench, as scripts, one cassette a trial and one suite a trial."""

    suffixes: ClassVar[tuple[str, ...]] = (".json",)
    trials: frozenset[int] | None = option(numbers, doc="only these trials: 0,2 or 0-3")
    tasks: frozenset[int] | None = option(numbers, doc="only these tasks: 3,7 or 0-9")
    golden: str | float = option(golden, doc="how replies are compared: equal, off, or how alike, 0 to 1", default=0.6)

    def read(self, sources: Sequence[Source], problems: Problems) -> Imported:
        losses = Losses(SENTENCES)
        scripts: dict[str, str] = {}
        suites: dict[str, str] = {}
        cassettes: dict[str, bytes] = {}
        talks: list[_Talk] = []
        for source, prefix in zip(sources, _prefixes(sources), strict=True):
            found = self._talks(source, losses, problems)
            talks.extend(found)
            scripts |= {f"{prefix}scenarios/{talk.name}.yaml": yaml_text(_script(talk)) for talk in found}
            cassettes |= {f"{prefix}cassettes/trial-{trial}.jsonl": _cassette(of) for trial, of in _by_trial(found).items()}
            suites |= {f"{prefix}{name}": text for name, text in _suites(found, source, self.golden).items()}
        turns = sum(len(talk.exchanges) for talk in talks)
        return Imported(scripts, suites, cassettes, losses.listed(), len(talks), turns)

    def _talks(self, source: Source, losses: Losses, problems: Problems) -> list[_Talk]:
        read = read_json(source, list[_Run], problems)
        if read is None:
            return []
        runs, placed = read
        found: dict[str, _Talk] = {}
        for index, run in enumerate(runs):
            place = placed.at(index)
            if run.task_id < 0 or run.trial < 0:
                problems.error("import-shape", f"[{index}]: task_id and trial count from 0", place())
            elif not self._chosen(run):
                losses.add("not-chosen", place)
            elif f"task-{run.task_id:02d}-trial-{run.trial}" in found:
                losses.add("duplicate-run", place)
            else:
                talk = _talk(run, index, placed, losses)
                if len(talk.exchanges) > chat.MAX_TURNS:
                    said = f"{talk.name} has {len(talk.exchanges):,} turns; a script holds up to {chat.MAX_TURNS:,}"
                    problems.error("import-too-large", said, place())
                elif talk.exchanges:
                    found[talk.name] = talk
                else:
                    losses.add("empty-run", place)
        return sorted(found.values(), key=lambda talk: (talk.run.task_id, talk.run.trial))

    def _chosen(self, run: _Run) -> bool:
        return (self.trials is None or run.trial in self.trials) and (self.tasks is None or run.task_id in self.tasks)


def _prefixes(sources: Sequence[Source]) -> list[str]:
    """A folder for each file where there are several: two of them may hold the same tasks."""
    if len(sources) == 1:
        return [""]
    out: list[str] = []
    for source in sources:
        stem = _NOT_IN_NAMES.sub("-", PurePath(source.file).stem).strip("-") or "runs"
        count = 2
        name = stem
        while f"{name}/" in out:
            name, count = f"{stem}-{count}", count + 1
        out.append(f"{name}/")
    return out


def _by_trial(talks: Sequence[_Talk]) -> dict[int, list[_Talk]]:
    out: dict[int, list[_Talk]] = {}
    for talk in sorted(talks, key=lambda talk: talk.run.trial):
        out.setdefault(talk.run.trial, []).append(talk)
    return out


def _talk(run: _Run, index: int, placed: Placed, losses: Losses) -> _Talk:
    messages = []
    for number, message in enumerate(run.traj):
        if message.role == "user" and isinstance(message.content, str) and STOP in message.content:
            losses.add("stop-marker", placed.at(index, "traj", number))
            message = replace(message, content=message.content.replace(STOP, "").strip())  # noqa: PLW2901  # the cleaned one
        messages.append(message)
    conversation = chat.Conversation(placed, (index, "traj"), losses, shown_beside_calls=False)
    return _Talk(run, conversation.exchanges(messages), placed.file)


def _script(talk: _Talk) -> dict[str, Any]:
    task = talk.run.info.task if talk.run.info and talk.run.info.task else _Task()
    script: dict[str, Any] = {
        "title": _title(talk, task),
        "tags": ["tau-bench", talk.key, f"trial-{talk.run.trial}", *_solved(talk)],
        "metadata": {"cassette": talk.key},
        "origin": _origin(talk),
        "turns": [_turn(exchange) for exchange in talk.exchanges],
    }
    if key := _answer_key(task):
        script["conversation"] = key
    return script


def _title(talk: _Talk, task: _Task) -> str:
    """The task's number and the beginning of what the simulated user was told, without its introduction."""
    told = _INTRODUCTION.sub("", (task.instruction or "").strip())
    return f"Task {talk.run.task_id}" + (f": {shorten(told, 90)}" if told else "")


def _solved(talk: _Talk) -> list[str]:
    return [] if talk.run.reward is None else ["solved" if talk.run.reward >= 1 else "unsolved"]


def _origin(talk: _Talk) -> dict[str, Json]:
    out: dict[str, Json] = {"format": "tau-bench", "file": said(PurePath(talk.file).name)}
    out |= {"task": talk.run.task_id, "trial": talk.run.trial}
    if talk.run.reward is not None:
        out["reward"] = talk.run.reward
    return out


def _turn(exchange: chat.Exchange) -> dict[str, Any]:
    """What the user said, what the agent answered, and exactly the calls it made in between."""
    turn: dict[str, Any] = {}
    if exchange.user is not None:
        turn["user"] = said(exchange.user)
    reply = exchange.reply
    if reply.response is not UNKNOWN and reply.response.strip():
        turn["agent"] = said(reply.response)
    assert reply.tools is not UNKNOWN
    calls = [call(made.name, None if made.arguments is UNKNOWN else made.arguments) for made in reply.tools]
    turn["expect"] = {"tools": {"exactly": calls} if calls else {"none": True}}
    return turn


def _answer_key(task: _Task) -> list[dict[str, Any]]:
    """What solves the task: calls and facts to be told; soft, as the recorded agent may have failed at it."""
    calls = [call(action.name, action.kwargs) for action in task.actions]
    wanted = [
        {"count": {"tool": made, "times": {"min": calls.count(made)}}, "soft": True, "because": "the answer key has this call"}
        for index, made in enumerate(calls)
        if made not in calls[:index]
    ]
    facts = [told(str(fact)) | {"soft": True, "because": "the answer key has this fact"} for fact in task.outputs if str(fact)]
    return wanted + facts


def told(fact: str) -> dict[str, Any]:
    """The expectation of a fact in some reply; tau-bench takes `1,786` for `1786`."""
    forms = [fact, f"{int(fact):,}"] if fact.isdecimal() and fact.isascii() and 3 < len(fact) < 20 else [fact]
    found = [{"count": {"text": said(form), "times": {"min": 1}}} for form in forms]
    return found[0] if len(found) == 1 else {"any_of": found}


def _cassette(talks: Sequence[_Talk]) -> bytes:
    conversations = [
        RecordedConversation(
            talk.key,
            tuple(RecordedTurn(exchange.user, exchange.reply) for exchange in talk.exchanges),
            origin={key: value for key, value in _origin(talk).items() if key != "format"},
        )
        for talk in talks
    ]
    return recording_bytes(conversations, {"format": "tau-bench"})


def _suites(talks: Sequence[_Talk], source: Source, compared: str | float) -> Mapping[str, str]:
    """One suite a trial: its scripts on its own cassette, the other trials' as engines to compare with."""
    trials = list(_by_trial(talks))
    out = {}
    for trial in trials:
        name = "suite.yaml" if trial == trials[0] else f"suite-trial-{trial}.yaml"
        suite: dict[str, Any] = {
            "title": f"{PurePath(source.file).stem}, trial {trial}",
            "scripts": [f"scenarios/*-trial-{trial}.yaml"],
            "engine": {"kind": "cassette", "file": f"cassettes/trial-{trial}.jsonl"},
        }
        others = {
            f"trial-{other}": {"kind": "cassette", "file": f"cassettes/trial-{other}.jsonl", "match": "position"}
            for other in trials
            if other != trial
        }
        if others:
            suite["engines"] = Block(others)
        suite["golden"] = compared if isinstance(compared, str) else {"similar": compared}
        out[name] = yaml_text(suite)
    return out
