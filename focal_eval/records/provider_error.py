"""Errors of a model's provider that come as a reply: told by their phrases."""

from __future__ import annotations

import re

from focal_eval.text import fold, shorten

_PHRASES = (
    r"\b[a-z]+_api_key\b.{0,40}\b(?:not set|must be set|missing|not found|is required)",
    r"\bapi[ _]key (?:is )?(?:not set|missing|invalid|must be set)",
    r"\b(?:incorrect|invalid) api key\b",
    r"\b(?:rate limit|quota)(?: has been| was| is)? (?:reached|exceeded)",
    r"\brate_limit_(?:error|exceeded)|\binsufficient_quota\b|\bexceeded your current quota\b",
    r"\btoo many requests\b.{0,20}\b429\b|\b429\b.{0,20}\btoo many requests\b",
    r"\bmaximum context length\b|\bcontext_length_exceeded\b|\bprompt is too long\b",
    r"\bthe model [`'\"]?[\w./:-]{1,60}[`'\"]? (?:does not exist|was not found|is overloaded)",
    r"\boverloaded_error\b|\bmodel_not_found\b",
    r"\berror code: [45]\d\d\b|\bhttp(?: error|/1\.1)? [45]\d\d\b",
    r"\b(?:internal server error|bad gateway|service unavailable)\b",
    r"\btraceback \(most recent call last\)",
    r"\b(?:openai|anthropic|litellm|httpx|cohere|groq|mistral)\.[a-z_.]{0,40}(?:error|exception)\b",
    r"\b(?:authentication|apiconnection|apistatus|apitimeout|ratelimit|badrequest|internalserver|permissiondenied)error\b",
    r"\"error\": ?\{ ?\"(?:code|message|type)\"",
    r"\ban unexpected error occurred\b",
)
_WORDS = (
    "error", "exception", "traceback", "http", "429", "rate limit", "rate_limit", "quota", "api key", "api_key",
    "context length", "context_length", "too long", "the model ", "model_not_found", "bad gateway", "service unavailable",
)  # fmt: skip
"""Each phrase has one of them. Every reply is searched, and looking for the words first takes a fortieth of the time."""
_PROVIDER_ERROR = "|".join(_PHRASES)


def find_provider_error(folded: str) -> re.Match[str] | None:
    """Where a folded text has the words of one, None where it has none."""
    for word in _WORDS:
        if word in folded:
            return re.search(_PROVIDER_ERROR, folded)  # compiled, and kept, when it is needed
    return None


def provider_error(text: str) -> str | None:
    """The words that look like one, None where the text looks like an answer."""
    folded = fold(text)
    found = find_provider_error(folded)
    return None if found is None else shorten(folded[max(0, found.start() - 40) : found.end() + 40], 120)
