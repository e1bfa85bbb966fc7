"""Light entries: small, and they tell where every line stands."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from focal_eval.runner.entries import Attempt, Place, packed, places_in, unpacked, written
from focal_eval.runner.journal import Journal
from focal_eval.runner.lines import case_lines
from focal_eval.runner.plan import Selection, make_plan
from focal_eval.runner.reading import Reading
from focal_eval.runner.redact import Redactor
from tests.runner.desk import script_of


@pytest.mark.parametrize(
    ("flat", "text"),
    [
        ([10, 30], "10+20"),
        ([10, 30, 31, 33], "10+20+2"),
        ([10, 30, 40, 41, 42, 50], "10+20;40+1+8"),
        ([0, 0, 7 << 48, (7 << 48) + 5], f"0+0;{7 << 48}+5"),
    ],
)
def test_places_are_kept_as_a_short_text(flat: list[int], text: str) -> None:
    """Lines that follow each other take a length each, others a start as well; what comes back is what was written."""
    assert written(flat) == text
    assert [at for place in places_in(text) for at in place] == flat


@pytest.mark.parametrize("text", ["", "1", "x+2", "1+2;", "1+-"])
def test_a_text_that_is_no_place_is_refused(text: str) -> None:
    """Rubbish raises ValueError, or gives no place at all."""
    try:
        found = list(places_in(text))
    except ValueError:
        return
    assert found == []


def test_a_place_is_one_number() -> None:
    """What was packed comes back, far into a journal as well."""
    for place in (Place(0, 0), Place(5, 9), Place(3 << 50, (3 << 50) + 70_000)):
        assert unpacked(packed(place)) == place


def test_an_attempt_tells_its_lines_before_and_after_it_is_over() -> None:
    """Turns stay where they were, its own line comes beside them, and moving it moves all."""
    attempt = Attempt(1)
    attempt.add(10, 20)
    attempt.add(30, 44)
    assert (attempt.over, attempt.count, attempt.end) == (False, 2, None)
    assert attempt.turns == [Place(10, 20), Place(30, 44)]
    moved = attempt.moved(1000)
    assert (moved.over, moved.turns) == (False, [Place(1010, 1020), Place(1030, 1044)])
    attempt.close("passed", 1.5, 45, 50)
    assert (attempt.over, attempt.count, attempt.end) == (True, 2, Place(45, 50))
    assert attempt.turns == [Place(10, 20), Place(30, 44)]
    assert (attempt.moved(1000).turns[1], attempt.moved(1000).end) == (Place(1030, 1044), Place(1045, 1050))


def test_an_attempt_with_nothing_to_tell_shares_its_trouble() -> None:
    """Only what goes wrong takes room; and adding to one attempt adds to no other."""
    one, other = Attempt(1), Attempt(1)
    assert one.trouble is other.trouble
    one.troubled.failed += 1
    assert (one.failed, other.failed, Attempt(1).failed) == (1, 0, 0)


def test_a_case_takes_little_memory() -> None:
    """A hundred thousand cases of five turns stay below a hundred megabytes: less than a thousand bytes each."""
    cases = 2_000
    names = [f"{number:012x}" for number in range(cases)]
    lines: list[bytes] = []
    for name in names:
        lines.append(
            b'{"t":"case","case":"%b","name":"desk/%b","script":"desk/%b","title":"desk/%b","file":"scripts/desk/%b.yaml",'
            b'"line":1,"tags":["a","b"],"params":{},"repeat":1,"channel":"api","turns":5}' % ((name.encode(),) * 5)
        )
        lines += [b'{"t":"turn","case":"%b","attempt":1,"i":%d,"results":[]}' % (name.encode(), i) for i in range(5)]
        lines.append(
            b'{"t":"attempt","case":"%b","attempt":1,"verdict":"passed","elapsed_ms":1.5,"results":[]}' % name.encode()
        )
    tracemalloc.start()
    reading, at = Reading(), 0
    for line in lines:
        reading.note(line, at, at + len(line))
        at += len(line) + 1
    taken = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert len(reading.cases) == cases
    assert reading.damaged == 0
    assert taken / cases < 1_000


def test_texts_that_the_plan_holds_are_not_held_twice(tmp_path: Path) -> None:
    """An entry refers to the plan's id, name, script and file; what differs, as where a secret was taken out, is its own."""
    script = script_of("params: {item: [mug]}\nturns: ['{{ item }}']", "talks/a")
    plan = make_plan([script], repeats=2, variants="all", select=Selection())
    one, other = plan.cases
    journal = Journal(tmp_path / "run", {"format": 2, "id": "r"}, Redactor(["talks/a[item=mug]#2"]))
    try:
        for case in (one, other):
            journal.expect(case)
            journal.lines(case_lines(case, "api"))
    finally:
        journal.close()
    first, second = journal.reading.cases.values()
    assert first.id is one.id
    assert first.name is one.name
    assert first.script is second.script is one.script.id
    assert first.params is second.params is one.row
    assert first.file is second.file is one.script.file
    assert second.id is other.id
    assert second.name == "[redacted]"
