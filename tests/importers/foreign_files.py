"""Foreign files written, imported and read back as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from focal_eval.cli import main
from focal_eval.importers import ImportReport, import_files
from focal_eval.importers.base import make_importer
from focal_eval.testing import importer_conformance

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


@dataclass
class Came:
    """What came of an import."""

    report: ImportReport
    scripts: Mapping[str, Any]

    @property
    def only(self) -> Any:
        (script,) = self.scripts.values()
        return script

    @property
    def losses(self) -> dict[str, int]:
        return {loss.kind: loss.count for loss in self.report.losses}

    def fate(self, kind: str) -> str:
        return next(loss.fate for loss in self.report.losses if loss.kind == kind)


def came(format: str, folder: Path, files: Mapping[str, str], **options: str) -> Came:
    """Imports these files as a folder; the importer keeps its contract on them, and `check` has nothing to say."""
    given = folder / "given"
    for name, text in files.items():
        path = given / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return imported(format, given, folder / "out", **options)


def imported(format: str, given: Path, out: Path, **options: str) -> Came:
    """Imports a file or folder that is there."""
    report = import_files(format, [given], out, options)
    importer_conformance(make_importer(format, options), [given])
    assert main(["check", str(out), "--format", "concise"]) == 0
    scripts = {name: yaml.safe_load((out / name).read_text(encoding="utf-8")) for name in report.scripts}
    return Came(report, scripts)
