"""Configurations of promptfoo: conversations of several tests, their prompts, variables and assertions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from focal_eval.cli import main
from focal_eval.errors import Refused
from focal_eval.importers import import_files
from focal_eval.importers.promptfoo_files import compact
from tests.importers.foreign_files import Came, came

STRICT = {"case": "strict", "space": "strict"}


def config(
    tmp_path: Path, *tests: Any, files: dict[str, str] | None = None, options: dict[str, str] | None = None, **more: Any
) -> Came:
    """Imports a configuration with these tests; the prompt is the message itself."""
    data = {"prompts": ["{{message}}"], **more, **({"tests": list(tests)} if tests else {})}
    given = {"promptfooconfig.yaml": yaml.safe_dump(data, sort_keys=False), **(files or {})}
    return came("promptfoo", tmp_path, given, **(options or {}))


def asserted(tmp_path: Path, *assertions: Any, **test: Any) -> Came:
    return config(tmp_path, {"vars": {"message": "hi"}, "assert": list(assertions), **test})


def users(found: Came) -> list[list[str]]:
    """What is said in each conversation."""
    return sorted([turn["user"] for turn in script["turns"]] for script in found.scripts.values())


CHAT = """\
[
  {"role": "system", "content": "{{ system }}"},
  {% for completion in _conversation %}
    {"role": "user", "content": "{{ completion.input }}"},
    {"role": "assistant", "content": "{{ completion.output }}"},
  {% endfor %}
  {"role": "user", "content": {{ message | dump }}}
]
"""


def test_tests_of_a_conversation_become_turns(tmp_path: Path) -> None:
    """By their id where they have one; a prompt with the history makes one conversation of the others."""
    found = config(
        tmp_path,
        {"vars": {"message": "Who founded it?"}, "metadata": {"conversationId": "one"}},
        {"vars": {"message": 'He said "yes"'}},
        {"vars": {"message": "Where does he live?"}, "metadata": {"conversationId": "one"}, "description": "second"},
        {"vars": {"message": "And then?"}},
        files={"prompt.json": CHAT},
        prompts=["file://prompt.json"],
    )
    assert users(found) == [['He said "yes"', "And then?"], ["Who founded it?", "Where does he live?"]]
    one = next(script for script in found.scripts.values() if script["title"] == "one")
    assert one["origin"] == {"format": "promptfoo", "file": "promptfooconfig.yaml", "line": 4, "conversation": "one"}
    assert one["turns"][1]["name"] == "second"
    assert found.losses == {"system-prompt": 4}


def test_tests_without_a_conversation_are_scripts_of_their_own(tmp_path: Path) -> None:
    """Unless a provider holds one session, or the user says so."""
    tests = [{"vars": {"message": "a"}}, {"vars": {"message": "b"}}]
    assert users(config(tmp_path / "1", *tests)) == [["a"], ["b"]]
    assert users(config(tmp_path / "2", *tests, options={"together": "yes"})) == [["a", "b"]]
    session = {"id": "bedrock-agent:x", "config": {"sessionId": "fixed"}}
    assert users(config(tmp_path / "3", *tests, providers=[session])) == [["a", "b"]]


def test_messages_before_the_last_are_the_history(tmp_path: Path) -> None:
    """Written in a loop, in both spellings, or dumped as they are."""
    said = [{"user": "Who?"}, {"assistant": "Mark"}, {"user": "Food?"}, {"assistant": "Pizza"}]
    loop = (
        '[{% for m in before %}{% for role, content in m %}{"role": "{{ role }}", "content": {{ content | dump }} },'
        '{% endfor %}{% endfor %} {"role": "user", "content": {{ message | dump }} }]'
    )
    found = config(tmp_path / "1", {"vars": {"message": "now", "before": said}}, prompts=[loop])
    history = [{"user": "Who?", "agent": "Mark"}, {"user": "Food?", "agent": "Pizza"}]
    assert found.only["given"] == {"history": history}
    assert users(found) == [["now"]]
    messages = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]
    dumped = config(tmp_path / "2", {"vars": {"messages": messages}}, prompts=["{{ messages | dump }}"])
    assert dumped.only["given"] == {"history": [{"user": "a", "agent": "b"}]}
    assert users(dumped) == [["c"]]


def test_variables_are_filled_in_and_lists_are_multiplied(tmp_path: Path) -> None:
    """Defaults below the test's own; what has no value is left and told, and is no template of ours."""
    found = config(
        tmp_path,
        {"vars": {"what": ["mug", "vase"], "who": {"name": "Mia"}}, "assert": [{"type": "icontains", "value": "{{what}}"}]},
        prompts=["{{greeting | upper}}, {{who.name}} broke a {{ what }} {{ nobody }}"],
        defaultTest={"vars": {"greeting": "hi"}},
    )
    assert users(found) == [
        ['HI, Mia broke a mug {{ "{{" }} nobody }}'], ['HI, Mia broke a vase {{ "{{" }} nobody }}'],
    ]  # fmt: skip
    assert {script["turns"][0]["expect"]["response"]["contains"] for script in found.scripts.values()} == {"mug", "vase"}
    assert found.losses == {"template-left": 2}


