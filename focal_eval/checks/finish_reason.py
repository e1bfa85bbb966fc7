"""`finish_reason`: why the model stopped, for replies that must not be cut off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from focal_eval.checks.base import Moment, Unreported
from focal_eval.checks.reported import not_reported
from focal_eval.checks.values import OneValue
from focal_eval.records import Finding, Reply

MEANINGS = {
    "length": "the reply was cut off at the limit of tokens",
    "max_tokens": "the reply was cut off at the limit of tokens",
    "content_filter": "the provider withheld words of the reply",
    "tool_calls": "the model asked for tools and did not answer yet",
}
"""What a reason says of the reply, under the names providers use."""


@dataclass(frozen=True, slots=True)
class FinishReason(OneValue):
    """Why the model stopped, in the engine's word: stop, length, tool_calls, content_filter, ..."""

    needs: ClassVar[frozenset[str]] = frozenset()  # told with some replies and not with others
    named: ClassVar[str] = "finish reason"
    field: ClassVar[str] = "finish_reason"

    def judge(self, seen: Moment) -> tuple[Finding, ...]:
        if seen.reply.finish_reason is None:
            raise Unreported(not_reported("finish_reason"))
        return OneValue.judge(self, seen)

    def near(self, reply: Reply) -> str | None:
        return MEANINGS.get(reply.finish_reason or "")
