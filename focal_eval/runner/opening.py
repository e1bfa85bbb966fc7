"""Opens the conversation of one attempt: the session's start, its stubs, and the ways an engine can break."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from focal_eval.clock import Clock, content_id
from focal_eval.document import INVALID, Document, Reader
from focal_eval.engines import Engine, HistoryTurn, Session, SessionStart, StubAnswers, ToolAnswer
from focal_eval.engines.base import Coming, Foreseen
from focal_eval.errors import EngineError, EngineTimeout, StorageError, told
from focal_eval.records import UNKNOWN, Fault, TurnRecord
from focal_eval.runner.foreseeing import says_after
from focal_eval.runner.judge import Aiding, Policy
from focal_eval.runner.limits import within
from focal_eval.runner.plan import Case
from focal_eval.script.model import Answer, Script
from focal_eval.script.stubs import Answering, answer_data, read_answer
from focal_eval.script.templates import Filler
from focal_eval.template import TemplateProblem
from focal_eval.value import value

if TYPE_CHECKING:
    from focal_eval.runner.asking import Asker
    from focal_eval.runner.persona_model import PersonaAsker


@value
class Terms:
    """What every attempt of a run shares."""

    engine: Engine
    clock: Clock
    channel: str = "api"
    timeout_s: float = 30.0  # of a turn
    case_timeout_s: float | None = None
    unreported: str = "refuse"
    prices: Mapping[str, float] = field(default_factory=dict)
    root: Path | None = None  # of local Python checks, None where they are off
    seed: int = 0
    tolerated: frozenset[str] = frozenset()  # names of findings that the suite lives with
    masks: tuple[tuple[str, ...], ...] = ()  # paths of stored messages that the suite does not compare
    aiding: Aiding = Aiding()
    asker: Asker | None = None  # of the judging model, where the suite has one
    personas: PersonaAsker | None = None  # of the model that plays personas, where the suite has one
    run_id: str = ""  # makes session names unique between runs, for engines that remember users

    @property
    def policy(self) -> Policy:
        """What judging needs of it."""
        return Policy(self.unreported, self.prices, self.root, self.tolerated, self.masks, self.aiding, self.seed)

    async def let_go(self) -> None:
        """Lets go of the models that are asked beside the engine."""
        for asker in (self.asker, self.personas):
            if asker is not None:
                await asker.close()


async def open_session(case: Case, terms: Terms, values: Mapping[str, Any], number: int, before: list[TurnRecord]) -> Session:
    """A fresh conversation, seeded as the script says; turns replayed for that go to `before`.

    Raises EngineError, whatever the adapter does.
    """
    filler = Filler(values)
    engine = terms.engine
    try:
        start = _start(case, terms, filler, number)
        return await within(_opened(engine, start, case, filler, before), terms.timeout_s)
    except TemplateProblem as problem:
        raise EngineError(f"the script's data cannot be filled: {problem}") from None
    except TimeoutError:
        raise timed_out("opening the conversation", terms.timeout_s) from None
    except (EngineError, StorageError):
        raise
    except (Exception, SystemExit) as problem:
        raise EngineError(f"the engine's adapter crashed while opening: {told(problem)}") from problem


async def _opened(engine: Engine, start: SessionStart, case: Case, filler: Filler, before: list[TurnRecord]) -> Session:
    session = await engine.open(start)
    if "history" not in engine.abilities.seeds:
        history = case.script.given.history
        for number, (user, _) in enumerate(history):
            said = None if user is None else filler.said(user)
            before.append(TurnRecord(number - len(history), said, await session.send(said)))
    return session


def _start(case: Case, terms: Terms, filler: Filler, number: int) -> SessionStart:
    script = case.script
    given = script.given
    history: tuple[HistoryTurn, ...] = ()
    if "history" in terms.engine.abilities.seeds:
        history = tuple(
            HistoryTurn(None if user is None else filler.said(user), None if agent is None else filler.said(agent))
            for user, agent in given.history
        )
    return SessionStart(
        case=f"{case.id}-{number}" + (f"-{terms.run_id}" if terms.run_id else ""),
        script=script.id,
        channel=script.channel or terms.channel,
        metadata=filler.data(dict(script.metadata)) if script.metadata else {},
        variables=filler.data(dict(given.variables)) if given.variables else {},
        history=history,
        scenario=given.scenario,
        stubs=_stubs(script, filler) if script.stubs else None,
        seed=terms.seed + case.repeat - 1,
        foreseen=lambda: _foreseen(case, terms, filler),
    )


def _foreseen(case: Case, terms: Terms, filler: Filler) -> Foreseen:
    script = case.script
    if script.simulator is not None and script.simulator.persona is not None:
        return _played(case, terms, filler, script.simulator.max_turns.times)
    replayed = () if "history" in terms.engine.abilities.seeds else script.given.history
    coming = [Coming(None if user is None else filler.said(user)) for user, _ in replayed]
    for turn in script.turns:
        said = turn.user[case.pick % len(turn.user)] if turn.user else None
        try:
            text = None if said is None else filler.said(said)
        except TemplateProblem:
            coming.append(Coming(UNKNOWN, sure=False))  # it says what earlier turns will have saved
        else:
            coming.append(Coming(text, sure=turn.when is None))
    stubs = {tool: [answer_data(answer) for answer in answers] for tool, answers in _answers(script, filler).items()}
    if script.simulator is None:
        return Foreseen(_told_apart(case), stubs or None, tuple(coming))
    if script.simulator.persona is None:
        says = says_after(case, terms.policy)
        return Foreseen(_told_apart(case), stubs or None, tuple(coming), says)
    coming += [Coming(UNKNOWN, sure=False)] * script.simulator.max_turns.times  # nobody knows what a persona will say
    return Foreseen(_told_apart(case), stubs or None, tuple(coming))


def _played(case: Case, terms: Terms, filler: Filler, most: int) -> Foreseen:
    """Of a persona: what a model will say is known once it is said, so any recording may be that of its conversation."""
    script = case.script
    replayed = () if "history" in terms.engine.abilities.seeds else script.given.history
    coming = [Coming(None if user is None else filler.said(user)) for user, _ in replayed]
    coming += [Coming(UNKNOWN, sure=False)] * most
    stubs = {tool: [answer_data(answer) for answer in answers] for tool, answers in _answers(script, filler).items()}
    return Foreseen(_told_apart(case), stubs or None, tuple(coming))


def _told_apart(case: Case) -> str:
    """The case's name; with shortened values, which do not tell two rows apart, a digest of the row stands beside them."""
    if "…" not in case.name:
        return case.name
    label = f" {content_id(json.dumps(case.row, sort_keys=True, default=str))}"
    name, mark, repeat = case.name.rpartition("#")
    return f"{name}{label}#{repeat}" if mark and repeat.isdigit() else case.name + label


