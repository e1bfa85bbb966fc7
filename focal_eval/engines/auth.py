"""The bearer token of a remote engine: given, in an environment variable, in a file, or signed with a development secret."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
from collections.abc import Mapping
from datetime import timedelta

import orjson

from focal_eval.engines.base import Setting
from focal_eval.errors import UsageError
from focal_eval.records import Json

_KEYS = ("token", "token_env", "token_file", "dev_secret_env")
_SCHEME = re.compile(r"^bearer(\s+|$)", re.IGNORECASE)
_TOKEN = re.compile(r"[\x21-\x7e]+")
_LONGEST = 64 * 1024  # bytes of a token's file
_VALID = timedelta(days=1)  # of a token signed here; longer than any run


def bearer(config: object, tenant: str | None, setting: Setting) -> str | None:
    """The token that an engine's entry asks for, None where it asks for none. Raises UsageError, without showing a secret.

    Of the keys `token`, `token_env`, `token_file` and `dev_secret_env` of the entry one may be given.
    """
    given: dict[str, str] = {key: value for key in _KEYS if (value := getattr(config, key, None)) is not None}
    if not given:
        return None
    if len(given) > 1:
        raise UsageError("the engine has " + " and ".join(f"'{key}'" for key in given) + "; give one of them")
    ((key, value),) = given.items()
    token = _token(key, value, tenant, setting)
    setting.secrets.append(token)
    return token


def _token(key: str, value: str, tenant: str | None, setting: Setting) -> str:
    if key == "dev_secret_env":
        if tenant is None:
            raise UsageError("'dev_secret_env' needs 'tenant': the token names it")
        secret = _variable(key, value)
        setting.secrets.append(secret)
        return signed({"tenant_id": tenant, "sub": "focal-eval", "roles": []}, secret, setting)
    text = _variable(key, value) if key == "token_env" else _file(value, setting) if key == "token_file" else value
    token = _SCHEME.sub("", text.strip(), count=1)
    if _TOKEN.fullmatch(token) is None:
        why = "it holds characters that no token holds" if token else "it is empty"
        raise UsageError(f"what the engine's '{key}' gives is not a token: {why}")
    return token


def signed(claims: Mapping[str, Json], secret: str, setting: Setting) -> str:
    """A JSON Web Token with these claims, signed with HS256, that is valid for a day."""
    expires = int((setting.clock.now() + _VALID).timestamp())
    parts = ({"alg": "HS256", "typ": "JWT"}, {**claims, "exp": expires})
    text = ".".join(_encoded(orjson.dumps(part)) for part in parts)
    return f"{text}.{_encoded(hmac.digest(secret.encode(), text.encode(), hashlib.sha256))}"


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _variable(key: str, name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise UsageError(
            f"the environment variable {name} of the engine's '{key}' is " + ("empty" if value == "" else "not set")
        )
    return value


def _file(name: str, setting: Setting) -> str:
    path = setting.root / name
    try:
        with path.open("rb") as file:
            return file.read(_LONGEST).decode()
    except OSError as problem:
        raise UsageError(f"the engine's 'token_file' {name} cannot be read: {problem.strerror or problem}") from None
    except UnicodeDecodeError:
        raise UsageError(f"the engine's 'token_file' {name} is not text") from None
