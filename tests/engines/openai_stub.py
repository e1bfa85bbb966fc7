"""An endpoint of chat completions on this machine, with a small model that echoes, and calls the tools it is told to."""

from __future__ import annotations

import re
from typing import Any

from starlette.responses import Response

from tests.engines.vendor_stub import Heard, as_json, frame, streamed

PATH = "/v1/chat/completions"


def message_of(body: Any) -> tuple[dict[str, Any], str]:
    """What a small model would say: it calls the tools it is told to, then tells what they said, else it counts and echoes."""
    last = body["messages"][-1]
    if last["role"] == "tool":
        return {"content": f"The tool says {last['content']}."}, "stop"
    wanted = re.findall(r"call (\S+) (\{.*?\}|\S+)", last["content"])
    if wanted:
        calls = [
            {"id": f"call_{number}", "type": "function", "function": {"name": name, "arguments": arguments}}
            for number, (name, arguments) in enumerate(wanted)
        ]
        return {"content": "Let me look." if "look" in last["content"] else None, "tool_calls": calls}, "tool_calls"
    number = sum(one["role"] == "user" for one in body["messages"])
    return {"content": f"{number}: {last['content']}", "reasoning_content": "It is simple."}, "stop"


async def complete(heard: Heard) -> Response:
    body = heard.body
    message, finish = message_of(body)
    usage = {"prompt_tokens": len(body["messages"]), "completion_tokens": 2, "total_tokens": len(body["messages"]) + 2}
    head = {"id": f"c-{len(body['messages'])}", "created": 1, "model": body["model"]}
    if not body.get("stream"):
        choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
        return as_json({**head, "object": "chat.completion", "choices": [choice], "usage": usage})
    head["object"] = "chat.completion.chunk"
    words = re.findall(r"\S+\s*", message["content"] or "")
    calls = [{"index": at, **call} for at, call in enumerate(message.get("tool_calls", []))]
    deltas = [{"role": "assistant"}, {"reasoning_content": message.get("reasoning_content", "")}]
    deltas += [{"content": word} for word in words]
    deltas += [{"tool_calls": [call]} for call in calls]
    chunks = [{**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    chunks.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
    if body.get("stream_options", {}).get("include_usage"):
        chunks.append({**head, "choices": [], "usage": usage})
    return streamed([*(frame(None, chunk) for chunk in chunks), frame(None, "[DONE]")], pause_s=0.001)
