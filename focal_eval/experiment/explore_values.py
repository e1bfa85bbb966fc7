"""Values that decide what an agent's expressions come to: of tools' results, of slots, of what a session starts with.

An expression is taken apart into alternatives of parts that must all hold. The values tried are those it is compared with,
and their neighbours: just below, equal, just above. That is the boundary-value method of testing (Myers, "The Art of Software
Testing"), read off the agent file.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice, pairwise, product
from typing import Any

from focal_eval.agent.builtin import ToolOutcome
from focal_eval.agent.expression import Undecided, compile_expression
from focal_eval.agent.filling import filled
from focal_eval.agent.model import Agent, Tool
from focal_eval.agent.walk import PROVIDED, expressions
from focal_eval.template import TemplateProblem

Name = tuple[str, ...]
FAILURE = "the service is down"
MOST_TRIED = 256  # combinations of values for one alternative of an expression
MOST_OUTCOMES = 40  # answers of one tool

MOST_COUNTED = 50  # of fires, questions and turns
_COUNTING = frozenset({"fires", "asked", "turn"})

_MISSING: Any = object()


class Values:
    """What an agent's conditions compare names with, and the answers of tools that follow from it."""

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self.texts = tuple(dict.fromkeys(str(text) for text in _read(agent)))
        self._trees = {text: ast.parse(text.strip(), mode="eval").body for text in self.texts}
        self._start = {str(name): value for name, value in agent.variables if value is not None}
        self._known: dict[Name, dict[str, Any]] = {}
        self._beside: dict[Name, set[Name]] = {}
        for tree in self._trees.values():
            self._look(tree)
        for names, value in _required(agent):
            self._note(names, value)

    @property
    def atoms(self) -> tuple[str, ...]:
        """The comparisons and names that conditions are made of, each once."""
        parts = (part for tree in self._trees.values() for part in _leaves(tree))
        return tuple(dict.fromkeys(ast.unparse(part) for part in parts))

    @property
    def counters(self) -> dict[Name, int]:
        """Names that count something, with the highest figure that a condition tells apart; beyond it counting is no news."""
        out: dict[Name, int] = {}
        for name in sorted({one for tree in self._trees.values() for one in _names(tree) if one[0] in _COUNTING}):
            figures = [value for value in self.of(name) if isinstance(value, int) and not isinstance(value, bool)]
            if figures:
                out[name] = min(max(figures), MOST_COUNTED)
        return out

    def of(self, name: Name) -> list[Any]:
        """Values that decide something about this name, in the order of the file; neighbours of numbers among them."""
        out = dict(self._known.get(name, {}))
        for other in sorted(self._beside.get(name, ())):
            for value in (*self._known.get(other, {}).values(), self._sample(other)):
                if value is not _MISSING:
                    out.update((_key(near), near) for near in _near(value))
        return list(out.values())

    def outcomes(self, tool: Tool) -> tuple[ToolOutcome, ...]:
        """Answers of a tool that differ in what conditions read of them: as declared, changed for a condition, failed."""
        name = str(tool.id)
        bases = declared(tool)
        made: dict[str, ToolOutcome] = {repr(base): ToolOutcome(base) for base in bases}
        read = [text for text, tree in self._trees.items() if any(one[:2] == ("result", name) for one in _names(tree))]
        for text in read:
            for base in bases:
                for changed in self._changed(text, name, base):
                    made.setdefault(repr(changed), ToolOutcome(changed))
        return (*islice(made.values(), MOST_OUTCOMES), ToolOutcome(error=FAILURE))

    def starts(self) -> list[tuple[str, Any]]:
        """Variables that nothing in the agent sets, with values that decide something: a session may start with them."""
        given = {str(name) for holder in self.agent.setters() for name, _ in holder.sets} | {
            str(slot.id) for slot in self.agent.slots
        }
        free = {names[0] for tree in self._trees.values() for names in _names(tree)} | {
            one[0] for one, _ in _required(self.agent)
        }
        names = sorted(free - given - PROVIDED - {"value"})
        return [(name, value) for name in names for value in self.of((name,)) if value != self._start.get(name)]

    def together(self) -> list[dict[Name, Any]]:
        """What a session has to start with at once for an expression that reads two things or more it may start with."""
        free = {(name,) for name, _ in self.starts()} | {("channel",)}
        out: dict[str, dict[Name, Any]] = {}
        for tree in self._trees.values():
            for parts in _alternatives(tree):
                chosen: dict[Name, Any] = {}
                for part in parts:
                    names = _names(part)
                    if len(names) == 1 and (names[0] in free or (names[0][0] == "metadata" and len(names[0]) == 2)):
                        fitting = (value for value in self.of(names[0]) if _holds_with(part, names[0], value))
                        if (value := next(fitting, _MISSING)) is not _MISSING:
                            chosen[names[0]] = value
                if len(chosen) > 1:
                    out.setdefault(repr(chosen), chosen)
        return list(out.values())

    def provided(self, name: str) -> list[str]:
        """Texts that conditions compare something a session provides with: its channel, or `metadata.locale`."""
        return [value for value in self.of(tuple(name.split("."))) if isinstance(value, str)]

    def _look(self, tree: ast.expr) -> None:
        for node in ast.walk(tree):
            if isinstance(node, ast.Compare):
                sides = [node.left, *node.comparators]
                for left, right in pairwise(sides):
                    self._compared(left, right)
                    self._compared(right, left)
            elif isinstance(node, ast.BoolOp):
                for part in node.values:
                    self._asked(part)
            elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
                self._asked(node.operand)
        self._asked(tree)

    def _asked(self, node: ast.expr) -> None:
        """A name that stands alone is asked whether it is there and true."""
        name = _dotted(node)
        if name is not None:
            self._note(name, True)
            self._note(name, False)

    def _compared(self, node: ast.expr, other: ast.expr) -> None:
        name = _dotted(node)
        if name is None:
            return
        if (beside := _dotted(other)) is not None:
            self._beside.setdefault(name, set()).add(beside)
        for value in _constants(other):
            for near in _near(value):
                self._note(name, near)

    def _note(self, name: Name, value: Any) -> None:
        plain = str(value) if isinstance(value, str) else value  # not a text that knows its place in the file
        self._known.setdefault(name, {})[_key(plain)] = plain

    def _sample(self, name: Name) -> Any:
        """What a name may hold by itself: the variable's value, or that field of the tool's own answer."""
        if len(name) == 1:
            return self._start.get(name[0], _MISSING)
        if name[0] != "result" or len(name) < 3:
            return _MISSING
        tool = next((one for one in self.agent.tools if str(one.id) == name[1]), None)
        return _MISSING if tool is None else _field(declared(tool)[0], name[2:])

    def _changed(self, text: str, tool: str, base: Any) -> Iterator[Any]:
        """The answer with as few fields changed as it takes, for each alternative of the expression that can be had so."""
        for parts in _alternatives(self._trees[text]):
            fields = sorted({name for part in parts for name in _names(part) if name[:2] == ("result", tool) and len(name) > 2})
            if not fields or not isinstance(base, Mapping) or not self._fullest(tool, base, fields):
                continue
            wanted = [ast.unparse(part) for part in parts if any(name[:2] == ("result", tool) for name in _names(part))]
            found = self._solved(wanted, tool, base, fields)
            if found is not None:
                yield found

    def _fullest(self, tool: str, base: Mapping[str, Any], fields: Sequence[Name]) -> bool:
        """Whether no other declared answer has more of these fields: "not found" is no answer to give a price to."""
        bases = declared(next(one for one in self.agent.tools if str(one.id) == tool))
        had = [sum(_field(one, name[2:]) is not _MISSING for name in fields) for one in bases]
        return sum(_field(base, name[2:]) is not _MISSING for name in fields) == max(had)

    def _solved(self, wanted: Sequence[str], tool: str, base: Mapping[str, Any], fields: Sequence[Name]) -> Any:
        choices = [[_MISSING, *self.of(name)] for name in fields]
        tried = sorted(islice(product(*choices), MOST_TRIED), key=lambda row: sum(one is not _MISSING for one in row))
        for row in tried:
            made: Any = {**base}
            for name, value in zip(fields, row, strict=True):
                if value is not _MISSING:
                    made = _with(made, name[2:], value)
            if all(self._may_hold(text, tool, made) for text in wanted):
                return made
        return None

    def _may_hold(self, text: str, tool: str, result: Any) -> bool:
        """Whether the part holds with this answer; one that reads what is not known yet is left to the conversation."""
        expression = compile_expression(text)
        results = {str(one.id): declared(one)[0] for one in self.agent.tools} | {tool: result}
        names = {**self._start, "result": results}
        unknown = [name for name in expression.names if name[0] != "result" and name[0] not in self._start]
        try:
            return bool(expression.value(names)) or bool(unknown)
        except Undecided:
            return bool(unknown)


