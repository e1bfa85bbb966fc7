"""What speaks against a persona, read off the words alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from focal_eval.document import read_file
from focal_eval.records import Reply, TurnRecord
from focal_eval.runner.persona_audit import evidence_of
from focal_eval.script.load import Loader

ROOT = Path(__file__).resolve().parents[2]
FACTS = {"order": "A-1001", "mail": "nora.lind@example.com", "phone": "503 555 0142", "paid": 18.5}


def found(*said: tuple[str, str], end: str = "done", failed: bool = False) -> list[tuple[str, int | None]]:
    """The evidence in a conversation of messages and replies."""
    turns = [TurnRecord(at, user, Reply(response=reply)) for at, (user, reply) in enumerate(said)]
    return [(one.kind, one.turn) for one in evidence_of(["a customer"], FACTS, turns, end, failed=failed)]


@pytest.mark.parametrize(
    "said",
    [
        "my order a1001, please",
        "A-1001; nora.lind@example.com",
        "503-555-0142",
        "5035550142",
        "I paid 18.50 for 2 mugs 7 days ago, on May 12",
        "it is 3 pm",
        "ORDER A\u20111001",
    ],
)
def test_what_it_knows_may_be_said_in_any_form(said: str) -> None:
    """However it is written; counts, prices and times of day are no facts that one is given."""
    assert found((said, "Thank you.")) == []


@pytest.mark.parametrize("said", ["A-1002", "it is A1002", "ask nora@example.org", "my phone is 503 555 9999", "zip 97201"])
def test_what_it_was_never_told_is_invented(said: str) -> None:
    """A number or an address that stands in no fact and that the agent did not say."""
    assert found(("hello", "Hello!"), (said, "Thank you.")) == [("invented", 1)]


def test_what_the_agent_said_may_be_said_again() -> None:
    """Unless it stands in the place of something that the user knows otherwise."""
    assert found(("hello", "Your case is K-77."), ("K-77 then", "Yes.")) == []
    assert found(("hello", "Is it B-2210?"), ("yes, B-2210", "Fine.")) == [("contradicts", 1)]


def test_an_answer_is_no_repetition() -> None:
    """Short words, and what is asked for again, may be said again; not what was answered, and nothing a third time."""
    assert found(("yes", "Sure?"), ("yes", "Really?")) == []
    ask = "Which order is it?"
    assert found(("a refund", ask), ("order A-1001 it is", "Sorry. " + ask), ("what?", ask), ("well", "x")) == []
    again = "I want my money back"
    assert found((again, "Which order?"), (again, "Which order?")) == [("repeats", 1)]
    assert found(("yes", "a"), ("yes", "b"), ("yes", "c")) == [("repeats", 2)]


@pytest.mark.parametrize(
    "said",
    ["How can I help you?", "As an AI language model I cannot", "I\u2019ve processed your refund", "Agent: your order?"],
)
def test_who_speaks_as_the_agent_left_the_part(said: str) -> None:
    """Whatever quotes are used."""
    assert found((said, "What?")) == [("role", 0)]


def test_how_it_ended_may_speak_against_it() -> None:
    """Given up at once, never ended, or done without its goal; a user before an agent that stands still is none of these."""
    assert found(("hello", "Hi."), end="gives_up") == [("early", None)]
    assert found(end="done") == [("early", None)]
    assert found(("a", "1"), ("b", "2"), ("c", "3"), end="max-turns") == [("endless", None)]
    assert found(("a", "1"), ("b", "1"), ("c", "1"), end="max-turns") == []
    assert found(("hello", "Refunded."), failed=True) == [("without-goal", None)]


def test_what_people_write_is_not_taken_for_an_agents_words() -> None:
    """No message of the example scripts, which people wrote as customers, is."""
    said = []
    for path in sorted((ROOT / "scenarios").rglob("*.yaml")):
        if "fragments" not in path.parts:
            script = Loader(ROOT).from_document(read_file(path, str(path)), path, path.stem)
            said += [text.text for turn in (script.turns if script is not None else ()) for text in turn.user]
    assert len(said) > 700
    assert [text for text in said if ("role", 0) in found((text, "x"))] == []
