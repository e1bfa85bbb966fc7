"""The scripts of a suite, of which many are not held in memory but read again when their turn comes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from focal_eval.clock import content_id
from focal_eval.document.reader import bytes_of
from focal_eval.errors import StorageError
from focal_eval.script.cache import Cached
from focal_eval.script.facts import Facts
from focal_eval.script.load import Loader
from focal_eval.script.model import Mark, Script
from focal_eval.value import value

_ONE_ROW: tuple[Mapping[str, Any], ...] = ({},)
HELD = 2_000  # scripts, some 40 MB of them, or 8 MB where they are packed
UNPACKED = 200  # of those that the cache has

Finish = Callable[[Script], Script]
"""What is done to each script that was read, such as adding expectations that the suite asks for."""


@value
class Filed:
    """Stands for a script: what planning asks of it is here, and for anything else it is read."""

    shelf: Shelf
    id: str
    file: str
    digest: str
    tags: tuple[str, ...]
    rows: tuple[Mapping[str, Any], ...]
    skip: Mark | None
    count: int  # turns
    wordings: int  # of the turn that has most
    facts: Facts | None = None  # where it needs no closer look
    held: Cached | None = None  # all that it takes to unpack it

    def load(self) -> Script:
        """The script itself. Raises StorageError where its file is not any more what it was."""
        return self.shelf.load(self)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.load(), name)


class Shelf:
    """Scripts in order; each pass over them reads those again that are not held."""

    def __init__(self, loader: Loader, finish: Finish, held: int | None = HELD) -> None:
        self._loader, self._finish, self._most = loader, finish, held
        self._scripts: list[Script | Filed] = []
        self._last: tuple[str, Script] | None = None
        self._facts: dict[Facts, Facts] = {}  # those that several scripts share, once

    def add(self, script: Script, cached: Cached | None = None) -> None:
        """Puts a script on the shelf, finished already; what the cache has of it takes a tenth of the memory."""
        if self._room and (cached is None or self._most is None or len(self._scripts) < UNPACKED):
            self._scripts.append(script)
            return
        wordings, held = wordings_of(script), cached if self._room else None
        rest = (script.tags, script.rows, script.skip, turns_of(script), wordings, None, held)
        self._scripts.append(Filed(self, script.id, script.file, script.digest, *rest))

    def put(self, cached: Cached, facts: Facts) -> None:
        """Puts a script on the shelf that is unpacked when it is asked for, from memory where there is room."""
        held = cached if self._room else None
        known = self._facts.get(facts)
        if known is None and len(self._facts) < HELD:
            known = self._facts[facts] = facts
        of = (cached.id, cached.file, cached.digest, facts.tags if known is None else known.tags)
        self._scripts.append(Filed(self, *of, _ONE_ROW, None, facts.turns, facts.wordings, known, held))

    @property
    def _room(self) -> bool:
        return self._most is None or len(self._scripts) < self._most

    def __len__(self) -> int:
        return len(self._scripts)

    def __iter__(self) -> Iterator[Script]:
        for script in self._scripts:
            yield script.load() if isinstance(script, Filed) else script

    def clear(self) -> None:
        """Lets go of all scripts, which refer to their shelf."""
        self._scripts.clear()
        self._last = None

    @property
    def planned(self) -> Iterator[Script]:
        """The scripts for whoever asks no more of them than planning does."""
        return iter(cast("list[Script]", self._scripts))

    def load(self, filed: Filed) -> Script:
        """The script that is meant; the one that was asked for last is remembered."""
        if self._last is not None and self._last[0] == filed.id:
            return self._last[1]
        script = self._finish(self._read(filed))
        self._last = filed.id, script
        return script

    def _read(self, filed: Filed) -> Script:
        found = self._cached(filed) if filed.held is None else filed.held.load()
        if found is not None:
            return found
        read = self._loader.one(Path(filed.file), filed.id)
        if read is None or read.digest != filed.digest:
            raise StorageError(f"{filed.file} was changed while the run was going on")
        return read

    def _cached(self, filed: Filed) -> Script | None:
        cache = self._loader.cache
        return None if cache is None else cache.load(filed.file, filed.id, filed.digest, _data_of(filed))


def _data_of(filed: Filed) -> bytes:
    """The bytes of a script's file, for showing places in it; nothing where it was changed meanwhile."""
    try:
        data = bytes_of(Path(filed.file))
    except (OSError, ValueError):
        return b""
    return data if content_id(data, length=64) == filed.digest else b""


def opened(script: Script) -> Script:
    """The script itself, where something stands for it."""
    return script.load() if isinstance(script, Filed) else script


def turns_of(script: Script) -> int:
    """How many turns a script has; of a simulated user, the most that it may have."""
    if isinstance(script, Filed):
        return script.count
    return len(script.turns) if script.simulator is None else script.simulator.max_turns.times


def wordings_of(script: Script) -> int:
    """How many cases the wordings of its turns make, where each is tried."""
    if isinstance(script, Filed):
        return script.wordings
    return max((len(turn.user) for turn in script.authored), default=1) or 1
