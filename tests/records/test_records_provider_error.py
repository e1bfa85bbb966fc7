"""Errors of a model's provider that come as a reply."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from focal_eval.records import provider_error as module
from focal_eval.records.provider_error import find_provider_error, provider_error


@pytest.mark.parametrize("phrase", module._PHRASES)
def test_no_phrase_is_missed_for_want_of_a_word(phrase: str) -> None:
    """Whatever a phrase matches is found, so it holds one of the words that are looked for first."""

    @given(st.from_regex(re.compile(phrase), fullmatch=True))
    def found(text: str) -> None:
        assert find_provider_error(text) is not None

    found()


def test_the_words_around_are_told() -> None:
    """The passage is folded and cut; an answer has none."""
    assert provider_error("OPENAI_API_KEY  is not set") == "openai_api_key is not set"
    assert provider_error("Your parcel left on Tuesday.") is None
