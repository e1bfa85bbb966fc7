"""What scripts ask of the engine they run on, compared with what it can do, before anything is sent."""

from __future__ import annotations

from collections.abc import Iterable

from focal_eval.checks.base import ConversationCheck, as_check
from focal_eval.checks.reported import not_reported
from focal_eval.engines import Abilities
from focal_eval.errors import Diagnostic, Problems
from focal_eval.script.model import Script
from focal_eval.script.names import expectations_of


def check_demands(scripts: Iterable[Script], abilities: Abilities, kind: str, *, unreported: str) -> list[Diagnostic]:
    """Errors for what this engine cannot be asked; unreported fields only under the policy `refuse`."""
    problems = Problems()
    for script in scripts:
        if unreported == "refuse":
            _reported(script, abilities, problems)
        _seeded(script, abilities, kind, problems)
    return problems.items


def _reported(script: Script, abilities: Abilities, problems: Problems) -> None:
    for item in expectations_of(script):
        if item.check is None:
            continue
        check = as_check(item.check)
        missing = sorted(check.needed() - abilities.reports)
        if missing:
            what = "before a run" if not isinstance(check, ConversationCheck) else "for the conversation"
            fix = "set 'unreported: skip' in the suite to judge the rest"
            problems.error("unreported", f"{not_reported(missing[0])}, which is asked {what}", item.span, help=fix)


def _seeded(script: Script, abilities: Abilities, kind: str, problems: Problems) -> None:
    for turn in script.turns:
        if not turn.user and not abilities.speaks_first:
            problems.error(
                "cannot-speak-first", f"the engine '{kind}' says nothing unasked", turn.span, help="give the turn a 'user'"
            )
    given = script.given
    place = given.span or script.span
    if given.variables and "variables" not in abilities.seeds:
        problems.error("cannot-seed", f"the engine '{kind}' does not take 'given: variables'", place)
    if given.scenario and "scenario" not in abilities.seeds:
        problems.error("cannot-seed", f"the engine '{kind}' cannot start in a scenario", given.scenario_span or place)
