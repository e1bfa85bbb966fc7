"""JSON bytes of anything an engine may hand over."""

from __future__ import annotations

from typing import Any

import orjson


def dumps(value: Any) -> bytes:
    """JSON bytes of anything; what JSON cannot say is written as text."""
    try:
        return orjson.dumps(value)
    except (TypeError, ValueError, RecursionError):
        return orjson.dumps(_plain(value), option=orjson.OPT_NON_STR_KEYS)


def _plain(value: Any, depth: int = 0) -> Any:
    """The value without lone surrogates, giant integers and endless nesting."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, bool) or value is None or isinstance(value, float):
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**64 else _spelt(value)
    if depth > 100:
        return "[nested too deep]"
    if isinstance(value, dict):
        return {str(_plain(key)): _plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item, depth + 1) for item in value]
    return _plain(_spelt(value))


def _spelt(value: Any) -> str:
    try:
        return str(value)
    except Exception:  # its own `__str__` is broken, or an integer is longer than Python writes out
        return f"[a {type(value).__name__} that cannot be shown]"
