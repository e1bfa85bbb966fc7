"""Recorded conversations of every format come as one shape; what cannot be read is told with its place and passed over."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from focal_eval.errors import Refused, UsageError
from focal_eval.importers.conversations import FORMATS, Found, conversations, format_named, transcripts
from focal_eval.importers.conversations_file import PassedOver
from focal_eval.records import UNKNOWN, ScenarioState
from focal_eval.records.conversation import Conversation

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"


def written(folder: Path, data: Any, name: str = "told.json") -> Path:
    """A file with one document, or with a line each where its name says so."""
    path = folder / name
    lines = "\n".join(json.dumps(item) for item in data) if name.endswith("jsonl") else json.dumps(data, indent=1)
    path.write_text(lines, encoding="utf-8")
    return path


def told(*paths: Path, over: PassedOver | None = None, name: str | None = None) -> list[Conversation]:
    return list(conversations(transcripts(paths), over or PassedOver(), format=None if name is None else format_named(name)))


CHAT: list[dict[str, Any]] = [
    {"role": "system", "content": "You sell lamps."},
    {"role": "user", "content": "Where is my lamp?"},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "track", "arguments": '{"order": "L-1"}'}}],
    },
    {"role": "tool", "tool_call_id": "c1", "content": '{"state": "moving"}'},
    {"role": "assistant", "content": "On its way."},
    {"role": "user", "content": [{"type": "text", "text": "thanks"}]},
]


def test_chat_completions_are_read_from_lines_and_from_one_list(tmp_path: Path) -> None:
    """A conversation a line, or the messages alone; calls have arguments and results, the last words stay unanswered."""
    lines = written(tmp_path, [{"id": "one", "messages": CHAT}, {"messages": CHAT}], "chat.jsonl")
    found = told(lines, written(tmp_path, CHAT, "single.json"))
    assert [(one.id, one.format, one.line, len(one.turns)) for one in found] == [
        ("one", "openai", 1, 2),
        ("#2", "openai", 2, 2),
        ("#1", "openai", 2, 2),
    ]
    first, last = found[0].turns
    assert (first.user, first.agent) == ("Where is my lamp?", "On its way.")
    assert first.tools is not UNKNOWN
    assert (first.tools[0].name, first.tools[0].arguments, first.tools[0].result) == (
        "track",
        {"order": "L-1"},
        {"state": "moving"},
    )
    assert (last.user, last.agent, last.tools) == ("thanks", UNKNOWN, UNKNOWN)


def test_what_is_told_of_a_session_is_its_metadata(tmp_path: Path) -> None:
    """The locale is what agents read their language from; keys beside it may tell it too."""
    data = [{"messages": CHAT, "locale": "de-AT", "metadata": {"tier": "gold"}}, {"turns": [{"user": "hi"}], "channel": "web"}]
    chat, pairs = (told(written(tmp_path, [item], "one.jsonl"))[0] for item in data)
    assert (chat.metadata, pairs.metadata) == ({"locale": "de-AT", "tier": "gold"}, {"channel": "web"})


def test_tau_bench_runs_lose_the_sign_of_the_simulated_user(tmp_path: Path) -> None:
    """The words beside a call were not shown to the user, and the stop marker is nobody's word."""
    aside = {**CHAT[2], "content": "Let me look."}
    run = {"task_id": 3, "trial": 1, "traj": [CHAT[1], aside, CHAT[3], CHAT[4], {"role": "user", "content": "###STOP###"}]}
    (found,) = told(written(tmp_path, [run]))
    assert (found.id, found.format, len(found.turns)) == ("task-3-trial-1", "tau-bench", 1)
    assert found.turns[0].agent == "On its way."


