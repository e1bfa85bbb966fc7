"""Reads nodes of one document: the place problems are reported to, and the bounds on what a file may expand to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from focal_eval.document.reader import MAX_DEPTH, MAX_NODES, MERGE, Document, MappingNode, Node, ScalarNode, SequenceNode
from focal_eval.errors import Label, Problems
from focal_eval.source import Span


class Filled(ScalarNode):
    """A scalar whose text came out of a template: where text is expected a number it gave is taken as text."""


class Invalid:
    """What a shape returns after it has reported a problem."""

    def __repr__(self) -> str:
        return "INVALID"


INVALID: Final = Invalid()


_tuple: Callable[[type[Span], tuple[str, int, int, int, int]], Span] = tuple.__new__


class Reader:
    """Reads nodes of one document: the place to report to, and the count that bounds aliases."""

    __slots__ = ("_depth", "_reported", "comments", "document", "file", "problems", "scratch", "visited")

    def __init__(self, document: Document) -> None:
        self.document = document
        self.file = document.file
        self.problems: Problems = document.problems
        self.visited = 0
        self._depth = 0
        self._reported: set[tuple[str, str, Span]] = set()
        self.comments = document.tight_comments()
        self.scratch: dict[str, Any] = {}  # what one room's shapes tell each other during one reading

    def span(self, node: Node) -> Span:
        start, end = node.start_mark, node.end_mark
        place = (self.file, start.line + 1, start.column + 1, end.line + 1, end.column + 1)
        return _tuple(Span, place)  # what Span(...) does, at half the cost: forty a script

    def error(self, code: str, message: str, node: Node, *, help: str | None = None, labels: tuple[Label, ...] = ()) -> Invalid:
        """Reports a problem at a node, once however often the node is read."""
        place = self.document.place(node)
        if (code, message, place) not in self._reported:
            self._reported.add((code, message, place))
            self.problems.error(code, message, place, help=help, labels=labels)
        return INVALID

    def warning(self, code: str, message: str, node: Node, *, help: str | None = None, labels: tuple[Label, ...] = ()) -> None:
        place = self.document.place(node)
        if (code, message, place) not in self._reported:
            self._reported.add((code, message, place))
            self.problems.warning(code, message, place, help=help, labels=labels)

    def text(self, node: ScalarNode) -> str:
        """The node's text; a warning where YAML cut it at a ` #` that looks like a part of it."""
        end = node.end_mark
        if self.comments and not node.style and (end.line, end.column) in self.comments:
            fix = 'put the text in "quotes", or a space after the #'
            self.warning("yaml-comment", "what follows ' #' is a comment and no part of this text", node, help=fix)
        return str(node.value)

    def enter(self, node: Node) -> bool:
        """Counts a visit to a collection; False, once and with a report, where the file expands beyond its bounds."""
        if self._depth >= MAX_DEPTH:
            return self._too_much("yaml-too-deep", f"nested deeper than {MAX_DEPTH} levels", node)
        self.visited += len(node.value) + 1
        if self.visited > MAX_NODES:
            return self._expands(node)
        self._depth += 1
        return True

    def count(self, node: Node) -> bool:
        """Counts a visit to one value; False, once and with a report, where there were too many."""
        self.visited += 1
        return self.visited <= MAX_NODES or self._expands(node)

    def _expands(self, node: Node) -> bool:
        return self._too_much("yaml-alias-bomb", f"aliases expand the file beyond {MAX_NODES:,} values", node)

    def _too_much(self, code: str, message: str, node: Node) -> bool:
        if "bounds" not in self.scratch:
            self.scratch["bounds"] = True
            self.error(code, message, node)
        return False

    def leave(self) -> None:
        self._depth -= 1

    def pairs(self, node: MappingNode) -> list[tuple[str, ScalarNode, Node]]:
        """The mapping's entries: merge keys expanded, duplicate and non-text keys reported and left out."""
        seen = set()
        plain = []
        for key, value in node.value:
            if type(key) is not ScalarNode or key.tag == MERGE or key.value in seen:
                return self._settled(node)
            seen.add(key.value)
            plain.append((key.value, key, value))
        return plain

    def _settled(self, node: MappingNode) -> list[tuple[str, ScalarNode, Node]]:
        """The entries of a mapping that is not plain."""
        out: dict[str, tuple[str, ScalarNode, Node]] = {}
        merged: dict[str, tuple[str, ScalarNode, Node]] = {}
        for key, value in node.value:
            if type(key) is not ScalarNode:
                if is_bare_template(node):
                    unquoted_template(node, self)
                else:
                    self.error("yaml-key", "a key must be text", key)
                continue
            if key.tag == MERGE:
                self._merge(value, merged)
                continue
            name = key.value
            if name in out:
                first = Label(self.span(out[name][1]), "first defined here")
                self.error("duplicate-key", f"the key '{name}' is given twice", key, labels=(first,))
                continue
            out[name] = (name, key, value)
        if merged:
            out = {**{k: v for k, v in merged.items() if k not in out}, **out}
        return list(out.values())

    def _merge(self, value: Node, into: dict[str, tuple[str, ScalarNode, Node]]) -> None:
        sources = value.value if isinstance(value, SequenceNode) else [value]
        for source in sources:
            if not isinstance(source, MappingNode):
                self.error("yaml-merge", "'<<' merges mappings only", value)
                continue
            if not self.enter(source):
                return
            for name, key, item in self.pairs(source):
                into.setdefault(name, (name, key, item))
            self.leave()


def is_bare_template(node: Node) -> bool:
    """Whether the author wrote `{{ name }}` without quotes, which YAML takes for a mapping in a mapping."""
    return isinstance(node, MappingNode) and bool(node.flow_style and node.value and isinstance(node.value[0][0], MappingNode))


def unquoted_template(node: Node, reader: Reader) -> Invalid:
    """Reports a bare template."""
    fix = 'put the whole value in "quotes"'
    return reader.error("yaml-unquoted-template", "a value that starts with '{{' is read as a mapping", node, help=fix)
