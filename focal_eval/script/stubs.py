"""`tools`: what a tool answers in a script; read here, and played per case by `Answering`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from focal_eval.clock import content_id
from focal_eval.document import INVALID, Document, Reader, Shape, plain
from focal_eval.document.reader import STR, MappingNode, Node, ScalarNode, SequenceNode
from focal_eval.document.shape import JsonSchema, ListOf, MapOf, Number, Record, SchemaBuilder, record_of, shape_of
from focal_eval.errors import Label
from focal_eval.script.matchers import Matcher, match_arguments
from focal_eval.script.model import Answer, Step, Stub
from focal_eval.script.templates import note_templates, scalars_below
from focal_eval.template import has_template
from focal_eval.value import value as a_value

_MAX_DELAY_MS = 3_600_000


class FailureShape(Shape):
    """`fails`: the error's text, or a mapping with `error`."""

    expected = "the error's text"

    def read(self, node: Node, reader: Reader) -> Any:
        if isinstance(node, ScalarNode) and node.tag == STR and node.value:
            return node.value
        if isinstance(node, MappingNode):
            value = plain(node, reader)
            if value is INVALID:
                return INVALID
            if isinstance(value.get("error"), str) and value["error"]:
                return value["error"]
        return self.wrong(node, reader)

    def schema(self, into: SchemaBuilder) -> JsonSchema:
        text = {"type": "string", "minLength": 1}
        return {"anyOf": [text, {"type": "object", "properties": {"error": text}, "required": ["error"]}]}


_DELAY = Number(minimum=0, maximum=_MAX_DELAY_MS)


@a_value
class _Step:
    """One answer of a sequence."""

    returns: Any = field(default=None, metadata={"doc": "The result."})
    fails: Annotated[str | None, FailureShape()] = field(default=None, metadata={"doc": "The call fails with this error."})
    delay_ms: Annotated[float | None, _DELAY] = field(default=None, metadata={"doc": "Reported as the call's duration."})


@a_value
class _Answer:
    """One answer of a tool: the first whose `when` fits is taken."""

    when: Annotated[Mapping[str, Matcher] | None, MapOf(shape_of(Matcher))] = field(
        default=None, metadata={"doc": "Matchers by argument name; without it any call fits."}
    )
    only: bool = field(default=False, metadata={"doc": "No arguments beside those of `when`."})
    returns: Any = field(default=None, metadata={"doc": "The result."})
    fails: Annotated[str | None, FailureShape()] = field(default=None, metadata={"doc": "The call fails with this error."})
    delay_ms: Annotated[float | None, _DELAY] = field(default=None, metadata={"doc": "Reported as the call's duration."})
    sequence: Annotated[tuple[_Step, ...], ListOf(record_of(_Step), single=False)] = field(
        default=(), metadata={"doc": "One answer a call, in order; the last one repeats."}
    )
    times: Annotated[int | None, Number(whole=True, minimum=1, maximum=100_000)] = field(
        default=None, metadata={"doc": "Taken so often, then later answers are tried."}
    )


_ANSWER: Record = record_of(_Answer)


def _keys(node: Node, reader: Reader) -> dict[str, Node]:
    """The mapping's values by key, merged ones among them."""
    return {name: value for name, _, value in reader.pairs(node)} if isinstance(node, MappingNode) else {}


def read_answer(node: Node, reader: Reader) -> Any:
    """One answer, or INVALID; where it holds templates they are checked and the node is kept for the case."""
    keys = _keys(node, reader)
    templated = note_templates(node, reader)
    value = _ANSWER.read(node, reader) if templated is False else _as_far_as_known(node, reader)
    if value is INVALID or templated is INVALID:
        return INVALID
    given = [name for name in ("returns", "fails", "sequence") if name in keys]
    if len(given) != 1:
        problem = (
            "an answer needs 'returns', 'fails' or 'sequence'" if not given else f"an answer has one of {', '.join(given)}"
        )
        return reader.error("bad-stub", problem, node)
    if "only" in keys and "when" not in keys:
        return reader.error("bad-stub", "'only' needs 'when'", keys["only"])
    fits = keys.get("when")
    spans = {name: reader.span(key) for name, key, _ in reader.pairs(fits)} if isinstance(fits, MappingNode) else {}
    if value is None:
        return Answer(reader.span(node), (), node=node, argument_spans=spans)
    if given == ["sequence"]:
        steps = _steps(keys["sequence"], value.sequence, reader)
        if steps is INVALID:
            return INVALID
    else:
        steps = (Step(value.returns, value.fails, value.delay_ms),)
    return Answer(reader.span(node), steps, value.when, value.only, value.times, node if templated else None, spans)


