"""The focal engine over real sockets: against an agent that is served, with and without real Focal's faults."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from focal_eval.engines.base import HistoryTurn, SessionStart, Setting, ToolAnswer
from focal_eval.engines.embedded import Embedded
from focal_eval.errors import EngineError, EngineStatus
from focal_eval.records import UNKNOWN, RuleMatch, ScenarioState, Tokens, ToolCall
from focal_eval.server.app import Options
from focal_eval.testing import engine_conformance
from tests.engines.focal_shop import AGENT, SAID, serving
from tests.engines.focal_talks import connected, focal, talk


@pytest.mark.parametrize("stream", [False, True])
def test_a_conversation_with_real_focals_faults(real_shop: str, stream: bool) -> None:
    """Names for ids, tools from the stored turns, exact texts, and what a lost turn leaves unknown."""
    replies, _ = talk(focal(real_shop, stream=stream), *SAID)
    assert [reply.response for reply in replies[:3]] == ["you are welcome", "which order?", "A-1,\n  sure?"]
    assert replies[0].rules is not UNKNOWN
    assert [rule.name for rule in replies[0].rules] == ["thanks"]
    assert replies[0].rules[0].id is not None
    assert [reply.scenario for reply in replies[:3]] == [
        None,
        ScenarioState("refund", "which"),
        ScenarioState("refund", "sure"),
    ]
    assert [reply.tools for reply in replies[:3]] == [(), UNKNOWN, ()]
    lost = replies[1].metadata
    assert lost == {"provider_error": None, "holes": ["turn-not-stored"]}
    assert replies[0].tokens == Tokens(total=0)
    assert len({reply.session_id for reply in replies}) == 1
    assert len({reply.turn_id for reply in replies}) == 4
    assert {reply.first_token_ms is not None for reply in replies} == {stream}


def test_tools_are_read_from_the_stored_turn(tmp_path: Path) -> None:
    """The reply names none, the stored turn does, and the reply's metadata tells of the hole."""
    text = AGENT.replace("    enter: {rules: damaged}\n", "    enter: {rules: thanks}\n")
    (tmp_path / "shop.yaml").write_text(text, encoding="utf-8")
    with serving(tmp_path / "shop.yaml", Options(focal_quirks=True)) as url:
        (reply,), stored = talk(focal(url), "it is broken")
    assert reply.tools == (ToolCall("lookup"),)
    assert reply.metadata == {"provider_error": None, "holes": ["tools-not-in-reply"]}
    assert [message.tools for message in stored] == [UNKNOWN, (ToolCall("lookup"),)]


def test_stored_messages_carry_their_turns_id(real_shop: str) -> None:
    """The turn that began the scenario is missing; the others are matched by id, whatever their number says."""
    replies, stored = talk(focal(real_shop), *SAID[:3])
    assert [(message.role, message.turn_id) for message in stored] == [
        ("user", replies[0].turn_id),
        ("assistant", replies[0].turn_id),
        ("user", replies[2].turn_id),
        ("assistant", replies[2].turn_id),
    ]
    assert [message.text for message in stored][1::2] == ["you are welcome", "A-1,\n  sure?"]


def test_more_turns_than_a_page_holds_are_all_read(real_shop: str) -> None:
    """Of 105 turns every one is stored, found by its id while it is new, and in order at the end."""
    replies, stored = talk(focal(real_shop), *(f"thanks {number}" for number in range(105)))
    assert all(reply.tools == () for reply in replies)
    assert [message.turn_id for message in stored[::2]] == [reply.turn_id for reply in replies]
    assert [message.text for message in stored[::2]] == [f"thanks {number}" for number in range(105)]


def test_what_is_not_read_is_not_reported(real_shop: str) -> None:
    """Fewer requests, less known: the abilities say so before the run."""
    assert connected(focal(real_shop)).abilities.reports == BASE | {"tools", "scenario"}
    assert connected(focal(real_shop, stream=True)).abilities.reports == BASE | {"tools", "scenario", "variables"}
    assert connected(focal(real_shop, reads=())).abilities.reports == BASE | {"scenario"}
    assert connected(focal(real_shop, stream=True, reads=())).abilities.reports == BASE
    (reply,), _ = talk(focal(real_shop, reads=()), "thanks")
    assert (reply.tools, reply.variables) == (UNKNOWN, UNKNOWN)
    (reply,), _ = talk(focal(real_shop, stream=True, reads=()), "hm")
    assert (reply.response, reply.scenario) == ("I did not get that.", UNKNOWN)
    abilities = connected(focal(real_shop)).abilities
    assert (abilities.seeds, abilities.stubs, abilities.speaks_first) == (frozenset(), False, False)


BASE = {"response", "rules", "tokens", "latency_ms", "metadata", "messages_stored"}


