"""Our own engines are held to the kit that others are held to."""

from __future__ import annotations

from pathlib import Path

import pytest

from focal_eval.engines import Setting
from focal_eval.engines.callable import LocalCallable
from focal_eval.engines.embedded import Embedded
from focal_eval.testing import engine_conformance

AGENT = """\
agent: bicycle-shop
rules:
  - id: greet
    when: the customer says hello
    match: {any_words: [hello, hi]}
    then: greet them
    template: welcome
  - id: find
    when: the customer names a bicycle
    match: {pattern: 'B-\\d+'}
    then: look it up
    tools: [find_bicycle]
templates:
  - {id: welcome, mode: EXCLUSIVE, text: "Hello! Which bicycle?"}
tools:
  find_bicycle:
    args: {id: {from: '(?P<id>B-\\d+)'}}
"""

BOT = """\
import asyncio

def answer(message, conversation):
    conversation.data["count"] = conversation.data.get("count", 0) + 1
    return {"response": f"{conversation.data['count']}: {message}", "tools": [{"name": "look", "arguments": {"q": message}}]}

async def later(message, conversation):
    await asyncio.sleep(0.001)
    return answer(message, conversation)
"""


def test_the_embedded_engine_passes(tmp_path: Path) -> None:
    """An agent file that greets, matches a pattern and calls a tool."""
    (tmp_path / "agent.yaml").write_text(AGENT, encoding="utf-8")
    engine_conformance(Embedded("agent.yaml"), messages=("hello", "my bicycle is B-7"), setting=Setting(tmp_path))


@pytest.mark.parametrize("name", ["answer", "later"])
def test_the_callable_engine_passes(tmp_path: Path, name: str) -> None:
    """A plain function in a thread, and a coroutine, both with a state of their own for each conversation."""
    (tmp_path / "bot.py").write_text(BOT, encoding="utf-8")
    config = LocalCallable(f"bot.py:{name}", reports=("response", "tools"), deterministic=True)
    engine_conformance(config, setting=Setting(tmp_path))
