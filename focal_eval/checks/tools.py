"""`tools`: which tools were called in a turn, with what, in which order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from typing import ClassVar, Literal

from focal_eval.checks.assignment import cheapest
from focal_eval.checks.base import Moment, Ref, TurnCheck, Unreported, derived, settle, written_short
from focal_eval.checks.calls import Call, Path, called, called_in_all
from focal_eval.checks.ordering import Order, blocks_of, found_in, longest_start
from focal_eval.checks.ranges import Count
from focal_eval.checks.remarks import why_skipped
from focal_eval.checks.reported import known
from focal_eval.records import Finding, Reply, ToolCall
from focal_eval.registry import nearest
from focal_eval.text import counted, listed, shorten
from focal_eval.value import value

UNKNOWN_DETAILS = "this engine does not report the arguments and results of its tool calls"
MOST_COMPARED = 400  # observed calls looked at for the nearest miss
SHOWN = 160  # characters of a call in the expectation's own words
MOST_NAMED = 8  # calls beyond the expected ones, each in a finding of its own
_OTHER_TOOL = 1000.0  # the cost of taking a call of another tool for the expected one
Calls = tuple[ToolCall, ...]


@value
class Tools(TurnCheck):
    """The tools called in this turn; a list means these calls in this order, with others between."""

    short: ClassVar[str] = "calls"
    needs: ClassVar[frozenset[str]] = frozenset({"tools"})
    calls: tuple[Call, ...] = field(default=(), metadata={"doc": "These calls were made."})
    exactly: tuple[Call, ...] | None = field(default=None, metadata={"doc": "These calls were made and no others."})
    order: Order = field(default="in_order", metadata={"doc": "strict: nothing between; any: no order."})
    extras: Literal["allow", "forbid"] = field(default="allow", metadata={"doc": "forbid: no other calls."})
    none: bool = field(default=False, metadata={"doc": "No tool was called."})
    count: dict[str, Count] = field(default_factory=dict, metadata={"doc": "How often a tool was called."})
    excludes: tuple[Call, ...] = field(default=(), metadata={"doc": "None of these calls was made."})
    brief: bool = written_short()
    wanted: tuple[Call, ...] = derived()
    closed: bool = derived()
    plain: bool = derived()

    def __post_init__(self) -> None:
        if self.calls and self.exactly is not None:
            raise ValueError("write the calls under 'calls' or under 'exactly', not both")
        if self.none and (self.calls or self.exactly):
            raise ValueError("'none: true' leaves no room for calls")
        wanted = self.calls if self.exactly is None else self.exactly
        closed = self.none or self.exactly is not None or self.extras == "forbid"
        if self.extras == "forbid" and not wanted and self.exactly is None:
            raise ValueError("no call is named; to say that no tool may be called, write {none: true}")
        plain = self.order == "in_order" and not self.count and not self.excludes
        settle(self, wanted=wanted, closed=closed, plain=plain)

    def judge(self, seen: Moment) -> tuple[Finding, ...]:
        calls = known(seen.reply.tools, "tools")
        if self.plain and self._simply(calls):
            return ()
        out = self._sequence(calls, seen.reply)
        out += [found for tool, count in self.count.items() if (found := _miscounted(tool, count, calls, seen.reply))]
        doubtful = False
        for index, unwanted in enumerate(self.excludes):
            fits = [(call, unwanted.fits(call)) for call in calls]
            out += [_forbidden(unwanted, call, ("excludes", index)) for call, fit in fits if fit]
            doubtful = doubtful or any(fit is None for _, fit in fits)
        if doubtful and not out:
            raise Unreported(UNKNOWN_DETAILS)
        return tuple(out)

    def _simply(self, calls: Calls) -> bool:
        """Whether the calls are found one after the other; False where that takes a closer look."""
        wanted, done = self.wanted, 0
        if self.closed and len(calls) != len(wanted):
            return False
        for call in calls:
            if call.group is not None or done == len(wanted):
                break
            if wanted[done].fits(call):
                done += 1
        return done == len(wanted)

    def _sequence(self, calls: Calls, reply: Reply) -> list[Finding]:
        if not self.wanted and not self.closed:
            return []
        fits = [[call.fits(observed) for observed in calls] for call in self.wanted]
        blocks = blocks_of(calls)
        room = not self.closed or len(calls) == len(self.wanted)
        if room and found_in(self.order, [[fit is True for fit in row] for row in fits], blocks):
            return []
        possible = [[fit is not False for fit in row] for row in fits]
        if room and found_in(self.order, possible, blocks):
            raise Unreported(UNKNOWN_DETAILS)
        return self._explain(calls, possible, blocks, reply)

    def _explain(self, calls: Calls, possible: list[list[bool]], blocks: list[list[int]], reply: Reply) -> list[Finding]:
        names = {call.name for call in self.wanted}
        near = [position for position, call in enumerate(calls) if call.name in names][:MOST_COMPARED]
        costs = [[_cost(call, calls[j], row[j]) for j in near] for call, row in zip(self.wanted, possible, strict=True)]
        out, spoken_for = [], set()
        for index, (call, column) in enumerate(zip(self.wanted, cheapest(costs), strict=True)):
            cost = _OTHER_TOOL if column is None else costs[index][column]
            if column is None or cost >= _OTHER_TOOL:
                out.append(_not_called(call, self._path(index), calls, reply))
                continue
            spoken_for.add(near[column])
            if cost > 0:
                out.append(_differently_called(call, calls[near[column]], self._path(index)))
        if self.closed:
            out += self._unexpected([call for position, call in enumerate(calls) if position not in spoken_for])
        return out or [self._disordered(calls, possible, blocks)]

    def _unexpected(self, calls: list[ToolCall]) -> list[Finding]:
        path = ("none",) if self.none else ("exactly",) if self.exactly is not None else ("extras",)
        out = []
        for call in calls[:MOST_NAMED]:
            said = f"'{call.name}' was called, but no such call is expected"
            out.append(Finding(said, "no other call", called(call), path=path))
        if more := calls[MOST_NAMED:]:
            said = f"{counted(len(more), 'more call')} {'was' if len(more) == 1 else 'were'} made that none expects"
            out.append(Finding(said, "no other call", called_in_all(tuple(more)), path=path))
        return out

    def _disordered(self, calls: Calls, possible: list[list[bool]], blocks: list[list[int]]) -> Finding:
        expected = f"{'one directly after the other' if self.order == 'strict' else 'in this order'}: "
        expected += ", ".join(call.describe() for call in self.wanted)
        start = longest_start(possible, blocks)
        if start == len(self.wanted):
            return Finding(
                "the calls were made in order, but others lie between", expected, called_in_all(calls), path=self._path(0)
            )
        late = self.wanted[start].name
        said = (
            f"'{late}' was called, but not after '{self.wanted[start - 1].name}'" if start else f"'{late}' was called too late"
        )
        return Finding(said, expected, called_in_all(calls), path=self._path(start))

    def _path(self, index: int) -> Path:
        return ("exactly", index) if self.exactly is not None else self.at("calls", index)

    def describe(self) -> str:
        if self.none:
            return "no tool is called"
        how = {"strict": " one directly after the other", "any": " in any order", "in_order": ""}[self.order]
        calls = [shorten(call.describe(), SHOWN) for call in self.wanted]
        parts = []
        if self.closed:
            parts.append(f"tools called are exactly {listed(calls)}{how}")
        elif calls:
            parts.append(f"tools called: {', '.join(calls)}{how}")
        parts += [f"'{tool}' is called {times(count)}" for tool, count in self.count.items()]
        if self.excludes:
            parts.append(f"not called: {', '.join(call.describe() for call in self.excludes)}")
        return "; ".join(parts) or "tools: nothing named"

    def refs(self) -> tuple[Ref, ...]:
        out = [ref for i, call in enumerate(self.wanted) for ref in call.refs(self._path(i))]
        out += [ref for i, call in enumerate(self.excludes) for ref in call.refs(("excludes", i), absent=True)]
        out += [Ref("tool", tool, ("count", tool), absent=count.max == 0) for tool, count in self.count.items()]
        return tuple(out)

    def idle(self) -> str | None:
        if self.wanted or self.closed or self.excludes or any(not count.idle() for count in self.count.values()):
            return None
        return "it names no call; to say that no tool may be called, write {none: true}"


def _cost(call: Call, observed: ToolCall, fit: bool) -> float:
    if fit:
        return 0.0
    return 1.0 + len(call.mismatches(observed)) if observed.name == call.name else _OTHER_TOOL


def times(count: Count) -> str:
    """How often, in words: `exactly once`, `never`, `at most 2 times`."""
    if count.max == 0:
        return "never"
    return f"{count.describe()} times" if not count.describe().endswith(" 1") else f"{count.describe()[:-2]} once"


def _not_called(call: Call, path: Path, calls: Calls, reply: Reply) -> Finding:
    same = sum(observed.name == call.name for observed in calls)
    said = f"was called {counted(same, 'time')}, which is not often enough" if same else "was not called"
    hint = why_skipped(reply, call.name) if same else _why_never(call.name, calls, reply)
    return Finding(f"'{call.name}' {said}", call.describe(), called_in_all(calls), near=hint, path=path)


def _why_never(tool: str, calls: Sequence[ToolCall], reply: Reply) -> str | None:
    """Why a tool was not called at all: the engine says so, or another name was meant."""
    if why := why_skipped(reply, tool):
        return why
    near = nearest(tool, {call.name for call in calls})
    return f"'{near}' was called; is that the name that was meant?" if near else None


def _differently_called(call: Call, observed: ToolCall, path: Path) -> Finding:
    found = call.mismatches(observed)
    by_name = {".".join(map(str, item.path)): item for item in reversed(found)}
    names = sorted(by_name)
    what = f"another '{names[0]}'" if len(names) == 1 else f"other values: {listed(names)}"
    expected = "; ".join(f"{name}: {by_name[name].expected}" for name in names)
    seen = "; ".join(f"{name}: {by_name[name].observed}" for name in names)
    near = call.explained(observed)
    closest = f"closest call: {called(observed)}" + (f" ({near})" if near else "")
    return Finding(f"'{call.name}' was called with {what}", expected, seen, near=closest, path=(*path, *found[0].where))


def _forbidden(unwanted: Call, call: ToolCall, path: Path) -> Finding:
    said = f"'{call.name}' was called" if unwanted.named_only else f"'{call.name}' was called as it must not be"
    return Finding(said, f"not {unwanted.describe()}", called(call), path=path)


def _miscounted(tool: str, count: Count, calls: Calls, reply: Reply) -> Finding | None:
    number = sum(call.name == tool for call in calls)
    if count.holds(number):
        return None
    said = f"'{tool}' was called {counted(number, 'time')}"
    hint = _why_never(tool, calls, reply) if number == 0 else why_skipped(reply, tool)
    return Finding(said, times(count), called_in_all(calls), near=hint, path=("count", tool))
