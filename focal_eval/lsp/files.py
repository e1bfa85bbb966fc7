"""The texts an editor has open and those on disk, each read once as long as it stays what it is."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from focal_eval.compare.baseline_reading import looks_like_baseline
from focal_eval.document import Document, read_file
from focal_eval.document.reader import unsaved
from focal_eval.errors import Problems
from focal_eval.lsp.positions import Lines, Units
from focal_eval.script.load import is_fragment, shown
from focal_eval.script.quarantine import looks_like_quarantine
from focal_eval.script.suite import looks_like_agent, looks_like_suite

MOST_KEPT = 64  # documents with their nodes
Stamp = tuple[str, int, int]


class Files:
    """Documents by path: an editor's text where it has one, else the file's."""

    def __init__(self) -> None:
        self.units: Units = "utf-16"
        self._open: dict[Path, tuple[str, int]] = {}
        self._bytes: dict[str, bytes] = {}
        self._kept: OrderedDict[Path, tuple[Stamp, Document, Lines]] = OrderedDict()
        self._kinds: dict[Path, tuple[Stamp, str]] = {}
        self._changes = 0

    def put(self, path: Path, text: str) -> None:
        """An editor holds this text of the file."""
        self._changes += 1
        self._open[path] = (text.removeprefix("\ufeff"), self._changes)
        self._bytes[str(path)] = self._open[path][0].encode("utf-8", "replace")

    def drop(self, path: Path) -> None:
        """The editor closed the file: what is on disk counts."""
        self._open.pop(path, None)
        self._bytes.pop(str(path), None)

    def with_texts(self, texts: Mapping[Path, str]) -> Files:
        """The same files, some with other texts."""
        made = Files()
        made.units, made._changes = self.units, self._changes
        made._open, made._bytes, made._kept = dict(self._open), dict(self._bytes), self._kept.copy()
        made._kinds = dict(self._kinds)
        for path, text in texts.items():
            made.put(path, text)
        return made

    def is_open(self, path: Path) -> bool:
        return path in self._open

    @property
    def opened(self) -> list[Path]:
        """The files the editor holds, sorted."""
        return sorted(self._open)

    def held(self, more: Mapping[Path, str] | None = None) -> AbstractContextManager[None]:
        """While it lasts every reader of this package sees the editor's texts; `more` are texts that might be."""
        texts = self._bytes
        if more:
            texts = texts | {str(path): text.encode("utf-8", "replace") for path, text in more.items()}
        return unsaved(texts)

    def stamp(self, path: Path) -> Stamp:
        """What changes when the text does."""
        if (held := self._open.get(path)) is not None:
            return ("open", held[1], 0)
        try:
            seen = os.stat(path)  # noqa: PTH116  # once a file and request
        except (OSError, ValueError):
            return ("gone", 0, 0)
        return ("disk", seen.st_mtime_ns, seen.st_size)

    def document(self, path: Path) -> Document:
        """The document with its nodes and the problems of its syntax; nobody may add to those."""
        return self._read(path)[1]

    def lines(self, path: Path) -> Lines:
        """The text by its lines."""
        return self._read(path)[2]

    def fresh(self, path: Path) -> Document:
        """The same document, whose problems may be added to."""
        kept = self.document(path)
        problems = Problems()
        problems.extend(kept.problems)
        return Document(kept.file, kept.text, kept.root, problems)

    def _read(self, path: Path) -> tuple[Stamp, Document, Lines]:
        stamp = self.stamp(path)
        found = self._kept.get(path)
        if found is None or found[0] != stamp:
            with self.held():
                document = read_file(path, shown(path))
            text = self._open[path][0] if path in self._open else document.text
            found = self._kept[path] = (stamp, document, Lines(text, self.units))
        self._kept.move_to_end(path)
        if len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
        return found

    def kind(self, path: Path) -> str:
        """`fragment`, `suite`, `agent`, `baseline`, `quarantine` or `script`, by the keys it has."""
        stamp = self.stamp(path)
        known = self._kinds.get(path)
        if known is None or known[0] != stamp:
            known = self._kinds[path] = (stamp, self._kind(path))
        return known[1]

    def _kind(self, path: Path) -> str:
        if is_fragment(path):
            return "fragment"
        root = self.document(path).root
        if root is None:
            return kind_of_text(self.lines(path).text)
        if looks_like_suite(root):
            return "suite"
        if looks_like_quarantine(root):
            return "quarantine"
        if looks_like_baseline(root):
            return "baseline"
        return "agent" if looks_like_agent(root) else "script"


def kind_of_text(text: str) -> str:
    """What a text that cannot be read is most likely meant as, by the keys at the beginning of its lines."""
    keys = {line.partition(":")[0] for line in text.splitlines() if line[:1].isalpha()}
    if keys & {"turns", "simulator"}:
        return "script"
    if keys & {"scripts", "engine"}:
        return "suite"
    return "agent" if keys & {"agent", "rules"} else "script"
