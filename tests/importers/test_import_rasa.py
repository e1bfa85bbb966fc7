"""Stories of Rasa and end-to-end tests of Rasa Pro."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.importers.foreign_files import DATA, Came, came, imported


def stories(tmp_path: Path, *given: Any, **options: str) -> Came:
    """Imports stories: each a list of steps, or a mapping."""
    items = [one if isinstance(one, dict) else {"story": f"story {at}", "steps": one} for at, one in enumerate(given)]
    return came("rasa", tmp_path, {"test_stories.yml": yaml.safe_dump({"version": "3.1", "stories": items})}, **options)


def cases(tmp_path: Path, *steps: Any, more: str = "", **case: Any) -> Came:
    """Imports one test case."""
    data = {"test_cases": [{"test_case": "the_case", **case, "steps": list(steps)}]}
    return came("rasa", tmp_path, {"e2e.yml": more + yaml.safe_dump(data, sort_keys=False)})


def asserted(tmp_path: Path, *assertions: Any, **step: Any) -> Came:
    return cases(tmp_path, {"user": "hi", "assertions": list(assertions), **step})


def test_actions_are_tools_and_responses_are_templates(tmp_path: Path) -> None:
    """What Rasa predicts in a story is compared in full: so are the calls, and none is none."""
    found = stories(
        tmp_path,
        [
            {"user": "hi {{ x }}", "intent": "greet"}, {"action": "utter_greet"}, {"action": "utter_help"},
            {"user": "my [balance]{\"entity\": \"x\"} of [Mia](PERSON)", "intent": "ask"},
            {"action": "action_show"}, {"action": "utter_done"}, {"action": "action_listen"},
        ],
    )  # fmt: skip
    assert found.only["turns"] == [
        {
            "user": 'hi {{ "{{" }} x }}', "name": "greet",
            "expect": {"tools": {"none": True}, "template": {"one_of": ["utter_greet", "utter_help"]}},
        },
        {
            "user": "my balance of Mia", "name": "ask",
            "expect": {"tools": {"exactly": ["action_show"]}, "template": "utter_done"},
        },
    ]  # fmt: skip
    assert found.losses == {"intent": 2, "entity": 2, "several-templates": 1, "built-in-action": 1}
    assert {found.fate(kind) for kind in ("intent", "several-templates")} == {"approximated"}


def test_intents_are_rules_where_asked(tmp_path: Path) -> None:
    """`--intents rules`, for an agent whose rules are named so."""
    found = stories(tmp_path, [{"user": "hi", "intent": "greet"}, {"action": "utter_greet"}], intents="rules")
    assert found.only["turns"][0]["expect"]["rules"] == ["greet"]
    assert found.losses == {}


def test_forms_are_scenarios_and_slots_are_variables(tmp_path: Path) -> None:
    """Slots before the first message are where the conversation starts; a slot set to null is without a value."""
    found = stories(
        tmp_path,
        [
            {"slot_was_set": [{"tier": "gold"}]},
            {"user": "pay", "intent": "pay"}, {"action": "pay_form"}, {"active_loop": "pay_form"},
            {"slot_was_set": [{"requested_slot": "amount"}]}, {"slot_was_set": [{"amount": None}, "card"]},
            {"user": "ten", "intent": "inform"}, {"action": "pay_form"}, {"active_loop": None}, {"action": "action_pay"},
        ],
    )  # fmt: skip
    assert found.only["given"] == {"variables": {"tier": "gold"}}
    first, second = found.only["turns"]
    assert first["expect"] == {
        "tools": {"none": True},
        "variables": {"amount": {"one_of": ["absent", None]}, "card": {"not": None}},
        "scenario": "pay_form",
    }
    assert "one_of: [absent, null]" in (tmp_path / "out" / "scenarios" / "test_stories.yaml").read_text(encoding="utf-8")
    assert second["expect"] == {"tools": {"exactly": ["action_pay"]}, "scenario": "none"}
    assert found.losses["asked-slot"] == 1


def test_alternatives_are_variants(tmp_path: Path) -> None:
    """An intent without words is said as Rasa's own short form."""
    found = stories(
        tmp_path,
        [
            {"or": [{"intent": "affirm"}, {"intent": "thank", "user": "thanks"}]}, {"action": "utter_ok"},
            {"or": [{"slot_was_set": [{"a": 1}]}, {"slot_was_set": [{"b": 2}]}]},
        ],
    )  # fmt: skip
    (turn,) = found.only["turns"]
    assert turn["user"] == ["/affirm", "thanks"]
    assert turn["expect"] == [
        {"tools": {"none": True}, "template": "utter_ok"},
        {"any_of": [{"variables": {"a": 1}}, {"variables": {"b": 2}}]},
    ]
    assert found.losses == {"intent": 1, "intent-alone": 1, "or-slots": 1}


