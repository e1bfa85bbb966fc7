"""Scripts go back to another tool's format: what it cannot express refuses the export, or is told, as the caller says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from focal_eval.errors import Problems, Refused, StorageError, UsageError
from focal_eval.importers import export_promptfoo, export_rasa
from focal_eval.importers.exporting import Format, cases_of, load_scripts
from focal_eval.importers.losses import Loss, Losses
from focal_eval.importers.run import loss_lines
from focal_eval.registry import did_you_mean
from focal_eval.source import whole_file
from focal_eval.text import counted, of_them

FORMATS: Mapping[str, Format] = {"promptfoo": export_promptfoo.FORMAT, "rasa": export_rasa.FORMAT}


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What an export wrote and what the format could not express."""

    format: str
    out: str
    files: tuple[str, ...]
    cases: int
    turns: int
    kept: Mapping[str, int]
    losses: tuple[Loss, ...]

    def to_json(self) -> dict[str, Any]:
        """The report as plain data, places as `file:line:column`."""
        return asdict(self) | {"losses": [{**asdict(loss), "example": str(loss.example)} for loss in self.losses]}

    def text(self) -> str:
        """The report for people."""
        parts = [f"Wrote {counted(self.cases, 'case')}, {counted(self.turns, 'turn')} to {self.out}."]
        if self.kept:
            parts.append("Kept: " + ", ".join(of_them(count, what) for what, count in self.kept.items()) + ".")
        for title, fate in (("Approximated:", "approximated"), ("Left behind:", "dropped")):
            found = tuple(loss for loss in self.losses if loss.fate == fate)
            if found:
                parts += ["", title, *loss_lines(found)]
        return "\n".join(parts)


def export_files(format: str, paths: Sequence[Path], out: Path, *, lossy: bool = False, force: bool = False) -> ExportReport:
    """Exports scripts, folders of them, or those of suites into a folder; nothing is written unless all of it can be.

    What the format cannot express refuses the export unless `lossy`; what it says only nearly is told in the report.
    Raises Refused with every such thing at its place, UsageError for an unknown format, StorageError.
    """
    if format not in FORMATS:
        raise UsageError(f"nothing is exported to '{format}'; {did_you_mean(format, FORMATS)}")
    chosen = FORMATS[format]
    losses = Losses(chosen.sentences, chosen.approximated)
    cases = [case for script in load_scripts(paths) for case in cases_of(script, losses, chosen.template)]
    if not cases and losses.listed():
        raise Refused("nothing was exported: what simulated users would say is not known before they say it")
    if not cases:
        raise Refused("nothing was exported: there are no scripts in " + ", ".join(map(str, paths)))
    files = chosen.write(cases, losses)
    dropped = [loss for loss in losses.listed() if loss.fate == "dropped"]
    if dropped and not lossy:
        problems = Problems()
        for loss in dropped:
            problems.error("export-lossy", f"{loss.what} ({loss.count:,})", loss.example, help="--lossy leaves them behind")
        raise Refused(
            f"nothing was exported: {format} cannot express {counted(len(dropped), 'kind of things', 'kinds of things')}",
            problems,
        )
    _write(files, out, force)
    turns = sum(len(case.turns) for case in cases)
    return ExportReport(format, str(out), tuple(files), len(cases), turns, losses.kept(), losses.listed())


def _write(files: Mapping[str, str], out: Path, force: bool) -> None:
    problems = Problems()
    for name, text in files.items():
        path = out / name
        try:
            if not force and path.exists() and path.read_text(encoding="utf-8", errors="replace") != text:
                fix = "export into another folder, or overwrite it with --force"
                problems.error("import-overwrites", "the file is there already and differs", whole_file(str(path)), help=fix)
        except OSError as problem:
            raise StorageError(f"{path} cannot be read: {problem.strerror or problem}") from None
    if problems.errors:
        raise Refused("nothing was exported: files would be overwritten", problems)
    for name, text in files.items():
        path = out / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as problem:
            raise StorageError(f"{path} cannot be written: {problem.strerror or problem}") from None
