"""Reading a run folder."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import orjson
import pytest

from focal_eval.errors import StorageError
from focal_eval.records import Verdict
from focal_eval.report import ReportModel, read_run
from focal_eval.report.model import natural
from tests.report.sample_cases import rich_cases, rules_case
from tests.report.sample_odd_cases import bot_first_case, flaky_case
from tests.report.sample_run import Attempt, Case, case_lines, ending, header, write_run
from tests.report.sample_volume import volume_cases


def journal(folder: Path, *lines: object, tail: bytes = b"") -> Path:
    """A run folder with these journal lines, and no run.json."""
    folder.mkdir(parents=True, exist_ok=True)
    data = b"".join((line if isinstance(line, bytes) else orjson.dumps(line)) + b"\n" for line in lines)
    (folder / "journal.jsonl").write_bytes(data + tail)
    return folder


def started(cases: int = 1) -> dict[str, object]:
    """The journal's first line."""
    return {"t": "run"} | header(cases, cases)


def test_counters_are_taken_from_the_last_attempts(rich: ReportModel) -> None:
    """Each case counts once, by the verdict of its last attempt, worst verdict first."""
    assert rich.counts == {"errored": 2, "failed": 4, "xpassed": 1, "not_run": 0, "xfailed": 1, "skipped": 1, "passed": 17}
    assert list(rich.counts) == ["errored", "failed", "xpassed", "not_run", "xfailed", "skipped", "passed"]


def test_cases_to_look_at_come_worst_first(rich: ReportModel) -> None:
    """Errored cases stand before failed ones, those before unexpected passes; all others are left out."""
    verdicts = [case.verdict for case in rich.attention]
    assert verdicts == ["errored", "errored", "failed", "failed", "failed", "failed", "xpassed"]


def test_a_case_carries_its_first_failure(rich: ReportModel) -> None:
    """The light entry tells in one sentence why the case failed, and how many expectations did."""
    case = next(case for case in rich.cases if case.name == "returns/late-parcel")
    assert (case.message, case.last.failed, case.last.soft) == ("rule 'offer-refund' did not match", 2, 0)


def test_soft_failures_are_counted_apart(rich: ReportModel) -> None:
    """A soft expectation that failed is told, but is not among the failed ones."""
    case = next(case for case in rich.cases if case.name == "returns/wrong-size")
    assert (case.last.failed, case.last.soft) == (2, 1)


def test_failures_come_in_the_order_of_the_conversation(rich: ReportModel) -> None:
    """Failures are those of the turns in order, then those of the whole conversation, with the words said."""
    case = next(case for case in rich.cases if case.name == "returns/wrong-size")
    failures = list(rich.failures(case))
    assert [(failure.turn, failure.result and failure.result["key"]) for failure in failures] == [
        (1, "scenario"),
        (1, "response.max_words"),
        (None, "conversation.visits"),
    ]
    assert failures[0].user == "43 please"


def test_a_fault_is_the_message_of_an_errored_case(rich: ReportModel) -> None:
    """Where the engine broke, the light entry names the turn and the fault."""
    case = next(case for case in rich.cases if case.name == "billing/invoice-copy")
    assert case.message == "turn 2: engine-timeout: no answer within 30 s"


def test_a_retry_that_passes_is_flaky(tmp_path: Path) -> None:
    """The last attempt decides, and the earlier one makes the case flaky."""
    case = read_run(write_run(tmp_path, [flaky_case()])).cases[0]
    assert (case.verdict, case.flaky, [attempt.verdict for attempt in case.attempts]) == ("passed", True, ["failed", "passed"])


def test_a_killed_run_is_partial(partial: ReportModel) -> None:
    """A run without an end is partial, and a case that was cut off was not run."""
    cut = next(case for case in partial.cases if case.verdict == "not_run")
    assert partial.partial
    assert partial.counts["not_run"] == 1
    assert cut.message == "cut off after 1 of 2 turns"


def test_a_torn_last_line_is_no_damage(partial: ReportModel) -> None:
    """What a kill left of the last line is ignored without a word."""
    assert partial.damaged == 0


def test_cases_never_begun_count_as_not_run(tmp_path: Path) -> None:
    """The plan tells how many cases there should have been."""
    run = read_run(journal(tmp_path, started(5), *case_lines(bot_first_case())))
    assert (run.planned, run.counts["not_run"], run.counts["passed"]) == (5, 4, 1)


