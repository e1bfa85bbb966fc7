"""The retail example, run: it passes, and it notices when a rule of the agent is gone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from focal_eval.errors import ExitCode, Refused
from tests.examples.retail import AGENT, agent, asserting, deleting, play, scripts, without

LOAD_BEARING = [
    "return-window",
    "return-window-electronics",
    "final-sale",
    "refund-limit",
    "photo-first",
    "gold-member",
    "identify-by-email",
    "cancel-pending-only",
    "counts-as-lost",
    "price-difference",
    "safety-first",
    "abuse-end",
    "tool-failure",
    "speak-english",
    "no-tax-advice",
    "agreed",
]

# Rules whose work shows in these scripts although the scripts do not name them.
FELT = {
    "address-pending-only": "address/while-pending",
    "agreed": "cancellation/reasons-in-their-words",
    "cancel-pending-only": "cancellation/while-pending",
    "counts-as-lost": "parcels/where-the-line-is",
    "damage-window": "damage/thirty-days-for-damage",
    "gold-member": "loyalty/label-by-tier",
    "identify-by-email": "orders/number-asked-for",
    "identify-by-name-zip": "corrections/the-other-colour",
    "photo-first": "damage/photo-from-forty",
    "price-difference": "corrections/the-other-colour",
    "refund-limit": "refunds/fifty-is-the-limit",
    "return-window": "returns/thirty-days",
    "tool-failure": "tool-failures/nothing-but-a-callback",
}


def test_the_whole_suite_passes(tmp_path: Path) -> None:
    """Every case passes, but the gaps that are marked as known; every gate holds."""
    result = play(tmp_path / "run")
    marked = sum(len(script.rows) for script in scripts() if script.xfail is not None)
    counts = {verdict: count for verdict, count in result.model.counts.items() if count}
    assert counts == {"passed": result.model.planned - marked, "xfailed": marked}
    assert result.model.planned > sum(len(script.rows) for script in scripts()), "variants of a turn are cases too"
    assert all(gate["passed"] for gate in result.model.gates)
    assert result.exit_code is ExitCode.OK


def test_known_gaps_are_few_and_say_why() -> None:
    """At most two scripts are expected to fail or left out, each with a sentence as its reason."""
    marks = [mark for script in scripts() for mark in (script.xfail, script.skip) if mark is not None]
    assert len(marks) <= 2
    assert all(len(mark.reason.split()) >= 8 for mark in marks)


@pytest.mark.parametrize("rule", LOAD_BEARING)
def test_switching_a_rule_off_fails_a_script(rule: str, tmp_path: Path) -> None:
    """The scripts that expect the rule fail without it."""
    assert failing_without(rule, tmp_path), f"nothing notices that {rule} is gone"


@pytest.mark.parametrize(("rule", "script"), FELT.items())
def test_deleting_a_rule_changes_what_the_agent_does(rule: str, script: str, tmp_path: Path) -> None:
    """Cut out of the agent's text, a rule is missed by a script that only looks at what is done and said."""
    changed = tmp_path / "agent.yaml"
    changed.write_text(deleting(rule), encoding="utf-8")
    result = play(tmp_path / "run", agent_file=changed, only=[script])
    assert result.model.counts["failed"] > 0
    assert result.exit_code is ExitCode.FAILED


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_switching_any_rule_off_fails_a_script(tmp_path: Path) -> None:
    """There is no rule whose loss goes unnoticed."""
    unnoticed = [str(rule.id) for rule in agent().rules if not failing_without(str(rule.id), tmp_path / str(rule.id))]
    assert unnoticed == []


def test_without_the_return_window_a_late_return_is_taken_back(tmp_path: Path) -> None:
    """The loss shows in what the agent does, not only in the rules it names."""
    assert "returns/too-late-and-insisting" in failing_without("return-window", tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "run" / "journal.jsonl").read_text(encoding="utf-8").splitlines()]
    late = next(line["case"] for line in lines if line["t"] == "case" and line["script"] == "returns/too-late-and-insisting")
    first = next(line for line in lines if line["t"] == "turn" and line["case"] == late)
    assert first["reply"]["scenario"] == {"id": "returns", "step": "refund-to"}
    failed = {result["key"] for result in first["results"] if result["outcome"] == "failed"}
    assert failed == {"rules", "scenario", "response.contains"}


def test_an_agent_that_misspells_a_rule_is_refused_with_the_places(tmp_path: Path) -> None:
    """A rule that is a slip of the fingers away is said before anything is sent, at each place that names it."""
    changed = tmp_path / "agent.yaml"
    changed.write_text(AGENT.read_text(encoding="utf-8").replace("no-discounts", "no-discunts"), encoding="utf-8")
    with pytest.raises(Refused, match="nothing was run") as refused:
        play(tmp_path / "run", agent_file=changed)
    places = [problem for problem in refused.value.diagnostics if problem.code == "unknown-rule"]
    assert {Path(problem.span.file).name for problem in places} >= {"no-goodwill.yaml", "cheaper-elsewhere.yaml"}


def failing_without(rule: str, folder: Path) -> list[str]:
    """The cases that fail when a rule is switched off, of the scripts that expect it."""
    folder.mkdir(exist_ok=True)
    changed = folder / "agent.yaml"
    changed.write_text(without(rule), encoding="utf-8")
    result = play(folder / "run", agent_file=changed, only=asserting()[rule])
    return [case.name for case in result.model.cases if case.verdict == "failed"]
