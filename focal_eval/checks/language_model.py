"""The model that tells languages, unpacked once: a file in the user's cache folder spares later runs half a second each.

The library ships its model as 4 MB of LZMA, which take longer to unpack than a small suite takes to run. What it makes of
them is kept as plain bytes under the digest of the library's own file, and mapped into memory: only the pages that are
looked at are read. The table has a row for each pattern of letters, of which texts have few: a row is read when it is first
asked for. Numbers and their order in a sum are the library's, so verdicts are the same to the bit.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import sys
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import orjson

from focal_eval.clock import content_id
from focal_eval.document.cache_folder import cache_folder

_MARK = b"languages2\n"  # at both ends, so that a file that was cut off is none
_LONGEST_HEAD = 8_192
_ALIGNED = 64
_MOST_ROWS = 20_000  # that are kept, 8 MB of them


def identifier(codes: Iterable[str]) -> Any:
    """py3langid's identifier of these languages with probabilities; its model from the cache where it lies there."""
    wanted = sorted(codes)
    path = _path(wanted)
    if path is not None and (kept := _opened(path)) is not None:
        return kept
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    made = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    made.set_languages(wanted)
    if path is not None:
        with contextlib.suppress(OSError):
            _write(path, made)
    return made


def narrowed(whole: Any, codes: Iterable[str]) -> Any:
    """The identifier of some of another one's languages; both use one model."""
    from py3langid.langid import LanguageIdentifier

    some = LanguageIdentifier(
        whole.nb_ptc, whole.nb_pc, whole.nb_classes, whole.tk_nextmove, whole.tk_output, norm_probs=True, tk_row=whole.tk_row
    )
    some.set_languages(sorted(codes))
    some.nb_ptc = _np().asfortranarray(some.nb_ptc)  # as the library's selection lies: sums are added up in its order
    return some


def _np() -> Any:
    import numpy

    return numpy


def _path(codes: list[str]) -> Path | None:
    """Where the model is kept: under the library's file, numpy's version, which lays it out, and the languages."""
    folder = cache_folder(os.environ)
    if folder is None:
        return None
    from py3langid import __version__
    from py3langid.langid import MODEL_DIR, MODEL_FILE

    try:
        model = content_id((MODEL_DIR / MODEL_FILE).read_bytes(), length=64)
    except OSError:
        return None
    key = content_id(__version__, model, _np().__version__, sys.byteorder, " ".join(codes), length=16)
    return folder / f"languages-{key}.cache"


def _write(path: Path, made: Any) -> None:
    """Writes the file whole or not at all."""
    table, prior = made.nb_ptc, made.nb_pc
    if not table.flags.f_contiguous:  # another release of the library
        return
    parts = {
        "table": (table.dtype.str, table.tobytes()),  # its rows one after the other, however it lies in memory
        "prior": (prior.dtype.str, prior.tobytes()),
        "moves": (made.tk_nextmove.typecode, memoryview(made.tk_nextmove).cast("B")),
        "rows": (made.tk_row.typecode, memoryview(made.tk_row).cast("B")),
        "found": ("i", memoryview(array("i", made.tk_output)).cast("B")),
    }
    at, places = _LONGEST_HEAD, {}
    for name, (kind, data) in parts.items():
        places[name] = (kind, at, len(data))
        at += -(-len(data) // _ALIGNED) * _ALIGNED
    head = orjson.dumps({"classes": made.nb_classes, "shape": table.shape, "places": places})
    if len(_MARK) + len(head) >= _LONGEST_HEAD:
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_suffix(f".{os.getpid()}")
    try:
        with draft.open("wb") as stream:
            stream.write((_MARK + head).ljust(_LONGEST_HEAD, b"\n"))
            for _, data in parts.values():
                stream.write(data)
                stream.write(bytes(-len(data) % _ALIGNED))
            stream.write(_MARK)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _opened(path: Path) -> Any:
    """The identifier that was kept; None where there is none, or its file is not what was written."""
    from py3langid.langid import LanguageIdentifier

    try:
        with path.open("rb") as stream:
            held = memoryview(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ))
        if held[: len(_MARK)] != _MARK or held[-len(_MARK) :] != _MARK:
            return None
        head = orjson.loads(bytes(held[len(_MARK) : _LONGEST_HEAD]))
        data = dict(_parts(head["places"], held[: -len(_MARK)]))
        np = _np()
        table = np.frombuffer(data["table"][1], data["table"][0]).reshape(head["shape"])
        prior = np.frombuffer(data["prior"][1], data["prior"][0])
        moves, rows, found = (data[name][1].cast(data[name][0]) for name in ("moves", "rows", "found"))  # type: ignore[call-overload]
        if len(rows) != len(found) or len(moves) % 256 or len(prior) != len(head["classes"]) or table.shape[1] != len(prior):
            return None
        if hasattr(os, "pread"):
            table = _Rows(path, head["places"]["table"][1], table)
        return LanguageIdentifier(table, prior, head["classes"], moves, found, norm_probs=True, tk_row=rows)
    except Exception:  # whatever a damaged file or another release of the library leads to: the model is unpacked anew
        return None


class _Rows:
    """A table that gives rows as numpy's does. Looked up by a map of the file, most of it would soon be in memory."""

    def __init__(self, path: Path, start: int, whole: Any) -> None:
        self._file, self._start, self._whole = -1, start, whole
        self._size = whole.shape[1] * whole.itemsize
        self._known: dict[int, bytes] = {}
        self._file = os.open(path, os.O_RDONLY)

    def __del__(self) -> None:
        if self._file >= 0:
            os.close(self._file)

    def __getitem__(self, wanted: Any) -> Any:
        if isinstance(wanted, tuple):  # columns, for some of the languages
            return self._whole[wanted]
        known = self._known
        rows = [known.get(row) or self._read(row) for row in wanted.tolist()]
        return _np().frombuffer(b"".join(rows), self._whole.dtype).reshape(len(rows), -1)

    def _read(self, row: int) -> bytes:
        if len(self._known) >= _MOST_ROWS:
            self._known.clear()
        found = self._known[row] = os.pread(self._file, self._size, self._start + row * self._size)
        return found


def _parts(places: dict[str, list[Any]], held: memoryview) -> Iterator[tuple[str, tuple[str, memoryview]]]:
    for name, (kind, start, length) in places.items():
        if not 0 <= start <= start + length <= len(held):
            raise ValueError("the file ends before its parts do")
        yield name, (str(kind), held[start : start + length])
