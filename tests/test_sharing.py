"""What is made once for many tests is made once."""

from __future__ import annotations

import pytest


@pytest.mark.xdist_group("sharing")
def test_groups_reach_the_scheduler(request: pytest.FixtureRequest) -> None:
    """pytest-xdist tells a group by the end of a test's id; where that is lost, each process starts a cluster of its own."""
    if not request.config.getoption("loadgroup", False):
        pytest.skip("the tests are not divided among processes")
    assert request.node.nodeid.endswith("@sharing")
