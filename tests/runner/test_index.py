"""The index lists a run as its journal does, whenever the run was left, and is not believed where it does not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from focal_eval.errors import StorageError
from focal_eval.report.journal import list_run, read_run
from focal_eval.report.model import ReportModel, in_order, natural
from focal_eval.runner.folder import resume
from focal_eval.runner.index import INDEX, attempt_row, case_row
from focal_eval.runner.journal import JOURNAL, Journal, dumps
from focal_eval.runner.listed import Listed, overview
from focal_eval.runner.listed import listed as in_few_words
from focal_eval.runner.redact import Redactor
from focal_eval.runner.seal import sealed

HEADER = {"format": 2, "id": "r1", "state": "running", "plan": {"cases": 9}}


def case(name: str, turns: int = 2) -> bytes:
    head = {"t": "case", "case": name, "name": f"talks/{name}", "script": "talks", "title": "T", "file": "t.yaml", "line": 3}
    return dumps({**head, "tags": ["a"], "params": {"n": 1}, "repeat": 1, "channel": "api", "turns": turns})


def turn(name: str, i: int, *, bad: bool = False) -> bytes:
    result = {"key": "rules", "text": "rules", "outcome": "failed" if bad else "passed", "at": ["t.yaml", 1, 1, 1, 2]}
    return dumps(
        {"t": "turn", "case": name, "attempt": 1, "i": i, "user": "für ☕", "reply": {"response": "x"}, "results": [result]}
    )


def over(name: str, verdict: str = "passed", **more: Any) -> bytes:
    return dumps({"t": "attempt", "case": name, "attempt": 1, "verdict": verdict, "elapsed_ms": 1.5, **more, "results": []})


def listed(run: ReportModel) -> Any:
    """All that is listed of a run: its header, and of each case and attempt every field."""
    return run.header, run.damaged, [[case_row(one), [attempt_row(each) for each in one.attempts]] for one in run.cases]


def same(folder: Path) -> ReportModel:
    """The run by its index, which says what its journal says."""
    run = list_run(folder)
    assert listed(run) == listed(read_run(folder))
    if (found := overview(folder)) is not None:
        assert found.header == run.header
        assert in_order(found.cases) == [in_few_words(case) for case in run.cases]
    return run


def journal(folder: Path, **more: Any) -> Journal:
    return Journal(folder, HEADER | more, Redactor())


def damaged(folder: Path, wanted: bytes) -> None:
    """Flips a bit of the first line that holds these bytes."""
    data = bytearray((folder / JOURNAL).read_bytes())
    data[data.index(wanted) + 2] ^= 1
    (folder / JOURNAL).write_bytes(data)


def test_every_moment_of_a_run_is_listed_as_it_is_read(tmp_path: Path) -> None:
    """After each line, with several cases open at a time, index and journal agree; so does what a kill would leave then."""
    lines = [
        *(case("a"), turn("a", 0), case("b"), turn("b", 0), case("c"), turn("a", 1), over("a")),
        *(turn("c", 0, bad=True), turn("c", 1), over("c", "failed", reason="no"), case("d"), turn("b", 1)),
        *(over("b"), case("e", 0), over("e", "skipped", reason="later")),
    ]
    kept = journal(tmp_path)
    for line in lines:
        kept.line(line)
        run = same(tmp_path)
        assert run.header["state"] == "running"
        assert overview(tmp_path) is None  # the journal goes on behind the index
    assert [one.verdict for one in run.cases] == ["passed", "passed", "failed", "not_run", "skipped"]
    kept.end({"state": "finished", "verdict": "failed"})
    kept.close()
    assert same(tmp_path).header["verdict"] == "failed"
    assert overview(tmp_path) is not None


@pytest.mark.parametrize("cut", range(0, 1200, 61))
def test_a_journal_that_lost_its_tail_is_read_past_its_index(tmp_path: Path, cut: int) -> None:
    """Where a power cut took more of the journal than of its index, what is left of the journal counts."""
    kept = journal(tmp_path)
    kept.lines([case("a"), turn("a", 0), turn("a", 1), over("a"), case("b"), turn("b", 0), turn("b", 1), over("b")])
    kept.close()
    path = tmp_path / JOURNAL
    first = path.read_bytes().index(b"\n") + 1
    size = max(first, path.stat().st_size - cut)
    with path.open("r+b") as file:
        file.truncate(size)
    same(tmp_path)


def test_what_was_cut_off_is_listed_of_an_interrupted_run(tmp_path: Path) -> None:
    """Cases that were under way at the end stand in the index, with the turns they had, and those with none."""
    kept = journal(tmp_path)
    kept.lines([case("a"), turn("a", 0), case("b"), case("c"), over("c")])
    kept.end({"state": "interrupted"})
    kept.close()
    assert orjson.loads((tmp_path / INDEX).read_bytes().splitlines()[-1])["end"] == (tmp_path / JOURNAL).stat().st_size
    run = same(tmp_path)
    assert [(one.id, one.verdict, len(one.last.turns)) for one in run.cases] == [
        ("a", "not_run", 1),
        ("b", "not_run", 0),
        ("c", "passed", 0),
    ]


def test_what_a_resumed_run_has_not_come_to_is_listed(tmp_path: Path) -> None:
    """After a second kill the index tells of cases that the first part cut off and the second did not begin."""
    kept = journal(tmp_path)
    kept.lines([case("a"), turn("a", 0), case("b"), turn("b", 0), turn("b", 1), over("b"), case("c")])
    kept.close()
    again = Journal(tmp_path, dict(HEADER), Redactor(), after=resume(tmp_path))
    again.lines([case("c"), turn("c", 0)])
    run = same(tmp_path)
    again.close()
    assert [(one.id, len(one.last.turns)) for one in run.cases] == [("a", 1), ("b", 2), ("c", 1)]


@pytest.mark.parametrize("cut", [1, 20, 60, 100])
def test_a_resumed_run_that_lost_its_beginning_is_the_run_before(tmp_path: Path, cut: int) -> None:
    """Where a power cut took the line with which the second part began, its index is not believed."""
    kept = journal(tmp_path)
    kept.lines([case("a"), turn("a", 0), turn("a", 1), over("a"), case("b"), turn("b", 0)])
    kept.close()
    Journal(tmp_path, HEADER | {"resumed": [{"kept": 1}]}, Redactor(), after=resume(tmp_path)).close()
    with (tmp_path / JOURNAL).open("r+b") as file:
        file.truncate((tmp_path / JOURNAL).stat().st_size - cut)
    run = same(tmp_path)
    assert "resumed" not in run.header
    assert [one.verdict for one in run.cases] == ["passed", "not_run"]


def test_a_given_up_engines_cases_are_open_again_once_resumed(tmp_path: Path) -> None:
    """What had no answer is not over any more, also where the second part is killed before it comes to it."""
    kept = journal(tmp_path)
    kept.lines([case("a"), turn("a", 0), turn("a", 1), over("a"), case("b"), over("b", "errored", reason="gone")])
    kept.end({"state": "given-up", "lost": "gone"})
    kept.close()
    assert [one.verdict for one in same(tmp_path).cases] == ["passed", "errored"]
    again = Journal(tmp_path, dict(HEADER), Redactor(), after=resume(tmp_path))
    again.close()
    assert [one.verdict for one in same(tmp_path).cases] == ["passed", "not_run"]


def test_damaged_lines_cost_their_case_alone(tmp_path: Path) -> None:
    """A flipped bit in a turn, a case or an attempt is counted, and nothing else is lost."""
    kept = journal(tmp_path)
    for name in ("a", "b", "c", "d"):
        kept.lines([case(name), turn(name, 0), turn(name, 1), over(name)])
    kept.close()
    (tmp_path / INDEX).unlink()
    damaged(tmp_path, turn("a", 0)[:-1])
    damaged(tmp_path, case("b")[:-1])
    damaged(tmp_path, over("c")[:-1])
    run = read_run(tmp_path)
    assert [(one.id, one.verdict, len(one.last.turns)) for one in run.cases] == [
        ("a", "passed", 1),
        ("c", "not_run", 2),
        ("d", "passed", 2),
    ]
    assert run.damaged == 1 + 4 + 1  # of b nothing can be placed


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\n",
        b"not json\n",
        b'{"index":3,"header":{}}\n',
        sealed(b'{"index":3}') + b"\n",
        sealed(b'{"index":99,"header":{}}') + b"\n",
        b"[]\n",
        sealed(b'{"index":3,"header":{}}') + b"\n" + sealed(b'{"rows":[["a",[1],2]],"shared":{}}') + b"\n",
        sealed(b'{"index":3,"header":{}}') + b"\n" + sealed(b'{"rows":[[["a"],[1,"x"],2]],"shared":{}}') + b"\n",
        sealed(b'{"index":3,"header":{}}') + b"\n" + sealed(b'{"end":"x"}') + b"\n[1]\n",
        b"\xff\xfe\n",
    ],
)
def test_a_broken_index_is_not_used(tmp_path: Path, text: bytes) -> None:
    """Rubbish in its place is passed over, and the journal is read."""
    kept = journal(tmp_path)
    kept.lines([case("a"), turn("a", 0), turn("a", 1), over("a")])
    kept.close()
    (tmp_path / INDEX).write_bytes(text)
    assert same(tmp_path).counts["passed"] == 1


def over_run(folder: Path) -> Path:
    """The index of a run of some cases that is over."""
    kept = journal(folder)
    for name in ("a", "b", "c"):
        kept.lines(
            [case(name), turn(name, 0), turn(name, 1, bad=name == "b"), over(name, "failed" if name == "b" else "passed")]
        )
        kept.flush()
    kept.end({"state": "finished", "verdict": "failed"})
    kept.close()
    return folder / INDEX


@pytest.mark.parametrize("share", [0.2, 0.4, 0.6, 0.8, 0.95])
def test_a_damaged_index_is_not_believed(tmp_path: Path, share: float) -> None:
    """A bit flipped anywhere in it is noticed: places and verdicts come from the journal then."""
    path = over_run(tmp_path)
    assert overview(tmp_path) is not None
    data = bytearray(path.read_bytes())
    data[int(share * len(data))] ^= 1
    path.write_bytes(data)
    assert overview(tmp_path) is None
    assert [one.verdict for one in same(tmp_path).cases] == ["passed", "failed", "passed"]


@pytest.mark.parametrize("cut", [1, 30, 400])
def test_a_torn_index_tells_what_it_still_holds(tmp_path: Path, cut: int) -> None:
    """Its torn line is left alone, and what it told is read from the journal."""
    path = over_run(tmp_path)
    path.write_bytes(path.read_bytes()[:-cut])
    assert overview(tmp_path) is None
    assert [one.verdict for one in same(tmp_path).cases] == ["passed", "failed", "passed"]


def test_a_resumed_run_is_listed_from_its_index(tmp_path: Path) -> None:
    """Cases that the first part finished, cut off and never began stand in one index once the run is over."""
    kept = journal(tmp_path)
    kept.lines([case("a"), turn("a", 0), turn("a", 1), over("a"), case("b"), turn("b", 0)])
    kept.close()
    again = Journal(tmp_path, dict(HEADER), Redactor(), after=resume(tmp_path))
    for name in ("b", "c"):
        again.lines([case(name), turn(name, 0), turn(name, 1), over(name)])
    again.end({"state": "finished", "verdict": "passed"})
    again.close()
    same(tmp_path)
    found = overview(tmp_path)
    assert found is not None
    assert [(one.id, one.verdict, one.turns) for one in in_order(found.cases)] == [
        ("a", "passed", 2),
        ("b", "passed", 2),
        ("c", "passed", 2),
    ]


def test_an_index_of_another_journal_is_not_used(tmp_path: Path) -> None:
    """A journal that was copied in beside it is read itself."""
    for name, turns in (("one", 3), ("two", 2)):
        kept = journal(tmp_path / name)
        kept.lines([case("a", turns), *(turn("a", i) for i in range(turns)), over("a")])
        kept.close()
    (tmp_path / "one" / JOURNAL).write_bytes((tmp_path / "two" / JOURNAL).read_bytes())
    assert len(same(tmp_path / "one").cases[0].last.turns) == 2


def test_a_run_without_an_index_is_listed(tmp_path: Path) -> None:
    """Whoever deletes it loses nothing."""
    kept = journal(tmp_path)
    kept.lines([case("a"), turn("a", 0), turn("a", 1), over("a")])
    kept.close()
    (tmp_path / INDEX).unlink()
    assert same(tmp_path).counts["passed"] == 1


def test_a_damaged_first_line_loses_no_run(tmp_path: Path) -> None:
    """What the header said stands in run.json as well; every other line still counts."""
    kept = journal(tmp_path)
    kept.lines([case("a"), turn("a", 0), turn("a", 1), over("a")])
    kept.end({"state": "finished", "verdict": "passed"})
    kept.close()
    damaged(tmp_path, b'"r1"')
    (tmp_path / INDEX).unlink()
    run = same(tmp_path)
    assert (run.header["id"], run.header["state"], run.counts["passed"], run.damaged) == ("r1", "finished", 1, 1)
    (tmp_path / "run.json").unlink()
    with pytest.raises(StorageError, match="does not begin with a line of kind 'run'"):
        read_run(tmp_path)


def test_a_run_killed_before_its_first_line_is_told_by_its_header(tmp_path: Path) -> None:
    """An empty journal beside run.json is a run of which nothing was recorded; without run.json there is nothing to tell."""
    journal(tmp_path).close()
    (tmp_path / JOURNAL).write_bytes(b'{"t":"run","format":2,"id"')
    (tmp_path / INDEX).unlink()
    run = same(tmp_path)
    assert (run.header["id"], run.counts["not_run"]) == ("r1", 9)
    (tmp_path / "run.json").unlink()
    with pytest.raises(StorageError, match="does not begin with a line of kind 'run'"):
        list_run(tmp_path)


@pytest.mark.parametrize(
    "names", [["t[B-2]", "t[B-1]", "t[B-9]"], ["t[B-10]", "t[B-9]", "t#2", "t#10"], ["a1b22", "a11b2", "a2b11"]]
)
def test_names_of_one_script_are_in_the_order_people_count(names: list[str]) -> None:
    """Whether their digits stand at the same places or not."""
    told = [Listed(name, name, "t", "T", "t.yaml", 1, (), "passed", 1, 1.0, None) for name in names]
    assert [one.name for one in in_order(told)] == sorted(names, key=natural)


def test_cases_with_something_to_tell_are_listed_as_they_are_read(tmp_path: Path) -> None:
    """Failed, errored and skipped ones with their message; one passed on a second try, one passed against its mark."""
    kept = journal(tmp_path)
    kept.lines([case("a"), turn("a", 0, bad=True), turn("a", 1), over("a", "failed", reason="no")])
    kept.lines([case("b"), over("b", "errored", reason="gone", fault={"kind": "engine-crash", "message": "gone"})])
    marked = orjson.loads(case("c")) | {"xfail": "known"}
    kept.lines([dumps(marked), turn("c", 0), turn("c", 1), over("c", "xpassed")])
    kept.lines([case("d"), turn("d", 0, bad=True), over("d", "failed")])
    kept.lines([dumps(orjson.loads(line) | {"attempt": 2}) for line in (turn("d", 0), turn("d", 1), over("d"))])
    kept.lines([case("e", 0), over("e", "skipped", reason="later"), case("f"), turn("f", 0), turn("f", 1), over("f")])
    kept.end({"state": "finished", "verdict": "failed"})
    kept.close()
    same(tmp_path)
    found = overview(tmp_path)
    assert found is not None
    told = {one.id: (one.verdict, one.turns, one.elapsed_ms, one.message) for one in found.cases}
    assert told["a"] == ("failed", 2, 1.5, "did not hold: rules")
    assert told["b"][:2] == ("errored", 0)
    assert told["c"][0] == "xpassed"
    assert "passed" in str(told["c"][3])
    assert told["d"] == ("passed", 2, 3.0, None)
    assert told["e"][3] == "later"
    assert told["f"] == ("passed", 2, 1.5, None)
