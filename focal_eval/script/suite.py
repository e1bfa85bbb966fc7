"""A suite: what to run, on which engine, with which gates (`evals/*.yaml`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Annotated, Any, Literal

from focal_eval.document import INVALID, Document, Reader, Shape, record_of
from focal_eval.document.reader import MappingNode, Node, ScalarNode, SequenceNode
from focal_eval.document.shape import Choice, JsonSchema, ListOf, MapOf, Number, SchemaBuilder, Text, shape_of
from focal_eval.script.gates import GatesShape
from focal_eval.script.limit import Limit
from focal_eval.script.masks import COMPARED, MASKS, Mask
from focal_eval.script.quarantine import Entry, Placed, QuarantineShape
from focal_eval.script.repeats import COUNT, ONCE, Repeats
from focal_eval.script.suite_compare import Compare
from focal_eval.script.suite_engines import Engine, EngineShape
from focal_eval.script.suite_judge import JudgeFields, JudgeShape, Semantic
from focal_eval.script.suite_model import ModelEntry, ModelShape
from focal_eval.script.suite_simulator import PersonaModel
from focal_eval.script.suite_store import StoreShape
from focal_eval.source import Span, whole_file
from focal_eval.value import value as a_value

TOLERABLE: dict[str, str] = {
    "message-never-said": "A stored message that nobody said, or that stands there once more.",
    "message-not-stored": "The user's or the agent's message of a stored turn is not stored.",
    "order-changed": "Stored messages stand in another order than they were said.",
    "scenario-not-stored": "A turn within a scenario is stored without it.",
    "scenario-start-not-stored": "The turn that began a scenario is not stored.",
    "tools-not-in-reply": "The reply lists no tools, and its stored message does.",
    "turn-not-stored": "Any other turn is not stored.",
    "turn-number-wrong": "A turn is stored with a number that is not its own.",
    **{f"{part.replace('_', '-')}-changed": f"Stored otherwise: {doc[0].lower()}{doc[1:]}" for part, doc in COMPARED.items()},
}
"""Names of what `records` finds, with what they mean; `checks.stored` finds them."""


class TolerableShape(Shape):
    """`tolerate`: names of findings."""

    expected = "a list of names of findings"

    def read(self, node: Node, reader: Reader) -> Any:
        return ListOf(Choice(tuple(TOLERABLE))).read(node, reader)

    def schema(self, into: SchemaBuilder) -> JsonSchema:
        item: JsonSchema = {"anyOf": [{"const": name, "description": doc} for name, doc in TOLERABLE.items()]}
        return {"anyOf": [item, {"type": "array", "items": item}]}


@a_value
class Golden:
    """How a turn's `agent:` text is compared."""

    similar: Annotated[float, Number(minimum=0, maximum=1)]


class GoldenShape(Shape):
    """`golden`: `equal`, `off`, or `{similar: 0.9}`; read as the similarity that is asked for, None for `off`."""

    expected = "equal, off or {similar: 0.9}"

    def read(self, node: Node, reader: Reader) -> Any:
        if isinstance(node, ScalarNode) and node.value in ("equal", "off"):
            return 1.0 if node.value == "equal" else None
        if isinstance(node, MappingNode):
            value = record_of(Golden).read(node, reader)
            return INVALID if value is INVALID else value.similar
        return self.wrong(node, reader)

    def schema(self, into: SchemaBuilder) -> JsonSchema:
        return {"anyOf": [{"enum": ["equal", "off"]}, record_of(Golden).schema(into)]}


@a_value
class Pattern:
    """A script pattern with its place."""

    text: str
    span: Span


class PatternsShape(Shape):
    """`scripts`: paths and globs relative to the suite's folder; `!` in front leaves files out."""

    expected = "a list of paths"

    def read(self, node: Node, reader: Reader) -> Any:
        nodes = node.value if isinstance(node, SequenceNode) else [node]
        if not nodes:
            return reader.error("no-scripts", "the suite names no scripts", node)
        out = []
        for item in nodes:
            text = Text(may_be_empty=False).read(item, reader)
            out.append(text if text is INVALID else Pattern(text, reader.span(item)))
        return INVALID if INVALID in out else tuple(out)

    def schema(self, into: SchemaBuilder) -> JsonSchema:
        text = {"type": "string", "minLength": 1}
        return {"anyOf": [text, {"type": "array", "minItems": 1, "items": text}]}


_SECONDS = Number(minimum=0.001, maximum=86_400)


