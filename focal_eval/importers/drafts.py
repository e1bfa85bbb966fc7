"""Scripts while they are imported: where each is written below the output folder, under a name nobody else has.

A file with several conversations becomes a folder, one with a single conversation a file; folders are kept as they were.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath, PurePosixPath
from typing import Any

from focal_eval.errors import Problems
from focal_eval.importers.base import Imported
from focal_eval.importers.chat import MAX_TURNS
from focal_eval.importers.foreign import Source
from focal_eval.importers.losses import Losses
from focal_eval.importers.tree import Place
from focal_eval.importers.write import data_said, said, yaml_text
from focal_eval.text import shorten

MAX_SCRIPTS = 20_000
MAX_NAME = 80
MAX_TITLE = 120
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]+")
_DEVICES = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)\Z", re.IGNORECASE)  # no file of Windows may be named so


def slug(text: str, otherwise: str) -> str:
    """A file's name made from foreign words."""
    name = _NOT_IN_NAMES.sub("-", text.strip()).strip("-")[:MAX_NAME].rstrip("-") or otherwise
    return f"{name}-" if _DEVICES.match(name) else name


@dataclass(frozen=True, slots=True)
class Draft:
    """One conversation: a name to make the file's from, and the script's data in the order it is written."""

    name: str
    script: Mapping[str, Any]
    place: Place


@dataclass(slots=True)
class Scripts:
    """Gathers the scripts of an import."""

    sources: Sequence[Source]
    problems: Problems
    losses: Losses
    suffixes: tuple[str, ...] = ()  # cut off the files' names, the longest first
    texts: dict[str, str] = field(default_factory=dict)
    turns: int = 0
    _taken: set[str] = field(default_factory=set)

    def add(self, source: Source, drafts: Sequence[Draft]) -> None:
        """Takes the conversations of one file."""
        below = self._below(source)
        for draft in drafts:
            turns = draft.script.get("turns") or ()
            if len(turns) > MAX_TURNS:
                said_ = f"'{draft.name}' has {len(turns):,} turns; a script holds up to {MAX_TURNS:,}"
                self.problems.error("import-too-large", said_, draft.place())
                continue
            if len(self.texts) >= MAX_SCRIPTS:
                self.problems.error("import-too-large", f"more than {MAX_SCRIPTS:,} scripts", draft.place())
                return
            stem = str(below if len(drafts) == 1 else below / slug(draft.name, "conversation"))
            self.texts[self._free(stem)] = yaml_text(draft.script)
            self.turns += len(turns)

    def imported(self) -> Imported:
        """All that was gathered."""
        return Imported(
            dict(sorted(self.texts.items())),
            losses=self.losses.listed(),
            conversations=len(self.texts),
            turns=self.turns,
            kept=self.losses.kept(),
        )

    def _free(self, stem: str) -> str:
        name, count = stem, 2
        while name.casefold() in self._taken:
            name, count = f"{stem}-{count}", count + 1
        self._taken.add(name.casefold())
        return f"scenarios/{name}.yaml"

    def _below(self, source: Source) -> PurePosixPath:
        """The file's path below the folder that all files share, without its suffix."""
        path = source.file.replace("\\", "/")
        if len(self.sources) > 1:
            shared = os.path.commonpath([item.file for item in self.sources]) if self._comparable() else ""
            path = path[len(shared) :]
        else:
            path = path.rpartition("/")[2]
        suffix = next((item for item in sorted(self.suffixes, key=len, reverse=True) if path.endswith(item)), "")
        parts = [slug(part, "file") for part in path.removesuffix(suffix).split("/") if part not in ("", ".", "..")]
        return PurePosixPath(*(parts or ["file"]))

    def _comparable(self) -> bool:
        return len({PurePath(item.file).is_absolute() for item in self.sources}) == 1


def origin(format: str, source: Source, place: Place, **more: Any) -> dict[str, Any]:
    """Where a script came from: the format, the file, the line, and what else names the conversation there."""
    out: dict[str, Any] = {"format": format, "file": said(PurePath(source.file).name), "line": place().line}
    return out | {name: data_said(value) for name, value in more.items() if value not in (None, "", [], {})}


def together(items: Sequence[Mapping[str, Any]]) -> Any:
    """Expectations as one mapping where their keys allow it, else as a list; None where there are none."""
    out: list[dict[str, Any]] = []
    for index, item in enumerate(items):
        if item in items[:index]:
            continue
        fits = next((one for one in out if _apart(one, item)), None)
        if fits is None:
            out.append(dict(item))
            continue
        for key, value in item.items():
            fits[key] = {**fits[key], **value} if key in fits else value
    if not out:
        return None
    return out[0] if len(out) == 1 else out


def _apart(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two expectations can stand in one mapping and mean the same: no key twice, but parts of `response`."""
    if not _WORDS.isdisjoint(one) or not _WORDS.isdisjoint(other):
        return False
    for key in set(one) & set(other):
        if key != "response" or not isinstance(one[key], Mapping) or not isinstance(other[key], Mapping):
            return False
        if set(one[key]) & set(other[key]) or not _WORDS.isdisjoint({*one[key], *other[key]}):
            return False
    return True


_WORDS = frozenset({"soft", "because", "not", "any_of", "all_of"})


def turn(user: str | Sequence[str] | None, *, expect: Sequence[Mapping[str, Any]] = (), **more: Any) -> dict[str, Any]:
    """A turn as it is written; what is None is left out. Several texts are variants."""
    out: dict[str, Any] = {}
    if user is not None:
        out["user"] = said(user) if isinstance(user, str) else [said(text) for text in user]
    out |= {name: value for name, value in more.items() if value is not None}
    found = together(expect)
    return out if found is None else out | {"expect": found}


def script(title: str, tags: Sequence[str], origin: Mapping[str, Any], **parts: Any) -> dict[str, Any]:
    """A script's data in the order it is written; what is empty is left out."""
    out: dict[str, Any] = {"title": shorten(title, MAX_TITLE)} if title.strip() else {}
    out["tags"] = list(dict.fromkeys(tag for tag in tags if tag.strip()))
    order = ("description", "metadata", "origin", "given", "params", "tools", "turns", "conversation")
    given = {**parts, "origin": origin}
    return out | {name: given[name] for name in order if given.get(name)}
