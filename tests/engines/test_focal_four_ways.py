"""An agent is the same agent however it is reached."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from focal_eval.errors import ExitCode
from tests.engines.four_ways import ROOT, SUITE, observed, play, served, suite_with_a_callable

FEW = ("returns", "greeting", "tool-failures", "languages")
WAYS = ("served", "streamed", "called")


def compared(folder: Path, monkeypatch: pytest.MonkeyPatch, only: tuple[Path, ...]) -> int:
    """Runs the scripts in four ways, which must show the same; gives the number of cases."""
    suite = suite_with_a_callable(folder)
    assert play(suite, folder / "embedded", None, only).exit_code is ExitCode.OK
    expected = observed(folder / "embedded")
    with served() as url:
        monkeypatch.setenv("FOCAL_EVAL_SERVED", url)
        for way in WAYS:
            assert play(suite, folder / way, way, only).exit_code is ExitCode.OK
            found = observed(folder / way)
            wanted = expected
            if way == "called":  # a function keeps no messages
                found, wanted = without_messages(found), without_messages(expected)
            differing = [name for name in wanted if found.get(name) != wanted[name]]
            assert (way, differing, len(found)) == (way, [], len(expected))
    return len(expected)


def without_messages(cases: dict[str, Any]) -> dict[str, Any]:
    """The cases without stored messages and what was judged of them."""
    return {
        name: case | {"messages": None, "results": [one for one in case["results"] if one["key"] != "conversation.records"]}
        for name, case in cases.items()
    }


def test_some_scripts_show_the_same_in_four_ways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Embedded, served, streamed and called: replies, verdicts, findings and stored messages are equal."""
    scripts = tuple(path for name in FEW for path in sorted((ROOT / "scenarios" / "retail" / name).glob("*.yaml")))
    assert compared(tmp_path, monkeypatch, scripts) > 25


@pytest.mark.slow
def test_the_whole_suite_shows_the_same_in_four_ways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of evals/retail.yaml, with its seeds, stubs, variants and known gaps."""
    assert compared(tmp_path, monkeypatch, ()) > 180


def test_the_suite_names_the_served_engines() -> None:
    """A reader finds both ways of the served agent in the suite itself."""
    text = SUITE.read_text(encoding="utf-8")
    assert "served: true" in text
    assert "stream: true" in text
