"""A server that says over a socket what a real Focal said once: whole captured answers, in the order a test names them."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson

from focal_eval.testing.hostile_server import Heard, Said
from tests.engines.focal_samples import FOLDER, body, exchange

_OF_THE_CONNECTION = frozenset({"content-length", "transfer-encoding", "connection", "content-type", "date"})


def said(name: str) -> Said:
    """The captured answer of this name: its status, its headers, its body."""
    raw = FOLDER / f"{name}.txt"
    if raw.exists():
        response = json.loads((FOLDER / f"{name}.meta.json").read_text(encoding="utf-8"))["response"]
        content = raw.read_bytes()
    else:
        response = exchange(name)[1]
        content = orjson.dumps(response["body"])
    headers = {key.lower(): value for key, value in response["headers"]}
    kind = headers["content-type"]
    kept = {key: value for key, value in headers.items() if key not in _OF_THE_CONNECTION}
    return Said(content, kind, response["status"], kept)


class CapturedFocal:
    """Answers chats with captured answers, the last one again and again; lists what was captured of the agent.

    `stored` are captured turns; one is listed from its own chat on, as by the server that sent them.
    """

    def __init__(self, *chats: str, stored: list[Any] | None = None) -> None:
        self._chats, self._stored = list(chats), stored or []
        self._answered: set[str] = set()

    def __call__(self, heard: Heard) -> Said:
        url = urlsplit(heard.path)
        if heard.method == "POST":
            return self._chat()
        if url.path.endswith("/turns"):
            return self._turns({key: values[0] for key, values in parse_qs(url.query).items()})
        if url.path.endswith("/rules"):
            return said("crud_rule_list_200")
        if url.path.endswith("/scenarios"):
            return _page([body("crud_scenario_get_200")], 1, 100, 0)
        return said("crud_agent_list_200")

    def _chat(self) -> Said:
        answer = said(self._chats.pop(0) if len(self._chats) > 1 else self._chats[0])
        if answer.status == 200 and answer.kind.startswith("application/json"):
            self._answered.add(orjson.loads(answer.body)["turn_id"])
        return answer

    def _turns(self, asked: dict[str, str]) -> Said:
        """As Focal: `desc` reverses the page only, `total` counts turns that are not stored."""
        limit, offset = int(asked.get("limit", "20")), int(asked.get("offset", "0"))
        items = [item for item in self._stored if item["turn_id"] in self._answered][offset : offset + limit]
        if asked.get("sort", "desc") == "desc":
            items.reverse()
        return _page(items, len(self._answered), limit, offset)


def _page(items: list[Any], total: int, limit: int, offset: int) -> Said:
    more = offset + limit < total
    return Said(orjson.dumps({"items": items, "total": total, "limit": limit, "offset": offset, "has_more": more}))
