"""What is wrong with the files of a project, as `focal-eval check` tells it, kept up to date source by source."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from focal_eval.clock import Clock
from focal_eval.compare.baseline_reading import check_baseline
from focal_eval.errors import Diagnostic, Problems
from focal_eval.evaluate.agents import check_agent
from focal_eval.evaluate.grounds import Ground, against
from focal_eval.evaluate.quarantine import quarantine_of
from focal_eval.lsp.project import Project
from focal_eval.script.load import Loader
from focal_eval.script.quarantine import read_quarantine
from focal_eval.script.suite import read_suite


class Diagnosing:
    """The problems that each file of a project leads to, in itself and in others."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self._told: dict[Path, tuple[Diagnostic, ...]] = {}  # by the file that was looked at

    def due(self, path: Path) -> list[Path]:
        """The files to look at after a change of one: itself first, then what the editor holds, then the others."""
        project = self.project
        kind = project.files.kind(path)
        if kind == "fragment":
            others = [script for script in project.owners() if path.name in _text_of(project, script)]
        elif kind in ("agent", "suite"):
            grounds = [ground for ground in project.grounds() if path in (ground.suite.path, *ground.agents)]
            others = [ground.suite.path for ground in grounds] + ([file for ground in grounds for file in ground.agents])
            others += [script for ground in grounds for script, _ in ground.entries]
        else:
            ground = project.owners().get(path)
            others = [ground.suite.path] if ground is not None and ground.suite.fields.quarantine else []
        held = set(project.files.opened)
        return list(dict.fromkeys([path, *sorted(others, key=lambda other: other not in held)]))

    def everything(self) -> list[Path]:
        """Every file that suites lead to, and those the editor holds."""
        found = dict.fromkeys(self.project.files.opened)
        for path in self.project.suites():
            found.setdefault(path)
        for ground in self.project.grounds():
            found.update(dict.fromkeys((*ground.agents, *(script for script, _ in ground.entries))))
        return list(found)

    def look(self, path: Path) -> dict[Path, list[Diagnostic]]:
        """Looks at a file anew; all problems of each file whose problems that may have changed."""
        before = self._told.pop(path, ())
        now = tuple(dict.fromkeys(self._of(path)))
        if now:
            self._told[path] = now
        files = {path, *(self.project.path_of(problem.span.file) for problem in (*before, *now))} if before != now else {path}
        return {file: self.problems(file) for file in sorted(files)}

    def problems(self, path: Path) -> list[Diagnostic]:
        """All that is known to be wrong in a file, in the order of its lines."""
        name = self.project.files.document(path).file
        found = [problem for told in self._told.values() for problem in told if problem.span.file == name]
        return sorted(dict.fromkeys(found), key=lambda problem: (problem.span.line, problem.span.column, problem.code))

    def errors(self, paths: Iterable[Path]) -> list[Diagnostic]:
        """The errors that these files lead to, sorted by place."""
        found = {problem for path in paths for problem in self._of(path) if problem.severity == "error"}
        return sorted(found, key=lambda problem: (problem.span, problem.code, problem.message))

    def _of(self, path: Path) -> Iterator[Diagnostic]:
        files = self.project.files
        kind = files.kind(path)
        if files.stamp(path)[0] == "gone":
            return
        with files.held():
            if kind == "script":
                yield from self._script(path)
            elif kind == "fragment":
                loader = Loader(self.project.root_of(path))
                loader.check_fragment(path)
                yield from loader.loaded.problems
            elif kind == "suite":
                yield from self._suite(path)
            else:
                document = files.fresh(path)
                if kind == "agent":
                    check_agent(document, path)
                elif kind == "baseline":
                    check_baseline(document, path)
                else:
                    read_quarantine(document)
                yield from document.problems

    def _script(self, path: Path) -> Iterator[Diagnostic]:
        read = self.project.script(path)
        yield from read.problems
        if read.script is None:
            return
        ground = self.project.owners().get(path)
        if ground is None:
            yield from against(read.script, None, None)
        else:
            yield from against(read.script, ground.names, ground.engine)

    def _suite(self, path: Path) -> Iterator[Diagnostic]:
        ground = self.project.ground(path)
        if ground is None:
            document = self.project.files.fresh(path)
            read_suite(document, path)
            yield from document.problems
            return
        yield from ground.problems
        if ground.suite.fields.quarantine:
            yield from self._quarantine(ground)

    def _quarantine(self, ground: Ground) -> Iterator[Diagnostic]:
        problems = Problems()
        read = {path: self.project.script(path).script for path, _ in ground.entries}
        scripts = [replace(script, id=name) for path, name in ground.entries if (script := read[path]) is not None]
        whole = len(scripts) == len(ground.entries)
        quarantine_of(ground.suite, scripts, ground.suite.fields.variants, Clock().now().date(), problems, whole=whole)
        yield from problems


def _text_of(project: Project, path: Path) -> str:
    return project.files.document(path).text
