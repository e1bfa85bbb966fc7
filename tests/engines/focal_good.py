"""A good Focal server in a few lines: what the hostile server answers where it is not told to misbehave."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import orjson

from focal_eval.testing.hostile_server import Heard, Said

AGENT = "6803b4ba-440f-4885-815b-bc7f8a9d23f8"
TENANT = "550e8400-e29b-41d4-a716-446655440000"


class GoodFocal:
    """Answers every message with the words it came with; keeps turns as Focal does."""

    def __init__(self) -> None:
        self.sessions: dict[str, str] = {}  # user → id
        self.turns: dict[str, list[dict[str, Any]]] = {}
        self.made = 0

    def __call__(self, heard: Heard) -> Said:
        path, asked = urlsplit(heard.path).path, parse_qs(urlsplit(heard.path).query)
        if path.startswith("/v1/chat"):
            return self._chat(heard.json(), streamed=path.endswith("stream"))
        if path == "/v1/agents":
            return page([{"id": AGENT, "name": "shop"}])
        if path.startswith("/v1/sessions/"):
            _, _, _, session, *rest = path.split("/")
            offset = int(asked.get("offset", ["0"])[0])
            return page(self.turns[session], offset) if rest else self._state(session)
        return page([])

    def _id(self) -> str:
        self.made += 1
        return str(UUID(int=self.made))

    def _state(self, session: str) -> Said:
        state: dict[str, Any] = {"session_id": session, "active_scenario_id": None, "active_step_id": None, "variables": {}}
        return Said(orjson.dumps(state | {"turn_count": len(self.turns[session])}))

    def _chat(self, asked: Any, *, streamed: bool) -> Said:
        user = asked["user_channel_id"]
        if user not in self.sessions:
            self.sessions[user] = self._id()
        session, turn = self.sessions[user], self._id()
        text = f"you said {asked['message']}"
        self.turns.setdefault(session, []).append(
            {
                "turn_id": turn,
                "turn_number": len(self.turns.get(session, ())) + 1,
                "user_message": asked["message"],
                "agent_response": text,
                "matched_rules": [],
                "tools_called": [],
                "scenario_before": None,
                "scenario_after": None,
                "latency_ms": 1,
                "tokens_used": 3,
                "timestamp": "2026-01-01T00:00:00Z",
            }
        )
        end = {
            "turn_id": turn,
            "session_id": session,
            "matched_rules": [],
            "tools_called": [],
            "tokens_used": 3,
            "latency_ms": 1,
        }
        if not streamed:
            return Said(orjson.dumps({"response": text, "scenario": None, **end}))
        events = [("token", {"type": "token", "content": f"{word} "}) for word in text.split()] + [
            ("done", {"type": "done", **end})
        ]
        body = b"".join(b"event: %b\r\ndata: %b\r\n\r\n" % (name.encode(), orjson.dumps(data)) for name, data in events)
        return Said(body, "text/event-stream")


def page(items: list[Any], offset: int = 0) -> Said:
    """A page of a list."""
    shown = {"items": items[offset : offset + 100], "has_more": len(items) > offset + 100}
    return Said(orjson.dumps({**shown, "total": len(items), "limit": 100, "offset": offset}))
