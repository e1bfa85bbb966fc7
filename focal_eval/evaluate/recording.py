"""A conversation with a live engine becomes a script and a cassette: what `focal-eval record` does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from focal_eval.clock import Clock
from focal_eval.engines import Session, SessionStart, Setting
from focal_eval.engines.base import Foreseen
from focal_eval.engines.recorded import Recorder
from focal_eval.errors import EngineError, EngineTimeout, Problems, Refused, StorageError, UsageError, told
from focal_eval.evaluate.cassettes import Used, cassette_of, recorder_of
from focal_eval.evaluate.request import RunRequest
from focal_eval.evaluate.target import agent_beside, entry_of, named_suite, unset
from focal_eval.importers.write import call, said, yaml_text
from focal_eval.records import UNKNOWN, Json, Reply, ScenarioState
from focal_eval.runner.limits import within
from focal_eval.script.collect import collect, script_id
from focal_eval.script.load import shown
from focal_eval.script.suite import Suite

_NOTE = "# Recorded from {who} by focal-eval record. The expectations are a draft: keep what matters, drop the rest.\n"


@dataclass(frozen=True, slots=True)
class RecordRequest:
    """Which engine is talked to, and where the script and its cassette are written."""

    out: Path
    suite: Path | None = None
    agent: Path | None = None  # an agent file for the embedded engine, instead of the suite's engine
    engine: str | None = None  # a name under the suite's `engines:`
    cassette: Path | None = None  # instead of the engine's own, or one beside the script
    title: str | None = None
    timeout_s: float | None = None
    allow_python: bool = True


@dataclass(frozen=True, slots=True)
class Written:
    """The files that a conversation became, and the words of a command line that replay it."""

    script: Path
    cassette: str
    turns: int
    replay: tuple[str, ...]
    problem: EngineError | None = None  # why the engine's messages could not be read back


@dataclass(slots=True)
class Take:
    """One conversation being recorded; `turns` are those that were answered. Made by `prepare`."""

    request: RecordRequest
    who: str  # the engine, in words
    recorder: Recorder
    used: Used
    start: SessionStart
    timeout_s: float
    turns: list[tuple[str | None, Reply]] = field(default_factory=list)
    _session: Session | None = None

    async def open(self) -> Reply | None:
        """Begins the conversation; what the engine says unasked, None where it says nothing. Raises EngineError."""
        self._session = await self._limited(self.recorder.open(self.start), "opening the conversation")
        return await self.say(None) if self.recorder.abilities.speaks_first else None

    async def say(self, message: str | None) -> Reply:
        """The engine's answer. Raises EngineError; the conversation may go on after one."""
        assert self._session is not None, "open() comes first"
        reply: Reply = await self._limited(self._session.send(message), "the turn")
        self.turns.append((message, reply))
        return reply

    async def end(self) -> Written | None:
        """Writes script and cassette, None where nothing was answered. Raises StorageError.

        What was said is written even where the engine's messages cannot be read back.
        """
        problem = None
        try:
            if self._session is None or not self.turns:
                return None
            try:
                await self._limited(self._session.stored(), "reading the stored messages")
            except EngineError as raised:
                problem = raised
            self._write()
            self.recorder.save()
            cassette = self.recorder.shelf.tape(self.start.script).path
            replay = _command(self.request, self.used)
            return Written(self.request.out, shown(cassette), len(self.turns), replay, problem)
        finally:
            if self._session is not None:
                await self._session.close()
            await self.recorder.close()

    async def _limited(self, work: Any, what: str) -> Any:
        try:
            return await within(work, self.timeout_s)
        except TimeoutError:
            raise EngineTimeout(f"{what} took longer than {self.timeout_s:g} s") from None
        except (EngineError, StorageError):
            raise
        except Exception as problem:  # an adapter's own mistake
            raise EngineError(f"the engine's adapter crashed: {told(problem)}") from problem

    def _write(self) -> None:
        path = self.request.out
        title = self.request.title or path.stem.replace("-", " ").replace("_", " ").strip().capitalize() or "Recorded"
        tape = self.recorder.shelf.tape(self.start.script)
        script = tape.clean({"title": said(title), "turns": drafted(self.turns)})
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as stream:
                stream.write(_NOTE.format(who=" ".join(self.who.split())) + yaml_text(script))
        except OSError as problem:
            raise StorageError(f"the script {path} cannot be written: {problem.strerror or problem}") from None


def drafted(turns: list[tuple[str | None, Reply]]) -> list[dict[str, Json]]:
    """The turns of a script: what was said, the reply as golden text, and expectations on rules, tools and scenario."""
    out: list[dict[str, Json]] = []
    stood = False  # whether a scenario was under way
    for message, reply in turns:
        turn: dict[str, Json] = {} if message is None else {"user": said(message)}
        if reply.response is not UNKNOWN and reply.response.strip():
            turn["agent"] = said(reply.response)
        if expect := _expected(reply, stood=stood):
            turn["expect"] = expect
        stood = isinstance(reply.scenario, ScenarioState)
        out.append(turn)
    return out


