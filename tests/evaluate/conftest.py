"""One cluster for all tests that do not harm it."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.evaluate.clusters import Cluster, cluster, package

_RUNNING = pytest.StashKey[tuple[ExitStack, Cluster]]()


@pytest.fixture(scope="session")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as every process of the cluster tests finds it."""
    return package(tmp_path_factory.mktemp("package"))


@pytest.fixture
def shared(request: pytest.FixtureRequest, path: Path, tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    """A scheduler and two workers with DESK_TOKEN in their environment, which outlive every test that takes them."""
    stash = request.config.stash
    if _RUNNING not in stash:
        stack = ExitStack()
        made = stack.enter_context(cluster(tmp_path_factory.mktemp("cluster") / "it", path, workers=0))
        stash[_RUNNING] = stack, made
        for _ in range(2):
            made.hire(DESK_TOKEN=DESK_TOKEN)
        made.wait()
    return stash[_RUNNING][1]


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Ends the cluster after the last of its tests: the heartbeats of its processes cost as much as a slow test each minute."""
    goes_on = nextitem is not None and any(mark.args == ("cluster",) for mark in nextitem.iter_markers("xdist_group"))
    if _RUNNING in item.config.stash and not goes_on:
        item.config.stash[_RUNNING][0].close()
        del item.config.stash[_RUNNING]


DESK_TOKEN = "tk-5f1f6b1c3a9d-only-for-workers"
