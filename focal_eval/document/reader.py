"""Reads YAML once, with a place for every scalar, and survives hostile files.

Only the core schema is resolved: `true`/`false`, `null`/`~`/nothing, decimal integers and floats. `yes`, `on`, `12:30`,
`007` and dates stay text. libyaml's composer recurses in C and crashes the process on some 30,000 nested brackets, so a
text that could nest that deep is first read as a stream of events that stops at `MAX_DEPTH`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from yaml.reader import Reader as _PureReader

from focal_eval.clock import content_id
from focal_eval.errors import Label, Problems
from focal_eval.source import Span, excerpt, whole_file

__all__ = ["MAX_BYTES", "MAX_DEPTH", "MAX_NODES", "Document", "MappingNode", "Node", "ScalarNode", "SequenceNode"]

MAX_BYTES = 4 * 1024 * 1024  # one file
MAX_DEPTH = 64  # nested collections
MAX_NODES = 200_000  # visited nodes of one file, aliases expanded

STR = "tag:yaml.org,2002:str"
INT = "tag:yaml.org,2002:int"
FLOAT = "tag:yaml.org,2002:float"
BOOL = "tag:yaml.org,2002:bool"
NULL = "tag:yaml.org,2002:null"
MAP = "tag:yaml.org,2002:map"
SEQ = "tag:yaml.org,2002:seq"
MERGE = "tag:yaml.org,2002:merge"
_KNOWN_TAGS = frozenset({STR, INT, FLOAT, BOOL, NULL, MAP, SEQ, MERGE})

_WORDS = {"true": BOOL, "True": BOOL, "TRUE": BOOL, "false": BOOL, "False": BOOL, "FALSE": BOOL}
_WORDS |= {"": NULL, "~": NULL, "null": NULL, "Null": NULL, "NULL": NULL, "<<": MERGE}
_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)\Z")
_FLOAT = re.compile(r"[-+]?(0|[1-9][0-9]*)?(\.[0-9]+)?([eE][-+]?[0-9]+)?\Z|[-+]?(0|[1-9][0-9]*)\.([eE][-+]?[0-9]+)?\Z")
_NUMBER_START = frozenset("+-.0123456789")
MAX_INT_DIGITS = 300

_CBase: Any = getattr(yaml, "CSafeLoader", None)
HAVE_LIBYAML = _CBase is not None
_Base: Any = _CBase or yaml.SafeLoader


class _Composer(_Base):  # type: ignore[misc]  # PyYAML's loaders are untyped
    """PyYAML's composer with the core schema only; the path resolvers, unused here, are left out for speed."""

    def resolve(self, kind: type, value: str | None, implicit: Any) -> str:
        if kind is ScalarNode:
            return plain_tag(value or "") if implicit[0] else STR
        return SEQ if kind is SequenceNode else MAP

    def descend_resolver(self, current_node: Any, current_index: Any) -> None:
        return None

    def ascend_resolver(self) -> None:
        return None


def plain_tag(value: str) -> str:
    """The core-schema tag of an unquoted scalar."""
    tag = _WORDS.get(value)
    if tag is not None:
        return tag
    if value[0] in _NUMBER_START and len(value) <= MAX_INT_DIGITS:
        if _INT.match(value):
            return INT
        if _FLOAT.match(value) and any(c.isdigit() for c in value):
            return FLOAT
    return STR


@dataclass(slots=True)
class Document:
    """One YAML file: its text, its node tree (None where it could not be read) and the problems found so far."""

    file: str
    text: str
    root: Node | None
    problems: Problems = field(default_factory=Problems)

    @property
    def digest(self) -> str:
        """Identity of the content, 64 hex digits."""
        return content_id(self.text, length=64)

    def span(self, node: Node) -> Span:
        """Where a node stands; a block collection's end is its last line's end, not the next token."""
        start, end = node.start_mark, node.end_mark
        return Span(self.file, start.line + 1, start.column + 1, end.line + 1, end.column + 1)

    def frame_lines(self, span: Span) -> tuple[tuple[int, str], ...]:
        return excerpt(self.text, span.line)


def read_file(path: Path, shown: str | None = None) -> Document:
    """Reads a file as a document; what keeps it from being read becomes a diagnostic, never an exception."""
    file = shown or str(path)
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as problem:
        document = Document(file, "", None)
        reason = problem.strerror or str(problem)
        document.problems.error("unreadable-file", f"the file cannot be read: {reason}", whole_file(file))
        return document
    return read_bytes(data, file)


def read_bytes(data: bytes, file: str) -> Document:
    """Decodes UTF-8 (a byte order mark is allowed) and reads the one YAML document in it."""
    if len(data) > MAX_BYTES:
        document = Document(file, "", None)
        document.problems.error("file-too-large", f"the file is larger than {MAX_BYTES // 1024 // 1024} MiB", whole_file(file))
        return document
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        before = data[: problem.start].decode("utf-8", "replace")
        line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
        document = Document(file, data.decode("utf-8", "replace"), None)
        document.problems.error(
            "yaml-encoding",
            f"byte 0x{data[problem.start]:02x} is not UTF-8",
            Span(file, line, column, line, column + 1),
            help="save the file as UTF-8",
        )
        return document
    return read_text(text, file)