def test_variables_are_read_from_the_session(real_shop: str) -> None:
    """They are reported where the suite asks for a request more."""
    replies, _ = talk(focal(real_shop, reads=("turns", "session")), *SAID[:3])
    assert replies[2].variables is not UNKNOWN
    assert replies[2].variables["order"] == "A-1"


def test_each_case_is_a_new_user(real_shop: str) -> None:
    """Two conversations of one case name do not go on with each other's session."""
    first, _ = talk(focal(real_shop), "it is broken")
    second, _ = talk(focal(real_shop), "thanks")
    assert first[0].session_id != second[0].session_id
    assert second[0].scenario is None


def test_real_focal_says_nothing_unasked(real_shop: str) -> None:
    """It is not asked at all."""
    with pytest.raises(EngineError, match="Focal says nothing unasked"):
        talk(focal(real_shop), None)


def test_sessions_are_deleted_where_the_suite_wants_it(real_shop: str) -> None:
    """A server others use is left as it was."""

    async def gone() -> None:
        engine = connected(focal(real_shop, delete_sessions=True))
        session = await engine.open(SessionStart("case-1"))
        reply = await session.send("thanks")
        await session.close()
        await session.close()
        with pytest.raises(EngineStatus, match="not found"):
            await engine._wire.request("GET", f"/v1/sessions/{reply.session_id}", safe=True)
        await engine.close()

    asyncio.run(gone())


def test_stored_messages_are_not_read_where_the_suite_wants_none(real_shop: str) -> None:
    """A request less for each case; what was not read is unknown, and is not declared."""

    async def held() -> None:
        engine = connected(focal(real_shop, stored=False))
        assert "messages_stored" not in engine.abilities.reports
        session = await engine.open(SessionStart("case-1"))
        await session.send("thanks")
        assert await session.stored() is UNKNOWN
        await engine.close()

    asyncio.run(held())


@pytest.mark.parametrize("stream", [False, True])
def test_the_served_engine_takes_seeds_and_stubs(served_shop: str, stream: bool) -> None:
    """What Focal's contract cannot carry goes both ways in a key of its own."""
    asked = []

    def stub(tool: str, arguments: Mapping[str, Any]) -> ToolAnswer | None:
        asked.append((tool, dict(arguments)))
        return ToolAnswer(error="gone", delay_ms=5)

    start = SessionStart(
        "case-1",
        variables={"order": "B-2"},
        history=(HistoryTurn("hi", "hello"),),
        stubs=stub,
    )
    (greeting, reply), stored = talk(focal(served_shop, served=True, stream=stream), None, "it is broken", start=start)
    assert greeting.response == "hi there"
    assert asked == [("lookup", {})]
    assert reply.tools == (ToolCall("lookup", {}, error="gone", duration_ms=5),)
    assert reply.variables is not UNKNOWN
    assert reply.variables["order"] == "B-2"
    assert reply.rules == (RuleMatch("damaged", 1.0),)
    assert [message.text for message in stored][:2] == ["hi there", "it is broken"]


def test_a_served_session_begins_in_a_scenario(served_shop: str) -> None:
    """`given: scenario` is sent with the first message."""
    (reply,), _ = talk(focal(served_shop, served=True), "A-7", start=SessionStart("case-1", scenario="refund/which"))
    assert reply.scenario == ScenarioState("refund", "sure")
    with pytest.raises(EngineStatus, match="Request validation failed") as problem:
        talk(focal(served_shop, served=True), "A-7", start=SessionStart("case-1", scenario="nowhere"))
    assert "nowhere" in str(problem.value.detail)


def test_a_served_agent_reports_what_the_embedded_one_does(served_shop: str, shop_file: Path) -> None:
    """The abilities are known before the server is asked, and whether it greets from its file."""
    embedded = Embedded(str(shop_file)).connect(Setting(Path())).abilities
    served = connected(focal(served_shop, served=True, agent_file_=str(shop_file))).abilities
    assert (served.reports, served.seeds, served.stubs) == (embedded.reports, embedded.seeds, embedded.stubs)
    assert served.speaks_first is True
    silent = shop_file.with_name("silent.yaml")
    silent.write_text(AGENT.replace("greeting: hello\n", ""), encoding="utf-8")
    assert connected(focal(served_shop, served=True, agent_file_=str(silent))).abilities.speaks_first is False


@pytest.mark.parametrize("keys", [{}, {"stream": True}, {"served": True}, {"served": True, "stream": True}])
def test_it_passes_the_kit(real_shop: str, served_shop: str, keys: dict[str, Any]) -> None:
    """Four ways to ask, one set of promises."""
    engine_conformance(focal(served_shop if "served" in keys else real_shop, **keys), messages=("thanks", "it is broken"))
