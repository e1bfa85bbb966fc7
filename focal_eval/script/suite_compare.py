"""How runs of a suite are compared: what is volatile and left out of sight (`compare:` in a suite)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Annotated, Any

from focal_eval.document import INVALID, Reader, Shape, record_of
from focal_eval.document.patterns import PatternText
from focal_eval.document.reader import MappingNode, Node
from focal_eval.document.shape import JsonSchema, ListOf, SchemaBuilder, Text
from focal_eval.pattern import compile_pattern
from focal_eval.registry import did_you_mean
from focal_eval.value import value

PARTS: tuple[str, ...] = (
    "candidates",
    "citations",
    "enforcement",
    "finish_reason",
    "follow_ups",
    "format",
    "metadata",
    "model",
    "outcome",
    "response",
    "rules",
    "scenario",
    "template",
    "tools",
    "transitions",
    "type",
    "variables",
)
"""The parts of a reply that are compared, as far as both sides know them."""

ANY = "*"
_STEP = re.compile(r"\.?([^.\[\]]+)|\[(\d+|\*)\]")
_PATH = r"^(reply\.)?(" + "|".join(PARTS) + r")(\.[^.\[\]]+|\[(\d+|\*)\])*$"


@value
class PathMask:
    """A place in a reply that is not compared; `*` stands for any key or number."""

    path: tuple[str, ...]

    def __str__(self) -> str:
        first, *rest = self.path
        return first + "".join(f"[{step}]" if step == ANY or step.isdigit() else f".{step}" for step in rest)


@value
class PatternMask:
    """What a text holds and nobody compares, such as a date."""

    pattern: PatternText = field(metadata={"doc": "What is masked wherever a text of the conversation holds it."})
    name: Annotated[str, Text(may_be_empty=False)] = field(default="masked", metadata={"doc": "What stands there instead."})

    def __str__(self) -> str:
        return f"{self.name} (/{self.pattern.text}/)"


Mask = PathMask | PatternMask


def path_of(text: str) -> tuple[str, ...] | None:
    """The steps of `tools[*].result.created_at`, None where it is no path."""
    text = text.removeprefix("reply.")
    out, at = [], 0
    while at < len(text):
        found = _STEP.match(text, at)
        if found is None or (at == 0 and text[0] in ".["):
            return None
        out.append(found[1] or found[2])
        at = found.end()
    return tuple(out) or None


class MaskShape(Shape):
    """One mask: a path of a reply, or a pattern for its texts."""

    expected = "a path such as tools[*].result.at, or {pattern: '...'}"

    def read(self, node: Node, reader: Reader) -> Any:
        if isinstance(node, MappingNode):
            return record_of(PatternMask).read(node, reader)
        text = Text(may_be_empty=False).read(node, reader)
        if not isinstance(text, str):
            return INVALID
        path = path_of(text)
        if path is None:
            fix = "a path is written reply.metadata.request_id or tools[*].result.at; a pattern {pattern: '...'}"
            return reader.error("bad-value", f"'{text}' is no path of a reply", node, help=fix)
        if path[0] not in PARTS:
            fix = did_you_mean(path[0], PARTS, list_up_to=len(PARTS)) or "ids, times, latencies and tokens are masked anyway"
            return reader.error("unknown-word", f"'{path[0]}' is no part of a reply that is compared", node, help=fix)
        return PathMask(path)

    def schema(self, into: SchemaBuilder) -> JsonSchema:
        return {"anyOf": [{"type": "string", "pattern": _PATH}, record_of(PatternMask).schema(into)]}


@value
class Compare:
    """How two runs of the suite are compared."""

    mask: Annotated[tuple[Mask, ...], ListOf(MaskShape())] = field(
        default=(), metadata={"doc": "What is not compared beside ids, times and tokens: paths of a reply, patterns in texts."}
    )


def masks_to_json(masks: Iterable[Mask]) -> list[Any]:
    """Masks as a run's header holds them."""
    return [str(mask) if isinstance(mask, PathMask) else {"pattern": mask.pattern.text, "name": mask.name} for mask in masks]


def masks_from_json(data: object) -> tuple[Mask, ...]:
    """Masks of a run's header. Raises ValueError where something else stands there."""
    if not isinstance(data, list):
        raise ValueError("masks are a list")
    return tuple(_mask(item) for item in data)


def _mask(item: object) -> Mask:
    if isinstance(item, Mapping) and isinstance(item.get("pattern"), str):
        return PatternMask(compile_pattern(item["pattern"]), str(item.get("name", "masked")))
    path = path_of(item) if isinstance(item, str) else None
    if path is None:
        raise ValueError(f"{item!r} is no mask")
    return PathMask(path)