def test_mix_rows_are_told_apart_by_their_role(tmp_path: Path) -> None:
    """Every row has its text in `userInput`; a session's rows are one conversation, a failed call has an error."""
    rows = [
        {"id": "m1", "sessionId": "s-1", "role": "user", "userInput": "Where is my lamp?"},
        {
            "id": "m2",
            "sessionId": "s-1",
            "role": "assistant",
            "userInput": "",
            "assistantResponse": "",
            "toolCalls": [
                {
                    "id": "t1",
                    "name": "track",
                    "type": "function",
                    "finished": True,
                    "input": '{"order":"L-1"}',
                    "result": "moving",
                },
                {
                    "id": "t2",
                    "name": "mail",
                    "type": "function",
                    "finished": True,
                    "input": "{}",
                    "isError": True,
                    "result": "down",
                },
            ],
        },
        {"id": "m3", "sessionId": "s-1", "role": "assistant", "userInput": "On its way.", "assistantResponse": "On its way."},
        {"id": "m4", "sessionId": "s-2", "role": "user", "userInput": "Hello"},
    ]
    found = told(written(tmp_path, rows))
    assert [(one.id, one.format, [turn.user for turn in one.turns]) for one in found] == [
        ("s-1", "mix", ["Where is my lamp?"]),
        ("s-2", "mix", ["Hello"]),
    ]
    turn = found[0].turns[0]
    assert turn.agent == "On its way."
    assert turn.tools is not UNKNOWN
    assert [(call.name, call.result, call.error) for call in turn.tools] == [
        ("track", "moving", None),
        ("mail", UNKNOWN, "down"),
    ]


def test_an_exported_mix_session_is_one_conversation(tmp_path: Path) -> None:
    """The export has `content` instead of `userInput`."""
    stamps = {"createdAt": "2026-03-02T10:00:00Z", "updatedAt": "2026-03-02T10:00:00Z"}
    export = {
        "id": "s-9",
        "title": "Lamp",
        "messages": [
            {"id": "1", "role": "user", "content": "Where is my lamp?", **stamps},
            {"id": "2", "role": "assistant", "content": "On its way.", **stamps},
        ],
    }
    (found,) = told(written(tmp_path, export))
    assert (found.format, found.id, found.turns[0].agent) == ("mix", "s-9", "On its way.")


def test_pipeshub_parts_tell_calls_where_there_are_any(tmp_path: Path) -> None:
    """Arguments come from the parts; a conversation in the envelope of a reply is the same as a bare one."""
    messages = [
        {"_id": "a", "messageType": "user_query", "content": "Open a ticket"},
        {
            "_id": "b",
            "messageType": "bot_response",
            "content": "Opened T-1.",
            "tools": [{"toolName": "tickets.create", "toolResult": {"key": "T-1"}}],
            "parts": [
                {
                    "type": "tool_call",
                    "toolName": "tickets.create",
                    "args": '{"title":"x"}',
                    "status": "completed",
                    "resultPreview": '{"key":"T-1"}',
                },
                {"type": "text", "content": "Opened T-1."},
            ],
        },
        {"_id": "c", "messageType": "user_query", "content": "And now?"},
        {"_id": "d", "messageType": "bot_response", "content": "Done.", "tools": [{"toolName": "clock", "toolResult": "noon"}]},
        {"_id": "e", "messageType": "feedback", "content": "good"},
    ]
    bare = {"_id": "k1", "messages": messages}
    found = told(written(tmp_path, bare, "bare.json"), written(tmp_path, {"conversation": bare, "meta": {}}, "reply.json"))
    assert [(one.id, one.format) for one in found] == [("k1", "pipeshub")] * 2
    first, second = found[0].turns
    assert first.tools is not UNKNOWN
    assert second.tools is not UNKNOWN
    assert (first.tools[0].arguments, first.tools[0].result) == ({"title": "x"}, {"key": "T-1"})
    assert (second.tools[0].arguments, second.tools[0].result) == (UNKNOWN, "noon")


def test_a_saved_glean_chat_leaves_progress_out(tmp_path: Path) -> None:
    """Updates are no words of the agent; an action is a call whose result is not known."""
    chat = {
        "id": "chat-1",
        "messages": [
            {"author": "USER", "fragments": [{"text": "Open a ticket"}], "messageType": "CONTENT"},
            {"author": "GLEAN_AI", "fragments": [{"text": "Searching"}], "messageType": "UPDATE"},
            {
                "author": "GLEAN_AI",
                "fragments": [
                    {"text": "I "},
                    {"text": "did."},
                    {"action": {"metadata": {"name": "create", "type": "ACTION"}, "parameters": {"project": {"value": "SUP"}}}},
                ],
            },
        ],
    }
    (found,) = told(written(tmp_path, {"chatResult": {"chat": chat, "trackingToken": "t"}}))
    assert (found.id, found.format, found.turns[0].agent) == ("chat-1", "glean", "I did.")
    assert found.turns[0].tools is not UNKNOWN
    assert (found.turns[0].tools[0].arguments, found.turns[0].tools[0].result) == ({"project": "SUP"}, UNKNOWN)


