"""Recordings in an agent's own words: names and ids of a server become those of a file of aliases."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from focal_eval.engines.focal_names import Aliases, Names
from focal_eval.records import UNKNOWN, ScenarioState
from focal_eval.records.conversation import Conversation, RecordedExchange


def in_words_of(aliases: Aliases, conversations: Iterable[Conversation]) -> Iterator[Conversation]:
    """The conversations with rules, tools, scenarios and steps as the aliases call them; what has no alias stays."""
    names = Names(aliases=aliases)
    for conversation in conversations:
        yield replace(conversation, turns=tuple(_turn(turn, names) for turn in conversation.turns))


def _turn(turn: RecordedExchange, names: Names) -> RecordedExchange:
    place = turn.scenario
    if isinstance(place, ScenarioState):
        step = None if place.step is None else names.step(place.id, place.step)
        place = ScenarioState(names.scenario(place.id), step)
    return replace(
        turn,
        rules=UNKNOWN if turn.rules is UNKNOWN else tuple(map(names.rule, turn.rules)),
        tools=UNKNOWN if turn.tools is UNKNOWN else tuple(replace(call, name=names.tool(call.name)) for call in turn.tools),
        scenario=place,
    )
