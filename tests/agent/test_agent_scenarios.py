from __future__ import annotations

from tests.agent.playing import Talk

FLOW = """
rules:
  - {id: hours, match: {phrase: opening hours}, template: hours}
scenarios:
  refund:
    enter: {match: {any_words: [refund]}}
    exit: {phrase: never mind}
    exit_template: left
    relocalise:
      - {when: {corrected: order}, to: which}
      - {when: {phrase: other order}, to: which, clear: order}
    steps:
      - {id: which, collect: order, go: [{to: sure}]}
      - id: sure
        template: sure
        otherwise: yes-or-no
        go: [{to: done, when: {any_words: [yes]}}, {to: kept, when: {any_words: [no]}}]
      - {id: done, terminal: true, template: done}
      - {id: kept, terminal: true, template: kept, outcome: kept}
slots: {order: {pattern: '[A-Z]-\\d+', ask: ask, reask: ask-again}}
templates:
  hours: {text: nine to five, then_step: true}
  ask: which order?
  ask-again: like A-1
  sure: "really {{ order }}?"
  yes-or-no: yes or no?
  done: "refunded {{ order }}"
  kept: kept
  left: left alone
  sorry: {mode: FALLBACK, text: pardon?}
"""


def kinds(talk: Talk, message: str) -> list[tuple[str, str | None, str | None]]:
    return [(move.kind, move.source, move.target) for move in talk.say(message).moves]


def test_a_scenario_starts_asks_confirms_and_ends() -> None:
    """A flow goes step by step; the terminal step shows in its turn and is gone in the next."""
    talk = Talk(FLOW)
    assert talk.reply("a refund please") == "which order?"
    played = talk.say("A-1")
    assert (played.response, played.step, played.outcome) == ("really A-1?", "sure", "awaiting-user")
    played = talk.say("yes")
    assert (played.response, played.scenario, played.step, played.outcome) == ("refunded A-1", "refund", "done", "resolved")
    assert talk.at("thanks") is None


def test_slots_in_the_first_message_skip_their_question() -> None:
    """A message that says it all moves several steps, and each move is reported."""
    talk = Talk(FLOW)
    assert kinds(talk, "refund for A-1") == [("start", None, "which"), ("transition", "which", "sure")]


def test_one_message_confirms_only_once() -> None:
    """The message that leads to a step does not answer its question too."""
    talk = Talk(FLOW)
    assert talk.at("yes, a refund for A-1") == "refund/sure"


def test_at_once_lets_a_transition_read_the_message_that_led_to_it() -> None:
    """`at_once` is the exception to one move a message."""
    talk = Talk(FLOW.replace("{to: done, when:", "{to: done, at_once: true, when:"))
    assert talk.at("yes, a refund for A-1") == "refund/done"


def test_a_message_that_moves_nothing_gets_the_otherwise_text() -> None:
    """Staying is a move of kind continue, and the step says `otherwise`."""
    talk = Talk(FLOW)
    talk.say("refund A-1")
    played = talk.say("hm")
    assert played.response == "yes or no?"
    assert [(move.kind, move.source, move.target) for move in played.moves] == [("continue", "sure", "sure")]


def test_a_question_in_the_middle_is_answered_and_the_flow_goes_on() -> None:
    """A digression says the rule's text and then repeats the step's."""
    talk = Talk(FLOW)
    talk.say("refund A-1")
    played = talk.say("what are the opening hours?")
    assert played.messages == ("nine to five", "really A-1?")
    assert talk.at("yes") == "refund/done"


def test_a_digression_does_not_count_as_asking_again() -> None:
    """After a digression the question is asked as the first time, and `asked` stays."""
    talk = Talk(FLOW)
    talk.say("refund")
    assert talk.say("opening hours?").messages == ("nine to five", "which order?")
    assert talk.state.asked == {"order": 1}
    assert talk.reply("dunno") == "like A-1"


