from __future__ import annotations

from tests.agent.playing import Talk


def test_matched_rules_stand_by_priority_then_file_order() -> None:
    """The order of matched rules is priority, then the file."""
    talk = Talk(
        """
        rules:
          - {id: low, match: {any_words: [hi]}}
          - {id: high, match: {any_words: [hi]}, priority: 5}
          - {id: also-low, match: {any_words: [hi]}}
        """
    )
    assert talk.rules("hi") == ["high", "low", "also-low"]


def test_a_disabled_rule_is_reported_and_does_not_match() -> None:
    """What a disabled rule would have done stays visible."""
    talk = Talk("rules: [{id: off, match: {any_words: [hi]}, enabled: false}]")
    assert talk.dropped("hi") == {"off": "disabled"}


def test_a_cooldown_lets_so_many_turns_pass() -> None:
    """With a cooldown of 2 a rule matches again in the third turn after."""
    talk = Talk("rules: [{id: it, match: {any_words: [hi]}, cooldown_turns: 2}]")
    assert [talk.rules("hi") for _ in range(5)] == [["it"], [], [], ["it"], []]
    assert talk.dropped("hi") == {"it": "cooldown"}


def test_a_fire_limit_counts_the_session() -> None:
    """A rule with `max_fires` stops matching and says why."""
    talk = Talk("rules: [{id: it, match: {any_words: [hi]}, max_fires: 2}]")
    assert [talk.rules("hi") for _ in range(3)] == [["it"], ["it"], []]
    (dropped,) = talk.say("hi").dropped
    assert (dropped.why, dropped.by) == ("max-fires", "matched 2 times already")


def test_requirements_by_names_values_and_expression() -> None:
    """The three ways to write `requires` look at variables, and say what is unmet."""
    text = """
        variables: {verified: false, tier: gold, count: 3}
        rules:
          - {id: names, match: {any_words: [hi]}, requires: [verified, tier]}
          - {id: unset, match: {any_words: [hi]}, requires: {note: null, tier: gold}}
          - {id: value, match: {any_words: [hi]}, requires: {tier: silver}}
          - {id: expression, match: {any_words: [hi]}, requires: "count > 2 and tier in ['gold']"}
          - {id: sets, match: {any_words: [note]}, sets: {note: x}}
        """
    talk = Talk(text)
    played = talk.say("hi")
    assert [match.name for match in played.rules] == ["unset", "expression"]
    assert {one.name: one.by for one in played.dropped} == {
        "names": "verified is not set",
        "value": "tier is 'gold', not 'silver'",
    }
    assert Talk(text, variables={"verified": True}).rules("hi") == ["names", "unset", "expression"]


def test_a_language_filter_drops_a_rule() -> None:
    """A rule with `language` matches only while that language is spoken."""
    talk = Talk(
        """
        languages: {detect: {de: {any_words: [ich]}}}
        rules: [{id: it, match: {any_words: [hi]}, language: de}]
        """
    )
    assert talk.dropped("hi") == {"it": "requires"}
    assert talk.rules("ich sage hi") == ["it"]


def test_scopes_are_where_the_conversation_stood() -> None:
    """SCENARIO and STEP rules match only there, at the place the message met."""
    talk = Talk(
        """
        rules:
          - {id: everywhere, match: {any_words: [hi]}}
          - {id: inside, match: {any_words: [hi]}, scope: {scenario: flow}}
          - {id: second, match: {any_words: [hi]}, scope: {step: [flow/two]}}
        scenarios:
          flow:
            enter: {match: {any_words: [start]}}
            steps:
              - {id: one, go: [{to: two, when: {any_words: [next]}}]}
              - {id: two, go: [{to: end, when: {any_words: [stop]}}]}
        """
    )
    assert talk.dropped("hi") == {"inside": "scope", "second": "scope"}
    assert talk.rules("hi start") == ["everywhere"]
    assert talk.rules("hi") == ["everywhere", "inside"]
    assert talk.rules("hi next") == ["everywhere", "inside"]
    assert talk.rules("hi") == ["everywhere", "inside", "second"]


def test_of_two_rules_that_exclude_each_other_the_higher_stays() -> None:
    """Exclusion works both ways round, whoever declares it."""
    text = """
        rules:
          - {id: low, match: {any_words: [hi]}, excludes: high}
          - {id: high, match: {any_words: [hi]}, priority: 1}
        """
    played = Talk(text).say("hi")
    assert [match.name for match in played.rules] == ["high"]
    assert [(one.name, one.why, one.by) for one in played.dropped] == [("low", "excluded", "high")]


def test_a_rule_outranks_others_whatever_their_priority() -> None:
    """`outranks` drops a rule of higher priority too."""
    text = """
        rules:
          - {id: high, match: {any_words: [hi]}, priority: 9}
          - {id: special, match: {any_words: [hi]}, outranks: high}
        """
    played = Talk(text).say("hi")
    assert [match.name for match in played.rules] == ["special"]
    assert [(one.name, one.why, one.by) for one in played.dropped] == [("high", "outranked", "special")]


