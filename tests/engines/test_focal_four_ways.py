"""An agent is the same agent however it is reached."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from focal_eval.errors import ExitCode
from tests.engines.four_ways import AGENT, ROOT, observed, play, served, suite_with_a_callable

WAYS = ("served", "streamed", "called")


@pytest.mark.parametrize("parts", [3, pytest.param(1, marks=pytest.mark.slow)])
def test_the_suite_shows_the_same_in_four_ways(parts: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Embedded, served, streamed and called: replies, verdicts, findings and stored messages.

    Every script of evals/retail.yaml is played embedded and in one other way; in all four where the suite is not divided.
    """
    suite = suite_with_a_callable(tmp_path)
    embedded = play(suite, tmp_path / "embedded", None)
    expected = observed(tmp_path / "embedded")
    assert (embedded.exit_code, len(expected) > 180) == (ExitCode.OK, True)
    scripts = sorted(file for file in (ROOT / "scenarios" / "retail").rglob("*.yaml") if ".fragment." not in file.name)
    with served() as url:
        monkeypatch.setenv("FOCAL_EVAL_SERVED", url)
        seen: set[str] = set()
        for number, way in enumerate(WAYS):
            result = play(suite, tmp_path / way, way, tuple(scripts[number::parts]) if parts > 1 else ())
            found = observed(tmp_path / way)
            wanted = {name: case for name, case in expected.items() if parts == 1 or name in found}
            if way == "called":  # a function keeps no messages
                found, wanted = without_messages(found), without_messages(wanted)
            assert (way, result.exit_code, differing(found, wanted)) == (way, ExitCode.OK, [])
            assert (way, len(found)) == (way, len(wanted))
            assert len(wanted) > len(expected) / 2 / parts
            seen |= set(found)
    assert seen == set(expected)


def test_what_differs_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison is no formality: one word that the served agent says otherwise shows in the cases where it is said."""
    suite = suite_with_a_callable(tmp_path)
    scripts = tuple(sorted((ROOT / "scenarios" / "retail" / "greeting").glob("*.yaml")))
    play(suite, tmp_path / "embedded", None, scripts)
    other = tmp_path / "other.yaml"
    other.write_text(AGENT.read_text(encoding="utf-8").replace("I am the Larkfield assistant", "I am Larkfield's assistant"))
    with served(other) as url:
        monkeypatch.setenv("FOCAL_EVAL_SERVED", url)
        play(suite, tmp_path / "served", "served", scripts)
    found, wanted = observed(tmp_path / "served"), observed(tmp_path / "embedded")
    assert {name.partition("[")[0] for name in differing(found, wanted)} == {"greeting/what-can-you-do"}


def differing(found: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    """Names of cases that do not show the same."""
    return [name for name in wanted if found.get(name) != wanted[name]]


def without_messages(cases: dict[str, Any]) -> dict[str, Any]:
    """The cases without stored messages and what was judged of them."""
    return {
        name: case | {"messages": None, "results": [one for one in case["results"] if one["key"] != "conversation.records"]}
        for name, case in cases.items()
    }