def test_a_correction_leads_back_to_the_step_that_asks() -> None:
    """`corrected` relocalises, and the flow comes forward again with the new value."""
    talk = Talk(FLOW)
    talk.say("refund A-1")
    played = talk.say("no, not A-1, I mean A-2")
    assert played.response == "really A-2?"
    assert [move.kind for move in played.moves] == ["relocalise", "transition"]
    assert played.metadata["corrections"] == [{"slot": "order", "old": "A-1", "new": "A-2"}]


def test_the_other_order_is_asked_for_again() -> None:
    """A relocalisation that clears a slot asks for it."""
    talk = Talk(FLOW)
    talk.say("refund A-1")
    played = talk.say("no, the other order")
    assert (played.response, played.step) == ("which order?", "which")


def test_an_exit_says_its_text_and_leaves() -> None:
    """The exit trigger wins over transitions."""
    talk = Talk(FLOW)
    talk.say("refund A-1")
    played = talk.say("yes, no, never mind")
    assert (played.response, played.scenario) == ("left alone", None)
    assert [move.kind for move in played.moves] == ["exit"]


def test_an_outcome_of_a_terminal_step_is_the_turns() -> None:
    """A step that ends a scenario names the outcome."""
    talk = Talk(FLOW)
    talk.say("refund A-1")
    assert talk.say("no").outcome == "kept"


TWO = """
scenarios:
  refund:
    enter: {match: {any_words: [refund]}}
    RESUME
    steps:
      - {id: ask, template: r-ask, go: [{to: done, when: {any_words: [yes]}}]}
      - {id: done, terminal: true, template: r-done}
  cancel:
    enter: {match: {any_words: [cancel]}}
    priority: 1
    INTERRUPTS
    steps:
      - {id: ask, template: c-ask, go: [{to: done, when: {any_words: [yes]}}]}
      - {id: done, terminal: true, template: c-done}
templates: {r-ask: refund?, r-done: refunded, c-ask: cancel?, c-done: cancelled, sorry: {mode: FALLBACK, text: pardon?}}
"""


def two(resume: str = "", interrupts: str = "", settings: str = "") -> Talk:
    lines = TWO.replace("    RESUME\n", f"    {resume}\n" if resume else "")
    return Talk(settings + lines.replace("    INTERRUPTS\n", f"    {interrupts}\n" if interrupts else ""))


def test_two_intents_in_one_message_are_served_one_after_the_other() -> None:
    """The scenario of higher priority starts, the other waits and starts when it ends."""
    talk = two()
    assert talk.reply("refund one and cancel the other") == "cancel?"
    assert talk.say("yes").messages == ("cancelled", "refund?")
    assert talk.reply("yes") == "refunded"


def test_a_scenario_that_a_transition_led_into_does_not_begin_again() -> None:
    """A message that both takes an edge into a scenario and asks for it starts it once, not once more when it ends."""
    edge = "go: [{to: cancel/, when: {any_words: [cancel]}}, {to: done, when: {any_words: [yes]}}]"
    talk = Talk(
        TWO.replace("go: [{to: done, when: {any_words: [yes]}}]", edge, 1)
        .replace("    RESUME\n", "")
        .replace("    INTERRUPTS\n", "")
    )
    talk.say("refund")
    assert talk.reply("rather cancel") == "cancel?"
    played = talk.say("yes")
    assert (played.messages, played.outcome) == (("cancelled",), "resolved")


def test_without_a_queue_the_second_intent_is_dropped() -> None:
    """`queue: false` serves the first scenario only."""
    talk = two(settings="settings: {queue: false}\n")
    talk.say("refund one and cancel the other")
    assert talk.say("yes").messages == ("cancelled",)


