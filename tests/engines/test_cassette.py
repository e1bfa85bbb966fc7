"""The cassette engine: recorded conversations, replayed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Literal

import pytest

from focal_eval.engines import SessionStart, Setting
from focal_eval.engines.cassette import Cassette, CassetteEngine
from focal_eval.engines.difference import word_difference
from focal_eval.engines.recording import RecordedConversation, RecordedTurn, recording_bytes
from focal_eval.engines.recording_reader import parse_recording
from focal_eval.errors import CassetteMiss, EngineProtocol, Problems, Refused
from focal_eval.records import UNKNOWN, MessageRecord, Reply, ScenarioState, ToolCall

LATE = RecordedConversation(
    "returns/late",
    (
        RecordedTurn("My parcel is late", Reply("Which order?", tools=())),
        RecordedTurn("A-7, please", Reply("It comes today.", tools=(ToolCall("track", {"order": "A-7"}, {"days": 0}),))),
    ),
    messages=(MessageRecord("user", "My parcel is late"), MessageRecord("assistant", "Which order?")),
)
GREETED = RecordedConversation("greeted", (RecordedTurn(None, Reply("Welcome!")), RecordedTurn("bye", Reply("Bye."))))


def engine(folder: Path, match: Literal["text", "position"] = "text") -> CassetteEngine:
    (folder / "tape.jsonl").write_bytes(recording_bytes([LATE, GREETED], {"by": "test"}))
    return Cassette("tape.jsonl", match).connect(Setting(folder))


def replay(made: CassetteEngine, *messages: str | None, script: str = "returns/late", **metadata: Any) -> list[Reply]:
    async def told() -> list[Reply]:
        session = await made.open(SessionStart("c1", script=script, metadata=metadata))
        return [await session.send(message) for message in messages]

    return asyncio.run(told())


def test_the_recorded_words_give_the_recorded_replies(tmp_path: Path) -> None:
    """Replies come back as they were recorded, fields that were not recorded unknown."""
    replies = replay(engine(tmp_path), "My parcel is late", "A-7, please")
    assert replies == [turn.reply for turn in LATE.turns]
    assert replies[0].rules is UNKNOWN
    assert replies[1].tools == (ToolCall("track", {"order": "A-7"}, {"days": 0}),)


def test_words_are_compared_as_everywhere(tmp_path: Path) -> None:
    """Case, typographic quotes and white space make no other message."""
    assert replay(engine(tmp_path), "  my PARCEL is\nlate ")[0].response == "Which order?"


def test_other_words_are_a_miss_that_names_the_nearest_message(tmp_path: Path) -> None:
    """The error says at which turn the script leaves the recording, and how the words differ."""
    with pytest.raises(
        CassetteMiss, match=r"at turn 1 of the recording 'returns/late' in tape\.jsonl .* other words"
    ) as caught:
        replay(engine(tmp_path), "My blue parcel is late")
    assert caught.value.kind == "cassette-miss"
    assert caught.value.detail == "nearest recorded message: turn 1, 87% alike\nMy {+blue+} parcel is late"


def test_a_skipped_turn_is_seen_in_the_nearest_message(tmp_path: Path) -> None:
    """Where the words are those of a later turn, the detail names that turn."""
    with pytest.raises(CassetteMiss, match="at turn 1") as caught:
        replay(engine(tmp_path), "A-7, please")
    assert caught.value.detail == "nearest recorded message: turn 2, 100% alike\nA-7, please"


def test_by_position_other_words_are_noted_and_answered(tmp_path: Path) -> None:
    """A simulated user says the same in other words: the reply is the recorded one, and says what it answered."""
    first, second = replay(engine(tmp_path, "position"), "Where is my parcel?", "A-7, please")
    assert first.response == "Which order?"
    assert first.metadata is not UNKNOWN
    note = dict(first.metadata["cassette"])
    assert 0 < note.pop("alike") < 1
    assert note == {"conversation": "returns/late", "turn": 1, "of": 2, "recorded_user": "My parcel is late"}
    assert second.metadata == {"cassette": {"conversation": "returns/late", "turn": 2, "of": 2}}


@pytest.mark.parametrize("match", ["text", "position"])
def test_a_turn_beyond_the_recording_is_a_miss(tmp_path: Path, match: Literal["text", "position"]) -> None:
    """What would have been said is not known, so the turn has an error and no verdict."""
    with pytest.raises(CassetteMiss, match="ends after turn 2; it has no answer to turn 3"):
        replay(engine(tmp_path, match), "My parcel is late", "A-7, please", "Thanks")


@pytest.mark.parametrize("match", ["text", "position"])
def test_who_speaks_first_must_agree(tmp_path: Path, match: Literal["text", "position"]) -> None:
    """A greeting recorded unasked answers no message, in either mode, and the other way round."""
    made = engine(tmp_path, match)
    assert made.abilities.speaks_first
    assert replay(made, None, "bye", script="greeted")[0].response == "Welcome!"
    with pytest.raises(CassetteMiss, match="the agent speaks first; in the script the user does"):
        replay(made, "hi", script="greeted")
    with pytest.raises(CassetteMiss, match="the user speaks first; in the script the agent does"):
        replay(made, None)


def test_the_conversation_is_found_by_metadata_then_by_the_scripts_path(tmp_path: Path) -> None:
    """`metadata.cassette` wins; else the longest end of the script's id that was recorded."""
    made = engine(tmp_path)
    assert replay(made, "My parcel is late", script="shop/eu/returns/late")[0].response == "Which order?"
    assert replay(made, None, script="returns/late", cassette="greeted")[0].response == "Welcome!"
    with pytest.raises(CassetteMiss, match="holds no conversation '7'"):
        replay(made, "hi", script="returns/late", cassette=7)
    with pytest.raises(CassetteMiss, match=r"holds no conversation 'returns/latte'; did you mean 'returns/late'\?"):
        replay(made, "hi", script="returns/latte")


