"""What every reporter promises, tried on one with a small hostile run."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from focal_eval.errors import StorageError
from focal_eval.report import Reporter, read_run
from focal_eval.testing.doubles import sample_run
from focal_eval.testing.promises import Kit


def reporter_conformance(write: Reporter) -> None:
    """Raises AssertionError where a reporter breaks a promise of `focal_eval.report.base`."""
    kit = Kit("reporter", write)
    kit.subject = getattr(write, "__module__", kit.subject).rpartition(".")[2]
    with TemporaryDirectory() as folder:
        run = sample_run(Path(folder, "run"))
        before = _contents(run)
        first = _written(kit, write, run, Path(folder, "one"))
        second = _written(kit, write, run, Path(folder, "two"))
        kit.holds(first.read_bytes() == second.read_bytes(), "the same run gives the same bytes", "two renderings differ")
        kit.holds(first.name == second.name, "a reporter has one file name of its own", f"{first.name!r}, then {second.name!r}")
        kit.holds(_contents(run) == before, "a reporter leaves the run alone", "the run folder was changed")
        _named(kit, write, run, Path(folder))
        _refused(kit, write, run, Path(folder))


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def _written(kit: Kit, write: Reporter, run: Path, out: Path) -> Path:
    """The file, written into a folder."""
    out.mkdir()
    try:
        path = write(read_run(run), out)
    except Exception as problem:
        kit.crashed("a run is rendered, whatever was said in it", problem)
    kit.holds(isinstance(path, Path) and path.is_file(), "it returns the path of the file it wrote", f"it returned {path!r}")
    found = sorted(item.name for item in out.iterdir())
    kit.holds(found == [path.name], "it writes one file into the folder", f"the folder holds {found}")
    kit.holds(path.stat().st_size > 0, "a rendering says something", "the file is empty")
    return path


def _named(kit: Kit, write: Reporter, run: Path, folder: Path) -> None:
    wanted = folder / "deeper" / "named.out"
    path = write(read_run(run), wanted)
    kit.holds(path == wanted and wanted.is_file(), "it writes the file that is asked for, its folder made", f"it wrote {path}")


def _refused(kit: Kit, write: Reporter, run: Path, folder: Path) -> None:
    """A file in the way of a folder cannot be written below, whoever asks."""
    obstacle = folder / "obstacle"
    obstacle.write_bytes(b"")
    try:
        write(read_run(run), obstacle / "report")
    except StorageError:
        return
    except Exception as problem:
        kit.crashed("a file that cannot be written is a StorageError", problem)
    kit.broken("a file that cannot be written is a StorageError", "it returned as if it had written")
