"""Criteria of other tools that a model decides: asked of a judge, and runnable before there is one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from focal_eval.cli import main
from focal_eval.importers import import_files
from focal_eval.importers.criteria import points_of
from tests.engines.judge_stub import judging, knowing
from tests.engines.vendor_stub import TOKEN
from tests.importers.foreign_files import Came, came
from tests.importers.imports import imported, lost, script

AGENT = "def answer(message, conversation):\n    return 'We refund it on Thursday.'\n"


def promptfoo(folder: Path, *assertions: Any, **test: Any) -> Came:
    """One test with these assertions."""
    given = {"vars": {"message": "hi", **test.pop("vars", {})}, "assert": list(assertions), **test}
    config = {"prompts": ["{{message}}"], "providers": [], "tests": [given]}
    return came("promptfoo", folder, {"promptfooconfig.yaml": yaml.safe_dump(config)})


@pytest.mark.parametrize(
    ("assertion", "expected", "losses"),
    [
        ({"type": "llm-rubric", "value": "is polite\n- and short"}, "is polite\n- and short", {}),
        ({"type": "llm-rubric", "value": "is {{ name }}{{ other }}"}, 'is Ada{{ "{{" }} other }}', {"template-left": 1}),
        ({"type": "model-graded-closedqa", "value": "names a day"}, "names a day", {}),
        ({"type": "pi", "value": "Is it kind?"}, "Is it kind?", {}),
        ({"type": "llm-rubric", "value": "is polite", "threshold": 0.75},
         {"rubric": "is polite", "scale": 10, "at_least": 8}, {"judged-points": 1}),
        ({"type": "g-eval", "value": ["is polite", "is short"]},
         {"rubric": "is polite; is short", "scale": 10, "at_least": 7}, {"judged-points": 1}),
        ({"type": "factuality", "value": "Paris"}, "says nothing that contradicts this: Paris", {"judged-words": 1}),
        ({"type": "answer-relevance"}, "answers what the customer asked", {"judged-words": 1}),
        ({"type": "context-faithfulness"}, "claims nothing that this does not support: It rains.", {"judged-words": 1}),
        ({"type": "trajectory:goal-success", "value": {"goal": "a refund"}},
         {"rubric": "the agent reaches this goal: a refund", "of": "conversation"}, {"judged-words": 1}),
        ({"type": "llm-rubric", "value": "is polite", "provider": "openai:o3"}, "is polite", {"judge-setting": 1}),
    ],
)  # fmt: skip
def test_what_a_model_grades_is_asked_of_a_judge(tmp_path: Path, assertion: Any, expected: Any, losses: Any) -> None:
    """The rubric as it was written, a threshold as points; what is asked in other words is told as nearly the same."""
    found = promptfoo(tmp_path, assertion, vars={"name": "Ada", "context": "It rains."})
    assert found.only["turns"][0]["expect"] == {"response": {"judge": expected}}
    assert found.losses == losses
    assert all(found.fate(kind) == ("dropped" if kind == "judge-setting" else "approximated") for kind in losses)
    assert found.report.kept["judged rubrics"] == 1


@pytest.mark.parametrize(
    ("assertion", "kind"),
    [
        ({"type": "context-recall", "value": "x"}, "judged-criterion"),
        ({"type": "select-best", "value": "x"}, "judged-criterion"),
        ({"type": "context-faithfulness"}, "judged-criterion"),
        ({"type": "llm-rubric"}, "judge-value"),
        ({"type": "llm-rubric", "value": " "}, "judge-value"),
    ],
)
def test_what_no_judge_of_a_reply_decides_is_told(tmp_path: Path, assertion: Any, kind: str) -> None:
    """Nothing is expected in its place."""
    found = promptfoo(tmp_path, assertion)
    assert "expect" not in found.only["turns"][0]
    assert found.losses == {kind: 1}
    assert not found.report.suites


def test_negation_weight_and_metric_stand_around_a_judge(tmp_path: Path) -> None:
    """As around any assertion; `options` name the grader of all."""
    found = promptfoo(
        tmp_path,
        {"type": "not-llm-rubric", "value": "is rude", "weight": 0, "metric": "tone"},
        {"type": "assert-set", "threshold": 0.5, "assert": [{"type": "llm-rubric", "value": word} for word in "ab"]},
        options={"rubricPrompt": "Grade it."},
    )
    assert found.only["turns"][0]["expect"] == [
        {"response": {"not": {"judge": "is rude"}}, "soft": True, "because": "tone"},
        {"any_of": [{"response": {"judge": "a"}}, {"response": {"judge": "b"}}]},
    ]
    assert found.losses == {"judge-setting": 3}


def test_the_likeness_that_was_asked_for_is_kept_for_a_reader(tmp_path: Path) -> None:
    """It is a figure of another encoder, so that ours judges by its own."""
    found = promptfoo(tmp_path, {"type": "similar", "value": "Hello", "threshold": 0.8})
    assert found.only["turns"][0]["expect"] == {"response": {"means": "Hello"}}
    assert found.only["origin"]["thresholds"] == [{"turn": 1, "similar": 0.8}]


@pytest.mark.parametrize(
    ("share", "points"),
    [(0.8, 8), (0.75, 8), (0.05, 2), (1, 10), (0.7, 7), (0, None), (1.5, None), (True, None), ("0.5", None), (None, None)],
)
def test_a_share_is_points_of_ten(share: Any, points: int | None) -> None:
    """Rounded up; at least two, as one point is given to anything; what is no share asks for none."""
    assert points_of(share) == points


def runs(folder: Path, suite: str, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, Mapping[str, Any]]:
    """Runs the suite of an import beside a small agent: exit code, what was printed, the run's header."""
    (folder / "agent.py").write_text(AGENT, encoding="utf-8")
    capsys.readouterr()
    code = main(["run", str(folder / suite), "--out", str(folder / "run"), "--report", "none", *words])
    printed = capsys.readouterr()
    return code, printed.out + printed.err, json.loads((folder / "run" / "run.json").read_bytes())


