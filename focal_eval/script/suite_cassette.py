"""`cassette` of a suite's engine: where its conversations are recorded, and when they are replayed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Any, Literal

from focal_eval.document import INVALID, Reader, Shape
from focal_eval.document.reader import MappingNode, Node
from focal_eval.document.shape import Choice, JsonSchema, ListOf, SchemaBuilder, Text
from focal_eval.registry import did_you_mean
from focal_eval.value import value as a_value

Mode = Literal["record", "replay", "replay-else-record", "off"]
Layer = Literal["turns", "model", "tools"]

MODES: dict[str, str] = {
    "record": "The engine is asked, and what it answers is recorded anew.",
    "replay": "Recordings alone are asked; what is not recorded is an error.",
    "replay-else-record": "Recordings are asked, and the engine for what they do not hold; that is recorded.",
    "off": "Neither.",
}
LAYERS: dict[str, str] = {
    "turns": "Whole conversations: what the user says and what the engine answers.",
    "model": "What the engine asks a language model.",
    "tools": "Calls of tools that are local Python.",
}


class LayersShape(Shape):
    """`layers`: names of layers, or a mode for each; read as pairs, None where the cassette's mode holds."""

    expected = "a list of layers, or a mapping of layers to modes"

    def read(self, node: Node, reader: Reader) -> Any:
        if not isinstance(node, MappingNode):
            named = ListOf(Choice(tuple(LAYERS))).read(node, reader)
            if named is INVALID:
                return INVALID
            if named:
                return tuple((name, None) for name in LAYERS if name in named)
            return reader.error("no-layers", "the cassette names no layers", node)
        out: list[Any] = []
        for name, key, value in reader.pairs(node):
            if name not in LAYERS:
                fix = did_you_mean(name, LAYERS)
                out.append(reader.error("unknown-word", f"no layer is named '{name}'", key, help=fix))
                continue
            mode = Choice(tuple(MODES)).read(value, reader)
            out.append(INVALID if mode is INVALID else (name, mode))
        if not out:
            return reader.error("no-layers", "the cassette names no layers", node)
        return INVALID if INVALID in out else tuple(out)

    def schema(self, into: SchemaBuilder) -> JsonSchema:
        layer: JsonSchema = {"anyOf": [{"const": name, "description": doc} for name, doc in LAYERS.items()]}
        properties = {name: {"enum": list(MODES), "description": doc} for name, doc in LAYERS.items()}
        modes = {"type": "object", "properties": properties, "additionalProperties": False}
        return {"anyOf": [layer, {"type": "array", "minItems": 1, "items": layer}, modes]}


@a_value
class CassetteUse:
    """A file that an engine's conversations are recorded in and replayed from."""

    short = "file"
    file: Annotated[str, Text(may_be_empty=False)] = field(
        metadata={"doc": "The cassette, from the suite's folder on; a name that ends in `/` is a folder with one a script."}
    )
    mode: Mode = field(default="replay-else-record", metadata={"doc": "When it is asked; `run --cassette` says otherwise."})
    layers: Annotated[tuple[tuple[Layer, Mode | None], ...], LayersShape()] = field(
        default=(("turns", None),), metadata={"doc": "What is recorded: turns, model, tools; a mapping says the mode of each."}
    )

    def __post_init__(self) -> None:
        if "\0" in self.file:
            raise ValueError("'file' holds a null character")

    def modes(self, instead: Mode | None = None) -> Mapping[Layer, Mode]:
        """The mode of each layer in use; one that is `off` stays so whatever is said `instead`."""
        found = {layer: own if own == "off" else instead or own or self.mode for layer, own in self.layers}
        return {layer: mode for layer, mode in found.items() if mode != "off"}
