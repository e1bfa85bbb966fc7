from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from focal_eval.clock import fixed_clock
from focal_eval.engines.base import HistoryTurn, Session, SessionStart, Setting, ToolAnswer
from focal_eval.engines.embedded import Embedded, EmbeddedEngine
from focal_eval.errors import EngineError, Refused, UsageError
from focal_eval.records import UNKNOWN, Candidate, Enforcement, Reply, RuleMatch, ScenarioState, ToolCall, Transition
from focal_eval.registry import find

AGENT = """\
agent: shop
greeting: hello
variables: {tier: basic}
rules:
  - {id: damaged, match: {any_words: [broken, cracked]}, priority: 1, tools: lookup}
  - {id: off, match: {any_words: [broken]}, enabled: false}
  - {id: limit, hard: true, enforce: max(amounts) <= 50, forbid: secret}
slots: {order: {pattern: '[A-Z]-\\d+', listen: always, ask: ask}}
scenarios:
  refund:
    enter: {rules: damaged}
    steps:
      - {id: which, collect: order, go: [{to: sure}]}
      - {id: sure, template: sure, go: [{to: done, when: {any_words: [yes]}}]}
      - {id: done, terminal: true, template: done}
tools:
  lookup: {args: {id: order}, table: {by: id, rows: {A-1: {total: 20}}}, delay_ms: 30}
templates:
  hello: hi there
  ask: which order?
  sure: "{{ order }} for a {{ tier }} customer?"
  done: "refunded ${{ result.lookup.total }}"
  sorry: {mode: FALLBACK, text: pardon?}
"""


def engine_of(folder: Path, text: str = AGENT, *, allow_python: bool = True, **config: Any) -> EmbeddedEngine:
    """The engine of an agent file in a folder."""
    (folder / "agents").mkdir(exist_ok=True)
    (folder / "agents" / "shop.yaml").write_text(text)
    setting = Setting(folder, fixed_clock(), allow_python)
    return Embedded("agents/shop.yaml", **config).connect(setting)


def talk(engine: EmbeddedEngine, *messages: str | None, **start: Any) -> list[Reply]:
    """The replies of one session."""

    async def run() -> list[Reply]:
        session = await engine.open(SessionStart(**{"case": "c1", **start}))
        replies = [await session.send(message) for message in messages]
        await session.close()
        await engine.close()
        return replies

    return asyncio.run(run())


def test_it_is_registered_and_says_what_it_can(tmp_path: Path) -> None:
    """The kind `embedded` leads here; abilities name every field a reply then has."""
    assert find("engines", "embedded") is Embedded
    engine = engine_of(tmp_path)
    abilities = engine.abilities
    assert (abilities.speaks_first, abilities.stubs, abilities.deterministic) == (True, True, True)
    assert abilities.seeds == {"variables", "history", "scenario"}
    (reply,) = talk(engine, "hi")
    known = {spec.name for spec in fields(Reply) if getattr(reply, spec.name) is not UNKNOWN}
    assert abilities.reports - {"messages_stored"} <= known
    assert Embedded("agents/shop.yaml").agent_file(Setting(tmp_path)) == tmp_path / "agents" / "shop.yaml"
    silent = engine_of(tmp_path, AGENT.replace("greeting: hello\n", ""))
    assert not silent.abilities.speaks_first


def test_a_reply_holds_all_that_was_decided(tmp_path: Path) -> None:
    """Rules, candidates, tools, scenario, transitions, template, outcome, variables and latency."""
    (reply,) = talk(engine_of(tmp_path), "A-1 arrived broken")
    assert reply.response == "A-1 for a basic customer?"
    assert reply.messages == ("A-1 for a basic customer?",)
    assert reply.rules == (RuleMatch("damaged", 1.0),)
    assert reply.candidates == (
        Candidate("damaged", 1.0, reason="'broken'"),
        Candidate("off", 1.0, "disabled", None, "'broken'"),
    )
    assert reply.tools == (ToolCall("lookup", {"id": "A-1"}, {"total": 20}, duration_ms=30.0),)
    assert reply.scenario == ScenarioState("refund", "sure")
    assert reply.transitions == (
        Transition("start", None, "which", "refund", "asked for"),
        Transition("transition", "which", "sure", "refund", "always"),
    )
    assert (reply.template, reply.outcome) == ("sure", "awaiting-user")
    assert reply.variables == {"tier": "basic", "language": "en", "order": "A-1"}
    assert reply.latency_ms == 30.0
    assert reply.tokens is UNKNOWN


