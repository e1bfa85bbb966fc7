"""Reads YAML once, with a place for every scalar, and survives hostile files.

Only the core schema is resolved: `true`/`false`, `null`/`~`/nothing, decimal integers and floats. `yes`, `on`, `12:30`,
`007` and dates stay text. libyaml's composer recurses in C and crashes the process on some 30,000 nested brackets, so a
text that could nest that deep, or hold too much, is first read as a stream of events that stops at the bound.
"""

from __future__ import annotations

import operator
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_ISREG
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from yaml.reader import Reader as _PureReader

from focal_eval.clock import content_id
from focal_eval.document.syntax import syntax_problem
from focal_eval.errors import Problems
from focal_eval.source import Span, excerpt, lines_of, whole_file

__all__ = ["MAX_BYTES", "MAX_DEPTH", "MAX_NODES", "Document", "MappingNode", "Node", "ScalarNode", "SequenceNode"]

MAX_BYTES = 4 * 1024 * 1024  # one file
_PIECE = 64 * 1024
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
_SCALAR_TAGS = frozenset({STR, INT, FLOAT, BOOL, NULL, MERGE})
_KNOWN_TAGS = _SCALAR_TAGS | {MAP, SEQ}
_MAX_STRANGE = 50  # tags reported before the file is given up
_BOM = b"\xef\xbb\xbf"

_WORDS = {"true": BOOL, "True": BOOL, "TRUE": BOOL, "false": BOOL, "False": BOOL, "FALSE": BOOL}
_WORDS |= {"": NULL, "~": NULL, "null": NULL, "Null": NULL, "NULL": NULL, "<<": MERGE}
_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)\Z")
_FLOAT = re.compile(r"[-+]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?\Z")
_NUMBER_START = frozenset("+-.0123456789")
_TAGGED = _NUMBER_START | {word[0] for word in _WORDS if word}  # what a plain scalar that is no text may begin with
MAX_INT_DIGITS = 300
_TIGHT_COMMENT = re.compile(r"(?<=\S)[ \t]+#[^\s#!-]")

_CBase: Any = getattr(yaml, "CSafeLoader", None)
HAVE_LIBYAML = _CBase is not None
_Base: Any = _CBase or yaml.SafeLoader


class _Composer(_Base):  # type: ignore[misc]  # PyYAML's loaders are untyped
    """PyYAML's composer with the core schema only.

    The path resolvers, unused here but called twice a value, are replaced by the cheapest callables of their arity.
    """

    descend_resolver = operator.is_
    ascend_resolver = bool

    def resolve(self, kind: type, value: str | None, implicit: Any) -> str:
        if kind is not ScalarNode:
            return SEQ if kind is SequenceNode else MAP
        if implicit[0] and (not value or value[0] in _TAGGED):
            return plain_tag(value or "")
        return STR


def plain_tag(value: str) -> str:
    """The core-schema tag of an unquoted scalar."""
    tag = _WORDS.get(value)
    if tag is not None:
        return tag
    if value[0] in _NUMBER_START and len(value) <= MAX_INT_DIGITS:
        if _INT.match(value):
            return INT
        if _FLOAT.match(value):
            return FLOAT
    return STR


@dataclass(slots=True)
class Document:
    """One YAML file: its text, its node tree (None where it could not be read) and the problems found so far."""

    file: str
    text: str
    root: Node | None
    problems: Problems = field(default_factory=Problems)
    _lines: list[str] | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def digest(self) -> str:
        """Identity of the content, 64 hex digits."""
        return content_id(self.text, length=64)

    def place(self, node: Node) -> Span:
        """Where a problem with a node is shown: all of it within a line, else its first line."""
        start, end = node.start_mark, node.end_mark
        line, column = end.line, end.column
        if line != start.line:
            if self._lines is None:
                self._lines = lines_of(self.text)
            lines, line = self._lines, start.line
            column = max(start.column + 1, len(lines[line]) if line < len(lines) else 0)
        return Span(self.file, start.line + 1, start.column + 1, line + 1, column + 1)

    def tight_comments(self) -> frozenset[tuple[int, int]]:
        """Where a comment without a space after its `#` follows something: line and column, from 0, of where that ends."""
        if " #" not in self.text:
            return frozenset()
        lines = enumerate(lines_of(self.text))
        return frozenset((number, found.start()) for number, line in lines for found in _TIGHT_COMMENT.finditer(line))

    def frame_lines(self, span: Span) -> tuple[tuple[int, str], ...]:
        return excerpt(self.text, span.line)


