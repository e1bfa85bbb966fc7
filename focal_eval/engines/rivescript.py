"""The `rivescript` engine: a brain of RiveScript's, played by its own interpreter, offline and the same every time.

A matched trigger is a rule, a topic is a step of the one scenario named as the brain, an object macro is a tool.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

from focal_eval.clock import content_id
from focal_eval.document.shape import Number
from focal_eval.engines.base import Abilities, Names, Probe, Session, SessionStart, Setting
from focal_eval.engines.rivescript_brain import DEFAULT_TOPIC, Brain, open_brain, read_files, rule_id, rule_name
from focal_eval.engines.rivescript_process import Pool
from focal_eval.errors import EngineError, EngineProtocol, Refused, UsageError
from focal_eval.records import UNKNOWN, Json, MessageRecord, Reply, RuleMatch, ScenarioState, ToolCall, Transition, UnknownType
from focal_eval.registry import did_you_mean

_REPORTS = frozenset({"response", "rules", "tools", "scenario", "transitions", "outcome", "variables"})


@dataclass(frozen=True, slots=True)
class RiveScript:
    """A brain of RiveScript's: a file or a folder of them, played in a process of its own."""

    brain: str = field(metadata={"doc": "A file *.rive, or a folder of them; the path starts at the suite's folder."})
    trust: tuple[str, ...] = field(
        default=(), metadata={"doc": "Object macros that may run, by name; or files of the brain, for all in them."}
    )
    utf8: bool = field(default=False, metadata={"doc": "Keep letters beyond a to z in what the user says."})
    turn_limit_s: Annotated[float, Number(minimum=0.01, maximum=600)] = field(
        default=5.0, metadata={"doc": "After so many seconds a turn is ended, whatever the brain does."}
    )
    memory_mb: Annotated[int, Number(whole=True, minimum=64, maximum=65_536)] = field(
        default=512, metadata={"doc": "The memory that the interpreter may take, where the system can bound it."}
    )

    def connect(self, setting: Setting) -> RiveScriptEngine:
        if self.trust and not setting.allow_python:
            named = f"the engine's 'trust' ({', '.join(self.trust)})"
            raise UsageError(f"{named} means local Python, which is switched off by --no-python")
        brain = self._open(setting)
        if brain.broken:
            raise Refused(f"the brain {self.brain} cannot be played", brain.problems)
        return RiveScriptEngine(brain, deterministic=not self.trust)

    def agent_file(self, setting: Setting) -> Path | None:
        return None

    def known_names(self, setting: Setting) -> Names:
        """What scripts may say of this brain."""
        return self._open(setting).names()

    def _open(self, setting: Setting) -> Brain:
        if find_spec("rivescript") is None:
            missing = "the engine 'rivescript' needs an extra that is not installed"
            raise UsageError(f"{missing}; install it with: pip install 'focal-eval[rivescript]'")
        files = read_files(setting.root / self.brain, self.brain)
        brain = open_brain(files, utf8=self.utf8, trust=self.trust, limit_s=self.turn_limit_s, memory_mb=self.memory_mb)
        known = {macro["name"] for macro in brain.macros} | files.texts.keys()
        for name in self.trust:
            if name not in known and not brain.broken:
                fix = did_you_mean(name, known)
                raise UsageError(f"the brain {self.brain} has no object '{name}' to trust" + (f"; {fix}" if fix else ""))
        return brain


class RiveScriptEngine:
    """Opens conversations with one brain."""

    def __init__(self, brain: Brain, *, deterministic: bool) -> None:
        self.brain = brain
        self.digest = brain.names().digest
        self.pool = Pool(brain.terms)
        self._abilities = Abilities(
            reports=_REPORTS,
            seeds=frozenset({"variables", "history", "scenario"}),
            stubs=True,
            deterministic=deterministic,
        )

    @property
    def abilities(self) -> Abilities:
        return self._abilities

    async def open(self, start: SessionStart) -> Session:
        return RiveScriptSession(self, start)

    async def probe(self) -> Probe:
        """The brain was read when the engine was connected."""
        return Probe(agent=self.brain.files.name, names=self.brain.names(places=False))

    async def close(self) -> None:
        self.pool.close()


