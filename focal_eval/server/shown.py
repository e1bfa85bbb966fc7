"""What clients are shown of a turn and of a session, in Focal's shapes."""

from __future__ import annotations

from typing import Any

from focal_eval.records import UNKNOWN
from focal_eval.records.codec import message_to_json, reply_to_json
from focal_eval.server.catalogue import Ids, Item
from focal_eval.server.contract import EXTRA
from focal_eval.server.sessions import Filed, Kept
from focal_eval.server.turns import Asked


class Shown:
    """Turns and sessions as JSON; with `quirks` as faulty as real Focal shows them."""

    def __init__(self, ids: Ids, *, quirks: bool = False) -> None:
        self._ids, self._quirks = ids, quirks

    def reply(self, kept: Kept, turn: Filed, *, extended: bool) -> Item:
        """The body of a chat's answer."""
        out: Item = {
            "response": turn.reply.response,
            "session_id": kept.id,
            "turn_id": turn.id,
            "scenario": self._place(turn),
            "matched_rules": self._rules(turn),
            "tools_called": [] if self._quirks else _tools(turn),
            "tokens_used": _tokens(turn),
            "latency_ms": turn.latency_ms,
        }
        return {**out, EXTRA: reply_to_json(turn.reply)} if extended else out

    def done(self, kept: Kept, turn: Filed, *, extended: bool) -> Item:
        """The last event of a stream."""
        out = self.reply(kept, turn, extended=extended)
        del out["response"], out["scenario"]
        return {"type": "done", "turn_id": out.pop("turn_id"), **out}

    @staticmethod
    def call(kept: Kept, turn: str, asked: Asked) -> Item:
        """A call that the client is to answer."""
        head = {"type": "tool", "session_id": kept.id, "turn_id": turn}
        return {**head, "call": asked.call, "name": asked.name, "arguments": dict(asked.arguments)}

    def session(self, kept: Kept) -> Item:
        """A session's state."""
        place = self._ids.place(kept.engine.place) or {"id": None, "step": None}
        return {
            "session_id": kept.id,
            "tenant_id": kept.tenant,
            "agent_id": kept.agent,
            "channel": kept.channel,
            "user_channel_id": kept.user,
            "active_scenario_id": place["id"],
            "active_step_id": place["step"],
            "turn_count": len(kept.turns),
            "variables": dict(kept.engine.variables),
            "rule_fires": {self._ids.of("rule", name): count for name, count in kept.fires().items()},
            "config_version": 1,
            "created_at": kept.created,
            "last_activity_at": kept.last,
        }

    def turns(self, kept: Kept, limit: int, offset: int, sort: str, *, extended: bool) -> Item:
        """One page of a session's turns."""
        listed = [turn for turn in kept.turns if not (self._quirks and turn.started)]
        if sort == "desc" and not self._quirks:
            listed.reverse()
        part = listed[offset : offset + limit]
        if sort == "desc" and self._quirks:
            part.reverse()
        items = [self._turn(turn, offset + at, extended=extended) for at, turn in enumerate(part, start=1)]
        total = len(kept.turns)
        more = offset + len(part) < total
        return {"items": items, "total": total, "limit": limit, "offset": offset, "has_more": more}

    def _turn(self, turn: Filed, position: int, *, extended: bool) -> Item:
        out: Item = {
            "turn_id": turn.id,
            "turn_number": position if self._quirks else turn.number,
            "user_message": turn.user or "",
            "agent_response": turn.reply.response,
            "matched_rules": self._rules(turn),
            "tools_called": _tools(turn),
            "scenario_before": None if self._quirks else self._ids.place(turn.before),
            "scenario_after": None if self._quirks else self._place(turn),
            "latency_ms": turn.latency_ms,
            "tokens_used": _tokens(turn),
            "timestamp": turn.at,
        }
        return {**out, EXTRA: [message_to_json(one) for one in turn.messages]} if extended else out

    def _rules(self, turn: Filed) -> list[str]:
        rules: Any = turn.reply.rules
        return [self._ids.of("rule", rule.name) for rule in rules]

    def _place(self, turn: Filed) -> Item | None:
        place: Any = turn.reply.scenario
        return self._ids.place(place)


def _tools(turn: Filed) -> list[str]:
    tools: Any = turn.reply.tools
    return [call.name for call in tools]


def _tokens(turn: Filed) -> int:
    """What wording the reply cost; nothing where nothing was worded."""
    tokens = turn.reply.tokens
    return 0 if tokens is UNKNOWN else tokens.total or 0
