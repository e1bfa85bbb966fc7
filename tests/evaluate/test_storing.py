"""What a store is told of a run: cases over their repeats, in figures that can be added up."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from focal_eval.cli import main
from focal_eval.errors import StorageError
from focal_eval.evaluate.storing import facts_of
from focal_eval.report.journal import read_run
from focal_eval.store import address_of, open_store
from focal_eval.store.model import CaseFacts
from focal_eval.testing import sample_run
from tests.cli.shop import build


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder: a small suite."""
    monkeypatch.chdir(tmp_path)
    build(tmp_path)
    return tmp_path


def facts(*arguments: str) -> dict[str, CaseFacts]:
    main(["run", "suite.yaml", "--out", "reports/one", "-q", "--report", "none", *arguments])
    return {case.key: case for case in facts_of(read_run(Path("reports/one"))).cases}


def test_the_repeats_of_a_case_are_one_case(shop: Path) -> None:
    """Its key has no number of a repeat, its tries are the repeats, its turns are those of all of them."""
    found = facts("--repeats", "3")
    refund = found["money/refund[order=A-1]"]
    assert [(item.repeat, item.verdict) for item in refund.tries] == [(1, "passed"), (2, "passed"), (3, "passed")]
    assert (refund.good, refund.judged, refund.verdict, refund.flaky, refund.turns) == (3, 3, "passed", False, 3)
    assert refund.rules == (("refund", 3),)
    assert len(refund.digest) > 10


def test_a_run_is_placed_by_what_it_was_run_with(shop: Path) -> None:
    """Suite, engine, agent and their digests; the same run gives the same digest, another one does not."""
    facts()
    one = facts_of(read_run(Path("reports/one")))
    assert (one.suite, one.engine, one.agent_file) == ("suite.yaml", "embedded", "agent.yaml")
    assert one.terms is not None
    assert one.digest == facts_of(read_run(Path("reports/one"))).digest
    main(["run", "suite.yaml", "--out", "reports/two", "-q", "--report", "none"])
    assert facts_of(read_run(Path("reports/two"))).digest != one.digest


def test_a_run_judged_again_names_the_run_it_came_from(shop: Path) -> None:
    """So that a history can tell the two apart."""
    facts()
    main(["rejudge", "reports/one", "--out", "reports/again", "-q", "--report", "none"])
    assert facts_of(read_run(Path("reports/again"))).of_run == facts_of(read_run(Path("reports/one"))).id


def damaged(folder: Path, **turn: object) -> Path:
    """The sample run, with something else in each of its turns."""
    run = sample_run(folder)
    lines = [orjson.loads(line) for line in (run / "journal.jsonl").read_bytes().splitlines()]
    for line in lines:
        if line["t"] == "turn" and "reply" in line:
            line.update(turn)
        if line["t"] == "attempt":
            line["elapsed_ms"] = 1e300
    (run / "journal.jsonl").write_bytes(b"".join(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE) for line in lines))
    return run


def test_absurd_figures_are_left_out(tmp_path: Path) -> None:
    """What no database holds, or no sum, is 0; the run is taken in all the same."""
    run = damaged(tmp_path / "run", reply={"response": "x", "tokens": {"total": 10**18}}, elapsed_ms=1e300)
    found = facts_of(read_run(run))
    assert {case.elapsed_us for case in found.cases} <= {0, None}
    store = open_store(address_of(str(tmp_path / "s.sqlite")), make=True)
    assert store.ingest(found, "2026-01-01T00:00:00.000Z").outcome == "new"
    store.close()


def test_a_journal_of_other_shapes_is_damaged(tmp_path: Path) -> None:
    """Rules that are no list of names end in a sentence."""
    run = damaged(tmp_path / "run", reply={"response": "x", "rules": [{"score": 1}]})
    with pytest.raises(StorageError, match="is damaged"):
        facts_of(read_run(run))


def test_hostile_words_are_storable(tmp_path: Path) -> None:
    """No NUL and no half of a surrogate pair reaches a database; texts are bounded."""
    run = facts_of(read_run(sample_run(tmp_path / "run")))
    said = repr(run)
    assert "\\x00" not in said
    assert "\\ud8" not in said
    assert {case.verdict for case in run.cases} == {"passed", "failed", "errored", "skipped"}
    reasons = [item.reason for case in run.cases for item in case.tries if item.reason]
    assert reasons
    assert max(map(len, reasons)) <= 300
