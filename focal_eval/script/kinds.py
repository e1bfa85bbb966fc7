"""The checks as the reader of expectations knows them: by the word that stands in a script, with what is read already."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from focal_eval.document import INVALID, Reader, Shape, shape_of
from focal_eval.document.reader import Node, ScalarNode, SequenceNode
from focal_eval.document.shape import Record
from focal_eval.registry import find

_MOST_KEPT = 5_000
_LONGEST_LIST, _LONGEST_TEXT = 8, 40


@lru_cache(maxsize=512)
def shape_of_check(key: str) -> Shape | None:
    """The shape of the check registered under `key`, None where there is none."""
    kind = find("checks", key)
    return None if kind is None else shape_of(kind)


class Kind:
    """One kind of check; what is said in few words is read once and shared by all places that say the very same."""

    __slots__ = ("_read", "key", "open_keys", "own_words", "shape")

    def __init__(self, key: str, shape: Shape) -> None:
        self.key, self.shape = key, shape
        self.open_keys: bool = getattr(find("checks", key), "open_keys", False)  # the mapping's keys are the author's own
        self.own_words = frozenset(shape.entries) if isinstance(shape, Record) else frozenset()
        self._read: dict[Any, Any] = {}

    def read(self, node: Node, reader: Reader) -> Any:
        """The check a node says, or INVALID: suites repeat their short expectations thousands of times."""
        said = _said(node)
        if said is None or reader.comments:  # a text may be cut off here, and not there
            return self.shape.read(node, reader)
        known = self._read.get(said)
        if known is not None:
            return known
        problems = len(reader.problems)
        check = self.shape.read(node, reader)
        if check is not INVALID and len(reader.problems) == problems:
            if len(self._read) >= _MOST_KEPT:
                self._read.clear()
            self._read[said] = check
        return check


def _said(node: Node) -> tuple[Any, ...] | None:
    """All that a short scalar or a short list of scalars says, None of anything else."""
    if type(node) is ScalarNode:
        return (node.tag, node.value, node.style) if len(node.value) <= _LONGEST_TEXT else None
    if type(node) is SequenceNode and len(node.value) <= _LONGEST_LIST:
        items = [(item.tag, item.value, item.style) for item in node.value if type(item) is ScalarNode]
        return tuple(items) if len(items) == len(node.value) else None
    return None


class Kinds(dict[str, Kind | None]):
    """The kinds of check that may stand at a place by their words there, looked up once; None for words that are none."""

    def __init__(self, prefix: str, *none: str) -> None:
        super().__init__(dict.fromkeys(none))
        self.prefix = prefix

    def __missing__(self, word: str) -> Kind | None:
        shape = shape_of_check(self.prefix + word)
        if shape is None:  # not kept: there is no end of words that are none
            return None
        kind = self[word] = Kind(self.prefix + word, shape)
        return kind
