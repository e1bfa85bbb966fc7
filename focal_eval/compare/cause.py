"""Why cases changed, and which of them for the same reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from focal_eval.compare.lanes import dropped_by
from focal_eval.compare.model import PIPELINE, CaseChange, Cause, CauseGroup, Change, Difference, Edit, Lane, TurnPair
from focal_eval.compare.wording import figures, words
from focal_eval.records import Json
from focal_eval.value import value

Scores = tuple[float | None, float | None]

SAID_ONLY = frozenset(
    {Lane.CANDIDATES, Lane.RESPONSE, Lane.FOLLOW_UPS, Lane.CITATIONS, Lane.OUTCOME, Lane.RECORDS, Lane.VERDICT}
)
"""Lanes that carry nothing into the next turn of an agent that follows rules."""


@value
class Found:
    """The differences of one case."""

    pairs: tuple[TurnPair, ...]
    records: tuple[Difference, ...]
    conversation: tuple[Difference, ...]
    script: str
    settled: frozenset[int]  # pairs after which both conversations stand at the same place
    change: Change


def cause_of(found: Found, around: Callable[[int], tuple[str, ...]]) -> tuple[Cause | None, int | None, Scores | None]:
    """The cause of a case, its turn, and the scores of its rule on both sides; `around` tells what was at work in a turn.

    It is the first difference in pipeline order of the first turn that differs, with two refinements. What was only looked
    at did nothing, so a candidate is the cause where nothing else differs. And where a verdict changed, differences are
    passed over that came before and left no trace: those after which both conversations stood at the same place again.
    """
    turn, first = _first(found)
    if first is None:
        return None, None, None
    near = around(turn) if turn is not None else ()
    about = _about(first)
    cause = Cause(
        key_of(first, found.script),
        first.lane,
        words(first),
        found.script if first.lane is Lane.INPUT else first.what,
        about,
        tuple(part for part in near if part not in about),
    )
    return cause, turn, _scores(first)


def _first(found: Found) -> tuple[int | None, Difference | None]:
    where = enumerate(pair.differences for pair in found.pairs)
    turns = [(turn, differences) for turn, differences in where if differences]
    done = [(turn, item) for turn, items in turns for item in items if item.lane is not Lane.CANDIDATES]
    flipped = _flip(found)
    if flipped is not None:
        carried = _carried(found, flipped)
        if carried is not None:
            return carried
    if done:
        return done[0]
    for rest in (found.conversation, found.records):
        if rest:
            return None, rest[0]
    return (turns[0][0], turns[0][1][0]) if turns else (None, None)


def _flip(found: Found) -> int | None:
    """The first turn in which an expectation turned, where the case's verdict did."""
    if found.change not in (Change.REGRESSED, Change.FIXED, Change.FLAKY, Change.ERRORED):
        return None
    turned = (Lane.VERDICT, Lane.FAULT)
    return next((turn for turn, pair in enumerate(found.pairs) if any(item.lane in turned for item in pair.differences)), None)


def _carried(found: Found, flipped: int) -> tuple[int, Difference] | None:
    """The first difference that can have led to what turned in a turn."""
    start = max((turn + 1 for turn in found.settled if turn < flipped), default=0)
    for turn in range(start, flipped):
        for item in found.pairs[turn].differences:
            if item.lane not in SAID_ONLY:
                return turn, item
    here = [item for item in found.pairs[flipped].differences if item.lane is not Lane.CANDIDATES]
    return (flipped, here[0]) if here else None


def _scores(first: Difference) -> Scores | None:
    if first.lane is not Lane.RULES:
        return None
    before, after = (side.get("score") if isinstance(side, Mapping) else None for side in (first.before, first.after))
    return before, after


_SIGNS = {"removed": "-", "added": "+", "moved": ">", "changed": "~"}


def key_of(first: Difference, script: str) -> str:
    """Stable, and the same for every case of one reason: `rules:-offer-refund`, `argument:~refund.amount`."""
    lane, what = first.lane, first.what
    if lane is Lane.INPUT and what != "sent":
        return f"input:{script}"
    if lane in (Lane.STEP, Lane.TEMPLATE) and what != "transitions":
        return f"{lane.value}:{_named(first.before)}>{_named(first.after)}"
    if lane is Lane.VERDICT:
        return f"verdict:{'+' if first.after == 'passed' else '-'}{what}"
    if lane is Lane.CANDIDATES and first.kind != "changed":  # it lost or gained its ground, as where it matched
        lane = Lane.RULES
    return f"{lane.value}:{_SIGNS[first.kind]}{what}"


def _named(side: Json) -> str:
    return "none" if side is None else str(side)


