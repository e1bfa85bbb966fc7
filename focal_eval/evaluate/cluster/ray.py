"""A cluster of Ray, by its client: one actor for each processor, each with an engine of its own."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar, cast

from focal_eval.errors import UsageError, WorkersLost
from focal_eval.evaluate.cluster import player
from focal_eval.evaluate.cluster.executor import ASKED_S, BatchLost
from focal_eval.text import shorten

CONNECT_S = 5.0
AGAIN_S = 0.5  # after so long it is looked again whether an actor was started again
T = TypeVar("T")


class RayPlayer:
    """What lives in an actor: one thread that plays, so that the actor can still be told to stop."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1)

    def play(self, task: bytes) -> bytes:
        """As `player.play`."""
        return self._thread.submit(player.play, task).result()

    def ready(self) -> None:
        """Returns once the actor is there."""

    def stop(self, token: str, at_once: bool) -> None:
        """As `player.stop`."""
        player.stop(token, at_once)


class RayLink:
    """A connection to a cluster. Ray has one connection in a process, and this is it."""

    def __init__(self, ray: Any, url: str, nodes: Mapping[str, tuple[str, int]]) -> None:
        self._ray, self._url = ray, url
        self._nodes = nodes  # by what a run calls them: the node's id, and its processors
        self._actors: dict[str, list[Any]] = {}
        self._idle: deque[tuple[str, Any]] = deque()
        self._hired = 0  # actors that play, or that Ray starts again
        self._returning: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()

    @classmethod
    async def connect(cls, url: str) -> RayLink:
        """Raises UsageError where the library is missing or does not fit, WorkersLost where nobody answers."""
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        try:
            import ray
        except ImportError:
            raise UsageError("--cluster: Ray is not installed; install it with: pip install 'focal-eval[ray]'") from None
        await _reachable(url)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a run says in its own words that nobody answers
                await asyncio.to_thread(ray.init, url, log_to_driver=False, logging_level="CRITICAL")
        except ConnectionError as problem:
            why = "it listens, and does not answer; does it ask for a token (RAY_AUTH_MODE=token)?"
            raise WorkersLost(f"the cluster at {url} cannot be reached: {why}") from problem
        except RuntimeError as problem:  # another version of Ray or of Python
            raise UsageError(f"--cluster: {url}: {problem}") from None
        alive = [node for node in await asyncio.to_thread(ray.nodes) if node["Alive"]]
        nodes = {
            f"{node['NodeManagerAddress']}/{node['NodeID'][:8]}": (str(node["NodeID"]), int(node["Resources"].get("CPU", 0)))
            for node in alive
        }
        return cls(ray, url, {name: told for name, told in sorted(nodes.items()) if told[1] > 0})

    @property
    def slots(self) -> Mapping[str, int]:
        return {name: processors for name, (_, processors) in self._nodes.items()}

    async def ask(self, source: str, wanted: list[Any]) -> Mapping[str, Any]:
        space: dict[str, Any] = {"__name__": "__main__"}  # so that the function itself travels, and no module's name
        exec(source, space)  # noqa: S102  # our own text, as the workers get it
        asked = self._ray.remote(space["probe"])
        out: dict[str, Any] = {}
        for name, (node, _) in self._nodes.items():
            try:
                out[name] = await self._of(lambda node=node: asked.options(num_cpus=0, **_at(node)).remote(wanted))  # type: ignore[misc]
            except (BatchLost, TimeoutError, self._ray.exceptions.RayError) as problem:
                out[name] = problem
        return out

    def submit(self, task: bytes, worker: str | None = None) -> asyncio.Task[bytes]:
        return asyncio.create_task(self._play(task, worker))

    async def _play(self, task: bytes, worker: str | None) -> bytes:
        self._hire()
        if worker is not None:
            return await self._asked(worker, self._actors[worker][0], task, ASKED_S)
        while not self._idle:
            if not self._hired:
                raise WorkersLost(f"the cluster at {self._url} has no node left of those that were there")
            self._changed.clear()
            await self._changed.wait()
        name, actor = self._idle.popleft()
        try:
            answer = await self._asked(name, actor, task, None)
        except BatchLost:
            back = asyncio.create_task(self._back(name, actor))
            self._returning.add(back)
            back.add_done_callback(self._returning.discard)
            raise
        except asyncio.CancelledError:
            self._free(name, actor)
            raise
        self._free(name, actor)
        return answer

    async def _asked(self, name: str, actor: Any, task: bytes, limit_s: float | None) -> bytes:
        try:
            return cast(bytes, await self._of(lambda: actor.play.remote(task), limit_s))
        except self._ray.exceptions.RayActorError:
            raise BatchLost(name, "ended") from None
        except self._ray.exceptions.RayError as problem:
            raise BatchLost(name, f"could not play: {shorten(str(problem))}") from None

    def _free(self, name: str, actor: Any) -> None:
        self._idle.append((name, actor))
        self._changed.set()

    async def _back(self, name: str, actor: Any) -> None:
        """Takes an actor for more once Ray has started it again; one whose node is gone would only lose what it is given."""
        try:
            while True:
                try:
                    await self._of(actor.ready.remote)
                    break
                except self._ray.exceptions.ActorUnavailableError:
                    await asyncio.sleep(AGAIN_S)
        except (self._ray.exceptions.RayError, TimeoutError, WorkersLost):
            self._hired -= 1
            self._changed.set()
        else:
            self._free(name, actor)

    def _hire(self) -> None:
        """An actor for each processor, when they are first needed."""
        if self._actors:
            return
        made = self._ray.remote(RayPlayer)
        terms = {"num_cpus": 1, "max_restarts": -1, "max_task_retries": 0, "max_concurrency": 2}
        with self._told():
            for name, (node, processors) in self._nodes.items():
                self._actors[name] = [made.options(**terms, **_at(node)).remote() for _ in range(processors)]
        self._idle.extend((name, actor) for name, found in self._actors.items() for actor in found)
        self._hired = len(self._idle)

    async def _of(self, ask: Callable[[], Any], limit_s: float | None = ASKED_S) -> Any:
        """What Ray answers; asking is a call that waits, so it is made in a thread."""
        with self._told():
            reference = await asyncio.to_thread(ask)
            return await asyncio.wait_for(asyncio.wrap_future(reference.future()), limit_s)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Turns what the client raises once the cluster is gone into WorkersLost."""
        try:
            yield
        except TimeoutError:
            raise
        except (ConnectionError, OSError) as problem:
            raise WorkersLost(f"the cluster at {self._url} is gone") from problem

    async def alive(self) -> bool:
        return True  # who waits for an actor hears when there is none

    async def stop(self, token: str, *, at_once: bool) -> None:
        def tell() -> None:
            for actor in itertools.chain.from_iterable(self._actors.values()):
                actor.stop.remote(token, at_once)

        with contextlib.suppress(Exception):  # who is gone plays nothing
            await asyncio.wait_for(asyncio.to_thread(tell), 2.0)

    async def close(self) -> None:
        for task in self._returning:
            task.cancel()

        def end() -> None:
            for actor in itertools.chain.from_iterable(self._actors.values()):
                with contextlib.suppress(Exception):
                    self._ray.kill(actor)
            self._ray.shutdown()

        with contextlib.suppress(Exception):
            await asyncio.wait_for(asyncio.to_thread(end), 10.0)


def _at(node: str) -> dict[str, Any]:
    """Options that place a task or an actor on a node."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return {"scheduling_strategy": NodeAffinitySchedulingStrategy(node, soft=False)}


async def _reachable(url: str) -> None:
    """Raises WorkersLost where nobody listens, for the client itself tries that for half a minute."""
    host, _, port = url.removeprefix("ray://").rpartition(":")
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(host.strip("[]"), int(port)), CONNECT_S)
    except (OSError, TimeoutError):
        raise WorkersLost(f"the cluster at {url} cannot be reached; is it running?") from None
    writer.close()
