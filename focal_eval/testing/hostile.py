"""What every remote engine promises of servers that misbehave: an error with its name, in time, and no harm to others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from typing import Any

from focal_eval.engines import Engine, Session, SessionStart
from focal_eval.errors import EngineError, EngineTimeout, EngineUnreachable
from focal_eval.testing.hostile_server import (
    ELSEWHERE,
    MARK,
    Answering,
    Heard,
    HostileServer,
    hostile_server,
    marked_by,
    refused,
)
from focal_eval.testing.misdeeds import MISDEEDS, Misdeed
from focal_eval.testing.promises import Kit

_AMPLE_S = 5.0
_GRACE_S = 1.0  # after the time limit, for closing what was begun


def hostile_conformance(
    connect: Callable[[str], Engine],
    answer: Answering,
    *,
    streams: bool = False,
    timeout_s: float = 0.5,
    unnoticed: Collection[str] = (),
    mark: Callable[[Heard], bytes] = marked_by,
) -> dict[str, EngineError]:
    """The error that each misdeed came to, by its name. Raises AssertionError where an engine does not survive one.

    `connect` gives the engine for a URL; `answer` is a good server of its protocol, which must give every session and turn
    ids of their own; `streams` says that replies come as server-sent events. `unnoticed` names misdeeds that the protocol
    gives no way to notice. The engine must send a message's text within a request's body, or `mark` must tell of a request
    which misdeed it is to be answered by: the case's name is `hostile-NAME-1` as its message is `hostile:NAME!`.
    """
    kit = Kit("engine", connect)
    unknown = sorted(set(unnoticed) - {name for name, deed in MISDEEDS.items() if deed.blind})
    kit.holds(not unknown, "only some misdeeds can go unnoticed", f"these cannot: {', '.join(unknown)}")
    deeds = [deed for deed in MISDEEDS.values() if deed.of == "any" or (deed.of == "stream") == streams]
    with hostile_server(answer, {deed.name: deed.act for deed in deeds}, mark=mark) as server:
        trial = _Trial(kit, server, timeout_s, frozenset(unnoticed))
        found = asyncio.run(trial.all(connect(server.url), deeds))
        found["no-tls"] = asyncio.run(trial.unreachable(connect(server.url.replace("http:", "https:")), "no TLS"))
    with refused() as url:
        found["refuses"] = asyncio.run(trial.unreachable(connect(url), "a refused connection"))
    return found


class _Trial:
    """One engine beside a server that answers one conversation badly and all others well."""

    def __init__(self, kit: Kit, server: HostileServer, timeout_s: float, unnoticed: frozenset[str]) -> None:
        self.kit, self.server, self.timeout_s, self.unnoticed = kit, server, timeout_s, unnoticed
        self.opened = 0

    async def all(self, engine: Engine, deeds: list[Misdeed]) -> dict[str, EngineError]:
        try:
            found = await self._each(engine, deeds)
        finally:
            await engine.close()
        evil = [heard for heard in self.server.heard if "x-evil" in heard.headers or "evil" in heard.path]
        self.kit.holds(not evil, "an id of the server's never becomes a header or a path", f"the server heard {evil[:1]}")
        return found

    async def _each(self, engine: Engine, deeds: list[Misdeed]) -> dict[str, EngineError]:
        found: dict[str, EngineError] = {}
        witness = await self._open(engine)
        await self._well(witness, "before any misdeed")
        waits = [deed for deed in deeds if EngineTimeout in deed.expects]  # all at once: they only take time
        for group in (waits, *([deed] for deed in deeds if deed not in waits)):
            names = ", ".join(f"'{deed.name}'" for deed in group)
            suffering = asyncio.gather(*(self._suffer(engine, deed) for deed in group))
            await self._well(witness, f"beside {names}")
            problems = await suffering
            await self._well(witness, f"after {names}")
            await self._well(await self._open(engine), f"in a conversation begun after {names}")
            found |= {deed.name: problem for deed, problem in zip(group, problems, strict=True) if problem is not None}
        return found

    async def unreachable(self, engine: Engine, what: str) -> EngineError:
        """What is said where nobody can be asked."""
        try:
            session = await engine.open(SessionStart("unreachable"))
            seen = await session.send("hello")
        except EngineUnreachable as problem:
            return problem
        else:
            self.kit.broken(f"{what} is EngineUnreachable", f"it answered {seen}")
        finally:
            await engine.close()

    async def _open(self, engine: Engine, name: str = "case") -> Session:
        self.opened += 1
        return await engine.open(SessionStart(f"{name}-{self.opened}"))

    async def _well(self, session: Session, when: str) -> None:
        try:
            async with asyncio.timeout(10):
                await session.send("hello")
        except (EngineError, TimeoutError) as problem:
            self.kit.broken("other conversations go on", f"{when}, one got {type(problem).__name__}: {problem}", problem)

    async def _suffer(self, engine: Engine, deed: Misdeed) -> EngineError | None:
        """The error of one message, whose answer is the misdeed."""
        if deed.name == "mixes-up":
            await (await self._open(engine, ELSEWHERE)).send(ELSEWHERE)
        loop = asyncio.get_running_loop()
        started = loop.time()
        session = await self._open(engine, f"hostile-{deed.name}")
        problem = await self._error(session, deed)
        await session.close()
        took = loop.time() - started
        said = f"'{deed.name}' took {took:.1f} s"
        limit = self._limit(deed)
        self.kit.holds(took < limit + _GRACE_S, f"it ends within its time limit of {limit:g} s", said)
        return problem

    def _limit(self, deed: Misdeed) -> float:
        """Short where a turn is to end by it; where an error is to come before it, long enough for a slow machine."""
        return self.timeout_s if EngineTimeout in deed.expects else max(self.timeout_s, _AMPLE_S)

    async def _error(self, session: Session, deed: Misdeed) -> EngineError | None:
        promise = f"a server that {deed.about} is " + " or ".join(kind.__name__ for kind in deed.expects)
        if deed.blind:
            promise += ", unless it cannot be noticed"
        seen: Any = None
        try:
            async with asyncio.timeout(self._limit(deed)):
                if deed.name == "mixes-up":
                    await session.send("hello")
                seen = await session.send(f"{MARK}{deed.name}!")
                if deed.name == "injects":
                    seen = await session.send("again")
        except TimeoutError:
            problem: EngineError = EngineTimeout(f"the turn took longer than {self._limit(deed):g} s")
        except EngineError as error:
            problem = error
        except Exception as error:
            self.kit.crashed(promise, error)
        else:
            self.kit.holds(deed.name in self.unnoticed, promise, f"it answered {seen}")
            return None
        self.kit.holds(isinstance(problem, deed.expects), promise, f"it was {type(problem).__name__}: {problem}")
        return problem
