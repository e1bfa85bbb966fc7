"""What `judge` and `simulator` of a suite have in common: a model behind chat completions, and where its answers are kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar

from focal_eval.document import INVALID, Reader, Shape, record_of
from focal_eval.document.reader import MappingNode, Node
from focal_eval.document.shape import JsonSchema, MapOf, Number, SchemaBuilder, Text, shape_of
from focal_eval.script.suite_engines import configured, with_environment, with_variables
from focal_eval.source import Span
from focal_eval.value import value as a_value

FILLED = Text(may_be_empty=False)


@a_value
class AnswersFile:
    """A file that keeps answers, so that the same question is not asked again."""

    short = "file"
    file: Annotated[str, FILLED] = field(metadata={"doc": "The cassette, from the suite's folder on."})
    mode: Literal["record", "replay", "replay-else-record"] = field(
        default="replay-else-record", metadata={"doc": "`replay` never asks; `record` asks anew."}
    )

    def __post_init__(self) -> None:
        if "\0" in self.file:
            raise ValueError("'file' holds a null character")


@a_value
class ChatModel:
    """A model behind chat completions."""

    whose: ClassVar[str]  # whom the keys of a request belong to that `extra` may not set
    ours: ClassVar[frozenset[str]]

    url: Annotated[str, FILLED] = field(metadata={"doc": "An endpoint of chat completions, up to and including /v1."})
    model: Annotated[str, FILLED] = field(metadata={"doc": "The model's name."})
    key: str | None = field(default=None, repr=False, metadata={"doc": "A bearer token, from the environment: ${NAME}."})
    headers: Annotated[Mapping[str, str], MapOf(Text())] = field(
        default_factory=dict, repr=False, metadata={"doc": "More headers of each request; kept secret."}
    )
    structured: Literal["json", "schema", "off"] = field(
        default="json", metadata={"doc": "What the endpoint is asked to hold the model to: JSON, our JSON Schema, nothing."}
    )
    extra: Mapping[str, Any] = field(default_factory=dict, metadata={"doc": "More keys of the request's body."})
    cassette: Annotated[AnswersFile | None, record_of(AnswersFile)] = field(
        default=None, metadata={"doc": "Where the model's answers are kept and taken from."}
    )
    prices: Annotated[Mapping[str, float], MapOf(shape_of(float))] = field(
        default_factory=dict, metadata={"doc": "Price per million tokens of the model: prompt, completion, total."}
    )
    concurrency: Annotated[int, Number(whole=True, minimum=1, maximum=1_000)] = field(
        default=8, metadata={"doc": "Requests at the same time."}
    )
    timeout_s: Annotated[float, Number(minimum=0.001, maximum=3_600)] = field(
        default=60.0, metadata={"doc": "How long one request may take."}
    )
    attempts: Annotated[int, Number(whole=True, minimum=1, maximum=20)] = field(
        default=3, metadata={"doc": "How often one request is made at most."}
    )
    max_requests_per_s: Annotated[float | None, Number(minimum=0.001)] = field(
        default=None, metadata={"doc": "No more requests are sent in a second."}
    )

    def __post_init__(self) -> None:
        if taken := sorted(self.ours & self.extra.keys()):
            raise ValueError(f"'extra' may not set '{taken[0]}': it is {self.whose} own")


M = TypeVar("M", bound=ChatModel)


@a_value
class ModelEntry(Generic[M]):
    """What a suite says of a model, with the environment variables that were missing and the values that are secret."""

    fields: M | None  # None where they cannot be made without the missing variables, and where nobody is to be asked
    span: Span
    missing: tuple[tuple[str, Span], ...] = ()
    secrets: tuple[str, ...] = ()
    skips: bool = False  # nobody is asked; what the model would decide is skipped


class ModelShape(Shape):
    """A model's fields, with `${NAME}` from the environment."""

    expected = "a mapping with 'url' and 'model'"

    def __init__(self, made: type) -> None:
        self._made = made

    def read(self, node: Node, reader: Reader) -> Any:
        if not isinstance(node, MappingNode):
            return self.wrong(node, reader)
        missing: list[tuple[str, Span]] = []
        secrets: list[str] = []
        filled = with_environment(node, reader, missing, secrets)
        assert isinstance(filled, MappingNode)
        fields = configured(self._made, filled, reader, [span for _, span in missing])
        if fields is INVALID:
            return INVALID
        own = [] if fields is None else [*fields.headers.values(), *((fields.key,) if fields.key else ())]
        return ModelEntry(fields, reader.span(node), tuple(missing), tuple(dict.fromkeys([*secrets, *own])))

    def schema(self, into: SchemaBuilder) -> JsonSchema:
        own = record_of(self._made).schema(into)
        name = own["$ref"].rsplit("/", 1)[-1]
        into.defs[name] = with_variables(into.defs[name], into, set())
        return own
