"""Schema-Guided Dialogue: dialogues of a user and a system with their service calls; `schema.json` describes the services.

A service call is a tool call, its results are the tool's stub. What the user wants at each point (intent, slots, what they
asked for) is kept in the script's metadata, as a list of the states that changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

from focal_eval.errors import Problems
from focal_eval.importers.base import option
from focal_eval.importers.conversations_draft import Data, Draft, Origin, listed, mapping
from focal_eval.importers.conversations_rules import SchemaGuided as Dialogues
from focal_eval.importers.foreign import Placed, Source, conform
from focal_eval.importers.losses import Losses
from focal_eval.importers.recorded import Reading, Recorded, with_stubs
from focal_eval.importers.write import said
from focal_eval.records.conversation import Conversation
from focal_eval.source import whole_file


class States(Dialogues):
    """Reads dialogues with what the user wants at each point, and counts the annotations that are left out."""

    def __init__(self, origin: Origin) -> None:
        super().__init__(origin)
        self._turn = 0
        self._known: dict[str, Any] = {}

    def draft(self, data: Data, line: int) -> Draft:
        self._turn, self._known = 0, {}
        return super().draft(data, line)

    def add(self, draft: Draft, row: Data, line: int) -> None:
        super().add(draft, row, line)
        self._turn += row.get("speaker") == "USER"
        for item in listed(row.get("frames"), "frames"):
            frame = mapping(item, "a frame")
            self.unused(frame, line, **{"acts": ("actions",), "slot-spans": ("slots",)})
            if isinstance(frame.get("state"), Mapping):
                self._state(draft, str(frame.get("service")), frame["state"])

    def _state(self, draft: Draft, service: str, given: Data) -> None:
        """Adds the user's state where it is another one than before."""
        state = {
            "intent": given.get("active_intent"),
            "slots": given.get("slot_values") or None,
            "asked": given.get("requested_slots") or None,
        }
        if state != self._known.get(service):
            self._known[service] = state
            told = {name: value for name, value in state.items() if value is not None}
            draft.metadata.setdefault("states", []).append({"turn": self._turn, "service": service, **told})


@dataclass(frozen=True, slots=True)
class _Intent:
    name: str


@dataclass(frozen=True, slots=True)
class _Service:
    """A service as `schema.json` describes it."""

    service_name: str
    intents: list[_Intent]
    description: str = ""
    slots: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class SchemaGuided(Recorded):
    """Dialogues of Schema-Guided Dialogue with their services; stubs are written unless said otherwise."""

    format: ClassVar[str] = "sgd"
    stubs: bool = option(with_stubs, doc="what tools answered, as stubs of the scripts: write or none", default=True)

    def reading(self, sources: Sequence[Source], losses: Losses, problems: Problems) -> Reading:
        services: dict[str, _Service] = {}
        beside: set[str] = set()
        for source in sources:
            for service in _services(source):
                beside.add(source.file)
                services.setdefault(service.service_name, service)
                for _ in (*service.intents, *service.slots):
                    losses.add("schema", whole_file(source.file))
        return Reading(States, partial(_described, services), frozenset(beside))


def _services(source: Source) -> list[_Service]:
    """The services of a schema, none where the file is none."""
    import orjson

    if b'"service_name"' not in source.data:
        return []
    try:
        data = orjson.loads(source.data)
    except orjson.JSONDecodeError:
        return []
    if not isinstance(data, list) or not all(isinstance(item, dict) and "service_name" in item for item in data):
        return []
    found: list[_Service] | None = conform(data, list[_Service], Placed(source.file, "[]"), Problems())
    return found or []


def _described(services: Mapping[str, _Service], found: Conversation) -> Mapping[str, Any]:
    """What the dialogue's services are, as the script's description."""
    names = found.metadata.get("services")
    known = [services[name] for name in names if name in services] if isinstance(names, list) else []
    lines = [f"{service.service_name}: {service.description}" for service in known if service.description]
    return {"description": said("\n".join(lines))} if lines else {}
