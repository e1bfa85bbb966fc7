"""A tool call as scripts expect it: `lookup_order`, `{lookup_order: {order_id: A-1}}`, or its long form.

The long form is `{create_refund: {args: {...}, result: ..., error: ..., only: true}}`. A mapping is the long form when all
its keys are among `args`, `result`, `error` and `only`, or when it holds a mapping under `args`; any other mapping holds the
arguments themselves. An argument that is named like one of the four goes under `args`.
"""

from __future__ import annotations

from dataclasses import field
from typing import Any

from focal_eval.checks.base import Ref, derived, settle
from focal_eval.checks.structure import differences
from focal_eval.document import INVALID, Reader, SchemaBuilder, Shape, record_of, shape_of
from focal_eval.document.reader import BOOL, STR, MappingNode, Node, ScalarNode
from focal_eval.document.shape import Text
from focal_eval.records import UNKNOWN, ToolCall
from focal_eval.script.conditions import Equals, Mismatch
from focal_eval.script.matchers import Matcher, match_arguments
from focal_eval.script.wording import ABSENT, show
from focal_eval.text import counted
from focal_eval.value import value as a_value

Path = tuple[str | int, ...]


@a_value
class CallDetails:
    """What a call was made with and what came of it."""

    args: dict[str, Matcher] = field(default_factory=dict, metadata={"doc": "These arguments; others may be there."})
    result: Matcher | None = field(default=None, metadata={"shape": shape_of(Matcher), "doc": "What the tool gave."})
    error: Matcher | None = field(
        default=None, metadata={"shape": shape_of(Matcher), "doc": "The tool's error; absent where it must not have failed."}
    )
    only: bool = field(default=False, metadata={"doc": "No other arguments."})


@a_value
class Call:
    """An expected call."""

    name: str
    details: CallDetails = field(default_factory=CallDetails)
    path: Path = ()  # from the item to the arguments, as written
    named_only: bool = derived()

    def __post_init__(self) -> None:
        asked = self.details
        settle(self, named_only=not (asked.args or asked.only or asked.result is not None or asked.error is not None))

    @classmethod
    def __shape__(cls) -> Shape:
        return CallShape()

    def fits(self, call: ToolCall) -> bool | None:
        """Whether an observed call is the expected one; None where the engine does not report enough to tell."""
        if call.name != self.name:
            return False
        if self.named_only:
            return True
        if self.mismatches(call):
            return False
        asked = self.details
        blind = call.arguments is UNKNOWN and (asked.args or asked.only)
        return None if blind or (call.result is UNKNOWN and asked.result is not None) else True

    def mismatches(self, call: ToolCall) -> list[Mismatch]:
        """What differs in a call of the same name, as far as it is known; `where` leads on from the item."""
        asked, out = self.details, []
        if call.arguments is not UNKNOWN:
            out += [_moved(found, self.path) for found in match_arguments(asked.args, call.arguments, asked.only)]
        if asked.result is not None and call.result is not UNKNOWN and (found := asked.result.mismatch(call.result)):
            out.append(_moved(found.below("result"), self.path[:1]))
        if asked.error is not None:
            failed = ABSENT if call.error is None else call.error
            if found := asked.error.mismatch(failed):
                out.append(_moved(found.below("error"), self.path[:1]))
        return out

    def explained(self, call: ToolCall) -> str | None:
        """How the result of a call differs from one that is given in full."""
        asked = self.details.result
        if asked is None or call.result is UNKNOWN or not isinstance(asked.condition, Equals):
            return None
        return "; ".join(differences(asked.condition.value, call.result)) or None

    def describe(self) -> str:
        asked = self.details
        inner = [f"{name}: {matcher.describe()}" for name, matcher in asked.args.items()]
        inner += ["nothing else"] if asked.only else []
        text = f"{self.name}({', '.join(inner)})" if inner else self.name
        text += f" with result {asked.result.describe()}" if asked.result is not None else ""
        if asked.error is not None:
            text += f" with error {asked.error.describe()}"
        return text

    def refs(self, path: Path, *, absent: bool = False) -> list[Ref]:
        """The tool and its arguments; `path` leads to the item."""
        out = [Ref("tool", self.name, path, absent)]
        return out + [Ref("argument", f"{self.name}.{name}", (*path, *self.path, name)) for name in self.details.args]