def declared(tool: Tool) -> list[Any]:
    """The results a tool's binding declares, whatever the arguments; an empty mapping where it declares none."""
    made = [answer.returns for answer in tool.answers if answer.fails is None]
    made += [] if tool.returns is None else [tool.returns]
    made += [row for _, row in tool.table.rows] if tool.table is not None else []
    out: dict[str, Any] = {}
    for returns in made[:20]:
        try:
            result = filled(returns, {str(name): str(name) for name, _ in tool.args})
        except TemplateProblem:
            continue
        out.setdefault(repr(result), result)
    return list(out.values()) or [{}]


def constant_in(text: str) -> bool | None:
    """What an expression that reads no name comes to; None for any other."""
    expression = compile_expression(text)
    return None if expression.names else expression.holds({})


def _read(agent: Agent) -> Iterator[str]:
    of_replies = {id(text) for rule in agent.rules for text in rule.enforce}
    yield from (str(text) for text, _ in expressions(agent) if id(text) not in of_replies)


def _required(agent: Agent) -> Iterator[tuple[Name, Any]]:
    for requires in (*(rule.requires for rule in agent.rules), *(flow.requires for flow in agent.scenarios)):
        yield from (((str(name),), True) for name in requires.names)
        yield from (((str(name),), value) for name, value in requires.values)


