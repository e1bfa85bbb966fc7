"""Writes YAML that `focal_eval.document` reads back as the same data: the one style of everything this package writes.

Keys in the order given, lists indented under their key, short leaves in one line, texts of several lines as blocks; Unicode
stays as it is. A text is quoted where either YAML 1.1 or our reader would take it for something else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from focal_eval.document.reader import MAP, SEQ, STR, plain_tag

_NOT_IN_BLOCKS = re.compile(r"[ \t](?:\n|\Z)|\A[ \n]|\n\Z|[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_ESCAPED = re.compile(r"[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_UNWIELDY_KEY = 100  # a longer key stands as a block of its own in YAML
ENDLESS = 2**30


class Block(dict[str, Any]):
    """A mapping that always stands as a block, however short."""


class Line(list[Any]):
    """A list that always stands in one line, however long."""


class Word(str):
    """A word that means something, such as `absent`: it stands bare where a text of the same letters is quoted."""

    __slots__ = ()


_WORD = "tag:focal-eval,2026:word"


class Dumper(yaml.SafeDumper):
    """PyYAML's dumper in this style; a subclass says where long texts are folded and what else is to be quoted."""

    fold_at: ClassVar[int] = ENDLESS  # a longer text of one line is folded
    one_line: ClassVar[int] = 84  # a collection of scalars up to this long stands in one line
    quoted: ClassVar[frozenset[str]] = frozenset()  # words that would mean something else

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def resolve(self, kind: type[Node], value: Any, implicit: Any) -> Any:
        if kind is ScalarNode and implicit[0]:
            if (core := plain_tag(value)) != STR:
                return core
            if value in self.quoted:
                return _WORD  # differs from text, which makes PyYAML quote it
        return super().resolve(kind, value, implicit)  # type: ignore[no-untyped-call]  # not in the stubs

    def write_double_quoted(self, text: str, split: bool = True) -> None:
        """As JSON does, which YAML reads: PyYAML would escape what lies beyond the first 65,536 characters."""
        said = _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(text, ensure_ascii=False))
        self.write_indicator(said, True)

    def text(self, data: str) -> ScalarNode:
        style = None
        if _NOT_IN_BLOCKS.search(data):
            style = '"'
        elif "\n" in data:
            style = "|"
        elif len(data) > self.fold_at:
            style = ">"
        return self.represent_scalar(STR, data, style=style)

    def word(self, data: Word) -> ScalarNode:
        return ScalarNode(_WORD if data in self.quoted else STR, str(data))

    def mapping(self, data: Mapping[str, Any]) -> MappingNode:
        node = self.represent_mapping(MAP, data.items())
        node.flow_style = not isinstance(data, Block) and self._short(part for pair in node.value for part in pair)
        return node

    def sequence(self, data: Sequence[Any]) -> SequenceNode:
        node = self.represent_sequence(SEQ, data)
        node.flow_style = isinstance(data, Line) or self._short(node.value)
        return node

    def _short(self, nodes: Iterable[Node]) -> bool:
        length = 0
        for node in nodes:
            if not isinstance(node, ScalarNode) or node.style in ("|", ">"):
                return False
            length += len(node.value) + 2
        return length <= self.one_line


Dumper.add_representer(str, Dumper.text)
Dumper.add_representer(Word, Dumper.word)
Dumper.add_representer(dict, Dumper.mapping)
Dumper.add_representer(Block, Dumper.mapping)
Dumper.add_representer(Line, Dumper.sequence)
Dumper.add_representer(list, Dumper.sequence)
Dumper.add_representer(tuple, Dumper.sequence)


def dump(data: Any, dumper: type[Dumper] = Dumper, *, width: int = ENDLESS) -> str:
    """The data as YAML. Numbers must be finite and within 300 digits."""
    return yaml.dump(data, Dumper=dumper, sort_keys=False, allow_unicode=True, width=width, indent=2)
