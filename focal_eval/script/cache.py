"""The cache of scripts: one file for each folder of suites, which spares a later run reading YAML that did not change.

A script is kept under the digest of its file's bytes, and all of them under a stamp of the code that reads scripts: what
was edited, there or here, is read again. The file holds data only, lies in the user's own cache folder, and may be deleted
at any time.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import struct
import sys
import tempfile
from pathlib import Path
from typing import IO

import orjson

from focal_eval import __version__
from focal_eval.clock import content_id
from focal_eval.script.facts import Facts, facts_from, facts_json, facts_of
from focal_eval.script.model import Script
from focal_eval.script.packed import Known, NotPlain, Unpacking, packed
from focal_eval.value import value

FEWEST = 20  # scripts of one suite from which on a file is written
MOST = 100_000  # scripts in one file, but for those of the suite at hand
_KEY = 16  # bytes
_ROW = struct.Struct(f">{_KEY}sQI")  # key, start and length of a line
_TAIL = struct.Struct(">8sQQ")  # mark, start of the index, number of its rows
_MARK = b"scripts5"
_BETWEEN = b"\t"  # facts and script; no JSON has one outside a text, and within one it is escaped
_LONGEST_HEAD = 200
_MOST_IN_MEMORY = 4_000_000  # bytes of lines that are not written yet
_PACKAGE = Path(__file__).parent.parent
_READERS = ("", "document", "script", "checks", "records")  # the rooms a script's meaning depends on


@value
class Cached:
    """A script that was read before."""

    cache: ScriptCache
    file: str
    id: str
    digest: str
    data: bytes  # of its file
    packed: bytes
    facts: Facts | None  # None where more has to be known about it

    def load(self) -> Script | None:
        """The script itself; None where the cache is damaged."""
        return self.cache.unpacked(self.packed, self.file, self.id, self.digest, self.data)


class ScriptCache:
    """The scripts of one root that were read before; what cannot be read or written is as if not there.

    The file: a line of JSON with the stamp, a line for each script (its facts, `_BETWEEN`, the script), the index (`_ROW` for
    each, sorted by key), `_TAIL`.
    Of all this only the index is held in memory.
    """

    def __init__(self, folder: Path, root: Path) -> None:
        self.path = folder / f"scripts-{content_id(str(root), length=16)}.cache"
        self._stamp = _stamp()
        self._file = -1
        self._index = b""
        self._used = bytearray()
        self._fresh: IO[bytes] | None = None  # lines of scripts that were not there
        self._new: list[tuple[bytes, int]] = []  # their keys and lengths
        self._unpacking = Unpacking()
        self._packed: Known = {}
        self._open()

    def __len__(self) -> int:
        return len(self._index) // _ROW.size

    def __del__(self) -> None:
        if self._file >= 0:
            os.close(self._file)

    def _open(self) -> None:
        self._index = b""
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError, struct.error):
            file = os.open(self.path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
            if self._file >= 0:
                os.close(self._file)
            self._file = file
            size = os.fstat(file).st_size
            mark, start, count = _TAIL.unpack(_read(file, _TAIL.size, size - _TAIL.size))
            if mark == _MARK and start + count * _ROW.size + _TAIL.size == size:
                head = orjson.loads(_read(file, _LONGEST_HEAD, 0).partition(b"\n")[0])
                if head["stamp"] == self._stamp:
                    self._index = _read(file, count * _ROW.size, start)

    def find(self, data: bytes, file: str, id: str) -> Cached | None:
        """What is known of the script that a file with these bytes holds."""
        digest = content_id(data, length=64)
        key = key_of(digest, id)
        line = self._line(key)
        if line is None:
            return None
        try:
            facts, _, script = line.partition(_BETWEEN)
            told = orjson.loads(facts)
            found = Cached(self, file, id, digest, data, script, None if told is None else facts_from(told))
        except Exception:  # whatever a damaged file leads to: it is read anew
            return None
        self._used += key
        return found

    def load(self, file: str, id: str, digest: str, data: bytes) -> Script | None:
        """The script that is kept of a file with that digest; `data` are its bytes, if they are the same still."""
        line = self._line(key_of(digest, id))
        return None if line is None else self.unpacked(line.partition(_BETWEEN)[2], file, id, digest, data)

    def unpacked(self, packed: bytes, file: str, id: str, digest: str, data: bytes) -> Script | None:
        """The script as it was kept; None where that is damaged."""
        try:
            script = self._unpacking.script(orjson.loads(packed), file, digest, data.decode("utf-8"))
        except Exception:
            return None
        return script if script.id == id else None

    def keep(self, script: Script) -> None:
        """Remembers a script that was read without a problem."""
        with contextlib.suppress(NotPlain, TypeError, OSError):  # TypeError: a number beyond 64 bits
            line = _BETWEEN.join((orjson.dumps(facts_json(facts_of(script))), orjson.dumps(packed(script, self._packed))))
            if self._fresh is None:
                self._fresh = tempfile.SpooledTemporaryFile(_MOST_IN_MEMORY)  # noqa: SIM115  # closed by `save`
            self._fresh.write(line + b"\n")
            self._new.append((key_of(script.digest, script.id), len(line)))

    def save(self) -> None:
        """Writes the file where there is something new, and drops what was not used for longest."""
        if self._fresh is None or len(self._used) // _KEY + len(self._new) < FEWEST:
            return
        with contextlib.suppress(OSError, struct.error):
            self._write(self._fresh)
        with contextlib.suppress(OSError):
            self._fresh.close()
        self._fresh = None
        self._new.clear()
        self._packed.clear()
        self._open()

    def _line(self, key: bytes) -> bytes | None:
        index, low, high = self._index, 0, len(self._index) // _ROW.size
        while low < high:
            middle = (low + high) // 2
            at = middle * _ROW.size
            if index[at : at + _KEY] < key:
                low = middle + 1
            else:
                high = middle
        at = low * _ROW.size
        if index[at : at + _KEY] != key:
            return None
        _, start, length = _ROW.unpack_from(index, at)
        try:
            return _read(self._file, length, start)
        except OSError:
            return None

    def _kept(self) -> list[tuple[bytes, int, int]]:
        """The rows of the scripts that stay, those that were used last at the end."""
        used = {bytes(self._used[at : at + _KEY]) for at in range(0, len(self._used), _KEY)}
        rows = sorted(_ROW.iter_unpack(self._index), key=lambda row: row[1])
        others = [row for row in rows if row[0] not in used]
        room = max(0, MOST - len(used) - len(self._new))
        return [*(others[-room:] if room else ()), *(row for row in rows if row[0] in used)]

    def _write(self, fresh: IO[bytes]) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self.path.with_suffix(f".{os.getpid()}")
        places: dict[bytes, tuple[int, int]] = {}
        try:
            with draft.open("wb") as stream:
                at = stream.write(orjson.dumps({"stamp": self._stamp}) + b"\n")
                for key, start, length in self._kept():
                    places[key] = at, length
                    at += stream.write(_read(self._file, length, start) + b"\n")
                for key, length in self._new:
                    places[key] = at, length
                    at += length + 1
                fresh.seek(0)
                shutil.copyfileobj(fresh, stream)
                for key in sorted(places):
                    stream.write(_ROW.pack(key, *places[key]))
                stream.write(_TAIL.pack(_MARK, at, len(places)))
            draft.replace(self.path)
        finally:
            draft.unlink(missing_ok=True)


def _read(file: int, length: int, start: int) -> bytes:
    """Bytes of a file at a place. Not by a map of the file: what was looked at would count as this process's memory."""
    if hasattr(os, "pread"):
        return os.pread(file, length, start)
    os.lseek(file, start, os.SEEK_SET)
    return os.read(file, length)


def key_of(digest: str, id: str) -> bytes:
    """Under what a script is kept: the digest of its file, and the id by which it goes."""
    return bytes.fromhex(content_id(digest, id, length=2 * _KEY))


def _stamp() -> str:
    """What the code that reads scripts is: its version, and the size and time of each of its files."""
    seen: list[tuple[str, int, int]] = []
    for room in _READERS:
        with os.scandir(_PACKAGE / room) as found:
            seen.extend(
                (f"{room}/{file.name}", file.stat().st_size, file.stat().st_mtime_ns)
                for file in found
                if file.name.endswith(".py")
            )
    return content_id(__version__, sys.version, repr(sorted(seen)), length=32)
