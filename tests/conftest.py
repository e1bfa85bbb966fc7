"""What holds for all tests: nothing is written into the home of whoever runs them, and what a module shares is made once."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.warm import warm

pytest_plugins = ["pytester"]

os.environ["FOCAL_EVAL_CACHE"] = "off"


@pytest.fixture(scope="session")
def warmed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder for the path with a `focal-eval` that need not import anything."""
    with warm(tmp_path_factory.mktemp("warm")) as folder:
        yield folder


LONGEST = ("cluster", "tests/docs/test_console_blocks.py")  # groups that take a minute, so they are begun first


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Gives tests that use a fixture of their module to one process (`--dist loadgroup`), where it is made once.

    Groups come before single tests, so that all processes end at the same time, and those with a browser one after another.
    """
    if not config.getoption("loadgroup", False):
        return
    for item in items:
        if not any(item.iter_markers("xdist_group")) and _shares(item):
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))
    items.sort(key=_place)


def _shares(item: pytest.Item) -> bool:
    known = getattr(item, "_fixtureinfo", None)
    return known is not None and any(found[-1].scope == "module" for found in known.name2fixturedefs.values() if found)


def _place(item: pytest.Item) -> int:
    group = next((mark.args[0] for mark in item.iter_markers("xdist_group")), None)
    if group in LONGEST:
        return LONGEST.index(group)
    if "readers" in getattr(item, "fixturenames", ()):
        return len(LONGEST)
    return len(LONGEST) + (1 if group else 2)
