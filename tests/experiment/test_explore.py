"""Exploration: texts for patterns, values for conditions, proofs, and the walk over an agent's states."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from focal_eval.agent import Playable, load_agent
from focal_eval.coverage.model import items_of
from focal_eval.document import read_text
from focal_eval.experiment.explore import Bounds, Explored, explore
from focal_eval.experiment.explore_patterns import texts_of
from focal_eval.experiment.explore_play import Path as Talk
from focal_eval.experiment.explore_play import Player, Said, Start, hits_of
from focal_eval.experiment.explore_proofs import proven
from focal_eval.experiment.explore_values import Values
from focal_eval.experiment.explore_words import Words
from focal_eval.pattern import compile_pattern
from tests.experiment.kiosk import AGENT

SHOP = """\
agent: shop
variables: {tier: null, warned: false}
rules:
  - {id: greet, match: {any_words: [hello]}, template: hi, cooldown_turns: 2}
  - {id: regular, match: {any_words: [again], if: fires.greet >= 2}, template: hi}
  - {id: perks, match: {any_words: [perks]}, requires: {tier: gold}, template: hi}
  - {id: warn, match: {any_words: [fool]}, requires: not warned, sets: {warned: true}, template: hi}
  - {id: leave, match: {any_words: [fool]}, requires: [warned], template: hi, priority: 5}
  - {id: dear, match: {called: look, if: result.look.price > 50 and result.look.kind == 'new'}, template: hi}
  - {id: broken, match: {on_tool_error: look}, template: hi}
  - {id: hidden, match: {any_words: [hello]}, template: hi, max_fires: 1, priority: -1}
  - {id: over, match: {any_words: [hello]}, excludes: hidden, template: hi, priority: 9}
  - {id: never, match: {any_words: [x], if: "1 > 2"}, template: hi}
  - {id: off, enabled: false, match: {any_words: [y]}, template: hi}
scenarios:
  order:
    enter: {match: {any_words: [order]}}
    exit: {any_words: [stop]}
    relocalise: [{when: {corrected: number}, to: number}]
    steps:
      - {id: number, collect: number, tools: look, go: [{to: confirm}, {to: lost, if: number}]}
      - {id: confirm, template: hi, go: [{to: done, when: {any_words: ["yes"]}}, {to: end, when: {any_words: ["no"]}}]}
      - {id: done, terminal: true, template: hi}
      - {id: lost, terminal: true, template: hi}
      - {id: island, go: [{to: done}]}
slots:
  number: {pattern: '[A-Z]-\\d{3}', ask: hi}
tools:
  look:
    args: {number: number}
    answers:
      - {when: {number: A-100}, returns: {price: 20, kind: old}}
      - {returns: {price: 10, kind: old}}