def turn(user: str, agent: str, at: str, **more: Any) -> dict[str, Any]:
    return {
        "turn_id": at, "turn_number": 1, "user_message": user, "agent_response": agent, "matched_rules": ["r-1"],
        "tools_called": [], "scenario_before": None, "scenario_after": None, "timestamp": at, **more,
    }  # fmt: skip


def test_focal_turns_stand_in_the_order_of_their_time(tmp_path: Path) -> None:
    """A page that was sorted the other way round is turned; a null scenario is what Focal always sends, so it is unknown."""
    items = [
        turn("two", "b", "2026-11-21T10:00:02Z", tools_called=["track"], scenario_after={"id": "returns", "step": "ask"}),
        turn("one", "a", "2026-11-21T10:00:01Z"),
    ]
    page = {"items": items, "total": 2, "limit": 20, "offset": 0, "has_more": False}
    capture = {
        "request": {"method": "GET", "path": "/v1/sessions/s-77/turns?sort=desc"},
        "response": {"status": 200, "body": page},
    }
    (found,) = told(written(tmp_path, capture))
    assert (found.id, found.format) == ("s-77", "focal")
    assert [one.user for one in found.turns] == ["one", "two"]
    assert (found.turns[0].rules, found.turns[0].tools, found.turns[0].scenario) == (("r-1",), (), UNKNOWN)
    assert found.turns[1].scenario == ScenarioState("returns", "ask")


def test_schema_guided_dialogues_have_service_calls_as_tools(tmp_path: Path) -> None:
    """The parameters are arguments, the results are what came back."""
    dialogue = {
        "dialogue_id": "9_00001",
        "services": ["Lamps_1"],
        "turns": [
            {"speaker": "USER", "utterance": "Find a lamp", "frames": []},
            {
                "speaker": "SYSTEM",
                "utterance": "There is one.",
                "frames": [
                    {
                        "service": "Lamps_1",
                        "service_call": {"method": "FindLamp", "parameters": {"colour": "red"}},
                        "service_results": [{"name": "Glow"}],
                    }
                ],
            },
        ],
    }
    (found,) = told(written(tmp_path, [dialogue]))
    assert (found.id, found.format, found.line) == ("9_00001", "sgd", 2)
    assert found.turns[0].tools is not UNKNOWN
    assert (found.turns[0].tools[0].name, found.turns[0].tools[0].result) == ("FindLamp", [{"name": "Glow"}])


def test_plain_pairs_may_tell_rules_tools_and_place(tmp_path: Path) -> None:
    """What a row leaves out is unknown, an empty list is known to be empty; rows with one conversation stand together."""
    rows = [
        {"conversation": "a", "user": "hi", "agent": "Hello!"},
        {"conversation": "a", "user": "return", "agent": "Which?", "rules": ["start"], "tools": [], "scenario": "returns/ask"},
        {
            "conversation": "b",
            "user": "bye",
            "tools": [{"name": "close", "arguments": {"at": 1}, "result": True}],
            "scenario": None,
        },
    ]
    found = told(written(tmp_path, rows, "pairs.jsonl"))
    assert [(one.id, one.format, len(one.turns)) for one in found] == [("a", "pairs", 2), ("b", "pairs", 1)]
    first, second = found[0].turns
    assert (first.rules, first.tools, first.scenario) == (UNKNOWN, UNKNOWN, UNKNOWN)
    assert (second.rules, second.tools, second.scenario) == (("start",), (), ScenarioState("returns", "ask"))
    assert (found[1].turns[0].scenario, found[1].turns[0].line) == (None, 3)


