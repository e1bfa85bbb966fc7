"""tau-bench runs become scripts, cassettes and suites."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from focal_eval.document import Reader, plain, read_text
from focal_eval.errors import Problems
from focal_eval.importers import Imported, Source, make_importer
from focal_eval.importers.tau_bench import TauBench
from tests.importers.told_runs import RUNS, agent, result, run, user


def read(runs: Any, importer: TauBench = TauBench(), name: str = "shop.json") -> Imported:  # noqa: B008  # it is frozen
    problems = Problems()
    imported = importer.read([Source(name, json.dumps(runs, indent=1).encode())], problems)
    assert [str(problem) for problem in problems] == []
    return imported


def refused(data: bytes) -> list[str]:
    problems = Problems()
    TauBench().read([Source("shop.json", data)], problems)
    return [str(problem) for problem in problems]


def lost(imported: Imported) -> dict[str, int]:
    return {loss.kind: loss.count for loss in imported.losses}


def test_a_run_becomes_a_script_a_person_can_go_on_with() -> None:
    """The whole file as it is written: what was said, which calls were made, where it came from."""
    assert read(RUNS).scripts["scenarios/task-00-trial-0.yaml"] == (
        "title: 'Task 0: Your bell was stolen. You want a red one.'\n"
        "tags: [tau-bench, task-00, trial-0, solved]\n"
        "metadata: {cassette: task-00}\n"
        "origin: {format: tau-bench, file: shop.json, task: 0, trial: 0, reward: 1.0}\n"
        "\n"
        "turns:\n"
        "  - user: My bell is gone, bicycle B-7\n"
        "    agent: Shall I order a red bell?\n"
        "    expect:\n"
        "      tools:\n"
        "        exactly:\n"
        "          - find_bicycle: {id: B-7}\n"
        "\n"
        "  - user: 'yes'\n"
        "    agent: |-\n"
        "      It is out of stock:\n"
        "\n"
        "      - red\n"
        "      - blue\n"
        "    expect:\n"
        "      tools:\n"
        "        exactly:\n"
        "          - order_part:\n"
        "              bicycle: B-7\n"
        "              part: bell\n"
        "              options: {colour: red}\n"
        "\n"
        "conversation:\n"
        "  - count:\n"
        "      tool:\n"
        "        order_part:\n"
        "          bicycle: B-7\n"
        "          part: bell\n"
        "          options: {colour: red}\n"
        "      times: {min: 1}\n"
        "    soft: true\n"
        "    because: the answer key has this call\n"
    )


def test_what_a_script_cannot_hold_is_counted_with_its_first_place() -> None:
    """The losses name kind, number and the line of the first one."""
    imported = read(RUNS)
    assert lost(imported) == {
        "system-prompt": 4,
        "stop-marker": 2,
        "unanswered-message": 2,
        "aside": 1,
    }
    lines = json.dumps(RUNS, indent=1).split("\n")
    stop = next(loss for loss in imported.losses if loss.kind == "stop-marker")
    first = next(number for number, line in enumerate(lines, 1) if "###STOP###" in line)
    assert stop.example.file == "shop.json"
    assert stop.example.line == first - 2  # the message's brace stands above its role and its content


def test_the_answer_key_is_what_solves_the_task() -> None:
    """A call that is needed twice counts twice; a number may be told with separators; nothing of it fails a case."""
    actions = [
        {"name": "pay", "kwargs": {"amount": 5}},
        {"name": "look", "kwargs": {}},
        {"name": "pay", "kwargs": {"amount": 5}},
    ]
    told = run(0, 0, user("hi"), agent("1,786"), actions=actions, outputs=["1786", "{{ red }}", 12])
    conversation = data_of(read([told]).scripts["scenarios/task-00-trial-0.yaml"])["conversation"]
    assert [entry.pop("soft") for entry in conversation] == [True] * 5
    assert [entry.pop("because")[-4:] for entry in conversation] == ["call", "call", "fact", "fact", "fact"]
    assert conversation == [
        {"count": {"tool": {"pay": {"amount": 5}}, "times": {"min": 2}}},
        {"count": {"tool": "look", "times": {"min": 1}}},
        {"any_of": [{"count": {"text": "1786", "times": {"min": 1}}}, {"count": {"text": "1,786", "times": {"min": 1}}}]},
        {"count": {"text": '{{ "{{" }} red }}', "times": {"min": 1}}},
        {"count": {"text": "12", "times": {"min": 1}}},
    ]


def test_each_trial_has_a_cassette_and_a_suite() -> None:
    """A trial replays on its own recording by its words, on another's by position."""
    imported = read(RUNS)
    assert list(imported.cassettes) == ["cassettes/trial-0.jsonl", "cassettes/trial-1.jsonl"]
    assert list(imported.suites) == ["suite.yaml", "suite-trial-1.yaml"]
    suite = data_of(imported.suites["suite.yaml"])
    assert suite["scripts"] == ["scenarios/*-trial-0.yaml"]
    assert suite["engine"] == {"kind": "cassette", "file": "cassettes/trial-0.jsonl"}
    assert suite["engines"] == {"trial-1": {"kind": "cassette", "file": "cassettes/trial-1.jsonl", "match": "position"}}
    assert suite["golden"] == {"similar": 0.6}
    assert (imported.conversations, imported.turns) == (4, 7)


