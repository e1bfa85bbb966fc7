"""Scripts exported to promptfoo and to Rasa's end-to-end tests, and what comes back when these are imported."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from focal_eval.cli import main
from focal_eval.errors import Refused, UsageError
from focal_eval.importers import import_files
from focal_eval.importers.export_run import ExportReport, export_files
from focal_eval.importers.exporting import load_scripts
from focal_eval.importers.write import literal, said, yaml_text
from focal_eval.script.model import Script
from tests.thorough import examples

STRICT = {"case": "strict", "space": "strict"}


def exported(folder: Path, format: str, script: Mapping[str, Any] | str, *, lossy: bool = False) -> tuple[ExportReport, Any]:
    """The report of an export of one script, and the YAML that was written."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "one.yaml"
    path.write_text(script if isinstance(script, str) else yaml_text(script), encoding="utf-8")
    report = export_files(format, [path], folder / "out", lossy=lossy)
    (file,) = (name for name in report.files if name.endswith((".yaml", ".yml")))
    return report, yaml.safe_load((folder / "out" / file).read_text(encoding="utf-8"))


def assertions(folder: Path, format: str, expect: Any, *, lossy: bool = False) -> tuple[Any, dict[str, int]]:
    """What becomes of the expectations of one turn, and the losses."""
    report, data = exported(folder, format, {"turns": [{"user": "hi", "expect": expect}]}, lossy=lossy)
    losses = {loss.kind: loss.count for loss in report.losses if loss.kind != "engine"}
    if format == "promptfoo":
        return data["tests"][0].get("assert"), losses
    return data["test_cases"][0]["steps"][0].get("assertions"), losses


@pytest.mark.parametrize(
    ("expect", "wanted", "losses"),
    [
        ({"response": {"contains": {"text": ["a", "b"], **STRICT}}}, [{"type": "contains-all", "value": ["a", "b"]}], {}),
        ({"response": "a"}, [{"type": "icontains", "value": "a"}], {"folded-text": 1}),
        ({"response": {"not": {"equals": {"text": "a", **STRICT}}}}, [{"type": "not-equals", "value": "a"}], {}),
        ({"response": {"matches": r"(?P<n>\d+)"}}, [{"type": "regex", "value": r"(?<n>\d+)"}], {}),
        ({"tools": ["a", "b"]}, [{"type": "trajectory:tool-sequence", "value": {"steps": ["a", "b"]}}], {}),
        (
            {"tools": {"exactly": [{"a": {"args": {"x": {"y": 1}}, "only": True}}]}},
            [
                {"type": "trajectory:tool-sequence", "value": {"mode": "exact", "steps": ["a"]}},
                {"type": "trajectory:tool-args-match", "value": {"name": "a", "args": {"x": {"y": 1}}, "mode": "exact"}},
            ],
            {},
        ),
        ({"tools": {"none": True}}, [{"type": "trajectory:tool-used", "value": {"pattern": "*", "min": 0, "max": 0}}], {}),
        ({"tools": {"excludes": ["a"]}}, [{"type": "not-trajectory:tool-used", "value": "a"}], {}),
        (
            {"any_of": [{"response": {"contains": {"text": "a", **STRICT}}}, {"latency_ms": 5}]},
            [
                {
                    "type": "assert-set",
                    "threshold": 0.5,
                    "assert": [{"type": "contains", "value": "a"}, {"type": "latency", "threshold": 5.0}],
                }
            ],
            {},
        ),
        (
            {"cost": 0.1, "soft": True, "because": "price"},
            [{"type": "cost", "threshold": 0.1, "weight": 0, "metric": "price"}],
            {},
        ),
        ({"response": {"judge": "is polite"}}, [{"type": "llm-rubric", "value": "is polite"}], {}),
        ({"not": {"response": {"judge": "is rude"}}}, [{"type": "not-llm-rubric", "value": "is rude"}], {}),
        (
            {"response": {"judge": {"rubric": "is polite", "scale": 5, "at_least": 4, "plant": ["empty"]}}},
            [{"type": "llm-rubric", "value": "is polite", "threshold": 0.8}],
            {"judge-audit": 1, "judge-scale": 1},
        ),
        (
            {"response": {"judge": {"rubric": "is polite", "examples": {"good": ["Please."]}}}},
            [{"type": "llm-rubric", "value": "is polite"}],
            {"judge-audit": 1},
        ),
        ({"response": {"means": "a b"}}, [{"type": "similar", "value": "a b"}], {"meaning": 1}),
        (
            {"response": {"means": {"text": ["a", "b"], "at_least": 0.5}}},
            [{"type": "similar", "value": ["a", "b"], "threshold": 0.5}],
            {"meaning": 1},
        ),
    ],
)
def test_expectations_become_assertions_of_promptfoo(tmp_path: Path, expect: Any, wanted: Any, losses: Any) -> None:
    """What says the same is written without a word, what says nearly the same is told."""
    assert assertions(tmp_path, "promptfoo", expect) == (wanted, losses)