def _answers(script: Script, filler: Filler) -> Mapping[str, tuple[Answer, ...]]:
    return {stub.tool: tuple(_filled(answer, script, filler) for answer in stub.answers) for stub in script.stubs}


def _stubs(script: Script, filler: Filler) -> StubAnswers:
    answering = Answering(_answers(script, filler))

    def answer(tool: str, arguments: Mapping[str, Any]) -> ToolAnswer | None:
        step = answering.find(tool, arguments)
        return None if step is None else ToolAnswer(step.returns, step.fails, step.delay_ms)

    return answer


def _filled(answer: Answer, script: Script, filler: Filler) -> Answer:
    if answer.node is None:
        return answer
    file = answer.span.file
    reader = Reader(Document(file, script.texts.get(file, ""), None))
    made = read_answer(filler.node(answer.node), reader)
    if made is INVALID:
        raise TemplateProblem(f"the stub at {answer.span}: {reader.problems.errors[0].message}")
    assert isinstance(made, Answer)
    return made


def fault_of(problem: Exception) -> Fault:
    """An engine's error as the record keeps it."""
    if isinstance(problem, EngineError):
        return Fault(problem.kind, str(problem), problem.detail)
    return Fault("script-data", str(problem))


def timed_out(what: str, limit: float) -> EngineTimeout:
    """The error of a time limit."""
    return EngineTimeout(f"{what} took longer than {limit:g} s")
