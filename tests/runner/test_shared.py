"""What is large and repeated stands in a journal once, and every reader finds it where it belongs."""

from __future__ import annotations

import base64
import json
import re
import zlib
from pathlib import Path
from typing import Any

import orjson
import pytest

from focal_eval.cli import main
from focal_eval.report.journal import list_run, read_run
from focal_eval.report.model import ReportModel
from focal_eval.runner.shared import LARGE, put_back, set_apart

LONG = "we talked about this and that "
ENGINE = """
def answer(message, talk):
    found = {"name": "search", "result": {"found": [%r] * 60}}
    return {"response": "found " + message, "tools": [found, {"name": "small", "result": 1}]}
"""
TALKS = """
params: {n: [1, 2, 3, 4, 5]}
given:
  variables: {tier: gold}
  history:
%s
turns:
  - {user: "one {{ n }}", expect: {tools: [search]}}
  - {user: "two {{ n }}", expect: {response: {contains: nothing}}}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run of five cases whose histories and tool results are large and alike."""
    monkeypatch.chdir(tmp_path)
    Path("engine.py").write_text(ENGINE % LONG)
    said = "\n".join(f"    - {{user: hello {number}, agent: {LONG * 4}}}" for number in range(20))
    Path("talks.yaml").write_text(TALKS % said)
    Path("suite.yaml").write_text(
        "scripts: [talks.yaml]\n"
        "engine: {kind: callable, target: engine.py:answer, reports: [response, tools], seeds: [history, variables]}\n"
    )
    assert main(["run", "suite.yaml", "--out", "out", "--no-cache", "-q"]) == 1
    return tmp_path / "out"


def documents(run: ReportModel) -> list[dict[str, Any]]:
    return [run.document(place) for case in run.cases for place in case.places()]


def test_large_content_is_written_once(folder: Path) -> None:
    """Five histories and ten results of a tool are two lines; what is small stays where it is said."""
    lines = [orjson.loads(line) for line in (folder / "journal.jsonl").read_bytes().splitlines()]
    shared = [line for line in lines if line["t"] == "shared"]
    assert len(shared) == 2
    assert all(len(orjson.dumps(line["data"])) >= LARGE for line in shared)
    cases = [line for line in lines if line["t"] == "case"]
    assert {tuple(map(str, line["shared"][0])) for line in cases} == {("['given', 'history']", shared[0]["digest"])}
    assert all(line["given"] == {"variables": {"tier": "gold"}, "history": None} for line in cases)
    (turn, *_) = [line for line in lines if line["t"] == "turn"]
    assert [call["result"] for call in turn["reply"]["tools"]] == [None, 1]


@pytest.mark.parametrize("read", [read_run, list_run])
def test_readers_find_it_where_it_belongs(folder: Path, read: Any) -> None:
    """A document has the whole history and the whole result, read by the journal or by its index."""
    found = documents(read(folder))
    assert all("shared" not in line for line in found)
    cases = [line for line in found if line["t"] == "case"]
    assert all(len(line["given"]["history"]) == 20 for line in cases)
    results = [line["reply"]["tools"][0]["result"] for line in found if line["t"] == "turn"]
    assert results == [{"found": [LONG] * 60}] * 10


def test_the_index_of_a_run_that_was_killed_knows_it(folder: Path) -> None:
    """Where the journal was left in the middle, the index tells of what was shared before."""
    path = folder / "journal.jsonl"
    data = path.read_bytes()
    path.write_bytes(data[: data.rindex(b'{"t":"turn"') + 40])
    assert documents(list_run(folder)) == documents(read_run(folder))
    assert all(line["given"]["history"] for line in documents(list_run(folder)) if line["t"] == "case")


def test_the_report_shows_it(folder: Path) -> None:
    """What lies in the page's chunks is whole: its script knows nothing of sharing."""
    page = (folder / "report.html").read_text()
    chunks = [zlib.decompress(base64.b64decode(one), 31) for one in re.findall(r">(H4sI[A-Za-z0-9+/=]+)<", page)]
    lines = [json.loads(line) for chunk in chunks for line in chunk.splitlines()]
    turns = [line for line in lines if line["t"] == "turn"]
    assert len(turns) == 10
    assert all(line["reply"]["tools"][0]["result"] == {"found": [LONG] * 60} for line in turns)


def test_judging_again_writes_it_once_again(folder: Path) -> None:
    """A run judged again holds the same, shared anew."""
    main(["rejudge", "out", "--out", "again", "--no-cache", "-q"])
    again = Path("again/journal.jsonl").read_bytes()
    assert again.count(b'{"t":"shared"') == 2
    assert documents(read_run(Path("again")))[1]["reply"] == documents(read_run(folder))[1]["reply"]


def test_a_resumed_run_does_not_write_it_again(folder: Path) -> None:
    """What the first part has written serves the second."""
    path = folder / "journal.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    first = next(at for at, line in enumerate(lines) if b'"t":"attempt"' in line)
    path.write_bytes(b"".join(lines[: first + 1]))
    assert main(["run", "--resume", "out", "--no-cache", "-q"]) == 1
    assert path.read_bytes().count(b'{"t":"shared"') == 2
    assert all(line["given"]["history"] for line in documents(read_run(folder)) if line["t"] == "case")


def test_lost_content_is_null_and_counted(folder: Path) -> None:
    """Where the one line is damaged the others can still be read."""
    path = folder / "journal.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"data":{"found":["we', b'"data":{"found":["We', 1))
    run = read_run(folder)
    assert run.damaged == 1
    assert [line["reply"]["tools"][0]["result"] for line in documents(run) if line["t"] == "turn"] == [None] * 10


@pytest.mark.parametrize(
    "names",
    [
        [["reply"]],
        [[["reply", "x"], "d"]],
        [[[9], "d"]],
        [[["reply", 0], "d"]],
        [7],
        "text",
        [[["reply", "kept"], "d"]],
        [[[], "d"]],
    ],
)
def test_names_that_make_no_sense_change_nothing(names: Any) -> None:
    """A journal from elsewhere may say anything: nothing breaks, and what is there is not replaced."""
    data = {"reply": {"kept": 1}, "shared": names}
    put_back(data, lambda digest: "content")
    assert data == {"reply": {"kept": 1}}


def test_what_is_set_apart_comes_back() -> None:
    """Names and content are the inverse of each other, also for the same content twice."""
    data = {"a": {"b": ["x" * 2000, "y"]}, "c": "x" * 2000}
    names, lines = set_apart(data, [("a", "b", 0), ("a", "b", 1), ("c",)])
    assert data == {"a": {"b": [None, "y"]}, "c": None}
    content = {line["digest"]: line["data"] for line in map(orjson.loads, lines)}
    assert len(content) == 1
    found = {**data, "shared": orjson.loads(orjson.dumps(names))}
    put_back(found, content.__getitem__)
    assert found == {"a": {"b": ["x" * 2000, "y"]}, "c": "x" * 2000}
