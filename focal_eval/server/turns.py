"""A turn being played: it runs by itself, stops where a tool is put to the client, and goes on with the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from focal_eval.agent.builtin import ToolOutcome
from focal_eval.agent.turn import ToolRequest
from focal_eval.engines.embedded import EmbeddedSession
from focal_eval.records import MessageRecord, ScenarioState


@dataclass(frozen=True, slots=True)
class Asked:
    """A call of a tool that the client is to answer; calls of a turn are counted from 1."""

    call: int
    name: str
    arguments: Any


class GivenUp(Exception):
    """The turn was not played to its end, and has not happened."""


class RunningTurn:
    """One turn of one session; whoever shows it takes what comes out with `next`."""

    def __init__(self, id: str, *, streamed: bool = False, asks: bool = False) -> None:
        self.id, self.streamed, self.asks = id, streamed, asks
        self.waiting: Asked | None = None
        self._answer: asyncio.Future[ToolOutcome | None] | None = None
        self._out: asyncio.Queue[Asked | Any] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    def start(self, play: Coroutine[Any, Any, Any]) -> None:
        """Plays in the background; its result is the last thing `next` gives."""
        self._task = asyncio.create_task(self._run(play))

    async def next(self) -> Any:
        """A call to be answered (Asked), or the result. Raises what the turn raised, GivenUp where it was given up."""
        got = await self._out.get()
        if isinstance(got, BaseException):
            raise got
        return got

    async def ask(self, request: ToolRequest) -> ToolOutcome | None:
        """The client's answer, None where it has nothing to say."""
        call = 1 if self.waiting is None else self.waiting.call + 1
        self.waiting = Asked(call, request.name, request.arguments)
        self._answer = asyncio.get_running_loop().create_future()
        self._out.put_nowait(self.waiting)
        try:
            return await self._answer
        finally:
            self._answer = None

    @property
    def stands(self) -> bool:
        """Whether it waits for the client."""
        return self._answer is not None and not self._answer.done()

    def answer(self, outcome: ToolOutcome | None) -> None:
        """Lets the turn go on."""
        assert self._answer is not None
        self._answer.set_result(outcome)

    def give_up(self) -> None:
        """Ends the turn where it has not ended; it then has not happened."""
        if self._task is not None:
            self._task.cancel()

    async def _run(self, play: Coroutine[Any, Any, Any]) -> None:
        try:
            self._out.put_nowait(await play)
        except asyncio.CancelledError:
            self._out.put_nowait(GivenUp())
        except Exception as problem:  # whoever waits for the turn is told
            self._out.put_nowait(problem)


class ServedSession(EmbeddedSession):
    """A conversation with the agent in which tools may be put to the client first."""

    turn: RunningTurn | None = None

    @property
    def place(self) -> ScenarioState | None:
        """Where the conversation stands."""
        state = self.state
        return None if state.scenario is None else ScenarioState(state.scenario, state.step)

    @property
    def variables(self) -> Mapping[str, Any]:
        """What the agent knows of the conversation."""
        return self.state.variables

    def take_messages(self) -> tuple[MessageRecord, ...]:
        """The messages kept since the last time."""
        taken, self._stored = tuple(self._stored), []
        return taken

    async def answered(self, request: ToolRequest) -> ToolOutcome | None:
        if self.turn is not None and self.turn.asks:
            answer = await self.turn.ask(request)
            if answer is not None:
                return answer
        return await super().answered(request)
