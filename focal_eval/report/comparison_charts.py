"""The geometry of a comparison's charts: verdicts of the baseline flowing into the candidate's, and latencies of both.

All numbers are the drawing's own units; the template draws them, names them and gives the same figures as a table.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from focal_eval.report.wording import WORDS
from focal_eval.text import counted
from focal_eval.value import value

VERDICTS = ("passed", "xfailed", "skipped", "not_run", "xpassed", "failed", "errored", None)
FLOW_HEIGHT, BLOCK, GAP = 168.0, 8.0, 16.0
LEFT, RIGHT = 150.0, 250.0  # where the ribbons begin and end
BINS = 36
CHART_WIDTH, ROW_HEIGHT = 640.0, 64.0


@value
class Block:
    """All conversations of one verdict on one side."""

    verdict: str
    words: str
    count: int
    y: float
    height: float
    label_y: float


@value
class Ribbon:
    """Conversations that went from one verdict to another."""

    before: str
    after: str
    words: str
    count: int
    path: str
    same: bool


@value
class Flow:
    """Verdicts before and after."""

    before: tuple[Block, ...]
    after: tuple[Block, ...]
    ribbons: tuple[Ribbon, ...]
    height: float
    left: float = LEFT
    right: float = RIGHT


def flow(counts: Counter[tuple[str | None, str | None]]) -> Flow | None:
    """The drawing of who went where; None where there is nothing."""
    if not counts:
        return None
    sides: tuple[Counter[str | None], Counter[str | None]] = (Counter(), Counter())
    for (one, other), count in counts.items():
        sides[0][one] += count
        sides[1][other] += count
    most = max(len(side) for side in sides)
    room = FLOW_HEIGHT - GAP * (most - 1)
    scale = _heights(counts, room)
    before, after = (_blocks(side, scale, place) for place, side in enumerate(sides))
    return Flow(tuple(before), tuple(after), tuple(_ribbons(scale, before, after, counts)), FLOW_HEIGHT + 4)


def _heights(counts: Mapping[tuple[str | None, str | None], int], room: float) -> dict[tuple[str | None, str | None], float]:
    """The thickness of each ribbon: by its share, never too thin to see."""
    least = 4.0
    total = sum(counts.values())
    spare = max(room - least * len(counts), 0)
    return {pair: least + spare * count / total for pair, count in counts.items()}


def _blocks(side: Counter[str | None], scale: Mapping[tuple[str | None, str | None], float], place: int) -> list[Block]:
    out: list[Block] = []
    y, label = 2.0, 0.0
    for verdict in VERDICTS:
        if not side[verdict]:
            continue
        height = sum(thick for pair, thick in scale.items() if pair[place] == verdict)
        label = max(label + 16.0, y + height / 2) if out else y + height / 2
        name = "absent" if verdict is None else verdict
        out.append(Block(name, _word(verdict, place), side[verdict], round(y, 2), round(height, 2), round(label, 2)))
        y += height + GAP
    return out


def _word(verdict: str | None, place: int) -> str:
    if verdict is None:
        return "not there" if place == 0 else "gone"
    return {"xfailed": "failed as expected", "xpassed": "passed, unexpected"}.get(verdict, WORDS.get(verdict, verdict))


def _ribbons(
    scale: Mapping[tuple[str | None, str | None], float],
    before: Sequence[Block],
    after: Sequence[Block],
    counts: Mapping[tuple[str | None, str | None], int],
) -> Iterator[Ribbon]:
    left = {block.verdict: block.y for block in before}
    right = {block.verdict: block.y for block in after}
    for one in VERDICTS:
        for other in VERDICTS:
            count = counts.get((one, other), 0)
            if not count:
                continue
            here, there = one or "absent", other or "absent"
            top, end, thick = left[here], right[there], scale[one, other]
            left[here] += thick
            right[there] += thick
            many = counted(count, "conversation")
            words = f"{many}: {_word(one, 0)} before, {_word(other, 1)} after"
            yield Ribbon(here, there, words, count, _band(top, end, thick), one == other)


def _band(top: float, end: float, thick: float) -> str:
    x1, x2, middle = LEFT + BLOCK, RIGHT - BLOCK, (LEFT + RIGHT) / 2
    return (
        f"M{x1:g} {top:.2f}C{middle:g} {top:.2f} {middle:g} {end:.2f} {x2:g} {end:.2f}"
        f"V{end + thick:.2f}C{middle:g} {end + thick:.2f} {middle:g} {top + thick:.2f} {x1:g} {top + thick:.2f}Z"
    )


@value
class Spread:
    """How long the turns of one side took."""

    name: str
    count: int
    path: str
    median: float
    p95: float
    median_x: float
    p95_x: float


@value
class Latencies:
    """Both sides over one axis, a logarithm of milliseconds."""

    sides: tuple[Spread, ...]
    ticks: tuple[tuple[float, str], ...]


def latencies(before: Sequence[float], after: Sequence[float]) -> Latencies | None:
    """The drawing of both distributions; None where neither side was measured."""
    known = [ms for side in (before, after) for ms in side if ms > 0]
    if not known:
        return None
    low, high = math.log10(min(known)), math.log10(max(known))
    if high - low < 0.3:
        low, high = low - 0.2, high + 0.2
    sides = []
    for name, side in (("Baseline", before), ("Candidate", after)):
        if side:
            sides.append(_spread(name, sorted(side), low, high))
    return Latencies(tuple(sides), tuple(_ticks(low, high)))


def _x(ms: float, low: float, high: float) -> float:
    share = (math.log10(max(ms, 10**low)) - low) / (high - low)
    return round(CHART_WIDTH * min(max(share, 0.0), 1.0), 2)


def _spread(name: str, ordered: Sequence[float], low: float, high: float) -> Spread:
    bins = Counter(min(int(_x(ms, low, high) / CHART_WIDTH * BINS), BINS - 1) for ms in ordered)
    most = max(bins.values())
    width = CHART_WIDTH / BINS
    points = [f"M0 {ROW_HEIGHT:g}"]
    for place in range(BINS):
        y = ROW_HEIGHT - (ROW_HEIGHT - 6) * bins[place] / most
        points.append(f"L{place * width:.2f} {y:.2f}H{(place + 1) * width:.2f}")
    points.append(f"V{ROW_HEIGHT:g}Z")
    median, p95 = _quantile(ordered, 0.5), _quantile(ordered, 0.95)
    return Spread(name, len(ordered), "".join(points), median, p95, _x(median, low, high), _x(p95, low, high))


def _quantile(ordered: Sequence[float], share: float) -> float:
    """By linear interpolation between the two nearest."""
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def _ticks(low: float, high: float) -> Iterator[tuple[float, str]]:
    many = high - low > 2.2
    for power in range(math.floor(low), math.ceil(high) + 1):
        for step in (1,) if many else (1, 2, 5):
            ms = step * 10.0**power
            if low <= math.log10(ms) <= high:
                yield _x(ms, low, high), _milliseconds(ms)


def _milliseconds(ms: float) -> str:
    return f"{ms / 1000:g} s" if ms >= 1000 else f"{ms:g} ms"


def drawing(found: Any, *, times: bool) -> dict[str, Any]:
    """Both charts, as the template takes them; that of latencies only where `times` are comparable."""
    return {"flow": flow(found.flow), "latencies": latencies(*found.latencies) if times else None}
