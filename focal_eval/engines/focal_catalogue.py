"""What a Focal server lists: the agent that is meant, and the names of its rules, scenarios and steps."""

from __future__ import annotations

from focal_eval.engines.base import Names as Listed
from focal_eval.engines.focal_fields import Fields, is_uuid
from focal_eval.engines.focal_names import Aliases, Names, names_of
from focal_eval.engines.focal_records import EXTRA, page_of
from focal_eval.engines.wire import Wire
from focal_eval.errors import EngineError, EngineProtocol
from focal_eval.records import Json
from focal_eval.registry import did_you_mean
from focal_eval.text import listed
from focal_eval.value import value

PAGE = 100  # Focal gives no more at once
MOST = 100_000  # items of one list


@value
class Meant:
    """The agent a suite means, and names for what it reports."""

    id: str
    name: str
    names: Names
    able: Fields | None = None  # what `focal-eval serve` says it can do
    listed: Listed | None = None  # where the lists were read already


async def listing(wire: Wire, path: str, where: str, params: dict[str, str] | None = None, offset: int = 0) -> list[Json]:
    """Every item of a paged list from `offset` on, in the server's order."""
    out: list[Json] = []
    while len(out) < MOST:
        asked = {**(params or {}), "limit": str(PAGE), "offset": str(offset + len(out))}
        answer = await wire.request("GET", path, params=asked, safe=True)
        page = page_of(answer.json(), where, PAGE)
        out += page.items
        if page.last:
            return out
    raise EngineProtocol(f"{where} have more than {MOST:,} items")


async def find_agent(wire: Wire, wanted: str | None, aliases: Aliases, *, served: bool) -> Meant:
    """The agent with this id or name, the only one where none is named. Raises EngineError where there is no such agent.

    Chats with an agent that does not exist are answered all the same, so this is asked before the first one.
    """
    params = {EXTRA: "true"} if served else {}
    if wanted is not None and is_uuid(wanted):
        answer = await wire.request("GET", f"/v1/agents/{wanted}", params=params, safe=True)
        found = Fields(answer.json(), "the agent")
    else:
        found = _chosen(await listing(wire, "/v1/agents", "the agents", params), wanted)
    meant, name = found.id("id"), found.text("name")
    if served:
        if EXTRA not in found.data:
            raise EngineProtocol(f"the server sent no '{EXTRA}', so it is not focal-eval's; leave 'served: true' out")
        return Meant(meant, name, Names(aliases=aliases), Fields(found.data[EXTRA], f"'{EXTRA}' of the agent"))
    rules = await listing(wire, f"/v1/agents/{meant}/rules", "the rules")
    scenarios = await listing(wire, f"/v1/agents/{meant}/scenarios", "the scenarios")
    names = names_of(rules, scenarios, aliases)
    return Meant(meant, name, names, listed=_listed(name, meant, names, scenarios))


async def catalogue(wire: Wire, meant: Meant, aliases: Aliases) -> Listed:
    """The names of everything that the server lists of an agent."""
    if meant.listed is not None:
        return meant.listed
    rules = await listing(wire, f"/v1/agents/{meant.id}/rules", "the rules")
    scenarios = await listing(wire, f"/v1/agents/{meant.id}/scenarios", "the scenarios")
    return _listed(meant.name, meant.id, names_of(rules, scenarios, aliases), scenarios)


def _listed(name: str, id: str, names: Names, scenarios: list[Json]) -> Listed:
    flows = {}
    for flow in (Fields(item, "a scenario") for item in scenarios):
        known = flow.id("id")
        steps = (Fields(step, "a step").id("id") for step in flow.list("steps"))
        flows[names.scenario(known)] = frozenset(names.step(known, step) for step in steps)
    rules = frozenset(map(names.rule, names.rules))
    return Listed(f"the server's agent '{name}'", "", id, rules, scenarios=flows)


def _chosen(items: list[Json], wanted: str | None) -> Fields:
    agents = [Fields(item, "an agent") for item in items]
    fitting = [agent for agent in agents if wanted is None or agent.text("name") == wanted]
    if len(fitting) == 1:
        return fitting[0]
    known = [agent.text("name") for agent in agents]
    if wanted is None:
        said = f"they are {listed(known, most=12)}; name one with 'agent'" if known else "name another tenant"
        raise EngineError(f"the tenant has {len(known)} agents; {said}")
    if fitting:
        ids = listed([agent.text("id") for agent in fitting])
        raise EngineError(f"{len(fitting)} agents are named '{wanted}'; say which by id: {ids}")
    fix = did_you_mean(wanted, known)
    raise EngineError(f"the tenant has no agent named '{wanted}'" + (f"; {fix}" if fix else ""))
