"""What scripts ask of the engine they run on, compared with what it can do, before anything is sent."""

from __future__ import annotations

from collections.abc import Iterable

from focal_eval.checks.base import ConversationCheck, as_check
from focal_eval.checks.reported import not_reported
from focal_eval.engines import Abilities
from focal_eval.errors import Diagnostic, Problems
from focal_eval.script.facts import Facts
from focal_eval.script.model import Script
from focal_eval.script.names import Sound, expectations_of, found_sound
from focal_eval.script.previews import previews
from focal_eval.script.suite import SuiteFields
from focal_eval.text import counted


class Demands:
    """What scripts ask of one engine: errors for what it cannot be asked, unreported fields only under `refuse`; warnings of
    unheard stubs.
    """

    def __init__(self, abilities: Abilities, kind: str, *, unreported: str) -> None:
        self._abilities, self._kind, self._unreported = abilities, kind, unreported
        self._sound: Sound = {}
        self.problems = Problems()

    def met(self, facts: Facts) -> bool:
        """Whether the engine can be asked all that a script asks, so that it need not be looked at."""
        able = self._abilities
        if self._unreported == "refuse" and not able.reports.issuperset(facts.fields):
            return False
        offered = {*able.seeds, *(("stubs",) if able.stubs else ()), *(("speaks_first",) if able.speaks_first else ())}
        return offered.issuperset(facts.asks)

    def look(self, script: Script) -> None:
        """Looks at one script more."""
        if self._unreported == "refuse":
            _reported(script, self._abilities, self.problems, self._sound)
        _seeded(script, self._abilities, self._kind, self.problems)
        if script.stubs and not self._abilities.stubs and self._kind != "cassette":  # whose calls have their recorded answers
            text = f"the engine '{self._kind}' takes no stubs: its tools answer what they will"
            self.problems.warning("stubs-unheard", text, script.stubs[0].span)


def check_demands(scripts: Iterable[Script], abilities: Abilities, kind: str, *, unreported: str) -> list[Diagnostic]:
    """The same of several scripts."""
    demands = Demands(abilities, kind, unreported=unreported)
    for script in scripts:
        demands.look(script)
    return demands.problems.items


def _reported(script: Script, abilities: Abilities, problems: Problems, sound: Sound) -> None:
    for item in expectations_of(script):
        if id(item.check) in sound:
            continue
        seen = item if item.check is not None else next(previews(item, script), None)
        if seen is None:
            continue
        check = as_check(seen.check)
        missing = sorted(check.needed() - abilities.reports)
        if missing:
            what = "before a run" if not isinstance(check, ConversationCheck) else "for the conversation"
            fix = "set 'unreported: skip' in the suite to judge the rest"
            problems.error("unreported-field", f"{not_reported(missing[0])}, which is asked {what}", item.span, help=fix)
        elif seen is item:
            found_sound(sound, check)


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


def unsaid_variants(script: Script, fields: SuiteFields, problems: Problems) -> None:
    """Warnings for texts of `user` that no case of this run says: they rotate over rows and repeats, and there are too few."""
    if fields.variants == "all":
        return
    cases = len(script.rows) + fields.repeats.sure - 1
    for turn in script.turns:
        if len(turn.user) > cases:
            text = f"no case says this: {len(turn.user)} texts rotate over {counted(cases, 'case')}"
            problems.warning("variant-never-said", text, turn.user[cases].span, help="set 'variants: all' in the suite")