@pytest.mark.parametrize(
    ("text", "written"), [("off", "off"), ("equal", "equal"), ("0.8", {"similar": 0.8}), ("1", {"similar": 1.0})]
)
def test_how_replies_are_compared_is_written_into_the_suite(text: str, written: Any) -> None:
    """The policy is the suite's, so it can be changed there afterwards."""
    importer = make_importer("tau-bench", {"golden": text})
    assert (
        data_of(importer.read([Source("a.json", json.dumps(RUNS).encode())], Problems()).suites["suite.yaml"])["golden"]
        == written
    )


def data_of(text: str) -> Any:
    document = read_text(text, "a.yaml")
    assert document.root is not None
    return plain(document.root, Reader(document))


def test_the_cassette_holds_calls_results_and_reasoning() -> None:
    """What was recorded and no script needs is still there when the recording is replayed."""
    lines = [json.loads(line) for line in read(RUNS).cassettes["cassettes/trial-0.jsonl"].splitlines()]
    assert lines[0] == {"t": "cassette", "format": 1, "origin": {"format": "tau-bench"}}
    assert [line["key"] for line in lines[1:]] == ["task-00", "task-01"]
    first, second = lines[1]["turns"]
    assert first["reply"]["tools"][0]["result"] == {"id": "B-7", "model": "Roadster"}
    assert second["reply"]["tools"][0]["error"] == "out of stock"
    assert second["reply"]["reasoning"] == "One moment."
    assert "rules" not in first["reply"]


def test_trials_and_tasks_can_be_chosen() -> None:
    """What is left out by choice is told too."""
    imported = read(RUNS, TauBench(trials=frozenset({1}), tasks=frozenset({0, 5})))
    assert list(imported.scripts) == ["scenarios/task-00-trial-1.yaml"]
    assert lost(imported)["not-chosen"] == 3
    assert list(imported.suites) == ["suite.yaml"]
    assert "engines" not in data_of(imported.suites["suite.yaml"])


def test_files_side_by_side_do_not_mix() -> None:
    """Two files may hold the same tasks: each gets its own folder, also where their names are alike."""
    data = json.dumps(RUNS[:1]).encode()
    sources = [Source("a/airline v1.json", data), Source("b/airline v1.json", data), Source("b/....json", data)]
    imported = TauBench().read(sources, Problems())
    assert list(imported.suites) == ["airline-v1/suite.yaml", "airline-v1-2/suite.yaml", "runs/suite.yaml"]
    assert "airline-v1-2/scenarios/task-00-trial-0.yaml" in imported.scripts
    assert data_of(imported.suites["airline-v1/suite.yaml"])["engine"]["file"] == "cassettes/trial-0.jsonl"


def test_a_repeated_run_and_an_empty_one_are_losses() -> None:
    """The first of two equal runs is kept; a run in which the agent did nothing gives no script."""
    imported = read([RUNS[0], RUNS[0], run(7, 0, user("hi")), run(8, 0)])
    assert list(imported.scripts) == ["scenarios/task-00-trial-0.yaml"]
    assert lost(imported)["duplicate-run"] == 1
    assert lost(imported)["empty-run"] == 2


