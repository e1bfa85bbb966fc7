"""Words replies with a language model behind any OpenAI-compatible endpoint."""

from __future__ import annotations

import json
from dataclasses import field
from typing import Any, Literal

from focal_eval.agent.turn import Draft
from focal_eval.clock import Clock
from focal_eval.engines.taping import taped
from focal_eval.errors import EngineError, EngineProtocol, EngineTimeout
from focal_eval.records import Json, Tokens
from focal_eval.text import shorten
from focal_eval.value import value

MAX_ANSWER = 1_000_000  # bytes
HISTORY_TURNS = 10


@value
class Generator:
    """Who words what may be reworded: the templates as they stand, or a model."""

    short = "kind"
    kind: Literal["template", "openai"] = field(
        default="template", metadata={"doc": "`template`: the texts as they stand; `openai`: a model words them."}
    )
    url: str | None = field(default=None, metadata={"doc": "Where the model's endpoint is, up to and including /v1."})
    model: str | None = field(default=None, metadata={"doc": "The model's name."})
    token: str | None = field(default=None, repr=False, metadata={"doc": "A bearer token."})
    seed: int = field(default=0, metadata={"doc": "Handed to the endpoint."})
    timeout_s: float = field(default=30.0, metadata={"doc": "How long one wording may take."})
    max_tokens: int = field(default=400, metadata={"doc": "How long one wording may be."})

    def __post_init__(self) -> None:
        if self.kind == "openai" and not (self.url and self.model):
            raise ValueError("a generator of kind openai needs 'url' and 'model'")
        if self.kind == "template" and (self.url or self.model or self.token):
            raise ValueError("'url', 'model' and 'token' belong to a generator of kind openai")
        if self.timeout_s <= 0 or self.max_tokens < 1:
            raise ValueError("'timeout_s' and 'max_tokens' must be above 0")


@value
class Worded:
    """A model's wording and what it cost, where it says so."""

    text: str
    tokens: Tokens | None


class OpenAIWriter:
    """Asks a chat-completions endpoint, at temperature 0 and with a fixed seed; one wire for all sessions."""

    def __init__(self, config: Generator, clock: Clock) -> None:
        from focal_eval.engines.wire import Faults, Wire

        self._config = config
        headers = {"authorization": f"Bearer {config.token}"} if config.token else {}
        faults = Faults(request_timeout_s=config.timeout_s, max_reply_bytes=MAX_ANSWER)
        self._wire = Wire(str(config.url), headers=headers, faults=faults, clock=clock)

    async def write(self, draft: Draft) -> Worded:
        """The model's wording. Raises an EngineError where there is none."""
        body = self.request(draft)
        return _worded(await taped("model", body, lambda: self._asked(body)))

    async def _asked(self, body: Json) -> Json:
        try:
            answer = await self._wire.request("POST", "/chat/completions", body=body, safe=True)  # it changes nothing there
            return answer.json()
        except EngineTimeout:
            raise EngineTimeout(f"the generator did not answer within {self._config.timeout_s:g} s") from None
        except EngineError as problem:
            problem.args = (f"the generator: {problem}",)
            raise

    def request(self, draft: Draft) -> dict[str, Any]:
        """The body that is sent."""
        messages = [{"role": "system", "content": instructions(draft)}]
        for user, agent in draft.history[-HISTORY_TURNS:]:
            if user is not None:
                messages.append({"role": "user", "content": user})
            if agent is not None:
                messages.append({"role": "assistant", "content": agent})
        messages.append({"role": "user", "content": draft.message})
        config = self._config
        limits = {"temperature": 0, "seed": config.seed, "max_tokens": config.max_tokens}
        return {"model": config.model, "messages": messages, **limits}

    async def close(self) -> None:
        await self._wire.close()


def instructions(draft: Draft) -> str:
    """What the model is told beside the conversation."""
    lines = [f"You are a support agent. Answer in the language with the code {draft.language}. Keep to these rules."]
    for when, then in draft.rules:
        if when or then:
            lines.append("Rule: " + "; ".join(part for part in (f"when {when}" if when else "", then or "") if part))
    if draft.scenario is not None:
        lines.append(f"The conversation is in scenario {draft.scenario}, step {draft.step}.")
    known = {name: value for name, value in sorted(draft.variables.items()) if value is not None}
    if known:
        lines.append("Known: " + json.dumps(known, ensure_ascii=False, sort_keys=True, default=str))
    if draft.texts:
        lines.append("Say this, in your own words, without adding facts:\n" + "\n\n".join(draft.texts))
    if draft.violations:
        lines.append("Your last answer broke these rules; write another one:\n" + "\n".join(draft.violations))
    return "\n".join(lines)


def _worded(data: Json) -> Worded:
    try:
        text = data["choices"][0]["message"]["content"]
    except (KeyError, IndexError, TypeError):
        raise EngineProtocol(
            "the generator's answer has no choices[0].message.content", detail=shorten(str(data), 400)
        ) from None
    if not isinstance(text, str) or not text.strip():
        raise EngineProtocol("the generator's answer is empty", detail=shorten(str(data), 400))
    return Worded(text.strip(), _tokens(data.get("usage")))


def _tokens(usage: Any) -> Tokens | None:
    if not isinstance(usage, dict):
        return None
    total, prompt, completion = (usage.get(name) for name in ("total_tokens", "prompt_tokens", "completion_tokens"))
    if not all(value is None or isinstance(value, int) for value in (total, prompt, completion)):
        return None
    return Tokens(total=total, prompt=prompt, completion=completion)
