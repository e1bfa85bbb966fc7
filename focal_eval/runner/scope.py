"""What `save` reads from, and what templates see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from focal_eval.checks.json_reply import NO_JSON, json_in
from focal_eval.records import UNKNOWN, Reply
from focal_eval.records.codec import reply_to_json
from focal_eval.runner.ready import Ready
from focal_eval.script.model import Said
from focal_eval.template import TemplateProblem, compile_template


class NothingThere(Exception):
    """`save` found nothing; the message says where it looked."""


def sources(reply: Reply, readies: Sequence[Ready]) -> dict[str, Any]:
    """The names `save` reads from, each as plain data.

    `response` holds `text`, `messages`, `json` (where the response is JSON or holds a block of it) and the named groups of
    the turn's `matches`; `tools` the last call of each tool by name.
    """
    data = reply_to_json(reply)
    out: dict[str, Any] = {
        name: data.get(name) for name in ("metadata", "variables", "citations", "follow_ups", "turn_id", "session_id")
    }
    text = reply.response if reply.response is not UNKNOWN else ""
    response: dict[str, Any] = {"text": text, "messages": list(reply.messages)}
    if (found := json_in(text)) is not NO_JSON:
        response["json"] = found
    for ready in readies:
        groups = getattr(ready.check, "groups", None)
        if groups is not None and ready.item.key == "response.matches":
            response.update({name: value for name, value in groups(text).items() if value is not None})
    out["response"] = response
    out["scenario"] = data.get("scenario")
    out["rules"] = [rule["name"] for rule in data.get("rules", ())]
    out["tools"] = {call["name"]: call for call in data.get("tools", ())}
    return out


def read_source(said: Said, values: Mapping[str, Any]) -> Any:
    """The value a `save` entry asks for. Raises NothingThere."""
    if said.template:
        try:
            return compile_template(said.text).fill(values)
        except TemplateProblem as problem:
            raise NothingThere(str(problem)) from None
    import jmespath

    try:
        found = jmespath.search(said.text, values)
    except jmespath.exceptions.JMESPathError as problem:
        raise NothingThere(str(problem).split("\n")[0]) from None
    if found is None:
        raise NothingThere(f"nothing is at '{said.text}'")
    return found
