"""Where a conversation stands between two turns: plain data that survives JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MAX_HISTORY = 50  # turns kept


@dataclass(slots=True)
class State:
    """All that a turn depends on, besides the agent and the message. A turn never changes the state it is given."""

    turn: int = 0  # user messages so far
    variables: dict[str, Any] = field(default_factory=dict)
    results: dict[str, Any] = field(default_factory=dict)
    errors: dict[str, Any] = field(default_factory=dict)
    asked: dict[str, int] = field(default_factory=dict)  # since the slot was last filled
    fires: dict[str, int] = field(default_factory=dict)
    last_fired: dict[str, int] = field(default_factory=dict)
    scenario: str | None = None
    step: str | None = None
    settled: bool = False  # the step's tools have run in this visit
    suspended: list[list[Any]] = field(default_factory=list)  # [scenario, step or None to start it, settled], last first
    waiting: list[str] = field(default_factory=list)  # scenarios asked for meanwhile
    corrections: list[dict[str, Any]] = field(default_factory=list)  # turn, slot, old, new
    calls: dict[str, Any] = field(default_factory=dict)  # results of tools with `reuse`, by tool and arguments
    history: list[list[str | None]] = field(default_factory=list)  # [user, agent]
    channel: str = "api"
    metadata: dict[str, Any] = field(default_factory=dict)

    def copy(self) -> State:
        """A state whose collections may be changed; the values in them may not."""
        return State(
            self.turn, {**self.variables}, {**self.results}, {**self.errors}, {**self.asked}, {**self.fires},
            {**self.last_fired}, self.scenario, self.step, self.settled, [*self.suspended], [*self.waiting],
            [*self.corrections], {**self.calls}, [*self.history], self.channel, self.metadata,
        )  # fmt: skip

    def to_json(self) -> dict[str, Any]:
        """Plain data that `from_json` reads back."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> State:
        """The state that `to_json` gave; unknown keys are refused with a TypeError."""
        return cls(**data)