def test_a_run_folder_is_read_by_its_journal_alone(tmp_path: Path) -> None:
    """Attempts interleave; each is a conversation with all that its engine reported, in the order in which they end."""
    reply = {
        "response": "Hello!",
        "rules": [{"name": "greet", "score": 1.0}],
        "tools": [],
        "scenario": None,
        "variables": {"a": 1},
    }
    lines = [
        {"t": "run", "id": "r"},
        {"t": "case", "case": "c1", "name": "shop/one"},
        {"t": "case", "case": "c2", "name": "shop/two"},
        {"t": "turn", "case": "c1", "attempt": 1, "i": 0, "user": "hi", "reply": reply},
        {"t": "turn", "case": "c2", "attempt": 1, "i": 0, "user": "hey", "reply": reply},
        {"t": "turn", "case": "c2", "attempt": 1, "i": 1, "user": "bye", "skipped": "when"},
        {"t": "attempt", "case": "c2", "attempt": 1, "verdict": "passed", "results": []},
        {"t": "attempt", "case": "c1", "attempt": 1, "verdict": "passed", "results": []},
    ]
    written(tmp_path, lines, "journal.jsonl")
    written(tmp_path, {"format": 1}, "run.json")
    over = PassedOver()
    found = told(tmp_path, over=over)
    assert [(one.id, one.format, len(one.turns)) for one in found] == [("shop/two", "run", 1), ("shop/one", "run", 1)]
    one = found[0].turns[0]
    assert (one.rules, one.tools, one.scenario, one.variables) == (("greet",), (), None, {"a": 1})
    assert not over.counts


def test_a_run_tells_where_its_conversations_begin(tmp_path: Path) -> None:
    """Variables, history, place, channel, metadata; a case whose beginning is misshapen is told and read without it."""
    given = {"variables": {"a": 1}, "history": [["hi", None]], "scenario": "returns/ask", "metadata": {"locale": "de"}}
    lines = [
        {"t": "run", "id": "r"},
        {"t": "case", "case": "c1", "name": "one", "channel": "web", "given": given},
        {"t": "case", "case": "c2", "name": "two", "given": {"history": [["hi"]]}},
        *(
            {"t": "turn", "case": case, "attempt": 1, "i": 0, "user": "hey", "reply": {"response": "?"}}
            for case in ("c1", "c2")
        ),
    ]
    over = PassedOver()
    one, two = told(written(tmp_path, lines, "journal.jsonl"), over=over)
    assert (one.id, one.start, one.history, one.scenario) == ("one", {"a": 1}, (("hi", None),), "returns/ask")
    assert one.metadata == {"locale": "de", "channel": "web"}
    assert (two.id, two.start, two.history, two.scenario) == ("two", {}, (), None)
    assert over.counts == {"a turn of the history is no pair of texts": 1}


def test_a_torn_line_is_told_with_its_place_and_passed_over(tmp_path: Path) -> None:
    """The lines before and after it are read."""
    path = tmp_path / "torn.jsonl"
    path.write_text('{"user": "hi", "agent": "Hello!"}\n{"user": "b\n\n{"user": 7}\n{"user": "bye", "agent": "Bye."}\n')
    over = PassedOver()
    (found,) = told(path, over=over)
    assert [one.user for one in found.turns] == ["hi", "bye"]
    assert over.counts == {"a line is not JSON": 1, "user is no text": 1}
    assert over.examples == [f"{path}:2: a line is not JSON", f"{path}:4: user is no text"]


def test_a_broken_item_of_a_list_costs_that_item_alone(tmp_path: Path) -> None:
    """Items are cut at the commas between them, so that the next one is found."""
    run = json.dumps({"task_id": 1, "trial": 0, "traj": [CHAT[1], CHAT[4]]})
    path = tmp_path / "runs.json"
    path.write_text(f'[\n{run},\n{{"task_id": 2, "traj": [oops]}},\n{run},\n{{"task_id": 4, "tr')
    over = PassedOver()
    found = told(path, over=over)
    assert [(one.id, one.line) for one in found] == [("task-1-trial-0", 2), ("task-1-trial-0", 4)]
    assert over.counts == {"an item of the list is not JSON": 1, "the list is cut off": 1}
    assert over.examples[-1].startswith(f"{path}:5:")


