"""Glean's assistant on this machine: chats, saved or not, whole or as lines of JSON."""

from __future__ import annotations

import json
from typing import Any

from starlette.responses import Response

from tests.engines.vendor_stub import Answering, Heard, as_json, streamed

CHAT, SAVED, DELETE = "/rest/api/v1/chat", "/rest/api/v1/getchat", "/rest/api/v1/deletechats"
SOURCE = {
    "sourceDocument": {"id": "d-1", "datasource": "confluence", "title": "Refund policy", "url": "https://wiki.example.com/1"},
    "referenceRanges": [{"textRange": {"startIndex": 0, "endIndex": 4, "type": "CITATION"}, "snippets": [{"text": "30 days"}]}],
}
ACTION = {
    "metadata": {"type": "ACTION", "name": "jira_create", "displayName": "Create issue", "displayDescription": "Creates one"},
    "parameters": {"summary": {"type": "STRING", "displayName": "Summary", "value": "Refund", "isRequired": True}},
}


class Assistant:
    """Says how many messages it was shown and repeats the newest; saves chats where it is told to."""

    def __init__(self) -> None:
        self.chats: dict[str, list[dict[str, Any]]] = {}

    def messages(self, body: dict[str, Any], chat: str | None) -> list[dict[str, Any]]:
        newest = body["messages"][0]
        said = "".join(part.get("text", "") for part in newest["fragments"])
        before = self.chats.get(chat or "", [])
        number = sum(one["author"] == "USER" for one in [*before, *body["messages"]])
        fragments: list[dict[str, Any]] = [{"text": f"{number}: "}, {"text": said}]
        if "ticket" in said:
            fragments.append({"action": ACTION})
        if "policy" in said:
            fragments.append({"citation": SOURCE})
        kind = "ERROR" if said == "break" else "CONTENT"
        at = f"m-{len(before)}"
        return [
            {
                "author": "GLEAN_AI",
                "messageType": "UPDATE",
                "fragments": [{"text": "Searching"}],
                "messageId": f"{at}-u",
                "ts": "1",
            },
            {"author": "GLEAN_AI", "messageType": kind, "fragments": fragments, "messageId": at, "ts": "2"},
        ]

    async def chat(self, heard: Heard) -> Response:
        body = heard.body
        chat = body.get("chatId")
        if body.get("saveChat") and chat is None:
            chat = f"chat-{len(self.chats)}"
            self.chats[chat] = []
        messages = self.messages(body, chat)
        if chat is not None:
            self.chats[chat] += [body["messages"][0], *messages]
        head = {} if chat is None else {"chatId": chat}
        tail = {"followUpPrompts": ["And then?"], "backendTimeMillis": 12, "chatSessionTrackingToken": "tok"}
        if not body.get("stream") and heard.headers["accept"] != "text/plain":
            return as_json({"messages": messages, **head, **tail})
        pieces = [
            {"messages": [{**message, "fragments": [fragment]}], **head}
            for message in messages
            for fragment in message["fragments"]
        ]
        lines = [json.dumps(piece).encode() + b"\n" for piece in [*pieces, {"messages": [], **head, **tail}]]
        return streamed(lines, "text/plain", pause_s=0.002)

    async def saved(self, heard: Heard) -> Response:
        chat = heard.body["id"]
        if chat not in self.chats:
            return Response("Not found", 404, media_type="text/plain")
        found = {"id": chat, "name": "Refunds", "createTime": 1, "messages": self.chats[chat]}
        return as_json({"chatResult": {"chat": found, "trackingToken": "t"}})

    async def delete(self, heard: Heard) -> Response:
        for chat in heard.body["ids"]:
            del self.chats[chat]
        return Response(status_code=200)

    def routes(self) -> dict[tuple[str, str], Answering]:
        return {("POST", CHAT): self.chat, ("POST", SAVED): self.saved, ("POST", DELETE): self.delete}
