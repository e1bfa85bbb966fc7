"""Names that an expectation takes from the script's params: where the params say them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from focal_eval.document.reader import MappingNode, Node, ScalarNode, SequenceNode
from focal_eval.lsp.mentions import Mention
from focal_eval.lsp.project import Project
from focal_eval.lsp.spots import spots
from focal_eval.source import Span
from focal_eval.template import TemplateProblem, compile_template, has_template


def in_params(project: Project, path: Path, mention: Mention) -> list[tuple[int, int]]:
    """Offsets of a name in the params that the template at a mention's place reads; none where a user says them too."""
    lines = project.files.lines(path)
    start, end = lines.offsets(mention.span)
    script = project.script(path).script if project.files.kind(path) == "script" else None
    names = _names(lines.text[start:end])
    if script is None or not names:
        return []
    if any(names & _names(said.text) for turn in script.authored for said in turn.user):
        return []
    document = project.files.document(path)
    out: dict[tuple[int, int], None] = {}
    for node in _columns(_under(document.root, "params"), names):
        begin, stop = node.start_mark, node.end_mark
        span = Span(document.file, begin.line + 1, begin.column + 1, stop.line + 1, stop.column + 1)
        out.update(dict.fromkeys(spots(replace(mention, span=span), lines)))
    return list(out)


def _names(text: str) -> frozenset[str]:
    """The names that a text's template reads."""
    try:
        return frozenset(compile_template(text.strip("\"'")).names) if has_template(text) else frozenset()
    except TemplateProblem:
        return frozenset()


def _under(root: Node | None, word: str) -> Node | None:
    pairs = root.value if isinstance(root, MappingNode) else []
    return next((item for key, item in pairs if isinstance(key, ScalarNode) and key.value == word), None)


def _columns(params: Node | None, names: frozenset[str]) -> Iterator[ScalarNode]:
    """Every scalar of the columns of these names, keys of mappings among them."""
    stack: list[tuple[Node, bool]] = [] if params is None else [(params, False)]
    seen: set[tuple[int, bool]] = set()
    while stack:
        node, inside = stack.pop()
        if (id(node), inside) in seen:
            continue
        seen.add((id(node), inside))
        if isinstance(node, ScalarNode):
            if inside:
                yield node
        elif isinstance(node, SequenceNode):
            stack.extend((item, inside) for item in node.value)
        else:
            for key, item in node.value:
                named = isinstance(key, ScalarNode) and key.value in names
                stack.append((item, inside or named))
                if inside:
                    stack.append((key, True))
