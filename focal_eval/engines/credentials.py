"""Takes credentials out of data that is kept: by the key they stand under, and by what a text around them says.

Values that came from the environment and the usual shapes of tokens are taken out of the bytes of everything a run writes;
a recording is kept, shared and committed, so that it also loses what only looks like a credential where it stands.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from focal_eval.records import Json

MARK = "[redacted]"

Cleaner = Callable[[Json], Json]
"""Gives data as it may be kept; what is compared with kept data goes through it too."""

_KEYS = frozenset(
    {"accesskey", "accesstoken", "apikey", "apitoken", "authorization", "authtoken", "bearer", "bearertoken", "clientsecret"}
    | {"cookie", "cookies", "credential", "credentials", "cvc", "cvv", "idtoken", "jwt", "passcode", "passphrase", "passwd"}
    | {"password", "pin", "privatekey", "proxyauthorization", "pwd", "refreshtoken", "secret", "secretkey", "sessiontoken"}
    | {"setcookie", "token", "xapikey", "xauthtoken"}
)
"""Keys without case, hyphens and underscores. Focal's `tracking_token` is none of them: it names a conversation."""

_NAMES = r"password|passwd|pwd|passphrase|api[_-]?key|client[_-]?secret|(?:access|refresh|id|auth|bearer)[_-]?token"
_TEXTS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?<=://)[^/\s:@\"]{1,200}:[^/\s@\"]{1,200}(?=@)"), MARK),
    (re.compile(r"\b(authorization:\s*(?:basic|bearer|token)\s+)[^\s\",;]+", re.IGNORECASE), rf"\1{MARK}"),
    (re.compile(rf"\b((?:{_NAMES})=)[^\s&\",;]+", re.IGNORECASE), rf"\1{MARK}"),
)
_DEEPEST = 100
_INTEGERS = range(-(2**63), 2**64)


def without_credentials(value: Json, depth: int = 0) -> Json:
    """The data without credentials, and without what JSON cannot say; a text under a telling key is taken out whole."""
    if isinstance(value, str):
        return _text(value)
    if value is None or isinstance(value, (bool, float)):
        return value
    if isinstance(value, int):
        return value if value in _INTEGERS else f"[an integer of {value.bit_length()} bits]"
    if depth > _DEEPEST:
        return "[nested too deep]"
    if isinstance(value, Mapping):
        return {_text(str(key)): _under(str(key), item, depth) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [without_credentials(item, depth + 1) for item in value]
    return _text(str(value))


def _under(key: str, value: Json, depth: int) -> Json:
    if key.casefold().replace("_", "").replace("-", "") not in _KEYS:
        return without_credentials(value, depth + 1)
    if isinstance(value, str):
        return MARK if value else value
    if isinstance(value, int) and not isinstance(value, bool):
        return MARK
    return without_credentials(value, depth + 1)


def _text(text: str) -> str:
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode("utf-8")
    if ":" in text or "=" in text:
        for pattern, instead in _TEXTS:
            text = pattern.sub(instead, text)
    return text


def cleaner(redact: Callable[[bytes], bytes]) -> Cleaner:
    """Gives data as it is kept: without credentials, and without what `redact` takes out of its bytes."""
    import orjson

    def clean(value: Json) -> Json:
        return orjson.loads(redact(orjson.dumps(without_credentials(value))))

    return clean
