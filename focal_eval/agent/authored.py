"""An agent, or a part of one, as the plain data of its file: keys in the order of the fields, defaults left out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import lru_cache
from typing import Any

from focal_eval.agent.spellings import Collect, Requires, TextByLanguage


def authored(held: Any) -> Any:
    """The data that reads back as this value, places aside; what an agent file may write shorter is written shorter."""
    if isinstance(held, str):
        return str(held)
    if isinstance(held, Requires):
        return _condition(held)
    if isinstance(held, Collect):
        return [_need(need.any_of) for need in held.needs]
    if isinstance(held, TextByLanguage):
        return {str(code): str(text) for code, text in held.texts} if held.texts[0][0] else str(held.texts[0][1])
    if is_dataclass(held):
        return {_key(spec.name): authored(one) for spec, one in _given(held)}
    if isinstance(held, tuple):
        return _many(held)
    if isinstance(held, list):
        return [authored(one) for one in held]
    if isinstance(held, Mapping):
        return {str(name): authored(one) for name, one in held.items()}
    return held


def same(one: Any, other: Any) -> bool:
    """Whether two values say the same, wherever they stand."""
    return one is other or _written(one) == _written(other)


def _written(held: Any) -> str:
    return json.dumps(authored(held), sort_keys=False, default=str)


def _condition(held: Requires) -> Any:
    if held.expression is not None:
        return str(held.expression)
    return [str(name) for name in held.names] if held.names else {str(name): authored(one) for name, one in held.values}


def _need(groups: tuple[tuple[str, ...], ...]) -> Any:
    if len(groups) == 1 and len(groups[0]) == 1:
        return str(groups[0][0])
    return {"any_of": [[str(slot) for slot in group] for group in groups]}


def _many(held: tuple[Any, ...]) -> Any:
    """Names and parts as a list, one name alone as itself; pairs as a mapping."""
    if held and all(isinstance(one, tuple) for one in held):
        return {str(name): authored(one) for name, one in held}
    if len(held) == 1 and isinstance(held[0], str):
        return str(held[0])
    return [authored(one) for one in held]


def _given(held: Any) -> list[tuple[Field[Any], Any]]:
    """The fields that a file would have to say."""
    out = []
    for spec, default in _fields(type(held)):  # type: ignore[arg-type]  # a class is hashable
        one = getattr(held, spec.name)
        if default is MISSING or not (type(one) is type(default) and one == default):
            out.append((spec, one))
    return out


@lru_cache(maxsize=64)
def _fields(kind: type) -> tuple[tuple[Field[Any], Any], ...]:
    """The fields of a dataclass of the agent file that are keys, with their defaults."""
    specs = [spec for spec in fields(kind) if spec.name != "span"]
    return tuple((spec, spec.default_factory() if spec.default_factory is not MISSING else spec.default) for spec in specs)


def _key(name: str) -> str:
    return name.removesuffix("_")