def test_an_idle_step_is_interrupted_and_resumed() -> None:
    """Another scenario starts in between, and then the first goes on where it was."""
    talk = two()
    talk.say("refund")
    assert talk.reply("cancel something first") == "cancel?"
    played = talk.say("yes")
    assert played.messages == ("cancelled", "refund?")
    assert [(move.kind, move.scenario, move.reason) for move in played.moves][1:] == [("continue", "refund", "resumed")]
    assert talk.reply("yes") == "refunded"


def test_a_scenario_that_does_not_resume_is_left() -> None:
    """`resume: false` forgets the interrupted scenario."""
    talk = two(resume="resume: false")
    talk.say("refund")
    talk.say("cancel")
    assert talk.say("yes").messages == ("cancelled",)


def test_a_message_the_step_uses_lets_the_other_wait() -> None:
    """By default a step that could use the message comes first."""
    talk = two()
    talk.say("refund")
    assert talk.say("yes, and cancel the rest").messages == ("refunded", "cancel?")


def test_an_always_interrupting_scenario_comes_before_the_step() -> None:
    """`interrupts: always` takes the message away from the step."""
    talk = two(interrupts="interrupts: always")
    talk.say("refund")
    assert talk.say("yes, and cancel the rest").messages == ("cancel?",)
    assert talk.say("yes").messages == ("cancelled", "refund?")


def test_a_never_interrupting_scenario_waits() -> None:
    """`interrupts: never` starts only when the active one has ended."""
    talk = two(interrupts="interrupts: never")
    talk.say("refund")
    assert talk.reply("cancel") == "refund?"
    assert talk.say("yes").messages == ("refunded", "cancel?")


FIRST = """
variables: {verified: false}
slots:
  pin: {pattern: '\\b\\d{4}\\b', ask: ask-pin}
  order: {pattern: '[A-Z]-\\d+', ask: ask-order}
scenarios:
  identity:
    exit: {any_words: [stop]}
    steps:
      - {id: pin, collect: pin, go: [{to: known, if: pin == '1234'}, {to: unknown}]}
      - {id: known, terminal: true, sets: {verified: true}}
      - {id: unknown, terminal: true, template: unknown, outcome: blocked}
  refund:
    enter: {match: {any_words: [refund]}}
    first: {scenario: identity, unless: verified}
    steps:
      - {id: which, collect: order, go: [{to: done}]}
      - {id: done, terminal: true, template: done}
templates:
  ask-pin: pin?
  ask-order: order?
  unknown: unknown pin
  done: "refunded {{ order }}"
  sorry: {mode: FALLBACK, text: pardon?}
"""


def test_another_scenario_is_gone_through_first() -> None:
    """`first` runs its scenario, then the wanted one, and what was said at first still counts."""
    talk = Talk(FIRST)
    assert talk.reply("refund for A-7") == "pin?"
    assert talk.reply("1234") == "refunded A-7"
    assert talk.reply("a refund for A-8") == "refunded A-8"


def test_a_failed_first_scenario_does_not_let_the_wanted_one_start() -> None:
    """The condition is asked again; where it still does not hold the wanted scenario is dropped."""
    talk = Talk(FIRST)
    talk.say("refund for A-7")
    played = talk.say("9999")
    assert (played.response, played.outcome) == ("unknown pin", "blocked")
    assert talk.at("hello") is None


def test_leaving_the_first_scenario_leaves_the_wanted_one_too() -> None:
    """Who does not want to be identified does not get the refund."""
    talk = Talk(FIRST)
    talk.say("refund for A-7")
    assert talk.at("stop") is None
    assert talk.at("1234") is None


def test_alternatives_of_slots_are_asked_for_where_they_were_begun() -> None:
    """`any_of` is done with one group; one half of a group asks for its other half."""
    text = """
        slots:
          email: {kind: email, ask: email}
          name: {pattern: 'i am (\\w+)', ask: name}
          zip: {pattern: '\\d{5}', ask: zip}
        scenarios:
          who:
            enter: {match: {any_words: [start]}}
            steps:
              - {id: ask, collect: [{any_of: [[email], [name, zip]]}], go: [{to: done}]}
              - {id: done, terminal: true, template: done}
        templates: {email: email?, name: name?, zip: zip?, done: thanks}
        """
    assert Talk(text).say("start").response == "email?"
    talk = Talk(text)
    assert talk.reply("start, i am Mia") == "zip?"
    assert talk.reply("12345") == "thanks"
    assert Talk(text).reply("start mia@example.com") == "thanks"


