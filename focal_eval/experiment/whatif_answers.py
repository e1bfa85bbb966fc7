"""What tools answered in a recorded conversation, for an agent that calls them again."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from focal_eval.agent import ToolOutcome
from focal_eval.agent.turn import ToolRequest
from focal_eval.records import UNKNOWN, ToolCall
from focal_eval.records.conversation import Conversation
from focal_eval.text import fold

Key = tuple[str, str]


class Answers:
    """The recorded answers of one conversation; `counts` says where answers came from."""

    def __init__(self, conversation: Conversation) -> None:
        self._turns = [
            () if turn.tools is UNKNOWN else tuple(call for call in turn.tools if _answers(call)) for turn in conversation.turns
        ]
        self.counts: Counter[str] = Counter()

    @cached_property
    def _by_key(self) -> dict[Key, list[tuple[int, ToolCall]]]:
        out: dict[Key, list[tuple[int, ToolCall]]] = {}
        for place, calls in enumerate(self._turns):
            for call in calls:
                if call.arguments is not UNKNOWN:
                    out.setdefault(_key(call.name, call.arguments), []).append((place, call))
        return out

    def of_turn(self, turn: int) -> Callable[[ToolRequest], ToolOutcome | None]:
        """Answers the calls of one agent in one turn.

        First a recorded call of the turn with the same arguments, then the nearest one of the conversation with the same
        arguments, the turns before first, then the turn's next call of that name; None leaves it to the agent file.
        """
        used: set[int] = set()

        def answer(request: ToolRequest) -> ToolOutcome | None:
            calls = self._turns[turn]
            key = _key(request.name, request.arguments)
            free = [(place, call) for place, call in enumerate(calls) if place not in used and call.name == request.name]
            same = next(((place, call) for place, call in free if _known_key(call) == key), None)
            if same is None and (far := self._nearest(key, turn)) is not None:
                self.counts["by arguments"] += 1
                return _outcome(far)
            found = same or (free[0] if free else None)
            if found is None:
                self.counts["by the agent file"] += 1
                return None
            used.add(found[0])
            self.counts["by arguments" if same is not None else "by name"] += 1
            return _outcome(found[1])

        return answer

    def _nearest(self, key: Key, turn: int) -> ToolCall | None:
        known = self._by_key.get(key)
        if not known:
            return None
        before = [call for place, call in known if place < turn]
        return before[-1] if before else known[0][1]


def _answers(call: ToolCall) -> bool:
    return call.error is not None or call.result is not UNKNOWN


def _outcome(call: ToolCall) -> ToolOutcome:
    return ToolOutcome(error=call.error) if call.error is not None else ToolOutcome(result=call.result)


def _known_key(call: ToolCall) -> Key | None:
    return None if call.arguments is UNKNOWN else _key(call.name, call.arguments)


def _key(name: str, arguments: Mapping[str, Any]) -> Key:
    """Name and arguments, without regard to the order of keys, to case and to runs of white space."""
    return name, json.dumps(_folded(arguments), sort_keys=True, default=str)


def _folded(value: Any) -> Any:
    if isinstance(value, str):
        return fold(str(value))
    if isinstance(value, Mapping):
        return {str(name): _folded(item) for name, item in value.items()}
    return [_folded(item) for item in value] if isinstance(value, (list, tuple)) else value
