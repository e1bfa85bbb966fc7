"""Run folders made once, and a real Chromium where there is one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from focal_eval.report import ReportModel, read_run
from focal_eval.report.html import write
from tests.report.reader import Reader, Readers
from tests.report.sample_cases import rich_cases
from tests.report.sample_run import write_run

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Playwright

BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
"""The first is Chromium without windows: a page takes it a third less."""
INSTALL = "no Chromium here: apt-get install -y --no-install-recommends chromium fonts-dejavu-core"


@pytest.fixture(scope="session")
def rich_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the rich run."""
    return write_run(tmp_path_factory.mktemp("rich") / "run", rich_cases())


@pytest.fixture(scope="session")
def rich(rich_folder: Path) -> ReportModel:
    """The rich run, read."""
    return read_run(rich_folder)


@pytest.fixture(scope="session")
def partial_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that was killed in the middle of a case and of a line."""
    cases = rich_cases()
    cases[0].planned = 2
    cut = cases[0].attempts[0]
    cut.verdict, cut.turns = None, cut.turns[:1]
    return write_run(tmp_path_factory.mktemp("partial") / "run", cases, end=False, tail=b'{"t":"turn","case":"ab')


@pytest.fixture(scope="session")
def partial(partial_folder: Path) -> ReportModel:
    """The killed run, read."""
    return read_run(partial_folder)


_RUNNING = pytest.StashKey[tuple["Playwright", Readers]]()


@pytest.fixture(scope="module")
def readers(request: pytest.FixtureRequest) -> Readers:
    """Readers with a real Chromium: one for all tests of a process with a browser that follow each other."""
    stash = request.config.stash
    if _RUNNING not in stash:
        stash[_RUNNING] = _started()
    return stash[_RUNNING][1]


@pytest.fixture
def chromium(readers: Readers) -> Browser:
    """Their browser, for a test that needs a window of its own kind."""
    return readers.browser


def _started() -> tuple[Playwright, Readers]:
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip(INSTALL)
    playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    driver = playwright.sync_playwright().start()
    return driver, Readers(driver.chromium.launch(executable_path=path, args=["--no-sandbox"]))


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Ends Chromium before a module that has none: its driver keeps an event loop running, and others need their own."""
    goes_on = nextitem is not None and (nextitem.path == item.path or "readers" in getattr(nextitem, "fixturenames", ()))
    if _RUNNING in item.config.stash and not goes_on:
        driver, readers = item.config.stash[_RUNNING]
        del item.config.stash[_RUNNING]
        readers.browser.close()
        driver.stop()


@pytest.fixture(scope="session")
def url(rich: ReportModel, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The rich run's report."""
    return write(rich, tmp_path_factory.mktemp("page")).as_uri()


@pytest.fixture
def reader(readers: Readers, url: str) -> Iterator[Reader]:
    """A reader at a desk; no console message is allowed in any test."""
    with readers.at(url) as reader:
        yield reader
        assert reader.log == []
