from __future__ import annotations

from focal_eval.agent.turn import Draft
from tests.agent.playing import Talk

TEXT = """
rules:
  - {id: soft, match: {any_words: [soft]}, template: soft}
  - {id: other, match: {any_words: [other]}, template: other, priority: 1}
  - {id: hard, match: {any_words: [hard]}, template: hard}
  - {id: both, match: {any_words: [both]}, template: both}
  - {id: aside, match: {any_words: [aside]}, template: aside}
  - {id: mute, match: {any_words: [mute]}, when: someone is mute, then: be brief}
scenarios:
  s:
    enter: {match: {any_words: [start]}}
    steps: [{id: a, template: step, go: [{to: end, when: {any_words: [out]}}]}]
templates:
  soft: soft text
  other: other text
  hard: {mode: EXCLUSIVE, text: hard text}
  both: {mode: EXCLUSIVE, text: both text, then_step: true}
  aside: {text: aside text, then_step: true}
  step: step text
  first: {mode: FALLBACK, text: first fallback}
  second: {mode: FALLBACK, text: second fallback}
fallback: second
"""


def test_an_exclusive_template_is_said_alone() -> None:
    """EXCLUSIVE wins over steps and over rules of higher priority without one."""
    played = Talk(TEXT).say("start hard other")
    assert (played.messages, played.template) == (("hard text",), "hard")


def test_an_exclusive_template_may_let_the_step_follow() -> None:
    """`then_step` adds what the step has to say."""
    assert Talk(TEXT).say("start both soft").messages == ("both text", "step text")


def test_the_steps_text_comes_before_suggestions() -> None:
    """A step with something new to say replaces SUGGEST texts, but for those that lead in."""
    assert Talk(TEXT).say("start soft").messages == ("step text",)
    assert Talk(TEXT).say("start aside").messages == ("aside text", "step text")


def test_suggestions_are_said_by_priority() -> None:
    """Several SUGGEST texts are several messages, highest rule first, joined by blank lines."""
    played = Talk(TEXT).say("soft other")
    assert played.messages == ("other text", "soft text")
    assert played.response == "other text\n\nsoft text"
    assert played.metadata["templates"] == ["other", "soft"]


def test_an_answer_is_said_instead_of_repeating_the_step() -> None:
    """In a flow that did not move, a rule's answer stands alone, and `then_step` repeats the step."""
    talk = Talk(TEXT)
    talk.say("start")
    assert talk.say("soft").messages == ("soft text",)
    assert talk.say("aside").messages == ("aside text", "step text")
    assert talk.say("hm").messages == ("step text",)


def test_nothing_to_say_is_the_fallback() -> None:
    """The named fallback is said; its outcome is fallback."""
    played = Talk(TEXT).say("hm")
    assert (played.response, played.template, played.outcome) == ("second fallback", "second", "fallback")


def test_without_a_named_fallback_the_first_in_the_file_is_said() -> None:
    """FALLBACK templates are found by their mode."""
    assert Talk(TEXT.replace("fallback: second\n", "")).reply("hm") == "first fallback"


def test_an_agent_without_templates_still_answers() -> None:
    """The last resort is a fixed sentence."""
    played = Talk("rules: [{id: a, match: {any_words: [hi]}}]").say("hi")
    assert (played.response, played.template, played.outcome) == ("Sorry, I cannot help with that.", None, "fallback")


def test_a_text_is_said_in_the_users_language() -> None:
    """The language is noticed, kept, and falls back to the default where a text lacks it."""
    talk = Talk(
        """
        languages: {default: en, metadata: locale, detect: {de: {any_words: [hallo, ich]}, es: {any_words: [hola]}}}
        rules: [{id: hi, match: {any_words: [hi]}, template: hi}, {id: bye, match: {any_words: [bye]}, template: bye}]
        templates: {hi: {text: {en: hello, de: hallo}}, bye: {text: {de: tschüss}}}
        """
    )
    assert talk.reply("hi") == "hello"
    assert talk.reply("hallo hi") == "hallo"
    assert talk.reply("hi") == "hallo"
    assert talk.reply("hola hi") == "hello"
    assert talk.reply("ich hola bye") == "tschüss"
    assert talk.say("ich hola bye").metadata["language"] == "es"


