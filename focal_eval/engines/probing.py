"""How a remote engine is found to be there: a harmless request, asked a few times and timed."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from focal_eval.clock import Clock
from focal_eval.engines.base import Probe
from focal_eval.engines.wire import Answer, Wire
from focal_eval.errors import EngineStatus
from focal_eval.records import Json

ROUNDS = 3
_NO_SUCH_REQUEST = frozenset({404, 405, 501})


class Rounds:
    """Requests to one server, and how long each took."""

    def __init__(self, wire: Wire, clock: Clock) -> None:
        self._wire, self._clock = wire, clock
        self.times_ms: list[float] = []

    async def ask(
        self, method: str, path: str, *, body: Json | None = None, params: Mapping[str, str] | None = None
    ) -> Answer | None:
        """The answer; None where the server knows no such request: it is there, and more is not learnt."""
        began = self._clock.elapsed()
        try:
            answer = await self._wire.request(method, path, body=body, params=params, safe=True)
        except EngineStatus as problem:
            if problem.status not in _NO_SUCH_REQUEST:
                raise
            return None
        finally:
            self.times_ms.append((self._clock.elapsed() - began) * 1000)
        return answer


async def probed(
    wire: Wire, clock: Clock, method: str, path: str, *, body: Json | None = None, params: Mapping[str, str] | None = None
) -> Probe:
    """What a request that needs the token and changes nothing comes to. Raises EngineError."""
    rounds = Rounds(wire, clock)
    authorised: bool | None = None
    for _ in range(ROUNDS):
        answer = await rounds.ask(method, path, body=body, params=params)
        if answer is None:
            break
        answer.json()  # anything may answer with 200: what is no JSON is not this engine
        authorised = True
    return Probe(address(wire.url), (f"{method} {path}",), tuple(rounds.times_ms), authorised)


def address(url: str) -> str:
    """An engine's address without what may be secret in it: the user, the password and the query."""
    parts = urlsplit(url.strip())
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}".rstrip("/")
