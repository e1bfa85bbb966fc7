"""What holds for every test of the plug-in."""

from __future__ import annotations

import pytest

from tests.warm import import_all


@pytest.fixture(scope="package", autouse=True)
def all_is_imported() -> None:
    """Pytester forgets modules that are first imported in a test. None may be: half of a library would be there twice."""
    import_all()
