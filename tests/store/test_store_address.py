"""A store's address: a path or a URL, and what is wrong with it in one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from focal_eval.errors import UsageError
from focal_eval.store import address_of, open_store


@pytest.mark.parametrize(
    ("text", "kind", "target"),
    [
        ("reports/store.sqlite", "sqlite", "suites/reports/store.sqlite"),
        ("sqlite:///store.db", "sqlite", "suites/store.db"),
        ("sqlite:////var/store.db", "sqlite", "/var/store.db"),
        ("postgres://ci@db/focal", "postgresql", "postgresql://ci@db/focal"),
    ],
)
def test_a_path_or_a_url_names_a_store(text: str, kind: str, target: str) -> None:
    """Paths start from the folder that is given; a server's URL is taken as it is."""
    found = address_of(text, Path("suites"))
    assert (found.kind, found.target) == (kind, target)


def test_what_is_shown_holds_no_password() -> None:
    """Neither the password before the host nor one among the parameters is printed."""
    for text in ("postgresql://ci:hush@db:5433/focal", "postgresql://ci@db:5433/focal?password=hush"):
        found = address_of(text)
        assert found.shown == "postgresql://ci@db:5433/focal"
        assert found.has_password


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the store's address is empty"),
        ("postgesql://db/focal", "no store is reached by 'postgesql://'; did you mean 'postgresql'"),
        ("mysql://db/focal", "no store is reached by 'mysql://'"),
        ("sqlite://store.db", "has three strokes"),
        (":memory:", "name a file"),
        ("postgresql://db:port/focal", "the store's URL cannot be read"),
    ],
)
def test_what_names_no_store_is_refused(text: str, words: str) -> None:
    """The message names what is wrong and the nearest thing that is right."""
    with pytest.raises(UsageError, match=words.replace("(", r"\(")):
        address_of(text)


def test_a_store_that_is_not_there_is_not_made_by_asking(tmp_path: Path) -> None:
    """Asking an absent file says how one comes to be, and leaves none behind."""
    with pytest.raises(UsageError, match=r"there is no store .*focal-eval store ingest RUN"):
        open_store(address_of(str(tmp_path / "none.sqlite")))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "module", "extra"),
    [("store.sqlite", "sqlalchemy", "store"), ("postgresql://db/focal", "psycopg", "postgres")],
)
def test_a_library_that_is_not_installed_is_told_with_its_extra(
    text: str, module: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the extra the message is the line to type."""
    monkeypatch.setitem(__import__("sys").modules, module, None)
    with pytest.raises(UsageError, match=rf"pip install 'focal-eval\[{extra}\]'"):
        open_store(address_of(text), make=True)
