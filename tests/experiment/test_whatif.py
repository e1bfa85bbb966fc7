"""What recorded conversations would have done: every turn taken by both agents from the state the record was in."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from focal_eval.agent import Playable
from focal_eval.compare.model import Edit, Lane
from focal_eval.experiment.whatif import WhatIf
from focal_eval.experiment.whatif_nearness import nearness
from focal_eval.experiment.whatif_tally import MAX_EXAMPLES, Tally
from focal_eval.importers.redaction import Pseudonyms
from focal_eval.records import UNKNOWN, ScenarioState, ToolCall
from focal_eval.records.conversation import RecordedExchange
from tests.experiment.told_kiosk import agent, keys, tally, told, turn
from tests.thorough import examples

RETURN = told("hello", "I want to return my lamp", "L-1", "yes", "thanks")


def test_the_same_agent_changes_nothing(tmp_path: Path) -> None:
    """Whatever is said, with anchors and tool results or without."""
    one, other = agent(tmp_path), agent(tmp_path, name="other.yaml")
    found = tally(one, other, RETURN, told("parcel", "late", "late", "hmm", turn("return", scenario=None), "L-2"))
    assert (found.turns, found.compared, found.changed, keys(found)) == (11, 11, 0, {})


def test_a_rule_gained_and_one_lost_are_told_with_their_turns(tmp_path: Path) -> None:
    """Counted by cause; each example knows its place and what both agents did."""
    old = agent(tmp_path)
    new = agent(tmp_path, ("[return*, send back]", "[return*, refund*]"), name="new.yaml")
    found = tally(old, new, told("a refund please", "thanks"), told("I send back the mug"), told("a refund, a refund"))
    assert keys(found) == {"rules:+start-return": 2, "rules:-start-return": 1}
    gained = found.clusters["rules:+start-return"]
    assert (gained.conversations, gained.text) == (2, "rule start-return now matches (no candidate → score 1.00)")
    first = gained.examples[0]
    assert (first.turn, first.sequence, first.score) == (0, 0, (None, 1.0))
    assert (first.before["rules"], first.after["rules"]) == ([], ["start-return"])
    assert (first.before["scenario"], first.after["scenario"]) == (None, "returns/order")


def test_one_change_is_one_turn_though_the_old_agent_goes_on(tmp_path: Path) -> None:
    """The recorded history is kept: that the candidate would have been elsewhere by now is no change of later turns."""
    old = agent(tmp_path)
    new = agent(tmp_path, ("[return*, send back]", "[nothing]"), name="new.yaml")
    forced = tally(old, new, RETURN)
    assert (forced.changed, keys(forced)) == (1, {"rules:-start-return": 1})
    free = tally(old, new, RETURN, free=True)
    assert (free.changed, free.compared, free.off_recording) == (1, 2, 3)


def test_a_free_run_finds_what_only_history_shows(tmp_path: Path) -> None:
    """A variable's edited default reaches turns of the candidate's own making; equal agents never leave the recording."""
    old, same = agent(tmp_path), agent(tmp_path, name="same.yaml")
    assert tally(old, same, RETURN, free=True).off_recording == 0
    new = agent(tmp_path, ("window: 30", "window: 14"), name="new.yaml")
    assert keys(tally(old, new, RETURN, free=True)) == {"response:~confirm": 1}
    assert keys(tally(old, new, RETURN)) == {"response:~confirm": 1}


def test_a_tool_lost_and_an_argument_changed_are_lanes_of_their_own(tmp_path: Path) -> None:
    """Tools are named, and rules stay out of it where they match as before."""
    old = agent(tmp_path)
    new = agent(tmp_path, ("    tools: [track_parcel]\n", ""), name="new.yaml")
    found = tally(old, new, told("parcel L-1"), told("hello"))
    assert keys(found) == {"tool:-track_parcel": 1}
    other = agent(tmp_path, ("{variable: order, optional: true}", "{value: any}"), name="other.yaml")
    changed = tally(old, other, told("parcel L-1"))
    assert next(iter(changed.clusters.values())).cause.lane is Lane.ARGUMENT


def test_a_recorded_result_answers_a_call_by_arguments_then_by_name(tmp_path: Path) -> None:
    """What the agent file would answer is asked last; the same arguments may have been recorded in another turn."""
    old = agent(tmp_path)
    new = agent(tmp_path, ("Your parcel is", "It is"), name="new.yaml")
    by_name = told(turn("parcel", "…", ToolCall("track_parcel", {"order_id": "X-9"}, {"state": "lost"})))
    found = tally(old, new, by_name)
    assert next(iter(found.clusters.values())).examples[0].before["response"] == "Your parcel is lost."
    assert found.answers == {"by name": 1}
    elsewhere = told(
        turn("hello", "…", ToolCall("track_parcel", {"order_id": "l-1"}, {"state": "moving"})),
        turn("parcel L-1", "…", ToolCall("track_parcel", {"order_id": "L-2"}, {"state": "lost"})),
        turn("parcel", "…", ToolCall("track_parcel", {}, error="down")),
    )
    found = tally(old, new, elsewhere)
    (cluster,) = found.clusters.values()
    assert cluster.examples[0].before["response"] == "Your parcel is moving."
    assert found.answers == {"by arguments": 2}
    assert tally(old, new, told("parcel")).answers == {"by the agent file": 1}


def test_the_record_brings_the_agent_to_where_it_stood(tmp_path: Path) -> None:
    """A recorded place, variable or word counts more than what the replay came to."""
    old = agent(tmp_path)
    new = agent(tmp_path, ("['yes']", "['sure']"), name="new.yaml")
    here = turn("well", scenario=ScenarioState("returns", "confirm"), variables={"order": "Z-9"})
    found = tally(old, new, told(here, "yes"))
    (cluster,) = found.clusters.values()
    assert cluster.examples[0].before["scenario"] == "returns/done"
    assert cluster.examples[0].before["tools"][0]["arguments"] == {"order_id": "Z-9"}
    assert found.anchors == {"anchored": 1}
    gone = tally(old, new, told("return L-1", turn("hm", scenario=None), "yes"))
    assert (gone.changed, gone.anchors) == (0, {"anchored": 1})
    odd = tally(old, new, told(turn("hi", scenario=ScenarioState("holidays", "ask"))))
    assert odd.anchors == {"at unknown places": 1}


def test_a_candidate_without_the_step_takes_the_turn_from_the_start(tmp_path: Path) -> None:
    """It cannot stand where it has no step; such turns are counted."""
    old = agent(tmp_path)
    new = agent(
        tmp_path,
        ("id: confirm\n        template", "id: check\n        template"),
        ("to: confirm", "to: check"),
        name="new.yaml",
    )
    found = tally(old, new, told("return L-1", "yes"))
    assert found.anchors == {"at places the candidate does not have": 1}
    assert found.changed == 2


def test_what_only_the_candidate_knows_is_carried_from_its_own_turns(tmp_path: Path) -> None:
    """A new rule that may match once matches once, not at every turn; one that both know counts as the record has it."""
    old = agent(tmp_path)
    rule = "  - {id: slow, match: {any_words: [slow]}, max_fires: 1, template: sorry}\n  - id: thanks"
    new = agent(tmp_path, ("  - id: thanks", rule), name="new.yaml")
    assert keys(tally(old, new, told("slow", "slow", "slow"))) == {"rules:+slow": 1}
    wider = agent(tmp_path, ("[late]", "[late, slow]"), name="wider.yaml")
    assert keys(tally(old, wider, told("slow", "slow", "late"))) == {"rules:+late": 2}


def test_a_variable_that_only_one_agent_knows_is_no_change(tmp_path: Path) -> None:
    """It stands in every turn, and did nothing yet."""
    old = agent(tmp_path)
    new = agent(tmp_path, ("{window: 30}", "{window: 30, vip: false}"), name="new.yaml")
    assert tally(old, new, RETURN).changed == 0


def test_the_candidate_is_compared_with_what_the_record_tells(tmp_path: Path) -> None:
    """Without the old agent: rules in any order, places and calls; turns that tell neither are left out and counted."""
    new = agent(tmp_path)
    found = tally(
        None,
        new,
        told(
            turn("hello, a parcel", "…", ToolCall("track_parcel"), rules=("track", "greet"), scenario=None),
            turn("thanks", rules=("greet",)),
            "bye",
            turn("return", scenario=ScenarioState("returns")),
        ),
    )
    assert +found.anchors == {}
    assert (found.compared, found.uncompared, keys(found)) == (3, 1, {"rules:-greet": 1})
    (cluster,) = found.clusters.values()
    assert cluster.examples[0].changes == ("rule greet no longer matches", "rule thanks now matches")
    ids = tally(None, new, told(turn("hello", rules=("0b8e5a52-7d0c",))))
    assert (ids.anchors["naming unknown rules"], ids.changed) == (1, 1)


def test_scores_are_ranges_over_all_turns_and_near_misses_are_told(tmp_path: Path) -> None:
    """A rule scored by its words tells its score before and after."""
    scored = "  - {id: hours, when: opening hours of the kiosk, template: sorry}\n  - id: thanks"
    old = agent(tmp_path, ("  - id: thanks", scored), ("agent: kiosk", "agent: kiosk\nsettings: {threshold: 0.2}"))
    new = agent(
        tmp_path, ("  - id: thanks", scored), ("agent: kiosk", "agent: kiosk\nsettings: {threshold: 0.9}"), name="new.yaml"
    )
    found = tally(old, new, told("opening hours?"), told("what are the opening hours of this kiosk"), told("hours?"))
    (cluster,) = found.clusters.values()
    assert cluster.cause.key == "rules:-hours"
    low, high = cluster.scores[:2]
    assert low is not None
    assert high is not None
    assert 0.2 <= low < high < 0.9
    assert cluster.text == "rule hours no longer matches (a near miss)"


def test_parts_of_a_stream_add_up_to_the_whole(tmp_path: Path) -> None:
    """However it is cut: counts, figures and examples are the same."""
    old = agent(tmp_path)
    new = agent(tmp_path, ("[return*, send back]", "[refund*]"), ("[late]", "[late, slow]"), name="new.yaml")
    said = ["hello", "a refund", "return L-1", "yes", "no", "slow parcel", "send back", "thanks", "late"]
    chance = random.Random(5)
    stream = [(number, told(*chance.choices(said, k=chance.randint(1, 6)), id=f"c{number}")) for number in range(60)]
    experiment = WhatIf(new, old)
    whole = experiment.tally(stream)
    assert whole.changed > 30
    for size in (1, 7, 25):
        total = Tally()
        for start in range(0, len(stream), size):
            total.merge(experiment.tally(stream[start : start + size]))
        assert total == whole
    assert all(len(cluster.examples) <= MAX_EXAMPLES for cluster in whole.clusters.values())
    assert all(cluster.examples == sorted(cluster.examples, key=lambda one: one.rank) for cluster in whole.clusters.values())


def test_causes_beyond_the_bound_are_counted_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory stays bounded though every turn changes for a reason of its own."""
    monkeypatch.setattr("focal_eval.experiment.whatif_tally.MAX_CLUSTERS", 2)
    old = agent(tmp_path)
    new = agent(tmp_path, ("[hello, hi]", "[x]"), ("[parcel]", "[x]"), ("[late]", "[x]"), name="new.yaml")
    found = tally(old, new, told("hello", "parcel", "late", "late", "hello"))
    assert (len(found.clusters), found.changed, found.more) == (2, 4, 1)