def _moved(found: Mismatch, path: Path) -> Mismatch:
    return Mismatch(found.path, found.expected, found.observed, (*path, *found.where))


def called(call: ToolCall) -> str:
    """An observed call for a message: `create_refund(amount: 20) failed: no such order`."""
    if call.arguments is UNKNOWN:
        text = call.name
    else:
        text = f"{call.name}({', '.join(f'{name}: {show(value, 60)}' for name, value in call.arguments.items())})"
    return text + (f" failed: {call.error}" if call.error is not None else "")


def called_in_all(calls: tuple[ToolCall, ...]) -> str:
    """All observed calls in one line."""
    if not calls:
        return "no tool was called"
    shown = ", ".join(called(call) for call in calls[:6])
    return shown if len(calls) <= 6 else f"{shown} and {counted(len(calls) - 6, 'more call')}"


_LONG = frozenset({"args", "result", "error", "only"})


class CallShape(Shape):
    """A tool's name, or a mapping from its name to arguments or to the long form."""

    expected = "a tool or {tool: {argument: value}}"
    name = Text(may_be_empty=False)

    def read(self, node: Node, reader: Reader) -> Any:
        if isinstance(node, ScalarNode) and node.tag == STR:
            name = self.name.read(node, reader)
            return INVALID if name is INVALID else Call(name)
        if not isinstance(node, MappingNode):
            return self.wrong(node, reader)
        if not reader.enter(node):
            return INVALID
        pairs = reader.pairs(node)
        reader.leave()
        if len(pairs) != 1:
            fix = "start each call with its own '-'" if pairs else None
            return reader.error("bad-value", f"a call names one tool, found {len(pairs)}", node, help=fix)
        name, _, value = pairs[0]
        if not isinstance(value, MappingNode):
            return reader.error("wrong-type", f"expected the arguments of '{name}' as a mapping", value)
        long = _is_long(value)
        details = record_of(CallDetails).read(value, reader) if long else _arguments(name, value, reader)
        return INVALID if details is INVALID else Call(name, details, (name, "args") if long else (name,))

    def schema(self, into: SchemaBuilder) -> dict[str, Any]:
        return into.define("Call", self._defined, self)

    def _defined(self, into: SchemaBuilder) -> dict[str, Any]:
        arguments = {
            "type": "object",
            "properties": {"only": {"type": "boolean"}},
            "additionalProperties": shape_of(Matcher).schema(into),
        }
        item = {"anyOf": [arguments, record_of(CallDetails).schema(into)]}
        long = {"type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": item}
        return {"anyOf": [self.name.schema(into), long]}


def _is_long(node: MappingNode) -> bool:
    keys = {key.value: value for key, value in node.value if isinstance(key, ScalarNode)}
    return bool(keys) and (keys.keys() <= _LONG or isinstance(keys.get("args"), MappingNode))


def _arguments(tool: str, node: MappingNode, reader: Reader) -> Any:
    if not reader.enter(node):
        return INVALID
    args: dict[str, Any] = {}
    only = False
    for name, key, value in reader.pairs(node):
        if name == "only" and value.tag == BOOL:
            only = value.value[0] in "tT"
            continue
        if name in ("result", "error"):
            fix = "put the arguments under 'args' to judge what came of the call"
            reader.warning("call-argument-name", f"'{name}' is read as an argument of '{tool}'", key, help=fix)
        args[name] = shape_of(Matcher).read(value, reader)
    reader.leave()
    return INVALID if INVALID in args.values() else CallDetails(args, only=only)
