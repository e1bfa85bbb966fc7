"""`quarantine`: cases that run and gate nothing, each with who looks after it and the last day that holds."""

from __future__ import annotations

from dataclasses import field
from datetime import date
from typing import Annotated, Any

from focal_eval.document import INVALID, Document, Reader, Shape, record_of
from focal_eval.document.reader import MappingNode, Node, ScalarNode, SequenceNode
from focal_eval.document.shape import JsonSchema, ListOf, SchemaBuilder, Text
from focal_eval.source import Span, whole_file
from focal_eval.value import value


@value
class Placed:
    """A text with its place."""

    text: str
    span: Span


class PlacedShape(Shape):
    """A text that is not empty, kept with its place."""

    expected = "text"

    def read(self, node: Node, reader: Reader) -> Any:
        text = Text(may_be_empty=False).read(node, reader)
        return text if text is INVALID else Placed(text, reader.span(node))

    def schema(self, into: SchemaBuilder) -> JsonSchema:
        return {"type": "string", "minLength": 1}


class DayShape(Shape):
    """A day, `2026-12-31`, kept with its place."""

    expected = "a day such as 2026-12-31"

    def read(self, node: Node, reader: Reader) -> Any:
        if not isinstance(node, ScalarNode):
            return self.wrong(node, reader)
        text = str(node.value)
        try:
            fits = date.fromisoformat(text).isoformat() == text
        except ValueError:
            fits = False
        if not fits:
            return reader.error("bad-value", f"'{text}' is no day", node, help="a day is written 2026-12-31")
        return Placed(text, reader.span(node))

    def schema(self, into: SchemaBuilder) -> JsonSchema:
        return {"type": "string", "format": "date", "pattern": r"^\d{4}-\d\d-\d\d$"}


_SOMETHING = Text(may_be_empty=False)


@value
class Entry:
    """A case in quarantine."""

    case: Annotated[Placed, PlacedShape()] = field(metadata={"doc": "A case, or a script for all of its cases."})
    owner: Annotated[str, _SOMETHING] = field(metadata={"doc": "Who sees to it that it comes out again."})
    expires: Annotated[Placed, DayShape()] = field(metadata={"doc": "The last day it gates nothing."})
    reason: Annotated[str, _SOMETHING] = field(metadata={"doc": "Why it is in quarantine."})


_ENTRIES = ListOf(record_of(Entry))


class QuarantineShape(Shape):
    """`quarantine` of a suite: a file, or the entries."""

    expected = "a file, or a list of cases with owner, expires and reason"

    def read(self, node: Node, reader: Reader) -> Any:
        if isinstance(node, ScalarNode):
            return PlacedShape().read(node, reader)
        if isinstance(node, SequenceNode):
            return _ENTRIES.read(node, reader)
        return self.wrong(node, reader)

    def schema(self, into: SchemaBuilder) -> JsonSchema:
        return {"anyOf": [{"type": "string", "minLength": 1}, {"type": "array", "items": record_of(Entry).schema(into)}]}


@value
class QuarantineFile:
    """A file of cases in quarantine."""

    quarantine: Annotated[tuple[Entry, ...], _ENTRIES] = field(
        metadata={"doc": "The cases, each with owner, expires and reason."}
    )


def looks_like_quarantine(root: Node | None) -> bool:
    """Whether a document is meant as a file of cases in quarantine."""
    if not isinstance(root, MappingNode):
        return False
    return [key.value for key, _ in root.value if isinstance(key, ScalarNode)] == ["quarantine"]


def read_quarantine(document: Document) -> tuple[Entry, ...]:
    """The entries of a file; none where it has errors, which the document's problems hold."""
    if document.root is None:
        if not document.problems.errors:
            fix = "write 'quarantine: []', or name no file"
            document.problems.error("empty-file", "the file is empty", whole_file(document.file), help=fix)
        return ()
    found = record_of(QuarantineFile).read(document.root, Reader(document))
    return () if found is INVALID else found.quarantine
