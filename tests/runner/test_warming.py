"""What a run loads once is loaded before its first turn."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from focal_eval.checks import language
from focal_eval.runner.plan import Plan, Selection, make_plan
from focal_eval.runner.warming import warm
from focal_eval.script.cache import FEWEST, Cached, ScriptCache
from focal_eval.script.load import Loader
from focal_eval.script.shelf import Filed, Shelf

PLAIN = "turns:\n  - user: hi\n    expect: {response: {contains: x}}\n"
GERMAN = "turns:\n  - user: hi\n    expect: {response: {language: de}}\n"


@pytest.fixture(autouse=True)
def unloaded() -> Iterator[None]:
    """No model of languages is held, and none that a test loaded is left to others."""
    language._whole.cache_clear()
    yield
    language._whole.cache_clear()


def _plan(folder: Path, texts: list[str]) -> Plan:
    """A plan of scripts that come from the cache, and are unpacked when they are played."""
    entries = [(folder / f"s{number}.yaml", f"s{number}") for number in range(len(texts))]
    for (path, _), text in zip(entries, texts, strict=True):
        path.write_text(text)
    Loader(folder, ScriptCache(folder / "cache", folder)).load(entries)
    loader = Loader(folder, ScriptCache(folder / "cache", folder))
    shelf = Shelf(loader, lambda script: script)
    for found in loader.glance(entries):
        assert isinstance(found, Cached)
        assert found.facts is not None
        shelf.put(found, found.facts)
    return make_plan(list(shelf.planned), repeats=1, variants="all", select=Selection())


def test_the_model_of_languages_is_loaded_before_the_first_turn_where_a_script_asks_for_it(tmp_path: Path) -> None:
    """It need not be the first script, nor one that is held in memory."""
    plan = _plan(tmp_path, [*[PLAIN] * FEWEST, GERMAN])
    assert all(isinstance(case.script, Filed) for case in plan.cases)
    warm(plan)
    assert language._whole.cache_info().currsize == 1


def test_a_run_that_asks_for_no_language_loads_no_model(tmp_path: Path) -> None:
    """Half a second and a hundred megabytes are spared."""
    warm(_plan(tmp_path, [PLAIN] * FEWEST))
    assert language._whole.cache_info().currsize == 0
