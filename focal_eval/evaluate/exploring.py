"""Conversations for what no script exercises, found without a model, played for real and written as proposals."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from focal_eval.agent import Playable, open_agent
from focal_eval.clock import fixed_clock
from focal_eval.coverage.matrix import Matrix
from focal_eval.coverage.model import KINDS, Item, items_of
from focal_eval.coverage.trace import trace_case
from focal_eval.document import Reader, read_file, read_text
from focal_eval.engines.embedded import EmbeddedEngine
from focal_eval.errors import UsageError
from focal_eval.evaluate.golden import with_golden
from focal_eval.evaluate.laboratory import open_lab
from focal_eval.evaluate.recording import drafted
from focal_eval.evaluate.request import RunRequest
from focal_eval.evaluate.unreviewed import TAG, unreviewed_text, write_all
from focal_eval.experiment.explore import Bounds, Explored, Proposal, explore
from focal_eval.experiment.explore_play import Player, stubs_of
from focal_eval.experiment.explore_proofs import proven
from focal_eval.experiment.lab import Lab, Replay, Version
from focal_eval.importers.write import said
from focal_eval.runner.opening import Terms
from focal_eval.runner.plan import Case
from focal_eval.script.load import is_there, nearest_file, shown
from focal_eval.script.model import Script
from focal_eval.script.read import read_script
from focal_eval.script.suite import looks_like_suite
from focal_eval.text import counted
from focal_eval.value import value

Told = Callable[[int], None]
DEFAULT_KINDS = tuple(kind for kind in KINDS if kind != "template")
_NOTE = "Found by focal-eval explore, with no model. What is marked was observed, not asked for: review it, then drop the tag."


@value
class ExploreRequest:
    """An agent file, and whose scripts count as covering it already."""

    agent: Path
    suite: Path | None = None  # its scripts count, and its terms hold: channel, scorer, policy for golden texts
    against: tuple[Path, ...] = ()  # further suites whose scripts count
    out: Path | None = None  # None: nothing is written
    kinds: tuple[str, ...] = DEFAULT_KINDS
    seed: int = 0
    bounds: Bounds = Bounds()
    allow_python: bool = True
    cache: Path | None = None


@value
class Row:
    """What became of one item."""

    item: Item
    state: str  # covered | reached | unreachable | open
    script: str | None = None
    why: str | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "kind": self.item.kind,
            "name": self.item.name,
            "line": self.item.line,
            "state": self.state,
            "script": self.script,
            "why": self.why,
        }


@value
class Written:
    """One proposal as a script."""

    name: str
    text: str
    targets: tuple[str, ...]  # "rule greet"
    turns: int


@value
class ExploreResult:
    """What was found."""

    agent: str
    rows: tuple[Row, ...]
    scripts: tuple[Written, ...]
    explored: Explored
    request: ExploreRequest
    suites: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain JSON; its keys are described in docs/reference/explore.md."""
        out = self.request.out
        return {
            "agent": self.agent,
            "suites": list(self.suites),
            "seed": self.request.seed,
            "bounds": {name: getattr(self.request.bounds, name) for name in ("turns", "plays", "states")},
            "plays": self.explored.plays,
            "states": self.explored.states,
            "bound": self.explored.bound,
            "items": [row.as_json() for row in self.rows],
            "scripts": [
                {
                    "name": one.name,
                    "file": None if out is None else str(out / f"{one.name}.yaml"),
                    "turns": one.turns,
                    "targets": list(one.targets),
                    "text": one.text,
                }
                for one in self.scripts
            ],
        }


def find(request: ExploreRequest, told: Told = lambda _: None) -> ExploreResult:
    """Explores, plays what was found, writes it. Raises Refused for files with errors, UsageError, StorageError."""
    if not is_there(request.agent):
        near = nearest_file(request.agent)
        raise UsageError(f"there is no agent {request.agent}" + (f"; {near}" if near else ""))
    _refuse_mistaken(request)
    agent = open_agent(request.agent, shown(request.agent))
    suites = tuple(path for path in (request.suite, *request.against) if path is not None)
    return _Exploring(request, agent, suites, told).result()