def test_enforcement_is_reported(tmp_path: Path) -> None:
    """A constraint that applied says what it did; the enforced reply is the fallback."""
    replies = talk(engine_of(tmp_path), "A-1 arrived broken", "yes", stubs=lambda tool, args: ToolAnswer({"total": 80}))
    assert replies[1].response == "pardon?"
    assert replies[1].outcome == "blocked"
    assert replies[1].enforcement == (Enforcement("limit", "fallback", "max(amounts) <= 50 does not hold: amounts is [80]"),)


def test_the_same_case_gives_the_same_bytes_and_another_case_other_ids(tmp_path: Path) -> None:
    """Ids come from the agent's content, the case and the turn, so a rerun is identical."""
    engine = engine_of(tmp_path)
    first, again = talk(engine, "hi", "A-1 broken"), talk(engine, "hi", "A-1 broken")
    assert first == again
    other = talk(engine, "hi", case="c2")
    assert other[0].session_id != first[0].session_id
    assert len({reply.turn_id for reply in (*first, *other)}) == 3
    changed = engine_of(tmp_path, AGENT + "# changed\n")
    assert talk(changed, "hi")[0].session_id != first[0].session_id


def test_stubs_answer_before_the_agent_does(tmp_path: Path) -> None:
    """A script's stub gives the result, an error, or nothing, in which case the agent's own answer counts."""
    asked: list[tuple[str, Mapping[str, Any]]] = []

    def stubs(tool: str, arguments: Mapping[str, Any]) -> ToolAnswer | None:
        asked.append((tool, arguments))
        return {"A-1": ToolAnswer({"total": 7}, delay_ms=5), "A-2": ToolAnswer(error="down")}.get(arguments["id"])

    replies = talk(engine_of(tmp_path), "A-1 broken", "A-2 broken", "A-3 broken", stubs=stubs)
    calls = [reply.tools[0] for reply in replies if reply.tools is not UNKNOWN]
    assert [(call.result, call.error, call.duration_ms) for call in calls] == [
        ({"total": 7}, None, 5.0),
        (UNKNOWN, "down", 30.0),
        (UNKNOWN, "not found", 30.0),
    ]
    assert asked == [("lookup", {"id": "A-1"}), ("lookup", {"id": "A-2"}), ("lookup", {"id": "A-3"})]


def test_a_session_starts_from_what_is_given(tmp_path: Path) -> None:
    """Variables, results, history, place and metadata seed the conversation."""
    (reply,) = talk(
        engine_of(tmp_path),
        "yes",
        variables={"tier": "gold", "result": {"lookup": {"total": 9}}},
        scenario="refund/sure",
        history=(HistoryTurn("hi", "hello"),),
    )
    assert reply.response == "refunded $9"
    assert reply.variables == {"tier": "gold", "language": "en"}


def test_an_unknown_place_is_the_engines_error(tmp_path: Path) -> None:
    """A session cannot begin where the agent has no step."""
    with pytest.raises(EngineError, match="scenario refund has no step 'nowhere'"):
        talk(engine_of(tmp_path), "hi", scenario="refund/nowhere")


def test_sessions_of_one_engine_do_not_mix(tmp_path: Path) -> None:
    """Two conversations at once keep their own state."""
    engine = engine_of(tmp_path)

    async def run() -> list[str]:
        one: Session = await engine.open(SessionStart("one"))
        two: Session = await engine.open(SessionStart("two"))
        await asyncio.gather(one.send("A-1 broken"), two.send("A-2 broken"))
        replies = await asyncio.gather(one.send("hm"), two.send("hm"))
        return [str(reply.response) for reply in replies]

    assert asyncio.run(run()) == ["A-1 for a basic customer?", "A-2 for a basic customer?"]


