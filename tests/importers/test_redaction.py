"""Personal data becomes pseudonyms: the same value the same one, in the same form, and nothing else is touched."""

from __future__ import annotations

import re
from typing import Any

import pytest

from focal_eval.checks.personal import iban_in, luhn, personal_data_in
from focal_eval.importers.redaction import REDACTIONS, Pseudonyms
from focal_eval.records import UNKNOWN, ToolCall
from focal_eval.records.conversation import Conversation, RecordedExchange


def conversation(*users: str, tools: tuple[ToolCall, ...] = (), start: dict[str, Any] | None = None) -> Conversation:
    turns = tuple(RecordedExchange(user, f"You said: {user}", tools=tools) for user in users)
    return Conversation("c", "pairs", "told.jsonl", 1, turns, start or {})


def redacted(*users: str, **more: Any) -> Conversation:
    found = conversation(*users, **more)
    return Pseudonyms(found).conversation(found)


@pytest.mark.parametrize(
    ("kind", "value", "becomes"),
    [
        ("email", "mia.li+shop@mail.example.org", "person1@example.com"),
        ("phone", "+49 30 1234567", "+55 55 5555501"),
        ("phone", "(415) 555-2671", "(555) 555-5501"),
        ("phone", "030 1234567", "055 5555501"),
        ("card", "4111 1111 1111 1111", "4000 0000 0000 0010"),
        ("iban", "DE89 3704 0044 0532 0130 00", "DE09 0000 0000 0000 0000 01"),
        ("social", "078-05-1120", "000-00-0001"),
        ("street", "12 Old Elm Street", "1 Sample Street"),
        ("street", "Lindenstraße 12a", "1 Sample Street"),
        ("street", "Calle Mayor 12", "1 Sample Street"),
    ],
)
def test_each_form_becomes_another_of_its_form(kind: str, value: str, becomes: str) -> None:
    """A pattern that reads the one reads the other; checks find the same kind of data in both."""
    found = redacted(f"it is {value}, thanks")
    assert found.turns[0].user == f"it is {becomes}, thanks"
    assert found.turns[0].agent == f"You said: it is {becomes}, thanks"
    kinds = {"email", "phone", "card", "iban"}
    assert [one for one, _ in personal_data_in(becomes)] == ([kind] if kind in kinds else [])
    assert kind in {rule.kind for rule in REDACTIONS}


@pytest.mark.parametrize(
    "text",
    ["order W1234567 of 2026-11-21", "A-1001 and 4111 1111 1111 1112", "DE00 3704 0044 0532 0130 00", "the code 94103",
     "10 people on Friday", "may way 4", "I said this is Great News for us", "my name is on the list"],
)  # fmt: skip
def test_what_is_not_personal_stays(text: str) -> None:
    """Order ids, dates, amounts, and numbers whose check digit is wrong keep their words."""
    assert redacted(text).turns[0].user == text


def test_the_same_value_is_the_same_everywhere_and_others_are_others() -> None:
    """Words, arguments, results and variables agree, whatever the case; the second value gets the second pseudonym."""
    call = ToolCall("find", {"email": "MIA@x.org"}, {"email": "mia@x.org", "other": "ben@x.org"}, id="1")
    found = redacted("I am mia@x.org", "and ben@x.org", tools=(call,), start={"email": "mia@x.org"})
    first, second = found.turns
    assert (first.user, second.user) == ("I am person1@example.com", "and person2@example.com")
    assert first.tools is not UNKNOWN
    mine = "person1@example.com"
    assert (first.tools[0].arguments, found.start) == ({"email": mine}, {"email": mine})
    assert isinstance(first.tools[0].result, dict)
    assert first.tools[0].result["email"] == mine != first.tools[0].result["other"]


def test_a_name_is_found_by_its_key_or_its_introduction_and_then_anywhere() -> None:
    """First and last names go apart; what merely looks like a name stays."""
    call = ToolCall("find", {"user_id": "mia_li_3668"}, {"name": {"first_name": "Mia", "last_name": "Li"}, "zip": "94103"})
    found = redacted("mia_li_3668 here, Mia speaking, zip 94103", "Paris please, Ms Li", tools=(call,))
    assert [turn.user for turn in found.turns] == ["user_1 here, Alex speaking, zip 00001", "Paris please, Ms Doe"]
    said = redacted("Hi, my name is Noor Haddad", "Noor again", "Ich heiße Jörg", "Jörg hier")
    assert [turn.user for turn in said.turns] == ["Hi, my name is Alex Doe", "Alex again", "Ich heiße Robin", "Robin hier"]


def test_the_first_name_of_a_conversation_is_the_same_in_any_run() -> None:
    """Pseudonyms depend on the conversation alone."""
    assert redacted("my name is Ada King", "x@y.org") == redacted("my name is Ada King", "x@y.org")


def test_full_width_signs_hide_nothing() -> None:
    """Where only the normal form shows the data, that form is written."""
    assert redacted("mail ｍｉａ＠x.org").turns[0].user == "mail person1@example.com"
    assert redacted("２ mugs").turns[0].user == "２ mugs"


def test_birthdays_documents_and_numbers_keep_their_form() -> None:
    """Values under such keys are replaced whatever they hold."""
    call = ToolCall("book", {"dob": "1991-07-04", "passport": "C01X00T47", "postcode": 94103, "count": 2})
    found = redacted("born 1991-07-04", tools=(call,))
    assert found.turns[0].tools is not UNKNOWN
    assert found.turns[0].tools[0].arguments == {"dob": "1980-01-01", "passport": "X00X00X01", "postcode": 1, "count": 2}
    assert found.turns[0].user == "born 1980-01-01"


def test_check_digits_of_pseudonyms_are_right() -> None:
    """However many there are; each is another one."""
    cards = [f"4{number:014d}" for number in range(1, 400)]
    cards = [next(card + digit for digit in "0123456789" if luhn(card + digit)) for card in cards]
    found = [turn.user or "" for turn in redacted(*cards).turns]
    assert all(luhn(card) and len(card) == 16 for card in found)
    assert len(set(found)) == len(cards)
    iban = redacted("GB82 WEST 1234 5698 7654 32").turns[0].user or ""
    assert iban_in(iban) == re.sub(" ", "", iban)


def test_what_was_replaced_is_counted() -> None:
    """By kind, each place once."""
    found = conversation("mia@x.org", "mia@x.org or +49 30 1234567")
    veil = Pseudonyms(found)
    veil.conversation(found)
    assert veil.counts == {"email": 4, "phone": 2}


def test_endless_nesting_and_many_values_are_bounded() -> None:
    """Hostile data ends in less data, not in a crash."""
    deep: Any = "mia@x.org"
    for _ in range(500):
        deep = {"x": [deep]}
    many = {f"k{number}": {"first_name": f"Name{number}"} for number in range(2_000)}
    found = redacted("hello", tools=(ToolCall("t", {"deep": deep}, many),))
    assert "mia@x.org" not in repr(found)
    assert "Name7'" not in repr(found)


def test_keys_and_tokens_are_blotted_out() -> None:
    """What users paste into a chat is not written either."""
    found = redacted("my key is sk-abcdefghijklmnop1234 and ghp_abcdefghijklmnopqrstuv12 ok")
    assert found.turns[0].user == "my key is [redacted] and [redacted] ok"
