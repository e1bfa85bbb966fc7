"""Whether somebody else's cluster plays a run."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from focal_eval.clock import Clock
from focal_eval.evaluate.hands import Pool
from focal_eval.evaluate.preparing import Prepared
from focal_eval.evaluate.request import RunRequest


@contextmanager
def cluster_of(
    request: RunRequest, prepared: Prepared, clock: Clock, run: str, runner: asyncio.Runner
) -> Iterator[Pool | None]:
    """The workers of the cluster that a request names, None where it names none."""
    if request.cluster is None:
        yield None
        return
    from focal_eval.evaluate.cluster.pool import cluster_pool

    with cluster_pool(request, prepared, clock, run, runner) as pool:
        yield pool
