"""Where a recorded conversation stands, for the agent that held it and for the candidate that takes one turn of it."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Any

from focal_eval.agent import Playable, State, begin
from focal_eval.agent.play import UnknownPlace
from focal_eval.records import UNKNOWN, ScenarioState
from focal_eval.records.conversation import Conversation, RecordedExchange


def start(agent: Playable, conversation: Conversation) -> State:
    """The state an agent begins the conversation in; in no scenario where it does not have the one that is recorded."""
    metadata = conversation.metadata
    channel = metadata.get("channel")
    begun = partial(
        begin,
        agent,
        variables=conversation.start,
        history=conversation.history,
        channel=channel if isinstance(channel, str) else "api",
        metadata={name: item for name, item in metadata.items() if isinstance(item, (str, int, float, bool))},
    )
    try:
        return begun(scenario=conversation.scenario)
    except UnknownPlace:
        return begun()


def recorded(agent: Playable, state: State, turn: RecordedExchange, counts: Counter[str]) -> None:
    """Brings the state after a turn to what the record tells of it: words, variables and place.

    `counts` has the turns after which the agent stood elsewhere (`anchored`), and those at places it does not have.
    """
    if turn.agent is not UNKNOWN and state.history:
        state.history[-1] = [turn.user, turn.agent]
    if turn.variables is not UNKNOWN:
        state.variables.update(turn.variables)
    if turn.scenario is UNKNOWN:
        return
    if turn.scenario is None:
        if state.scenario is not None:
            counts["anchored"] += 1
        state.scenario = state.step = None
        state.suspended, state.waiting = [], []
    else:
        _stand(agent, state, turn.scenario, counts)


def _stand(agent: Playable, state: State, place: ScenarioState, counts: Counter[str]) -> None:
    flow = agent.scenarios.get(place.id)
    if flow is None or (place.step is not None and place.step not in flow.steps):
        counts["at unknown places"] += 1
        return
    step = place.step or (state.step if state.scenario == place.id else flow.start)
    if (state.scenario, state.step) != (place.id, step):
        counts["anchored"] += 1
        state.settled = begin(agent, variables=state.variables, scenario=f"{place.id}/{step}").settled
        state.scenario, state.step = place.id, step


class Shared:
    """What two agents have in common, and how a state of one becomes a state of the other.

    The candidate takes over what happened: place, variables, results, what rules fired. What only the candidate knows (its own
    variables, slots, tools and rules) is carried from its own turns. A variable that the old agent still has at its default is
    given the candidate's, so that an edited constant has its effect; such variables are no difference by themselves.
    """

    def __init__(self, old: Playable, new: Playable) -> None:
        self.old, self.new = old, new
        here, there = old.file.names(), new.file.names()
        defaults = [{str(name): _plain(item) for name, item in agent.file.variables} for agent in (old, new)]
        self.edited = {
            name: defaults[0][name]
            for name in defaults[0].keys() & defaults[1].keys()
            if defaults[0][name] != defaults[1][name]
        }
        self.variables = (here.variables & there.variables) - self.edited.keys()
        self._only = {
            "variables": there.variables - here.variables,
            "asked": there.variables - here.variables,
            "results": there.tools.keys() - here.tools.keys(),
            "errors": there.tools.keys() - here.tools.keys(),
            "fires": there.rules - here.rules,
            "last_fired": there.rules - here.rules,
        }
        self._only = {kind: names for kind, names in self._only.items() if names}

    def taken_over(self, state: State, own: State, counts: Counter[str]) -> State:
        """The old agent's state as the candidate's; `own` is the candidate's after its turn before."""
        out = state.copy()
        for kind, names in self._only.items():
            mine: dict[str, Any] = getattr(own, kind)
            getattr(out, kind).update({name: mine[name] for name in names if name in mine})
        for name, default in self.edited.items():
            if out.variables.get(name) == default:
                out.variables[name] = own.variables.get(name)
        self._place(out, counts)
        return out

    def _place(self, state: State, counts: Counter[str]) -> None:
        """Without places that the candidate does not have; one lost step becomes the start of its scenario."""
        flows = self.new.scenarios
        state.waiting = [name for name in state.waiting if name in flows]
        state.suspended = [
            entry for entry in state.suspended if entry[0] in flows and (entry[1] is None or entry[1] in flows[entry[0]].steps)
        ]
        if state.scenario is None or (state.scenario in flows and state.step in flows[state.scenario].steps):
            return
        counts["at places the candidate does not have"] += 1
        if state.scenario in flows:
            state.step, state.settled = flows[state.scenario].start, False
        else:
            state.scenario = state.step = None


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, str) else value