def _about(first: Difference) -> tuple[str, ...]:
    """The parts of the agent a difference leads to."""
    lane, what = first.lane, first.what
    if lane in (Lane.RULES, Lane.CANDIDATES):
        return (f"rule:{what}", *(f"rule:{name}" for name in sorted(dropped_by(first))))
    if lane is Lane.ENFORCEMENT:
        return (f"rule:{what}",)
    if lane is Lane.STEP:
        return tuple(f"step:{side}" for side in (first.after, first.before) if isinstance(side, str))
    if lane in (Lane.TOOL, Lane.ARGUMENT, Lane.RESULT):
        return (f"tool:{what}",) if lane is Lane.TOOL else tuple(f"tool:{name}" for name in _begins(what))
    if lane is Lane.VARIABLES:
        return tuple(f"{kind}:{name}" for name in _begins(what) for kind in ("variable", "slot"))
    if lane is Lane.TEMPLATE:
        return tuple(f"template:{side}" for side in (first.after, first.before) if side is not None)
    return (f"template:{what}",) if lane is Lane.RESPONSE and what != "response" else ()


def _begins(what: str) -> list[str]:
    """`a`, `a.b`, `a.b.c`: a tool's name may hold dots itself."""
    parts = what.split(".")
    return [".".join(parts[: count + 1]) for count in range(len(parts))]


def grouped(cases: Iterable[CaseChange], edits: Sequence[Edit] | None) -> tuple[CauseGroup, ...]:
    """Cases of one cause together, those with most regressions first, then the biggest; each with the edits that touch it."""
    groups: dict[str, list[CaseChange]] = {}
    for case in cases:
        if case.cause is not None:
            groups.setdefault(case.cause.key, []).append(case)
    out = [_group(several, edits or ()) for several in groups.values()]
    return tuple(sorted(out, key=_rank))


def _rank(group: CauseGroup) -> tuple[int, int, int, str]:
    lane = PIPELINE.index(group.cause.lane)
    return -group.counts.get(Change.REGRESSED, 0), -len(group.cases), lane, group.cause.key


def _group(several: list[CaseChange], edits: Sequence[Edit]) -> CauseGroup:
    order = list(Change)
    several = sorted(several, key=lambda case: (order.index(case.change), case.name))
    causes = [case.cause for case in several if case.cause is not None]
    cause = next((one for one in causes if one.lane is not Lane.CANDIDATES), causes[0])
    about = tuple(dict.fromkeys(part for one in causes for part in one.about))
    shared = [part for part in cause.around if all(part in one.around for one in causes)]
    joined = Cause(cause.key, cause.lane, cause.text, cause.what, about, tuple(shared))
    firsts = [first for case in several if (first := first_of(case)) is not None and first.lane is cause.lane]
    said = " ".join(filter(None, (cause.text, figures(firsts)))) if firsts else cause.text
    counted = Counter(case.change for case in several)
    return CauseGroup(
        cause=joined,
        cases=tuple(case.name for case in several),
        counts={change.value: counted[change] for change in Change if counted[change]},
        text=said,
        knock_on=_knock_on(several, cause.text),
        edits=tuple(linked(joined, edits)),
    )


def first_of(case: CaseChange) -> Difference | None:
    """The difference that is a case's cause."""
    cause = case.cause
    if cause is None:
        return None
    items = _all(case) if case.turn is None else iter(case.pairs[case.turn].differences)
    return next((item for item in items if key_of(item, case.script) == cause.key), None)


def _all(case: CaseChange) -> Iterator[Difference]:
    for pair in case.pairs:
        yield from pair.differences
    yield from case.conversation
    yield from case.records


def _knock_on(several: Iterable[CaseChange], cause: str) -> tuple[tuple[str, int], ...]:
    """What else differs, in words with the number of cases; in pipeline order where as many have it."""
    counted: Counter[tuple[int, str]] = Counter()
    for case in several:
        counted.update({(PIPELINE.index(item.lane), words(item)) for item in _all(case)})
    ranked = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    return tuple((said, count) for (_, said), count in ranked if said != cause)


def linked(cause: Cause, edits: Sequence[Edit]) -> list[int]:
    """The edits that touch a cause: those of its own part; else those that reach it; else those at work in its turn."""
    own = [place for place, edit in enumerate(edits) if edit.touches and edit.touches[0] in cause.about]
    reaching = [place for place, edit in enumerate(edits) if _reaches(edit, cause.about)]
    return own or reaching or [place for place, edit in enumerate(edits) if edit.touches and edit.touches[0] in cause.around]


def _reaches(edit: Edit, parts: Iterable[str]) -> bool:
    """Whether an edit touches one of the parts; `rule:*` stands for every rule, `step:returns/*` for the scenario's steps."""
    touched = set(edit.touches)
    wide = tuple(part[:-1] for part in touched if part.endswith("*"))
    return any(part in touched or (wide and part.startswith(wide)) for part in parts)
