"""One run compared with several that are repeats of one another."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from focal_eval.compare.model import Change
from focal_eval.errors import UsageError
from focal_eval.evaluate import CompareRequest, RunRequest, compare, run
from focal_eval.evaluate.comparison_page import of_run
from focal_eval.evaluate.folders import find_run
from focal_eval.evaluate.joined_runs import joined
from focal_eval.report.journal import read_run
from focal_eval.report.progress import Silence
from focal_eval.runner.seal import sealed

AGENT = "def answer(message, conversation):\n    return {'response': open('answer.txt').read()}\n"
SUITE = "scripts: [one.yaml, two.yaml]\nengine: {kind: callable, target: bot.py:answer}\n"


def play(out: str, answer: str) -> None:
    Path("answer.txt").write_text(answer, encoding="utf-8")
    run(RunRequest(paths=(Path("suite.yaml"),), out=Path("reports") / out, reports=(), allow_python=True), Silence())


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A first run in which all passes, and three later ones of which the second fails one of two scripts."""
    monkeypatch.chdir(tmp_path)
    Path("bot.py").write_text(AGENT, encoding="utf-8")
    Path("suite.yaml").write_text(SUITE, encoding="utf-8")
    Path("one.yaml").write_text("turns: [{user: hi, expect: {response: {contains: hello}}}]\n", encoding="utf-8")
    Path("two.yaml").write_text("turns: [{user: hi, expect: {response: {contains: sir}}}]\n", encoding="utf-8")
    for out, answer in (("first", "hello sir"), ("a", "hello sir"), ("b", "hello"), ("c", "hello sir")):
        play(out, answer)
    return ["first", "a", "b", "c"]


def test_several_runs_are_repeats_of_one_case(runs: list[str]) -> None:
    """Each later run is one more repeat: a case that failed in one of three is flaky, one that never failed is the same."""
    found = compare(CompareRequest(runs[0], runs[1], more=tuple(runs[2:])))
    changes = {case.name: case.change for case in found.comparison.cases}
    assert changes == {"one": Change.SAME, "two": Change.FLAKY}
    two = next(case for case in found.comparison.cases if case.name == "two")
    assert two.tried == (1, 1, 2, 3)
    assert found.comparison.after.name.count(" + ") == 2
    assert not found.own_gates


def test_every_repeat_is_read_from_its_own_journal(runs: list[str]) -> None:
    """The conversation of each run is told with its own words and an id of its own, as the page shows them."""
    found = compare(CompareRequest(runs[0], runs[1], more=tuple(runs[2:])))
    two = next(case for case in found.comparison.cases if case.name == "two")
    repeats = of_run(found.after)(two)
    assert [case.repeat for case in repeats] == [1, 2, 3]
    assert [case.turns[0].reply["response"] for case in repeats if case.turns[0].reply] == ["hello sir", "hello", "hello sir"]
    assert len({case.id for case in repeats}) == 3


def test_one_run_twice_is_refused(runs: list[str]) -> None:
    """A run named twice would count as two repeats that are one."""
    with pytest.raises(UsageError, match="is named twice: each run is one repeat"):
        compare(CompareRequest(runs[0], runs[1], more=(runs[1],)))


def test_one_run_stays_as_it_is(runs: list[str]) -> None:
    """Nothing is joined where there is nothing to join."""
    model = read_run(find_run(runs[1], Path("reports")))
    assert joined([model]) is model


def test_a_run_that_did_not_end_makes_all_partial(runs: list[str]) -> None:
    """Of joined runs it is said that one was cut off."""
    cut = Path("reports/cut")
    shutil.copytree(Path("reports") / runs[2], cut)
    journal = cut / "journal.jsonl"
    name = read_run(cut).header["id"].encode()
    lines = [line for line in journal.read_bytes().splitlines(keepends=True) if not line.startswith(b'{"t":"end"')]
    lines = [sealed(line[:-19].replace(name, b"20260101-000000-abcd") + b"}") + b"\n" for line in lines]
    journal.write_bytes(b"".join(lines))
    models = [read_run(Path("reports") / runs[1]), read_run(cut)]
    assert not joined(models[:1]).partial
    assert joined(models).partial