def test_it_reports_what_some_recorded_reply_holds(tmp_path: Path) -> None:
    """An expectation on a field that no reply holds can be refused before the run."""
    assert engine(tmp_path).abilities.reports == {"response", "tools", "messages_stored"}
    assert engine(tmp_path, "position").abilities.reports == {"response", "tools", "metadata", "messages_stored"}
    assert engine(tmp_path).abilities.deterministic


def test_stored_messages_come_when_the_whole_conversation_was_replayed(tmp_path: Path) -> None:
    """Before that they would tell of turns that were not played."""

    async def told() -> list[Any]:
        session = await engine(tmp_path).open(SessionStart("c", script="returns/late"))
        await session.send("My parcel is late")
        early = await session.stored()
        await session.send("A-7, please")
        return [early, await session.stored()]

    assert asyncio.run(told()) == [UNKNOWN, LATE.messages]


def test_a_closed_session_answers_no_more(tmp_path: Path) -> None:
    """Closing twice is fine; sending afterwards is the caller's error, said as one."""

    async def told() -> None:
        session = await engine(tmp_path).open(SessionStart("c", script="returns/late"))
        await session.close()
        await session.close()
        await session.send("My parcel is late")

    with pytest.raises(EngineProtocol, match="the session is closed"):
        asyncio.run(told())


def test_known_to_be_none_is_replayed_as_none(tmp_path: Path) -> None:
    """A recorded null is a fact, other than a field that is absent."""
    talk = RecordedConversation("x", (RecordedTurn("a", Reply("b", scenario=None)), RecordedTurn("c", Reply("d"))))
    (tmp_path / "t.jsonl").write_bytes(recording_bytes([talk]))
    replies = replay(Cassette("t.jsonl").connect(Setting(tmp_path)), "a", "c", script="x")
    assert replies[0].scenario is None
    assert replies[1].scenario is UNKNOWN


def test_every_kind_of_record_comes_back_as_it_was(tmp_path: Path) -> None:
    """Writing and reading a cassette loses nothing, and the same conversations give the same bytes."""
    reply = Reply("a", messages=("a", "b"), scenario=ScenarioState("s", "t"), follow_ups=("x",), metadata={"k": [1, None]})
    talk = RecordedConversation("k", (RecordedTurn("u", reply),), origin={"file": "f"})
    data = recording_bytes([talk])
    assert data == recording_bytes([talk])
    (tmp_path / "t.jsonl").write_bytes(data)
    assert replay(Cassette("t.jsonl").connect(Setting(tmp_path)), "u", script="k") == [reply]


HEADER = b'{"t":"cassette","format":1}\n'
TURN = b'{"t":"conversation","key":"a","turns":[{"user":"u","reply":{"response":"r"}}]}\n'