def test_stored_outputs_are_saved(tmp_path: Path) -> None:
    """The tests become one conversation, as the later one says what the earlier one answered."""
    found = config(
        tmp_path,
        {"vars": {"message": "a fruit?"}, "options": {"storeOutputAs": "fruit"}},
        {"vars": {"message": "why {{fruit}}?"}, "assert": [{"type": "icontains", "value": "{{fruit}}"}]},
    )
    assert found.only["turns"] == [
        {"user": "a fruit?", "save": {"fruit": "response.text"}},
        {"user": "why {{ fruit }}?", "expect": {"response": {"contains": "{{ fruit }}"}}},
    ]


def test_scenarios_are_data_times_tests(tmp_path: Path) -> None:
    """Each row with each test, with the assertions of both."""
    scenario = {
        "config": [{"vars": {"language": "Spanish", "hello": "Hola"}}, {"$values": "file://more.yaml"}],
        "tests": [{"description": "hello", "vars": {"message": "Hello in {{language}}"}, "assert": [_icontains("{{hello}}")]}],
    }
    more = "- vars: {language: French, hello: Bonjour}\n- vars: {language: German, hello: Hallo}\n"
    found = config(tmp_path, scenarios=[scenario], files={"more.yaml": more})
    assert users(found) == [["Hello in French"], ["Hello in German"], ["Hello in Spanish"]]
    assert {script["turns"][0]["expect"]["response"]["contains"] for script in found.scripts.values()} == {
        "Hola", "Bonjour", "Hallo",
    }  # fmt: skip


def _icontains(text: str) -> dict[str, Any]:
    return {"type": "icontains", "value": text}


def test_tests_stand_in_files(tmp_path: Path) -> None:
    """YAML, JSON, JSON lines and tables, below the folder; globs too."""
    files = {
        "t/a.yaml": "- vars: {message: file://text.txt}\n",
        "t/b.json": json.dumps([{"vars": {"message": "from json"}}]),
        "lines.jsonl": json.dumps({"vars": {"message": "a line"}}) + "\n[]\n",
        "rows.csv": 'message,__expected,__description\n"a, b","contains-any: x, y",first\nrow,exact,\n',
        "text.txt": "from a text\n",
    }
    found = config(tmp_path, "file://t/*.yaml", "file://t/b.json", "lines.jsonl", "file://rows.csv", files=files)
    assert users(found) == [["a line"], ["a, b"], ["from a text"], ["from json"], ["row"]]
    row = next(script for script in found.scripts.values() if script["title"] == "first")
    each = [{"contains": {"text": text, **STRICT}} for text in ("x", "y")]
    assert row["turns"][0]["expect"] == {"response": {"any_of": each}}
    assert row["origin"]["file"] == "rows.csv"
    assert found.losses["bad-value"] == 1