def read_file(path: Path, shown: str | None = None) -> Document:
    """Reads a file as a document; what keeps it from being read becomes a diagnostic, never an exception."""
    file = shown or str(path)
    try:
        data = bytes_of(path)
    except (OSError, ValueError) as problem:  # ValueError: a NUL in the path
        document = Document(file, "", None)
        reason = getattr(problem, "strerror", None) or str(problem)
        document.problems.error("unreadable-file", f"the file cannot be read: {reason}", whole_file(file))
        return document
    return read_bytes(data, file)


_UNSAVED: ContextVar[Mapping[str, bytes] | None] = ContextVar("unsaved", default=None)


@contextmanager
def unsaved(texts: Mapping[str, bytes]) -> Iterator[None]:
    """What an editor holds, by real path, is read in place of what is on disk while this lasts."""
    before = _UNSAVED.set(texts)
    try:
        yield
    finally:
        _UNSAVED.reset(before)


def is_unsaved(path: Path) -> bool:
    """Whether an editor holds the text of this file, which need not be on disk."""
    held = _UNSAVED.get()
    return held is not None and os.path.realpath(path) in held


# Without waiting: a pipe that nobody writes into would be waited for until somebody does.
_OPEN = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def bytes_of(path: Path) -> bytes:
    """What is in a file, cut off somewhere beyond the most it may hold; a piece at a time, as most files are one piece."""
    held = _UNSAVED.get()
    if held and (text := held.get(os.path.realpath(path))) is not None:
        return text
    stream = os.open(path, _OPEN)
    try:
        if not S_ISREG(os.fstat(stream).st_mode):
            raise OSError("it is a folder, a pipe or a device")
        data = piece = os.read(stream, _PIECE)
        while piece and len(data) <= MAX_BYTES:
            piece = os.read(stream, _PIECE)
            data += piece
    finally:
        os.close(stream)
    return data


def read_bytes(data: bytes, file: str) -> Document:
    """Decodes UTF-8 (a byte order mark is allowed) and reads the one YAML document in it."""
    if len(data) > MAX_BYTES:
        document = Document(file, "", None)
        document.problems.error("file-too-large", f"the file is larger than {MAX_BYTES // 1024 // 1024} MiB", whole_file(file))
        return document
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        skipped = len(_BOM) if data.startswith(_BOM) else 0  # the decoder's positions start after a byte order mark
        before = data[skipped : skipped + problem.start].decode("utf-8", "replace")
        document = Document(file, data.decode("utf-8-sig", "replace"), None)
        document.problems.error(
            "yaml-encoding",
            f"byte 0x{problem.object[problem.start]:02x} is not UTF-8",
            _place_at(document, before, len(before)),
            help="save the file as UTF-8",
        )
        return document
    return read_text(text, file)


def read_text(text: str, file: str) -> Document:
    """Composes the node tree of `text`; syntax errors become diagnostics with their place."""
    document = Document(file, text, None)
    bad = None if _is_plain(text) else _PureReader.NON_PRINTABLE.search(text)
    if bad is not None:
        _control_character(document, bad.start())
        return document
    stand_ins = {} if text.isascii() else _stand_ins(text)
    composed = text.translate(stand_ins) if stand_ins else text
    if _could_exceed(composed) and not _within_bounds(document, composed):
        return document
    loader = _Composer(composed)
    try:
        document.root = loader.get_single_node()
    except yaml.YAMLError as problem:
        document.problems.extend([syntax_problem(text, file, problem)])
    except RecursionError:
        document.problems.error("yaml-too-deep", f"nested deeper than {MAX_DEPTH} levels", whole_file(file))
    finally:
        loader.dispose()
    if document.root is not None and (stand_ins or "!" in text):
        _settle(document, {ord(stand_in): character for character, stand_in in stand_ins.items()})
    return document


_PLAIN = bytes([*b"\t\n\r", *range(0x20, 0x7F)])


def _is_plain(text: str) -> bool:
    """Whether a text is ASCII without control characters, as most files are: seen in a fraction of a search's time."""
    return text.isascii() and not text.encode().translate(None, _PLAIN)


