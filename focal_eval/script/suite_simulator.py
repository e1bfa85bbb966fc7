"""`simulator` of a suite: the model that plays the personas of its scripts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Any, Literal

from focal_eval.document import INVALID, Reader, Shape, record_of
from focal_eval.document.reader import MappingNode, Node
from focal_eval.document.shape import JsonSchema, MapOf, Number, SchemaBuilder, Text, shape_of
from focal_eval.script.suite_engines import configured, with_environment, with_variables
from focal_eval.script.suite_judge import VotesFile
from focal_eval.source import Span
from focal_eval.value import value as a_value

_FILLED = Text(may_be_empty=False)
_OURS = frozenset({"messages", "model", "response_format", "seed", "stream", "temperature", "max_tokens"})


@a_value
class PersonaModel:
    """The model that plays personas."""

    url: Annotated[str, _FILLED] = field(metadata={"doc": "An endpoint of chat completions, up to and including /v1."})
    model: Annotated[str, _FILLED] = field(metadata={"doc": "The model's name."})
    key: str | None = field(default=None, repr=False, metadata={"doc": "A bearer token, such as ${SIMULATOR_KEY}."})
    headers: Annotated[Mapping[str, str], MapOf(Text())] = field(
        default_factory=dict, repr=False, metadata={"doc": "More headers of each request; kept secret."}
    )
    temperature: Annotated[float, Number(minimum=0, maximum=2)] = field(
        default=0.7, metadata={"doc": "How freely the model words what is said; a run tells it."}
    )
    max_tokens: Annotated[int, Number(whole=True, minimum=16, maximum=4_096)] = field(
        default=400, metadata={"doc": "How long one answer of the model may be."}
    )
    structured: Literal["json", "schema", "off"] = field(
        default="json", metadata={"doc": "What the endpoint is asked to hold the model to: JSON, our JSON Schema, nothing."}
    )
    extra: Mapping[str, Any] = field(default_factory=dict, metadata={"doc": "More keys of the request's body."})
    cassette: Annotated[VotesFile | None, record_of(VotesFile)] = field(
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
        if taken := sorted(_OURS & self.extra.keys()):
            raise ValueError(f"'extra' may not set '{taken[0]}': it is the simulator's own")


@a_value
class SimulatorEntry:
    """A suite's simulator, with the environment variables that were missing and the values that are secret."""

    fields: PersonaModel | None  # None where they cannot be made without the missing variables
    span: Span
    missing: tuple[tuple[str, Span], ...] = ()
    secrets: tuple[str, ...] = ()


class PersonaModelShape(Shape):
    """`simulator` of a suite: the fields, with `${NAME}` from the environment."""

    expected = "a mapping with 'url' and 'model'"

    def read(self, node: Node, reader: Reader) -> Any:
        if not isinstance(node, MappingNode):
            return self.wrong(node, reader)
        missing: list[tuple[str, Span]] = []
        secrets: list[str] = []
        filled = with_environment(node, reader, missing, secrets)
        assert isinstance(filled, MappingNode)
        fields = configured(PersonaModel, filled, reader, [span for _, span in missing])
        if fields is INVALID:
            return INVALID
        own = [] if fields is None else [*fields.headers.values(), *((fields.key,) if fields.key else ())]
        return SimulatorEntry(fields, reader.span(node), tuple(missing), tuple(dict.fromkeys([*secrets, *own])))

    def schema(self, into: SchemaBuilder) -> JsonSchema:
        own = record_of(PersonaModel).schema(into)
        name = own["$ref"].rsplit("/", 1)[-1]
        into.defs[name] = with_variables(into.defs[name], into, set())
        return own