def _as_far_as_known(node: Node, reader: Reader) -> Any:
    """The answer's fields, None where only its templates keep them from being read, INVALID where anything else does."""
    probe = Reader(Document(reader.file, reader.document.text, node))
    value = _ANSWER.read(node, probe)
    if value is not INVALID:
        reader.problems.extend(probe.problems)
        return value
    places = {probe.document.place(item) for item in scalars_below(node) if has_template(item.value)}
    rest = [problem for problem in probe.problems if problem.span not in places]
    reader.problems.extend(rest)
    return INVALID if any(problem.severity == "error" for problem in rest) else None


def _steps(node: Node, read: tuple[_Step, ...], reader: Reader) -> Any:
    if not read:
        return reader.error("bad-stub", "'sequence' is empty", node)
    for child in node.value:
        if len([name for name in ("returns", "fails") if name in _keys(child, reader)]) != 1:
            return reader.error("bad-stub", "each answer of a sequence has 'returns' or 'fails'", child)
    return tuple(Step(item.returns, item.fails, item.delay_ms) for item in read)


class StubsShape(Shape):
    """Reads `tools` of a script."""

    expected = "a mapping of tool names"

    def read(self, node: Node, reader: Reader) -> Any:
        if not isinstance(node, MappingNode):
            return self.wrong(node, reader)
        if not reader.enter(node):
            return INVALID
        out: list[Any] = []
        for name, key, value in reader.pairs(node):
            items = value.value if isinstance(value, SequenceNode) else [value]
            if not items:
                out.append(reader.error("bad-stub", f"'{name}' has no answers", value))
                continue
            if not reader.enter(value):
                return INVALID
            answers = [read_answer(item, reader) for item in items]
            reader.leave()
            if INVALID in answers:
                out.append(INVALID)
                continue
            _reachable(answers, reader)
            out.append(Stub(name, reader.span(key), tuple(answers)))
        reader.leave()
        return INVALID if INVALID in out else tuple(out)

    def schema(self, into: SchemaBuilder) -> JsonSchema:
        answer = _ANSWER.schema(into)
        either = {"anyOf": [answer, {"type": "array", "minItems": 1, "items": answer}]}
        return {"type": "object", "additionalProperties": either}


def _reachable(answers: list[Answer], reader: Reader) -> None:
    """Warns of answers that an earlier one always takes before them."""
    any_call: Answer | None = None
    taken: dict[str, Answer] = {}  # by what they match, in words: equal matchers are written alike
    for answer in answers:
        if answer.node is not None:
            continue  # what it fits is known per case
        fits = repr(answer.when)
        earlier = any_call or taken.get(fits) or (taken.get(f"only {fits}") if answer.only else None)
        if earlier is not None:
            label = Label(earlier.span, "this one is always taken first")
            reader.problems.warning("unreachable-answer", "this answer is never reached", answer.span, labels=(label,))
        elif answer.times is None and answer.when is None:
            any_call = answer
        elif answer.times is None:
            taken[f"only {fits}" if answer.only else fits] = answer


def answer_data(answer: Answer) -> dict[str, Any]:
    """An answer as plain data, equal where two answers give the same: a recording tells by it what its tools answered."""
    out: dict[str, Any] = {}
    if answer.when is not None:
        out["when"] = {name: _matcher_text(matcher) for name, matcher in answer.when.items()}
    if answer.only:
        out["only"] = True
    if answer.times is not None:
        out["times"] = answer.times
    steps = [_step_data(step) for step in answer.steps]
    return {**out, "sequence": steps} if len(steps) > 1 else {**out, **steps[0]}


def _matcher_text(matcher: Matcher) -> str:
    text = matcher.describe()
    return f"{text} ({content_id(repr(matcher))})" if "…" in text else text


def _step_data(step: Step) -> dict[str, Any]:
    out = {"returns": step.returns} if step.fails is None else {"fails": step.fails}
    return out if step.delay_ms is None else {**out, "delay_ms": step.delay_ms}


@dataclass(slots=True)
class Answering:
    """One case's stubs at work: counts calls, so it belongs to one session."""

    stubs: Mapping[str, tuple[Answer, ...]]
    taken: dict[tuple[str, int], int] = field(default_factory=dict)

    def find(self, tool: str, arguments: Mapping[str, Any]) -> Step | None:
        """What the tool answers to this call, None where the script says nothing about it."""
        for index, answer in enumerate(self.stubs.get(tool, ())):
            count = self.taken.get((tool, index), 0)
            if answer.times is not None and count >= answer.times:
                continue
            if answer.when is not None and match_arguments(answer.when, arguments, answer.only):
                continue
            self.taken[tool, index] = count + 1
            return answer.steps[min(count, len(answer.steps) - 1)]
        return None