def read_text(text: str, file: str) -> Document:
    """Composes the node tree of `text`; syntax errors become diagnostics with their place."""
    document = Document(file, text, None)
    bad = _PureReader.NON_PRINTABLE.search(text)
    if bad is not None:
        _control_character(document, bad.start())
        return document
    if _could_nest_deep(text) and not _shallow_enough(document):
        return document
    loader = _Composer(text)
    try:
        document.root = loader.get_single_node()
    except yaml.YAMLError as problem:
        _syntax_error(document, problem)
    except RecursionError:
        document.problems.error("yaml-too-deep", f"nested deeper than {MAX_DEPTH} levels", whole_file(file))
    finally:
        loader.dispose()
    return document


def _control_character(document: Document, index: int) -> None:
    text = document.text
    line = text.count("\n", 0, index) + 1
    column = index - (text.rfind("\n", 0, index) + 1) + 1
    document.problems.error(
        "yaml-control-character",
        f"the character U+{ord(text[index]):04X} is not allowed in YAML",
        Span(document.file, line, column, line, column + 1),
        help='remove it, or write it as an escape inside "double quotes"',
    )


def _could_nest_deep(text: str) -> bool:
    """Whether the C composer could recurse deep on this text: a bound from above that most files stay far below."""
    flow = text.count("[") + text.count("{")
    if flow > 2000:
        return True
    if len(text) < 4000:
        return False
    return flow + 2 * max(map(len, text.split("\n"))) > 8000


def _shallow_enough(document: Document) -> bool:
    depth = 0
    loader = _Composer(document.text)
    try:
        while loader.check_event():
            event = loader.get_event()
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > MAX_DEPTH:
                    mark = event.start_mark
                    assert mark is not None
                    place = Span(document.file, mark.line + 1, mark.column + 1, mark.line + 1, mark.column + 2)
                    document.problems.error("yaml-too-deep", f"nested deeper than {MAX_DEPTH} levels", place)
                    return False
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
    except yaml.YAMLError as problem:
        _syntax_error(document, problem)
        return False
    finally:
        loader.dispose()
    return True


_SYNTAX: tuple[tuple[str, str, str, str | None], ...] = (
    # libyaml says, code, problem, fix
    ("cannot start any token", "yaml-tab", "a tab cannot indent or start a value", "indent with spaces"),
    (
        "mapping values are not allowed",
        "yaml-colon",
        "a colon followed by a space starts a mapping, but this text is not quoted",
        'put the text in "quotes"',
    ),
    ("found undefined alias", "yaml-unknown-alias", "the alias has no anchor before it", None),
    ("found duplicate anchor", "yaml-duplicate-anchor", "the anchor is defined twice", None),
    ("expected a single document", "yaml-several-documents", "the file holds more than one document", "split it at '---'"),
    ("but found another document", "yaml-several-documents", "the file holds more than one document", "split it at '---'"),
)


def _syntax_error(document: Document, problem: yaml.YAMLError) -> None:
    mark = getattr(problem, "problem_mark", None) or getattr(problem, "context_mark", None)
    said = str(getattr(problem, "problem", None) or getattr(problem, "reason", None) or problem)
    if mark is None:
        place = whole_file(document.file)
    else:
        lines = document.text.split("\n")
        line = min(mark.line, max(0, len(lines) - 1))
        column = mark.column if line == mark.line else len(lines[line])
        place = Span(document.file, line + 1, column + 1, line + 1, column + 2)
    labels = []
    context_mark = getattr(problem, "context_mark", None)
    context = getattr(problem, "context", None)
    if context and context_mark is not None and mark is not None and context_mark.line != mark.line:
        start = Span(
            document.file,
            context_mark.line + 1,
            context_mark.column + 1,
            context_mark.line + 1,
            context_mark.column + 2,
        )
        labels.append(Label(start, str(context)))
    here = ""
    lines = document.text.split("\n")
    if place.line <= len(lines):
        here = lines[place.line - 1]
    if "\t" in here[: place.column] and here[: place.column].strip() == "":
        document.problems.error("yaml-tab", "a tab cannot indent", place, help="indent with spaces", labels=labels)
        return
    for needle, code, message, fix in _SYNTAX:
        if needle in said:
            if code == "yaml-tab" and "\t" not in here[place.column - 1 : place.column]:
                break
            document.problems.error(code, message, place, help=fix, labels=labels)
            return
    document.problems.error("yaml-syntax", said, place, labels=labels)


def tag_of(node: Node) -> str:
    """The node's tag where it is of the core schema, else the empty string: explicit tags build nothing here."""
    return node.tag if node.tag in _KNOWN_TAGS else ""
