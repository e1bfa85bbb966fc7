"""The kits of importers and reporters, on ours and on broken ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from focal_eval.errors import Problems
from focal_eval.importers import Imported, Loss, Source
from focal_eval.importers.base import option
from focal_eval.importers.tau_bench import TauBench
from focal_eval.registry import BUILTIN, find
from focal_eval.report import ReportModel, ReportOptions, target
from focal_eval.source import whole_file
from focal_eval.testing import importer_conformance, reporter_conformance
from tests.importers.told_runs import written


def test_our_importer_passes(tmp_path: Path) -> None:
    """Runs of tau-bench are imported as promised, by file and by folder."""
    importer_conformance(TauBench(), [written(tmp_path)])
    written(tmp_path, name="second.json")
    importer_conformance(TauBench(trials=frozenset({0})), [tmp_path])


SCRIPT = "turns:\n  - user: hi\n    expect: {tools: {none: true}}\n"


@dataclass(frozen=True, slots=True)
class Lines:
    """Imports a line of text as a script; `change` breaks one promise."""

    suffixes: ClassVar[tuple[str, ...]] = (".txt",)
    change: Callable[[Imported], Imported] | None = option(int, doc="what is broken")  # noqa: RUF009  # it makes a field

    def read(self, sources: Sequence[Source], problems: Problems) -> Imported:
        loss = Loss("odd-line", "lines", 1, whole_file(sources[0].file))
        made = Imported({"a.yaml": SCRIPT}, losses=(loss,), conversations=1, turns=1)
        return self.change(made) if self.change else made


def other_loss(**changes: Any) -> Callable[[Imported], Imported]:
    return lambda made: replace(made, losses=(replace(made.losses[0], **changes),))


def scripts(**files: str) -> Callable[[Imported], Imported]:
    return lambda made: replace(made, scripts=files)


COUNTER = iter(range(1000))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda made: replace(made, scripts={}), "the given files hold conversations; no script was made"),
        (scripts(**{"../a.yaml": SCRIPT}), "files stay below the output folder; '../a.yaml' does not"),
        (scripts(**{"a.txt": SCRIPT}), "scripts and suites are YAML files; 'a.txt' is not named so"),
        (scripts(**{"a.yaml": SCRIPT, "A.yaml": SCRIPT}), "file names differ, case apart"),
        (scripts(**{"a.yaml": "turnz: []"}), "reads back without a problem; a.yaml:1:1.* 'turnz'"),
        (
            lambda made: replace(made, suites={"s.yaml": "scripts: [a.yaml]\n"}),
            "reads back without a problem; .* 'engine' is missing",
        ),
        (
            lambda made: replace(made, suites={"x/s.yaml": "scripts: a.yaml\nengine: {kind: cassette, file: t.jsonl}\n"}),
            "a suite's cassettes are among the imported ones; 'x/t.jsonl' is not",
        ),
        (
            lambda made: replace(made, cassettes={"t.jsonl": b"{}"}),
            "reads back without a problem; t.jsonl:1:1.*cassette-format",
        ),
        (other_loss(kind="Odd Line"), "a loss has a kebab-case kind; it was 'Odd Line'"),
        (other_loss(count=0), "a loss is counted and said in words"),
        (other_loss(example=whole_file("elsewhere")), "a loss has a first example in a file; elsewhere:1:1 is none of"),
        (lambda made: replace(made, turns=next(COUNTER)), "the same bytes give the same import"),
        (lambda made: made.nothing, "what is wrong with a file is a diagnostic; it raised AttributeError"),
    ],
)
def test_an_importers_broken_promise_is_named(tmp_path: Path, change: Callable[[Imported], Imported], said: str) -> None:
    """The message says which promise, and what was seen instead."""
    (tmp_path / "a.txt").write_text("hi", encoding="utf-8")
    with pytest.raises(AssertionError, match=f"importer Lines: .*{said}"):
        importer_conformance(Lines(change), [tmp_path])


def test_an_importer_that_trips_over_damaged_files_is_found(tmp_path: Path) -> None:
    """The kit feeds it what no test author thinks of."""

    def trips(made: Imported) -> Imported:
        raise ValueError("unexpected end")

    @dataclass(frozen=True, slots=True)
    class Brittle:
        """Trips over empty files."""

        suffixes: ClassVar[tuple[str, ...]] = (".txt",)

        def read(self, sources: Sequence[Source], problems: Problems) -> Imported:
            return Lines(None if sources[0].data else trips).read(sources, problems)

    (tmp_path / "a.txt").write_text("hi", encoding="utf-8")
    with pytest.raises(AssertionError, match=r"importer Brittle: .* a diagnostic; it raised ValueError: unexpected end"):
        importer_conformance(Brittle(), [tmp_path])


@pytest.mark.parametrize("name", sorted(BUILTIN["reporters"]))
def test_our_reporters_pass(name: str) -> None:
    """Every reporter that is built in keeps the promises, on a run full of hostile text."""
    reporter_conformance(find("reporters", name))


def reporter(content: Callable[[ReportModel], bytes], name: str = "r.txt") -> Any:
    def write(run: ReportModel, out: Path, options: ReportOptions = ReportOptions(), /) -> Path:  # noqa: B008  # frozen
        path = target(out, name)
        path.write_bytes(content(run))
        return path

    return write


def test_a_reporter_that_is_not_repeatable_is_found() -> None:
    """The same run gives the same bytes; a counter, a clock or a set's order breaks that."""
    with pytest.raises(AssertionError, match="the same run gives the same bytes; two renderings differ"):
        reporter_conformance(reporter(lambda _: str(next(COUNTER)).encode()))


def test_a_reporter_that_changes_the_run_is_found() -> None:
    """A run folder is the truth; rendering it leaves it alone."""

    def content(run: ReportModel) -> bytes:
        (run.folder / "extra").write_bytes(b"")
        return b"x"

    with pytest.raises(AssertionError, match="a reporter leaves the run alone"):
        reporter_conformance(reporter(content))


def test_a_reporter_without_storage_errors_is_found() -> None:
    """An OSError would reach the user as a traceback."""

    def write(run: ReportModel, out: Path, options: ReportOptions = ReportOptions(), /) -> Path:  # noqa: B008  # frozen
        path = out / "r.txt" if out.is_dir() else out
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
        return path

    with pytest.raises(AssertionError, match=r"a file that cannot be written is a StorageError; it raised \w+Error"):
        reporter_conformance(write)
