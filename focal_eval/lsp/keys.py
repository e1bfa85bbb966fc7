"""Which keys and words may stand at a path of a file, from the schemas that are made of the shapes that read it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from focal_eval.evaluate.schemas import schemas
from focal_eval.value import value

Path = tuple[str | int, ...]
Schema = dict[str, Any]
_KIND_OF = {"fragment": "script"}
_MOST = 200


@value
class Key:
    """A key of a mapping: what it means, and what kind of value it takes."""

    name: str
    doc: str
    takes: str  # "mapping", "list" or "scalar"
    required: bool = False


def normal(path: Path) -> Path:
    """A path whose places in lists are all the first."""
    return tuple(0 if isinstance(step, int) else step for step in path)


@lru_cache(maxsize=8)
def _schema(kind: str) -> Schema | None:
    return schemas().get(_KIND_OF.get(kind, kind))


@lru_cache(maxsize=2048)
def at(kind: str, path: Path) -> tuple[Any, ...]:
    """The schemas that a value at a path may fit; unions are told apart."""
    top = _schema(kind)
    if top is None:
        return ()
    here = list(_options(top, top))
    for step in path:
        found: list[Schema] = []
        for option in here:
            for below in _below(option, step):
                found.extend(_options(below, top))
        here = _unique(found)
    return tuple(here)


def _unique(found: list[Schema]) -> list[Schema]:
    """Each once: parts of a schema that are used in many places come out many times."""
    out: dict[int, Schema] = {}
    for schema in found[: _MOST * 10]:
        out.setdefault(id(schema), schema)
    return list(out.values())[:_MOST]


def _options(schema: Schema, top: Schema, depth: int = 0) -> Iterator[Schema]:
    if depth > 12:
        return
    if "$ref" in schema:
        yield from _options(top["$defs"][schema["$ref"].rpartition("/")[2]], top, depth + 1)
        return
    inner = [*schema.get("anyOf", ()), *schema.get("oneOf", ())]
    if inner and "properties" not in schema:
        for option in inner:
            yield from _options(option, top, depth + 1)
        return
    yield schema


def _below(schema: Schema, step: str | int) -> Iterator[Schema]:
    if isinstance(step, int):
        if isinstance(items := schema.get("items"), dict):
            yield items
        return
    if step in schema.get("properties", {}):
        yield schema["properties"][step]
    elif isinstance(more := schema.get("additionalProperties"), dict):
        yield more


@lru_cache(maxsize=1024)
def keys_at(kind: str, path: Path) -> tuple[Key, ...]:
    """The keys a mapping at a path may have; of a list of mappings those of its entries are meant by a path that ends in 0."""
    top = _schema(kind)
    found: dict[str, Key] = {}
    for option in at(kind, path):
        required = option.get("required", ())
        for name, schema in option.get("properties", {}).items():
            if top is not None and name not in found:
                found[name] = Key(name, _doc(schema, top), _takes(schema, top), name in required)
    return tuple(found.values())


def words_at(kind: str, path: Path) -> tuple[tuple[str, str], ...]:
    """The words a scalar at a path may be, each with what it means."""
    found: dict[str, str] = {}
    for option in at(kind, path):
        for word in option.get("enum", ()):
            if isinstance(word, (str, bool, int)):
                found.setdefault(_written(word), str(option.get("description", "")))
        if isinstance(option.get("const"), str):
            found.setdefault(option["const"], str(option.get("description", "")))
        if option.get("type") == "boolean":
            found.update({"true": "", "false": ""})
    return tuple(found.items())


def doc_at(kind: str, path: Path) -> str | None:
    """What the key at the end of a path means; None where no key of the language stands there."""
    if not path or not isinstance(path[-1], str):
        return None
    return next((key.doc for key in keys_at(kind, path[:-1]) if key.name == path[-1]), None)


def _written(word: str | bool | int) -> str:
    return str(word).lower() if isinstance(word, bool) else str(word)


def _doc(schema: Schema, top: Schema) -> str:
    if "description" in schema:
        return str(schema["description"])
    return next((str(option["description"]) for option in _options(schema, top) if "description" in option), "")


def _takes(schema: Schema, top: Schema) -> str:
    kinds = {str(option.get("type")) for option in _options(schema, top)}
    if kinds and kinds <= {"object"}:
        return "mapping"
    return "list" if kinds and kinds <= {"array"} else "scalar"