def _refuse_mistaken(request: ExploreRequest) -> None:
    """A suite in the agent's place, or the other way round, is told in one sentence."""
    if request.agent.is_dir():
        raise UsageError(f"{request.agent} is a folder; name an agent file")
    if looks_like_suite(read_file(request.agent, shown(request.agent)).root):
        raise UsageError(f"{request.agent} is a suite; name its agent file, and the suite with --suite")
    for path in (request.suite, *request.against):
        if path is not None and is_there(path) and not looks_like_suite(read_file(path, shown(path)).root):
            raise UsageError(f"{path} is no suite; a suite names scripts and an engine")


class _Exploring:
    """One exploration, from the suites' coverage to the files."""

    def __init__(self, request: ExploreRequest, agent: Playable, suites: Sequence[Path], told: Told) -> None:
        self.request, self.agent, self.suites, self.told = request, agent, suites, told
        self.items = items_of(agent.file)
        self.matrix = Matrix(self.items)
        clock = fixed_clock()
        self.terms = Terms(EmbeddedEngine(agent, {}, None, None, clock), clock)
        self.golden: float | None = 1.0
        self.covered = frozenset[int]()
        for path in suites:
            self._cover(path)
        engine = self.terms.engine
        assert isinstance(engine, EmbeddedEngine)
        played = EmbeddedEngine(agent, {}, None, engine.scorer, clock)
        self.version = Version(Lab((), replace(self.terms, engine=played)), replace(self.terms, engine=played))
        self.scorer = engine.scorer

    def _cover(self, path: Path) -> None:
        """Plays a suite's scripts on the agent and counts what they exercise."""
        asked = RunRequest((path,), agent=self.request.agent, allow_python=self.request.allow_python, cache=self.request.cache)
        opened = open_lab(asked)
        if path == self.request.suite:
            self.terms, self.golden = opened.lab.terms, opened.prepared.fields.golden
        for position in range(len(opened.lab.cases)):
            self.covered |= self._hits(opened.lab.base(position))

    def _hits(self, replay: Replay) -> frozenset[int]:
        return self.matrix.hit_by(trace_case("", "", replay.turns))

    def result(self) -> ExploreResult:
        proofs = proven(self.agent.file)
        chosen = [place for place, item in enumerate(self.items) if item.kind in self.request.kinds]
        wanted = [place for place in chosen if place not in self.covered and self.items[place].key not in proofs]
        player, explored = explore(
            self.agent,
            wanted,
            self.request.bounds,
            seed=self.request.seed,
            channel=self.terms.channel,
            scorer=self.scorer,
            told=self.told,
        )
        names = _Names()
        scripts: list[Written] = []
        reached: dict[int, str] = {}
        for proposal in explored.proposals:
            written = self._written(player, proposal, names)
            if written is not None:
                scripts.append(written[0])
                for place in sorted(written[1]):
                    reached.setdefault(place, written[0].name)
        rows = tuple(self._row(place, proofs.get(self.items[place].key), reached, explored) for place in chosen)
        out = self.request.out
        if out is not None:
            write_all({out / f"{one.name}.yaml": one.text for one in scripts})
        files = tuple(shown(path) for path in self.suites)
        return ExploreResult(shown(self.request.agent), rows, tuple(scripts), explored, self.request, files)

    def _row(self, place: int, proof: str | None, reached: Mapping[int, str], explored: Explored) -> Row:
        item = self.items[place]
        if place in self.covered:
            return Row(item, "covered")
        if place in reached:
            return Row(item, "reached", reached[place])
        if proof is not None:
            return Row(item, "unreachable", why=proof)
        return Row(item, "open", why=", ".join(_why_open(item, explored, self.request.bounds)))

    def _written(self, player: Player, proposal: Proposal, names: _Names) -> tuple[Written, frozenset[int]] | None:
        """The script of a proposal and what it exercises, played as any script is; None where it does not play as found."""
        targets = [self.items[place] for place in proposal.targets]
        name = names.of(targets[0])
        turns = player.replay(proposal.path)
        bare: list[dict[str, Any]] = [{"user": said(one.text)} for one in proposal.path.turns]
        head = self._head(name, targets, proposal, stubs_of(turns))
        first = self._played(name, unreviewed_text(head, bare, _NOTE))
        if first is None or any(turn.reply is None for turn in first.turns):
            return None
        replies = [(turn.user, turn.reply) for turn in first.turns if turn.reply is not None]
        text = unreviewed_text(head, drafted(replies), _NOTE)
        replay = self._played(name, text)
        if replay is None or not replay.good:
            return None
        hits = self._hits(replay)
        if not set(proposal.targets) <= hits:
            return None
        told = tuple(f"{item.kind} {item.name}" for item in targets)
        return Written(name, text, told, len(proposal.path.turns)), hits

    def _head(self, name: str, targets: Sequence[Item], proposal: Proposal, stubs: Mapping[str, Any]) -> dict[str, Any]:
        start = proposal.path.start
        title = f"{targets[0].kind} {targets[0].name}" + (f" and {len(targets) - 1} more" if len(targets) > 1 else "")
        head: dict[str, Any] = {"title": said(f"Explored: {title}"), "tags": ["explored", TAG]}
        if start.channel is not None:
            head["channel"] = start.channel
        if start.metadata:
            head["metadata"] = _plain(dict(start.metadata))
        if start.variables:
            head["given"] = {"variables": _plain(dict(start.variables))}
        origin = {"agent": self.agent.name, "seed": self.request.seed, "targets": [f"{one.kind} {one.name}" for one in targets]}
        head["origin"] = {"explored": _plain(origin)}
        if stubs:
            head["tools"] = {tool: _answers(calls) for tool, calls in sorted(stubs.items())}
        return head

    def _played(self, name: str, text: str) -> Replay | None:
        script = _script(name, text)
        if script is None:
            return None
        return self.version.play_case(Case(name, name, with_golden(script, self.golden), {}, 0, 1))


