"""The model that tells languages is unpacked once: kept in the cache folder, it says the same to the bit."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from focal_eval.checks import language_model
from focal_eval.checks.language import CODES
from focal_eval.checks.language_model import identifier, narrowed

TEXTS = (
    "",
    "a",
    "Ok.",
    "I am sorry that it did not arrive as it should.",
    "Ihre Bestellung ist unterwegs.",
    "¿Adónde va el dinero?",
    "Добрый день, ваш заказ отправлен.",
    "ご注文は発送されました。",
    "1234 !?",
    "Thanks, danke, gracias",
    "\ud800",
    "e\u0301" * 40,
)


@lru_cache(maxsize=1)
def shipped() -> Any:
    """The identifier as py3langid itself makes it of its file."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    made = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    made.set_languages(sorted(CODES))
    return made


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What the first run leaves in the cache folder."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FOCAL_EVAL_CACHE", str(folder / "below"))
        identifier(CODES)
    (file,) = (folder / "below").iterdir()
    assert file.suffix == ".cache"
    return file.read_bytes()


@pytest.fixture
def cache(tmp_path: Path, written: bytes, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder's file as the first run left it."""
    monkeypatch.setenv("FOCAL_EVAL_CACHE", str(tmp_path))
    file = Path(_file_of(tmp_path))
    file.write_bytes(written)
    return file


def _file_of(folder: Path) -> str:
    from focal_eval.checks.language_model import _path

    return str(_path(sorted(CODES)) or folder)


def same(one: Any, other: Any) -> bool:
    """Whether both rank every text alike, each probability to the bit."""
    return all(one.rank(text) == other.rank(text) and one.classify(text) == other.classify(text) for text in TEXTS)


def unpacks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A list that grows whenever the library unpacks its own file."""
    import lzma

    seen: list[str] = []
    opened = lzma.open

    def noted(file: Any, *rest: Any, **named: Any) -> Any:
        seen.append(str(file))
        return opened(file, *rest, **named)

    monkeypatch.setattr(lzma, "open", noted)
    return seen


def test_a_later_run_unpacks_nothing_and_says_the_same(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kept model ranks every text as the library does; the library's file is not unpacked and the cache not written."""
    seen, before = unpacks(monkeypatch), cache.stat()
    kept = identifier(CODES)
    assert seen == []
    assert same(kept, shipped())
    assert cache.stat().st_mtime_ns == before.st_mtime_ns
    assert [path.name for path in cache.parent.iterdir()] == [cache.name]


def test_few_rows_are_kept(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where more rows are asked for than are kept, those before them are read again, and nothing else is told."""
    monkeypatch.setattr(language_model, "_MOST_ROWS", 7)
    kept = identifier(CODES)
    assert same(kept, shipped())
    assert same(kept, shipped())
    assert 0 < len(kept.nb_ptc._known) <= 7


@pytest.mark.parametrize("codes", [("de", "en"), ("en", "es", "hr", "sr"), sorted(CODES)[:40]], ids=len)
def test_some_languages_are_told_apart_as_the_library_does(cache: Path, codes: tuple[str, ...]) -> None:
    """`among` narrows the kept model and the shipped one to the same numbers."""
    whole = shipped()
    whole.set_languages(codes)
    try:
        expected = [(whole.rank(text), whole.classify(text)) for text in TEXTS]
    finally:
        whole.set_languages(sorted(CODES))
    for base in (identifier(CODES), whole):
        some = narrowed(base, codes)
        assert [(some.rank(text), some.classify(text)) for text in TEXTS] == expected


def _cut(data: bytes) -> bytes:
    return data[:-1_000_000]


def _zeros(data: bytes) -> bytes:
    return bytes(len(data))


def _other_head(data: bytes) -> bytes:
    return data.replace(b'"rows":["', b'"rows":["?', 1)


def _more_rows(data: bytes) -> bytes:
    return data.replace(b'"shape":[1', b'"shape":[9', 1)


def _pickle(data: bytes) -> bytes:
    return b"\x80\x05\x95" + data[3:]


@pytest.mark.parametrize("harm", [_cut, _zeros, _other_head, _more_rows, _pickle, lambda data: b""])
def test_a_damaged_file_is_as_if_not_there(
    cache: Path, monkeypatch: pytest.MonkeyPatch, written: bytes, harm: Callable[[bytes], bytes]
) -> None:
    """The model is unpacked anew, and the file is whole again."""
    cache.write_bytes(harm(written))
    seen = unpacks(monkeypatch)
    made = identifier(CODES)
    assert len(seen) == 1
    assert same(made, shipped())
    assert cache.read_bytes() == written


def test_off_keeps_nothing(tmp_path: Path) -> None:
    """`FOCAL_EVAL_CACHE=off` leaves the user's cache folder as it was."""
    environment = {**os.environ, "FOCAL_EVAL_CACHE": "off", "XDG_CACHE_HOME": str(tmp_path)}
    code = "from focal_eval.checks import language, language_model; language_model.identifier(language.CODES)"
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_hinders_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a file is in the way the languages are told all the same."""
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    monkeypatch.setenv("FOCAL_EVAL_CACHE", str(tmp_path / "file"))
    assert same(identifier(CODES), shipped())
