"""The suites beside the retail example's own, its corners and its words, and the reasons of mutants that may survive."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path

import pytest

from focal_eval.errors import ExitCode
from focal_eval.evaluate import RunRequest, run
from focal_eval.evaluate.accepted import Accepted, read_accepted
from focal_eval.experiment.agent_mutants import agent_mutants
from focal_eval.experiment.mutants import Mutant
from focal_eval.script.load import Loader, files_below
from focal_eval.script.model import Script
from tests.examples.retail import AGENT, POLICY, ROOT, Silent, agent, scripts

REACH = ROOT / "scenarios" / "retail-reach"
WORDS = ROOT / "scenarios" / "retail-words"
REASONS = sorted((ROOT / "evals" / "mutants").glob("*.yaml"))
REASON = re.compile(r"^description: >-\n(?:  .*\n)+|^description: .*|because: .*", re.M)
NUMBER = re.compile(r"(?<![\d.\"])\b\d{1,2}\.\d{1,2}\b")
CLAUSE = re.compile(r"^- \*\*(\d+\.\d+)\*\*", re.M)


def loaded(folder: Path) -> tuple[Script, ...]:
    """Every script below the folder; a broken one fails the test that asks."""
    found = Loader(folder).load((path, path.relative_to(folder).with_suffix("").as_posix()) for path in files_below(folder))
    assert not found.problems, "\n".join(map(str, found.problems))
    return tuple(found.scripts)


@lru_cache(maxsize=1)
def mutants() -> tuple[Mutant, ...]:
    """Every mutant of the retail agent."""
    return tuple(one.mutant for one in agent_mutants(agent(), AGENT.as_posix()))


@pytest.mark.parametrize("name", ["retail-reach", "retail-words"])
def test_the_suite_passes(name: str, tmp_path: Path) -> None:
    """Every case passes, and none is expected to fail or left out."""
    result = run(RunRequest(paths=(ROOT / "evals" / f"{name}.yaml",), out=tmp_path / "run", reports=()), Silent())
    assert {verdict for verdict, count in result.model.counts.items() if count} == {"passed"}
    assert result.exit_code is ExitCode.OK


def test_scripts_of_the_three_suites_are_told_apart() -> None:
    """They can be mutated together: no id is another's, and no title of the two that were written from the policy."""
    ids = [script.id for script in (*scripts(), *loaded(REACH), *loaded(WORDS))]
    titles = [script.title for script in (*scripts(), *loaded(REACH))]
    assert len(ids) == len(set(ids))
    assert len(titles) == len(set(titles))


@pytest.mark.parametrize("folder", [REACH, WORDS], ids=lambda folder: str(folder.name))
def test_the_clauses_that_they_cite_exist(folder: Path) -> None:
    """A script that says why it expects something, or what the policy leaves open, points at a clause the policy has."""
    known = set(CLAUSE.findall(POLICY.read_text(encoding="utf-8")))
    cited = {clause for path in files_below(folder) for clause in NUMBER.findall("\n".join(_reasons(path)))}
    assert len(cited) >= 8
    assert cited <= known


def test_every_script_of_words_says_what_is_only_pinned() -> None:
    """A reader of a failure sees whether the policy was broken or a word changed."""
    assert [path.name for path in files_below(WORDS) if "pin" not in " ".join(_reasons(path))] == []


@pytest.mark.parametrize("path", REASONS, ids=lambda path: str(path.name))
def test_reasons_are_about_mutants_of_today(path: Path) -> None:
    """Each entry, and each operator and part that it lists, fits a mutant of the agent as it is."""
    assert [str(entry.span) for entry in read_accepted(path) if not _fits(entry)] == []


def test_no_mutant_is_explained_twice() -> None:
    """A survivor's reason stands in one place."""
    named = [entry.mutant for path in REASONS for entry in read_accepted(path) if entry.mutant is not None]
    assert len(named) == len(set(named))


def _reasons(path: Path) -> list[str]:
    """What a script says of itself and why it expects something."""
    found: list[str] = REASON.findall(path.read_text(encoding="utf-8"))
    return found


def _fits(entry: Accepted) -> bool:
    if entry.mutant is not None:
        return any(one.id == entry.mutant for one in mutants())
    operators, parts = entry.operator or ("*",), entry.part or ("*",)
    return all(
        any(fnmatchcase(one.operator, operator) and fnmatchcase(one.what, part) for one in mutants())
        for operator in operators
        for part in parts
    )