def _alternatives(tree: ast.expr) -> Iterator[list[ast.expr]]:
    """The parts that must all hold, for each way the expression can hold."""
    if isinstance(tree, ast.BoolOp) and isinstance(tree.op, ast.Or):
        for part in tree.values:
            yield from _alternatives(part)
    elif isinstance(tree, ast.BoolOp):
        for row in islice(product(*(list(_alternatives(part)) for part in tree.values)), 16):
            yield [part for parts in row for part in parts]
    else:
        yield [tree]


def _holds_with(part: ast.expr, name: Name, held: Any) -> bool:
    return compile_expression(ast.unparse(part)).holds({name[0]: _with({}, name[1:], held)})


def _leaves(tree: ast.expr) -> Iterator[ast.expr]:
    if isinstance(tree, ast.BoolOp):
        for part in tree.values:
            yield from _leaves(part)
    elif isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.Not):
        yield from _leaves(tree.operand)
    else:
        yield tree


def _names(tree: ast.expr) -> tuple[Name, ...]:
    return compile_expression(ast.unparse(tree)).names


def _dotted(node: ast.expr) -> Name | None:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if isinstance(node, ast.Name) and node.id not in ("true", "false", "null", "none"):
        return (node.id, *reversed(parts))
    return None


def _constants(node: ast.expr) -> Iterator[Any]:
    if isinstance(node, ast.Constant):
        yield node.value
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant):
        yield -node.operand.value  # type: ignore[operator]  # a sign stands before numbers only
    elif isinstance(node, (ast.List, ast.Tuple)):
        for part in node.elts:
            yield from _constants(part)
    elif isinstance(node, ast.Name) and node.id in ("true", "false"):
        yield node.id == "true"


def _near(value: Any) -> Iterable[Any]:
    if isinstance(value, bool):
        return (value, not value)
    if isinstance(value, (int, float)):
        return (value, value + 1, value - 1)
    return (value, f"not {value}") if isinstance(value, str) else (value,)


def _key(value: Any) -> str:
    return f"{type(value).__name__} {value!r}"


def _field(holder: Any, path: Sequence[str]) -> Any:
    for name in path:
        if not isinstance(holder, Mapping) or name not in holder:
            return _MISSING
        holder = holder[name]
    return holder


def _with(holder: Any, path: Sequence[str], value: Any) -> Any:
    """A copy of the mapping with another value at this path."""
    if not path:
        return value
    inner = holder if isinstance(holder, Mapping) else {}
    return {**inner, path[0]: _with(inner.get(path[0]), path[1:], value)}
