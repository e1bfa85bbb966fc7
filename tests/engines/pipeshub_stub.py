"""PipesHub on this machine: conversations of the assistant and of agents, as SDK 1.7 knows them, or as SDK 1.0 did."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from tests.engines.vendor_stub import Answering, Heard, as_json, frame, streamed

BASE = "/api/v1"
AT = "2026-03-02T10:00:00Z"
KNOWLEDGE = {
    "_id": "66f00000000000000000005a",
    "content": "Within 30 days.",
    "chunkIndex": 1,
    "citationType": "vectordb|document",
    "metadata": {
        "orgId": "66f000000000000000000003",
        "mimeType": "application/pdf",
        "recordId": "rec-1",
        "recordName": "Policy.pdf",
        "origin": "CONNECTOR",
        "webUrl": "https://drive.example.com/1",
    },
    "createdAt": AT,
    "updatedAt": AT,
}
PARTS = [
    {
        "type": "tool_call",
        "toolCallId": "call_1",
        "toolName": "jira.create",
        "args": '{"project":"SUP"}',
        "status": "completed",
        "resultPreview": '{"key":"SUP-12"}',
    },
    {"type": "text", "content": "x", "isFinal": True},
]


class Hub:
    """Counts and echoes; a ticket is a call of a tool, a policy is cited. `early` speaks as SDK 1.0 knew it."""

    def __init__(self, *, early: bool = False, page: int = 100) -> None:
        self.conversations: dict[str, dict[str, Any]] = {}
        self.early, self.page = early, page

    def routes(self) -> dict[tuple[str, str], Answering]:
        out: dict[tuple[str, str], Answering] = {}
        for base, create in ((f"{BASE}/conversations", "/create"), (f"{BASE}/agents/{{key}}/conversations", "")):
            out[("POST", f"{base}{create}")] = self.asked
            out[("POST", f"{base}/stream")] = self.streamed
            out[("POST", f"{base}/{{id}}/messages")] = self.asked
            out[("POST", f"{base}/{{id}}/messages/stream")] = self.streamed
            out[("GET", f"{base}/{{id}}")] = self.read
            out[("DELETE", f"{base}/{{id}}")] = self.delete
        return out

    def turn(self, heard: Heard) -> dict[str, Any]:
        """The conversation after the message, with everything that is stored of it."""
        key = heard.params.get("id")
        if key is None:
            key = f"{len(self.conversations) + 1:024x}"
            made = {
                "_id": key,
                "userId": "6" * 24,
                "orgId": "7" * 24,
                "title": "t",
                "messages": [],
                "createdAt": AT,
                "updatedAt": AT,
            }
            self.conversations[key] = made
        found = self.conversations[key]
        query, messages = heard.body["query"], found["messages"]
        self.add(found, "user_query", query)
        failed = "break" in query
        number = sum(one["messageType"] == "user_query" for one in messages)
        if failed:
            self.add(found, "error", "The model is unavailable.")
            found["failReason"] = "model unavailable"
        else:
            self.add(found, "bot_response", f"{number}: {query}", **self.more(query))
        states = ("FAILED", "COMPLETED") if self.early else ("Failed", "Complete")
        found["status"] = states[0] if failed else states[1]
        return found

    @staticmethod
    def add(found: dict[str, Any], kind: str, content: str, **more: Any) -> None:
        at = len(found["messages"])
        head = {"_id": f"{found['_id'][12:]}{at:012x}", "messageType": kind, "content": content, "contentFormat": "MARKDOWN"}
        stamp = f"2026-03-02T10:{at // 60:02d}:{at % 60:02d}Z"
        found["messages"].append({**head, **more, "createdAt": stamp, "updatedAt": stamp})

    def more(self, query: str) -> dict[str, Any]:
        out: dict[str, Any] = {
            "confidence": "High",
            "followUpQuestions": [{"question": "And then?", "confidence": "High", "reasoning": "r"}],
            "metadata": {"processingTimeMs": 12.5, "modelVersion": "large"},
        }
        if "policy" in query:
            full = {"citationId": KNOWLEDGE["_id"], "citationData": KNOWLEDGE}
            short = {"citationId": KNOWLEDGE["_id"], "relevanceScore": 0.9, "excerpt": "30 days", "context": "Section 2"}
            out["citations"] = [short if self.early else full]
        if not self.early:
            out["reasoning"] = [{"content": "A thought.", "messageId": "m", "turnIndex": 0}]
            out["parts"] = PARTS if "ticket" in query else PARTS[1:]
        return out

    def body(self, heard: Heard) -> dict[str, Any]:
        found = self.turn(heard)
        if self.early:
            return found
        meta = {"timestamp": AT, "duration": 1500, "requestId": "r-1"}
        return {"conversation": found, "recordsUsed": 1, "meta": meta}

    async def asked(self, heard: Heard) -> Response:
        if heard.params.get("id", "") not in {"", *self.conversations}:
            return as_json({"error": {"code": "HTTP_NOT_FOUND", "message": "Conversation not found", "requestId": "r"}}, 404)
        return as_json(self.body(heard), 201 if "id" not in heard.params else 200)

    async def streamed(self, heard: Heard) -> Response:
        body = self.body(heard)
        last = (body if self.early else body["conversation"])["messages"][-1]
        if last["messageType"] == "error":
            return streamed([self.event("RUN_ERROR", message=last["content"], code="agent_error")])
        words = last["content"].split(" ")
        pieces = [word if at == len(words) - 1 else f"{word} " for at, word in enumerate(words)]
        if self.early:
            chunks = [frame("chunk", {"chunk": piece, "accumulated": "x"}) for piece in pieces]
            return streamed(
                [frame("connected", {"message": "x"}), *chunks, frame("complete", {"conversation": body, "meta": {}})]
            )
        created = {"conversationId": body["conversation"]["_id"], "title": "t"}
        return streamed(
            [
                self.event("CUSTOM", name="conversation_created", value=created),
                self.event("RUN_STARTED", threadId="t", runId="run_1"),
                self.event("RUN_STARTED", threadId="t", runId="run_2", parentRunId="run_1"),
                self.event("TEXT_MESSAGE_CONTENT", messageId="m", delta="inner", runId="run_2", parentRunId="run_1"),
                self.event("RUN_FINISHED", threadId="t", runId="run_2", parentRunId="run_1"),
                *(self.event("TEXT_MESSAGE_CONTENT", messageId="m", delta=piece, runId="run_1") for piece in pieces),
                self.event("RUN_FINISHED", result=body),
            ],
            pause_s=0.001,
        )

    @staticmethod
    def event(kind: str, **data: Any) -> bytes:
        return frame(kind, {"type": kind, **data})

    async def read(self, heard: Heard) -> Response:
        found = self.conversations[heard.params["id"]]
        number, limit = int(heard.query["page"]), min(int(heard.query["limit"]), self.page)
        end = len(found["messages"]) - (number - 1) * limit
        start = max(end - limit, 0)
        counts = {"page": number, "limit": limit, "totalCount": len(found["messages"]), "hasNextPage": start > 0}
        pages = {"pagination": {**counts, "messageRange": {"start": start + 1, "end": end}}}
        shown = {"id": found["_id"], "title": "t", "status": found["status"], "messages": found["messages"][start:end], **pages}
        return as_json(
            {"conversation": shown, "filters": {"applied": {}, "available": {}}, "meta": {"timestamp": AT, "duration": 1}}
        )

    async def delete(self, heard: Heard) -> Response:
        del self.conversations[heard.params["id"]]
        return as_json({"id": heard.params["id"], "status": "deleted"})