@pytest.mark.parametrize(
    "line",
    [
        b'{"t":"turn","case":"x"',
        b"\x00\x00\x00\x00",
        b"[1, 2]",
        b'{"t":"turn","case":"unknown","attempt":1,"i":0}',
        b"\xff\xfe",
        b"7",
    ],
)
def test_a_damaged_line_in_the_middle_is_counted_and_left_out(tmp_path: Path, line: bytes) -> None:
    """Damage never hides what lies around it, and is told."""
    run = read_run(journal(tmp_path, started(), line, *case_lines(bot_first_case()), ending([bot_first_case()])))
    assert (run.damaged, run.counts["passed"], run.partial) == (1, 1, False)


def test_a_line_of_a_newer_kind_is_passed_over(tmp_path: Path) -> None:
    """A kind of line this version does not know is no damage."""
    run = read_run(journal(tmp_path, started(), {"t": "weather", "sun": True}, *case_lines(bot_first_case())))
    assert run.damaged == 0


def test_a_resumed_run_replaces_the_case_that_was_cut_off(tmp_path: Path) -> None:
    """An unfinished case that is played anew counts once, with its new turns only."""
    case = rules_case()
    lines = list(case_lines(case))
    run = read_run(journal(tmp_path, started(), *lines[:2], started(), *lines, ending([case])))
    assert len(run.cases) == 1
    assert len(run.cases[0].last.turns) == 2
    assert run.cases[0].last.failed == 2


def test_turns_played_again_replace_the_earlier_ones(tmp_path: Path) -> None:
    """Turns that begin anew within the same attempt replace those before, even without a new case line."""
    lines = list(case_lines(rules_case()))
    run = read_run(journal(tmp_path, started(), *lines[:2], *lines[1:]))
    assert (len(run.cases[0].last.turns), run.cases[0].last.failed) == (2, 2)


def test_a_run_resumed_after_its_end_is_partial_until_it_ends_again(tmp_path: Path) -> None:
    """An end line counts only if no case follows it."""
    done, more = bot_first_case(), rules_case()
    first = [started(2), *case_lines(done), ending([done]), *case_lines(more)]
    assert read_run(journal(tmp_path / "open", *first)).partial
    assert not read_run(journal(tmp_path / "closed", *first, ending([done, more]))).partial


def test_interleaved_cases_are_told_apart(tmp_path: Path) -> None:
    """Lines of cases that ran at the same time find their own case."""
    first, second = list(case_lines(rules_case())), list(case_lines(bot_first_case()))
    run = read_run(journal(tmp_path, started(2), first[0], second[0], first[1], second[1], first[2], second[2], first[3]))
    assert {case.name: (case.verdict, len(case.last.turns)) for case in run.cases} == {
        "returns/late-parcel": ("failed", 2),
        "greeting/bot-first": ("passed", 1),
    }


def test_cases_are_ordered_whatever_order_they_ran_in(tmp_path: Path) -> None:
    """The order of the journal does not show: scripts by name, cases of a script with their numbers in order."""
    cases = rich_cases()
    one = read_run(write_run(tmp_path / "a", cases))
    other = read_run(write_run(tmp_path / "b", cases[::-1]))
    assert [case.name for case in one.cases] == [case.name for case in other.cases]
    assert natural("a[row=2]") < natural("a[row=10]")


def test_no_journal_is_told(tmp_path: Path) -> None:
    """A folder without a journal is no run folder."""
    with pytest.raises(StorageError, match="is not a run folder: it holds no journal"):
        read_run(tmp_path)


def test_a_journal_without_a_head_is_told(tmp_path: Path) -> None:
    """A journal has to begin with its run."""
    with pytest.raises(StorageError, match="does not begin with a line of kind 'run'"):
        read_run(journal(tmp_path, *case_lines(bot_first_case())))


def test_another_format_is_refused(tmp_path: Path) -> None:
    """A journal of a later format is not read half."""
    with pytest.raises(StorageError, match="has format 3; this version reads format 1 and 2"):
        read_run(journal(tmp_path, started() | {"format": 3}))


def test_a_case_without_turns_is_read(tmp_path: Path) -> None:
    """A case that was skipped as a whole has an attempt and no turn."""
    skipped = Case("a", "A", [Attempt([], Verdict.SKIPPED, reason="later")])
    case = read_run(write_run(tmp_path, [skipped])).cases[0]
    assert (case.verdict, case.message, len(case.last.turns)) == ("skipped", "later", 0)


def test_a_big_journal_is_not_held_in_memory(tmp_path: Path) -> None:
    """Of each line only its place is kept: the model is small beside the journal."""
    folder = write_run(tmp_path, volume_cases(300))
    size = (folder / "journal.jsonl").stat().st_size
    tracemalloc.start()
    run = read_run(folder)
    kept = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert len(run.cases) == 300
    assert kept < size / 2
