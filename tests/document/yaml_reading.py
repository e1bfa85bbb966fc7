"""How the tests of documents read YAML and look at what came of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from focal_eval.document import Reader, plain, read_text
from focal_eval.document.reader import MappingNode, Node, ScalarNode


def said(text: str) -> list[str]:
    """The diagnostics of a text as `line:column code`, every value of it read as plain data."""
    document = read_text(text, "a.yaml")
    if document.root is not None:
        plain(document.root, Reader(document))
    return [f"{item.span.line}:{item.span.column} {item.code}" for item in document.problems]


def lines(text: str) -> list[str]:
    """The diagnostics of a text in one line each."""
    document = read_text(text, "a.yaml")
    if document.root is not None:
        plain(document.root, Reader(document))
    return [str(item) for item in document.problems]


def data(text: str) -> Any:
    """The text as plain data; it must be read without a problem."""
    document = read_text(text, "a.yaml")
    assert document.root is not None, list(map(str, document.problems))
    value = plain(document.root, Reader(document))
    assert list(map(str, document.problems)) == []
    return value


def scalars(node: Node | None) -> Iterator[ScalarNode]:
    """Every scalar below a node, keys among them."""
    if isinstance(node, ScalarNode):
        yield node
    elif node is not None:
        for entry in node.value:
            for part in entry if isinstance(node, MappingNode) else (entry,):
                yield from scalars(part)
