"""What the retail example holds: enough of everything, nothing twice, and a policy that says the same as the agent."""

from __future__ import annotations

import re
from collections import Counter
from itertools import combinations

import pytest
from rapidfuzz import fuzz

from tests.examples.retail import POLICY, SCRIPTS, agent, asserting, said, scripts

CLAUSE = re.compile(r"^- \*\*(\d+\.\d+)\*\*", re.M)
ROW = re.compile(r"^\| `([^`]+)` \| ([^|]+) \|", re.M)


def section(title: str) -> str:
    """The part of the policy's vocabulary under a heading."""
    text = POLICY.read_text(encoding="utf-8")
    return text.split(f"\n### {title}", 1)[1].split("\n### ", 1)[0]


def rows(title: str) -> dict[str, str]:
    """The first two columns of the table under a heading."""
    return {name: second.strip() for name, second in ROW.findall(section(title))}


def in_backticks(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"`([^`]+)`", text))


def test_it_is_large_enough_to_stand_for_a_real_suite() -> None:
    """Scripts, turns, rules, scenarios and tools are as many as a real shop's."""
    assert len(scripts()) >= 64
    assert sum(len(script.turns) for script in scripts()) >= 260
    assert len(agent().rules) >= 40
    assert len(agent().scenarios) >= 5
    assert len(agent().tools) >= 12


@pytest.mark.parametrize("language", ["de", "es"])
def test_german_and_spanish_are_no_afterthought(language: str) -> None:
    """Each has at least eight scripts and thirty turns of its own."""
    own = [script for script in scripts() if language in script.tags]
    assert len(own) >= 8
    assert sum(len(script.turns) for script in own) >= 30


def test_subjects_have_folders_of_their_own() -> None:
    """A newcomer finds a script by its subject."""
    assert len({script.id.split("/")[0] for script in scripts()}) >= 15


def test_no_script_is_another_one_with_other_names() -> None:
    """Any two scripts differ in what the user says, also after small changes of wording."""
    told = {script.id: "\n".join(said(script)) for script in scripts()}
    alike = [
        (one, other, round(score))
        for (one, first), (other, second) in combinations(told.items(), 2)
        if (score := fuzz.ratio(first, second, score_cutoff=90)) > 90
    ]
    assert alike == []


def test_titles_are_told_apart() -> None:
    """A report lists titles; two equal ones could not be told apart."""
    doubled = [title for title, count in Counter(script.title for script in scripts()).items() if count > 1]
    assert doubled == []


def test_every_rule_is_expected_by_a_script() -> None:
    """No rule of the agent goes unchecked."""
    assert sorted({str(rule.id) for rule in agent().rules} - asserting().keys()) == []


def test_every_tool_and_every_scenario_occurs_in_the_scripts() -> None:
    """No tool and no scenario of the agent goes unmentioned."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in sorted(SCRIPTS.rglob("*.yaml")))
    tools = {str(tool.id) for tool in agent().tools if not re.search(rf"\b{tool.id}\b", text)}
    scenarios = {str(flow.id) for flow in agent().scenarios if f"{flow.id}/" not in text}
    assert (tools, scenarios) == (set(), set())


def test_the_policy_and_the_agent_name_the_same_rules() -> None:
    """Each rule stands in the policy with the clause that the agent's tag names, and the other way round."""
    tagged = {str(rule.id): str(rule.tags[0]).removeprefix("policy ") for rule in agent().rules}
    assert rows("Rules") == tagged
    assert set(tagged.values()) <= set(CLAUSE.findall(POLICY.read_text(encoding="utf-8")))


def test_the_policy_and_the_agent_name_the_same_scenarios_and_steps() -> None:
    """The policy's table of scenarios lists the agent's steps in their order."""
    listed = {name: in_backticks(steps) for name, steps in rows("Scenarios and their steps").items()}
    assert listed == {str(flow.id): tuple(str(step.id) for step in flow.steps) for flow in agent().scenarios}


def test_the_policy_and_the_agent_name_the_same_tools_and_arguments() -> None:
    """The policy's table of tools lists the agent's arguments."""
    listed = {name: in_backticks(arguments) for name, arguments in rows("Tools").items()}
    assert listed == {str(tool.id): tuple(str(name) for name, _ in tool.args) for tool in agent().tools}


def test_the_policy_and_the_agent_name_the_same_templates() -> None:
    """Every template is listed, and none that the agent does not have."""
    listed = in_backticks(section("Templates").split("\n\n", 2)[2])
    assert sorted(listed) == sorted(str(template.id) for template in agent().templates)


def test_templates_speak_three_languages() -> None:
    """Every answer exists in English, German and Spanish, but those that are about a language."""
    single = {"in-english", "in-german", "in-spanish", "three-languages"}
    lacking = {
        str(template.id): sorted({"en", "de", "es"} - {str(code) for code, _ in template.text.texts})
        for template in agent().templates
        if str(template.id) not in single
    }
    assert {name: codes for name, codes in lacking.items() if codes} == {}


def test_clauses_that_scripts_cite_exist() -> None:
    """A script that says why it expects something points at a clause the policy has."""
    known = set(CLAUSE.findall(POLICY.read_text(encoding="utf-8")))
    cited: dict[str, str] = {}
    for path in sorted(SCRIPTS.rglob("*.yaml")):
        for reason in re.findall(r"because: .*", path.read_text(encoding="utf-8")):
            cited |= dict.fromkeys(re.findall(r"\b\d+\.\d+\b", reason), f"{path.name}: {reason}")
    assert len(cited) >= 25
    assert {clause: where for clause, where in cited.items() if clause not in known} == {}