def test_of_several_rules_the_nearest_to_an_edit_is_the_cause(tmp_path: Path) -> None:
    """A rule that reads a trigger which reads the edited one comes after the rule that reads it itself."""
    wide = (
        ("rules:\n", "rules:\n  - {id: first-of-all, match: account, priority: 50}\n"),
        ("triggers:\n", "triggers:\n  account: {any: [wants-return, {any_words: [account]}]}\n"),
    )
    old = agent(tmp_path, *wide)
    new = agent(tmp_path, *wide, ("[return*, send back]", "[return*, refund*]"), name="new.yaml")
    edit = Edit("trigger", "wants-return", "edited")
    assert keys(tally(old, new, told("a refund"))) == {"rules:+first-of-all": 1}
    assert keys(tally(old, new, told("a refund"), edits=(edit,))) == {"rules:+start-return": 1}
    assert nearness((edit, Edit("rule", "late", "edited")), (old.file, new.file)) == {
        "late": 0,
        "start-return": 1,
        "first-of-all": 2,
    }


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "state", "order", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)
_CALL = st.builds(
    ToolCall,
    st.sampled_from(["track_parcel", "open_return", "other"]),
    st.just(UNKNOWN) | st.dictionaries(st.sampled_from(["order_id", "x"]), _JSON, max_size=2),
    st.just(UNKNOWN) | _JSON,
    error=st.none() | st.text(max_size=5),
)
_TURN = st.builds(
    RecordedExchange,
    st.sampled_from(["hello", "return L-1", "yes", "parcel", "late", "never mind", "thanks", "{{ x }}"])
    | st.text(min_size=1, max_size=9),
    st.just(UNKNOWN) | st.text(max_size=9),
    rules=st.just(UNKNOWN) | st.lists(st.sampled_from(["greet", "late", "x"]), max_size=3).map(tuple),
    tools=st.just(UNKNOWN) | st.lists(_CALL, max_size=2).map(tuple),
    scenario=st.just(UNKNOWN)
    | st.none()
    | st.builds(ScenarioState, st.sampled_from(["returns", "x"]), st.sampled_from([None, "confirm", "x"])),
    variables=st.just(UNKNOWN)
    | st.dictionaries(st.sampled_from(["order", "language", "window", "result", "x"]), _JSON, max_size=3),
)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Playable, Playable]:
    """Two agents that part at some messages."""
    folder = tmp_path_factory.mktemp("agents")
    return agent(folder), agent(folder, ("['yes']", "['sure']"), ("[late]", "[parcel]"), name="new.yaml")


@settings(max_examples=examples(100), deadline=None)
@given(turns=st.lists(_TURN, min_size=1, max_size=5), first=st.none() | st.just("…"), free=st.booleans(), beside=st.booleans())
def test_no_recording_ends_in_a_traceback(
    turns: list[RecordedExchange], first: str | None, free: bool, beside: bool, two: tuple[Playable, Playable]
) -> None:
    """Whatever a record claims of tools, places and variables; and the same recording gives the same tally again."""
    old, new = two
    recording = told(*([] if first is None else [turn(None, first)]), *turns)
    options = {"free": free, "veil": Pseudonyms}
    found = tally(None if beside else old, new, recording, **options)
    again = tally(None if beside else old, new, recording, **options)
    assert repr(found) == repr(again)
    assert found.turns == len(recording.turns)
    assert found.compared + found.uncompared + found.off_recording == found.turns
    assert sum(cluster.turns for cluster in found.clusters.values()) == found.changed