@pytest.mark.parametrize(
    ("expect", "kind"),
    [
        ({"rules": ["a"]}, "other-check"),
        ({"response": {"judge": {"rubric": "is polite", "of": "conversation"}}}, "other-check"),
        ({"response": {"matches": "(?i)a"}}, "pattern"),
        ({"tools": [{"a": {"x": {"at_least": 1}}}]}, "matcher"),
        ({"tools": [{"a": {"args": {}, "result": 1}}]}, "result"),
        ({"not": {"response": "a", "rules": ["b"]}}, "other-check"),
        ({"not": {"cost": 1, "latency_ms": 2}}, "group"),
        ({"not": {"tools": {"calls": ["a", "b"], "order": "any"}}}, "group"),
        ({"response": {"contains": {"text": '{{ "{{" }} x', **STRICT}}}, "template-text"),
    ],
)
def test_what_promptfoo_cannot_express_refuses_or_is_told(tmp_path: Path, expect: Any, kind: str) -> None:
    """Refused at its place, unless it may be left behind."""
    with pytest.raises(Refused, match="promptfoo cannot express 1 kind of things") as caught:
        exported(tmp_path / "strict", "promptfoo", {"turns": [{"user": "hi", "expect": expect}]})
    (found,) = caught.value.diagnostics
    assert (found.code, found.help) == ("export-lossy", "--lossy leaves them behind")
    assert found.span.file.endswith("one.yaml")
    assert not (tmp_path / "strict" / "out").exists()
    assert kind in assertions(tmp_path / "lossy", "promptfoo", expect, lossy=True)[1]


@pytest.mark.parametrize(
    ("expect", "wanted", "losses"),
    [
        ({"variables": {"a": 1, "b": {"not": None}}}, [{"slot_was_set": [{"name": "a", "value": 1}, {"name": "b"}]}], {}),
        ({"template": "utter_x"}, [{"bot_uttered": {"utter_name": "utter_x"}}], {}),
        ({"not": {"response": {"matches": "a"}}}, [{"bot_did_not_utter": {"text_matches": "a"}}], {}),
        (
            {"response": {"contains": {"text": "a b.", "case": "strict"}}},
            [{"bot_uttered": {"text_matches": "a b\\."}}],
            {"contained-text": 1},
        ),
        ({"scenario": {"id": "pay", "kind": "start"}}, [{"flow_started": {"operator": "all", "flow_ids": ["pay"]}}], {}),
        ({"tools": ["a", "b"]}, [{"action_executed": "a"}, {"action_executed": "b"}], {"call-order": 1}),
    ],
)
def test_expectations_become_assertions_of_rasa(tmp_path: Path, expect: Any, wanted: Any, losses: Any) -> None:
    """Slots, responses by name, patterns, flows and actions."""
    assert assertions(tmp_path, "rasa", expect) == (wanted, losses)


@pytest.mark.parametrize(
    ("expect", "kind"),
    [
        ({"scenario": "pay/confirm"}, "scenario-state"),
        ({"tools": {"exactly": ["a"]}}, "closed-calls"),
        ({"tools": [{"a": {"x": 1}}]}, "call-arguments"),
        ({"latency_ms": 5}, "other-check"),
        ({"variables": {"a": {"at_least": 1}}}, "matcher"),
        ({"any_of": [{"template": "a"}, {"template": "b"}]}, "group"),
    ],
)
def test_what_rasa_cannot_express_is_told(tmp_path: Path, expect: Any, kind: str) -> None:
    """Nothing is written in its place."""
    assert assertions(tmp_path, "rasa", expect, lossy=True) == (None, {kind: 1})


