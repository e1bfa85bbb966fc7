"""What every check promises, tried on one class with a few examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from focal_eval.checks.base import Conversation, ConversationCheck, Moment, Ref, TurnCheck
from focal_eval.checks.judging import judge_check
from focal_eval.document import INVALID, Reader, Record, SchemaBuilder, read_text, shape_of
from focal_eval.document.reader import MappingNode, Node, ScalarNode, SequenceNode
from focal_eval.records import UNKNOWN, Finding, Outcome, Reply, Transcript, TurnRecord
from focal_eval.testing.doubles import moment, transcript
from focal_eval.testing.promises import Kit
from focal_eval.value import is_settled

Seen = Reply | str | Moment | Transcript
_LANGUAGE = ("soft", "because")
_REPLY_FIELDS = frozenset(spec.name for spec in fields(Reply))


@dataclass(frozen=True, slots=True)
class CheckExample:
    """The YAML of one expectation, and what it must pass and fail on; a reply or its text stands for a moment of it.

    `blind` says that the check does not look at replies, but at what is around them, such as times and the number of turns.
    """

    yaml: str
    passes: Seen | None = None
    fails: Seen | None = None
    blind: bool = False


def check_conformance(kind: type[TurnCheck] | type[ConversationCheck], examples: Sequence[CheckExample]) -> None:
    """Raises AssertionError where a check class breaks a promise of `focal_eval.checks.base`.

    Give examples for each form the check can be written in, at least one that passes and one that fails.
    """
    kit = Kit("check", kind)
    _class(kit, kind)
    kit.holds(any(example.passes is not None for example in examples), "a check can pass", "no example shows it")
    kit.holds(any(example.fails is not None for example in examples), "a check can fail", "no example shows it")
    for example in examples:
        check, node = _read(kit, kind, example.yaml)
        _described(kit, check, node)
        _schema(kit, kind, example.yaml)
        if example.passes is not None:
            _judged(kit, check, node, _seen(kind, example.passes), Outcome.PASSED, example.yaml)
            if not example.blind:
                _never_passes_on_unknown(kit, check, _seen(kind, example.passes))
        if example.fails is not None:
            _judged(kit, check, node, _seen(kind, example.fails), Outcome.FAILED, example.yaml)


def _class(kit: Kit, kind: Any) -> None:
    kit.holds(
        issubclass(kind, (TurnCheck, ConversationCheck)), "a check is a TurnCheck or a ConversationCheck", "it is neither"
    )
    kit.holds(is_settled(kind), "a check is a frozen dataclass", "it is not")
    kit.holds("__slots__" in vars(kind), "a check has slots: suites hold thousands", "add slots=True")
    doc = (kind.__doc__ or "").strip().split("\n")[0]
    kit.holds(bool(doc) and not doc.startswith(f"{kind.__name__}("), "its docstring helps in an editor", "there is none")
    try:
        shape = shape_of(kind)
    except TypeError as problem:
        kit.broken("its fields say how it is written in YAML", str(problem), problem)
    if isinstance(shape, Record):
        taken = [word for word in _LANGUAGE if word in shape.entries]
        kit.holds(not taken, "`soft` and `because` belong to the language", f"it has the key {taken}")


def _read(kit: Kit, kind: Any, yaml: str) -> tuple[Any, Node]:
    """The check as a script would give it, and its node."""
    checks = []
    for _ in range(2):
        document = read_text(yaml, "example.yaml")
        assert document.root is not None, f"the example is not YAML: {[str(problem) for problem in document.problems]}"
        check = shape_of(kind).read(document.root, Reader(document))
        told = "; ".join(str(problem) for problem in document.problems)
        kit.holds(check is not INVALID and not told, "an example reads without a problem", f"{yaml!r}: {told}")
        kit.holds(isinstance(check, kind), "reading gives the check", f"{yaml!r} gave {check!r}")
        checks.append((check, document.root))
    kit.holds(checks[0][0] == checks[1][0], "reading twice gives equal checks", f"{yaml!r} did not")
    return checks[0]


def _described(kit: Kit, check: Any, node: Node) -> None:
    try:
        text, needed, refs, idle = check.describe(), check.needed(), check.refs(), check.idle()
    except Exception as problem:
        kit.crashed("describe, needed, refs and idle never raise", problem)
    one_line = isinstance(text, str) and bool(text.strip()) and "\n" not in text
    kit.holds(one_line, "describe gives one line", f"it gave {text!r}")
    unknown = sorted(needed - _REPLY_FIELDS - {"messages_stored"})
    kit.holds(not unknown, "needed names fields of Reply", f"it names {unknown}")
    kit.holds(idle is None, "an example can fail", f"idle says {idle!r}")
    for ref in refs:
        kit.holds(isinstance(ref, Ref), "refs gives Ref values", f"it gave {ref!r}")
        _leads(kit, ref.path, node, f"the reference to {ref.name!r}")


def _leads(kit: Kit, path: tuple[str | int, ...], node: Node, what: str) -> None:
    """A path that leads nowhere would put the caret under something else; a value in its short form is as far as it goes."""
    here: Node | None = node
    for step in path:
        here = here if isinstance(here, ScalarNode) else _child(here, step)
        kit.holds(here is not None, "paths lead to a place below the expectation's value", f"{what} has {path!r}")


def _child(node: Node | None, step: str | int) -> Node | None:
    if isinstance(node, MappingNode):
        found = next((value for key, value in node.value if isinstance(key, ScalarNode) and key.value == step), None)
        return node if found is None and step == 0 else found  # one mapping may stand for a list of one
    if isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.value):
        item: Node = node.value[step]
        return item
    return None


def _schema(kit: Kit, kind: Any, yaml: str) -> None:
    """The example fits the JSON Schema that editors get."""
    import jsonschema_rs

    from focal_eval.document import plain

    builder = SchemaBuilder()
    schema = {**shape_of(kind).schema(builder), "$defs": builder.defs}
    document = read_text(yaml, "example.yaml")
    assert document.root is not None
    value = plain(document.root, Reader(document))
    try:
        fits = jsonschema_rs.validator_for(schema).is_valid(value)
    except Exception as problem:
        kit.crashed("its JSON Schema is one", problem)
    kit.holds(fits, "what can be read fits the JSON Schema", f"{yaml!r} does not")


def _seen(kind: Any, given: Seen) -> Moment | Transcript:
    if isinstance(given, (Moment, Transcript)):
        return given
    return moment(given) if issubclass(kind, TurnCheck) else transcript(given)


def _judged(kit: Kit, check: Any, node: Node, seen: Moment | Transcript, expected: Outcome, yaml: str) -> None:
    outcome, findings, reason = judge_check(check, seen)
    told = reason or "; ".join(finding.message for finding in findings)
    kit.holds(outcome is expected, f"the example {yaml!r} is {expected}", f"it was {outcome}" + (f": {told}" if told else ""))
    again = judge_check(check, seen)
    kit.holds(again == (outcome, findings, reason), "judging twice gives the same", f"then it was {again!r}")
    questions = check.questions(seen)
    kit.holds(check.questions(seen) == questions, "asking twice asks the same", "it does not")
    kit.holds(not questions or check.aid == "judge", "a check that has a judge asked says so (aid)", "it does not")
    kit.holds(check.labelled or check.judged_by(seen) is None, "a check that tells what judged it is labelled", "it is not")
    for finding in findings:
        sound = isinstance(finding, Finding) and bool(finding.message.strip()) and "\n" not in finding.message
        kit.holds(sound, "a finding is one sentence that stands alone", f"it was {finding!r}")
        _leads(kit, finding.path, node, f"the finding {finding.message!r}")
    if isinstance(seen, Moment):
        _reads_what_it_needs(kit, check, seen, outcome)


def _reads_what_it_needs(kit: Kit, check: Any, seen: Moment, outcome: Outcome) -> None:
    """Without the fields it does not name it comes to the same, or says that it cannot: `needed` is asked before a run."""
    needed = check.needed()
    less = replace(seen, turns=[_reduced(turn, needed) for turn in seen.turns])
    found = judge_check(check, less)
    promise = "a check needs the reply's fields that needed() names and no others"
    kit.holds(
        found[0] in (outcome, Outcome.SKIPPED), promise, f"with {sorted(needed)} alone it was {found[0]}: {found[2] or ''}"
    )


def _reduced(turn: TurnRecord, needed: frozenset[str]) -> TurnRecord:
    if turn.reply is None:
        return turn
    gone: dict[str, Any] = {spec.name: UNKNOWN for spec in fields(Reply) if spec.default is UNKNOWN and spec.name not in needed}
    return replace(turn, reply=replace(turn.reply, model=None, finish_reason=None, **gone))  # of these None is unknown


def _never_passes_on_unknown(kit: Kit, check: Any, seen: Moment | Transcript) -> None:
    nothing = tuple(_reduced(turn, frozenset()) for turn in seen.turns)
    blank = replace(seen, turns=nothing) if isinstance(seen, Moment) else Conversation(nothing, UNKNOWN, seen.saved)
    outcome = judge_check(check, blank)[0]
    kit.holds(
        outcome is not Outcome.PASSED, "a check never passes on what is unknown", "it passed on a reply without any field"
    )
