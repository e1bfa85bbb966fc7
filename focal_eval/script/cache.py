"""The cache of scripts: one file for each folder of suites, which spares a later run reading YAML that did not change.

A script is kept under the digest of its file's bytes, and all of them under a stamp of the code that reads scripts: what
was edited, there or here, is read again. The file holds data only, lies in the user's own cache folder, and may be deleted
at any time.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import orjson

from focal_eval import __version__
from focal_eval.clock import content_id
from focal_eval.script.model import Script
from focal_eval.script.packed import Known, NotPlain, Unpacking, packed

FEWEST = 20  # scripts of one suite from which on a file is written
MOST = 50_000  # scripts in one file
VARIABLE = "FOCAL_EVAL_CACHE"
_PACKAGE = Path(__file__).parent.parent
_READERS = ("", "document", "script", "checks", "records")  # the rooms a script's meaning depends on


def cache_folder(environment: Mapping[str, str]) -> Path | None:
    """Where caches lie: `FOCAL_EVAL_CACHE` (`off` for nowhere), else below the user's cache folder."""
    named = environment.get(VARIABLE, "")
    if named:
        return None if named == "off" else Path(named)
    home = environment.get("XDG_CACHE_HOME", "")
    if os.path.isabs(home):  # noqa: PTH117  # a relative one is to be ignored, as the XDG specification says
        return Path(home) / "focal-eval"
    try:
        return Path.home() / ".cache" / "focal-eval"
    except RuntimeError:  # a user without a home
        return None


class ScriptCache:
    """The scripts of one root that were read before; what cannot be read or written is as if not there."""

    def __init__(self, folder: Path, root: Path) -> None:
        self.path = folder / f"scripts-{content_id(str(root), length=16)}.jsonl"
        self._stamp = _stamp()
        self._data: mmap.mmap | bytes = b""
        self._start = 0
        self._places: dict[str, list[int]] = {}
        self._used: list[str] = []
        self._new: dict[str, bytes] = {}
        self._unpacking = Unpacking()
        self._packed: Known = {}
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            self._open()

    def _open(self) -> None:
        with self.path.open("rb") as stream:
            data = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        end = data.find(b"\n")
        head = orjson.loads(data[:end])
        if head["stamp"] == self._stamp:
            self._data, self._start, self._places = data, end + 1, head["scripts"]

    def find(self, data: bytes, file: str, id: str) -> Script | None:
        """The script a file with these bytes holds, where it is known."""
        digest = content_id(data, length=64)
        key = f"{digest} {id}"
        place = self._places.get(key)
        if place is None:
            return None
        start = self._start + place[0]
        try:
            found = orjson.loads(self._data[start : start + place[1]])
            script = self._unpacking.script(found, file, digest, data.decode("utf-8"))
        except Exception:  # whatever a damaged file leads to: it is read anew
            return None
        self._used.append(key)
        return script if script.id == id else None

    def keep(self, script: Script) -> None:
        """Remembers a script that was read without a problem."""
        with contextlib.suppress(NotPlain, TypeError):  # TypeError: a number beyond 64 bits
            self._new[f"{script.digest} {script.id}"] = orjson.dumps(packed(script, self._packed))

    def save(self) -> None:
        """Writes the file where there is something new, and drops what was not used for longest."""
        if not self._new or len(self._used) + len(self._new) < FEWEST:
            return
        used = set(self._used)
        others = [key for key in self._places if key not in used]
        kept = [*others[: max(0, MOST - len(used) - len(self._new))], *self._used]
        lines = {key: self._line(key) for key in kept} | self._new
        places, offset = {}, 0
        for key, line in lines.items():
            places[key] = [offset, len(line)]
            offset += len(line) + 1
        head = orjson.dumps({"stamp": self._stamp, "scripts": places})
        with contextlib.suppress(OSError):
            self._write([head, *lines.values()])
        self._new.clear()
        self._packed.clear()

    def _line(self, key: str) -> bytes:
        start, length = self._places[key]
        return bytes(self._data[self._start + start : self._start + start + length])

    def _write(self, lines: list[bytes]) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self.path.with_suffix(f".{os.getpid()}")
        try:
            with draft.open("wb") as stream:
                stream.writelines(part for line in lines for part in (line, b"\n"))
            draft.replace(self.path)
        finally:
            draft.unlink(missing_ok=True)


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
