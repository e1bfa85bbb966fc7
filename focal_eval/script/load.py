"""Finds script files and loads them, fragments spliced in; all errors of all files come out of one pass."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from focal_eval.clock import content_id
from focal_eval.document import INVALID, Document, Reader, read_bytes, read_file, record_of
from focal_eval.document.reader import Node, bytes_of, is_unsaved
from focal_eval.errors import Advice, Diagnostic
from focal_eval.registry import nearest
from focal_eval.script.cache import Cached, ScriptCache
from focal_eval.script.model import Script
from focal_eval.script.previews import check_fillings
from focal_eval.script.templates import Trail, may_hold_templates
from focal_eval.source import whole_file
from focal_eval.value import value

MAX_FILES = 100_000
_SKIPPED_FOLDERS = frozenset({".git", ".venv", "node_modules", "__pycache__"})


def is_fragment(path: Path) -> bool:
    """Whether a file is spliced into scripts and not one itself: `*.fragment.yaml`, or in a folder `fragments`."""
    text = str(path)
    if "fragment" not in text:  # as most paths: a path's parts are slow to have
        return False
    return path.stem.endswith(".fragment") or "fragments" in path.parts[:-1]


def is_there(path: Path) -> bool:
    """Whether something is at a path; a path that no system takes leads nowhere."""
    try:
        return path.exists() or is_unsaved(path)
    except (OSError, ValueError):  # too long, a NUL in it
        return False


def real(path: Path) -> Path:
    """The path with links followed as far as they lead: a link to itself stays what it is, and cannot be read."""
    return Path(os.path.realpath(path))


def is_folder(path: Path) -> bool:
    """Whether a folder is at a path."""
    return is_there(path) and path.is_dir()


def shown(path: Path) -> str:
    """The path as messages show it: relative to the current folder where that is shorter."""
    folder, separator, name = str(path).rpartition(os.sep)
    return _shown_folder(folder + separator, os.getcwd()) + name  # noqa: PTH109  # on text: once a file


@lru_cache(maxsize=256)
def _shown_folder(folder: str, here: str) -> str:
    text = os.path.relpath(folder or ".", here)
    if text == ".":
        return ""
    return folder if text.startswith("..") and len(text) > len(folder) else text + os.sep


def files_below(folder: Path) -> list[Path]:
    """Every YAML file below a folder, sorted; hidden folders are left out."""
    out: list[Path] = []
    for here, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in _SKIPPED_FOLDERS and not name.startswith("."))
        out.extend(Path(here, name) for name in sorted(names) if name.endswith((".yaml", ".yml")) and not name.startswith("."))
        if len(out) > MAX_FILES:
            break
    return out


@dataclass(slots=True)
class Loaded:
    """Scripts and every problem found on the way."""

    scripts: list[Script] = field(default_factory=list)
    problems: list[Diagnostic] = field(default_factory=list)
    files: int = 0

    @property
    def errors(self) -> list[Diagnostic]:
        return [problem for problem in self.problems if problem.severity == "error"]


class Loader:
    """Loads scripts whose includes must stay below `root`; from a cache, where there is one, what it knows."""

    def __init__(self, root: Path, cache: ScriptCache | None = None) -> None:
        self.root = root.resolve()
        self.cache = cache
        self._fragments: dict[Path, _Fragment] = {}
        self.loaded = Loaded()

    def load(self, entries: Iterable[tuple[Path, str]]) -> Loaded:
        """Loads (path, script id) pairs, in order."""
        self.loaded.scripts.extend(self.each(entries))
        return self.loaded

    def each(self, entries: Iterable[tuple[Path, str]]) -> Iterator[Script]:
        """The scripts of (path, script id) pairs, in order, one at a time; problems are in `loaded`."""
        for found in self.glance(entries):
            script = self.whole(found) if isinstance(found, Cached) else found
            if script is not None:
                yield script

    def glance(self, entries: Iterable[tuple[Path, str]]) -> Iterator[Script | Cached]:
        """The same, where scripts that the cache has are not unpacked yet; `whole` does that."""
        for path, name in entries:
            self.loaded.files += 1
            found = self._script(path, name)
            if found is not None:
                yield found
        if self.cache is not None:
            self.cache.save()

    def whole(self, found: Cached) -> Script | None:
        """The script that the cache has; read from its file where the cache is damaged."""
        return found.load() or self._read(read_bytes(found.data, found.file), Path(found.file), found.id)

    def one(self, path: Path, id: str) -> Script | None:
        """A script read anew from its file, None where that is in no order."""
        return self.from_document(read_file(path, shown(path)), path, id)

    def check_fragment(self, path: Path) -> None:
        """Reads a fragment on its own: names may come from the scripts that include it."""
        self.loaded.files += 1
        resolved = real(path)
        if resolved not in self._fragments:
            self._read_fragment(resolved, ())

    def _script(self, path: Path, id: str) -> Script | Cached | None:
        file = shown(path)
        data = b"" if self.cache is None else _bytes_of(path)
        if data and self.cache is not None and (known := self.cache.find(data, file, id)) is not None:
            return known
        return self._read(read_bytes(data, file) if data else read_file(path, file), path, id)

    def _read(self, document: Document, path: Path, id: str) -> Script | None:
        script = self.from_document(document, path, id)
        self.loaded.problems.extend(document.problems)
        if script is not None and self.cache is not None and not document.problems:
            self.cache.keep(script)
        return script

    def from_document(self, document: Document, path: Path, id: str) -> Script | None:
        """The script in a document that was read already; its problems stay in the document."""
        from focal_eval.script.read import read_script  # slow to import, and not needed where all scripts are in the cache

        reader = Reader(document)
        reader.scratch["include"] = _Splice(self, path, ()).include
        script = read_script(document, id, reader)
        templated = may_hold_templates(reader) or "texts" in reader.scratch  # here, or perhaps in a fragment
        if script is not None and templated and not document.problems.errors:
            document.problems.extend(check_fillings(script))
        if document.problems.errors:
            return None
        if script is not None and (digests := reader.scratch.get("digests")):
            script = _with_digest(script, digests)
        return script

    def shown(self, path: Path) -> str:
        """What messages call a fragment."""
        return shown(path)

    def fragment(self, path: Path, stack: tuple[Path, ...]) -> _Fragment:
        if path not in self._fragments:
            self._read_fragment(path, stack)
        return self._fragments[path]

    def _read_fragment(self, path: Path, stack: tuple[Path, ...]) -> None:
        document = read_file(path, self.shown(path))
        reader = Reader(document)
        reader.scratch["include"] = _Splice(self, path, (*stack, path)).include
        value: Any = INVALID
        if document.root is not None:
            from focal_eval.script.read import FragmentFields  # as in `from_document`

            value = record_of(FragmentFields).read(document.root, reader)
        elif not document.problems.errors:
            document.problems.error(
                "empty-file", "the file is empty", whole_file(document.file), help="a fragment has 'turns:'"
            )
        self._fragments[path] = _Fragment(document, value, reader.scratch)
        self.loaded.problems.extend(document.problems)


def _bytes_of(path: Path) -> bytes:
    """What is in a file; nothing where it cannot be read, which reading it as a document then says."""
    try:
        return bytes_of(path)
    except (OSError, ValueError):
        return b""


def _with_digest(script: Script, digests: list[str]) -> Script:
    from dataclasses import replace

    return replace(script, digest=content_id(script.digest, *digests))


@value
class _Fragment:
    document: Document
    value: Any
    scratch: dict[str, Any]


@value
class _Splice:
    """What `include` does for one file: resolves the path, refuses cycles and escapes, returns the fragment's turns."""

    loader: Loader
    path: Path
    stack: tuple[Path, ...]

    def include(self, target: str, node: Node, reader: Reader) -> Any:
        try:
            here = self.path.resolve()
            path = (here.parent / target).resolve()
            there = path.is_file() or is_unsaved(path)
        except (OSError, ValueError, RuntimeError):  # too long, a NUL in it, a loop of links
            return reader.error("bad-include", "this is not a path", node)
        if Path(target).is_absolute() or not path.is_relative_to(self.loader.root):
            return reader.error("include-outside", f"'{target}' lies outside {shown(self.loader.root)}", node)
        if path in self.stack or path == here:
            chain = " → ".join(shown(step) for step in (*self.stack, path))
            return reader.error("include-cycle", f"this file includes itself: {chain}", node)
        if len(self.stack) > 16:
            return reader.error("include-cycle", "fragments are nested deeper than 16", node)
        if not there:
            return reader.error("missing-include", f"there is no file {shown(path)}", node, help=nearest_file(path))
        fragment = self.loader.fragment(path, self.stack)
        if fragment.value is INVALID:
            return reader.error("broken-include", f"{shown(path)} has errors of its own", node)
        scratch = reader.scratch
        scratch.setdefault("texts", {})[fragment.document.file] = fragment.document.text
        scratch["texts"].update(fragment.scratch.get("texts", {}))
        scratch.setdefault("digests", []).extend([fragment.document.digest, *fragment.scratch.get("digests", ())])
        scratch.setdefault("stubs", []).extend([*fragment.value.tools, *fragment.scratch.get("stubs", ())])
        Trail.of(reader).splice(fragment.scratch.get("trail", Trail()))
        return fragment.value.turns


def nearest_file(path: Path) -> str | None:
    """The advice for a path that leads nowhere: the file beside it with the nearest name."""
    try:
        near = nearest(path.name, [item.name for item in path.parent.iterdir() if item.name != path.name])
    except (OSError, ValueError):
        return None
    return Advice(f"did you mean '{near}'?", path.name, near) if near else None
