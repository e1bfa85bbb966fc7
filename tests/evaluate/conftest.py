"""One cluster for all tests that do not harm it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.evaluate.clusters import Cluster, cluster, package


@pytest.fixture(scope="session")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as every process of the cluster tests finds it."""
    return package(tmp_path_factory.mktemp("package"))


@pytest.fixture(scope="session")
def shared(path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A scheduler and two workers with DESK_TOKEN in their environment, which outlive every test that takes them."""
    with cluster(tmp_path_factory.mktemp("cluster") / "it", path, workers=0) as made:
        for _ in range(2):
            made.hire(DESK_TOKEN=DESK_TOKEN)
        made.wait()
        yield made


DESK_TOKEN = "tk-5f1f6b1c3a9d-only-for-workers"
