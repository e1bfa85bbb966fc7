"""The mutants of the example suite's own run: every proposal keeps its word, and the same seed gives the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from focal_eval.cli import main
from focal_eval.document import Reader, read_text
from focal_eval.document.reader import MappingNode
from focal_eval.evaluate.recordings import open_recording
from focal_eval.evaluate.trace_mutating import TraceMutations, TraceRequest, _Mutating, mutate_traces
from focal_eval.experiment.mutants import Fate, Tried
from focal_eval.experiment.trace_mutants import Altered
from focal_eval.experiment.trace_mutate import Talk, judged
from focal_eval.records import Verdict
from focal_eval.report.journal import read_run
from focal_eval.runner.judge import PreparedScript
from focal_eval.runner.rejudge import Rejudge
from focal_eval.runner.standing import Standing
from focal_eval.script.expectations import BLOCKS, CONVERSATION

ROOT = Path(__file__).resolve().parents[2]


def played(folder: Path, *words: str) -> Iterator[str]:
    """A run of the example suite."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        assert main(["run", "evals/retail.yaml", "--out", str(folder), "--report", "none", "-q", *words]) == 0
        yield str(folder)


@pytest.fixture(scope="module")
def retail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A run of a part of the example suite."""
    yield from played(tmp_path_factory.mktemp("part") / "run", "-k", "returns or refunds or abuse or languages/es")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A run of the whole example suite."""
    yield from played(tmp_path_factory.mktemp("whole") / "run")


@pytest.fixture(scope="module")
def done(retail: str) -> TraceMutations:
    """Some of its mutants."""
    return mutate_traces(TraceRequest(retail, most=500))


def extended(talk: Talk, item: Altered, text: str) -> Talk:
    """The same recording with the proposal written into the script, judged from the start."""
    document = read_text(text, "proposal")
    assert isinstance(document.root, MappingNode)
    key, node = document.root.value[0]
    whole = key.value == "conversation"
    found = BLOCKS[CONVERSATION if whole else ""].read(node, Reader(document))
    script = talk.prepared.script
    if whole:
        script = replace(script, conversation=(*script.conversation, *found))
    else:
        assert item.index is not None
        turns = list(script.turns)
        turns[item.index] = replace(turns[item.index], expect=(*turns[item.index].expect, *found))
        script = replace(script, turns=tuple(turns))
    old = talk.standing._rejudge
    prepared = PreparedScript(script)
    rejudge = Rejudge(replace(old.case, script=script), prepared, old.policy)
    return Talk(talk.name, Standing(rejudge, talk.standing._recorded), prepared)


def keep_their_word(run: str, found: TraceMutations) -> dict[str, int]:
    """Puts each proposal into its script: the original passes with it, the mutant does not. Proposals by operator."""
    mutating = _Mutating(TraceRequest(run), open_recording(read_run(Path(run))))
    for case, _ in mutating.pairs:
        mutating.known.add(mutating.recording.read(case).turns)
    made = {name: places for group in mutating._groups() for name, places in mutating._made(group).items()}
    counts: dict[str, int] = {}
    for item in found.tried:
        if item.fate is not Fate.SURVIVED or item.proposal is None:
            continue
        talk, change = made[item.mutant.id][0]
        better = extended(talk, change, item.proposal)
        assert better.standing.judged.verdict is Verdict.PASSED, (item.mutant.text, item.proposal)
        assert judged(better, change).verdict is Verdict.FAILED, (item.mutant.text, item.proposal)
        counts[item.mutant.operator] = counts.get(item.mutant.operator, 0) + 1
    return counts


def without_proposal(found: TraceMutations) -> list[Tried]:
    return [item for item in found.tried if item.fate is Fate.SURVIVED and item.proposal is None]


def test_every_proposal_kills_its_mutant_and_passes_the_original(retail: str, done: TraceMutations) -> None:
    """Written into the script, judged as a script is: of some hundred mutants, from nearly every operator."""
    counts = keep_their_word(retail, done)
    assert sum(counts.values()) > 250
    assert len(counts) > 18


@pytest.mark.slow  # some 6,000 proposals, each judged in its script
def test_every_proposal_of_the_whole_run_keeps_its_word(whole: str) -> None:
    """All of them; and there are no more than a handful of survivors for which nothing can be proposed."""
    found = mutate_traces(TraceRequest(whole))
    keep_their_word(whole, found)
    assert len(without_proposal(found)) < 10


def test_a_survivor_says_what_is_too_weak_and_where(done: TraceMutations) -> None:
    """Each has its sentence, its place in a script, and the cases that passed all the same."""
    survivors = [item for item in done.tried if item.fate is Fate.SURVIVED]
    assert survivors
    for item in survivors:
        assert item.weak is not None
        assert item.at is not None
        assert (ROOT / item.at[0]).is_file()
        assert item.covered


def test_the_same_seed_draws_the_same(retail: str, done: TraceMutations) -> None:
    """A sample is repeatable, says what it was drawn from, and another seed draws another one."""
    again = mutate_traces(TraceRequest(retail, most=500))
    assert again.tried == done.tried
    assert len(done.tried) == 500 < done.made
    assert done.notes()[0] == f"500 of {done.made:,} mutants were tried, drawn with seed 0"
    other = mutate_traces(TraceRequest(retail, most=500, seed=1))
    assert {item.mutant.id for item in other.tried} != {item.mutant.id for item in done.tried}


def test_all_mutants_are_told_apart(retail: str) -> None:
    """Ids are unique over the run."""
    mutating = _Mutating(TraceRequest(retail), open_recording(read_run(Path(retail))))
    ids = [name for group in mutating._groups() for name in mutating._made(group)]
    assert len(ids) == len(set(ids))
