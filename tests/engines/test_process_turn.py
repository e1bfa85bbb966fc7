from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from focal_eval.clock import Clock
from focal_eval.engines.alignment import REPORTS, reply_of
from focal_eval.engines.base import Session, SessionStart, Setting
from focal_eval.engines.callable import LocalCallable
from focal_eval.engines.focal_names import Names
from focal_eval.errors import EngineError, EngineProtocol, UsageError
from focal_eval.records import (
    UNKNOWN,
    Candidate,
    Enforcement,
    RuleMatch,
    ScenarioState,
    Tokens,
    ToolCall,
    Transition,
)
from focal_eval.testing import engine_conformance

RULE, OTHER, FLOW, STEP, SESSION, TURN = (UUID(f"{digit * 8}-1111-4111-8111-111111111111") for digit in "abcdef")
NAMES = Names(scenarios={str(FLOW): "returns"}, steps={str(STEP): "confirm"})


class Action(StrEnum):
    """Focal's enums are texts too."""

    START = "start"
    RELOCALIZE = "relocalize"
    NONE = "none"


@dataclass
class Thing:
    """An object with whatever attributes a model of Focal's has."""

    values: dict[str, Any] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        try:
            return self.values[name]
        except KeyError:
            raise AttributeError(name) from None


class Contrary:
    """A result whose attributes are properties that fail."""

    response = "ok"

    @property
    def matched_rules(self) -> list[Any]:
        raise ValueError("no rules today")


def thing(**values: Any) -> Thing:
    return Thing(values)


def rule(id: UUID, name: str) -> Thing:
    return thing(id=id, name=name, embedding=[0.1] * 1536)


def result(**changes: Any) -> Thing:
    values: dict[str, Any] = {
        "turn_id": TURN,
        "session_id": SESSION,
        "response": "Which order is it about?",
        "retrieval": thing(
            rules=[thing(rule=rule(RULE, "refund-policy"), score=0.9), thing(rule=rule(OTHER, "greeting"), score=0.2)]
        ),
        "matched_rules": [
            thing(rule=rule(RULE, "refund-policy"), match_score=0.9, relevance_score=0.8, reasoning="asks for a refund")
        ],
        "scenario_result": thing(
            action=Action.START, scenario_id=FLOW, source_step_id=None, target_step_id=STEP, reasoning="wants to return"
        ),
        "tool_results": [
            thing(tool_name="lookup_order", inputs={"id": "A-1"}, outputs={"paid": True}, success=True, execution_time_ms=4.5),
            thing(tool_name="broken", inputs={}, outputs=None, error=None, success=False, timeout=True),
        ],
        "generation": thing(prompt_tokens=80, completion_tokens=14, template_used=None),
        "enforcement": thing(passed=True, violations=[], regeneration_succeeded=False, fallback_used=False),
        "outcome": thing(resolution="ANSWERED"),
        "missing_requirements": [],
        "scenario_blocked": False,
        "total_time_ms": 12.5,
    }
    return Thing(values | changes)


def test_a_result_tells_everything_but_variables() -> None:
    """Names come from the whole rules, ids and enums become text, embeddings are left behind."""
    reply = reply_of(result(), NAMES, "bot")
    assert reply.response == "Which order is it about?"
    assert reply.rules == (RuleMatch("refund-policy", 0.8, str(RULE)),)
    assert reply.candidates == (
        Candidate("refund-policy", 0.9, reason="asks for a refund"),
        Candidate("greeting", 0.2, "near-miss", "the rule filter"),
    )
    assert reply.tools == (
        ToolCall("lookup_order", {"id": "A-1"}, {"paid": True}, duration_ms=4.5),
        ToolCall("broken", {}, error="timeout"),
    )
    assert reply.scenario == ScenarioState("returns", "confirm")
    assert reply.transitions == (Transition("start", None, "confirm", "returns", "wants to return"),)
    assert (reply.template, reply.enforcement, reply.outcome) == (None, (), "answered")
    assert reply.metadata == {"provider_error": None, "scenario_blocked": False, "missing_requirements": []}
    assert reply.tokens == Tokens(94, 80, 14)
    assert (reply.latency_ms, reply.session_id, reply.turn_id) == (12.5, str(SESSION), str(TURN))
    assert reply.variables is UNKNOWN


def test_a_dumped_result_will_do() -> None:
    """What `model_dump` gives is read like the object."""

    def dumped(value: Any) -> Any:
        if isinstance(value, Thing):
            return {key: dumped(item) for key, item in value.values.items()}
        return [dumped(item) for item in value] if isinstance(value, list) else value

    assert reply_of(dumped(result()), NAMES, "bot") == reply_of(result(), NAMES, "bot")