def test_the_stored_messages_are_what_was_said(tmp_path: Path) -> None:
    """The greeting is stored alone; a turn stores the user's and the agent's message with its decisions."""
    engine = engine_of(tmp_path)

    async def run() -> list[tuple[str, str | None, str | None]]:
        session = await engine.open(SessionStart("c1"))
        first, second = await session.send(None), await session.send("A-1 broken")
        stored = await session.stored()
        assert stored is not UNKNOWN
        assert stored[2].rules == second.rules
        assert stored[2].scenario == second.scenario
        assert stored[0].turn_id == first.turn_id
        assert len({message.id for message in stored}) == 3
        return [(message.role, message.text, message.created_at) for message in stored]

    moment = "2026-01-01T00:00:00+00:00"
    assert asyncio.run(run()) == [
        ("assistant", "hi there", moment),
        ("user", "A-1 broken", moment),
        ("assistant", "A-1 for a basic customer?", moment),
    ]


def test_a_wrong_agent_is_refused_with_its_problems(tmp_path: Path) -> None:
    """Connecting reads the agent file and reports all that is wrong, under its name in the suite."""
    with pytest.raises(Refused, match=r"the agent agents/shop\.yaml cannot be played") as refused:
        engine_of(tmp_path, "agent: a\nrules: [{id: r, match: nope}]\n")
    assert [str(problem) for problem in refused.value.diagnostics] == [
        "agents/shop.yaml:2:24: error[unknown-trigger]: no trigger is named 'nope'",
    ]


PYTHON = """\
agent: shop
rules: [{id: go, match: {any_words: [go]}, tools: [plain, later, broken, odd]}]
slots: {n: {kind: number, listen: always}}
tools:
  plain: {args: {n: n}, python: "tools.py:double", returns: built in}
  later: {args: {n: n}, python: "tools.py:later"}
  broken: {python: "tools.py:broken"}
  odd: {python: "tools.py:odd"}
"""
TOOLS = """\
def double(n):
    return {"n": n * 2}

async def later(n):
    return n + 1

def broken():
    raise LookupError("gone")

def odd():
    return object()
"""


def test_tools_may_be_local_python(tmp_path: Path) -> None:
    """Functions answer by their arguments; what they raise, or give that is not data, is the tool's error."""
    (tmp_path / "tools.py").write_text(TOOLS)
    engine = engine_of(tmp_path, PYTHON)
    assert not engine.abilities.deterministic
    (reply,) = talk(engine, "go 4")
    assert reply.tools is not UNKNOWN
    assert [(call.name, call.error or call.result) for call in reply.tools] == [
        ("plain", {"n": 8}),
        ("later", 5),
        ("broken", "LookupError: gone"),
        ("odd", "its result is not plain data: Object of type object is not JSON serializable"),
    ]


def test_local_python_that_is_off_or_missing_is_refused_at_its_place(tmp_path: Path) -> None:
    """Every tool whose function cannot be had is reported at once."""
    with pytest.raises(Refused, match="the tools of agent shop cannot be had") as refused:
        engine_of(tmp_path, PYTHON, allow_python=False)
    assert [problem.code for problem in refused.value.diagnostics] == ["python-refused"] * 4
    (tmp_path / "tools.py").write_text(TOOLS.replace("def broken", "def brokn"))
    with pytest.raises(Refused, match="cannot be had") as refused:
        engine_of(tmp_path, PYTHON)
    assert [str(problem) for problem in refused.value.diagnostics] == [
        "agents/shop.yaml:7:20: error[bad-python]: tool broken: tools.py has no 'broken'; did you mean 'brokn'?",
    ]


SCORER = """\
class Fixed:
    def scores(self, message, previous, conditions):
        return [0.8 for _ in conditions]

class Wrong:
    pass
"""


def test_a_scorer_of_ones_own_decides_how_near_a_condition_is(tmp_path: Path) -> None:
    """`scorer` names a class whose `scores` replaces the words in common."""
    (tmp_path / "meaning.py").write_text(SCORER)
    text = "agent: a\nrules: [{id: r, when: about refunds}]\n"
    (reply,) = talk(engine_of(tmp_path, text, scorer="meaning.py:Fixed"), "give me my money back")
    assert reply.rules == (RuleMatch("r", 0.8),)
    with pytest.raises(UsageError, match="makes Wrong, which has no method 'scores'"):
        engine_of(tmp_path, text, scorer="meaning.py:Wrong")


def test_a_reply_is_plain_data(tmp_path: Path) -> None:
    """Arguments, results, variables and metadata survive JSON."""
    for reply in talk(engine_of(tmp_path), "A-1 broken", "no, A-2", "yes"):
        assert reply.tools is not UNKNOWN
        assert json.loads(json.dumps([reply.variables, reply.metadata, [call.arguments for call in reply.tools]]))
