"""Foreign YAML and JSON as plain data that knows where its values stand; for formats too loose for dataclasses.

A file of a folder that cannot be read, or is of another format, is no problem: it is counted as a loss and passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from focal_eval.document import INVALID, Document, Reader, plain, read_bytes
from focal_eval.document.reader import MappingNode, Node, SequenceNode
from focal_eval.errors import Problems
from focal_eval.importers.foreign import Source
from focal_eval.importers.losses import Losses
from focal_eval.importers.places import json_span, span_at
from focal_eval.source import Span, whole_file

MAX_DEPTH = 48  # nested collections of a foreign file; a script holds them some levels deeper
Place = Callable[[], Span]

SENTENCES = {
    "other-file": "files of the folder that are of another format",
    "unreadable-file": "files of the folder that cannot be read as YAML or JSON",
    "yaml-tag": "values with a YAML tag of their own, such as !include: read as the text that stands there",
}
"""What the losses counted here mean."""


@dataclass(frozen=True, slots=True)
class Tree:
    """The data of one file."""

    file: str
    data: Any
    text: str
    document: Document | None = None  # of YAML

    def at(self, *path: str | int) -> Place:
        """The place of a value, found when asked for; of the nearest value above it where there is none."""
        return lambda: self._place(path)

    def _place(self, path: Sequence[str | int]) -> Span:
        if self.document is None:
            return json_span(self.text, path, self.file)
        node = self.document.root
        for step in path:
            found = None if node is None else _child(node, step)
            if found is None:
                break
            node = found
        return whole_file(self.file) if node is None else self.document.place(node)


def _child(node: Node, step: str | int) -> Node | None:
    if isinstance(node, SequenceNode) and isinstance(step, int):
        return node.value[step] if step < len(node.value) else None
    if isinstance(node, MappingNode):
        return next((value for key, value in node.value if key.value == step), None)
    return None


def read_tree(source: Source, problems: Problems, losses: Losses, *, json: bool | None = None) -> Tree | None:
    """The file's data, read as JSON where its name ends so (or `json` says so), else as YAML.

    None where it cannot be read: a problem where the file was named, a loss where it was found in a folder.
    """
    found = Problems()
    as_json = source.file.endswith((".json", ".jsonl")) if json is None else json
    tree = _json_tree(source, found) if as_json else _yaml_tree(source, found, losses)
    if not found.errors:
        return tree
    if source.named:
        problems.extend(found)
    else:
        losses.add("unreadable-file", found.errors[0].span)
    return None


def _json_tree(source: Source, problems: Problems) -> Tree | None:
    import orjson

    text = source.text(problems)
    if text is None:
        return None
    try:
        data = orjson.loads(text) if text.strip() else None
    except orjson.JSONDecodeError as problem:
        problems.error("import-json", f"not JSON: {problem.msg}", span_at(text, problem.pos, source.file))
        return None
    if deeper_than(data, MAX_DEPTH):
        problems.error("import-shape", f"nested deeper than {MAX_DEPTH} levels", whole_file(source.file))
        return None
    return Tree(source.file, data, text)


def _yaml_tree(source: Source, problems: Problems, losses: Losses) -> Tree | None:
    document = read_bytes(source.data, source.file)
    tags = [item for item in document.problems if item.code == "yaml-tag"]
    document.problems.items = [item for item in document.problems if item.code != "yaml-tag"]
    data = None
    if document.root is None and tags:  # so many that the file was given up
        document.problems.items += tags
    elif document.root is not None:
        data = plain(document.root, Reader(document))
    if document.problems.errors or data is INVALID:
        problems.extend(document.problems)
        return None
    if deeper_than(data, MAX_DEPTH):
        problems.error("import-shape", f"nested deeper than {MAX_DEPTH} levels", whole_file(source.file))
        return None
    for item in tags:
        losses.add("yaml-tag", item.span)
    return Tree(source.file, data, document.text, document)


def deeper_than(data: Any, levels: int) -> bool:
    """Whether collections are nested deeper than so many levels."""
    here = [data]
    for _ in range(levels + 1):
        here = [
            child
            for item in here
            if isinstance(item, (Mapping, list))
            for child in (item.values() if isinstance(item, Mapping) else item)
        ]
        if not here:
            return False
    return True


def pass_over(source: Source, problems: Problems, losses: Losses, expected: str) -> None:
    """Says that a file is of another format: a problem where it was named, a loss where it was found in a folder."""
    if source.named:
        problems.error("import-shape", f"this is not {expected}", whole_file(source.file))
    else:
        losses.add("other-file", whole_file(source.file))


def texts(value: Any) -> list[str]:
    """A text, or the texts of a list; what is no text is left out."""
    return [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, str)]


def mappings(value: Any) -> list[tuple[int, Mapping[str, Any]]]:
    """The mappings of a list with their numbers; nothing where it is no list."""
    return [(index, item) for index, item in enumerate(value if isinstance(value, list) else []) if isinstance(item, Mapping)]


def mapping(value: Any) -> Mapping[str, Any]:
    """The value where it is a mapping, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def scalar_text(value: Any) -> str:
    """A scalar as its author would write it; collections as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or value is None:
        return "null" if value is None else str(value).lower()
    if isinstance(value, (int, float)):
        return str(value)
    import orjson

    return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()
