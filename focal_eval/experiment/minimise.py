"""The smallest conversation that still fails the same way, and the fewest rules of the agent that it takes.

The case is cut down by delta debugging, part by part: expectations, turns, stubs, what it starts with, the values stubs return,
then sentences and words. A try counts where the same expectation fails for the same reason; what is written is the very
text that was tried. Turns and stubs are gone over again until nothing more can go.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from focal_eval.agent import Agent, Playable
from focal_eval.agent.parts import NoPart, parts, problems_of, without
from focal_eval.experiment.ddmin import Probes, Shown, smallest
from focal_eval.experiment.lab import Lab, Replay, Version
from focal_eval.experiment.scripted import Data, read_back, written
from focal_eval.records import UNKNOWN, Verdict
from focal_eval.runner.plan import Case
from focal_eval.value import value

Place = tuple[str | int, ...]
AT_MOST = 5_000  # tries of one case
ROUNDS = 4  # over turns and stubs
_DIGITS = re.compile(r"\d+(?:\.\d+)?")
_SENTENCE = re.compile(r"(?<=[.!?…])\s+|\n+")


@value
class Signature:
    """How a case fails: two failures are the same where these are equal, whatever turn they are in."""

    verdict: Verdict
    key: str  # "rules", "response.contains", "fault"
    text: str  # the expectation in words, or the kind of fault
    why: str  # the first finding in one sentence, numbers aside
    observed: tuple[str, ...] = ()  # what the engine did in that turn: rules, step, tools, template, outcome

    @property
    def spoken(self) -> str:
        """In one sentence."""
        return f"{self.text}: {self.why}" if self.why else self.text


def signature_of(replay: Replay) -> Signature | None:
    """How a replay fails first, None where it does not."""
    if replay.good or not replay.marks:
        return None
    first = replay.marks[0]
    observed = _observed(replay, first.turn)
    fault = next((turn.fault for turn in replay.turns if turn.fault is not None), None)
    if first.key == "fault" and fault is not None:
        return Signature(replay.verdict, first.key, first.text, _DIGITS.sub("#", fault.message), observed)
    result = replay.bad[0][1]
    why = result.findings[0].message if result.findings else result.reason or ""
    return Signature(replay.verdict, first.key, first.text, _DIGITS.sub("#", why), observed)


def _observed(replay: Replay, index: int | None) -> tuple[str, ...]:
    """What the engine decided in the turn of that index, else in the last one, so far as it says so.

    Without it a conversation could shrink to one in which the expectation makes no sense, and fails for that.
    """
    turns = [turn for turn in replay.turns if turn.reply is not None and index in (None, turn.index)]
    reply = turns[-1].reply if turns else None
    if reply is None:
        return ()
    rules = () if reply.rules is UNKNOWN else sorted(rule.name for rule in reply.rules)
    tools = () if reply.tools is UNKNOWN else [f"{call.name}{'!' * (call.error is not None)}" for call in reply.tools]
    template = None if reply.template is UNKNOWN else reply.template
    return (*rules, "|", *tools, "|", str(reply.scenario), str(template), str(reply.outcome))


@value
class Size:
    """How much there is of a script."""

    turns: int
    words: int  # of the user
    expectations: int
    stubs: int  # answers of tools


@value
class Minimal:
    """A case cut down."""

    text: str  # of the script file
    data: Data
    signature: Signature
    because: str  # what was found, in one sentence
    replay: Replay
    before: Size
    after: Size
    probes: int
    complete: bool  # nothing more can go; else the tries were spent


@dataclass(slots=True)
class _Trial:
    """Tries scripts against one failure; the same text is tried once."""

    version: Version
    case: Case
    signature: Signature
    told: Callable[[int], None]
    good: Version | None = None  # one that must pass what is tried
    known: dict[str, Replay | None] = field(default_factory=dict)

    def replay(self, data: Data) -> Replay | None:
        """How a script goes, None where it cannot be read."""
        text = written(data)
        if text not in self.known:
            self.told(len(self.known) + 1)
            case = self.as_case(text)
            self.known[text] = None if case is None else self.version.play_case(case)
        return self.known[text]

    def fails(self, data: Data) -> Shown:
        """Whether it fails in the same way."""
        if not data["turns"] or len(self.known) >= AT_MOST:
            return Shown.UNSURE
        replay = self.replay(data)
        found = None if replay is None else signature_of(replay)
        if found is None:
            return Shown.UNSURE if replay is None else Shown.NO
        if found != self.signature:
            return Shown.UNSURE
        return Shown.YES if self.good is None or self._passes(self.good, data) else Shown.UNSURE

    def _passes(self, version: Version, data: Data) -> bool:
        case = self.as_case(written(data))
        return case is not None and version.play_case(case).good

    def as_case(self, text: str) -> Case | None:
        """The text as a case of its own, None where it cannot be read."""
        script = read_back(text, self.case.script)
        return None if script is None else replace(self.case, script=script, row={}, pick=0)


def minimise(
    version: Version,
    case: Case,
    data: Data,
    told: Callable[[int], None] = lambda _: None,
    *,
    good: Version | None = None,
) -> Minimal | None:
    """The case cut down, `data` being all of it as a script; None where that does not fail at all.

    With `good`, a version of the agent that passes the case, what is left passes there, too.
    """
    script = read_back(written(data), case.script)
    if script is None:
        return None
    first = version.play_case(replace(case, script=script, row={}, pick=0))
    signature = signature_of(first)
    if signature is None:
        return None
    trial = _Trial(version, case, signature, told, good)
    small = data
    for part in (_expectations, _turns, _stubs, _start, _returned):
        small = _cut(trial, small, list(part(small)))
    small = _reworded(trial, small)
    for _ in range(ROUNDS):
        again = small
        for part in (_turns, _stubs, _start):
            again = _cut(trial, again, list(part(again)))
        if again == small:
            break
        small = again
    replay = trial.replay(small)
    assert replay is not None
    return Minimal(
        text=written(small),
        data=small,
        signature=signature,
        because=replay.reason or "",
        replay=replay,
        before=_size(data),
        after=_size(small),
        probes=len(trial.known),
        complete=len(trial.known) < AT_MOST,
    )


def _cut(trial: _Trial, data: Data, paths: Sequence[Place]) -> Data:
    """The data with as few of these paths as it takes."""

    def shows(part: tuple[int, ...]) -> Shown:
        kept = set(part)
        return trial.fails(pruned(data, [path for at, path in enumerate(paths) if at not in kept]))

    kept = set(smallest(range(len(paths)), Probes(shows)))
    return pruned(data, [path for at, path in enumerate(paths) if at not in kept])


def pruned(data: Data, paths: Iterable[Place]) -> Data:
    """The data without what stands at these paths; what is empty then goes, too."""
    out = copy.deepcopy(data)
    for path in sorted(paths, key=_order, reverse=True):
        holders: list[Any] = [out]
        for name in path[:-1]:
            holders.append(holders[-1][name])
        del holders[-1][path[-1]]
        for name, holder in zip(reversed(path[:-1]), reversed(holders[:-1]), strict=True):
            if name == "turns" or isinstance(name, int) or not _bare(holder[name]):
                break
            del holder[name]
    return out


def _bare(part: Any) -> bool:
    """Whether nothing is left but words about what is gone."""
    return not part or (isinstance(part, dict) and part.keys() <= {"soft", "because"})


def _order(path: Place) -> list[tuple[bool, int, str]]:
    return [(isinstance(one, int), one if isinstance(one, int) else 0, str(one)) for one in path]


def _expectations(data: Data) -> Iterator[Place]:
    for at, turn in enumerate(data["turns"]):
        yield from _checks(("turns", at, "expect"), turn.get("expect"))
    yield from _checks(("conversation",), data.get("conversation"))


def _checks(path: Place, block: Any) -> Iterator[Place]:
    """Every expectation of a block; those of `response` one by one."""
    if isinstance(block, list):
        yield from ((*path, at) for at in range(len(block)))
    elif isinstance(block, dict):
        for key, part in block.items():
            if key == "response" and isinstance(part, dict):
                yield from ((*path, key, inner) for inner in part if inner not in ("soft", "because"))
            elif key not in ("soft", "because"):
                yield (*path, key)


def _turns(data: Data) -> Iterator[Place]:
    return (("turns", at) for at in range(len(data["turns"])))


def _stubs(data: Data) -> Iterator[Place]:
    return (("tools", tool, at) for tool, answers in data.get("tools", {}).items() for at in range(len(answers)))


def _start(data: Data) -> Iterator[Place]:
    """What the conversation starts with, and what turns have beside what is said and expected."""
    yield from ((key,) for key in ("channel",) if key in data)
    yield from (("metadata", name) for name in data.get("metadata", {}))
    given = data.get("given", {})
    yield from (("given", "variables", name) for name in given.get("variables", {}))
    yield from (("given", "history", at) for at in range(len(given.get("history", ()))))
    yield from (("given", "scenario") for _ in range("scenario" in given))
    for at, turn in enumerate(data["turns"]):
        yield from (("turns", at, key) for key in ("name", "agent", "save", "when", "timeout_s") if key in turn)


def _returned(data: Data) -> Iterator[Place]:
    """The values that stubs return, and the arguments they are for."""
    for tool, answers in data.get("tools", {}).items():
        for at, answer in enumerate(answers):
            for key in ("returns", "when"):
                inner = answer.get(key)
                if isinstance(inner, dict) and len(inner) > (key == "returns"):
                    yield from (("tools", tool, at, key, name) for name in inner)


def _reworded(trial: _Trial, data: Data) -> Data:
    """The data with shorter messages: first whole sentences go, then words."""
    for split in (_SENTENCE.split, str.split):
        for at in range(len(data["turns"])):
            said = data["turns"][at].get("user")
            pieces = [piece for piece in split(said) if piece] if isinstance(said, str) else []
            if len(pieces) < 2:
                continue

            def shorter(part: Iterable[int], at: int = at, pieces: Sequence[str] = pieces, data: Data = data) -> Data:
                turns = list(data["turns"])
                turns[at] = {**turns[at], "user": " ".join(pieces[one] for one in part)}
                return {**data, "turns": turns}

            def shows(part: tuple[int, ...], shorter: Callable[..., Data] = shorter) -> Shown:
                return trial.fails(shorter(part)) if part else Shown.UNSURE

            data = shorter(smallest(range(len(pieces)), Probes(shows)))
    return data


def needed_of(lab: Lab, version: Agent, case: Case, signature: Signature, *, whole: bool = False) -> Agent:
    """The agent with as few rules and scenarios as the failure takes; `whole`: as few parts of any kind."""
    kinds = [("rule",), ("scenario",)] + ([("template", "tool", "trigger"), ("slot", "variable")] if whole else [])
    agent, base = version, Playable(version)
    for group in kinds:
        names = [(part.kind, part.name) for part in parts(agent) if part.kind in group]

        def shows(part: tuple[int, ...], names: Sequence[tuple[str, str]] = names, agent: Agent = agent) -> Shown:
            smaller = _left(agent, names, part)
            try:
                same = signature_of(lab.on(Playable(smaller, like=base)).play_case(case)) == signature
            except Exception:  # names that lead nowhere: whether it can be played at all is looked up last, it takes longest
                return Shown.UNSURE
            if not same:
                return Shown.NO
            return Shown.UNSURE if problems_of(smaller).errors else Shown.YES

        agent = _left(agent, names, smallest(range(len(names)), Probes(shows)))
    return agent


def _left(agent: Agent, names: Sequence[tuple[str, str]], kept: Iterable[int]) -> Agent:
    wanted = set(kept)
    for at, (kind, name) in enumerate(names):
        if at not in wanted:
            try:
                agent = without(agent, kind, name)
            except NoPart:
                continue
    return agent


def _size(data: Data) -> Size:
    said = [turn.get("user") for turn in data["turns"]]
    return Size(
        len(said),
        sum(len(str(text).split()) for text in said if text is not None),
        sum(1 for _ in _expectations(data)),
        sum(1 for _ in _stubs(data)),
    )