def test_no_file_outside_is_read(tmp_path: Path) -> None:
    """Neither by an absolute path, nor upwards, nor from the network, nor by code."""
    (tmp_path / "secret.txt").write_text("secret", encoding="utf-8")
    names = [
        "file:///etc/passwd",
        "file://../secret.txt",
        "file://gone.yaml",
        "https://example.com/x.csv",
        "file://make.py:tests",
    ]
    given = [{"vars": {"message": "hi", "other": name}} for name in names[:2]]
    found = config(tmp_path, *given, *names[2:])
    assert found.losses == {"outside-file": 2, "missing-file": 2, "code-file": 1}
    assert "secret" not in "".join(path.read_text(encoding="utf-8") for path in (tmp_path / "out").rglob("*.yaml"))


@pytest.mark.parametrize(
    ("assertion", "expected"),
    [
        ({"type": "equals", "value": "x"}, {"response": {"equals": {"text": "x", **STRICT}}}),
        ({"type": "equals", "value": {"a": 1}}, {"response": {"json": {"equals": {"equals": {"a": 1}}}}}),
        ({"type": "not-contains", "value": "x"}, {"response": {"excludes": {"text": "x", **STRICT}}}),
        ({"type": "contains-all", "value": ["a", "b"]}, {"response": {"contains": {"text": ["a", "b"], **STRICT}}}),
        (
            {"type": "not-icontains-all", "value": ["a", "b"]},
            {"response": {"not": {"contains": ["a", "b"]}}},
        ),
        ({"type": "icontains-any", "value": "a,b"}, {"response": {"any_of": [{"contains": "a"}, {"contains": "b"}]}}),
        ({"type": "starts-with", "value": "A"}, {"response": {"starts_with": {"text": "A", **STRICT}}}),
        ({"type": "not-regex", "value": r"\d"}, {"response": {"not": {"matches": r"\d"}}}),
        ({"type": "latency", "threshold": 500}, {"latency_ms": {"max": 500}}),
        ({"type": "cost", "threshold": 0.01, "metric": "price"}, {"cost": {"max": 0.01}, "because": "price"}),
        ({"type": "word-count", "value": {"max": 9}}, {"response": {"max_words": 9}}),
        ({"type": "finish-reason", "value": "stop"}, {"finish_reason": "stop"}),
        ({"type": "not-is-refusal"}, {"response": {"not": {"refusal": True}}}),
        ({"type": "contains", "value": "x", "weight": 0}, {"response": {"contains": {"text": "x", **STRICT}}, "soft": True}),
        ({"type": "trajectory:tool-used", "value": "a"}, {"tools": {"calls": ["a"]}}),
        ({"type": "not-trajectory:tool-used", "value": ["a", "b"]}, {"tools": {"excludes": ["a", "b"]}}),
        ({"type": "not-trajectory:tool-used", "value": {"name": "a", "max": 0}}, {"tools": {"excludes": ["a"]}}),
        ({"type": "trajectory:tool-used", "value": {"pattern": "*", "max": 0}}, {"tools": {"none": True}}),
        ({"type": "not-trajectory:tool-sequence", "value": ["a", "b"]}, {"not": {"tools": {"calls": ["a", "b"]}}}),
        (
            {"type": "trajectory:tool-used", "value": {"name": "a", "min": 2, "max": 3}},
            {"tools": {"count": {"a": {"min": 2, "max": 3}}}},
        ),
        ({"type": "trajectory:tool-sequence", "value": ["a", "b"]}, {"tools": {"calls": ["a", "b"]}}),
        ({"type": "trajectory:tool-sequence", "value": {"mode": "exact", "steps": ["a"]}}, {"tools": {"exactly": ["a"]}}),
        (
            {"type": "trajectory:tool-args-match", "value": {"name": "a", "args": {"x": {"not": 1}}}},
            {"tools": {"calls": [{"a": {"x": {"equals": {"not": 1}}}}]}},
        ),
        (
            {"type": "trajectory:tool-args-match", "value": {"name": "a", "args": {"x": 1}, "mode": "exact"}},
            {"tools": {"calls": [{"a": {"args": {"x": 1}, "only": True}}]}},
        ),
        (
            {"type": "assert-set", "assert": [_icontains("a"), _icontains("b")]},
            {"all_of": [{"response": {"contains": "a"}}, {"response": {"contains": "b"}}]},
        ),
        (
            {"type": "assert-set", "threshold": 0.5, "assert": [_icontains("a"), _icontains("b")]},
            {"any_of": [{"response": {"contains": "a"}}, {"response": {"contains": "b"}}]},
        ),
    ],
)
def test_assertions_become_checks(tmp_path: Path, assertion: Any, expected: Any) -> None:
    """Those that compare just the same."""
    found = asserted(tmp_path, assertion)
    assert found.only["turns"][0]["expect"] == expected
    assert found.losses == {}