BESIDE = """\
title: All that stands beside
tags: [smoke]
channel: web
metadata: {locale: en}
given: {variables: {tier: gold}, history: [{user: hi, agent: Hello!}], scenario: returns/ask}
params: {item: [mug, vase]}
tools: {look: [{returns: {x: 1}}]}
turns:
  - {user: [my {{ item }} broke, broken], agent: Sorry!, save: {said: response.text, other: variables.x}}
  - {user: "you said {{ said }}", expect: {response: {contains: {text: "{{ item }}", case: strict, space: strict}}}}
  - {user: "{{ other }}?"}
  - {user: later, when: {response: x}}
  - {expect: {response: x}}
conversation: [{never: {tool: x}}]
xfail: a known bug
""".replace("[my {{ item }}", '["my {{ item }}').replace("broke, broken]", 'broke", broken]')


def test_a_row_is_a_case_and_all_that_is_left_is_told(tmp_path: Path) -> None:
    """Two cases with their item; a saved reply stays a template of promptfoo."""
    report, data = exported(tmp_path / "p", "promptfoo", BESIDE, lossy=True)
    first, second, third, fourth = data["tests"]
    assert first["vars"] == {"message": "my mug broke", "history": [{"user": "hi"}, {"assistant": "Hello!"}]}
    assert (first["options"], first["metadata"]) == ({"storeOutputAs": "said"}, {"conversationId": "one #1", "tags": ["smoke"]})
    assert second["vars"] == {"message": "you said {{ said }}"}
    assert (third["vars"]["message"], fourth["assert"]) == ("my vase broke", [{"type": "contains", "value": "vase"}])
    assert {loss.kind for loss in report.losses} == {
        "agent-first", "branch", "conversation-check", "engine", "golden-reply", "known-failure", "saved", "setting", "start",
        "stubs", "tags", "unfilled", "variants",
    }  # fmt: skip
    report, data = exported(tmp_path / "r", "rasa", BESIDE, lossy=True)
    assert data["fixtures"] == [{"start_1": [{"tier": "gold"}]}, {"start_2": [{"tier": "gold"}]}]
    assert [case["steps"][0]["user"] for case in data["test_cases"]] == ["my mug broke", "my vase broke"]
    assert data["metadata"][0] == {"metadata_1": {"locale": "en"}}


def test_a_suite_names_its_scripts(tmp_path: Path) -> None:
    """Folders and suites both; agent files of a folder are passed over."""
    for name in ("a", "b"):
        (tmp_path / "scenarios").mkdir(exist_ok=True)
        (tmp_path / "scenarios" / f"{name}.yaml").write_text("turns: [hi]\n", encoding="utf-8")
    suite = tmp_path / "suite.yaml"
    suite.write_text("scripts: [scenarios/a.yaml]\nengine: {kind: callable, target: x.py:y}\n", encoding="utf-8")
    (tmp_path / "scenarios" / "agent.yaml").write_text("agent: x\nrules: []\n", encoding="utf-8")
    assert [script.id for script in load_scripts([suite])] == ["a"]
    assert [script.id for script in load_scripts([tmp_path / "scenarios"])] == ["a", "b"]


def test_the_command_reports_and_refuses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """0 where all is well, 2 where it is refused; another format is named."""
    script = tmp_path / "one.yaml"
    script.write_text("turns: [{user: hi, expect: {rules: [x]}}]\n", encoding="utf-8")
    command = ["export", "promptfoo", str(script), "--out", str(tmp_path / "out")]
    assert main(command) == 2
    assert "error[export-lossy]: checks of what the format does not see (1); --lossy" in capsys.readouterr().err
    assert main([*command, "--lossy", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["files"] == ["promptfooconfig.yaml", "prompt.json"]
    (tmp_path / "out" / "prompt.json").write_text("mine", encoding="utf-8")
    assert main([*command, "--lossy"]) == 2
    assert "error[import-overwrites]" in capsys.readouterr().err
    assert main([*command, "--lossy", "--force"]) == 0
    assert capsys.readouterr().out.startswith(f"Wrote 1 case, 1 turn to {tmp_path / 'out'}.")
    with pytest.raises(UsageError, match="nothing is exported to 'promtfoo'; did you mean 'promptfoo'"):
        export_files("promtfoo", [script], tmp_path / "x")


def test_broken_scripts_refuse_the_export(tmp_path: Path) -> None:
    """With every problem, as `check` tells them."""
    (tmp_path / "one.yaml").write_text("turns: [{user: hi, expect: {rulez: [x]}}]\n", encoding="utf-8")
    with pytest.raises(Refused, match="1 problem") as caught:
        export_files("rasa", [tmp_path], tmp_path / "out")
    assert [item.code for item in caught.value.diagnostics] == ["unknown-check"]


WORDS = (
    st.text(
        st.characters(
            min_codepoint=32,
            max_codepoint=0x2FFF,
            exclude_characters="{}\x7f\x85\xa0",
            exclude_categories=("Cs", "Cc", "Cn", "Zl", "Zp"),
        ),
        min_size=1,
        max_size=20,
    )
    .map(str.strip)
    .filter(bool)
)
NAMES = st.from_regex(r"[a-z][a-z_]{0,8}", fullmatch=True)
DATA = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, min_size=1, max_size=3),
    max_leaves=5,
)
ARGUMENTS = st.dictionaries(NAMES, DATA, min_size=1, max_size=3)