def test_a_run_needs_no_info_and_no_reward() -> None:
    """A trajectory alone is enough; what is not known is not written."""
    bare = {"task_id": 3, "traj": [user("hi"), agent(None, ("1", "wave", {})), result("1", "")], "reward": None}
    text = read([bare]).scripts["scenarios/task-03-trial-0.yaml"]
    assert text == (
        "title: Task 3\n"
        "tags: [tau-bench, task-03, trial-0]\n"
        "metadata: {cassette: task-03}\n"
        "origin: {format: tau-bench, file: shop.json, task: 3, trial: 0}\n"
        "\n"
        "turns:\n"
        "  - user: hi\n"
        "    expect:\n"
        "      tools:\n"
        "        exactly: [wave]\n"
    )


def test_the_same_file_gives_the_same_bytes() -> None:
    """Importing is pure: two readings are equal, whatever the order of runs in the file."""
    assert read(RUNS) == read(RUNS)
    assert read(RUNS).scripts == read(RUNS[::-1]).scripts
    assert read(RUNS).cassettes == read(RUNS[::-1]).cassettes


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "shop.json:1:1: error[import-json]: the file is empty"),
        (b"\xef\xbb\xbf ", "shop.json:1:1: error[import-json]: the file is empty"),
        (b'[\n {"task_id": 0,', "shop.json:2:16: error[import-json]: not JSON: unexpected end of data"),
        (b"[\xff]", "shop.json:1:2: error[import-encoding]: byte 0xff is not UTF-8; save the file as UTF-8"),
        (b"{}", "shop.json:1:1: error[import-shape]: the file: expected a valid list"),
        (b'[{"task_id": 0}]', "shop.json:1:2: error[import-shape]: [0].traj: the key is missing"),
        (
            b'[{"task_id": "x", "traj": []}]',
            "shop.json:1:14: error[import-shape]: [0].task_id: expected a valid integer, unable to",
        ),
        (b'[{"task_id": -1, "traj": []}]', "shop.json:1:2: error[import-shape]: [0]: task_id and trial count from 0"),
        (b"[" * 5000, "shop.json:1:1026: error[import-json]: not JSON: depth limit exceeded"),
    ],
)
def test_a_damaged_file_is_a_diagnostic_at_its_place(data: bytes, said: str) -> None:
    """Whatever the bytes are, the reader names file, line and column."""
    (found,) = refused(data)
    assert found.startswith(said)


def test_a_file_of_another_format_does_not_flood() -> None:
    """After twenty problems the rest is counted, with the question one would ask."""
    found = refused(json.dumps([{"question": "q"}] * 500).encode())
    assert len(found) == 21
    assert found[-1].endswith("980 more values have another shape; is this a file of that format?")


def test_a_flood_of_wrong_values_is_counted_and_no_more() -> None:
    """A hostile file with a problem at every value is answered at once."""
    (found,) = refused(b'[{"task_id": 0, "traj": [' + b", ".join([b"{}"] * 20_000) + b"]}]")
    assert found == "shop.json:1:1: error[import-shape]: 20,000 values have another shape; is this a file of that format?"


def test_a_conversation_without_end_is_refused() -> None:
    """A script holds so many turns; a longer conversation is told at its place, before any YAML is made."""
    endless = run(4, 0, *[user("and?"), agent("and.")] * 5_001)
    found = refused(json.dumps([RUNS[0], endless], indent=1).encode())
    assert len(found) == 1
    assert found[0].endswith("error[import-too-large]: task-04-trial-0 has 5,001 turns; a script holds up to 5,000")


def test_the_suites_file_names_survive_hostile_names() -> None:
    """Braces in a file's name stay plain text in what is written."""
    text = read(RUNS[:1], name="{{ x }}.json").scripts["scenarios/task-00-trial-0.yaml"]
    assert data_of(text)["origin"]["file"] == '{{ "{{" }} x }}.json'
    assert Path(next(iter(read(RUNS[:1], name="../../etc.json").scripts))).parts[0] == "scenarios"