@pytest.mark.parametrize(
    ("found", "place", "kinds"),
    [
        (None, None, ()),
        (thing(action=Action.NONE, scenario_id=None, source_step_id=None, target_step_id=None, reasoning=""), None, ()),
        (
            thing(action=Action.RELOCALIZE, scenario_id=FLOW, source_step_id=OTHER, target_step_id=STEP, reasoning=""),
            ScenarioState("returns", "confirm"),
            ("relocalise",),
        ),
        (
            thing(action="exit", scenario_id=FLOW, source_step_id=STEP, target_step_id=None, reasoning="done"),
            ScenarioState("returns"),
            ("exit",),
        ),
    ],
)
def test_a_scenario_is_where_it_went(found: Any, place: ScenarioState | None, kinds: tuple[str, ...]) -> None:
    """As over HTTP: the scenario's id with the step it went to, none without an id."""
    reply = reply_of(result(scenario_result=found), NAMES, "bot")
    assert reply.scenario == place
    assert reply.transitions is not UNKNOWN
    assert tuple(move.kind for move in reply.transitions) == kinds


@pytest.mark.parametrize(
    ("told", "action"),
    [({}, "violated"), ({"regeneration_succeeded": True}, "regenerated"), ({"fallback_used": True}, "fallback")],
)
def test_a_violation_says_what_was_done(told: dict[str, Any], action: str) -> None:
    """A violation that nothing mended is named as such."""
    violation = thing(rule_id=RULE, rule_name="no-promises", violation_type="contains_prohibited", details="'promise'")
    reply = reply_of(result(enforcement=Thing({"passed": False, "violations": [violation]} | told)), NAMES, "bot")
    assert reply.enforcement == (Enforcement("no-promises", action, "contains_prohibited: 'promise'"),)


def test_what_a_result_lacks_is_unknown() -> None:
    """An engine that gives less is taken for what it gives; nothing is made up."""
    reply = reply_of(thing(response="ok", matched_rules=[]), NAMES, "bot")
    assert (reply.response, reply.rules) == ("ok", ())
    assert reply_of(result(total_time_ms=float("nan")), NAMES, "bot").latency_ms is UNKNOWN, "which is no number to compare"
    for name in REPORTS - {"response", "rules", "metadata"}:
        assert getattr(reply, name) is UNKNOWN, name


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, "bot gave NoneType with no 'response'; a text is expected"),
        (thing(response=3), "bot gave Thing with a 'response' that is int; a text is expected"),
        (thing(response="ok", matched_rules="all"), "cannot be read: 'matched_rules' is str, a list is expected"),
        (thing(response="ok", matched_rules=[thing(name="x")]), r"a matched rule \(Thing\) has no 'rule'"),
        (Contrary(), "gave Contrary that cannot be read: no rules today"),
        (thing(response="ok", tool_results=[{}]), r"a tool result \(dict\) has no 'tool_name'"),
    ],
)
def test_what_is_no_result_is_refused(given: Any, said: str) -> None:
    """The message names what came and what is wrong with it."""
    with pytest.raises(EngineProtocol, match=said):
        reply_of(given, NAMES, "bot")


