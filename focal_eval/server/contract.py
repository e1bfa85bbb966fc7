"""What requests must look like, and what is said of those that do not.

The models follow Focal's, whose own are pydantic's: fields and messages of a refusal are the same.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Any, Literal, TypeVar
from uuid import UUID

import orjson
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from starlette.requests import Request

from focal_eval.server.refusals import Refusal, invalid

MAX_BODY = 4 * 1024 * 1024  # bytes
MAX_DEPTH = 64
EXTRA = "focal_eval"  # the key of what Focal's contract cannot carry

T = TypeVar("T")
Text = Annotated[str, Field(min_length=1)]


class ChatRequest(BaseModel):
    """The body of a chat; keys nobody knows are passed over."""

    tenant_id: UUID
    agent_id: UUID
    channel: Text
    user_channel_id: Text
    message: Annotated[str, Field(min_length=1, max_length=10_000)]
    session_id: str | None = None
    metadata: dict[str, Any] | None = None


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Said(_Strict):
    """A turn before the conversation."""

    user: str | None = None
    agent: str | None = None


class Start(_Strict):
    """How a session begins."""

    variables: dict[str, Any] = {}
    history: list[Said] = []
    scenario: str | None = None


class Extras(_Strict):
    """What a client asks for beyond Focal's contract."""

    start: Start | None = None
    unasked: bool = False
    stubs: bool = False


class Stub(_Strict):
    """What the client says a tool answers; exactly one of `result` and `error` is given."""

    result: Any = None
    error: str | None = None
    delay_ms: Annotated[float, Field(ge=0, le=3_600_000)] | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> Stub:
        if ("result" in self.model_fields_set) == (self.error is not None):
            raise ValueError("exactly one of 'result' and 'error' is expected")
        return self


class ToolAnswerRequest(_Strict):
    """The client's answer to one call of a tool."""

    call: int
    stub: Stub | None


class Paging(BaseModel):
    """Which part of a list is asked for."""

    limit: Annotated[int, Field(ge=1, le=100)] = 20
    offset: Annotated[int, Field(ge=0)] = 0
    sort: Literal["asc", "desc"] = "desc"
    focal_eval: bool = False


class Claims(BaseModel):
    """What a token must say; other claims are not read."""

    tenant_id: UUID
    sub: str | None = None
    roles: list[str] = []
    tier: Literal["free", "pro", "enterprise"] = "free"


@lru_cache(maxsize=16)
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def read(kind: type[T], value: Any, place: str) -> T:
    """The value as a model. Raises Refusal, with every problem and its place."""
    try:
        made: T = _adapter(kind).validate_python(value, from_attributes=True)  # type: ignore[arg-type]  # a class is hashable
        return made
    except ValidationError as problem:
        found = problem.errors(include_url=False, include_context=False, include_input=False)
    details = [{"field": ".".join([place, *map(str, one["loc"])]), "message": one["msg"]} for one in found]
    raise Refusal(400, "INVALID_REQUEST", "Request validation failed", details)


async def read_body(request: Request) -> Any:
    """The request's JSON; bytes where the client does not say it is JSON. Raises Refusal."""
    chunks, size = [], 0
    async for chunk in request.stream():
        chunks.append(chunk)
        size += len(chunk)
        if size > MAX_BODY:
            raise Refusal(413, "INVALID_REQUEST", f"The request body is larger than {MAX_BODY:,} bytes")
    data = b"".join(chunks)
    if not data:
        raise invalid("body", "Field required")
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not kind.endswith("+json"):
        return data
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as problem:
        raise invalid(f"body.{problem.pos}", "JSON decode error") from None
    if _deeper(value, MAX_DEPTH):
        raise invalid("body", f"The body is nested deeper than {MAX_DEPTH} levels")
    if value is None:
        raise invalid("body", "Field required")
    return value


def _deeper(value: Any, limit: int) -> bool:
    level = [value]
    for _ in range(limit):
        level = [
            item
            for part in level
            if isinstance(part, (dict, list))
            for item in (part.values() if isinstance(part, dict) else part)
        ]
        if not level:
            return False
    return True


def extras_of(chat: ChatRequest) -> Extras | None:
    """What the client asks for beyond the contract, None where it asks for nothing. Raises Refusal."""
    asked = (chat.metadata or {}).get(EXTRA)
    if asked is None or asked is False:
        return None
    return Extras() if asked is True else read(Extras, asked, f"body.metadata.{EXTRA}")


def paging_of(request: Request) -> Paging:
    """The part of a list that the query asks for. Raises Refusal."""
    return read(Paging, dict(request.query_params), "query")


def uuid_in_path(request: Request, name: str) -> str:
    """A UUID of the path, spelled as this server spells it. Raises Refusal."""
    return str(read(UUID, request.path_params[name], f"path.{name}"))


def is_uuid(text: str) -> bool:
    """Whether a session id could be one."""
    try:
        _adapter(UUID).validate_python(text)
    except ValidationError:
        return False
    return True
