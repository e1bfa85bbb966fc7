"""Any engine with a cassette, without a run around it: the promises of engines, requests, and how differences are told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from focal_eval.clock import Clock
from focal_eval.engines import SessionStart, Setting
from focal_eval.engines.base import Coming, Foreseen
from focal_eval.engines.credentials import cleaner
from focal_eval.engines.difference import data_difference, nearest_data, word_difference
from focal_eval.engines.embedded import Embedded
from focal_eval.engines.recorded import Recorder
from focal_eval.engines.recording import RecordedCall
from focal_eval.engines.tape import Shelf
from focal_eval.engines.taping import Calls, Layer, Mode, current, taped
from focal_eval.errors import CassetteMiss, EngineError
from focal_eval.records import UNKNOWN, Json, Reply
from focal_eval.testing import engine_conformance

AGENT = """\
agent: shop
rules: [{id: hello, match: {any_words: [hello]}, template: hello}]
templates: {hello: {mode: EXCLUSIVE, text: Hello!}, sorry: {mode: FALLBACK, text: Pardon?}}
"""
CLEAN = cleaner(lambda data: data)


def recorder(folder: Path, mode: Mode, file: str = "t.jsonl", *, live: bool = True) -> Recorder:
    (folder / "agent.yaml").write_text(AGENT, encoding="utf-8")
    engine = Embedded("agent.yaml").connect(Setting(folder)) if live else None
    return Recorder(engine, Shelf(folder, file, CLEAN), {"turns": mode}, kind="embedded", agent="d1", clock=Clock())


def talk(made: Recorder, start: SessionStart, *messages: str | None) -> list[Reply]:
    async def told() -> list[Reply]:
        session = await made.open(start)
        replies = [await session.send(message) for message in messages]
        await session.stored()
        await session.close()
        return replies

    replies = asyncio.run(told())
    made.save()
    return replies


@pytest.mark.parametrize("mode", ["record", "replay-else-record"])
def test_an_engine_that_is_recorded_keeps_the_promises_of_engines(mode: Mode, tmp_path: Path) -> None:
    """The conformance kit finds no difference between an engine and the same one with a cassette."""
    names = count()
    engine_conformance(lambda: recorder(tmp_path, mode, f"t{next(names)}.jsonl"))


def test_replies_are_replayed_with_the_times_they_took(tmp_path: Path) -> None:
    """What comes back equals what was told, without an engine."""
    start = SessionStart("case-1", script="a/late")
    live = talk(recorder(tmp_path, "record"), start, "hello", "what?")
    assert all(reply.elapsed_ms is not None for reply in live)
    replay = recorder(tmp_path, "replay", live=False)
    assert talk(replay, SessionStart("case-2", script="a/late"), "Hello", "what?") == live
    assert replay.abilities.reports == recorder(tmp_path, "record").abilities.reports
    assert replay.told() == "cassette t.jsonl: 1 replayed"


def test_without_foresight_the_words_are_looked_at_turn_by_turn(tmp_path: Path) -> None:
    """An engine used outside a run knows nothing of what is coming; it replays, and misses where the words differ."""
    start = SessionStart("case-1", script="late")
    talk(recorder(tmp_path, "record"), start, "hello")
    again = recorder(tmp_path, "replay-else-record")
    talk(again, start, "hello")
    assert again.counts == {"replayed": 1}
    with pytest.raises(CassetteMiss, match="at turn 1 of the recording 'late'"):
        talk(recorder(tmp_path, "replay-else-record"), start, "good bye")


@pytest.mark.parametrize(
    ("coming", "asked"),
    [
        ([Coming("hello"), Coming("what?")], False),
        ([Coming("hello")], True),
        ([Coming("hello"), Coming("what?"), Coming("more")], True),
        ([Coming("hello"), Coming("what?"), Coming("more", sure=False)], False),
        ([Coming("x", sure=False), Coming("hello"), Coming("what?")], False),
        ([Coming("hello"), Coming(UNKNOWN, sure=False)], False),
        ([Coming(UNKNOWN, sure=False), Coming(None)], True),
        ([], True),
    ],
)
def test_a_recording_stands_for_a_conversation_that_says_all_of_it(coming: list[Coming], asked: bool, tmp_path: Path) -> None:
    """What may be kept from being sent may be missing, what nobody knows yet may be anything."""
    talk(recorder(tmp_path, "record"), SessionStart("c", script="late"), "hello", "what?")
    made = recorder(tmp_path, "replay-else-record")
    start = SessionStart("c", script="late", foreseen=lambda: Foreseen("late", coming=tuple(coming)))
    talk(made, start, "hello", "what?")
    assert made.counts["recorded"] == asked


def test_a_script_outside_the_folder_of_cassettes_is_the_engines_error(tmp_path: Path) -> None:
    """An id that leads elsewhere writes no file there."""
    with pytest.raises(EngineError, match=r"the script '\.\./\.\./etc/x' has no place in the folder tapes/"):
        talk(recorder(tmp_path, "record", "tapes/"), SessionStart("c", script="../../etc/x"), "hello")


def asked(modes: dict[Layer, Mode], recorded: tuple[RecordedCall, ...], *requests: Json) -> tuple[list[Json], int, Calls]:
    """The answers to requests of a model that counts what it is asked, and how often it was asked."""
    calls, made = Calls(modes, recorded, ("late", "t.jsonl"), CLEAN), count(1)

    def ask() -> Awaitable[Json]:
        async def answer() -> Json:
            return {"answer": next(made)}

        return answer()

    async def all_of_them() -> list[Json]:
        token = current.set(calls)
        try:
            return [await taped("model", request, ask) for request in requests]
        finally:
            current.reset(token)

    return asyncio.run(all_of_them()), next(made) - 1, calls


ONE, TWO = (RecordedCall("model", {"say": "a"}, {"answer": word}) for word in ("one", "two"))


def test_equal_requests_are_answered_in_their_order(tmp_path: Path) -> None:
    """The same question twice has two answers; a third is a miss, or asked."""
    answers, count_, _ = asked({"model": "replay"}, (ONE, TWO), {"say": "a"}, {"say": "a"})
    assert (answers, count_) == ([{"answer": "one"}, {"answer": "two"}], 0)
    with pytest.raises(CassetteMiss, match="the model was asked the same more often than the recording 'late'"):
        asked({"model": "replay"}, (ONE, TWO), {"say": "a"}, {"say": "a"}, {"say": "a"})
    answers, count_, calls = asked({"model": "replay-else-record"}, (ONE,), {"say": "a"}, {"say": "a"})
    assert (answers, count_, len(calls.made)) == ([{"answer": "one"}, {"answer": 1}], 1, 2)


def test_the_order_of_keys_makes_no_other_request() -> None:
    """Requests are compared as data."""
    kept = RecordedCall("model", {"a": 1, "b": [2]}, "yes")
    assert asked({"model": "replay"}, (kept,), {"b": [2], "a": 1})[0] == ["yes"]


def test_a_layer_that_is_not_in_use_is_asked(tmp_path: Path) -> None:
    """And nothing of it is kept."""
    answers, count_, calls = asked({"tools": "replay"}, (ONE,), {"say": "a"})
    assert (answers, count_, calls.made) == ([{"answer": 1}], 1, [])


def test_nobody_records_outside_a_conversation() -> None:
    """Without a cassette a request is simply asked."""

    async def told() -> Any:
        ask: Callable[[], Awaitable[Json]] = lambda: asyncio.sleep(0, "told")  # noqa: E731  # one line of a test
        return await taped("model", {"say": "a"}, ask)

    assert asyncio.run(told()) == "told"


def test_a_miss_without_any_recorded_request_says_so() -> None:
    """There is nothing near to compare with."""
    with pytest.raises(CassetteMiss, match="holds no request of the layer 'model'"):
        asked({"model": "replay"}, (), {"say": "a"})


@pytest.mark.parametrize(
    ("recorded", "now", "said"),
    [
        ({"a": 1}, {"a": 1}, ""),
        ({"a": 1}, {"a": 1.0}, ""),
        ({"a": True}, {"a": 1}, "a: [-true-] {+1+}"),
        ({"a": [1, 2]}, {"a": [1]}, "a.1: [-2-]"),
        ({"a": 1}, {"a": 1, "b": None}, "b: {+null+}"),
        ("one two", "one  two", 'all of it: [-"one two"-] {+"one  two"+}'),
        ({"a": "x y"}, {"a": {"b": 1}}, 'a: [-"x y"-] {+{"b":1}+}'),
        (dict.fromkeys("abcdefghij", 1), {}, "\n".join(f"{key}: [-1-]" for key in "abcdefgh") + "\nand 2 more"),
    ],
)
def test_data_differs_path_by_path(recorded: Json, now: Json, said: str) -> None:
    """Each path says what is gone and what is new; at most eight are told."""
    assert data_difference(recorded, now) == said


def test_long_texts_are_shown_around_their_differences() -> None:
    """What is equal for long is an ellipsis, wherever the difference lies."""
    text = " ".join(f"w{number}" for number in range(5_000))
    assert word_difference(text, text.replace("w4000 ", "new ")) == (
        "… w3992 w3993 w3994 w3995 w3996 w3997 w3998 w3999 [-w4000-] {+new+} w4001 w4002 w4003 w4004 w4005 w4006 w4007 w4008 …"
    )


def test_the_nearest_data_has_the_fewest_differences() -> None:
    """Of equally near ones the first."""
    assert nearest_data({"a": 1, "b": 2}, [{"a": 5, "b": 6}, {"a": 1, "b": 6}, {"a": 4, "b": 2}]) == 1
