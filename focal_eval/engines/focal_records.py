"""What Focal sends, as records: replies, stored turns, sessions and pages of lists, each checked for its shape.

Pure functions on decoded JSON. Keys nobody knows are passed over; a key that is missing or of another type is EngineProtocol.
"""

from __future__ import annotations

from collections.abc import Mapping

from focal_eval.engines.focal_fields import Fields
from focal_eval.engines.focal_names import Names
from focal_eval.errors import EngineProtocol
from focal_eval.records import UNKNOWN, Json, MessageRecord, Reply, RuleMatch, ScenarioState, Tokens, ToolCall, UnknownType
from focal_eval.records.provider_error import provider_error
from focal_eval.value import value

EXTRA = "focal_eval"  # the key of what `focal-eval serve` says beyond Focal's contract


@value
class Place:
    """Where a conversation stands, in ids; `step` is null on the turn that leaves a scenario and after the loop check."""

    scenario: str | None
    step: str | None

    def named(self, names: Names) -> ScenarioState | None:
        """The place as scripts say it; a place without a scenario is none."""
        if self.scenario is None:
            return None
        return ScenarioState(names.scenario(self.scenario), None if self.step is None else names.step(self.scenario, self.step))


@value
class ChatReply:
    """The body of a chat reply, or a stream's `done`, which has neither the text nor the scenario."""

    session: str
    turn: str
    rules: tuple[str, ...]
    tools: tuple[str, ...]
    tokens: int
    latency_ms: float
    response: str | UnknownType = UNKNOWN
    place: Place | None | UnknownType = UNKNOWN
    extra: Mapping[str, Json] | None = None
    raw: Json = None
    first_ms: float | None = None


def chat_reply(payload: Json) -> ChatReply:
    """The body of `POST /v1/chat`."""
    fields = Fields(payload, "the reply")
    place = fields.any("scenario")
    return _reply(fields, fields.text("response"), None if place is None else _place(place))


def done_reply(payload: Json) -> ChatReply:
    """The data of the event that ends a stream."""
    return _reply(Fields(payload, "the event 'done'"), UNKNOWN, UNKNOWN)


def _reply(fields: Fields, response: str | UnknownType, place: Place | None | UnknownType) -> ChatReply:
    return ChatReply(
        session=fields.id("session_id"),
        turn=fields.id("turn_id"),
        rules=fields.texts("matched_rules"),
        tools=fields.texts("tools_called"),
        tokens=fields.count("tokens_used"),
        latency_ms=fields.number("latency_ms"),
        response=response,
        place=place,
        extra=fields.mapping(EXTRA) if EXTRA in fields.data else None,
        raw=None if EXTRA in fields.data else fields.data,
    )


def _place(value: Json) -> Place:
    fields = Fields(value, "the scenario")
    return Place(fields.text_or_none("id"), fields.text_or_none("step"))


@value
class Page:
    """A part of a list; `last` where nothing follows it."""

    items: tuple[Json, ...]
    last: bool


def page_of(payload: Json, where: str, limit: int) -> Page:
    """A page as it came. `total` is not believed: it counts turns that were never stored.

    A page that is not full is the last one, whatever it says, so that a wrong `has_more` does not ask for ever.
    """
    fields = Fields(payload, where)
    items = fields.list("items")
    if len(items) > limit:
        raise EngineProtocol(f"{where} holds {len(items)} items where at most {limit} were asked for")
    return Page(tuple(items), not fields.flag("has_more") or len(items) < limit)


@value
class StoredTurn:
    """A turn as `/turns` lists it. Nothing is found by its `number`, which is the position on the page."""

    id: str
    user: str
    agent: str
    rules: tuple[str, ...]
    tools: tuple[str, ...]
    after: Place | None | UnknownType
    at: str | None
    raw: Json
    messages: tuple[Json, ...] | None = None  # the stored messages, where the server tells them
    number: int | None = None