templates: {hi: Hi., sorry: {mode: FALLBACK, text: Sorry?}}
"""


def playable(text: str) -> Playable:
    """The agent of that text."""
    document = read_text(text, "agent.yaml")
    agent = load_agent(document)
    assert agent is not None, document.problems.errors
    return Playable(agent, document.digest)


def explored(text: str, bounds: Bounds | None = None, seed: int = 0) -> tuple[Playable, Player, Explored]:
    """The walk through an agent for everything that is not proven to be out of reach."""
    agent = playable(text)
    out_of_reach = proven(agent.file)
    wanted = [place for place, item in enumerate(items_of(agent.file)) if item.key not in out_of_reach]
    player, found = explore(agent, wanted, bounds or Bounds(turns=6, plays=3_000), seed=seed)
    return agent, player, found


def names(player: Player, places: object) -> set[str]:
    """Items by kind and name."""
    assert isinstance(places, (set, frozenset, tuple, list))
    return {" ".join(player.items[place].key) for place in places}


@pytest.mark.parametrize(
    "pattern",
    [
        r"what (can|do) you (help|do)",
        r"(?<![\w-])(?P<id>[a-z]-\d{4})(?!\d)",
        r"\b(?:\d{4}[ -]?){3}\d{1,4}\b",
        r"(?-i:\p{Lu}[\p{Ll}'-]+) [\p{L} ]+",
        r"^\W*(?P<zip>\d{5})\W*$",
        r"how long .{0,20}(refund|money)",
        r"[^abc]x++",
    ],
)
def test_texts_are_found_by_their_pattern(pattern: str) -> None:
    """Every text that is written for a pattern is one in which the pattern is found; the same seed gives the same texts."""
    made = texts_of(pattern, 3)
    assert made
    assert all(compile_pattern(pattern, ignore_case=True).search(text) for text in made)
    assert made == texts_of(pattern, 3)


@pytest.mark.parametrize("pattern", [r"\p{Han}+", r"(?!)", r"a(?=b)c"])
def test_a_pattern_that_cannot_be_written_gives_no_text(pattern: str) -> None:
    """What has no plain characters, or matches nothing, gives no text rather than a wrong one."""
    assert texts_of(pattern, 0) == ()


def test_answers_of_tools_decide_conditions() -> None:
    """The declared answers come first, one changed in as few fields as a condition takes follows, a failure is last."""
    agent = playable(SHOP).file
    outcomes = Values(agent).outcomes(agent.tools[0])
    assert [one.result for one in outcomes[:2]] == [{"price": 20, "kind": "old"}, {"price": 10, "kind": "old"}]
    assert {"price": 51, "kind": "new"} in [one.result for one in outcomes]
    assert outcomes[-1].error is not None
    assert sum(one.error is not None for one in outcomes) == 1


def test_a_session_starts_with_what_nothing_sets() -> None:
    """A variable that conditions compare and nothing in the agent sets is one a session may start with."""
    assert ("tier", "gold") in Values(playable(SHOP).file).starts()
    assert not any(name == "warned" for name, _ in Values(playable(SHOP).file).starts())


def test_a_session_starts_with_several_things_at_once() -> None:
    """A condition on channel, metadata and a variable is reached by a beginning that has them all."""
    wanted = "channel == 'voice' and metadata.plan == 'a' and tier == 'b'"
    rule = f'{{id: call, match: {{any_words: [call], if: "{wanted}"}}, template: hi}}'
    _, player, found = explored(SHOP.replace("rules:\n", f"rules:\n  - {rule}\n"))
    assert names(player, found.open) == {"rule hidden"}
    begun = next(one.path.start for one in found.proposals if "rule call" in names(player, one.targets))
    assert begun == Start((("tier", "b"),), (("plan", "a"),), "voice")


def test_slots_get_the_values_that_tools_know() -> None:
    """The first text for a slot gives it a value that a tool has an answer for."""
    agent = playable(SHOP)
    assert Words(agent, Values(agent.file), 0).for_slot("number")[0] == "A-100"


def test_everything_that_can_be_reached_is() -> None:
    """Cooldowns, counted matches, requirements, results of tools, exits and ways back are all walked through."""
    _, player, found = explored(SHOP)
    assert names(player, found.open) == {"rule hidden"}
    assert found.bound is None
    assert ("excluded", "over") in found.drops["hidden"]


def test_each_proposal_reaches_its_targets_and_nothing_can_go() -> None:
    """A proposal played again exercises what it was kept for; without any one of its turns it does not."""
    _, player, found = explored(SHOP)
    for one in found.proposals:
        assert set(one.targets) <= hits_of(player.replay(one.path))
        for at in range(len(one.path.turns)):
            shorter = Talk(one.path.start, (*one.path.turns[:at], *one.path.turns[at + 1 :]))
            assert not set(one.targets) <= hits_of(player.replay(shorter)), (one.path, at)


def test_the_same_seed_gives_the_same_proposals() -> None:
    """Two walks are alike to the last answer; another seed may only change the texts of patterns."""
    _, _, one = explored(SHOP)
    _, player, other = explored(SHOP)
    assert repr(one.proposals) == repr(other.proposals)
    _, _, third = explored(SHOP, seed=7)
    assert names(player, third.open) == names(player, one.open)


@pytest.mark.parametrize(
    ("bounds", "word"),
    [(Bounds(turns=6, plays=20), "20 turns were played"), (Bounds(turns=6, states=2), "2 states were seen")],
)
def test_a_bound_ends_the_walk_and_is_told(bounds: Bounds, word: str) -> None:
    """The walk ends at the bound by count, and says which one it was."""
    _, player, found = explored(SHOP, bounds)
    assert found.bound == word
    assert found.open
    assert found.plays <= 20 or bounds.plays > 20
    assert player.count >= found.plays


def test_short_conversations_reach_less() -> None:
    """The number of turns is a bound of each conversation."""
    _, player, found = explored(SHOP, Bounds(turns=1, plays=3_000))
    assert all(len(one.path.turns) == 1 for one in found.proposals)
    assert "step order/done" in names(player, found.open)


def test_what_cannot_be_reached_is_proven() -> None:
    """Each proof names its item and why; what a conversation reaches is never among them."""
    agent, player, found = explored(SHOP)
    proofs = proven(agent.file)
    assert proofs == {
        ("rule", "never"): "its condition is always false",
        ("constraint", "never"): "its condition is always false",
        ("rule", "off"): "it is not enabled",
        ("constraint", "off"): "it is not enabled",
        ("step", "order/island"): "nothing goes to the step",
        ("step", "order/lost"): "nothing goes to the step",
        ("transition", "order/number → lost"): "a transition before it is always taken",
        ("transition", "order/island → done"): "nothing goes to the step it leaves",
    }
    reached = {player.items[place].key for one in found.proposals for place in one.hits}
    assert not reached & proofs.keys()


def test_another_agent_of_these_tests_is_walked() -> None:
    """The kiosk, written for other tests, is reached but for the text of a limit that its amount is always below."""
    _, player, found = explored(AGENT)
    assert names(player, found.open) == {"template ask-staff"}


def test_an_agent_without_anything_gives_nothing() -> None:
    """No rule and no scenario: nothing is wanted, nothing is proposed."""
    _, _, found = explored("agent: empty\n")
    assert (found.proposals, found.open, found.bound) == ((), frozenset(), None)


def test_a_state_is_told_apart_by_conditions_alone() -> None:
    """A value that no condition reads makes no other state; one that a condition tells apart does."""
    agent = playable(SHOP)
    player = Player(agent, Values(agent.file))
    begun = player.begin(Start())
    one = player.turn(begun, Said("A-100")).node.state
    two = player.turn(begun, Said("B-200")).node.state
    assert player.cell(one) == player.cell(two)
    warned = player.turn(begun, Said("fool")).node.state
    assert player.cell(warned) != player.cell(one)


def unprepared() -> list[tuple[str, str]]:
    """Every agent that some test of this project is written with, by its file and line."""
    found = []
    for file in sorted(Path(__file__).resolve().parents[1].rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
                continue
            if re.match(r"\s*agent: ", node.value) and len(node.value) > 300:
                found.append((f"{file.name}:{node.lineno}", node.value))
    return found


@pytest.mark.slow
def test_agents_that_nobody_prepared_are_explored() -> None:
    """Of the agents in this project's tests nearly all is reached, and no proof stands where a conversation is found."""
    wanted = left = agents = 0
    for where, text in unprepared():
        document = read_text(text, where)
        if load_agent(document) is None:
            continue
        agent, player, found = explored(text, Bounds(turns=6, plays=2_000, states=400))
        proofs = proven(agent.file)
        assert not {player.items[place].key for one in found.proposals for place in one.hits} & proofs.keys(), where
        agents += 1
        wanted += sum(item.key not in proofs and item.kind != "template" for item in player.items)
        left += sum(player.items[place].kind != "template" for place in found.open)
    assert agents >= 15
    assert (wanted - left) / wanted >= 0.95
