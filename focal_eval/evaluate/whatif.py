"""`whatif`: recordings of any format, two agents, as many processes as are wanted; always the same result."""

from __future__ import annotations

import signal
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path

from focal_eval.agent import Playable, open_agent
from focal_eval.compare import agent_edits
from focal_eval.compare.agent_file import agent_in
from focal_eval.compare.model import Edit
from focal_eval.document import read_file
from focal_eval.engines.focal_names import read_aliases
from focal_eval.errors import ExitCode, Problems, Refused, StorageError, UsageError
from focal_eval.evaluate.whatif_names import in_words_of
from focal_eval.experiment.whatif import Bare, WhatIf
from focal_eval.experiment.whatif_tally import Tally
from focal_eval.importers.conversations import conversations, format_named, transcripts
from focal_eval.importers.conversations_file import PassedOver
from focal_eval.importers.redaction import Pseudonyms
from focal_eval.records.conversation import Conversation
from focal_eval.script.load import is_there, nearest_file, shown
from focal_eval.source import whole_file

PART = 1_000  # turns that one process takes at a time; parts do not depend on the number of processes
ALONE = 3  # parts after which further processes are worth their start
Numbered = tuple[int, Conversation]


@dataclass(frozen=True, slots=True)
class Limit:
    """How many turns may change before the gate fails: a number, or a share of those compared."""

    number: float
    percent: bool = False

    def holds(self, changed: int, compared: int) -> bool:
        """Whether so many changes of so many turns are within the limit."""
        return changed <= (self.number * compared / 100 if self.percent else self.number)

    def __str__(self) -> str:
        return f"{self.number:g}{'%' if self.percent else ''}"


@dataclass(frozen=True, slots=True)
class WhatIfRequest:
    """Which recordings, and which two agents; without `agent` the candidate is compared with what the record tells."""

    paths: tuple[Path, ...]
    candidate: Path
    agent: Path | None = None
    format: str | None = None
    aliases: Path | None = None  # a file that says what agents call what the recordings name otherwise
    free: bool = False
    keep_personal: bool = False
    workers: int = 1
    max_changed: Limit | None = None


@dataclass(frozen=True, slots=True)
class WhatIfResult:
    """What the recordings came to."""

    request: WhatIfRequest
    tally: Tally
    edits: tuple[Edit, ...] | None  # None where the candidate is compared with the record
    passed_over: PassedOver
    agents: Mapping[str, Playable]  # "candidate", and "agent" where there is one
    files: tuple[str, ...] = field(default=())

    @property
    def held(self) -> bool | None:
        """Whether the gate passed; None where there is none."""
        limit = self.request.max_changed
        return None if limit is None else limit.holds(self.tally.changed, self.tally.compared)

    @property
    def exit_code(self) -> ExitCode:
        return ExitCode.FAILED if self.held is False else ExitCode.OK

    @property
    def redacted(self) -> Counter[str]:
        """Values replaced in the examples, by kind."""
        out: Counter[str] = Counter()
        for cluster in self.tally.clusters.values():
            for example in cluster.examples:
                out.update(example.redacted)
        return out


def whatif(request: WhatIfRequest, progress: Callable[[Tally], None] = lambda _: None) -> WhatIfResult:
    """Goes through the recordings. `progress` is told the tally as far as it is known.

    Raises Refused or UsageError where an agent or a recording that was named cannot be read, or nothing can be compared.
    """
    forced = None if request.format is None else format_named(request.format)
    agents = _agents(request)
    files = transcripts(request.paths)
    passed_over = PassedOver()
    told = conversations(files, passed_over, format=forced)
    if request.aliases is not None:
        told = in_words_of(read_aliases(request.aliases, shown(request.aliases)), told)
    stream = enumerate(told)
    edits = _edits(request)
    tally = _tally(request, agents, edits, stream, progress)
    _refuse_nothing(request, tally, passed_over)
    names = tuple(str(file.path) for file in files)
    return WhatIfResult(request, tally, edits, passed_over, agents, names)