@pytest.mark.parametrize(
    ("assertion", "kind", "expected"),
    [
        ({"type": "similar", "value": "x y", "threshold": 0.8}, "similar",
         {"response": {"means": "x y"}}),
        ({"type": "not-similar", "value": ["x", "y"]}, "similar-not",
         {"response": {"not": {"means": {"text": ["x", "y"], "numbers": "any", "denial": "any"}}}}),
        ({"type": "levenshtein", "value": "apple", "threshold": 2}, "levenshtein",
         {"response": {"similar": {"to": "apple", "at_least": 0.6}}}),
        ({"type": "is-json", "value": {"type": "object"}}, "embedded-json",
         {"response": {"json": {"schema": {"type": "object"}}}}),
        ({"type": "is-valid-openai-tools-call"}, "tool-schema", {"not": {"tools": {"none": True}}}),
        ({"type": "tool-call-f1", "value": "b, a"}, "tool-set", {"tools": {"exactly": ["b", "a"], "order": "any"}}),
        ({"type": "contains", "value": "x", "weight": 2}, "weight", {"response": {"contains": {"text": "x", **STRICT}}}),
    ],
)  # fmt: skip
def test_assertions_of_nearly_the_same_meaning_are_told(tmp_path: Path, assertion: Any, kind: str, expected: Any) -> None:
    """They are in the script, and the report says how they differ."""
    found = asserted(tmp_path, assertion)
    assert found.only["turns"][0]["expect"] == expected
    assert found.losses == {kind: 1}
    assert found.fate(kind) == "approximated"


@pytest.mark.parametrize(
    ("assertion", "kind"),
    [
        ({"type": "javascript", "value": "output.length < {{ x }}"}, "assertion-code"),
        ({"type": "python", "value": "file://check.py"}, "assertion-code"),
        ({"type": "search-rubric", "value": "is true"}, "judged-criterion"),
        ({"type": "rouge-n", "value": "x"}, "other-assertion"),
        ({"type": "regex", "value": "("}, "bad-pattern"),
        ({"type": "contains"}, "bad-assertion"),
        ({"type": "cost"}, "measured-only"),
        ({"type": "contains", "value": "x", "transform": "output.trim()"}, "transform"),
        ({"type": "trajectory:tool-used", "value": {"pattern": "search*"}}, "tool-pattern"),
        ({"type": "assert-set", "threshold": 0.6, "assert": [_icontains("a"), _icontains("b"), _icontains("c")]}, "assert-set"),
    ],
)
def test_other_assertions_are_told(tmp_path: Path, assertion: Any, kind: str) -> None:
    """Nothing is expected in their place; what a model judges is kept for a reader."""
    found = asserted(tmp_path, assertion)
    assert "expect" not in found.only["turns"][0]
    assert found.losses == {kind: 1}
    if kind == "judged-criterion":
        assert found.only["origin"]["criteria"] == [{"turn": 1, "says": "search-rubric: is true"}]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("just this", {"type": "equals", "value": "just this"}),
        ("not-contains: a", {"type": "not-contains", "value": "a"}),
        ("similar(0.8): a b", {"type": "similar", "value": "a b", "threshold": 0.8}),
        ("is-json", {"type": "is-json"}),
        ("fn: output.x", {"type": "javascript", "value": "output.x"}),
        ("grade: polite", {"type": "llm-rubric", "value": "polite"}),
        ("Note: this is text", {"type": "equals", "value": "Note: this is text"}),
        ("similar(1.2.3): a", {"type": "similar", "value": "a", "threshold": None}),
    ],
)
def test_assertions_in_one_text(text: str, expected: Any) -> None:
    """As they stand in tables."""
    assert compact(text) == expected


