"""What every importer promises, tried on one with files of its format."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path, PurePosixPath
from typing import Any

from focal_eval.document import read_text
from focal_eval.engines.recording_reader import parse_recording
from focal_eval.errors import Problems
from focal_eval.importers import Imported, Importer, Source
from focal_eval.importers.run import gather, prove
from focal_eval.script.suite import read_suite
from focal_eval.testing.promises import Kit
from focal_eval.value import is_settled

_KIND = re.compile(r"[a-z]+(-[a-z]+)*\Z")
_HOSTILE = (
    b"",
    b"\x00",
    b"\xff\xfe\xfd",
    b"null",
    b"[]",
    b"{}",
    b"0",
    b'"text"',
    b"[" * 100_000,
    b'{"a":' * 5000,
    b"[{}]",
    b"a: [",
)


def importer_conformance(importer: Importer, paths: Sequence[Path]) -> None:
    """Raises AssertionError where an importer breaks a promise of `focal_eval.importers.base`.

    `paths` are files or folders it can import; damaged variants of them are made by the kit.
    """
    kit = Kit("importer", importer)
    _class(kit, importer)
    problems = Problems()
    sources = gather(paths, importer.suffixes, problems)
    imported = _read(kit, importer, sources, problems)
    kit.holds(not problems.errors, "the given files are imported", "; ".join(str(item) for item in problems.errors[:3]))
    kit.holds(bool(imported.scripts), "the given files hold conversations", "no script was made")
    kit.holds(_read(kit, importer, sources, Problems()) == imported, "the same bytes give the same import", "it differed")
    _sound(kit, imported, sources)
    _survives(kit, importer, sources)


def _class(kit: Kit, importer: Any) -> None:
    kind = type(importer)
    kit.holds(is_settled(kind), "an importer is a frozen dataclass", "it is not")
    suffixes = kind.suffixes
    good = isinstance(suffixes, tuple) and bool(suffixes) and all(suffix.startswith(".") for suffix in suffixes)
    kit.holds(good, "`suffixes` is a tuple such as ('.json',)", f"it is {suffixes!r}")
    for spec in fields(kind):
        option = "parse" in spec.metadata and bool(spec.metadata.get("doc"))
        kit.holds(option, "every field is an option made by `option`, with a doc", f"'{spec.name}' is not")
        try:
            spec.metadata["parse"]("\x00 no such value")
        except ValueError:
            continue
        except Exception as problem:
            kit.crashed(f"the option '{spec.name}' refuses bad text by a ValueError", problem)


def _read(kit: Kit, importer: Importer, sources: Sequence[Source], problems: Problems) -> Imported:
    try:
        return importer.read(tuple(sources), problems)
    except Exception as problem:
        kit.crashed("what is wrong with a file is a diagnostic", problem)


def _sound(kit: Kit, imported: Imported, sources: Sequence[Source]) -> None:
    """Everything that was made can be read, and is named so that it stays in its folder."""
    names = [*imported.scripts, *imported.suites, *imported.cassettes]
    kit.holds(len({name.casefold() for name in names}) == len(names), "file names differ, case apart", f"{names}")
    for name in names:
        path = PurePosixPath(name)
        inside = not path.is_absolute() and ".." not in path.parts and "\\" not in name and ":" not in name
        kit.holds(inside, "files stay below the output folder", f"{name!r} does not")
    for name in (*imported.scripts, *imported.suites):
        kit.holds(name.endswith((".yaml", ".yml")), "scripts and suites are YAML files", f"{name!r} is not named so")
    found = Problems()
    prove(imported, found)
    for name, data in imported.cassettes.items():
        parse_recording(data, name, found)
    for name, text in imported.suites.items():
        _suite(kit, name, text, imported, found)
    kit.holds(not len(found), "what is written reads back without a problem", "; ".join(str(item) for item in list(found)[:3]))
    files = {source.file for source in sources}
    for loss in imported.losses:
        kit.holds(bool(_KIND.match(loss.kind)), "a loss has a kebab-case kind", f"it was {loss.kind!r}")
        kit.holds(loss.count > 0 and bool(loss.what.strip()), "a loss is counted and said in words", f"it was {loss!r}")
        kit.holds(
            loss.example.file in files, "a loss has a first example in a file", f"{loss.example} is none of {sorted(files)}"
        )


def _suite(kit: Kit, name: str, text: str, imported: Imported, problems: Problems) -> None:
    document = read_text(text, name)
    suite = read_suite(document, Path(name))
    problems.extend(document.problems)
    if suite is None:
        return
    for engine in (suite.fields.engine, *suite.fields.engines.values()):
        file = getattr(engine.config, "file", None)
        if engine.kind == "cassette":
            wanted = str(PurePosixPath(name).parent / str(file))
            kit.holds(wanted in imported.cassettes, "a suite's cassettes are among the imported ones", f"{wanted!r} is not")


def _survives(kit: Kit, importer: Importer, sources: Sequence[Source]) -> None:
    """Damaged files give diagnostics, or an import that is sound all the same; never an exception."""
    for source in sources[:3]:
        middle = len(source.data) // 2
        cut = (source.data[:middle], source.data[middle:], source.data[:-2], source.data + b"}", source.data[:middle] + b"\xff")
        for data in (*_HOSTILE, *cut):
            problems = Problems()
            imported = _read(kit, importer, [Source(source.file, data)], problems)
            if not problems.errors:
                _sound(kit, imported, sources)
