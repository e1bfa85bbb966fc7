"""What the tests of importers share: an import of texts, and what came of it as data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from focal_eval.cli import main
from focal_eval.document import Reader, plain, read_text
from focal_eval.errors import Problems
from focal_eval.importers import Imported, Source, import_files, make_importer

SHARED = Path(__file__).resolve().parents[3] / "shared"
"""Sample data beside the checkout, where there is some."""


def imported(format: str, files: dict[str, Any], named: bool = True, **options: str) -> Imported:
    """The import of files that are texts, bytes, or data to be written as JSON; it has no problems."""
    found, problems = tried(format, files, named, **options)
    assert problems == []
    return found


def tried(format: str, files: dict[str, Any], named: bool = True, **options: str) -> tuple[Imported, list[str]]:
    """The import, and its problems as people see them."""
    problems = Problems()
    sources = [Source(name, as_bytes(content), named=named) for name, content in files.items()]
    found = make_importer(format, options).read(sources, problems)
    return found, [str(problem) for problem in problems]


def as_bytes(content: Any) -> bytes:
    if isinstance(content, bytes):
        return content
    return content.encode() if isinstance(content, str) else json.dumps(content).encode()


def lines(*records: Any) -> str:
    """A record a line."""
    return "".join(json.dumps(record) + "\n" for record in records)


def script(found: Imported, name: str) -> dict[str, Any]:
    """A script as data."""
    document = read_text(found.scripts[name], name)
    data = plain(document.root, Reader(document)) if document.root is not None else None
    assert isinstance(data, dict)
    return data


def only(found: Imported) -> dict[str, Any]:
    """The one script of an import."""
    (name,) = found.scripts
    return script(found, name)


def lost(found: Imported) -> dict[str, int]:
    """What was left behind or approximated, by kind."""
    out: dict[str, int] = {}
    for loss in found.losses:
        out[loss.kind] = out.get(loss.kind, 0) + loss.count
    return out


def passes(format: str, path: Path, out: Path, **options: str) -> int:
    """Imports, checks and replays; gives how many scripts there are. Nothing is warned of, and every case passes."""
    report = import_files(format, [path], out / "imported", options)
    assert main(["check", str(out / "imported"), "--strict", "-q"]) == 0
    if report.suites:
        suite = str(out / "imported" / report.suites[0])
        assert main(["run", suite, "--out", str(out / "run"), "--report", "none", "-q"]) == 0
        header = json.loads((out / "run" / "run.json").read_bytes())
        assert header["counts"]["passed"] == len(report.scripts)
    return len(report.scripts)