def strict(text: str) -> dict[str, Any]:
    return {"text": said(text), **STRICT}


PROMPTFOO = st.one_of(
    WORDS.map(lambda text: {"response": {"contains": strict(text)}}),
    WORDS.map(lambda text: {"response": {"excludes": strict(text)}}),
    WORDS.map(lambda text: {"response": {"equals": strict(text)}}),
    WORDS.map(lambda text: {"response": {"starts_with": strict(text)}}),
    st.integers(1, 99).map(lambda words: {"response": {"min_words": words}}),
    st.integers(1, 99999).map(lambda limit: {"latency_ms": limit}),
    NAMES.map(lambda name: {"tools": {"calls": [name]}}),
    st.lists(NAMES, min_size=2, max_size=4).map(lambda names: {"tools": {"exactly": names}}),
    st.tuples(NAMES, ARGUMENTS).map(
        lambda pair: {"tools": {"calls": [{pair[0]: {"args": {key: literal(value) for key, value in pair[1].items()}}}]}}
    ),
    st.just({"tools": {"none": True}}),
    WORDS.map(lambda text: {"response": {"judge": said(text)}}),
    st.tuples(WORDS, st.integers(2, 10)).map(
        lambda pair: {"response": {"judge": {"rubric": said(pair[0]), "scale": 10, "at_least": pair[1]}}}
    ),
    WORDS.map(lambda text: {"response": {"means": said(text)}}),
)
RASA = st.one_of(
    NAMES.map(lambda name: {"template": f"utter_{name}"}),
    NAMES.map(lambda name: {"not": {"template": f"utter_{name}"}}),
    NAMES.map(lambda name: {"scenario": {"id": name, "kind": "start"}}),
    st.tuples(NAMES, DATA.filter(lambda value: value is not None)).map(lambda pair: {"variables": {pair[0]: literal(pair[1])}}),
    NAMES.map(lambda name: {"variables": {name: {"not": None}}}),
    st.lists(NAMES.map(lambda name: f"do_{name}"), min_size=1, max_size=1).map(
        lambda names: {"tools": {"calls": names, "order": "any"}}
    ),
)


def conversation(expectations: Any) -> Any:
    turn = st.fixed_dictionaries({"user": WORDS.map(said)}, optional={"expect": expectations})
    return st.lists(turn, min_size=1, max_size=4)


def judged(scripts: Sequence[Script]) -> list[Any]:
    """What is said and expected, turn by turn, without places."""
    return [
        [([text.text for text in turn.user], sorted((item.key, _said(item)) for item in turn.expect)) for turn in script.turns]
        for script in scripts
    ]


def _said(item: Any) -> str:
    if item.children:
        return str([sorted((child.key, _said(child)) for child in group) for group in item.children])
    return str(item.check.describe())


def comes_back(format: str, turns: list[dict[str, Any]]) -> None:
    with TemporaryDirectory() as folder:
        top = Path(folder)
        (top / "one.yaml").write_text(yaml_text({"turns": turns}), encoding="utf-8")
        export_files(format, [top / "one.yaml"], top / "there")
        import_files(format, [top / "there"], top / "back")
        assert judged(load_scripts([top / "back"])) == judged(load_scripts([top / "one.yaml"]))


PROVEN = settings(max_examples=examples(60), deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


@PROVEN
@given(conversation(PROMPTFOO))
def test_what_promptfoo_expresses_comes_back(turns: list[dict[str, Any]]) -> None:
    """Exported and imported, the same is said and expected, turn by turn."""
    comes_back("promptfoo", turns)


@PROVEN
@given(conversation(RASA))
def test_what_rasa_expresses_comes_back(turns: list[dict[str, Any]]) -> None:
    """Exported and imported, the same is said and expected, turn by turn."""
    comes_back("rasa", turns)
