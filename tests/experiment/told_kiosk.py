"""A kiosk's agent, what it was told, and how a test edits it: for experiments on recorded conversations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from focal_eval.agent import Playable, open_agent
from focal_eval.experiment.whatif import WhatIf
from focal_eval.experiment.whatif_tally import Tally
from focal_eval.records import UNKNOWN, ToolCall
from focal_eval.records.conversation import Conversation, RecordedExchange

AGENT = """
agent: kiosk
variables: {window: 30}
triggers:
  wants-return: {any_words: [return*, send back]}
rules:
  - id: greet
    match: {any_words: [hello, hi]}
    template: greeting
  - id: start-return
    match: wants-return
  - id: track
    match: {any_words: [parcel]}
    tools: [track_parcel]
    template: tracked
  - id: late
    match: {any_words: [late]}
    max_fires: 1
    template: sorry
  - id: thanks
    match: {any_words: [thanks]}
    template: welcome
slots:
  - {id: order, pattern: '[A-Z]-\\d+', ask: ask-order, listen: always}
scenarios:
  returns:
    enter: {rules: [start-return]}
    exit: {any_words: [never mind]}
    steps:
      - id: order
        collect: order
        go: [{to: confirm}]
      - id: confirm
        template: confirm
        go:
          - {to: done, when: {any_words: ['yes']}}
          - {to: kept, when: {any_words: ['no']}}
      - {id: done, terminal: true, template: done, tools: [open_return]}
      - {id: kept, terminal: true, template: kept}
tools:
  track_parcel:
    args: {order_id: {variable: order, optional: true}}
    returns: {state: unknown}
  open_return:
    args: {order_id: {variable: order}}
    returns: {id: R-0}
templates:
  - {id: greeting, text: "Hello! How can I help?"}
  - {id: ask-order, text: "Which order?"}
  - {id: confirm, text: "Send {{ order }} back within {{ window }} days?"}
  - {id: done, text: "Return {{ result.open_return.id }} is open."}
  - {id: kept, text: "You keep it."}
  - {id: tracked, text: "Your parcel is {{ result.track_parcel.state }}."}
  - {id: sorry, text: "Sorry for the delay."}
  - {id: welcome, text: "You are welcome."}
  - {id: fallback, mode: FALLBACK, text: "I did not get that."}
"""


def agent(folder: Path, *edits: tuple[str, str], name: str = "agent.yaml") -> Playable:
    """The agent with parts of its text replaced; each must be there."""
    return open_agent(agent_file(folder, *edits, name=name))


def agent_file(folder: Path, *edits: tuple[str, str], name: str = "agent.yaml") -> Path:
    text = AGENT
    for before, after in edits:
        assert before in text
        text = text.replace(before, after)
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def turn(user: str | None, said: str | None = "…", *calls: ToolCall, **known: Any) -> RecordedExchange:
    return RecordedExchange(user, UNKNOWN if said is None else said, tools=calls or UNKNOWN, **known)


def told(*turns: RecordedExchange | str, id: str = "c1", **more: Any) -> Conversation:
    exchanges = tuple(turn(one) if isinstance(one, str) else one for one in turns)
    return Conversation(id, "pairs", "told.jsonl", 1, exchanges, **more)


def tally(old: Playable | None, new: Playable, *conversations: Conversation, **options: Any) -> Tally:
    return WhatIf(new, old, **options).tally(enumerate(conversations))


def keys(found: Tally) -> dict[str, int]:
    """Changed turns by cause."""
    return {key: cluster.turns for key, cluster in found.clusters.items()}