def test_a_locale_in_the_metadata_sets_the_language_at_the_start() -> None:
    """`de-AT` is German where the agent speaks it, and the default where it does not."""
    text = """
        languages: {default: en, metadata: locale}
        rules: [{id: hi, match: {any_words: [hi]}, template: hi}]
        templates: {hi: {text: {en: hello, de: hallo}}}
        """
    assert Talk(text, metadata={"locale": "de-AT"}).reply("hi") == "hallo"
    assert Talk(text, metadata={"locale": "fr_FR"}).reply("hi") == "hello"
    assert Talk(text, metadata={"locale": 7}).reply("hi") == "hello"


def test_a_language_may_be_set_like_any_variable() -> None:
    """An initial value, a given one and one that a rule sets all decide which text is said, at once."""
    text = """
        variables: {language: de}
        languages: {metadata: locale}
        rules:
          - {id: hi, match: {any_words: [hi]}, template: hi}
          - {id: english, match: {phrase: in english}, sets: {language: en}, template: hi}
        templates: {hi: {text: {en: hello, de: hallo}}}
        """
    assert Talk(text).reply("hi") == "hallo"
    assert Talk(text, variables={"language": "en"}).reply("hi") == "hello"
    assert Talk(text, metadata={"locale": "en-GB"}).reply("hi") == "hello"
    talk = Talk(text)
    assert talk.reply("hi in English please") == "hello"
    assert talk.reply("hi") == "hello"


def test_a_template_without_its_values_is_left_out_and_noted() -> None:
    """A missing value costs its text only."""
    talk = Talk(
        """
        variables: {name: null}
        rules:
          - {id: hi, match: {any_words: [hi]}, template: hi}
          - {id: too, match: {any_words: [hi]}, template: plain}
        templates: {hi: "hello {{ name }}", plain: hello}
        """
    )
    played = talk.say("hi")
    assert played.messages == ("hello",)
    assert played.metadata["left_out"] == ["hi"]
    assert "'name' is not defined" in played.metadata["notes"][0]


def test_the_agent_greets_unasked_and_then_repeats_its_question() -> None:
    """None as message gives the greeting, or the question a step waits with; it is no turn of the user's."""
    talk = Talk(TEXT + "greeting: soft\n")
    assert talk.reply(None) == "soft text"
    assert talk.state.turn == 0
    talk.say("start")
    assert talk.reply(None) == "step text"


def test_an_outcome_of_a_rule_is_the_turns() -> None:
    """The highest matched rule with an outcome names it, even inside a scenario."""
    talk = Talk(
        """
        rules:
          - {id: a, match: {any_words: [hi]}, outcome: escalated, priority: 1}
          - {id: b, match: {any_words: [hi, ho]}, outcome: blocked}
        """
    )
    assert talk.say("hi").outcome == "escalated"
    assert talk.say("ho").outcome == "blocked"


def test_a_generator_rewords_suggestions_only() -> None:
    """EXCLUSIVE and FALLBACK texts are said as they stand; the draft holds all a generator needs."""
    drafts: list[Draft] = []

    def wording(draft: Draft) -> str:
        drafts.append(draft)
        return "reworded"

    talk = Talk(TEXT)
    talk.wording = wording
    assert [talk.reply(word) for word in ("soft other", "hard", "hm", "mute")] == [
        "reworded", "hard text", "second fallback", "reworded",
    ]  # fmt: skip
    assert [draft.texts for draft in drafts] == [("other text", "soft text"), ()]
    assert drafts[1].rules == (("someone is mute", "be brief"),)
    assert drafts[1].history[0] == ("soft other", "reworded")


def test_a_generator_without_an_answer_leaves_the_templates() -> None:
    """None from a generator means the drafts are said."""
    talk = Talk(TEXT)
    talk.wording = lambda draft: None
    assert talk.reply("soft") == "soft text"
    assert talk.reply("mute") == "second fallback"
