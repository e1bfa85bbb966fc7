from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from focal_eval.agent import Playable, State, ToolOutcome, begin, open_agent, play
from focal_eval.agent.turn import Played, ToolRequest
from tests.agent.playing import agent_of
from tests.thorough import examples

DOCS = Path(__file__).resolve().parents[2] / "docs" / "reference" / "agents.md"
EXAMPLE = DOCS.read_text(encoding="utf-8").split("```yaml\n")[1].split("```")[0]
AGENT: Playable = agent_of(EXAMPLE.replace("agent: retail-support", "", 1).replace("# file: agent.yaml\n", "", 1))

SAID = (
    "yes no refund exchange return damaged broken order A-1001 A-1002 A-9999 mia@example.com bob@example.com never mind "
    "the other order opening hours when are you open ja nicht ich bitte hola , . ? ! 18.50 $5"
)
WORDS = SAID.split()
message = st.one_of(st.text(max_size=60), st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join))
messages = st.lists(message, max_size=8)
failing = st.sets(st.sampled_from(["find_user", "lookup_order", "create_refund"]))


def talk(said: list[str], broken: set[str], *, through_json: bool) -> list[dict[str, Any]]:
    """Every turn as plain data."""

    def answer(request: ToolRequest) -> ToolOutcome | None:
        return ToolOutcome(error="down") if request.name in broken else None

    state, turns = begin(AGENT), []
    for text in said:
        before = json.dumps(state.to_json(), sort_keys=True)
        played = play(AGENT, state, text, tools=answer)
        assert json.dumps(state.to_json(), sort_keys=True) == before
        turns.append(plain(played))
        state = State.from_json(json.loads(json.dumps(played.state.to_json()))) if through_json else played.state
    return turns


def plain(played: Played) -> dict[str, Any]:
    return {
        "said": played.messages,
        "rules": [(match.name, match.score, match.reason) for match in played.rules],
        "dropped": [(one.name, one.score, one.why, one.by) for one in played.dropped],
        "tools": [(call.name, dict(call.arguments), call.result, call.error) for call in played.tools],
        "at": (played.scenario, played.step),
        "moves": [(move.kind, move.scenario, move.source, move.target) for move in played.moves],
        "outcome": played.outcome,
        "state": played.state.to_json(),
    }


@settings(max_examples=examples(50), deadline=None)
@given(messages, failing)
def test_any_conversation_is_played_and_always_in_the_same_way(said: list[str], broken: set[str]) -> None:
    """No message raises; the same conversation gives the same turns, with the state kept or sent through JSON."""
    assert talk(said, broken, through_json=True) == talk(said, broken, through_json=False)


@settings(max_examples=examples(50), deadline=None)
@given(messages, failing)
def test_what_a_turn_reports_holds_together(said: list[str], broken: set[str]) -> None:
    """Something is always said, places exist, moves lead where the conversation stands, and no rule both matched and fell."""
    known = AGENT.file.names()
    for turn in talk(said, broken, through_json=False):
        assert turn["said"]
        scenario, step = turn["at"]
        assert (scenario is None and step is None) or step in known.scenarios[scenario]
        names = [name for name, *_ in turn["rules"]]
        assert set(names) <= known.rules
        assert not set(names) & {name for name, *_ in turn["dropped"]}
        assert {name for name, *_ in turn["tools"]} <= set(known.tools)
        if turn["moves"]:
            kind, last, _, target = turn["moves"][-1]
            assert (scenario, step) == (None, None) if kind == "exit" else (last, target) == (scenario, step)


def test_copying_a_state_keeps_every_field() -> None:
    """A copy equals its original and shares no collection that a turn changes."""
    state = begin(AGENT)
    for text in ("damaged A-1001", "mia@example.com", "refund", "A-1002", "hours"):
        state = play(AGENT, state, text).state
    copy = state.copy()
    assert copy.to_json() == state.to_json()
    for name in ("variables", "results", "errors", "asked", "fires", "suspended", "waiting", "corrections", "calls", "history"):
        assert getattr(copy, name) is not getattr(state, name)


def test_the_documented_agent_is_played_as_documented(tmp_path: Path) -> None:
    """The reference's example identifies, looks up, corrects, digresses and refunds."""
    path = tmp_path / "agent.yaml"
    path.write_text(EXAMPLE, encoding="utf-8")
    agent = open_agent(path)
    state = begin(agent)
    seen = []
    for text in (
        None, "My mug arrived broken, order A-1002", "when are you open?", "bob@example.com", "mia@example.com",
        "refund please", "It is cracked, A-1001", "yes",
    ):  # fmt: skip
        played = play(agent, state, text)
        state = played.state
        seen.append((played.messages[-1], played.step, played.outcome))
    assert seen == [
        ("Hello, how can I help?", None, "resolved"),
        ("What is your email address?", "ask", "awaiting-user"),
        ("What is your email address?", "ask", "awaiting-user"),
        ("What is your email address?", "ask", "awaiting-user"),
        ("Would you like a refund or an exchange?", "order", "awaiting-user"),
        ("Order A-1002 is past its return window.", "too-late", "blocked"),
        ("A refund for order A-1001, total 18.5: is that right?", "confirm", "awaiting-user"),
        ("Done. You get a refund of $18.5.", "done", "resolved"),
    ]
    assert state.variables["refund_total"] == 18.5