def test_an_import_runs_before_a_judge_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody is asked: what a judge would decide is skipped, the rest is judged, and a warning says so."""
    promptfoo(tmp_path, {"type": "icontains", "value": "refund"}, {"type": "llm-rubric", "value": "names a day"})
    suite = (tmp_path / "out" / "suite.yaml").read_text(encoding="utf-8")
    assert "# JUDGE: 1 expectation for a model to judge." in suite
    assert "semantic:" not in suite
    assert main(["check", "--strict", str(tmp_path / "out")]) == 0
    code, printed, header = runs(tmp_path / "out", "suite.yaml", capsys)
    assert code == 0
    assert "warning[no-judge]: no judge is asked, as the suite says `judge: skip`" in printed
    assert header["counts"]["passed"] == 1
    assert "judge" not in header


def test_the_named_place_takes_a_judge(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line that the suite has in a comment is the judge, once it stands in the place of `skip`."""
    promptfoo(tmp_path, {"type": "llm-rubric", "value": "names a day"})
    path = tmp_path / "out" / "suite.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("# judge: {", "judge: {").replace("judge: skip\n", ""), encoding="utf-8")
    with judging(knowing("Thursday")) as stub:
        monkeypatch.setenv("JUDGE_URL", f"{stub.url}/v1")
        monkeypatch.setenv("JUDGE_KEY", TOKEN)
        _, _, header = runs(tmp_path / "out", "suite.yaml", capsys)
    assert header["judge"]["results"]["passed"] == 1


def test_likeness_of_words_stands_in_where_no_encoder_is(tmp_path: Path) -> None:
    """The suite of an import with `similar` says so, that it runs on every machine."""
    promptfoo(tmp_path, {"type": "similar", "value": "We refund it on Thursday"})
    suite = yaml.safe_load((tmp_path / "out" / "suite.yaml").read_text(encoding="utf-8"))
    assert suite["semantic"] == {"fallback": "lexical"}
    assert "judge" not in suite
    assert suite["scripts"] == ["scenarios/**/*.yaml"]


def test_a_suite_of_recordings_says_that_nobody_is_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A run of tau2 whose task asserts something in words replays as it did."""
    task = {
        "id": 1,
        "user_scenario": {"instructions": "Ask."},
        "evaluation_criteria": {"actions": [], "nl_assertions": ["The agent is polite"]},
    }
    messages = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "Hello!"}]
    results = {"tasks": [task], "simulations": [{"task_id": 1, "messages": messages, "reward_info": {"reward": 1.0}}]}
    (tmp_path / "results.json").write_text(json.dumps(results), encoding="utf-8")
    report = import_files("tau2", [tmp_path / "results.json"], tmp_path / "out")
    assert report.text().endswith(f"Run it: focal-eval run {tmp_path / 'out' / 'suite.yaml'}")
    code, printed, header = runs(tmp_path / "out", "suite.yaml", capsys)
    assert (code, header["counts"]["passed"]) == (0, 1)
    assert "no judge is asked" in printed


RUBRIC = {"rubric_id": "r", "rubric_content": {"text_property": "names the cat"}}
TURN = {"user_content": {"parts": [{"text": "look"}]}, "final_response": {"parts": [{"text": "A cat."}]}}


def adk(turn: Mapping[str, Any], config: Mapping[str, Any] | None = None, **more: Any) -> Any:
    """The import of one case; `config` is what its folder's test_config.json asks."""
    files: dict[str, Any] = {"pets/a.test.json": {"eval_cases": [{"eval_id": "a", "conversation": [{**TURN, **turn}], **more}]}}
    if config is not None:
        files["pets/test_config.json"] = {"criteria": config}
    return imported("adk", files, named=False)


