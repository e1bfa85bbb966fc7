"""What is answered instead of a reply: Focal's two error envelopes."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from focal_eval.runner.journal import dumps


class Refusal(Exception):
    """A request that cannot be served, in Focal's main envelope."""

    def __init__(self, status: int, code: str, message: str, details: list[dict[str, str]] | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.details = status, code, message, details

    def response(self) -> Response:
        error = {"code": self.code, "message": self.message, "details": self.details, "turn_id": None, "rule_id": None}
        return as_json({"error": error}, self.status)


class Unauthorised(Exception):
    """A request without a token that counts, in Focal's other envelope."""


def as_json(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON answer; what JSON cannot say in it is said as text."""
    return Response(dumps(content), status, headers, "application/json")


def detail(status: int, text: str, headers: dict[str, str] | None = None) -> Response:
    """The second envelope: 401, unknown paths and wrong methods."""
    return as_json({"detail": text}, status, headers)


def invalid(field: str, message: str) -> Refusal:
    """A request of a wrong shape, with the place."""
    return Refusal(400, "INVALID_REQUEST", "Request validation failed", [{"field": field, "message": message}])


def not_found(kind: str, id: str) -> Refusal:
    """Nothing has this id; `kind` is the word in the code, such as SESSION."""
    return Refusal(404, f"{kind}_NOT_FOUND", f"{kind.capitalize()} {id} not found")


def broken() -> Refusal:
    """The agent broke; the reason is for the server's own log."""
    return Refusal(500, "INTERNAL_ERROR", "An unexpected error occurred")
