"""Scenarios as graphs: steps in columns by their distance from the entry, edges with how many conversations took them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence

from focal_eval.report.comparison_data import Edge, Visits
from focal_eval.report.model import natural
from focal_eval.value import value

NODE_WIDTH, NODE_HEIGHT, COLUMN, ROW, MARGIN = 128.0, 44.0, 208.0, 86.0, 30.0
DOT = 14.0
ENTRY, EXIT = "", "\x00out"  # what stands for the way in and the way out; only the way in has a place
MOST_NAME = 17  # characters of a step's name that fit into its box


@value
class Node:
    """A step, with the conversations that stood at it."""

    name: str
    short: str
    x: float
    y: float
    before: int
    after: int
    kind: str  # step | entry

    @property
    def state(self) -> str:
        """Whether it is reached as often as before."""
        return state_of(self.before, self.after)


@value
class Way:
    """An edge, with the conversations that took it."""

    source: str
    target: str
    path: str
    label_x: float
    label_y: float
    before: int
    after: int

    @property
    def state(self) -> str:
        """Whether it is taken as often as before."""
        return state_of(self.before, self.after)

    @property
    def figure(self) -> str:
        """`12`, or `12 → 9` where it differs; `out 3` of a way out."""
        figure = figure_of(self.before, self.after)
        return f"out {figure}" if self.target == EXIT else figure

    @property
    def words(self) -> str:
        """The edge in one sentence."""
        source, target = self.source or "way in", "way out" if self.target == EXIT else self.target
        return f"{source} to {target}: {self.before:,} before, {self.after:,} after"


@value
class Graph:
    """One scenario."""

    name: str
    nodes: tuple[Node, ...]
    ways: tuple[Way, ...]
    width: float
    height: float

    @property
    def differs(self) -> int:
        """Edges that are taken more or less often than before."""
        return sum(way.before != way.after for way in self.ways)


def state_of(before: int, after: int) -> str:
    """same, new, gone, more or fewer."""
    if before == after:
        return "same"
    if not before:
        return "new"
    return "gone" if not after else "more" if after > before else "fewer"


def figure_of(before: int, after: int) -> str:
    """`12`, or `12 → 9` where it differs."""
    return f"{before:,}" if before == after else f"{before:,} → {after:,}"


def graphs(before: Visits, after: Visits) -> list[Graph]:
    """Every scenario that either side went through; those with most differences first."""
    names = {edge[0] for side in (before, after) for edge in side.edges}
    names |= {step[0] for side in (before, after) for step in side.steps}
    out = [_graph(name, before, after) for name in names]
    return sorted(out, key=lambda graph: (-graph.differs, natural(graph.name)))


def _graph(name: str, before: Visits, after: Visits) -> Graph:
    edges = {_ends(edge) for side in (before, after) for edge in side.edges if edge[0] == name}
    steps = {step for side in (before, after) for scenario, step in side.steps if scenario == name}
    steps |= {end for edge in edges for end in edge if end != EXIT}
    inner = {edge for edge in edges if edge[1] != EXIT}
    ranks = _ranks(steps, inner)
    places = _places(ranks, inner)
    nodes = tuple(_node(name, step, places[step], before, after) for step in sorted(places, key=natural))
    ways = tuple(_way(name, edge, places, ranks, before, after) for edge in sorted(edges))
    bottom = max((y for _, y in places.values()), default=0.0)
    back = any(ranks[target] < ranks[source] for source, target in inner)
    width = max((x for x, _ in places.values()), default=0.0) + NODE_WIDTH / 2 + MARGIN
    return Graph(name, nodes, ways, width, bottom + NODE_HEIGHT / 2 + MARGIN + (16 if back else 0))


def _ends(edge: Edge) -> tuple[str, str]:
    return edge[1] or ENTRY, edge[2] or EXIT


def _ranks(steps: Iterable[str], edges: Iterable[tuple[str, str]]) -> dict[str, int]:
    """Columns: the distance from the entry; steps that nothing leads to stand at the left."""
    following: dict[str, list[str]] = {}
    for source, target in sorted(edges):
        following.setdefault(source, []).append(target)
    led_to = {target for targets in following.values() for target in targets}
    known = sorted(steps, key=natural)
    starts = [step for step in known if step == ENTRY] or [step for step in known if step not in led_to] or known[:1]
    ranks = dict.fromkeys(starts, 0)
    queue = deque(starts)
    while queue:
        step = queue.popleft()
        for target in following.get(step, ()):
            if target not in ranks:
                ranks[target] = ranks[step] + 1
                queue.append(target)
    for step in known:
        ranks.setdefault(step, 0 if step == ENTRY else 1)
    return ranks


def _places(ranks: Mapping[str, int], edges: Iterable[tuple[str, str]]) -> dict[str, tuple[float, float]]:
    """Where each step stands: in its column, near those that lead to it."""
    leading: dict[str, list[str]] = {}
    for source, target in edges:
        leading.setdefault(target, []).append(source)
    columns: dict[int, list[str]] = {}
    for step, rank in ranks.items():
        columns.setdefault(rank, []).append(step)
    tallest = max(map(len, columns.values()))
    rows: dict[str, float] = {}
    for rank in sorted(columns):
        wished = {step: _middle([rows[one] for one in leading.get(step, ()) if one in rows]) for step in columns[rank]}
        ordered = sorted(columns[rank], key=lambda step: (wished[step], natural(step)))
        first = (tallest - len(ordered)) / 2
        rows |= {step: first + place for place, step in enumerate(ordered)}
    saved = COLUMN / 2 if ENTRY in ranks else 0.0  # the dot of the way in needs less room than a step
    return {step: (_column(ranks[step], saved), MARGIN + NODE_HEIGHT / 2 + rows[step] * ROW) for step in ranks}


def _column(rank: int, saved: float) -> float:
    if not rank and saved:
        return MARGIN + DOT
    return MARGIN + NODE_WIDTH / 2 + rank * COLUMN - saved


def _middle(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _node(name: str, step: str, place: tuple[float, float], before: Visits, after: Visits) -> Node:
    kind = "entry" if step == ENTRY else "step"
    short = step if len(step) <= MOST_NAME else step[: MOST_NAME - 1] + "…"
    return Node(step, short, round(place[0], 1), round(place[1], 1), before.steps[name, step], after.steps[name, step], kind)


def _half(step: str) -> float:
    return DOT / 2 if step == ENTRY else NODE_WIDTH / 2


def _way(
    name: str,
    edge: tuple[str, str],
    places: Mapping[str, tuple[float, float]],
    ranks: Mapping[str, int],
    before: Visits,
    after: Visits,
) -> Way:
    source, target = edge
    counts = [side.edges[name, "" if source == ENTRY else source, "" if target == EXIT else target] for side in (before, after)]
    path, x, y = _curve(source, target, places, ranks)
    return Way(source, target, path, round(x, 1), round(y, 1), *counts)


def _curve(
    source: str, target: str, places: Mapping[str, tuple[float, float]], ranks: Mapping[str, int]
) -> tuple[str, float, float]:
    """The line of an edge and where its figure stands: forward, round the step itself, or back below."""
    x1, y1 = places[source]
    if target == EXIT:
        low = y1 + NODE_HEIGHT / 2
        return f"M{x1 + 40:.1f} {low:.1f}V{low + 17:.1f}", x1 + 62, low + 17
    x2, y2 = places[target]
    if source == target:
        top = y1 - NODE_HEIGHT / 2
        return (
            f"M{x1 - 22:.1f} {top:.1f}C{x1 - 26:.1f} {top - 24:.1f} {x1 + 26:.1f} {top - 24:.1f} {x1 + 22:.1f} {top - 2:.1f}",
            x1,
            top - 20,
        )
    if ranks[target] > ranks[source]:
        x1, x2 = x1 + _half(source), x2 - _half(target) - 3
        near = (x1 + x2) / 2
        far = ranks[target] - ranks[source] > 1
        bend = 26.0 if far and abs(y1 - y2) < 1 else 0.0
        path = f"M{x1:.1f} {y1:.1f}C{near:.1f} {y1 + bend * 1.6:.1f} {near:.1f} {y2 + bend * 1.6:.1f} {x2:.1f} {y2:.1f}"
        return path, near, (y1 + y2) / 2 + bend * 1.2 - (7 if abs(y1 - y2) < 1 else -4)
    if ranks[target] == ranks[source]:
        side = x1 + NODE_WIDTH / 2
        return (
            f"M{side:.1f} {y1:.1f}C{side + 30:.1f} {y1:.1f} {side + 30:.1f} {y2:.1f} {side + 3:.1f} {y2:.1f}",
            side + 24,
            (y1 + y2) / 2 + 4,
        )
    low1, low2 = y1 + NODE_HEIGHT / 2, y2 + NODE_HEIGHT / 2
    deep = max(low1, low2) + 34
    path = f"M{x1 - 10:.1f} {low1:.1f}C{x1 - 10:.1f} {deep:.1f} {x2 + 10:.1f} {deep:.1f} {x2 + 10:.1f} {low2 + 3:.1f}"
    return path, (x1 + x2) / 2, deep - 10


def step_rows(before: Visits, after: Visits, name: str) -> Iterator[tuple[str, int, int]]:
    """The steps of a scenario with their conversations on both sides, for readers of tables."""
    steps = {step for side in (before, after) for scenario, step in side.steps if scenario == name}
    for step in sorted(steps, key=natural):
        yield step, before.steps[name, step], after.steps[name, step]