@a_value
class SuiteFields:
    """What to run, on which engine, with which gates."""

    scripts: Annotated[tuple[Pattern, ...], PatternsShape()] = field(
        metadata={"doc": "Scripts: paths and globs relative to this file; `!` in front leaves files out."}
    )
    engine: Annotated[Engine, EngineShape()] = field(metadata={"doc": "The engine to run against."})
    engines: Annotated[Mapping[str, Engine], MapOf(EngineShape())] = field(
        default_factory=dict, metadata={"doc": "Alternatives, picked with --engine NAME."}
    )
    title: str | None = None
    description: str | None = None
    channel: Annotated[str, Text(may_be_empty=False)] = field(
        default="api", metadata={"doc": "Channel of scripts without one."}
    )
    repeats: Repeats = field(
        default=ONCE, metadata={"doc": "How often each case is run: a number, or {at_most: 20, until: stable}."}
    )
    concurrency: Annotated[int, COUNT] = field(default=16, metadata={"doc": "Conversations at the same time."})
    timeout_s: Annotated[float, _SECONDS] = field(default=30.0, metadata={"doc": "Time limit of a turn, in seconds."})
    case_timeout_s: Annotated[float | None, _SECONDS] = field(
        default=None, metadata={"doc": "Time limit of a case, in seconds."}
    )
    variants: Literal["rotate", "all"] = field(default="rotate", metadata={"doc": "Whether `user` variants multiply cases."})
    unreported: Literal["refuse", "skip", "fail"] = field(
        default="refuse", metadata={"doc": "What becomes of expectations on fields the engine does not report."}
    )
    tolerate: Annotated[tuple[str, ...], TolerableShape()] = field(
        default=(), metadata={"doc": "Findings of `records` that are known of the engine and do not fail."}
    )
    mask: Annotated[tuple[Mask, ...], MASKS] = field(
        default=(), metadata={"doc": "Paths of stored messages that `records` does not compare, such as tools.*.result.at."}
    )
    compare: Annotated[Compare, record_of(Compare)] = field(
        default_factory=Compare, metadata={"doc": "How two runs of the suite are compared."}
    )
    golden: Annotated[float | None, GoldenShape()] = field(default=1.0, metadata={"doc": "How `agent:` texts are compared."})
    prices: Annotated[Mapping[str, float], MapOf(shape_of(float))] = field(
        default_factory=dict, metadata={"doc": "Price per million tokens: prompt, completion, total."}
    )
    seed: Annotated[int, Number(whole=True)] = field(default=0, metadata={"doc": "Seed handed to engines that take one."})
    gates: Annotated[Mapping[str, Limit], GatesShape()] = field(
        default_factory=dict, metadata={"doc": "What must hold of the whole run; without any, every case must pass."}
    )
    tags: Annotated[tuple[str, ...], ListOf(Text(may_be_empty=False))] = field(
        default=(), metadata={"doc": "Added to every script's tags."}
    )
    quarantine: Annotated[Placed | tuple[Entry, ...], QuarantineShape()] = field(
        default=(), metadata={"doc": "Cases that run and gate nothing: a file relative to this one, or the entries."}
    )
    judge: Annotated[ModelEntry[JudgeFields] | None, JudgeShape()] = field(
        default=None,
        metadata={"doc": "The model that `response.judge` and `conversation.judge` ask, or `skip`: nobody is asked."},
    )
    semantic: Annotated[Semantic, record_of(Semantic)] = field(
        default_factory=Semantic, metadata={"doc": "How `response.means` compares meanings."}
    )
    simulator: Annotated[ModelEntry[PersonaModel] | None, ModelShape(PersonaModel)] = field(
        default=None, metadata={"doc": "The model that plays the personas of simulated users."}
    )
    store: Annotated[str | None, StoreShape()] = field(
        default=None, metadata={"doc": "Where runs are kept for their history: a file relative to this one, or a URL."}
    )


@a_value
class Suite:
    """A suite as authored; paths in it start from `folder`."""

    file: str
    path: Path
    digest: str
    fields: SuiteFields
    text: str

    @property
    def folder(self) -> Path:
        return self.path.parent


def read_suite(document: Document, path: Path) -> Suite | None:
    """The suite in a document, or None where it has errors; the document's problems hold them."""
    reader = Reader(document)
    if document.root is None:
        if not document.problems.errors:
            fix = "a suite needs 'scripts:' and 'engine:'"
            document.problems.error("empty-file", "the file is empty", whole_file(document.file), help=fix)
        return None
    fields = record_of(SuiteFields).read(document.root, reader)
    if fields is INVALID or document.problems.errors:
        return None
    return Suite(document.file, path.resolve(), document.digest, fields, document.text)


def looks_like_suite(root: Node | None) -> bool:
    """Whether a document is meant as a suite: it has `scripts` or `engine`, and no `turns`."""
    keys = _keys(root)
    return "turns" not in keys and ("scripts" in keys or "engine" in keys)


def looks_like_agent(root: Node | None) -> bool:
    """Whether a document is meant as an agent file: it has `agent` or `rules`, and no `turns`."""
    keys = _keys(root)
    return "turns" not in keys and ("agent" in keys or "rules" in keys) and not looks_like_suite(root)


def _keys(root: Node | None) -> set[str]:
    if not isinstance(root, MappingNode):
        return set()
    return {key.value for key, _ in root.value if isinstance(key, ScalarNode)}
