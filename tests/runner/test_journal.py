"""What is on disk, and what never gets there."""

from __future__ import annotations

import asyncio
import errno
import os
from pathlib import Path
from typing import Any

import orjson
import pytest

from focal_eval.errors import StorageError, UsageError
from focal_eval.runner.journal import Journal, dumps
from focal_eval.runner.redact import Redactor
from focal_eval.runner.seal import SEAL, is_sealed


def lines(folder: Path) -> list[dict[str, Any]]:
    """The journal's lines without their checksums, each of which is right."""
    read = (folder / "journal.jsonl").read_bytes().splitlines()
    assert all(map(is_sealed, read))
    return [{key: value for key, value in orjson.loads(line).items() if key != SEAL} for line in read]


def test_a_journal_is_on_disk_line_by_line(tmp_path: Path) -> None:
    """Each line can be read as soon as it was written, the header from the start."""
    journal = Journal(tmp_path / "run", {"id": "r1", "state": "running"}, Redactor())
    assert orjson.loads((tmp_path / "run/run.json").read_bytes())["state"] == "running"
    journal.line(dumps({"t": "turn", "i": 0}))
    assert [line["t"] for line in lines(tmp_path / "run")] == ["run", "turn"]
    journal.end({"state": "finished"})
    journal.close()
    assert orjson.loads((tmp_path / "run/run.json").read_bytes()) == {"id": "r1", "state": "finished"}
    assert lines(tmp_path / "run")[-1] == {"t": "end", "state": "finished"}


def test_a_folder_that_holds_a_run_is_not_overwritten(tmp_path: Path) -> None:
    """A second run into the same folder is refused; the first one stays whole."""
    Journal(tmp_path, {"id": "a"}, Redactor()).close()
    before = (tmp_path / "journal.jsonl").read_bytes()
    with pytest.raises(UsageError, match="already holds a run"):
        Journal(tmp_path, {"id": "b"}, Redactor())
    assert (tmp_path / "journal.jsonl").read_bytes() == before


def test_a_place_that_cannot_be_written_is_a_storage_error(tmp_path: Path) -> None:
    """A file where the folder should be gives a sentence, not a traceback."""
    (tmp_path / "taken").write_text("x")
    with pytest.raises(StorageError, match="cannot be written"):
        Journal(tmp_path / "taken" / "run", {}, Redactor())
    with pytest.raises(StorageError, match="taken is a file; --out names a folder"):
        Journal(tmp_path / "taken", {}, Redactor())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_said_and_loses_nothing_recorded(tmp_path: Path) -> None:
    """A write that fails is a StorageError with the system's reason."""
    journal = Journal(tmp_path, {"id": "a"}, Redactor())
    journal.line(dumps({"t": "turn"}))
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, journal._file)
    os.close(full)
    with pytest.raises(StorageError, match=os.strerror(errno.ENOSPC)):
        journal.line(dumps({"t": "turn"}))
    assert [line["t"] for line in lines(tmp_path)] == ["run", "turn"]


def test_lines_that_are_added_are_on_disk_before_anything_is_waited_for(tmp_path: Path) -> None:
    """Added lines are written together and in order as soon as the event loop gets control, and the rest at the end."""
    journal = Journal(tmp_path, {"id": "a"}, Redactor())

    async def play() -> None:
        journal.add(dumps({"t": "turn", "i": 0}))
        journal.add(dumps({"t": "turn", "i": 1}))
        await asyncio.sleep(0)
        assert [line.get("i") for line in lines(tmp_path)] == [None, 0, 1]
        journal.add(dumps({"t": "turn", "i": 2}))

    asyncio.run(play())
    journal.close()
    assert [line.get("i") for line in lines(tmp_path)] == [None, 0, 1, 2]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_failure_to_write_stops_the_next_line(tmp_path: Path) -> None:
    """What the event loop could not write is said by the line after it, and by the end."""
    journal = Journal(tmp_path, {"id": "a"}, Redactor())
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, journal._file)
    os.close(full)

    async def play() -> None:
        journal.add(dumps({"t": "turn"}))
        await asyncio.sleep(0)
        with pytest.raises(StorageError, match=os.strerror(errno.ENOSPC)):
            journal.add(dumps({"t": "turn"}))

    asyncio.run(play())
    with pytest.raises(StorageError, match=os.strerror(errno.ENOSPC)):
        journal.end({"state": "finished"})


@pytest.mark.parametrize(
    "value",
    ["\ud800 lone", {"n": 10**30}, {1: {2: 3}}, {"f": float("nan")}, {"x": object}, {"b": b"bytes"}, {"s": {1, 2}}],
)
def test_whatever_an_engine_hands_over_becomes_json(value: Any) -> None:
    """Lone surrogates, giant integers, odd keys and objects are written, never a crash."""
    orjson.loads(dumps(value))


def test_endless_nesting_is_cut() -> None:
    """A value nested without end is cut and still written."""
    value: list[Any] = []
    value.append(value)
    orjson.loads(dumps(value))


@pytest.mark.parametrize(
    "secret",
    [
        "Bearer abcdefghijklmnop1234",
        "sk-proj-abcdefghij0123456789",
        "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
        "AKIAABCDEFGHIJKLMNOP",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl",
        "xoxb-123456789012-abcdef",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
    ],
)
def test_the_usual_shapes_of_secrets_are_redacted(secret: str) -> None:
    """A token in a reply never reaches the journal, and the line stays JSON."""
    out = Redactor()(dumps({"response": f"use {secret} now", "next": "kept"}))
    data = orjson.loads(out)
    assert secret.removeprefix("Bearer ") not in data["response"]
    assert "[redacted]" in data["response"]
    assert data["next"] == "kept"


def test_values_from_the_environment_are_redacted() -> None:
    """What a suite took from the environment is blotted out wherever it turns up, quotes and accents included."""
    value = 'pässw"ord-1'
    out = Redactor([value, "abc"])(dumps({"error": f"wrong {value} abc"}))
    assert orjson.loads(out) == {"error": "wrong [redacted] abc"}


def test_ordinary_text_is_left_alone() -> None:
    """Words that only look a little like tokens stay."""
    text = dumps({"response": "the bearer of this ghost-risk letter; eyJ; sk-8 skis, tough night"})
    assert Redactor()(text) == text
