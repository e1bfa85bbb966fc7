"""Imports foreign files into a folder: reads them, proves every script by reading it back, then writes all or nothing."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from focal_eval.document import read_text
from focal_eval.errors import Diagnostic, Problems, Refused, StorageError
from focal_eval.importers.base import Imported, make_importer
from focal_eval.importers.beginning import with_aids
from focal_eval.importers.foreign import Source
from focal_eval.importers.losses import Loss
from focal_eval.registry import did_you_mean
from focal_eval.script.load import Loader
from focal_eval.script.model import Script
from focal_eval.source import whole_file
from focal_eval.text import counted, of_them

MAX_FILE_BYTES = 64 * 1024 * 1024
MAX_ALL_BYTES = 512 * 1024 * 1024
MAX_FILES = 10_000


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import wrote and what it left behind; paths are below `out`."""

    format: str
    out: str
    sources: tuple[str, ...]
    scripts: tuple[str, ...]
    suites: tuple[str, ...]
    cassettes: tuple[str, ...]
    conversations: int
    turns: int
    losses: tuple[Loss, ...]
    warnings: tuple[Diagnostic, ...] = ()
    kept: Mapping[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The report as plain data, places as `file:line:column`."""
        out = asdict(self)
        out["losses"] = [{**asdict(loss), "example": str(loss.example)} for loss in self.losses]
        out["warnings"] = [str(warning) for warning in self.warnings]
        return out

    def text(self) -> str:
        """The report for people: what was written, what was left behind with a first example, what to do next."""
        files = [(len(self.scripts), "script"), (len(self.cassettes), "cassette"), (len(self.suites), "suite")]
        wrote = ", ".join(counted(count, word) for count, word in files if count)
        told = f"{counted(self.conversations, 'conversation')}, {counted(self.turns, 'turn')}"
        parts = [f"Read {counted(len(self.sources), 'file')}: {told}.", f"Wrote {wrote} to {self.out}."]
        if self.kept:
            parts.append("Kept: " + ", ".join(of_them(count, what) for what, count in self.kept.items()) + ".")
        for title, fate in (("Approximated:", "approximated"), ("Left behind:", "dropped")):
            losses = tuple(loss for loss in self.losses if loss.fate == fate)
            if losses:
                parts += ["", title, *loss_lines(losses)]
        parts.extend(str(warning) for warning in self.warnings)
        if self.suites and self.cassettes:
            parts += ["", f"Run it: focal-eval run {Path(self.out, self.suites[0])}"]
        elif self.suites:
            suite = Path(self.out, self.suites[0])
            parts += ["", f"Name the engine, and a judge if you have one, in {suite}; then: focal-eval run {suite}"]
        elif self.scripts:
            parts += ["", f"Read them: focal-eval check {self.out}; a suite names the engine they are run on."]
        return "\n".join(parts)


def loss_lines(losses: tuple[Loss, ...]) -> list[str]:
    """Losses as lines of a report: how many, what they are, and where the first one stands."""
    width = max(len(f"{loss.count:,}") for loss in losses)
    out = []
    for loss in losses:
        out.append(f"  {loss.count:>{width},}  {loss.kind}: {loss.what}")
        out.append(f"  {'':>{width}}  first at {loss.example}")
    return out


def import_files(
    format: str, paths: Sequence[Path], out: Path, options: Mapping[str, str] | None = None, *, force: bool = False
) -> ImportReport:
    """Imports files and whole folders of a foreign format into `out`; nothing is written unless all of it can be.

    A file that is there already and differs refuses the import unless `force` is set: somebody may have edited it.
    Raises Refused with every problem of every file, UsageError for an unknown format or option, StorageError.
    """
    importer = make_importer(format, options)
    problems = Problems()
    sources = gather(paths, importer.suffixes, problems)
    imported = importer.read(sources, problems) if sources else Imported({})
    if not problems.errors:
        if not imported.scripts:
            problems.error("import-nothing", "no conversation was found to import", whole_file(str(paths[0])))
        proven = prove(imported, problems)
        imported = replace(imported, suites=with_aids(imported.suites, proven, format, imported.scripts))
    files = _files(imported)
    if not problems.errors and not force:
        _refuse_overwriting(files, out, problems)
    if problems.errors:
        raise Refused(f"nothing was imported: {counted(len(problems.errors), 'problem')}", problems)
    _write(files, out)
    return ImportReport(
        format,
        str(out),
        tuple(source.file for source in sources),
        tuple(imported.scripts),
        tuple(imported.suites),
        tuple(imported.cassettes),
        imported.conversations,
        imported.turns,
        imported.losses,
        tuple(problems),
        imported.kept,
    )


def gather(paths: Sequence[Path], suffixes: tuple[str, ...], problems: Problems) -> tuple[Source, ...]:
    """The files' contents, of a folder those with the importer's suffixes, in order of their paths."""
    found: list[Path] = []
    named = set()
    for path in paths:
        if path.is_dir():
            below = list(files_below(path, suffixes))
            if not below:
                wanted = " or ".join(f"*{suffix}" for suffix in suffixes)
                problems.error("import-nothing", f"the folder holds no {wanted}", whole_file(str(path)))
            found.extend(below)
        else:
            found.append(path)
            named.add(path)
    if len(found) > MAX_FILES:
        problems.error("import-too-large", f"more than {MAX_FILES:,} files", whole_file(str(paths[0])))
        return ()
    sources, total = [], 0
    for path in dict.fromkeys(found):
        source = _read(path, problems, named=path in named)
        if source is not None:
            total += len(source.data)
            sources.append(source)
        if total > MAX_ALL_BYTES:
            said = f"the files are larger than {MAX_ALL_BYTES >> 20} MiB together"
            problems.error("import-too-large", said, whole_file(str(path)), help="import them in parts")
            break
    return tuple(sources)


def files_below(folder: Path, suffixes: tuple[str, ...]) -> Iterable[Path]:
    """The files of a folder with one of these suffixes, in order of their paths; what is hidden is passed over."""
    seen = 0
    for here, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if name.endswith(suffixes) and not name.startswith("."):
                yield Path(here, name)
                seen += 1
        if seen > MAX_FILES:
            return


def _read(path: Path, problems: Problems, *, named: bool) -> Source | None:
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        fix = did_you_mean(path.name, (item.name for item in path.parent.iterdir())) if path.parent.is_dir() else None
        problems.error("import-unreadable", "there is no such file or folder", whole_file(str(path)), help=fix)
        return None
    except (OSError, ValueError) as problem:
        said = getattr(problem, "strerror", None) or str(problem)
        problems.error("import-unreadable", f"the file cannot be read: {said}", whole_file(str(path)))
        return None
    if len(data) > MAX_FILE_BYTES:
        problems.error("import-too-large", f"the file is larger than {MAX_FILE_BYTES >> 20} MiB", whole_file(str(path)))
        return None
    return Source(str(path), data, named=named)


def prove(imported: Imported, problems: Problems) -> list[Script]:
    """The scripts, read back; one that our own reader finds fault with must not be written."""
    loader, scripts = Loader(Path()), []
    for path, text in imported.scripts.items():
        document = read_text(text, path)
        made = loader.from_document(document, Path(path), str(PurePosixPath(path).with_suffix("")))
        scripts += [] if made is None else [made]
        for found in document.problems:
            problems.error("import-unwritable", f"the script would not read back: {found.message}", found.span, help=found.help)
    return scripts


def _files(imported: Imported) -> dict[str, bytes]:
    texts = {**imported.scripts, **imported.suites}
    return {**{path: text.encode() for path, text in texts.items()}, **imported.cassettes}


def _refuse_overwriting(files: Mapping[str, bytes], out: Path, problems: Problems) -> None:
    for name, data in files.items():
        path = out / name
        try:
            same = not path.exists() or (path.stat().st_size == len(data) and path.read_bytes() == data)
        except OSError as problem:
            raise StorageError(f"{path} cannot be read: {problem.strerror or problem}") from None
        if not same:
            fix = "import into another folder, or overwrite it with --force"
            problems.error("import-overwrites", "the file is there already and differs", whole_file(str(path)), help=fix)


def _write(files: Mapping[str, bytes], out: Path) -> None:
    for name, data in files.items():
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts:
            raise StorageError(f"the importer names a file outside its folder: {name}")
        target = out / path
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        except OSError as problem:
            raise StorageError(f"{target} cannot be written: {problem.strerror or problem}") from None
