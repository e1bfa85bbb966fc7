"""Exploration without a model: conversations for what no script exercises yet, found by walking the agent's own states.

The walk is best-first over states that conditions tell apart, short conversations before long ones. From each state it says
what the place listens for, and elsewhere only what may reach something that is still open. Answers of tools are varied where a
turn asks for them. All bounds are counts, so that the same agent, seed and bounds give the same conversations.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from focal_eval.agent import Playable, Scorer
from focal_eval.agent.builtin import ToolOutcome
from focal_eval.coverage.model import Key
from focal_eval.experiment.ddmin import Probes, Shown, smallest
from focal_eval.experiment.explore_moves import ANYWHERE, Move, Moves, read_by, starts
from focal_eval.experiment.explore_play import Cell, Node, Path, Player, Said, Start, Turn, hits_of
from focal_eval.experiment.explore_values import Values
from focal_eval.experiment.explore_words import Words
from focal_eval.value import value

Told = Callable[[int], None]
RANKS = (2, 24)
"""Texts of a kind that are said by the end of each round: the best two everywhere first, then all others."""

CROWD = 2
"""States at one step, with the same rare condition, that count as one turn more: what was seen often can wait."""


AHEAD = 3
"""Turns by which a conversation in a scenario with something open comes before others."""

VARIED = 3
"""States from which the answers of a tool are varied, for each place and each way its turn moves the conversation."""

MOST_CHOSEN = 2
"""Tools whose answers are chosen in one turn."""

_OF_FLOWS = frozenset({"scenario", "start", "exit", "relocalise", "step", "transition"})


@value
class Bounds:
    """How far the walk goes; counts, never time."""

    turns: int = 8  # of one conversation
    plays: int = 30_000  # turns played in all
    states: int = 4_000  # told apart

    def spent(self, plays: int, states: int) -> str | None:
        """The bound that is reached, in words."""
        if plays >= self.plays:
            return f"{self.plays:,} turns were played"
        return f"{self.states:,} states were seen" if states >= self.states else None


@value
class Proposal:
    """One conversation, and the items it was kept for, by their positions."""

    path: Path
    targets: tuple[int, ...]
    hits: frozenset[int]  # all it exercises


@dataclass(slots=True)
class Explored:
    """What the walk found."""

    proposals: tuple[Proposal, ...] = ()
    open: frozenset[int] = frozenset()  # wanted and not reached
    plays: int = 0
    states: int = 0
    bound: str | None = None  # the bound that ended the walk; None where every state within the turns was walked
    drops: Mapping[str, Counter[tuple[str, str | None]]] = field(default_factory=dict)  # why rules that held were dropped
    at: frozenset[str] = frozenset()  # steps where a conversation stood, "scenario/step"


@value
class _Wanted:
    """What is still open."""

    count: int
    keys: frozenset[Key] = frozenset()
    names: frozenset[str] = frozenset()  # variables that its conditions read
    flows: frozenset[str] = frozenset()  # scenarios with a step or an edge among it
    steps: frozenset[str] = frozenset()  # "scenario/step" with an edge among it


class Walk:
    """One walk through an agent."""

    def __init__(self, player: Player, moves: Moves, wanted: Iterable[int], bounds: Bounds, told: Told) -> None:
        self.player, self.moves, self.bounds, self.told = player, moves, bounds, told
        self.open = set(wanted)
        self.found: dict[int, Path] = {}
        self.drops: dict[str, Counter[tuple[str, str | None]]] = {}
        self.nodes: list[Node] = []
        self._seen: set[Cell] = set()
        self._heap: list[tuple[int, int]] = []
        self._crowd: Counter[tuple[object, int | None]] = Counter()
        self._varied: Counter[tuple[object, ...]] = Counter()
        self._outcomes: dict[str, tuple[ToolOutcome, ...]] = {}
        self._reads, self._counts = read_by(player.agent)
        self._now = _Wanted(-1)
        self._ranks: list[int] = []  # for each node, texts of each kind that were said there

    def go(self, beginnings: Iterable[Node]) -> None:
        """Walks until nothing is open, nothing is left to say, or a bound is reached."""
        for node in beginnings:
            self._keep(node)
        for most in RANKS:
            while self._heap and self.open and not self.bound:
                _, number = heapq.heappop(self._heap)
                self.told(self.player.count)
                self._expand(self.nodes[number], self._ranks[number], most)
                self._ranks[number] = most
            if not self.open or self.bound:
                return
            for number, node in enumerate(self.nodes):
                heapq.heappush(self._heap, (len(node.path.turns), number))

    @property
    def bound(self) -> str | None:
        """The bound that is reached, in words."""
        return self.bounds.spent(self.player.count, len(self._seen))

    def _keep(self, node: Node) -> None:
        cell = self.player.cell(node.state)
        if cell in self._seen or len(node.path.turns) >= self.bounds.turns:
            return
        self._seen.add(cell)
        self.nodes.append(node)
        self._ranks.append(0)
        wanted = self._wanted()
        ahead = AHEAD * (node.state.scenario in wanted.flows) + AHEAD * (
            f"{node.state.scenario}/{node.state.step}" in wanted.steps
        )
        heapq.heappush(self._heap, (len(node.path.turns) + self._common(node) // CROWD - ahead, len(self.nodes) - 1))

    def _common(self, node: Node) -> int:
        """How many states like this one were seen: at its place, with the rarest of what holds in it."""
        place = node.state.scenario, node.state.step
        seen = [(place, None), *((place, mark) for mark in self.player.marks(node.state))]
        self._crowd.update(seen)
        return min(self._crowd[one] for one in seen)

    def _expand(self, node: Node, low: int, high: int) -> None:
        for move in self.moves.at(node.state.scenario, node.state.step):
            if low <= move.rank < high and self._worth(move, node):
                self._say(node, move.text)
            if not self.open or self.bound:
                return

    def _worth(self, move: Move, node: Node) -> bool:
        """Whether a text may lead to something that is open: where it belongs, always; elsewhere for what it serves."""
        if move.where != ANYWHERE:
            return True
        if not move.serves and not move.sets:
            return True
        if node.state.scenario is None and move.rank == 0 and any(kind == "start" for kind, _ in move.serves):
            return True
        wanted = self._wanted()
        return not move.serves.isdisjoint(wanted.keys) or not move.sets.isdisjoint(wanted.names)

    def _wanted(self) -> _Wanted:
        """What is open, with the variables that its conditions read, and those that what sets them reads."""
        if self._now.count != len(self.open):
            items = [self.player.items[place] for place in self.open]
            keys: set[Key] = {item.key for item in items}
            counted = {("rule", name) for key in keys for name in self._counts.get(key, ())}
            names = frozenset[str]()
            while True:
                more = frozenset(name for key in keys for name in self._reads.get(key, ()))
                if more <= names:
                    break
                names |= more
                keys |= {
                    ("rule", str(rule.id))
                    for rule in self.player.agent.file.rules
                    if any(str(name) in names for name, _ in rule.sets)
                }
            flows = {item.name.partition("/")[0] for item in items if item.kind in _OF_FLOWS}
            steps = {item.name.partition(" → ")[0] for item in items if item.kind == "transition"}
            open_keys = frozenset(item.key for item in items) | counted
            self._now = _Wanted(len(self.open), open_keys, names, frozenset(flows), frozenset(steps))
        return self._now

    def _say(self, node: Node, text: str) -> None:
        """Says one text, then again with other answers of each tool that was asked."""
        self._vary(node, self._try(node, Said(text)), frozenset())

    def _vary(self, node: Node, turn: Turn, known: frozenset[str]) -> None:
        """Other answers of each tool that the turn asked and that no turn before it did, and what those lead to."""
        said = turn.node.path.turns[-1]
        names = [name for name in dict.fromkeys(name for name, _ in turn.asked) if name not in known]
        for name in names if len(said.answers) < MOST_CHOSEN else ():
            place = node.state.scenario, node.state.step
            key = place, name, tuple((move.kind, move.scenario, move.target) for move in turn.played.moves)
            self._varied[key] += 1
            if self._varied[key] > VARIED:
                continue
            for outcome in self._outcomes_of(name):
                if not self.open or self.bound:
                    return
                other = self._try(node, Said(said.text, (*said.answers, (name, outcome))))
                self._vary(node, other, known | {*names, name})

    def _outcomes_of(self, tool: str) -> tuple[ToolOutcome, ...]:
        if tool not in self._outcomes:
            self._outcomes[tool] = self.player.values.outcomes(self.player.agent.tools[tool])
        return self._outcomes[tool]

    def _try(self, node: Node, said: Said) -> Turn:
        turn = self.player.turn(node, said)
        for place in sorted(turn.hits & self.open):
            self.found[place] = turn.node.path
        self.open -= turn.hits
        for one in turn.played.dropped:
            if one.why != "near-miss":
                self.drops.setdefault(one.name, Counter())[one.why, one.by] += 1
        self._keep(turn.node)
        return turn


def explore(
    agent: Playable,
    wanted: Collection[int],
    bounds: Bounds,
    *,
    seed: int = 0,
    channel: str = "api",
    scorer: Scorer | None = None,
    told: Told = lambda _: None,
) -> tuple[Player, Explored]:
    """Conversations that exercise the wanted items (positions in `items_of`), each as short as it gets."""
    values = Values(agent.file)
    player = Player(agent, values, channel, scorer)
    walk = Walk(player, Moves(agent, Words(agent, values, seed)), wanted, bounds, told)
    walk.go(player.begin(start) for start in starts(agent, values))
    plays = player.count
    proposals = _chosen(player, walk.found)
    steps = frozenset(f"{node.state.scenario}/{node.state.step}" for node in walk.nodes if node.state.scenario is not None)
    return player, Explored(proposals, frozenset(walk.open), plays, len(walk.nodes), walk.bound, walk.drops, steps)


def _chosen(player: Player, found: Mapping[int, Path]) -> tuple[Proposal, ...]:
    """Few conversations that together exercise all that was found: most for its turns first, then each cut down."""
    paths = list({repr(found[place]): found[place] for place in sorted(found)}.values())
    hits = [hits_of(player.replay(path)) for path in paths]
    left = set(found)
    kept: list[Proposal] = []
    while left:
        best = max(range(len(paths)), key=lambda at: (len(hits[at] & left) / len(paths[at].turns), -at))
        targets = hits[best] & left
        if not targets:  # what replays otherwise than it was found: no conversation for it
            break
        kept.append(_cut(player, paths[best], frozenset(targets)))
        left -= kept[-1].hits
    return tuple(_without_idle(kept, frozenset(found)))


def _cut(player: Player, path: Path, targets: frozenset[int]) -> Proposal:
    """The conversation without turns, chosen answers and beginnings that its targets do not take."""

    def reaches(shorter: Path) -> bool:
        return targets <= hits_of(player.replay(shorter))

    def shows(part: tuple[int, ...]) -> Shown:
        return Shown.YES if part and reaches(Path(path.start, tuple(path.turns[at] for at in part))) else Shown.NO

    path = Path(path.start, tuple(path.turns[at] for at in smallest(range(len(path.turns)), Probes(shows))))
    if path.start != Start() and reaches(Path(Start(), path.turns)):
        path = Path(Start(), path.turns)
    for at, said in enumerate(path.turns):
        plain = Path(path.start, (*path.turns[:at], Said(said.text), *path.turns[at + 1 :]))
        if said.answers and reaches(plain):
            path = plain
    return Proposal(path, tuple(sorted(targets)), hits_of(player.replay(path)))


def _without_idle(kept: list[Proposal], wanted: frozenset[int]) -> list[Proposal]:
    """Without conversations whose targets the others exercise, too; the longest are asked first."""
    out = list(kept)
    for one in sorted(kept, key=lambda proposal: -len(proposal.path.turns)):
        others = [other for other in out if other is not one]
        if one.hits & wanted <= hits_of_all(others):
            out = others
    return [_own(one, out, at) for at, one in enumerate(out)]


def _own(one: Proposal, all_of_them: list[Proposal], at: int) -> Proposal:
    """The conversation with the targets that no earlier one has."""
    earlier = hits_of_all(all_of_them[:at])
    return Proposal(one.path, tuple(place for place in one.targets if place not in earlier) or one.targets, one.hits)


def hits_of_all(proposals: Iterable[Proposal]) -> frozenset[int]:
    """All that several conversations exercise."""
    return frozenset[int]().union(*(one.hits for one in proposals))
