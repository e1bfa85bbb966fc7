"""Schema-Guided Dialogue: service calls are tool calls, their results are stubs, what the user wants is metadata."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from focal_eval.errors import UsageError
from focal_eval.importers import make_importer
from focal_eval.testing import importer_conformance
from tests.importers.imports import SHARED, as_bytes, imported, lost, only, passes, tried


def asks(text: str, intent: str, slots: dict[str, list[str]], asked: tuple[str, ...] = ()) -> dict[str, Any]:
    state = {"active_intent": intent, "slot_values": slots, "requested_slots": list(asked)}
    frame = {"service": "Bikes_1", "actions": [{"act": "INFORM"}], "slots": [{"slot": "part", "start": 0}], "state": state}
    return {"speaker": "USER", "utterance": text, "frames": [frame]}


def tells(text: str, parameters: dict[str, str] | None = None, results: Any = None) -> dict[str, Any]:
    frame: dict[str, Any] = {"service": "Bikes_1", "actions": [{"act": "OFFER"}], "slots": []}
    if parameters is not None:
        frame |= {"service_call": {"method": "FindPart", "parameters": parameters}, "service_results": results}
    return {"speaker": "SYSTEM", "utterance": text, "frames": [frame]}


DIALOGUES = [
    {
        "dialogue_id": "1_00000",
        "services": ["Bikes_1"],
        "turns": [
            asks("I need a bell", "FindPart", {"part": ["bell"]}),
            tells("Which colour?"),
            asks("Red, what does it cost?", "FindPart", {"part": ["bell"], "colour": ["red"]}, ("price",)),
            tells("Nine euros.", {"part": "bell", "colour": "red"}, [{"price": "9"}]),
            asks("And again?", "FindPart", {"part": ["bell"], "colour": ["red"]}, ("price",)),
            tells("Eight by now.", {"colour": "red", "part": "bell"}, [{"price": "8"}]),
        ],
    }
]
SCHEMA = [
    {
        "service_name": "Bikes_1",
        "description": "Parts of bicycles",
        "slots": [{"name": "part", "description": "a part"}],
        "intents": [{"name": "FindPart", "description": "find one", "required_slots": ["part"]}],
    }
]
FILES = {"dialogues_001.json": DIALOGUES, "schema.json": SCHEMA}


def test_a_dialogue_becomes_a_script_with_calls_stubs_and_states() -> None:
    """A call is expected where it was made; an answer that changed is a sequence; states are told where they change."""
    found = imported("sgd", FILES)
    made = only(found)
    assert [turn["expect"]["tools"] for turn in made["turns"]] == [
        {"none": True},
        {"exactly": [{"FindPart": {"part": "bell", "colour": "red"}}]},
        {"exactly": [{"FindPart": {"colour": "red", "part": "bell"}}]},
    ]
    assert made["tools"] == {
        "FindPart": [
            {
                "when": {"part": "bell", "colour": "red"},
                "only": True,
                "sequence": [{"returns": [{"price": "9"}]}, {"returns": [{"price": "8"}]}],
            }
        ]
    }
    assert made["metadata"]["states"] == [
        {"turn": 1, "service": "Bikes_1", "intent": "FindPart", "slots": {"part": ["bell"]}},
        {
            "turn": 2,
            "service": "Bikes_1",
            "intent": "FindPart",
            "slots": {"part": ["bell"], "colour": ["red"]},
            "asked": ["price"],
        },
    ]
    assert made["description"] == "Bikes_1: Parts of bicycles"
    assert made["origin"]["conversation"] == "1_00000"
    assert lost(found) == {"acts": 6, "slot-spans": 3, "schema": 2}


def test_stubs_can_be_left_out() -> None:
    """`--stubs none` writes the conversation alone."""
    assert "tools" not in only(imported("sgd", FILES, stubs="none"))
    with pytest.raises(UsageError, match="'some' is neither write nor none"):
        make_importer("sgd", {"stubs": "some"})


def test_a_schema_alone_holds_no_conversation() -> None:
    """It is read for the dialogues beside it, and is no problem by itself."""
    found, problems = tried("sgd", {"schema.json": SCHEMA})
    assert (found.scripts, problems) == ({}, [])
    assert lost(found) == {"schema": 2}


def test_it_keeps_every_promise_of_an_importer(tmp_path: Path) -> None:
    """The conformance kit, and a suite that passes although a cassette takes no stubs."""
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(as_bytes(content))
    importer_conformance(make_importer("sgd"), [tmp_path])
    assert passes("sgd", tmp_path, tmp_path / "out") == 1


def test_the_development_set_comes_over(tmp_path: Path) -> None:
    """128 dialogues with every turn and every service call of the raw data, and all of them pass."""
    folder = SHARED / "data" / "sgd-dev"
    if not folder.is_dir():
        pytest.skip("no sample data beside the checkout")
    assert passes("sgd", folder, tmp_path) == 128
    raw = json.loads((folder / "dialogues_003.json").read_bytes())
    calls = sum("service_call" in frame for one in raw for turn in one["turns"] for frame in turn["frames"])
    found = imported("sgd", {"d.json": (folder / "dialogues_003.json").read_bytes()})
    assert (found.kept["tool calls"], found.turns) == (calls, sum(len(one["turns"]) // 2 for one in raw))
