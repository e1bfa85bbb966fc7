"""Which edits of an agent, and which commit, break a script."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from focal_eval.agent import Playable
from focal_eval.errors import Refused, UsageError
from focal_eval.evaluate.git import Commit, commits_between, resolved
from focal_eval.evaluate.laboratory import Opened, open_lab
from focal_eval.evaluate.request import RunRequest
from focal_eval.evaluate.target import NoSuite
from focal_eval.evaluate.versions import version_at, version_in
from focal_eval.experiment.bisect import Bisected, bisect
from focal_eval.experiment.changes import Edits
from focal_eval.script.load import shown
from focal_eval.text import listed
from focal_eval.value import value

Told = Callable[[int], None]


@value
class BisectRequest:
    """Two versions of an agent, by file or by commit, and the scripts that the newer one breaks."""

    scripts: tuple[Path, ...]
    old: Path | None = None
    new: Path | None = None
    git: str | None = None  # OLD..NEW, names of commits
    agent: Path | None = None  # the file whose history is meant, where it is not the suite's
    suite: Path | None = None
    keyword: str | None = None
    allow_python: bool = True
    cache: Path | None = None


@value
class Found:
    """What was found, and between which versions."""

    bisected: Bisected
    old: str  # as it is shown: a file, or a file at a commit
    new: str
    commit: Commit | None = None  # the first one that breaks it
    doubtful: tuple[Commit, ...] = ()  # commits before it whose agent cannot be played: one of them may be the first
    commits: int = 0  # that changed the agent file
    tried: int = 0  # of those, played

    @property
    def explained(self) -> bool:
        """Whether every broken case has its reasons."""
        return self.bisected.repaired and not self.bisected.unexplained

    def as_json(self) -> dict[str, Any]:
        """Plain JSON; its keys are described in docs/reference/bisect.md."""
        found = self.bisected
        return {
            "old": self.old,
            "new": self.new,
            "edits": len(found.changes),
            "reasons": [
                {
                    "edits": [found.changes[edit].as_json() for edit in reason.edits],
                    "cases": list(reason.cases),
                    "case": reason.case,
                    "turn": None if reason.mark is None or reason.mark.turn is None else reason.mark.turn + 1,
                    "expectation": None if reason.mark is None else reason.mark.text,
                    "because": reason.because,
                }
                for reason in found.reasons
            ],
            "broken": list(found.broken),
            "unexplained": list(found.unexplained),
            "bad_before": list(found.bad_before),
            "good": list(found.good),
            "probes": found.probes,
            "unsure": found.unsure,
            "repaired": found.repaired,
            "dependent": [found.changes[edit].as_json() for edit in found.dependent],
            "commit": None if self.commit is None else _commit(self.commit),
            "doubtful": [_commit(commit) for commit in self.doubtful],
            "commits": self.commits,
            "tried": self.tried,
        }


def find(request: BisectRequest, told: Told = lambda _: None) -> Found:
    """What breaks the scripts. Raises UsageError where nothing breaks, Refused where a file has errors."""
    opened = _lab(request)
    if request.git is not None:
        return _by_history(request, opened, told)
    assert request.old is not None
    assert request.new is not None
    old, new = version_in(opened, request.old), version_in(opened, request.new)
    return Found(_between(opened, old, new, told), shown(request.old), shown(request.new))


def _lab(request: BisectRequest) -> Opened:
    wanted = RunRequest(
        request.scripts,
        suite=request.suite,
        keyword=request.keyword,
        allow_python=request.allow_python,
        cache=request.cache,
    )
    try:
        return open_lab(wanted)
    except NoSuite:
        alone = request.new or request.agent
        if alone is None or not alone.is_file():
            raise
        return open_lab(replace(wanted, agent=alone))


def _between(opened: Opened, old: Playable, new: Playable, told: Told) -> Bisected:
    edits = Edits(old.file, new.file)
    if not edits.changes:
        raise UsageError("both versions of the agent say the same, so no edit can break anything")
    found = bisect(opened.lab, edits, told)
    if not found.broken:
        raise UsageError(_nothing(found))
    return found


def _nothing(found: Bisected) -> str:
    if found.bad_before:
        names = listed(list(found.bad_before), most=3)
        return f"nothing that passes on the old agent fails on the new one; bad on both: {names}"
    return f"every case passes on the new agent as well: {listed(list(found.good), most=3)}"


def _by_history(request: BisectRequest, opened: Opened, told: Told) -> Found:
    """The first commit that breaks it, by halves, then the edits of that commit."""
    first, last = _range(request.git or "")
    path = request.agent or _agent_of(opened)
    old, new = resolved(first, path.resolve().parent), resolved(last, path.resolve().parent)
    commits = commits_between(old, new, path)
    if not commits:
        raise UsageError(f"no commit between {first} and {last} changes {shown(path)}")
    search = _Search(opened, path, [old, *commits])
    search.both_ends()
    good, bad = search.narrow()
    found = _between(opened, search.known(good), search.known(bad), told)
    chain = search.chain
    return Found(
        found,
        f"{shown(path)}@{chain[good].short}",
        f"{shown(path)}@{chain[bad].short}",
        commit=chain[bad],
        doubtful=tuple(chain[good + 1 : bad]),
        commits=len(commits),
        tried=len(search.tried),
    )


def _range(text: str) -> tuple[str, str]:
    first, dots, last = text.partition("..")
    if not dots or not first or last.startswith("."):
        raise UsageError(f"--git {text} is not of the form OLD..NEW, for instance HEAD~20..HEAD")
    return first, last or "HEAD"


def _agent_of(opened: Opened) -> Path:
    agent = opened.prepared.target.agent
    assert agent is not None, "the embedded engine has an agent file"
    return Path(agent.file)


class _Search:
    """Versions of an agent along a history, each played at most once."""

    def __init__(self, opened: Opened, path: Path, chain: Sequence[Commit]) -> None:
        self.opened, self.path, self.chain = opened, path, chain
        self.tried: dict[int, Playable | None] = {}
        self.wanted: list[int] = []  # the cases that pass at the beginning and not at the end

    def known(self, at: int) -> Playable:
        """A version that can be played."""
        found = self.version(at)
        assert found is not None
        return found

    def version(self, at: int) -> Playable | None:
        """The agent at that place, None where it cannot be played."""
        if at not in self.tried:
            try:
                self.tried[at] = version_at(self.opened, self.chain[at], self.path)
            except Refused:
                self.tried[at] = None
        return self.tried[at]

    def both_ends(self) -> None:
        """Finds the cases that break. Raises Refused where an end cannot be played, UsageError where none breaks."""
        ends = [version_at(self.opened, self.chain[at], self.path) for at in (0, -1)]
        self.tried = {0: ends[0], len(self.chain) - 1: ends[1]}
        cases = range(len(self.opened.lab.cases))
        before, after = (self.opened.lab.on(end) for end in ends)
        self.wanted = [case for case in cases if before.play(case).good and not after.play(case).good]
        if not self.wanted:
            raise UsageError("nothing that passes at the beginning fails at the end of this history")

    def narrow(self) -> tuple[int, int]:
        """Neighbours in the history, where versions that cannot be played are passed over: all good, then one bad."""
        good, bad = 0, len(self.chain) - 1
        while True:
            inner = [at for at in range(good + 1, bad) if self.tried.get(at, True) is not None]
            if not inner:
                return good, bad
            middle = min(inner, key=lambda at: abs(2 * at - good - bad))
            version = self.version(middle)
            if version is None:
                continue
            playing = self.opened.lab.on(version)
            if all(playing.play(case).good for case in self.wanted):
                good = middle
            else:
                bad = middle


def _commit(commit: Commit) -> dict[str, Any]:
    return {"id": commit.id, "author": commit.author, "date": commit.date, "subject": commit.subject}