def test_checkpoints_join_stories(tmp_path: Path) -> None:
    """A story is told behind each one that ends with its checkpoint; one that leads nowhere is told as it is."""
    found = stories(
        tmp_path,
        {"story": "one", "steps": [{"user": "a"}, {"checkpoint": "met"}]},
        {"story": "two", "steps": [{"user": "b"}, {"checkpoint": "met"}]},
        {"story": "then", "steps": [{"checkpoint": "met"}, {"user": "c"}]},
        {"story": "round", "steps": [{"checkpoint": "self"}, {"user": "d"}, {"checkpoint": "self"}]},
        {"story": "lost", "steps": [{"checkpoint": "gone"}, {"user": "e"}]},
    )
    told = [[turn["user"] for turn in script["turns"]] for script in found.scripts.values()]
    assert sorted(told) == [["a", "c"], ["b", "c"], ["e"]]
    assert found.losses == {"checkpoint": 1, "loose-checkpoint": 1}


def test_what_stories_hold_beside_is_told(tmp_path: Path) -> None:
    """Rules for training, stories in which nobody says anything, steps nobody knows."""
    text = yaml.safe_dump(
        {
            "rules": [{"rule": "r", "steps": []}],
            "stories": [
                {"story": "s", "steps": [{"user": "x"}, {"bot": "y"}, {"event": "z"}]},
                {"story": "empty", "steps": []},
            ],
        }
    )
    found = came("rasa", tmp_path, {"s.yml": text, "domain.yml": "intents: [x]\n"})
    assert found.only["turns"] == [{"user": "x", "agent": "y", "expect": {"tools": {"none": True}}}]
    assert found.losses == {"training-rule": 1, "empty-story": 1, "story-step": 1, "other-file": 1}


def test_steps_of_a_test_case(tmp_path: Path) -> None:
    """Texts of the bot are the golden reply; beside names of responses they are looked for in it."""
    found = cases(
        tmp_path,
        {"user": "hi"}, {"bot": "Hello!"}, {"bot": "What now?"},
        {"slot_was_set": [{"a": 1}, "b"]}, {"slot_was_not_set": ["c", {"d": 2}]},
        {"user": "pay"}, {"utter": "utter_ask"}, {"bot": "How much?"},
        {"commands": [{"start_flow": "pay"}, {"set_slot": [{"to": "Mia"}]}, "chitchat", {"clarify": ["x"]}]},
    )  # fmt: skip
    first, second = found.only["turns"]
    assert first["agent"] == "Hello!\n\nWhat now?"
    assert first["expect"] == {
        "variables": {
            "c": {"one_of": ["absent", None]}, "d": {"one_of": ["absent", {"not": 2}]}, "a": 1, "b": {"not": None},
        }
    }  # fmt: skip
    assert second["expect"] == {
        "scenario": {"id": "pay", "kind": "start"},
        "template": "utter_ask",
        "response": {"contains": {"text": ["How much?"], "case": "strict"}},
        "variables": {"to": "Mia"},
    }
    assert found.losses == {"slot-not-set": 2, "mixed-reply": 1, "command": 1}


FIXTURES = """\
fixtures:
  - premium: [{tier: premium}, {logged_in: true}]
metadata:
  - info: {language: English}
stub_custom_actions:
  fetch: {events: [], responses: [{text: common}]}
  the_case::fetch: {events: [{event: slot, name: a, value: 1}], responses: []}
  other_case::send: {events: []}
"""


def test_fixtures_metadata_and_stubs(tmp_path: Path) -> None:
    """Fixtures are where the conversation starts; the stub of this case goes before the file's."""
    found = cases(tmp_path, {"user": "hi", "metadata": "info"}, more=FIXTURES, fixtures=["premium", "nowhere"], metadata="info")
    assert found.only["given"] == {"variables": {"tier": "premium", "logged_in": True}}
    assert found.only["metadata"] == {"language": "English"}
    assert found.only["tools"] == {
        "fetch": [{"returns": {"events": [{"event": "slot", "name": "a", "value": 1}], "responses": []}}]
    }
    assert found.losses == {"missing-fixture": 1, "turn-metadata": 1}


