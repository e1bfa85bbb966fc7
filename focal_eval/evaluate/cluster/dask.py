"""A cluster of Dask distributed: an existing scheduler with its workers."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import warnings
from collections.abc import Iterator, Mapping
from typing import Any, cast

from focal_eval.errors import UsageError, WorkersLost
from focal_eval.evaluate.cluster.executor import ASKED_S, BatchLost
from focal_eval.evaluate.cluster.player import play, stop
from focal_eval.text import counted

CONNECT_S = 5.0
SPOKEN_S = 15.0  # for a scheduler to name itself and its workers; what listens there may be something else, and say nothing
_CALL = "(lambda space: (exec({source!r}, space), space['probe']({wanted!r}))[1])({{}})"


class DaskLink:
    """A connection to a scheduler; it asks for no worker of its own."""

    def __init__(self, client: Any, url: str, workers: Mapping[str, Any]) -> None:
        self._client, self._url = client, url
        self._numbers = itertools.count()
        self._slots = {name: int(told["nthreads"]) for name, told in workers.items()}

    @classmethod
    async def connect(cls, url: str) -> DaskLink:
        """Raises UsageError where the library is missing, WorkersLost where nobody answers or there is no worker."""
        try:
            from distributed import Client
        except ImportError:
            raise UsageError(
                "--cluster: Dask distributed is not installed; install it with: pip install 'focal-eval[dask]'"
            ) from None
        with _quiet():
            made: Any = Client
            client = made(url, asynchronous=True, set_as_default=False, timeout=CONNECT_S, name="focal-eval")
            try:
                async with asyncio.timeout(SPOKEN_S) as limit:
                    await client
                    await client.wait_for_workers(1, timeout=CONNECT_S)
                    workers = (await client.scheduler.identity())["workers"]
            except (OSError, TimeoutError) as problem:
                silent, running = limit.expired(), client.status == "running"
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(client.close(timeout=1), CONNECT_S)
                what = "has no worker; is it running?" if running else "cannot be reached; is it running?"
                what = "takes connections and does not answer; is it a Dask scheduler?" if silent else what
                raise WorkersLost(f"the cluster at {url} {what}") from problem
        return cls(client, url, workers)

    @property
    def slots(self) -> Mapping[str, int]:
        return self._slots

    async def ask(self, source: str, wanted: list[Any]) -> Mapping[str, Any]:
        call = _CALL.format(source=source, wanted=wanted)
        with self._told():
            asked = self._client.run(eval, call, on_error="return")
            return cast(Mapping[str, Any], await asyncio.wait_for(asked, ASKED_S))

    def submit(self, task: bytes, worker: str | None = None) -> asyncio.Task[bytes]:
        pinned = {} if worker is None else {"workers": [worker], "allow_other_workers": False}
        key = f"{self._client.id}-batch-{next(self._numbers)}"
        with self._told(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a batch is large: it is meant to be
            future = self._client.submit(play, task, key=key, pure=False, retries=0, **pinned)
        return asyncio.create_task(self._result(future))

    async def _result(self, future: Any) -> bytes:
        from distributed import KilledWorker

        try:
            with self._told():
                return cast(bytes, await future.result())
        except KilledWorker as problem:
            last = problem.last_worker
            why = f"ended, as {counted(problem.allowed_failures, 'worker')} before it did with the same cases"
            raise BatchLost(str(last.address), why) from None
        except asyncio.CancelledError:
            with contextlib.suppress(Exception):
                await future.cancel(force=True)
            raise
        finally:
            future.release()

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Turns what the client raises once its scheduler is gone into WorkersLost."""
        from distributed.client import FutureCancelledError

        try:
            yield
        except FutureCancelledError as problem:
            raise self._gone() from problem
        except (OSError, TimeoutError, RuntimeError) as problem:
            if isinstance(problem, RuntimeError) and self._client.status == "running":
                raise
            raise self._gone() from problem

    def _gone(self) -> WorkersLost:
        return WorkersLost(f"the scheduler at {self._url} is gone")

    async def alive(self) -> bool:
        try:
            return bool((await asyncio.wait_for(self._client.scheduler.identity(), ASKED_S))["workers"])
        except (OSError, TimeoutError):  # the scheduler's own end is heard by those that wait for a result
            return True

    async def stop(self, token: str, *, at_once: bool) -> None:
        with contextlib.suppress(Exception):  # a worker that is gone plays nothing
            await asyncio.wait_for(self._client.run(stop, token, at_once, on_error="ignore"), 2.0)

    async def close(self) -> None:
        with _quiet(), contextlib.suppress(Exception):
            await asyncio.wait_for(self._client.close(timeout=1), 5.0)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Has the client keep to itself what it says of connections: a run says it in its own words."""
    logger = logging.getLogger("distributed")
    logger.setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