def test_the_first_prompt_is_taken_or_another(tmp_path: Path) -> None:
    """What is left out is counted."""
    prompts = ["Say {{message}}", "file://more.txt"]
    files = {"more.txt": "Tell {{message}}\n---\nShout {{message}}\n"}
    first = config(tmp_path / "1", {"vars": {"message": "hi"}}, prompts=prompts, files=files)
    assert users(first) == [["Say hi"]]
    assert first.losses == {"other-prompts": 2}
    third = config(tmp_path / "2", {"vars": {"message": "hi"}}, prompts=prompts, files=files, options={"prompt": "3"})
    assert users(third) == [["Shout hi"]]


def test_prompts_of_code_leave_the_variable(tmp_path: Path) -> None:
    """And so do prompts with conditions; which variable is meant is a guess that is told."""
    found = config(tmp_path / "1", {"vars": {"question": "hi", "mood": "bad"}}, prompts=["file://make.py"])
    assert users(found) == [["hi"]]
    assert found.losses == {"code-file": 1, "prompt-code": 1}
    logic = "{% if mood %}Be {{ mood }}.{% endif %} {{ text }}"
    found = config(tmp_path / "2", {"vars": {"text": "hi", "mood": "bad"}}, prompts=[logic])
    assert users(found) == [["hi"]]
    assert found.fate("prompt-logic") == "approximated"


def test_other_files_of_a_folder_are_passed_over(tmp_path: Path) -> None:
    """A package file, a broken one; without any configuration there is nothing to import."""
    files = {"package.json": '{"name": "x"}', "broken.yaml": "a: [", "notes.md": "# notes"}
    found = config(tmp_path, {"vars": {"message": "hi"}}, files=files)
    assert found.losses == {"other-file": 1, "unreadable-file": 1}
    with pytest.raises(Refused, match="nothing was imported") as caught:
        import_files("promptfoo", [tmp_path / "given" / "package.json"], tmp_path / "other")
    assert [item.code for item in caught.value.diagnostics] == ["import-shape"]


def test_too_many_combinations_are_cut_off(tmp_path: Path) -> None:
    """Three lists of twenty texts are eight thousand tests."""
    many = [str(number) for number in range(20)]
    found = config(tmp_path, {"vars": {"message": many, "b": many, "c": many}})
    assert len(found.scripts) == 1_000
    assert found.losses["too-many"] == 1


ANSWERS = """\
def answer(message, session):
    return "Paris is sunny" if "weather" in message else "I do not know"
"""


def test_an_imported_configuration_is_run(tmp_path: Path) -> None:
    """The assertions hold and fail as they would there."""
    tests = [
        {"vars": {"message": "weather?"},
         "assert": [{"type": "contains", "value": "sunny"}, {"type": "not-icontains", "value": "rain"}]},
        {"vars": {"message": "who?"}, "assert": [{"type": "contains", "value": "sunny"}]},
    ]  # fmt: skip
    config(tmp_path, *tests)
    (tmp_path / "out" / "bot.py").write_text(ANSWERS, encoding="utf-8")
    suite = tmp_path / "out" / "suite.yaml"
    suite.write_text("scripts: [scenarios]\nengine: {kind: callable, target: bot.py:answer}\n", encoding="utf-8")
    assert main(["run", str(suite), "--out", str(tmp_path / "run")]) == 1
    assert json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))["counts"]["passed"] == 1
