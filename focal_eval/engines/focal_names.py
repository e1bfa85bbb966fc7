"""Names for what Focal reports as ids: rules, scenarios and steps as its lists call them, or as a file of aliases does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

from focal_eval.document import INVALID, Reader, read_file, record_of
from focal_eval.engines.focal_fields import Fields
from focal_eval.errors import Refused
from focal_eval.records import Json
from focal_eval.value import value


@value
class Aliases:
    """What scripts call the things of an agent: a name or an id of the engine's, and the word for it."""

    rules: Mapping[str, str] = field(default_factory=dict)
    scenarios: Mapping[str, str] = field(default_factory=dict)
    steps: Mapping[str, str] = field(default_factory=dict)  # by id, by name, or by 'scenario/step' in the engine's names
    tools: Mapping[str, str] = field(default_factory=dict)


def read_aliases(path: Path, shown: str) -> Aliases:
    """The file of aliases at `path`. Raises Refused with every problem of it."""
    document = read_file(path, shown)
    made: Any = INVALID
    if document.root is not None:
        made = record_of(Aliases).read(document.root, Reader(document))
    elif not document.problems.errors:
        made = Aliases()
    if made is INVALID or document.problems.errors:
        raise Refused(f"the aliases in {shown} cannot be read", document.problems)
    aliases: Aliases = made
    return aliases


@value
class Names:
    """Names by id; an id that no list holds is its own name."""

    rules: Mapping[str, str] = field(default_factory=dict)
    scenarios: Mapping[str, str] = field(default_factory=dict)
    steps: Mapping[str, str] = field(default_factory=dict)
    aliases: Aliases = field(default_factory=Aliases)

    def rule(self, id: str) -> str:
        """What scripts call the rule."""
        name = self.rules.get(id.lower(), id)
        return _said(self.aliases.rules, id, name)

    def scenario(self, id: str) -> str:
        """What scripts call the scenario."""
        name = self.scenarios.get(id.lower(), id)
        return _said(self.aliases.scenarios, id, name)

    def step(self, scenario: str, id: str) -> str:
        """What scripts call the step; the same name may be a step of several scenarios."""
        name = self.steps.get(id.lower(), id)
        flow = self.scenarios.get(scenario.lower(), scenario)
        return _said(self.aliases.steps, id, f"{flow}/{name}", name)

    def tool(self, name: str) -> str:
        """What scripts call the tool."""
        return _said(self.aliases.tools, name)


def _said(aliases: Mapping[str, str], *known: str) -> str:
    """The alias of the first of these words that has one, else the last word."""
    return next((aliases[word] for word in known if word in aliases), known[-1])


def names_of(rules: Iterable[Json], scenarios: Iterable[Json], aliases: Aliases) -> Names:
    """The names in the items of `/rules` and `/scenarios`. Raises EngineProtocol on items of another shape."""
    flows = [Fields(item, "a scenario") for item in scenarios]
    steps = [Fields(step, "a step") for flow in flows for step in flow.list("steps")]
    return Names(
        rules=dict(_named(Fields(item, "a rule")) for item in rules),
        scenarios=dict(map(_named, flows)),
        steps=dict(map(_named, steps)),
        aliases=aliases,
    )


def _named(item: Fields) -> tuple[str, str]:
    return item.id("id").lower(), item.text("name")
