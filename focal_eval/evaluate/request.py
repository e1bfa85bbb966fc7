"""What is asked of a run, and what comes back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from focal_eval.errors import Diagnostic, ExitCode
from focal_eval.report.model import ReportModel
from focal_eval.runner.sync import Sync
from focal_eval.value import value

if TYPE_CHECKING:
    from focal_eval.evaluate.comparing import Compared
    from focal_eval.runner.shard import Shard
    from focal_eval.store.answers import Strips

STORE = "FOCAL_EVAL_STORE"  # the variable of the environment that names a store
DEFAULT_REPORTS = ("html", "junit", "markdown")


@value
class RunRequest:
    """What to run; None leaves a setting to the suite."""

    paths: tuple[Path, ...]
    suite: Path | None = None  # for scripts given by path
    agent: Path | None = None  # an agent file for the embedded engine, instead of the suite's engine
    engine: str | None = None  # a name under the suite's `engines:`
    tags: tuple[str, ...] = ()
    keyword: str | None = None
    baseline: str | None = None  # what the run is compared with: a run, or a baseline's folder, or the word baseline
    failed_of: str | None = None  # only what did not pass in that run
    repeats: int | None = None
    strict_flaky: bool = False  # exit code 4 where the gates passed and flaky cases were seen
    concurrency: int | None = None
    workers: int | None = None  # processes that play, 0 for as many as there are cores
    cluster: str | None = None  # the address of a cluster whose workers play
    timeout_s: float | None = None
    stop_after: int = 0
    out: Path | None = None
    runs: Path = Path("reports")
    reports: tuple[str, ...] = DEFAULT_REPORTS
    allow_python: bool = True
    cache: Path | None = None  # the folder of the cache of scripts
    cassette: str | None = None  # the mode of the engine's cassette
    cassette_file: Path | None = None  # instead of the cassette the suite names
    sync: Sync = Sync.ATTEMPTS  # what of the journal is sure to be on the disk
    resume: str | None = None  # a run that was cut off; what it was asked comes from there
    resume_anyway: bool = False  # although something is not as it was
    shard: Shard | None = None  # only this part of the cases
    live: Callable[[str], None] | None = None  # is told the address of a page that shows the run as it goes on
    durations: str | None = None  # a file or a run with the times that make shards equally long; None for the suite's own
    store: str | None = None  # a file or URL that the run is taken into, `off` for none; else what the suite names

    def again(self) -> dict[str, list[str]]:
        """What a command line has to name for the same cases to run in the same way; a choice among them comes on top."""
        named = (
            ("--suite", self.suite),
            ("--agent", self.agent),
            ("--engine", self.engine),
            ("--repeats", self.repeats),
            ("--timeout", self.timeout_s),
            ("--cassette", self.cassette),
            ("--cassette-file", self.cassette_file),
        )
        options = [word for option, given in named if given is not None for word in (option, _word(given))]
        return {"paths": [str(path) for path in self.paths], "options": options + ["--no-python"] * (not self.allow_python)}


_AGAIN: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "--suite": ("suite", Path),
    "--agent": ("agent", Path),
    "--engine": ("engine", str),
    "--repeats": ("repeats", int),
    "--timeout": ("timeout_s", float),
    "--cassette": ("cassette", str),
    "--cassette-file": ("cassette_file", Path),
}


def of_again(again: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a request that `again` tells. Raises ValueError, KeyError or TypeError for anything else."""
    words = list(again["options"])
    out: dict[str, Any] = {"paths": tuple(Path(path) for path in again["paths"]), "allow_python": "--no-python" not in words}
    words = [word for word in words if word != "--no-python"]
    for option, told in zip(words[::2], words[1::2], strict=True):
        name, read = _AGAIN[option]
        out[name] = read(told)
    return out


def _word(given: object) -> str:
    return f"{given:g}" if isinstance(given, float) else str(given)


@value
class Kept:
    """What became of a run's way into its store; a store that fails takes nothing from the run."""

    store: str  # as it can be printed
    outcome: str | None  # new | replaced | known | behind; None where it failed
    problem: str | None = None
    strips: Strips | None = None

    def as_json(self) -> dict[str, Any]:
        """As the run's document holds it."""
        return {"address": self.store, "outcome": self.outcome, "problem": self.problem}


@value
class RunResult:
    """What a run came to; the model's folder holds everything that was recorded."""

    model: ReportModel
    exit_code: ExitCode
    written: Mapping[str, Path]
    warnings: tuple[Diagnostic, ...] = ()
    reasons: Mapping[str, int] | None = None  # why cases errored, with counts
    cassette: str | None = None  # what was replayed and recorded, in words
    compared: Compared | None = None  # with what `baseline` names
    kept: Kept | None = None  # in which store