def test_implied_rules_match_along_if_their_filters_let_them() -> None:
    """Implication goes on from rule to rule and stops at a filter."""
    text = """
        variables: {open: false}
        rules:
          - {id: first, match: {any_words: [hi]}, implies: [second, shut]}
          - {id: second, implies: third}
          - {id: third}
          - {id: shut, requires: [open]}
        """
    played = Talk(text).say("hi")
    assert [(match.name, match.reason) for match in played.rules][1:] == [
        ("second", "implied by first"),
        ("third", "implied by second"),
    ]
    assert [(one.name, one.why) for one in played.dropped] == [("shut", "requires")]


def test_too_many_rules_are_cut_from_below() -> None:
    """`max_rules` keeps the highest and reports the rest."""
    text = """
        settings: {max_rules: 2}
        rules:
          - {id: a, match: {any_words: [hi]}}
          - {id: b, match: {any_words: [hi]}, priority: 2}
          - {id: c, match: {any_words: [hi]}, priority: 1}
        """
    played = Talk(text).say("hi")
    assert [match.name for match in played.rules] == ["b", "c"]
    assert [(one.name, one.why, one.by) for one in played.dropped] == [("a", "outranked", "max_rules 2")]


def test_a_half_met_trigger_is_a_near_miss_with_its_share() -> None:
    """A rule of which a part hit is reported with how much of it did."""
    text = "rules: [{id: it, match: {all_words: [cancel, my, order, now]}}]"
    (near,) = Talk(text).say("cancel my order").dropped
    assert (near.why, near.score, near.reason) == ("near-miss", 0.75, "'cancel', 'my', 'order'")


def test_conditions_without_trigger_are_scored_by_their_words() -> None:
    """`when` matches by words in common; too few make a near miss with the score."""
    talk = Talk(
        """
        rules:
          - {id: damage, when: the customer reports a damaged or broken item}
          - {id: address, when: the customer wants to change the delivery address}
          - {id: hours, when: someone asks for opening hours}
        """
    )
    played = talk.say("My item arrived damaged and broken")
    assert [match.name for match in played.rules] == ["damage"]
    assert played.rules[0].score > 0.6
    near = talk.say("is it delivered?")
    assert [(one.name, one.why) for one in near.dropped] == [("address", "near-miss")]
    assert "below 0.35" in str(near.dropped[0].by)


def test_what_the_agent_said_last_adds_to_a_score() -> None:
    """The last reply is context for lexical scores, but matches nothing by itself."""
    text = """
        rules:
          - {id: ask, match: {any_words: [hello]}, template: offer}
          - {id: change, when: change the delivery address}
        templates: {offer: Do you want to change the delivery address?}
        """
    without = Talk(text).say("the address").dropped[0].score
    talk = Talk(text)
    talk.say("hello")
    assert talk.say("the address").rules[0].score > without
    assert talk.say("fine").rules == ()


def test_a_scorer_from_outside_replaces_the_words() -> None:
    """An injected scorer decides alone, over the conditions in file order."""
    from focal_eval.agent import play

    class Fixed:
        def scores(self, message: str, previous: str, conditions: tuple[str, ...]) -> list[float]:
            return [0.9 if "refund" in condition else 0.1 for condition in conditions]

    talk = Talk("rules: [{id: a, when: a refund}, {id: b, when: an exchange}]")
    played = play(talk.agent, talk.state, "zzz", scorer=Fixed())
    assert [(match.name, match.score) for match in played.rules] == [("a", 0.9)]
    assert [(one.name, one.score) for one in played.dropped] == [("b", 0.1)]


def test_variables_set_by_a_rule_hold_from_then_on() -> None:
    """`sets` takes plain values and templates; one that cannot be filled is noted and left out."""
    talk = Talk(
        """
        variables: {count: 1, missing: null, copy: null}
        rules:
          - {id: up, match: {any_words: [up]}, sets: {count: "{{ count + 1 }}", tags: [a, "{{ count }}"]}}
          - {id: bad, match: {any_words: [bad]}, sets: {copy: "{{ missing }}"}}
        """
    )
    talk.say("up")
    assert talk.say("up").state.variables["count"] == 3
    played = talk.say("bad")
    assert played.state.variables["copy"] is None
    assert "rule bad could not set copy" in played.metadata["notes"][0]


def test_fires_are_counted_once_a_turn_for_rules_that_matched() -> None:
    """Dropped rules do not count as fired."""
    talk = Talk(
        """
        rules:
          - {id: a, match: {any_words: [hi]}, outranks: b}
          - {id: b, match: {any_words: [hi]}}
        """
    )
    talk.say("hi")
    talk.say("hi")
    assert talk.state.fires == {"a": 2}
