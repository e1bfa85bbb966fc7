"""The simulated customers of the retail example: they pass, they differ, and a broken agent is found out by them."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from focal_eval.errors import ExitCode
from focal_eval.evaluate import RunRequest, RunResult, run
from focal_eval.script.load import Loader, files_below
from focal_eval.script.model import ENDS, Script
from tests.examples.retail import AGENT, ROOT, Silent, without

SCRIPTS = ROOT / "scenarios" / "retail-simulated"
SUITE = ROOT / "evals" / "retail-simulated.yaml"


@lru_cache(maxsize=1)
def customers() -> tuple[Script, ...]:
    """Every script of the suite; a broken one fails the test that asks."""
    found = Loader(SCRIPTS).load((path, path.stem) for path in files_below(SCRIPTS))
    assert not found.problems, "\n".join(map(str, found.problems))
    return tuple(found.scripts)


def play(out: Path, agent: Path | None = None) -> RunResult:
    return run(RunRequest(paths=(SUITE,), agent=agent, out=out, reports=()), Silent())


def endings(result: RunResult) -> dict[str, dict[str, Any]]:
    """How each case ended."""
    return {
        case.name: result.model.document(case.last.end)["ending"] for case in result.model.cases if case.last.end is not None
    }


def test_every_customer_is_understood(tmp_path: Path) -> None:
    """All pass, three times each; some are done and some leave, and nobody is to blame for anything."""
    result = play(tmp_path / "run")
    assert result.exit_code is ExitCode.OK
    assert {verdict for verdict, count in result.model.counts.items() if count} == {"passed"}
    found = endings(result)
    assert Counter(one["end"] for one in found.values()) == {"done": 39, "leaves": 6}
    assert not [name for name, one in found.items() if "blame" in one]


def test_every_state_is_visited_but_what_only_a_worse_agent_leads_to(tmp_path: Path) -> None:
    """States that nobody came to are of customers who would give up, or say it once more."""
    visited: dict[str, set[str]] = {}
    for name, one in endings(play(tmp_path / "run")).items():
        visited.setdefault(name.partition("[")[0].partition("#")[0], set()).update(one["path"])
    missed = {
        (script.id, state.name)
        for script in customers()
        if script.simulator is not None
        for state in script.simulator.states
        if state.name not in visited[script.id]
    }
    assert missed == {("impatient", "asks_again")}


@pytest.mark.parametrize(
    ("rule", "customer", "verdict", "end"),
    [
        ("rule-stands", "insists[days=15]#1", "failed", "done"),
        ("no-replacement-left", "takes-the-refund-instead[stock=0,settled_by=create_refund]#1", "failed", "done"),
        ("abuse-warning", "loses-temper#1", "errored", "no-edge"),
        ("identify-by-email", "answers-what-is-asked#1", "failed", "no-edge"),
    ],
)
def test_a_rule_that_is_gone_is_noticed(rule: str, customer: str, verdict: str, end: str, tmp_path: Path) -> None:
    """Where an expectation fails the engine is to blame; where the customer alone is stranded, it is not."""
    agent = tmp_path / "agent.yaml"
    agent.write_text(without(rule), encoding="utf-8")
    result = play(tmp_path / "run", agent)
    case = next(case for case in result.model.cases if case.name == customer)
    ending = endings(result)[customer]
    assert (case.verdict, ending["end"]) == (verdict, end)
    assert ending["blame"] == ("engine" if verdict == "failed" else "simulator")


def test_no_customer_is_another() -> None:
    """Titles tell them apart, all are tagged, and every end that is a user's own is shown, be it on a way not taken."""
    titles = [script.title for script in customers()]
    assert len(titles) == len(set(titles)) >= 12
    assert all("simulated" in script.tags for script in customers())
    users = [script.simulator for script in customers() if script.simulator is not None]
    assert {edge.to for user in users for state in user.states for edge in state.then} >= {*ENDS}
    assert AGENT.is_file()
