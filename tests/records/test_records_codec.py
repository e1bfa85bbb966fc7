"""Records go to JSON and back unharmed, and no JSON makes more than a Misfit."""

from __future__ import annotations

import collections.abc
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from focal_eval.records import UNKNOWN, Fault, MessageRecord, Reply, TurnRecord, Unknown
from focal_eval.records.codec import (
    Misfit,
    fault_to_json,
    message_from_json,
    message_to_json,
    reply_from_json,
    reply_to_json,
    transcript_from_json,
    turn_from_json,
)
from tests.thorough import examples

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
WHOLE = st.integers(-(2**63), 2**63 - 1)
JSON = st.recursive(
    st.none() | st.booleans() | WHOLE | NUMBER | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXT, int: WHOLE, float: NUMBER, Any: JSON, type(None): st.none(), Unknown: st.just(UNKNOWN),
}  # fmt: skip


def values_of(hint: Any) -> st.SearchStrategy[Any]:
    """Every value a field may have by its type."""
    if hint in PLAIN:
        return PLAIN[hint]
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return st.one_of([values_of(option) for option in inner])
    if origin is tuple:
        return st.lists(values_of(inner[0]), max_size=2).map(tuple)
    if origin is collections.abc.Mapping:
        return st.dictionaries(TEXT, JSON, max_size=3)
    if is_dataclass(hint):
        return records(hint)  # type: ignore[arg-type]  # a class, not an instance
    return st.just(UNKNOWN)  # Literal[Unknown.UNKNOWN]


def records(kind: type) -> st.SearchStrategy[Any]:
    """Records with any of their fields set; fields that come later are drawn too."""
    hints = get_type_hints(kind)
    needed = {spec.name: values_of(hints[spec.name]) for spec in fields(kind) if spec.default is MISSING}
    others = {spec.name: values_of(hints[spec.name]) for spec in fields(kind) if spec.default is not MISSING}
    return st.fixed_dictionaries(needed, optional=others).map(lambda given: kind(**given))


def through(data: Any) -> Any:
    """The data as a journal's reader sees it."""
    return orjson.loads(orjson.dumps(data))


@given(records(Reply))
@settings(max_examples=examples(150), deadline=None)
def test_a_reply_comes_back_as_it_was(reply: Reply) -> None:
    """Whatever is known, known to be none, or unknown in a reply is so after writing and reading."""
    assert reply_from_json(through(reply_to_json(reply))) == reply


@given(records(MessageRecord))
@settings(max_examples=examples(100), deadline=None)
def test_a_message_comes_back_as_it_was(message: MessageRecord) -> None:
    """The same for a stored message."""
    assert message_from_json(through(message_to_json(message))) == message


@given(records(Reply))
@settings(max_examples=examples(50), deadline=None)
def test_unknown_is_left_out_and_none_is_written(reply: Reply) -> None:
    """A key is there exactly where the engine reported the field; its value is null where it is known to be none."""
    written = reply_to_json(reply)
    for spec in fields(Reply):
        if spec.default is UNKNOWN:
            given_value = getattr(reply, spec.name)
            assert (spec.name in written) == (given_value is not UNKNOWN)
            assert (written.get(spec.name, 0) is None) == (given_value is None)


@given(records(Fault), TEXT, st.none() | TEXT)
@settings(max_examples=examples(30), deadline=None)
def test_a_turn_that_broke_or_was_not_sent_comes_back(fault: Fault, why: str, user: str | None) -> None:
    """A journal's turn holds a fault or a reason instead of a reply."""
    broken = through({"i": 3, "user": user, "fault": fault_to_json(fault), "elapsed_ms": 1.5})
    assert turn_from_json(broken) == TurnRecord(3, user, fault=fault, elapsed_ms=1.5)
    assert turn_from_json(through({"i": 0, "user": user, "skipped": why})) == TurnRecord(0, user, skipped=why)


def known_keys(kind: type) -> st.SearchStrategy[dict[str, Any]]:
    """Mappings under a record's own keys with anything in them."""
    names = st.sampled_from([spec.name for spec in fields(kind)])
    return st.dictionaries(names | TEXT, JSON, max_size=6)


@given(known_keys(Reply), known_keys(MessageRecord))
@settings(max_examples=examples(300), deadline=None)
def test_no_json_makes_more_than_a_misfit(reply: dict[str, Any], message: dict[str, Any]) -> None:
    """A line of another shape is read or refused with its place in words; what is read can be written."""
    for read, write, data in (
        (reply_from_json, reply_to_json, reply),
        (message_from_json, message_to_json, message),
    ):
        try:
            record: Any = read(data)
        except Misfit as problem:
            where, _, what = str(problem).rpartition(": ")
            assert where.split(".")[0] in data or what == "it is missing"
            continue
        written: Any = write(record)
        assert read(through(written)) == record


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"response": 3}, r"response: text is expected"),
        ({"rules": [{"name": "a", "score": "high"}]}, r"rules\.0\.score: a number is expected"),
        ({"rules": [{"score": 1}]}, r"rules\.0\.name: it is missing"),
        ({"tools": {"name": "x"}}, r"tools: a list is expected"),
        ({"tools": ["look"]}, r"tools\.0: a mapping is expected"),
        ({"tokens": {"total": 1.5}}, r"tokens\.total: a whole number is expected"),
        ({"tokens": {"total": True}}, r"tokens\.total: a whole number is expected"),
        ({"metadata": [1]}, r"metadata: a mapping with text keys is expected"),
        ({"confidence": []}, r"confidence: a number or text is expected"),
        ({"response": None}, r"response: text is expected"),
    ],
)
def test_a_misfit_names_its_place(data: dict[str, Any], message: str) -> None:
    """The place leads to the value, with the index in a list."""
    with pytest.raises(Misfit, match=rf"^{message}$"):
        reply_from_json(data)


def test_keys_of_a_later_version_are_passed_over() -> None:
    """A journal of a newer version can be read."""
    assert reply_from_json({"response": "Hi", "mood": "good", "rules": [{"name": "a", "colour": "red"}]}).response == "Hi"


def test_a_transcript_is_read_from_its_lines() -> None:
    """Turns in order, stored messages where there were any, and what was saved, later values over earlier ones."""
    turns: list[Mapping[str, Any]] = [
        {"i": 0, "user": "a", "reply": {"response": "x"}, "saved": {"n": 1, "m": 1}},
        {"i": 1, "user": "b", "reply": {"response": "y"}, "saved": {"n": 2}},
    ]
    found = transcript_from_json(turns, {"messages": [{"role": "user", "text": "a"}]})
    assert [turn.reply and turn.reply.response for turn in found.turns] == ["x", "y"]
    assert found.saved == {"n": 2, "m": 1}
    assert found.messages == (MessageRecord("user", "a"),)
    assert transcript_from_json(turns, {}).messages is UNKNOWN
