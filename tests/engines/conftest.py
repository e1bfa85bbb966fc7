"""A small shop's agent, behind a server that is as wrong as real Focal and behind one that is not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from focal_eval.server.app import Options
from tests.engines.focal_shop import AGENT, serving


@pytest.fixture(scope="session")
def shop_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The agent's file."""
    path = tmp_path_factory.mktemp("agent") / "shop.yaml"
    path.write_text(AGENT, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def real_shop(shop_file: Path) -> Iterator[str]:
    """The URL of a server that shows tools, scenarios and turns as wrongly as real Focal."""
    with serving(shop_file, Options(focal_quirks=True)) as url:
        yield url


@pytest.fixture(scope="session")
def served_shop(shop_file: Path) -> Iterator[str]:
    """The URL of the same agent, served as it is."""
    with serving(shop_file) as url:
        yield url
