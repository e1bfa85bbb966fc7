"""Plays a run on somebody else's cluster: Dask distributed, or Ray."""

from __future__ import annotations

from focal_eval.evaluate.cluster.address import Address, address_of
from focal_eval.evaluate.cluster.executor import ClusterExecutor, Link

__all__ = ["Address", "ClusterExecutor", "Link", "address_of", "connect"]


async def connect(address: Address) -> Link:
    """A connection to the cluster at an address. Raises UsageError, and WorkersLost where nobody answers."""
    if address.library == "ray":
        from focal_eval.evaluate.cluster.ray import RayLink

        return await RayLink.connect(address.url)
    from focal_eval.evaluate.cluster.dask import DaskLink

    return await DaskLink.connect(address.url)
