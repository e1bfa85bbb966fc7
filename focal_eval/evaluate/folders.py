"""Run folders: found by path, unique prefix, `latest` or `previous`; read, and rendered again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from focal_eval.errors import UsageError
from focal_eval.registry import did_you_mean, find, names
from focal_eval.report.base import ReportOptions
from focal_eval.report.journal import read_run
from focal_eval.report.model import ReportModel
from focal_eval.runner.folder import HEADER, JOURNAL


def find_run(ref: str, runs: Path = Path("reports")) -> Path:
    """The folder of a run: a path, or below `runs` a unique prefix of its id, `latest` or `previous`. Raises UsageError."""
    path = Path(ref)
    if (path / JOURNAL).is_file():
        return path
    folders = _folders(runs)
    if ref in ("latest", "previous"):
        ordered = sorted(folders, key=lambda folder: (_started(folder), folder.name))
        back = 1 if ref == "latest" else 2
        if len(ordered) < back:
            raise UsageError(f"there is no {ref} run below {runs}")
        return ordered[-back]
    fitting = [folder for folder in folders if folder.name.startswith(ref)]
    exact = [folder for folder in fitting if folder.name == ref]
    if len(exact or fitting) == 1:
        return (exact or fitting)[0]
    if fitting:
        raise UsageError(f"'{ref}' fits several runs: " + ", ".join(folder.name for folder in fitting[:8]))
    if path.is_dir():
        raise UsageError(f"{ref} is not a run folder: it holds no {JOURNAL}")
    near = did_you_mean(ref, [folder.name for folder in folders], list_up_to=6)
    raise UsageError(f"no run is named '{ref}' below {runs}" + (f"; {near}" if near else ""))


def _folders(runs: Path) -> list[Path]:
    try:
        return sorted(folder for folder in runs.iterdir() if (folder / JOURNAL).is_file())
    except OSError:
        return []


def _started(folder: Path) -> str:
    return str(_header(folder).get("started_at", ""))


def _header(folder: Path) -> Mapping[str, Any]:
    """What `run.json` says; nothing where it cannot be read."""
    import orjson

    try:
        header = orjson.loads((folder / HEADER).read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return {}
    return header if isinstance(header, dict) else {}


def latest_folder(runs: Path, suite: Path, engine: str | None = None) -> Path | None:
    """The folder of the latest run of a suite, and of the engine that the suite calls so; None where there is none."""
    fitting = []
    for folder in _folders(runs):
        header = _header(folder)
        recorded, played = header.get("suite") or {}, header.get("engine") or {}
        if not isinstance(recorded, dict) or not isinstance(played, dict) or not recorded.get("file"):
            continue
        if Path(str(recorded["file"])).resolve() == suite and engine in (None, played.get("name")):
            fitting.append((str(header.get("started_at", "")), folder.name, folder))
    return max(fitting)[2] if fitting else None


def read_folder(ref: str, runs: Path = Path("reports")) -> ReportModel:
    """The run, ready to be rendered."""
    return read_run(find_run(ref, runs))


def failed_cases(ref: str, runs: Path) -> frozenset[str]:
    """The ids of cases that did not pass in a run, and of those it was cut off in. Raises UsageError where there are none."""
    model = read_folder(ref, runs)
    cut_off = [case for case in model.cases if case.verdict == "not_run"]
    ids = frozenset(case.id for case in (*model.attention, *cut_off))
    if not ids and (missing := model.counts["not_run"]):
        raise UsageError(f"no case of {ref} failed, but {missing:,} of {model.planned:,} were never begun; run them all again")
    if not ids:
        raise UsageError(f"no case of {ref} failed; there is nothing to run again")
    return ids


def check_reports(wanted: Iterable[str]) -> None:
    """Raises UsageError for a report nobody can write."""
    for name in wanted:
        if find("reporters", name) is None:
            fix = did_you_mean(name, names("reporters"))
            raise UsageError(f"no report is named '{name}'" + (f"; {fix}" if fix else ""))


def render(
    model: ReportModel, reports: Iterable[str], out: Path | None = None, options: ReportOptions | None = None
) -> Mapping[str, Path]:
    """Writes reports of a run, into its folder or to `out`; each name with the file it became."""
    wanted = list(reports)
    check_reports(wanted)
    return {name: find("reporters", name)(model, out or model.folder, options or ReportOptions()) for name in wanted}