BOT = """\
import time
from types import SimpleNamespace as Thing
from uuid import UUID

class Engine:
    tenant_id = UUID(int=1)
    agent_id = UUID(int=2)
    names = {UUID(int=3): "returns"}
    seen = []

    async def process_turn(self, message, session_id, tenant_id, agent_id, session=None, channel="api", channel_user_id=None):
        self.seen.append((session_id, tenant_id, agent_id, channel, channel_user_id))
        if message == "break":
            raise LookupError("no such thing")
        rule = Thing(id=UUID(int=9), name="greet")
        place = Thing(action="start", scenario_id=UUID(int=3), source_step_id=None, target_step_id=None, reasoning="")
        return Thing(response=f"you said {message}", session_id=session_id, scenario_result=place,
                     matched_rules=[Thing(rule=rule, match_score=1.0, relevance_score=0.5, reasoning="")])

class Opening(Engine):
    seen = []
    async def open_session(self, start):
        return UUID(int=77)

class Plain:
    def process_turn(self, message, **more):
        return {"response": message, "matched_rules": []}

class Bare:
    seen = []
    async def process_turn(self, message, session_id, tenant_id, agent_id, *, customer_id=None):
        self.seen.append((tenant_id, agent_id, customer_id))
        return {"response": message}

class Hanging:
    def process_turn(self, message):
        time.sleep(60)

class NoTenant:
    def process_turn(self, message, tenant_id):
        return {}

class NoMessage:
    def process_turn(self, text):
        return {}

engine, opening, plain, no_tenant, no_message = Engine(), Opening(), Plain(), NoTenant(), NoMessage()
bare, hanging = Bare(), Hanging()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "bot.py").write_text(BOT, encoding="utf-8")
    return tmp_path


def opened(folder: Path, name: str, **config: Any) -> tuple[Any, Session]:
    engine = LocalCallable(f"bot.py:{name}", **config).connect(Setting(folder, Clock()))
    return engine, asyncio.run(engine.open(SessionStart("case-1", channel="webchat")))


def test_an_object_with_process_turn_is_an_engine(folder: Path) -> None:
    """It is asked with ids as UUIDs and a user of its own for each conversation; its ids are named by its `names`."""
    engine, session = opened(folder, "engine")
    reply = asyncio.run(session.send("hello"))
    assert (reply.response, reply.rules) == ("you said hello", (RuleMatch("greet", 0.5, str(UUID(int=9))),))
    assert reply.scenario == ScenarioState("returns")
    session_id, tenant, agent, channel, user = engine.processor.target.seen[-1]
    assert (type(session_id), tenant, agent, channel) == (UUID, UUID(int=1), UUID(int=2), "webchat")
    assert user.startswith("case-1-")
    assert engine.abilities.reports == REPORTS


def test_a_session_may_be_made_by_the_object(folder: Path) -> None:
    """An engine that keeps sessions gets one it knows."""
    engine, session = opened(folder, "opening")
    asyncio.run(session.send("hello"))
    assert engine.processor.target.seen[-1][0] == UUID(int=77)


def test_only_what_is_declared_is_reported(folder: Path) -> None:
    """`reports` narrows what the results tell."""
    _, session = opened(folder, "engine", reports=("rules",))
    reply = asyncio.run(session.send("hello"))
    assert reply.rules is not UNKNOWN
    assert reply.scenario is UNKNOWN


def test_a_bare_engine_is_given_its_ids_by_the_suite(folder: Path) -> None:
    """A method that needs ids gets them as UUIDs where they are spelled so; other values come as they are."""
    given = {"tenant_id": str(SESSION), "agent_id": str(TURN).upper(), "customer_id": 7}
    engine, session = opened(folder, "bare", arguments=given)
    asyncio.run(session.send("hello"))
    assert engine.processor.target.seen == [(SESSION, TURN, 7)]


def test_aliases_name_what_its_results_hold(folder: Path) -> None:
    """Ids of scenarios and names of rules become the words of scripts, as with a live Focal."""
    (folder / "names.yaml").write_text(
        f"rules: {{greet: welcome}}\nscenarios: {{{UUID(int=3)}: money-back}}\n", encoding="utf-8"
    )
    _, session = opened(folder, "engine", aliases="names.yaml")
    reply = asyncio.run(session.send("hello"))
    assert reply.rules == (RuleMatch("welcome", 0.5, str(UUID(int=9))),)
    assert reply.scenario == ScenarioState("money-back")


def test_a_method_that_never_returns_ends_with_its_turn(folder: Path) -> None:
    """Neither the turn's time limit nor the end of the run waits for its thread."""

    async def cut_off() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(session.send("hello"), 0.1)

    _, session = opened(folder, "hanging")
    began = time.monotonic()
    asyncio.run(cut_off())
    assert time.monotonic() - began < 5


def test_what_it_raises_is_the_engines_fault(folder: Path) -> None:
    """The type and the words of the exception are in the message."""
    _, session = opened(folder, "engine")
    with pytest.raises(EngineError, match=r"bot\.py:engine raised LookupError: no such thing"):
        asyncio.run(session.send("break"))
    with pytest.raises(EngineError, match=r"bot\.py:engine says nothing unasked"):
        asyncio.run(session.send(None))


@pytest.mark.parametrize(
    ("name", "config", "said"),
    [
        ("no_tenant", {}, "'process_turn' needs 'tenant_id', which 'arguments' may give it"),
        ("no_message", {}, "'process_turn' takes no 'message'"),
        ("engine", {"arguments": {"tenant": "x"}}, "takes no 'tenant' of 'arguments'; did you mean 'tenant_id'"),
        ("engine", {"arguments": {"message": "x"}}, "takes no 'message' of 'arguments'"),
        ("plain", {"stubs": True}, "is asked by process_turn, which knows no 'stubs'"),
        ("plain", {"seeds": ("history",)}, "is asked by process_turn, which knows no 'seeds'"),
    ],
)
def test_an_object_that_cannot_be_asked_is_refused(folder: Path, name: str, config: dict[str, Any], said: str) -> None:
    """Before the run, with what is missing."""
    with pytest.raises(UsageError, match=said):
        opened(folder, name, **config)


@pytest.mark.parametrize("name", ["engine", "plain"])
def test_it_passes_the_kit(folder: Path, name: str) -> None:
    """Async with all ids, and plain with whatever it is given."""
    engine_conformance(LocalCallable(f"bot.py:{name}"), setting=Setting(folder))
