"""`judge` and `semantic` of a suite: which model judges what words cannot tell, and what stands in for a sentence encoder."""

from __future__ import annotations

from dataclasses import field
from typing import Annotated, Any, ClassVar, Literal

from focal_eval.document import Reader, record_of
from focal_eval.document.reader import Node, ScalarNode
from focal_eval.document.shape import JsonSchema, Number, SchemaBuilder
from focal_eval.script.suite_model import FILLED, ChatModel, ModelEntry, ModelShape
from focal_eval.value import value as a_value


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
class JudgeFields(ChatModel):
    """The model that judges."""

    whose: ClassVar[str] = "the judge's"
    ours: ClassVar[frozenset[str]] = frozenset({"messages", "model", "response_format", "stream"})

    votes: Annotated[int, Number(whole=True, minimum=1, maximum=25)] = field(
        default=3, metadata={"doc": "How often each question is asked; more than half must agree."}
    )
    temperature: Annotated[float | None, Number(minimum=0, maximum=2)] = field(
        default=None, metadata={"doc": "0 for one vote and 0.7 for several where it is left out."}
    )
    fails: Literal["apart", "case"] = field(
        default="apart", metadata={"doc": "`apart`: the gate `judged` alone decides; `case`: a failing vote fails its case."}
    )
    abstains: Literal["skipped", "errored"] = field(
        default="skipped", metadata={"doc": "What an expectation is on which the judge comes to no verdict; never passed."}
    )
    prefers: Annotated[str, FILLED] = field(
        default="serves the customer better: it is more correct, complete and clear",
        metadata={"doc": "What the better one of two replies does, for `compare --judge`."},
    )
    audit: Annotated[Audit, record_of(Audit)] = field(
        default_factory=Audit, metadata={"doc": "How the judge itself is tried, in every run that asks it."}
    )


class JudgeShape(ModelShape):
    """`judge`: the fields, or the word `skip`."""

    expected = "a mapping with 'url' and 'model', or the word skip"

    def __init__(self) -> None:
        super().__init__(JudgeFields)

    def read(self, node: Node, reader: Reader) -> Any:
        if isinstance(node, ScalarNode) and node.value == "skip":
            return ModelEntry[JudgeFields](None, reader.span(node), skips=True)
        return super().read(node, reader)

    def schema(self, into: SchemaBuilder) -> JsonSchema:
        skip = {"const": "skip", "description": "Nobody is asked; what a judge would decide is skipped."}
        return {"anyOf": [skip, super().schema(into)]}


@a_value
class Semantic:
    """How meanings are compared."""

    fallback: Literal["lexical"] | None = field(
        default=None, metadata={"doc": "`lexical`: where the sentence encoder is not installed, likeness of words is used."}
    )