def _script(name: str, text: str) -> Script | None:
    document = read_text(text, f"{name}.yaml")
    script = read_script(document, name, Reader(document))
    return None if document.problems.errors else script


def _answers(calls: Sequence[Any]) -> list[dict[str, Any]]:
    """The stub of a tool: one answer where all calls get the same, else one a call."""
    steps = [{"returns": _plain(call.result)} if call.error is None else {"fails": said(str(call.error))} for call in calls]
    return steps[:1] if all(step == steps[0] for step in steps) else [{"sequence": steps}]


def _plain(data: Any) -> Any:
    """Data of an agent as a script says it: its texts do not know their places in the agent file any more."""
    if isinstance(data, str):
        return said(str(data))
    if isinstance(data, Mapping):
        return {str(name): _plain(item) for name, item in data.items()}
    return [_plain(item) for item in data] if isinstance(data, (list, tuple)) else data


def _why_open(item: Item, explored: Explored, bounds: Bounds) -> Iterator[str]:
    """What is known of an item that was not reached, from near to far."""
    drops = explored.drops.get(item.name) if item.kind == "rule" else None
    if drops:
        (why, by), count = min(drops.items(), key=lambda pair: (-pair[1], str(pair[0])))
        yield f"it held {counted(count, 'time')} and was dropped, most often by {why}" + (f" ({by})" if by else "")
    if item.kind == "transition":
        step = item.name.partition(" → ")[0]
        yield "its step was reached, its condition did not hold" if step in explored.at else "no conversation came to its step"
    ended = f"the walk ended after {explored.bound}" if explored.bound else None
    yield ended or f"nothing is left to say within {counted(bounds.turns, 'turn')} of a conversation"


class _Names:
    """Gives each script a name of its own, after what it was found for."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def of(self, item: Item) -> str:
        words = re.sub(r"[^\w.]+", "-", f"{item.kind} {item.name.replace('→', 'to')}".lower(), flags=re.ASCII).strip("-.")
        base = words[:80].rstrip("-") or "explored"
        name, number = base, 1
        while name in self._taken:
            number += 1
            name = f"{base}-{number}"
        self._taken.add(name)
        return name
