"""Scripts of a large suite: of most of them no more is held than planning needs."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from focal_eval.clock import Clock
from focal_eval.errors import StorageError
from focal_eval.evaluate import RunRequest, run
from focal_eval.evaluate.preparing import prepare, terms_of
from focal_eval.report.progress import Silence
from focal_eval.runner.played import Worker
from focal_eval.runner.redact import Redactor
from focal_eval.script.cache import ScriptCache
from focal_eval.script.load import Loader
from focal_eval.script.model import Script
from focal_eval.script.shelf import Filed, Shelf, opened, turns_of, wordings_of

PLAIN = "tags: [a]\nturns:\n  - {user: hello, expect: {response: hello}}\n  - user: [bye, so long]\n    agent: bye\n"
TEMPLATED = "params: {name: [Ada, Bo]}\nturns:\n  - user: 'I am {{ name }}'\n    expect: {response: {contains: '{{ name }}'}}\n"


def same(script: Script) -> Script:
    return script


def shelved(folder: Path, cache: ScriptCache | None, held: int) -> tuple[list[Script], Shelf]:
    """Thirty scripts as they were read, and the shelf they stand on."""
    folder.mkdir(exist_ok=True)
    for number in range(30):
        (folder / f"s{number:02d}.yaml").write_text((TEMPLATED if number % 3 == 2 else PLAIN) + f"title: number {number}\n")
    loader = Loader(folder, cache)
    shelf = Shelf(loader, same, held)
    read = []
    for script in loader.each([(folder / f"s{number:02d}.yaml", f"s{number:02d}") for number in range(30)]):
        read.append(script)
        shelf.add(script)
    return read, shelf


@pytest.mark.parametrize("cached", [False, True])
def test_what_is_not_held_is_read_again_and_is_the_same(tmp_path: Path, cached: bool) -> None:
    """From the cache where it is kept, else from its file; each pass over the shelf sees whole scripts."""
    cache = ScriptCache(tmp_path / "cache", tmp_path) if cached else None
    read, shelf = shelved(tmp_path / "s", cache, held=3)
    assert len(shelf) == 30
    assert [type(script) for script in shelf.planned][:5] == [Script, Script, Script, Filed, Filed]
    for before, after in zip(read, shelf, strict=True):
        assert type(after) is Script
        assert (after.id, after.digest, after.title, after.rows) == (before.id, before.digest, before.title, before.rows)
        assert after.turns[0].user == before.turns[0].user
        assert after.texts == before.texts


def test_planning_reads_nothing_again(tmp_path: Path) -> None:
    """Turns, wordings, tags and rows of a script that is not held are known without its file."""
    read, shelf = shelved(tmp_path / "s", None, held=0)
    for path in (tmp_path / "s").iterdir():
        path.unlink()
    planned = list(shelf.planned)
    assert [(turns_of(script), wordings_of(script), script.tags, script.rows) for script in planned] == [
        (len(script.turns), wordings_of(script), script.tags, script.rows) for script in read
    ]


def test_a_file_that_changed_meanwhile_is_said(tmp_path: Path) -> None:
    """Nobody plays another script than was planned; one that is kept as it was needs no file."""
    _, shelf = shelved(tmp_path / "s", None, held=0)
    (tmp_path / "s" / "s00.yaml").write_text("turns: [something else]\n")
    first, second = list(shelf.planned)[:2]
    with pytest.raises(StorageError, match=r"s00\.yaml was changed while the run was going on"):
        opened(first)
    assert opened(second).title == "number 1"
    _, kept = shelved(tmp_path / "k", ScriptCache(tmp_path / "cache", tmp_path), held=0)
    (tmp_path / "k" / "s00.yaml").write_text("turns: [something else]\n")
    assert opened(next(kept.planned)).turns[0].user[0].text == "hello"


def test_a_run_holds_few_scripts_and_plays_all(tmp_path: Path) -> None:
    """More scripts than are held, golden replies and params among them, give what a run that holds all gives."""
    shelved(tmp_path / "scripts", None, held=0)
    (tmp_path / "desk.py").write_text("async def answer(message, conversation):\n    return message\n")
    suite = tmp_path / "suite.yaml"
    suite.write_text("scripts: [scripts/*.yaml]\ngolden: equal\nengine: {kind: callable, target: desk.py:answer}\n")
    request = RunRequest((suite,), out=tmp_path / "run", reports=())
    few, all_of_them = prepare(request, Clock(), held=4), prepare(request, Clock(), held=None)
    assert [case.id for case in few.plan.cases] == [case.id for case in all_of_them.plan.cases]
    assert few.plan.turns == all_of_them.plan.turns
    assert [said_of(case.opened().script) for case in few.plan.cases] == [
        said_of(case.script) for case in all_of_them.plan.cases
    ]
    worker = Worker({case.id: case for case in few.plan.cases}, terms_of(few, request, Clock(), "r"), Redactor(), 3)
    played = asyncio.run(worker.play_batch([case.id for case in few.plan.cases]))
    assert Counter(one.verdict.value for one in played) == {"passed": 40}
    assert run(request, Silence()).model.counts["passed"] == 40


def said_of(script: Script) -> list[tuple[list[str], list[str]]]:
    """What is said and expected, without the nodes of the file, which are others each time."""
    return [([said.text for said in turn.user], [item.key for item in turn.expect]) for turn in script.turns]