def _expected(reply: Reply, *, stood: bool) -> dict[str, Json]:
    expect: dict[str, Json] = {}
    if reply.rules is not UNKNOWN and reply.rules:
        expect["rules"] = [said(match.name) for match in reply.rules]
    if reply.tools is not UNKNOWN:
        calls = [call(one.name, None if one.arguments is UNKNOWN else one.arguments) for one in reply.tools]
        expect["tools"] = calls or {"none": True}
    if isinstance(reply.scenario, ScenarioState):
        expect["scenario"] = _place(reply.scenario)
    elif reply.scenario is None and stood:
        expect["scenario"] = "none"
    return expect


def _place(state: ScenarioState) -> Json:
    """`returns/confirm`; apart where the names hold what would be read otherwise."""
    named: Mapping[str, str] = {"id": said(state.id), **({} if state.step is None else {"step": said(state.step)})}
    plain = all("/" not in name and name == name.strip() and name not in ("", "*", "none") for name in named.values())
    return "/".join(named.values()) if plain else dict(named)


def prepare(request: RecordRequest, clock: Clock | None = None) -> Take:
    """Everything read and checked, nothing said yet. Raises Refused or UsageError; no file there is ever overwritten."""
    clock = clock or Clock()
    _refuse_out(request.out)
    problems = Problems()
    suite = None if request.suite is None else named_suite(request.suite, problems)
    if suite is None and request.agent is None:
        raise UsageError("name a suite whose engine is talked to, or an agent with --agent FILE")
    asked = RunRequest((), agent=request.agent, engine=request.engine, cassette="record", cassette_file=request.cassette)
    entry, name = entry_of(asked, suite)
    problems.extend(unset(entry))
    folder = Path.cwd() if suite is None else suite.folder
    setting = Setting(folder, clock, request.allow_python)
    agent = None if entry.missing else agent_beside(entry, setting, problems)
    problems.extend(() if agent is None else agent.problems)
    if problems.errors:
        raise Refused("the engine was not asked", problems)
    if entry.cassette is None and request.cassette is None:
        asked = RunRequest((), cassette="record", cassette_file=request.out.with_suffix(".jsonl"))
    used = cassette_of(entry, folder, asked)
    if used is None or "turns" not in used.modes:
        raise UsageError("the engine's cassette leaves out its turns; name another one with --cassette FILE")
    recorder = recorder_of(used, entry, setting, None if agent is None else agent.digest)
    recorder.keeps_broken = True
    start = _start(request.out, suite, recorder, clock)
    fields = None if suite is None else suite.fields
    timeout_s = request.timeout_s or (fields.timeout_s if fields is not None else 30.0)
    called = name or (None if agent is None else agent.id)
    who = entry.kind if called is None else f"{called} ({entry.kind})"
    return Take(request, who, recorder, used, start, timeout_s)


def _refuse_out(out: Path) -> None:
    if out.suffix not in (".yaml", ".yml"):
        raise UsageError(f"--out names a script to be written, a file that ends in .yaml; {out} does not")
    if out.exists():
        raise UsageError(f"{out} is there already; give another --out")


def _start(out: Path, suite: Suite | None, recorder: Recorder, clock: Clock) -> SessionStart:
    """How the conversation begins: as a run begins it, under a name by which its recording is found again."""
    script = out.stem
    if suite is not None and recorder.shelf.by_script:
        for path, known in collect(suite, Problems())[0][:1]:
            top = path.parents[known.count("/")]  # where the suite's ids begin
            if out.resolve().is_relative_to(top):
                script = script_id(out.resolve(), top)
    tape = recorder.shelf.tape(script)
    if script in tape.conversations or f"{script}#1" in tape.conversations:
        raise UsageError(f"{tape.shown} holds a conversation '{script}' already; give another --out or --cassette")
    fields = None if suite is None else suite.fields
    return SessionStart(
        case=f"record-{clock.new_id()[:12]}",
        script=script,
        channel="api" if fields is None else fields.channel,
        seed=0 if fields is None else fields.seed,
        foreseen=lambda: Foreseen(script),
    )


def _command(request: RecordRequest, used: Used) -> tuple[str, ...]:
    named = (("--suite", request.suite), ("--agent", request.agent), ("--engine", request.engine))
    words = [word for option, value in named if value is not None for word in (option, str(value))]
    own = [] if used.root != Path.cwd() else ["--cassette-file", used.file]
    return ("focal-eval", "run", str(request.out), *words, "--cassette", "replay", *own)
