"""The workers of a cluster as those who play a run."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from focal_eval.clock import Clock
from focal_eval.errors import UsageError
from focal_eval.evaluate.cluster import connect
from focal_eval.evaluate.cluster.address import address_of
from focal_eval.evaluate.cluster.executor import ClusterExecutor
from focal_eval.evaluate.cluster.shipping import check_sendable, shipment_of
from focal_eval.evaluate.hands import Pool
from focal_eval.evaluate.preparing import Prepared
from focal_eval.evaluate.request import RunRequest


@contextmanager
def cluster_pool(request: RunRequest, prepared: Prepared, clock: Clock, run: str, runner: asyncio.Runner) -> Iterator[Pool]:
    """Workers that were asked what they have and were sent what they need.

    Raises UsageError and Refused where they cannot play this, WorkersLost where there are none.
    """
    assert request.cluster is not None
    if request.workers is not None:
        raise UsageError("--workers are processes of this machine, and --cluster has its own; give one of them")
    address = address_of(request.cluster)
    check_sendable(prepared)
    link = runner.run(connect(address))
    try:
        slots = min(sum(link.slots.values()), prepared.fields.concurrency)
        shipment = shipment_of(prepared, request, run, token=clock.new_id(), slots=slots)
        cases = {case.id: case for case in prepared.plan.cases}
        asks_nobody = not hasattr(prepared.target.entry.config, "faults")
        executor = ClusterExecutor(link, shipment, cases, ahead=asks_nobody, most=slots)
        runner.run(executor.check())
        yield Pool(executor, slots)
    finally:
        runner.run(link.close())