def test_too_many_questions_lead_elsewhere() -> None:
    """An early transition over `asked` gives up on a slot."""
    text = """
        slots: {pin: {pattern: '\\d{4}', ask: ask}}
        scenarios:
          s:
            enter: {match: {any_words: [start]}}
            steps:
              - {id: a, collect: pin, go: [{to: human, if: asked.pin >= 2, early: true}, {to: done}]}
              - {id: done, terminal: true}
              - {id: human, terminal: true, template: human, outcome: escalated}
        templates: {ask: pin?, human: a colleague takes over}
        """
    talk = Talk(text)
    assert [talk.reply(word) for word in ("start", "hm", "hm")] == ["pin?", "pin?", "a colleague takes over"]


def test_a_transition_leads_into_another_scenario_or_out() -> None:
    """`to` takes scenario/step, scenario/ and end."""
    text = """
        scenarios:
          a:
            enter: {match: {any_words: [start]}}
            steps:
              - id: x
                template: x
                go:
                  - {to: b/two, when: {any_words: [two]}}
                  - {to: b/, when: {any_words: [b]}}
                  - {to: end, when: {any_words: [out]}}
          b:
            steps:
              - {id: one, template: one, go: [{to: end, when: {any_words: [out]}}]}
              - {id: two, template: two, go: [{to: end, when: {any_words: [out]}}]}
        templates: {x: x, one: one, two: two, sorry: {mode: FALLBACK, text: pardon?}}
        """
    for word, place in (("two", "b/two"), ("b", "b/one"), ("out", None)):
        talk = Talk(text)
        talk.say("start")
        assert talk.at(word) == place


def test_a_circle_of_silent_transitions_stops() -> None:
    """An endless circle ends after `max_moves` with a note, never with a hang."""
    text = """
        settings: {max_moves: 5}
        scenarios:
          a:
            enter: {match: {any_words: [start]}}
            steps: [{id: x, go: [{to: y}]}, {id: y, go: [{to: x}]}]
        """
    played = Talk(text).say("start")
    assert len(played.moves) == 5
    assert played.metadata["notes"] == ["stopped after 5 moves in one turn"]


def test_a_session_can_begin_at_a_step() -> None:
    """A given place is where the first message is met."""
    talk = Talk(FLOW, scenario="refund/sure", variables={"order": "A-9"})
    assert talk.reply("yes") == "refunded A-9"


def test_priority_decides_between_transitions_that_hold() -> None:
    """The transition of higher priority is tried before the earlier one."""
    text = """
        scenarios:
          a:
            enter: {match: {any_words: [start]}}
            steps:
              - id: x
                go: [{to: y, when: {any_words: [go]}}, {to: z, when: {any_words: [go]}, priority: 1, sets: {way: high}}]
              - {id: y, terminal: true}
              - {id: z, terminal: true}
        """
    talk = Talk(text)
    talk.say("start")
    assert talk.at("go") == "a/z"
    assert talk.state.variables["way"] == "high"


def test_a_cleared_slot_is_asked_for_when_the_scenario_starts_again() -> None:
    """`clear` forgets what an earlier run collected, but not what the starting message says."""
    talk = Talk(FLOW.replace("exit: {phrase", "clear: order\n    exit: {phrase"))
    talk.say("refund A-1")
    talk.say("yes")
    assert talk.reply("another refund") == "which order?"
    talk.say("never mind")
    assert talk.reply("refund A-3") == "really A-3?"