class RiveScriptSession:
    """One conversation: what the interpreter must be told of it for the next turn."""

    def __init__(self, engine: RiveScriptEngine, start: SessionStart) -> None:
        self._engine, self._start = engine, start
        self._id = content_id(engine.digest, start.case)
        self._turns = 0
        self._closed = False
        self._topic = _topic(start.scenario, engine.brain)
        history = [[turn.user, turn.agent] for turn in start.history]
        self._state: Mapping[str, Json] = {"user": _texts(start.variables), "history": history}

    async def send(self, message: str | None) -> Reply:
        if self._closed:
            raise EngineProtocol("the session is closed")
        if message is None:
            raise EngineError("RiveScript says nothing unasked")
        seed = f"{self._start.seed}/{self._start.script}/{self._turns}"
        turn = {"state": self._state, "topic": self._topic, "message": message, "seed": seed}
        played = await self._engine.pool.play(turn, self._answer)
        before, self._state = self._topic, played["state"]
        self._topic = played["state"]["user"]["topic"]
        self._turns += 1
        return reply_of(played, self._engine.brain.files.name, before, self._id, self._turns)

    def _answer(self, macro: str, words: Sequence[str]) -> Mapping[str, Json]:
        said = None if self._start.stubs is None else self._start.stubs(macro, {"words": " ".join(words)})
        if said is None:
            return {}
        timed = {} if said.delay_ms is None else {"delay_ms": said.delay_ms}
        return {**timed, **({"result": said.result} if said.error is None else {"error": said.error})}

    async def stored(self) -> tuple[MessageRecord, ...] | UnknownType:
        return UNKNOWN

    async def close(self) -> None:
        self._closed = True


def reply_of(played: Mapping[str, Any], brain: str, before: str, session: str, number: int) -> Reply:
    """A turn as the interpreter told it, as a reply; `before` is the topic it began in."""
    matched, topic = played["matched"], played["state"]["user"]["topic"]
    variables = {name: kept for name, kept in played["state"]["user"].items() if name != "topic" and name[:2] != "__"}
    return Reply(
        response=played["response"],
        rules=tuple(RuleMatch(rule_name(one), id=rule_id(one)) for one in matched),
        tools=tuple(_call(one) for one in played["calls"]),
        scenario=None if topic == DEFAULT_TOPIC else ScenarioState(brain, topic),
        transitions=tuple(_moves([before, *played["topics"]], brain)),
        outcome="fallback" if played["fallback"] else "resolved",
        variables=variables,
        session_id=session,
        turn_id=content_id(session, str(number)),
        raw={"matched": matched, "warnings": played["warnings"]},
    )


def _call(one: Mapping[str, Any]) -> ToolCall:
    failed = "error" in one
    return ToolCall(
        name=one["name"],
        arguments={"words": " ".join(one["args"])},
        result=UNKNOWN if failed else one["result"],
        error=one.get("error"),
        duration_ms=one.get("delay_ms"),
        status="blocked" if one.get("refused") else None,
    )


def _moves(topics: Sequence[str], brain: str) -> list[Transition]:
    """The ways from topic to topic; the default one is outside of the scenario."""
    out = []
    for source, target in pairwise(topics):
        kind = "start" if source == DEFAULT_TOPIC else "exit" if target == DEFAULT_TOPIC else "transition"
        inside = [None if topic == DEFAULT_TOPIC else topic for topic in (source, target)]
        out.append(Transition(kind, inside[0], inside[1], brain))
    return out


def _topic(scenario: str | None, brain: Brain) -> str:
    """The topic a conversation begins in; `given.scenario` names the brain and the topic."""
    name, _, topic = (scenario or "").partition("/")
    if scenario is None or (name == brain.files.name and topic in ("", DEFAULT_TOPIC)):
        return DEFAULT_TOPIC
    if name != brain.files.name or topic not in brain.topics:
        known = [f"{brain.files.name}/{one}" for one in brain.topics]
        fix = did_you_mean(scenario, known)
        raise EngineError(f"the brain has no topic '{scenario}'" + (f"; {fix}" if fix else ""))
    return topic


def _texts(variables: Mapping[str, Json]) -> dict[str, Json]:
    """Variables as RiveScript keeps them: texts and whole numbers."""
    out: dict[str, Json] = {}
    for name, given in variables.items():
        if name == "topic" or name.startswith("__"):
            raise EngineError(f"the variable '{name}' is RiveScript's own; 'given.scenario' begins in a topic")
        if isinstance(given, bool):
            out[name] = "true" if given else "false"
        elif given is None or isinstance(given, (str, int, float)):
            out[name] = "undefined" if given is None else given if isinstance(given, (str, int)) else str(given)
        else:
            raise EngineError(f"the variable '{name}' is a {type(given).__name__}; RiveScript's variables are texts")
    return out