@pytest.mark.parametrize(
    ("data", "code", "line", "said"),
    [
        (b"", "cassette-format", 1, "the file is empty"),
        (TURN, "cassette-format", 1, "the first line is not a cassette's header"),
        (b'{"t":"cassette","format":2}\n', "cassette-format", 1, "the cassette's format is 2; this version reads 1"),
        (HEADER + TURN + b'\n{"t":"conversation"', "cassette-json", 4, "not JSON: unexpected end of data"),
        (HEADER + b"[1]", "cassette-shape", 2, "a line of a cassette is an object"),
        (HEADER + TURN + TURN, "cassette-duplicate", 3, "the conversation 'a' is recorded twice"),
        (HEADER + TURN.replace(b'"r"', b"5"), "cassette-shape", 2, "'turns.0.reply.response': text is expected"),
        (HEADER + TURN.replace(b'"reply"', b'"answer"'), "cassette-shape", 2, "'turns.0.reply': it is missing"),
        (
            HEADER + TURN.replace(b'"response":"r"', b'"tools":[{"name":1}]'),
            "cassette-shape",
            2,
            "'turns.0.reply.tools.0.name': text is expected",
        ),
        (HEADER + TURN.replace(b'"a"', b"null"), "cassette-shape", 2, "'key': text is expected"),
        (HEADER[:-2] + b',"origin":5}\n' + TURN, "cassette-shape", 1, "'origin': a mapping is expected"),
        (HEADER[:-2] + b',"engine":{"kind":"x"}}\n', "cassette-shape", 1, "'engine.reports': it is missing"),
        (
            HEADER + TURN[:-2] + b',"calls":[{"layer":"model","request":1}]}',
            "cassette-shape",
            2,
            "'calls.0.answer': it is missing",
        ),
        (HEADER + TURN[:-2] + b',"start":[]}', "cassette-shape", 2, "'start': a mapping is expected"),
        (HEADER + TURN.replace(b'"u"', b"7"), "cassette-shape", 2, "'turns.0.user': text is expected"),
        (HEADER + b"\xff\n", "cassette-json", 2, "not JSON"),
        (HEADER + b"[" * 100_000, "cassette-json", 2, "not JSON"),
    ],
)
def test_a_damaged_cassette_is_refused_with_its_place(tmp_path: Path, data: bytes, code: str, line: int, said: str) -> None:
    """Whatever is wrong with the file is one diagnostic at its line, before anything is run."""
    (tmp_path / "t.jsonl").write_bytes(data)
    with pytest.raises(Refused, match=r"the cassette t\.jsonl cannot be replayed") as caught:
        Cassette("t.jsonl").connect(Setting(tmp_path))
    (found,) = caught.value.diagnostics
    assert (found.code, found.span.line) == (code, line)
    assert said in found.message


def test_a_missing_cassette_is_refused(tmp_path: Path) -> None:
    """The path starts at the suite's folder; the nearest file there is named."""
    (tmp_path / "tapes.jsonl").write_bytes(HEADER)
    with pytest.raises(Refused, match="cannot be replayed") as caught:
        Cassette("tape.jsonl").connect(Setting(tmp_path))
    assert str(caught.value.diagnostics[0]) == (
        "tape.jsonl:1:1: error[cassette-unreadable]: there is no such cassette; did you mean 'tapes.jsonl'?"
    )


@pytest.mark.parametrize("file", ["", "a\0b", "nowhere/at/all.jsonl"])
def test_a_path_that_is_none_is_refused(tmp_path: Path, file: str) -> None:
    """A folder, a path with a null byte and a folder that is not there are all said as one problem."""
    with pytest.raises(Refused, match="cannot be replayed") as caught:
        Cassette(file).connect(Setting(tmp_path))
    assert [item.code for item in caught.value.diagnostics] == ["cassette-unreadable"]


def test_the_reference_shows_a_cassette_that_can_be_read() -> None:
    """The lines in the documentation are a cassette."""
    page = Path(__file__).resolve().parents[2] / "docs" / "reference" / "cassette.md"
    lines = [line for line in page.read_text(encoding="utf-8").splitlines() if line.startswith('{"t"')]
    problems = Problems()
    recording = parse_recording("\n".join(lines).encode(), "cassette.md", problems)
    assert list(problems) == []
    assert recording is not None
    assert recording.conversations["late"].turns[0].reply.response == "It comes today."


def test_what_a_later_version_adds_is_left_alone(tmp_path: Path) -> None:
    """Unknown kinds of lines and unknown keys do not break a format 1 reader."""
    extra = b'{"t":"exchange","raw":1}\n' + TURN.replace(b'"key"', b'"mode":"record","key"')
    (tmp_path / "t.jsonl").write_bytes(b"\xef\xbb\xbf" + HEADER + extra)
    assert replay(Cassette("t.jsonl").connect(Setting(tmp_path)), "u", script="a") == [Reply("r")]


def test_a_difference_in_words_is_shown_word_by_word() -> None:
    """What was recorded and is gone stands before what is said instead."""
    assert word_difference("my red mug broke", "my cup broke today") == "my [-red mug-] {+cup+} broke {+today+}"