def test_commas_and_brackets_in_texts_cut_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts may hold everything that structure is made of, wherever the file is cut into chunks."""
    spoken = 'a "quoted" \\ [list], {of} things, ] } '
    dialogues = [
        {"dialogue_id": f"d{number}", "turns": [{"speaker": "USER", "utterance": spoken * number, "frames": []}]}
        for number in range(1, 6)
    ]
    path = written(tmp_path, dialogues)
    for chunk in (1, 7, 64, 1000):
        monkeypatch.setattr("focal_eval.importers.conversations_file._CHUNK", chunk)
        found = told(path, name="sgd")
        assert [one.turns[0].user for one in found] == [spoken * number for number in range(1, 6)]
    whole = path.read_text().split("\n")
    assert all('"dialogue_id"' in whole[one.line] for one in found)


def test_hostile_sizes_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record, a text and a conversation have a longest length; what is beyond is told."""
    monkeypatch.setattr("focal_eval.importers.conversations_file.MAX_RECORD_BYTES", 200_000)
    monkeypatch.setattr("focal_eval.importers.conversations_draft.MAX_TURNS", 3)
    rows: list[dict[str, str]] = [
        {"user": "x" * 30_000},
        *({"user": str(number)} for number in range(9)),
        {"user": "y" * 300_000},
    ]
    over = PassedOver()
    (found,) = told(written(tmp_path, rows, "long.jsonl"), over=over)
    assert len(found.turns) == 3
    assert len(found.turns[0].user or "") == 20_000
    assert over.counts == {
        "a text is longer than 20,000 characters: it was cut": 1,
        "a conversation has more than 3 turns: the rest was not read": 1,
        "a record is longer than 0 MiB": 1,
    }
    deep = tmp_path / "deep.json"
    deep.write_text("[" * 100_000)
    over = PassedOver()
    assert list(conversations([Found(deep, named=False)], over)) == []
    assert over.total() == 2


def test_a_conversation_without_a_word_of_the_user_is_passed_over(tmp_path: Path) -> None:
    """There is nothing to play."""
    over = PassedOver()
    assert told(written(tmp_path, [{"messages": [CHAT[4]]}], "silent.jsonl"), over=over) == []
    assert over.counts == {"a conversation in which the user says nothing": 1}


def test_a_named_file_of_no_known_format_is_refused(tmp_path: Path) -> None:
    """In a folder it is passed over, for folders hold all sorts of files."""
    path = written(tmp_path, [{"colour": "red"}])
    with pytest.raises(Refused) as refused:
        told(path)
    (problem,) = refused.value.diagnostics
    assert (problem.code, problem.message) == ("import-shape", "the file is of no known format; its first record holds colour")
    over = PassedOver()
    assert told(tmp_path, over=over) == []
    assert over.counts == {"a file is of no known format": 1}


def test_a_path_that_is_not_there_names_the_nearest(tmp_path: Path) -> None:
    """All of them are reported at once; a folder without recordings is one of them."""
    written(tmp_path, CHAT, "recording.json")
    (tmp_path / "empty").mkdir()
    with pytest.raises(Refused) as refused:
        transcripts([tmp_path / "recordin.json", tmp_path / "empty"])
    assert [problem.code for problem in refused.value.diagnostics] == ["import-unreadable", "import-nothing"]
    assert refused.value.diagnostics[0].help == "did you mean 'recording.json'?"


def test_an_unknown_format_names_the_nearest() -> None:
    """And the format can be forced by its name."""
    with pytest.raises(UsageError, match=r"no format of recordings is named 'pipehub'; did you mean 'pipeshub'\?"):
        format_named("pipehub")
    assert list(FORMATS) == [
        "run", "focal", "sgd", "pairs", "tau-bench", "tau2", "mix", "pipeshub", "glean", "otel", "openai",
    ]  # fmt: skip


@pytest.mark.parametrize("name", list(FORMATS))
@pytest.mark.parametrize(
    "data",
    [
        [],
        {},
        7,
        "x",
        None,
        [[]],
        [[[]]],
        {"messages": 3},
        {"messages": [4]},
        {"turns": [None]},
        {"items": [{}]},
        {"t": "turn"},
        {"traj": {}},
        {"role": 1},
        {"userInput": {}},
        {"fragments": [1]},
        {"user": {}},
    ],
)
def test_no_shape_of_data_ends_in_a_traceback(name: str, data: Any, tmp_path: Path) -> None:
    """Whatever a record is, a format that is forced on it tells it or reads nothing of it."""
    over = PassedOver()
    assert told(written(tmp_path, [data, data], "odd.jsonl"), over=over, name=name) == []


@pytest.mark.skipif(not DATA.is_dir(), reason="sample data beside the checkout")
def test_the_sample_data_is_read_whole() -> None:
    """Every dialogue and every run, with nothing passed over but the schema that lies beside the dialogues."""
    over = PassedOver()
    found = told(DATA / "sgd-dev", DATA / "tau-bench-trajectories", over=over)
    formats = [one.format for one in found]
    assert (formats.count("sgd"), formats.count("tau-bench")) == (128, 100)
    assert sum(len(one.turns) for one in found) == 1711
    assert over.counts == {"a file is of no known format": 1}