def _stand_ins(text: str) -> dict[int, str]:
    """What the composer reads in place of NEL, LS and PS: line breaks to it, ordinary characters in YAML 1.2 and editors."""
    found = [character for character in "\x85\u2028\u2029" if character in text]
    free = (chr(code) for code in range(0xE000, 0xF900) if chr(code) not in text)
    return {ord(character): stand_in for character, stand_in in zip(found, free, strict=False)}


def _settle(document: Document, restored: dict[int, int]) -> None:
    """Puts back what stood for other characters, and reports explicit tags that do not fit: those are read as if not there."""
    stack, seen, strange = [document.root], set(), 0
    while stack:
        node = stack.pop()
        if node is None or id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, ScalarNode):
            own = STR if node.style else plain_tag(node.value)
            if restored:
                node.value = node.value.translate(restored)
        else:
            own = MAP if isinstance(node, MappingNode) else SEQ
            stack.extend(reversed([part for entry in node.value for part in (entry if own == MAP else (entry,))]))
        if node.tag not in (own, STR if own in _SCALAR_TAGS else own) and not _fits(node):
            strange += 1
            _strange_tag(document, node)
            node.tag = own
        if strange == _MAX_STRANGE:
            document.root = None
            return


def _fits(node: Node) -> bool:
    """Whether an explicit tag of the core schema says what the value is anyway: `!!int "5"`, `!!float 5`."""
    if not isinstance(node, ScalarNode) or node.tag not in _SCALAR_TAGS:
        return False
    natural = plain_tag(node.value)
    return node.tag == natural or (node.tag == FLOAT and natural == INT)


def _strange_tag(document: Document, node: Node) -> None:
    tag = node.tag.replace("tag:yaml.org,2002:", "!!")
    known = node.tag in _KNOWN_TAGS
    message = f"the tag {tag} does not fit this value" if known else f"the tag {tag} is not read"
    text = tag.startswith("!") and not tag.startswith("!!")
    fix = 'put a text that starts with "!" in quotes' if text else "write plain values"
    document.problems.error("yaml-tag", message, document.place(node), help=fix)


def _place_at(document: Document, text: str, index: int) -> Span:
    lines = lines_of(text[:index])
    line, column = len(lines), len(lines[-1]) + 1
    return Span(document.file, line, column, line, column + 1)


def _control_character(document: Document, index: int) -> None:
    document.problems.error(
        "yaml-control-character",
        f"the character U+{ord(document.text[index]):04X} is not allowed in YAML",
        _place_at(document, document.text, index),
        help='remove it, or write it as an escape inside "double quotes"',
    )


def _could_exceed(text: str) -> bool:
    """Whether the C composer could recurse deep or build too much on this text: bounds that most files stay far below."""
    flow = text.count("[") + text.count("{")
    if flow > 2000:
        return True
    if len(text) < 4000:
        return False
    if len(text) > MAX_NODES and flow + sum(map(text.count, ",\n:?-")) > MAX_NODES:
        return True
    return flow + 2 * max(map(len, lines_of(text))) > 8000


def _within_bounds(document: Document, composed: str) -> bool:
    """Looks at the text as a stream of events, which stops at the first one that is too deep or too many."""
    depth = count = 0
    loader = _Composer(composed)
    try:
        while loader.check_event():
            event = loader.get_event()
            if isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
                continue
            count += 1
            depth += isinstance(event, yaml.CollectionStartEvent)
            if depth > MAX_DEPTH or count > MAX_NODES:
                _exceeded(document, event, deep=depth > MAX_DEPTH)
                return False
    except yaml.YAMLError as problem:
        document.problems.extend([syntax_problem(document.text, document.file, problem)])
        return False
    finally:
        loader.dispose()
    return True


def _exceeded(document: Document, event: Any, *, deep: bool) -> None:
    mark = event.start_mark
    place = Span(document.file, mark.line + 1, mark.column + 1, mark.line + 1, mark.column + 2)
    if deep:
        document.problems.error("yaml-too-deep", f"nested deeper than {MAX_DEPTH} levels", place)
    else:
        document.problems.error("file-too-large", f"the file holds more than {MAX_NODES:,} values", place)
