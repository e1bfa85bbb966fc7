"""The named faults of real Focal, shown with `focal_quirks` and only with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from focal_eval.server.app import Options
from tests.server.client import body, engine_of, events_of, served

SAID = ["hi", "it is broken", "A-1", "yes", "thanks"]


def conversation(
    folder: Path, *, quirks: bool, stream: bool = False
) -> tuple[list[dict[str, Any]], dict[str, Any], dict[str, Any]]:
    """The replies of a conversation, then its turns in both orders, two a page for the second."""
    with served(engine_of(folder), Options(focal_quirks=quirks)) as client:
        if stream:
            replies = [events_of(client.post("/v1/chat/stream", json=body(text)).text)[-1][1] for text in SAID]
        else:
            replies = [client.post("/v1/chat", json=body(text)).json() for text in SAID]
        path = f"/v1/sessions/{replies[0]['session_id']}/turns"
        ascending = client.get(path, params={"sort": "asc"}).json()
        return replies, ascending, client.get(path, params={"sort": "desc", "limit": 2}).json()


@pytest.mark.parametrize("stream", [False, True])
def test_t1_replies_name_no_tools_but_turns_do(tmp_path: Path, stream: bool) -> None:
    """The reply's list is empty where the turn's is not."""
    replies, turns, _ = conversation(tmp_path, quirks=True, stream=stream)
    assert [reply["tools_called"] for reply in replies] == [[]] * 5
    assert [turn["tools_called"] for turn in turns["items"]] == [[], [], ["pay"], []]
    replies, _, _ = conversation(tmp_path, quirks=False, stream=stream)
    assert [reply["tools_called"] for reply in replies] == [[], ["lookup"], [], ["pay"], []]


def test_t2_the_turn_that_starts_a_scenario_is_not_listed(tmp_path: Path) -> None:
    """It is missing by its id, the total counts it, and the reply itself was normal."""
    replies, turns, _ = conversation(tmp_path, quirks=True)
    assert [turn["user_message"] for turn in turns["items"]] == ["hi", "A-1", "yes", "thanks"]
    assert replies[1]["turn_id"] not in {turn["turn_id"] for turn in turns["items"]}
    assert (turns["total"], replies[1]["scenario"] is not None) == (5, True)
    _, turns, _ = conversation(tmp_path, quirks=False)
    assert [turn["user_message"] for turn in turns["items"]] == SAID


def test_t3_and_t4_numbers_and_descending_pages_are_wrong(tmp_path: Path) -> None:
    """A page is numbered by position, and the newest come as the oldest reversed."""
    _, turns, newest = conversation(tmp_path, quirks=True)
    assert [turn["turn_number"] for turn in turns["items"]] == [1, 2, 3, 4]
    assert [(turn["turn_number"], turn["user_message"]) for turn in newest["items"]] == [(1, "A-1"), (2, "hi")]
    assert newest["has_more"]
    _, _, newest = conversation(tmp_path, quirks=False)
    assert [(turn["turn_number"], turn["user_message"]) for turn in newest["items"]] == [(5, "thanks"), (4, "yes")]


def test_turns_do_not_say_where_the_conversation_stood(tmp_path: Path) -> None:
    """The scenario before and after is null, as the real server never fills it in."""
    _, turns, _ = conversation(tmp_path, quirks=True)
    assert [(turn["scenario_before"], turn["scenario_after"]) for turn in turns["items"]] == [(None, None)] * 4
