"""The `openai`, `glean`, `mix` and `pipeshub` engines against servers that misbehave, over real sockets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from focal_eval.engines.base import Engine, EngineConfig, Setting
from focal_eval.engines.glean import Glean
from focal_eval.engines.mix import Mix
from focal_eval.engines.openai import OpenAI
from focal_eval.engines.pipeshub import PipesHub
from focal_eval.engines.wire import Faults
from focal_eval.testing import hostile_conformance
from focal_eval.testing.hostile_server import Heard, Said

FAULTS = Faults(attempts=2)


def events(*found: tuple[str | None, Any]) -> Said:
    """Server-sent events as a whole."""
    lines = []
    for name, data in found:
        lines += [] if name is None else [f"event: {name}"]
        lines += [f"data: {data if isinstance(data, str) else orjson.dumps(data).decode()}", ""]
    return Said("\r\n".join([*lines, ""]).encode(), "text/event-stream")


def as_json(value: Any, status: int = 200) -> Said:
    return Said(orjson.dumps(value), status=status)


class GoodModel:
    """Repeats the last message, whole or in words."""

    def __init__(self) -> None:
        self.made = 0

    def __call__(self, heard: Heard) -> Said:
        asked: Any = heard.json()
        self.made += 1
        head = {"id": f"c-{self.made}", "object": "chat.completion", "created": 1, "model": "m"}
        said = f"you said {asked['messages'][-1]['content']}"
        if not asked.get("stream"):
            message = {"role": "assistant", "content": said}
            return as_json({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}], **head})
        deltas: list[tuple[dict[str, str], str | None]] = [({"content": f"{word} "}, None) for word in said.split()] + [
            ({}, "stop")
        ]
        chunks = [{"choices": [{"index": 0, "delta": delta, "finish_reason": end}], **head} for delta, end in deltas]
        return events(*((None, chunk) for chunk in chunks))


class GoodGlean:
    """Saves every chat, and repeats what it is told; a stream is one line."""

    def __init__(self) -> None:
        self.made = 0

    def __call__(self, heard: Heard) -> Said:
        asked: Any = heard.json()
        self.made += 1
        said = f"you said {asked['messages'][0]['fragments'][0]['text']}"
        message = {"author": "GLEAN_AI", "messageType": "CONTENT", "messageId": f"m-{self.made}", "fragments": [{"text": said}]}
        body = orjson.dumps({"messages": [message], "chatId": asked.get("chatId") or f"chat-{self.made}"})
        return Said(body + b"\n", "text/plain") if asked.get("stream") else Said(body)


class GoodMix:
    """A server as SDK 0.4 knew it, which answers a message with its record."""

    def __init__(self) -> None:
        self.made = 0

    def __call__(self, heard: Heard) -> Said:
        self.made += 1
        path = heard.path.partition("?")[0]
        if path == "/api/sessions":
            return as_json({"id": f"ses-{self.made}", "title": "t"}, 201)
        if path == "/stream":
            return events(("connected", {"sessionId": heard.path.partition("=")[2]}))
        if heard.method != "POST":
            return as_json([])
        asked: Any = heard.json() if heard.body else {}
        said = f"you said {asked.get('text')}"
        return as_json({"assistantResponse": said, "id": f"m-{self.made}", "role": "user", "userInput": "x", "sessionId": ""})


class GoodHub:
    """Keeps conversations, and repeats the last question."""

    def __init__(self) -> None:
        self.talks: dict[str, list[dict[str, Any]]] = {}

    def __call__(self, heard: Heard) -> Said:
        asked: Any = heard.json()
        parts = heard.path.split("/")
        key = parts[4] if "messages" in parts else f"{len(self.talks) + 1:024x}"
        messages = self.talks.setdefault(key, [])
        at = f"{len(messages):012x}{key[12:]}"
        messages.append({"messageType": "user_query", "content": asked["query"], "_id": f"{at}q"})
        messages.append({"messageType": "bot_response", "content": f"you said {asked['query']}", "_id": f"{at}a"})
        body = {"conversation": {"_id": key, "messages": messages, "status": "Complete"}, "meta": {}}
        if not heard.path.endswith("/stream"):
            return as_json(body)
        words = [("TEXT_MESSAGE_CONTENT", {"delta": f"{word} ", "type": "TEXT_MESSAGE_CONTENT"}) for word in ("you", "said")]
        return events(*words, ("RUN_FINISHED", {"result": body, "type": "RUN_FINISHED"}))


def connecting(make: Callable[[str], EngineConfig]) -> Callable[[str], Engine]:
    return lambda url: make(url).connect(Setting(Path()))


# What a protocol gives no way to notice. Models and Glean make no use of ids but to name a chat in a body; a model may say
# nothing at all, and chunks have no numbers.
# PipesHub ends every stream with the whole conversation, so that words which came otherwise change nothing.
CASES: dict[str, tuple[Callable[[str], EngineConfig], Callable[[], Callable[[Heard], Said]], bool, set[str]]] = {
    "openai": (lambda url: OpenAI(url, "m", faults=FAULTS), GoodModel, False, {"injects"}),
    "openai streamed": (
        lambda url: OpenAI(url, "m", stream=True, faults=FAULTS),
        GoodModel,
        True,
        {"injects", "only-end", "twice"},
    ),
    "glean": (lambda url: Glean(url, faults=FAULTS), GoodGlean, False, {"injects"}),
    "glean streamed": (lambda url: Glean(url, stream=True, faults=FAULTS), GoodGlean, False, {"injects"}),
    "mix": (lambda url: Mix(url, read_back=False, faults=FAULTS), GoodMix, False, {"injects"}),
    "pipeshub": (lambda url: PipesHub(f"{url}/api/v1", faults=FAULTS), GoodHub, False, set()),
    "pipeshub streamed": (
        lambda url: PipesHub(f"{url}/api/v1", stream=True, faults=FAULTS),
        GoodHub,
        True,
        {"only-end", "after-end", "twice", "reordered"},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_every_misdeed_is_an_error_with_a_name(name: str) -> None:
    """In time, without harm to conversations beside it; what the protocol cannot notice harms nobody."""
    make, good, streams, unnoticed = CASES[name]
    found = hostile_conformance(connecting(make), good(), streams=streams, unnoticed=unnoticed)
    assert "refuses" in found
    assert set(found) >= {"hangs", "drips", "html", "nan", "missing-keys", "long-unseen", "429-storm", "500-poison"}