def test_rubrics_of_adk_are_asked_of_a_judge() -> None:
    """Of a turn at the turn, of a case once at the end; those of tool calls are kept for a reader."""
    calls = {"rubricId": "c", "rubricContent": {"textProperty": "looks once"}, "type": "TOOL_USE_QUALITY"}
    found = adk({"rubrics": [RUBRIC, calls]}, rubrics=[{"rubric_id": "is kind"}])
    made = script(found, "scenarios/a.yaml")
    assert made["turns"][0]["expect"] == {"response": {"judge": "names the cat"}}
    assert made["conversation"] == [{"judge": "is kind"}]
    assert made["origin"]["criteria"] == [{"turn": 1, "says": "looks once"}]
    assert lost(found) == {"rubric": 1, "case-rubric": 1}
    assert found.kept["judged rubrics"] == 2


def test_criteria_of_a_folder_hold_for_its_cases() -> None:
    """Rubrics of the reply and the same answer as the golden one are asked of each turn; what else is asked is told."""
    found = adk(
        {},
        {
            "tool_trajectory_avg_score": 1.0,
            "response_match_score": 0.8,
            "final_response_match_v2": {"threshold": 0.6},
            "rubric_based_final_response_quality_v1": {"threshold": 1, "rubrics": [RUBRIC]},
            "rubric_based_tool_use_quality_v1": {"rubrics": [RUBRIC]},
            "safety_v1": 0.8,
        },
    )
    (path,) = found.scripts
    assert script(found, path)["turns"][0]["expect"] == [
        {"response": {"judge": "names the cat"}},
        {"response": {"judge": "gives the same answer as this, in whatever words: A cat."}},
    ]
    assert lost(found) == {"response-match": 1, "judged-words": 1, "rubric-share": 1, "rubric": 1, "criterion": 1}
    assert lost(adk({}, {"tool_trajectory_avg_score": 0.5})) == {"call-share": 1}
    assert lost(imported("adk", {"a.test.json": {"eval_cases": [{"conversation": [TURN]}]}})) == {}


def test_a_configuration_holds_for_no_other_folder() -> None:
    """ADK reads the one beside the file."""
    asked = {"criteria": {"rubric_based_final_response_quality_v1": {"rubrics": [RUBRIC]}}}
    files = {
        f"{name}/{name}.test.json": {"eval_cases": [{"eval_id": name, "conversation": [TURN]}]} for name in ("cats", "dogs")
    }
    found = imported("adk", {**files, "cats/test_config.json": asked}, named=False)
    judged = {path: "judge" in text for path, text in found.scripts.items()}
    assert sorted(judged.values()) == [False, True]
    assert next(path for path, asks in judged.items() if asks).endswith("cats.yaml")


def test_generative_replies_of_rasa_are_asked_of_a_judge() -> None:
    """Relevance as points, groundedness by the truth that is given; both are told as nearly the same."""
    steps = [
        {
            "user": "how much?",
            "assertions": [
                {"generative_response_is_relevant": {"threshold": 0.8}},
                {"generative_response_is_grounded": {"ground_truth": "A fee of 2 dollars."}},
            ],
        }
    ]
    found = imported("rasa", {"e2e.yml": yaml.safe_dump({"test_cases": [{"test_case": "fee", "steps": steps}]})})
    (path,) = found.scripts
    assert script(found, path)["turns"][0]["expect"] == [
        {"response": {"judge": {"rubric": "answers what the customer said", "scale": 10, "at_least": 8}}},
        {"response": {"judge": "claims nothing that this does not support: A fee of 2 dollars."}},
    ]
    assert lost(found) == {"judged-words": 2, "judged-points": 1}


def test_criteria_on_calls_of_pipecat_are_kept_for_a_reader() -> None:
    """A judge is shown replies, and no calls."""
    turn = {"user": "hi", "expect": [{"event": "function_call", "name": "look", "eval": "looks in the right place"}]}
    found = imported("pipecat", {"a.yaml": yaml.safe_dump({"name": "a", "turns": [turn]})})
    (path,) = found.scripts
    made = script(found, path)
    assert made["turns"][0]["expect"] == {"tools": {"calls": ["look"]}}
    assert made["origin"]["criteria"] == [{"turn": 1, "says": "looks in the right place"}]
    assert lost(found) == {"judged-criterion": 1}
