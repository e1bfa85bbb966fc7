"""Masks: paths of stored messages that are not compared with what was said, such as `tools.*.result.at`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from focal_eval.document import Reader, Shape
from focal_eval.document.reader import Node
from focal_eval.document.shape import JsonSchema, ListOf, SchemaBuilder, Text
from focal_eval.registry import did_you_mean

Mask = tuple[str, ...]

COMPARED: dict[str, str] = {
    "text": "Its text, white space folded.",
    "rules": "The rules that matched, by name, in any order.",
    "tools": "The tool calls by name, and of each what both sides know: arguments, result, error.",
    "scenario": "The scenario and its step.",
    "citations": "The sources it names.",
    "follow_ups": "The follow-ups it suggests.",
    "reasoning": "What the engine shows of its reasoning.",
    "confidence": "How sure the engine is.",
    "type": "The kind of message.",
    "format": "The format of its text.",
    "model": "The model that wrote it.",
    "finish_reason": "Why the model stopped.",
    "tokens": "Counts of tokens, those that both sides know.",
    "cost": "What it cost.",
    "metadata": "Metadata, the keys that both sides have.",
}
"""The parts of a message that are compared where both sides know them; ids and times are not."""

ANY = "*"


class MaskShape(Shape):
    """One mask: the part of a message, then keys and numbers with dots between; `*` is any one of them."""

    expected = "a path such as tools.*.result.at"

    def read(self, node: Node, reader: Reader) -> Any:
        text = Text(may_be_empty=False).read(node, reader)
        if not isinstance(text, str):
            return text
        path = tuple(text.split("."))
        if "" in path:
            return reader.error("bad-value", f"'{text}' is no path; between two dots stands a key, a number or '*'", node)
        if path[0] not in COMPARED:
            fix = did_you_mean(path[0], COMPARED, list_up_to=len(COMPARED))
            return reader.error("unknown-word", f"'{path[0]}' is no part of a message that is compared", node, help=fix)
        return path

    def schema(self, into: SchemaBuilder) -> JsonSchema:
        return {"type": "string", "pattern": f"^({'|'.join(COMPARED)})(\\.[^.]+)*$"}


MASKS = ListOf(MaskShape())


def unmasked(path: Mask, value: Any, masks: Iterable[Mask]) -> Any:
    """The value at `path` of a message without what is masked below it; None where it is masked itself."""
    near = [mask for mask in masks if _leads(path, mask)]
    if not near:
        return value
    if any(len(mask) == len(path) for mask in near):
        return None
    if isinstance(value, Mapping):
        kept = {key: unmasked((*path, str(key)), item, near) for key, item in value.items()}
        return {key: item for key, item in kept.items() if not _hit((*path, str(key)), near)}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [unmasked((*path, str(place)), item, near) for place, item in enumerate(value)]
    return value


def _leads(path: Mask, mask: Mask) -> bool:
    """Whether the mask is for this path or for something below it."""
    return len(mask) >= len(path) and _fits(path, mask[: len(path)])


def _hit(path: Mask, masks: Iterable[Mask]) -> bool:
    return any(len(mask) == len(path) and _fits(path, mask) for mask in masks)


def _fits(path: Mask, mask: Mask) -> bool:
    return all(wanted in (ANY, step) for step, wanted in zip(path, mask, strict=True))
