"""Looks at each script of a run once, while it is read: what it names, what it asks of the engine, what no case of it says."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from focal_eval.engines import Abilities
from focal_eval.errors import Problems
from focal_eval.evaluate.demands import Demands, unsaid_variants
from focal_eval.evaluate.golden import with_golden
from focal_eval.evaluate.judge_setup import Needs
from focal_eval.script.facts import Facts
from focal_eval.script.model import Script
from focal_eval.script.names import KnownNames, Sound, check_idle, check_references, expectations_of, has_names
from focal_eval.script.suite import SuiteFields

if TYPE_CHECKING:
    from focal_eval.engines import Engine


class Inspection:
    """What was found in the scripts so far, by who looks for it."""

    def __init__(self, fields: SuiteFields, names: KnownNames | None, *, allow_python: bool) -> None:
        self._fields, self._allow_python = fields, allow_python
        self._names = None if names is None else replace(names, replay=True)
        self._known: Sound = {}
        self._able: Sound = {}
        self._demands: Demands | None = None
        self._needs = Needs(fields)
        self.unknown, self.idle, self.python, self.unsaid = Problems(), Problems(), Problems(), Problems()

    def engine(self, engine: Engine, kind: str) -> None:
        """Has scripts held to what this engine can do."""
        abilities: Abilities = engine.abilities
        self._demands = Demands(abilities, kind, unreported=self._fields.unreported)

    @property
    def demands(self) -> Problems:
        """What the engine cannot be asked, and what is refused to the scripts."""
        out = Problems()
        if self._demands is not None:
            out.extend(self._demands.problems)
        out.extend(self.python)
        out.extend(self._needs.problems)
        return out

    def finish(self, script: Script) -> Script:
        """The script as it is played."""
        return with_golden(script, self._fields.golden)

    def passes(self, facts: Facts) -> bool:
        """Whether `look` would find nothing in the script these facts are about, and leave it as it is."""
        fields, names = self._fields, self._names
        if fields.variants != "all" and facts.wordings > fields.repeats.sure:
            return False
        if names is not None and not has_names(names, facts.names):
            return False
        return self._demands is None or self._demands.met(facts)

    def look(self, script: Script) -> Script:
        """Looks at a script; returns it as it is played."""
        if self._names is not None:
            self.unknown.extend(check_references(script, self._names, replay=True, sound=self._known))
        self.idle.extend(check_idle(script, self._able))
        script = self.finish(script)
        if self._demands is not None:
            self._demands.look(script)
        self._needs.look(script)
        if not self._allow_python:
            for item in expectations_of(script):
                if item.key.rsplit(".", 1)[-1] == "python":
                    self.python.error("python-refused", "local Python is switched off by --no-python", item.span)
        unsaid_variants(script, self._fields, self.unsaid)
        return script
