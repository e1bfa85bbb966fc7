"""How reports tell which cassette a run was replayed from."""

from __future__ import annotations

from typing import Any

import pytest

from focal_eval.report.wording import cassette_words, engine_words


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ({"turns": "replay"}, "replayed from cassette a.jsonl"),
        ({"turns": "record"}, "recorded to cassette a.jsonl"),
        ({"turns": "replay-else-record"}, "replayed from or recorded to cassette a.jsonl"),
        ({"model": "replay", "tools": "record"}, "model replayed from, tools recorded to cassette a.jsonl"),
        ({}, "with cassette a.jsonl"),
        ("odd", "with cassette a.jsonl"),
    ],
)
def test_a_cassette_is_told_with_what_it_was_used_for(layers: Any, words: str) -> None:
    """Each layer with its mode; a header that somebody else wrote is told as far as it goes."""
    cassette = {"file": "a.jsonl", "layers": layers}
    assert cassette_words({"kind": "embedded", "cassette": cassette}) == words
    assert engine_words({"kind": "embedded", "name": None, "cassette": cassette}) == f"embedded, {words}"


def test_an_engine_without_a_cassette_is_told_alone() -> None:
    """Nothing is said where a header names no cassette."""
    assert cassette_words({"kind": "embedded"}) == ""
    assert engine_words({"kind": "openai", "name": "nightly"}) == "nightly (openai)"
