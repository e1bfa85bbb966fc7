"""Where a store is: a path, or the URL of a database."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

from focal_eval.errors import UsageError
from focal_eval.registry import did_you_mean, names
from focal_eval.value import value

DEFAULT = "reports/store.sqlite"
_SPELT = {"postgres": "postgresql", "postgresql+psycopg": "postgresql", "sqlite3": "sqlite"}
_IN_MEMORY = ":memory:"


@value
class Address:
    """A store's kind, and what its opener takes; `shown` can be printed: it holds no password."""

    kind: str  # a name under `stores` in the registry: sqlite, postgresql
    target: str  # the file's path, or the URL
    shown: str
    has_password: bool = False


def address_of(text: str, folder: Path | None = None) -> Address:
    """The store that a path or a URL means; a path starts from `folder`. Raises UsageError."""
    if not text.strip():
        raise UsageError("the store's address is empty; name a file such as reports/store.sqlite, or a postgresql:// URL")
    scheme, colon, rest = text.partition("://")
    if not colon:
        return _file(text, folder)
    kind = _SPELT.get(scheme.casefold(), scheme.casefold())
    if kind not in names("stores"):
        fix = did_you_mean(kind, names("stores"))
        raise UsageError(f"no store is reached by '{scheme}://'" + (f"; {fix}" if fix else ""))
    if kind == "sqlite":
        if not rest.startswith("/") or rest == "/":
            raise UsageError("a SQLite URL has three strokes before its path: sqlite:///reports/store.sqlite")
        return _file(rest.removeprefix("/"), folder)
    return _server(kind, rest)


def _file(text: str, folder: Path | None) -> Address:
    if text == _IN_MEMORY:
        raise UsageError("a store is kept: ':memory:' would be gone with this command; name a file")
    path = Path(text) if folder is None else Path(os.path.normpath(folder / text))
    here = Path.cwd()
    return Address("sqlite", str(path), str(path.relative_to(here) if path.is_relative_to(here) else path))


def _server(kind: str, rest: str) -> Address:
    target = f"{kind}://{rest}"
    try:
        parts = urlsplit(target)
        password, port = parts.password, parts.port
    except ValueError as problem:
        raise UsageError(f"the store's URL cannot be read: {problem}") from None
    host = f"{parts.username}@" if parts.username else ""
    host += (parts.hostname or "") + (f":{port}" if port else "")
    secret = password is not None or "password" in parts.query
    return Address(kind, target, f"{kind}://{host}{parts.path}", secret)
