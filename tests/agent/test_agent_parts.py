"""Parts of an agent: every one can be named, replaced, taken out and put in, and the agent itself stays as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from focal_eval.agent import Agent, open_agent
from focal_eval.agent.parts import NoPart, part, parts, problems_of, with_new, with_part, without
from focal_eval.compare.agent_file import agent_in
from focal_eval.compare.agents import agent_edits, parts_of
from focal_eval.document import read_file

RETAIL = Path(__file__).resolve().parents[2] / "evals" / "agents" / "retail.yaml"


@pytest.fixture(scope="module")
def agent() -> Agent:
    return open_agent(RETAIL).file


def test_every_part_can_be_replaced_by_itself(agent: Agent) -> None:
    """Putting a part back where it was gives the same agent."""
    for one in parts(agent):
        assert part(agent, one.kind, one.name).value == one.value
        assert with_part(agent, one.kind, one.name, one.value) == agent, one.id


def test_every_part_can_be_taken_out_and_put_back(agent: Agent) -> None:
    """A part that was taken out is gone, and comes back at its place; a file's own settings have to be there."""
    order: dict[str, list[str]] = {}
    for one in parts(agent):
        group = one.name.partition(" → ")[0] if one.kind == "transition" else one.name.partition("/")[0]
        group = f"{one.kind} {group}" if one.kind in ("transition", "step") else one.kind
        order.setdefault(group, []).append(one.name)
        if one.id in ("setting:languages", "setting:settings"):
            with pytest.raises(NoPart, match=one.name):
                without(agent, one.kind, one.name)
            continue
        smaller = without(agent, one.kind, one.name)
        left = [other.id for other in parts(smaller)]
        if "(" not in one.name and f"{one.id} (2)" not in [other.id for other in parts(agent)]:
            assert one.id not in left
        place = order[group].index(one.name)
        assert with_new(smaller, one.kind, one.name, one.value, place) == agent, one.id


def test_names_are_those_of_a_comparison(agent: Agent) -> None:
    """What a comparison of two agent files calls an edit names a part here, settings aside."""
    document = read_file(RETAIL, "retail.yaml")
    file = agent_in(document)
    assert file is not None
    theirs = {one.id for one in parts_of(file.data) if one.kind != "setting"}
    assert {one.id for one in parts(agent) if one.kind != "setting"} == theirs
    assert agent_edits(file.data, file.data) == ()


def test_a_part_that_is_not_there_is_told(agent: Agent) -> None:
    """A name that fits nothing raises NoPart with the kind and the name."""
    for kind, name in (
        ("rule", "no-such-rule"),
        ("step", "returns/nowhere"),
        ("transition", "returns/ask → nowhere"),
        ("transition", "nowhere"),
        ("ghost", "x"),
        ("setting", "title"),
    ):
        with pytest.raises(NoPart, match=name):
            without(agent, kind, name)
        with pytest.raises(NoPart, match=name):
            part(agent, kind, name)


def test_problems_of_an_agent_put_together_are_found(agent: Agent) -> None:
    """Taking out a template that rules say is an error there, as in a file."""
    said = next(str(rule.template) for rule in agent.rules if rule.template is not None)
    assert not problems_of(agent).errors
    assert any(problem.code == "unknown-template" for problem in problems_of(without(agent, "template", said)).errors)
