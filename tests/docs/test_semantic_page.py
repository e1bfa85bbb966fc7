"""docs/reference/semantic.md: its commands do what stands there, and its error rates are those that are measured now."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from focal_eval.checks.semantic import LEXICAL_AT_LEAST, MODEL_AT_LEAST
from focal_eval.checks.semantic_model import installed
from tests.docs.test_console_blocks import compare, prepared, printed, steps_of

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "semantic.md"

pytestmark = pytest.mark.skipif(not installed(), reason="pip install 'focal-eval[semantic]'")


@pytest.fixture(scope="module")
def meaning() -> ModuleType:
    """benchmarks/meaning.py."""
    spec = importlib.util.spec_from_file_location("meaning", ROOT / "benchmarks" / "meaning.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["meaning"] = module  # its dataclasses look themselves up
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow  # the thresholds that follow from them are held in every run
def test_the_error_rates_are_measured_now(meaning: ModuleType) -> None:
    """Encoded again, every figure on the page comes out; `python benchmarks/meaning.py --write` brings it up to date."""
    text = PAGE.read_text(encoding="utf-8")
    assert meaning.with_tables(text) == text


def test_the_default_thresholds_are_those_that_were_chosen(meaning: ModuleType) -> None:
    """On the groups that tell no rates."""
    pairs = meaning.read_pairs(meaning.PAIRS.read_text(encoding="utf-8"))
    assert meaning.threshold(meaning.by_model(pairs)) == MODEL_AT_LEAST
    assert meaning.threshold(meaning.by_words(pairs)) == LEXICAL_AT_LEAST


def test_there_are_enough_pairs_of_every_kind(meaning: ModuleType) -> None:
    """At least three hundred that were written, in three languages, none twice."""
    pairs = meaning.read_pairs(meaning.PAIRS.read_text(encoding="utf-8"))
    written = [pair for pair in pairs if pair.kind != meaning.OTHER_TALK]
    assert len(written) >= 300
    assert len({(pair.expected, pair.said) for pair in written}) == len(written)
    assert {pair.language for pair in written} == {"en", "de", "es"}
    assert {pair.kind for pair in pairs} == {meaning.SAME, meaning.OTHER_TALK, *meaning.WORDS.values()}


def test_the_commands_print_what_the_page_says(tmp_path: Path) -> None:
    """In a copy of the project."""
    environment = prepared(PAGE, tmp_path)
    for step in steps_of(PAGE):
        compare(step, printed(step, environment, tmp_path), PAGE.name)
