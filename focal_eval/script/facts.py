"""What planning and the checks before a run ask of a script, in few words: enough where nothing about it is unusual."""

from __future__ import annotations

from typing import Any

from focal_eval.script.model import Script
from focal_eval.script.names import check_idle, expectations_of
from focal_eval.template import has_template
from focal_eval.value import value

Name = tuple[str, str]
"""Kind (rule, tool, argument, scenario, template, variable) and name of something an agent has."""


@value
class Facts:
    """A script that is whole in itself: no params, no template, no golden text, nothing that is warned about on any engine."""

    tags: tuple[str, ...]
    turns: int
    wordings: int  # of the turn that has most
    names: tuple[Name, ...]  # of the agent's, each once, sorted
    fields: tuple[str, ...]  # of what engines report, each once, sorted
    asks: tuple[str, ...]  # of the engine: "variables", "scenario", "stubs", "speaks_first"
    loads: tuple[str, ...] = ()  # keys of checks that have something to load


def facts_of(script: Script) -> Facts | None:
    """The facts about a script; None where it has to be looked at itself."""
    if script.rows != ({},) or script.param_spans or script.skip is not None or script.simulator is not None:
        return None
    if any(turn.agent for turn in script.turns) or any(map(has_template, script.texts.values())):
        return None
    if check_idle(script):
        return None
    names: set[Name] = set()
    fields: set[str] = set()
    for item in expectations_of(script):
        if item.check is None or item.check.aid is not None or item.key.rsplit(".", 1)[-1] == "python":
            return None
        names.update((ref.kind, ref.name) for ref in item.check.refs())
        fields.update(item.check.needed())
    for stub in script.stubs:
        names.add(("tool", stub.tool))
        names.update(("argument", f"{stub.tool}.{name}") for answer in stub.answers for name in answer.argument_spans)
    given = script.given
    if given.scenario:
        names.add(("scenario", given.scenario))
    asks = {
        "variables": bool(given.variables),
        "scenario": bool(given.scenario),
        "stubs": bool(script.stubs),
        "speaks_first": not all(turn.user for turn in script.turns),
    }
    wordings = max((len(turn.user) for turn in script.turns), default=1) or 1
    asked = tuple(sorted(name for name, told in asks.items() if told))
    loads = loads_of(script)
    return Facts(script.tags, len(script.turns), wordings, tuple(sorted(names)), tuple(sorted(fields)), asked, loads)


def loads_of(script: Script) -> tuple[str, ...]:
    """The keys of a script's checks that have something to load before the first turn, each once, sorted."""
    found = {item.key for item in expectations_of(script) if item.check is not None and item.check.loads}
    return tuple(sorted(found))


def facts_from(data: list[Any]) -> Facts:
    """The facts that `facts_json` wrote. Raises what damaged data make it raise."""
    tags, turns, wordings, names, fields, asks, loads = data
    named = tuple([(kind, name) for kind, name in names])
    return Facts(tuple(tags), int(turns), int(wordings), named, tuple(fields), tuple(asks), tuple(loads))


def facts_json(facts: Facts | None) -> list[Any] | None:
    """The facts as plain data."""
    if facts is None:
        return None
    return [facts.tags, facts.turns, facts.wordings, facts.names, facts.fields, facts.asks, facts.loads]
