"""Behavioural evaluations of Pipecat."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.importers.foreign_files import DATA, came, imported

WEATHER = """\
name: weather_call
judge: !include judge_text.yaml
context:
  - {role: system, content: You are a bot}
  - {role: user, content: hi}
  - {role: assistant, content: Hello!}
turns:
  - expect:
      - event: response
        eval: the bot greets
  - user: "Weather in {{ city }}?"
    send_after: {event: llm_started, delay_ms: 10}
    expect:
      - {event: user_started_speaking}
      - event: function_call
        calls:
          - {name: get_weather, args: {city: Paris}}
        within_ms: 100
      - event: function_call
        name: get_time
      - event: llm_response
        text_contains: Sunny
        text_excludes: "●"
        within_ms: 5000
      - {event: response, absent: true}
  - dtmf: "12#"
    expect: [{event: function_call, absent: true}]
  - user: bye
    expect:
      - event: function_call
        calls: [{name: a}, {name: b}]
      - event: function_call
        calls: [{name: c}]
      - event: function_call
"""


def test_calls_and_texts_are_kept_and_the_rest_is_told(tmp_path: Path) -> None:
    """Calls in order where each is expected alone, in any order where a set is; a silent bot fails where it must speak."""
    found = came("pipecat", tmp_path, {"weather.yaml": WEATHER, "judge_text.yaml": "modality: text\n"})
    script = found.only
    assert script["given"] == {"history": [{"user": "hi", "agent": "Hello!"}]}
    assert "criteria" not in script["origin"]
    greeting, asked, keys, bye = script["turns"]
    assert greeting == {"expect": {"response": {"min_chars": 1, "judge": "the bot greets"}}}
    assert asked["user"] == 'Weather in {{ "{{" }} city }}?'
    assert asked["expect"] == {
        "response": {"contains": {"text": ["Sunny"], "case": "strict"}, "excludes": {"text": ["●"], "case": "strict"}},
        "latency_ms": {"max": 5000},
        "tools": {"calls": [{"get_weather": {"city": "Paris"}}, "get_time"]},
    }
    assert keys == {"user": "DTMF: 12#", "expect": {"tools": {"none": True}}}
    assert bye["expect"] == [
        {"not": {"tools": {"none": True}}},
        {"tools": {"calls": ["a", "b", "c"], "order": "any"}},
    ]
    assert found.losses == {
        "yaml-tag": 1, "setting": 1, "system-prompt": 1, "send-after": 1, "speech-event": 1,
        "event-time": 1, "reply-time": 1, "second-reply": 1, "keys": 1, "call-order": 1, "other-file": 1,
    }  # fmt: skip


def test_a_file_of_several_scenarios_is_a_folder(tmp_path: Path) -> None:
    """What stands at the top holds for each; a scenario that a model plays is told as lost."""
    text = yaml.safe_dump(
        {
            "name": "all",
            "context": [{"role": "user", "content": "before"}],
            "scenarios": [
                {"name": "one", "turns": [{"user": "a"}]},
                {"name": "one", "turns": [{"user": "b"}]},
                {"name": "played", "persona": "an angry customer"},
                {"name": "none", "turns": []},
            ],
        }
    )
    found = came("pipecat", tmp_path, {"all.yml": text})
    assert list(found.scripts) == ["scenarios/all/one-2.yaml", "scenarios/all/one.yaml"]
    assert all(script["given"] == {"history": [{"user": "before"}]} for script in found.scripts.values())
    assert found.losses == {"persona": 1, "empty-scenario": 1}


def test_values_of_another_kind_are_told(tmp_path: Path) -> None:
    """A limit that is no number, arguments that are no mapping, empty words."""
    text = """\
turns:
  - user: hi
    expect:
      - {event: response, within_ms: soon}
      - {event: function_call, calls: [{name: x, args: [1]}]}
  - user: " "
  - user: bye
    expect: nothing
"""
    found = came("pipecat", tmp_path, {"odd.yaml": text})
    assert found.only["turns"] == [
        {"user": "hi", "expect": {"response": {"min_chars": 1}, "tools": {"calls": ["x"]}}},
        {"user": "bye"},
    ]
    assert found.losses == {"bad-value": 4}


@pytest.mark.skipif(not DATA.is_dir(), reason="no sample data beside the checkout")
def test_the_evaluations_of_pipecat_come_over(tmp_path: Path) -> None:
    """Every scenario of the folder, with every function call and every criterion of the raw files."""
    found = imported("pipecat", DATA / "pipecat-evals", tmp_path / "out")
    raw = "".join(path.read_text(encoding="utf-8") for path in (DATA / "pipecat-evals").glob("*.yaml"))
    assert found.report.kept["tool calls"] == raw.count("          - name: ")
    assert found.report.kept["judged rubrics"] == raw.count('eval: "')
    assert "judged-criterion" not in found.losses
    assert found.report.kept["user turns"] == raw.count("  - user: ")
    assert len(found.scripts) == 11
