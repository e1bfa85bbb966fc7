"""Templated expectations seen before a run: filled with the values of each row, as far as those are known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from focal_eval.document import INVALID, Document, Reader
from focal_eval.document.reader import MappingNode, Node, ScalarNode, SequenceNode
from focal_eval.errors import Diagnostic, Label, Problems
from focal_eval.script.kinds import shape_of_check
from focal_eval.script.model import Expectation, Said, Script
from focal_eval.script.stubs import read_answer
from focal_eval.script.templates import Filler
from focal_eval.source import Span
from focal_eval.template import TemplateProblem, compile_template, has_template

MOST_ROWS = 100  # looked at; the rest is met in the run

Values = Mapping[str, Any]


def previews(item: Expectation, script: Script) -> Iterator[Expectation]:
    """The expectation as it will be in each row; what turns save stays a template in it, what cannot be read is left out."""
    for values in rows_of(script):
        partial = _Partial(values)
        try:
            node = partial.node(item.node)
        except TemplateProblem:
            continue
        check = _shape(item).read(node, Reader(Document(item.span.file, "", node)))
        if check is not INVALID:
            yield replace(item, check=check, node=node)


def check_fillings(script: Script) -> list[Diagnostic]:
    """Errors that a row's values will cause: a template that fails on them, an expectation that cannot be read with them.

    Turns that may be skipped are left to the run.
    """
    certain = [turn for turn in script.authored if turn.when is None]
    texts = [said for turn in certain for said in turn.user if said.template]
    items = [*_templated(item for turn in certain for item in turn.expect), *_templated(script.closing)]
    answers = [answer for stub in script.stubs for answer in stub.answers if answer.node is not None]
    problems = Problems()
    for values in rows_of(script) if texts or items or answers else ():
        for said in texts:
            _look_said(said, values, script, problems)
        for item in items:
            _look((item.node, item.value_span, _shape(item).read), values, script, problems)
        for answer in answers:
            _look((answer.node, answer.span, read_answer), values, script, problems)
    return list({(found.code, found.span): found for found in reversed(problems.items)}.values())[::-1]


def _templated(items: Iterable[Expectation]) -> Iterator[Expectation]:
    for item in items:
        if item.children:
            yield from _templated(child for group in item.children for child in group)
        elif item.check is None:
            yield item


def rows_of(script: Script) -> list[Values]:
    """What is known of names before a run: each row's params and the variables that are given, without what turns save."""
    saved = {entry.name for turn in script.authored for entry in turn.save}
    plain = {name: value for name, value in script.named.items() if not has_template(str(value))}
    rows = [{**plain, **row} for row in script.rows[:MOST_ROWS]]
    return [{name: value for name, value in row.items() if name not in saved} for row in rows]


def _look_said(said: Said, values: Values, script: Script, problems: Problems) -> None:
    if said.template and compile_template(said.text).names <= values.keys():
        try:
            Filler(values).said(said)
        except TemplateProblem as problem:
            labels = _labels(compile_template(said.text).names, values, script)
            problems.error("bad-template", f"the template cannot be filled: {problem}", said.span, labels=labels)


def _look(what: tuple[Node, Span, Callable[[Node, Reader], Any]], values: Values, script: Script, problems: Problems) -> None:
    node, span, read = what
    partial = _Partial(values)
    try:
        filled = partial.node(node)
    except TemplateProblem as problem:
        labels = _labels(partial.used, values, script)
        problems.error("bad-template", f"the template cannot be filled: {problem}", span, labels=labels)
        return
    if partial.kept:
        return
    reader = Reader(Document(span.file, "", filled))
    if read(filled, reader) is INVALID:
        labels = _labels(partial.used, values, script)
        problems.extend(replace(found, labels=(*found.labels, *labels)) for found in reader.problems.errors)


def _labels(names: frozenset[str] | set[str], values: Values, script: Script) -> tuple[Label, ...]:
    """Where the values came from."""
    spans: Mapping[str, Span] = script.param_spans
    return tuple(Label(spans[name], f"where {name} is {str(values[name])[:80]}") for name in sorted(names) if name in spans)


def _shape(item: Expectation) -> Any:
    return shape_of_check(item.key)


class _Partial:
    """Fills what can be filled; `used` are the names that were, `kept` says whether a template is left."""

    def __init__(self, values: Values) -> None:
        self.values, self.filler = values, Filler(values)
        self.used: set[str] = set()
        self.kept = False

    def node(self, node: Node) -> Node:
        if isinstance(node, ScalarNode):
            if not has_template(node.value):
                return node
            names = compile_template(node.value).names
            if not names <= self.values.keys():
                self.kept = True
                return node
            self.used |= names
            return self.filler.node(node)
        if isinstance(node, SequenceNode):
            return SequenceNode(node.tag, [self.node(item) for item in node.value], node.start_mark, node.end_mark)
        pairs = [(key, self.node(item)) for key, item in node.value]
        return MappingNode(node.tag, pairs, node.start_mark, node.end_mark, getattr(node, "flow_style", None))