@pytest.mark.parametrize(
    ("assertion", "expected"),
    [
        ({"flow_started": "pay"}, {"scenario": {"id": "pay", "kind": "start"}}),
        (
            {"flow_started": {"operator": "any", "flow_ids": ["a", "b"]}},
            {"any_of": [{"scenario": {"id": "a", "kind": "start"}}, {"scenario": {"id": "b", "kind": "start"}}]},
        ),
        ({"flow_cancelled": {"flow_id": "pay"}}, {"scenario": {"kind": "exit"}}),
        ({"action_executed": "do_it"}, {"tools": {"calls": ["do_it"], "order": "any"}}),
        ({"action_executed": "utter_x"}, {"template": "utter_x"}),
        ({"slot_was_set": [{"name": "a", "value": {"type": "b"}}]}, {"variables": {"a": {"equals": {"type": "b"}}}}),
        ({"slot_was_set": [{"name": "a"}]}, {"variables": {"a": {"not": None}}}),
        ({"slot_was_not_set": [{"name": "a"}]}, {"variables": {"a": {"one_of": ["absent", None]}}}),
        ({"bot_uttered": {"utter_name": "utter_x"}}, {"template": "utter_x"}),
        ({"bot_uttered": {"text_matches": "a|b"}}, {"response": {"matches": "a|b"}}),
        ({"bot_uttered": {"buttons": [{"title": "Yes", "payload": "/y"}]}}, {"follow_ups": {"contains": ["Yes"]}}),
        ({"bot_did_not_utter": {"utter_name": "utter_x"}}, {"not": {"template": "utter_x"}}),
        ({"bot_did_not_utter": {"text_matches": "a"}}, {"not": {"response": {"matches": "a"}}}),
    ],
)
def test_assertions_become_checks(tmp_path: Path, assertion: Any, expected: Any) -> None:
    """Each of those that a record can be asked about."""
    assert asserted(tmp_path, assertion).only["turns"] == [{"user": "hi", "expect": expected}]


@pytest.mark.parametrize(
    ("assertion", "kind"),
    [
        ({"generative_response_is_grounded": {"threshold": 0.5}}, "judged-criterion"),
        ({"pattern_clarification_contains": ["a"]}, "clarification"),
        ({"flow_started": "pattern_correction"}, "pattern-flow"),
        ({"flow_completed": 3}, "bad-value"),
        ({"bot_uttered": {"text_matches": "("}}, "bad-pattern"),
        ({"action_executed": "action_listen"}, "built-in-action"),
        ({"made_up": 1}, "other-assertion"),
    ],
)
def test_other_assertions_are_told(tmp_path: Path, assertion: Any, kind: str) -> None:
    """What a model judges is kept for a reader."""
    found = asserted(tmp_path, assertion)
    assert found.losses == {kind: 1}
    assert found.only["turns"] == [{"user": "hi"}]


def test_ordered_assertions_keep_the_order_of_calls(tmp_path: Path) -> None:
    """Elsewhere their order does not count."""
    found = asserted(tmp_path, {"action_executed": "a"}, {"action_executed": "b"}, assertion_order_enabled=True)
    assert found.only["turns"][0]["expect"] == {"tools": {"calls": ["a", "b"]}}
    assert found.losses == {"assertion-order": 1}


@pytest.mark.skipif(not DATA.is_dir(), reason="no sample data beside the checkout")
def test_the_stories_of_rasa_come_over(tmp_path: Path) -> None:
    """48 stories with every message and every action of the raw file."""
    found = imported("rasa", DATA / "rasa-stories", tmp_path / "out")
    (file,) = (DATA / "rasa-stories").glob("*.yml")
    raw = yaml.safe_load(file.read_text(encoding="utf-8"))["stories"]
    steps = [step for story in raw for step in story["steps"]]
    assert len(found.scripts) == len(raw) == 48
    assert found.report.kept["user turns"] == sum("user" in step or "intent" in step or "or" in step for step in steps)
    told = {name for script in found.scripts.values() for turn in script["turns"] for name in _actions(turn["expect"])}
    forms = {step["active_loop"] for step in steps if step.get("active_loop")}
    assert told == {step["action"] for step in steps if "action" in step} - forms - {"action_listen"}


def _actions(expect: Any) -> list[str]:
    template = expect.get("template", [])
    templates = template["one_of"] if isinstance(template, dict) else [template] if template else []
    return [*expect.get("tools", {}).get("exactly", []), *templates]
