"""`judge` and `semantic` of a suite: which model judges what words cannot tell, and what stands in for a sentence encoder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Any, Literal

from focal_eval.document import INVALID, Reader, Shape, record_of
from focal_eval.document.reader import MappingNode, Node, ScalarNode
from focal_eval.document.shape import JsonSchema, MapOf, Number, SchemaBuilder, Text, shape_of
from focal_eval.script.suite_engines import configured, with_environment, with_variables
from focal_eval.source import Span
from focal_eval.value import value as a_value

_SECONDS = Number(minimum=0.001, maximum=3_600)
_FILLED = Text(may_be_empty=False)
_OURS = frozenset({"messages", "model", "response_format", "stream"})


@a_value
class Audit:
    """How far a judge is tried on answers whose verdict is known."""

    warn_below: Annotated[float, Number(minimum=0, maximum=1)] = field(
        default=0.7, metadata={"doc": "Reports warn where the lower end of the agreement's 95 % interval is below this."}
    )
    most_rubrics: Annotated[int, Number(whole=True, minimum=1, maximum=1_000)] = field(
        default=25, metadata={"doc": "So many rubrics of a run are audited, the first ones."}
    )


@a_value
class VotesFile:
    """A file that keeps votes, so that the same question is not asked again."""

    short = "file"
    file: Annotated[str, _FILLED] = field(metadata={"doc": "The cassette, from the suite's folder on."})
    mode: Literal["record", "replay", "replay-else-record"] = field(
        default="replay-else-record", metadata={"doc": "`replay` never asks; `record` asks anew."}
    )

    def __post_init__(self) -> None:
        if "\0" in self.file:
            raise ValueError("'file' holds a null character")


@a_value
class JudgeFields:
    """The model that judges."""

    url: Annotated[str, _FILLED] = field(metadata={"doc": "An endpoint of chat completions, up to and including /v1."})
    model: Annotated[str, _FILLED] = field(metadata={"doc": "The model's name."})
    key: str | None = field(default=None, repr=False, metadata={"doc": "A bearer token, such as ${JUDGE_KEY}."})
    headers: Annotated[Mapping[str, str], MapOf(Text())] = field(
        default_factory=dict, repr=False, metadata={"doc": "More headers of each request; kept secret."}
    )
    votes: Annotated[int, Number(whole=True, minimum=1, maximum=25)] = field(
        default=3, metadata={"doc": "How often each question is asked; more than half must agree."}
    )
    temperature: Annotated[float | None, Number(minimum=0, maximum=2)] = field(
        default=None, metadata={"doc": "0 for one vote and 0.7 for several where it is left out."}
    )
    structured: Literal["json", "schema", "off"] = field(
        default="json", metadata={"doc": "What the endpoint is asked to hold the model to: JSON, our JSON Schema, nothing."}
    )
    extra: Mapping[str, Any] = field(default_factory=dict, metadata={"doc": "More keys of the request's body."})
    fails: Literal["apart", "case"] = field(
        default="apart", metadata={"doc": "`apart`: the gate `judged` alone decides; `case`: a failing vote fails its case."}
    )
    abstains: Literal["skipped", "errored"] = field(
        default="skipped", metadata={"doc": "What an expectation is on which the judge comes to no verdict; never passed."}
    )
    prefers: Annotated[str, _FILLED] = field(
        default="serves the customer better: it is more correct, complete and clear",
        metadata={"doc": "What the better one of two replies does, for `compare --judge`."},
    )
    cassette: Annotated[VotesFile | None, record_of(VotesFile)] = field(
        default=None, metadata={"doc": "Where votes are kept and taken from."}
    )
    audit: Annotated[Audit, record_of(Audit)] = field(
        default_factory=Audit, metadata={"doc": "How the judge itself is tried, in every run that asks it."}
    )
    prices: Annotated[Mapping[str, float], MapOf(shape_of(float))] = field(
        default_factory=dict, metadata={"doc": "Price per million tokens of the judge: prompt, completion, total."}
    )
    concurrency: Annotated[int, Number(whole=True, minimum=1, maximum=1_000)] = field(
        default=8, metadata={"doc": "Requests at the same time."}
    )
    timeout_s: Annotated[float, _SECONDS] = field(default=60.0, metadata={"doc": "How long one request may take."})
    attempts: Annotated[int, Number(whole=True, minimum=1, maximum=20)] = field(
        default=3, metadata={"doc": "How often one request is made at most."}
    )
    max_requests_per_s: Annotated[float | None, Number(minimum=0.001)] = field(
        default=None, metadata={"doc": "No more requests are sent in a second."}
    )

    def __post_init__(self) -> None:
        if taken := sorted(_OURS & self.extra.keys()):
            raise ValueError(f"'extra' may not set '{taken[0]}': it is the judge's own")


@a_value
class JudgeEntry:
    """A suite's judge, with the environment variables that were missing and the values that are secret."""

    fields: JudgeFields | None  # None where they cannot be made without the missing variables, and where nobody is to be asked
    span: Span
    missing: tuple[tuple[str, Span], ...] = ()
    secrets: tuple[str, ...] = ()
    skips: bool = False  # nobody is asked; what a judge would decide is skipped


class JudgeShape(Shape):
    """`judge`: the fields, with `${NAME}` from the environment; or the word `skip`."""

    expected = "a mapping with 'url' and 'model', or the word skip"

    def read(self, node: Node, reader: Reader) -> Any:
        if isinstance(node, ScalarNode) and node.value == "skip":
            return JudgeEntry(None, reader.span(node), skips=True)
        if not isinstance(node, MappingNode):
            return self.wrong(node, reader)
        missing: list[tuple[str, Span]] = []
        secrets: list[str] = []
        filled = with_environment(node, reader, missing, secrets)
        assert isinstance(filled, MappingNode)
        fields = configured(JudgeFields, filled, reader, [span for _, span in missing])
        if fields is INVALID:
            return INVALID
        if missing or fields is None:
            return JudgeEntry(fields, reader.span(node), tuple(missing), tuple(secrets))
        own = [*secrets, *fields.headers.values(), *((fields.key,) if fields.key else ())]
        return JudgeEntry(fields, reader.span(node), (), tuple(dict.fromkeys(own)))

    def schema(self, into: SchemaBuilder) -> JsonSchema:
        own = record_of(JudgeFields).schema(into)
        name = own["$ref"].rsplit("/", 1)[-1]
        into.defs[name] = with_variables(into.defs[name], into, set())
        return {"anyOf": [{"const": "skip", "description": "Nobody is asked; what a judge would decide is skipped."}, own]}


@a_value
class Semantic:
    """How meanings are compared."""

    fallback: Literal["lexical"] | None = field(
        default=None, metadata={"doc": "`lexical`: where the sentence encoder is not installed, likeness of words is used."}
    )
