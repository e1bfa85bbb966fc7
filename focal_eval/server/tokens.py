"""Who may ask: bearer tokens signed with a shared secret, or anybody."""

from __future__ import annotations

from collections.abc import Mapping

import jwt

from focal_eval.errors import UsageError
from focal_eval.server.contract import Claims, read
from focal_eval.server.refusals import Refusal, Unauthorised

_ALGORITHM = "HS256"
_UNCHECKED = {"verify_aud": False, "verify_iss": False, "verify_iat": False, "verify_sub": False, "verify_jti": False}


class Gate:
    """Reads tokens where there is a secret, and lets everybody in where there is none."""

    def __init__(self, secret: str | None = None) -> None:
        self._secret = secret
        if secret is not None:
            try:
                jwt.encode({}, secret, _ALGORITHM)
            except jwt.PyJWTError as problem:
                raise UsageError(f"tokens cannot be signed with this secret: {problem}") from None

    def tenant(self, headers: Mapping[str, str]) -> str | None:
        """The tenant the token names; None where tokens are not looked at. Raises Unauthorised."""
        if self._secret is None:
            return None
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Unauthorised("Missing authentication token")
        try:
            claims = jwt.decode(token.strip(), self._secret, [_ALGORITHM], options=_UNCHECKED)  # type: ignore[arg-type]  # a plain mapping will do
        except (jwt.PyJWTError, ValueError, RecursionError):  # whatever a stranger can put into a token
            raise Unauthorised("Invalid or expired token") from None
        if claims.get("tenant_id") is None:
            raise Unauthorised("Token missing tenant_id claim")
        try:
            return str(read(Claims, claims, "token").tenant_id)
        except Refusal:
            raise Unauthorised("Invalid token claims") from None