def stored_turn(item: Json) -> StoredTurn:
    """One item of `GET /v1/sessions/{id}/turns`."""
    fields = Fields(item, "a stored turn")
    after, number = fields.data.get("scenario_after", UNKNOWN), fields.data.get("turn_number")
    return StoredTurn(
        id=fields.id("turn_id"),
        user=fields.text("user_message"),
        agent=fields.text("agent_response"),
        rules=fields.texts("matched_rules"),
        tools=fields.texts("tools_called"),
        after=after if after is None or after is UNKNOWN else _place(after),
        at=fields.text_or_none("timestamp"),
        raw=item,
        messages=tuple(fields.list(EXTRA)) if EXTRA in fields.data else None,
        number=number if type(number) is int else None,
    )


def messages_of(turn: StoredTurn, names: Names) -> tuple[MessageRecord, MessageRecord]:
    """What the user said and what the agent answered, as they are stored: null as scenario means that none is."""
    return (
        MessageRecord("user", turn.user, turn_id=turn.id, created_at=turn.at),
        MessageRecord(
            role="assistant",
            text=turn.agent,
            turn_id=turn.id,
            rules=rules_of(turn.rules, names),
            tools=tools_of(turn.tools, names),
            scenario=turn.after.named(names) if isinstance(turn.after, Place) else turn.after,
            metadata={} if turn.number is None else {"turn_number": turn.number},
            created_at=turn.at,
            raw=turn.raw,
        ),
    )


def rules_of(ids: tuple[str, ...], names: Names) -> tuple[RuleMatch, ...]:
    """Matched rules by name, in the engine's order: the most relevant first."""
    return tuple([RuleMatch(names.rule(rule), id=rule) for rule in ids])


def tools_of(reported: tuple[str, ...], names: Names) -> tuple[ToolCall, ...]:
    """Tool calls; Focal tells their names alone, those that failed among them."""
    return tuple([ToolCall(names.tool(name)) for name in reported])


@value
class SessionState:
    """What `GET /v1/sessions/{id}` says of a session after its last turn."""

    place: Place | None
    variables: Mapping[str, Json]
    turns: int


def session_state(payload: Json, session: str) -> SessionState:
    """The state of the session that was asked for; another one's is EngineProtocol."""
    fields = Fields(payload, "the session")
    if fields.id("session_id").lower() != session.lower():
        raise EngineProtocol(f"the session {session} was asked for, {fields.id('session_id')} was sent")
    scenario, step = fields.text_or_none("active_scenario_id"), fields.text_or_none("active_step_id")
    place = None if scenario is None else Place(scenario, step)
    return SessionState(place, fields.mapping("variables"), fields.count("turn_count"))


TOOLS_NOT_IN_REPLY = "tools-not-in-reply"
TURN_NOT_STORED = "turn-not-stored"


def reply_of(
    chat: ChatReply,
    names: Names,
    *,
    stored: StoredTurn | None | UnknownType = UNKNOWN,
    state: SessionState | UnknownType = UNKNOWN,
) -> Reply:
    """The reply in the words of scripts; `stored` and `state` are what was read of the turn after it, UNKNOWN if nothing was.

    Focal lists tools in the stored turn alone, and does not store every turn: then its tools are not known.
    """
    tools: tuple[str, ...] | UnknownType = chat.tools or UNKNOWN
    holes: list[Json] = []
    if stored is None:
        holes.append(TURN_NOT_STORED)
    elif stored is not UNKNOWN:
        tools = chat.tools or stored.tools
        holes += [TOOLS_NOT_IN_REPLY] if tools != chat.tools else []
    place = chat.place
    if place is UNKNOWN and state is not UNKNOWN:
        place = state.place
    assert chat.response is not UNKNOWN
    return Reply(
        response=chat.response,
        rules=rules_of(chat.rules, names),
        tools=UNKNOWN if tools is UNKNOWN else tools_of(tools, names),
        scenario=place.named(names) if isinstance(place, Place) else place,
        variables=UNKNOWN if state is UNKNOWN else dict(state.variables),
        metadata={"provider_error": provider_error(chat.response), "holes": holes},
        tokens=Tokens(total=chat.tokens),
        latency_ms=chat.latency_ms,
        session_id=chat.session,
        turn_id=chat.turn,
        raw=chat.raw,
        first_token_ms=chat.first_ms,
    )