def _agents(request: WhatIfRequest) -> dict[str, Playable]:
    """The agents; every problem of both files is reported at once."""
    problems = Problems()
    found: dict[str, Playable] = {}
    for name, path in (("agent", request.agent), ("candidate", request.candidate)):
        if path is None:
            continue
        if not is_there(path):
            problems.error("missing-agent", "there is no such agent file", whole_file(str(path)), help=nearest_file(path))
            continue
        try:
            found[name] = open_agent(path, shown(path))
        except Refused as refused:
            problems.extend(refused.diagnostics)
    if problems.errors:
        raise Refused("no recording was read", problems)
    return found


def _edits(request: WhatIfRequest) -> tuple[Edit, ...] | None:
    if request.agent is None:
        return None
    here, there = (agent_in(read_file(path, shown(path))) for path in (request.agent, request.candidate))
    assert here is not None
    assert there is not None
    return agent_edits(here.data, there.data, before_lines=here.lines, after_lines=there.lines)


def _experiment(request: WhatIfRequest, agents: Mapping[str, Playable], edits: tuple[Edit, ...] | None) -> WhatIf:
    veil = Bare if request.keep_personal else Pseudonyms
    return WhatIf(agents["candidate"], agents.get("agent"), request.free, veil, edits or ())


def _parts(stream: Iterable[Numbered]) -> Iterator[list[Numbered]]:
    """The stream in parts of whole conversations, each of about as many turns."""
    part: list[Numbered] = []
    turns = 0
    for number, conversation in stream:
        part.append((number, conversation))
        turns += len(conversation.turns)
        if turns >= PART:
            yield part
            part, turns = [], 0
    if part:
        yield part


def _tally(
    request: WhatIfRequest,
    agents: Mapping[str, Playable],
    edits: tuple[Edit, ...] | None,
    stream: Iterable[Numbered],
    progress: Callable[[Tally], None],
) -> Tally:
    """The tallies of the parts, added in the order of the stream, whoever counted them."""
    experiment = _experiment(request, agents, edits)
    total, parts = Tally(), _parts(stream)
    begin = parts if request.workers == 1 else islice(parts, ALONE)
    for part in begin:
        total.merge(experiment.tally(part))
        progress(total)
    ahead = None if request.workers == 1 else next(parts, None)
    if ahead is not None:
        for tally in _side_by_side(request, agents, ahead, parts):
            total.merge(tally)
            progress(total)
    return total


def _side_by_side(
    request: WhatIfRequest, agents: Mapping[str, Playable], ahead: list[Numbered], parts: Iterator[list[Numbered]]
) -> Iterator[Tally]:
    """The tallies of the parts in their order, counted by several processes; few parts are held at a time."""
    digests = {name: agent.digest for name, agent in agents.items()}
    pool = ProcessPoolExecutor(request.workers, initializer=_begin_work, initargs=(request, digests))
    waiting: deque[Future[Tally]] = deque([pool.submit(_work, ahead)])
    try:
        for part in parts:
            waiting.append(pool.submit(_work, part))
            if len(waiting) > 2 * request.workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool:
        raise StorageError("a process that read recordings was ended from outside; try again with --workers 1") from None
    finally:
        pool.shutdown(cancel_futures=True)


_WORKING: list[Callable[[Sequence[Numbered]], Tally]] = []


def _begin_work(request: WhatIfRequest, digests: Mapping[str, str]) -> None:
    """Makes a process ready: it reads the agents for itself, and leaves Ctrl-C to the process that asked."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    agents = _agents(request)
    _WORKING.append(partial(_checked, _experiment(request, agents, _edits(request)), agents, digests))


def _checked(experiment: WhatIf, agents: Mapping[str, Playable], digests: Mapping[str, str], part: Sequence[Numbered]) -> Tally:
    if {name: agent.digest for name, agent in agents.items()} != digests:
        raise UsageError("an agent file was edited while its recordings were read; try again")
    return experiment.tally(part)


def _work(part: list[Numbered]) -> Tally:
    return _WORKING[0](part)


def _refuse_nothing(request: WhatIfRequest, tally: Tally, passed_over: PassedOver) -> None:
    if not tally.conversations:
        problems = Problems()
        why = "; ".join(passed_over.examples[:3])
        problems.error("import-nothing", "no conversation was found", whole_file(str(request.paths[0])), help=why or None)
        raise Refused("nothing was compared", problems)
    if not tally.compared:
        raise UsageError("the recordings tell neither rules nor scenarios; name the agent that held them with --agent FILE")
