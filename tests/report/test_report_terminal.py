"""A run on the terminal."""

from __future__ import annotations

import copy
import io
from pathlib import Path

import pytest

from focal_eval.report import ReportModel, ReportOptions, read_run
from focal_eval.report.ansi import Paint, wants_colour
from focal_eval.report.terminal import print_run
from tests.report.sample_cases import rules_case
from tests.report.sample_odd_cases import bot_first_case, flaky_case, hostile_case
from tests.report.sample_run import write_run


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def printed(
    run: ReportModel, stream: io.StringIO | None = None, environ: dict[str, str] | None = None, **options: object
) -> str:
    """What the terminal shows of a run."""
    stream = stream or io.StringIO()
    chosen = ReportOptions(**options)  # type: ignore[arg-type]  # the tests name its fields
    print_run(run, stream, chosen, report=Path("reports/x/report.html"), environ=environ or {})
    return stream.getvalue()


def test_a_failure_is_framed_at_its_expectation(tmp_path: Path) -> None:
    """A failed expectation shows its place, the reason, the script's line with a caret, and what was observed beneath."""
    text = printed(read_run(write_run(tmp_path, [rules_case()])))
    expected = """\
✗ FAILED  returns/late-parcel  A late parcel is offered a refund
  turn 1  user   My parcel is ten days late and I want my money back!
          agent  I am sorry for the delay. Let me look into your parcel.
  scenarios/returns/late-parcel.yaml:9:26: failed[rules]: rule 'offer-refund' did not match
    8 |     expect:
    9 |       rules: [apologise, offer-refund]
      |                          ^^^^^^^^^^^^
      expected  rules include 'apologise' and 'offer-refund'
      observed  apologise (0.91)
      near      'offer-refund' scored 0.77 but was dropped: cooldown, 1 of 2 turns left
      because   policy 4.2: a parcel over a week late is always offered a refund
"""
    assert text.startswith(expected)


def test_the_last_line_is_the_verdict_with_the_report(rich: ReportModel) -> None:
    """The last line stands alone: verdict in words, counts, how long, where the report lies."""
    assert printed(rich).rstrip().splitlines()[-1] == (
        "✗ 5 of 26 cases failed and 2 errored · 17 passed, 1 failed as expected, 1 skipped, 1 flaky · 3.2 s"
        " · reports/x/report.html"
    )


def test_failures_shown_are_bounded(rich: ReportModel) -> None:
    """No more than `max_failures` cases are shown in full; the rest is counted."""
    text = printed(rich, max_failures=2)
    assert text.count("ERRORED") == 2
    assert "FAILED" not in text
    assert "and 5 more; the report shows them all" in text


@pytest.mark.parametrize(
    ("group_by", "row"), [("folder", "returns 17 15 2"), ("script", "returns/damaged-mug 12 12"), ("tag", "smoke 15 14 1")]
)
def test_the_table_counts_by_what_was_asked(rich: ReportModel, group_by: str, row: str) -> None:
    """Rows are folders, scripts or tags."""
    rows = [" ".join(line.split()) for line in printed(rich, group_by=group_by).splitlines()]
    assert row in rows


def test_gates_are_said(rich: ReportModel) -> None:
    """Each gate is shown with what was observed and what was asked for."""
    text = printed(rich)
    assert "✗ gate pass rate: 0.72, asked for ≥ 1" in text
    assert "✓ gate p95 latency ms: 412.7, asked for ≤ 2,000" in text


def test_a_gate_without_a_figure_is_not_measured(rich: ReportModel) -> None:
    """Where no case was judged there is no rate, and none is made up."""
    run = copy.copy(rich)
    gate = {"name": "pass_rate", "limit": {"min": 1.0}, "observed": None, "passed": False}
    run.header = {**rich.header, "gates": [gate]}
    assert "✗ gate pass rate: not measured, asked for ≥ 1" in printed(run)


def test_a_partial_run_says_so(partial: ReportModel) -> None:
    """A run that was cut off says it in the note and in the verdict."""
    text = printed(partial)
    assert "Partial run: it was killed or is still running; only what was recorded is shown." in text
    assert "✗ Cut off after 25 of 26 cases: 2 errored, 4 failed, 1 passed unexpectedly" in text.splitlines()[-1]


def test_a_good_run_is_short(tmp_path: Path) -> None:
    """Nothing to look at: the table, the gates and the verdict."""
    text = printed(read_run(write_run(tmp_path, [bot_first_case(), flaky_case()])))
    assert "FAILED" not in text
    assert "✓ All 2 cases passed" in text.splitlines()[-1]


def test_escape_sequences_of_a_reply_do_nothing(tmp_path: Path) -> None:
    """No control character but line feeds reaches the terminal, whatever an engine answers."""
    text = printed(read_run(write_run(tmp_path, [hostile_case()])))
    assert [character for character in text if ord(character) < 0x20 and character != "\n"] == []
    assert not any(character in text for character in "\x7f\x9b\x85\u202e\u2028\u2066")
    assert "␛[31mred␛[0m" in text
    assert "\\u202eexe.gpj" in text


def test_colours_only_where_they_are_wanted() -> None:
    """A terminal is coloured, a pipe is not; NO_COLOR and a dumb terminal switch it off, FORCE_COLOR on."""
    assert wants_colour(Terminal(), {})
    assert not wants_colour(Terminal(), {"NO_COLOR": "1"})
    assert not wants_colour(Terminal(), {"NO_COLOR": "1", "FORCE_COLOR": "1"})
    assert not wants_colour(Terminal(), {"TERM": "dumb"})
    assert not wants_colour(io.StringIO(), {})
    assert wants_colour(io.StringIO(), {"FORCE_COLOR": "1"})


def test_colour_changes_no_word(rich: ReportModel) -> None:
    """Coloured output without its colour codes is the plain output."""
    import re

    coloured = printed(rich, Terminal())
    assert "\x1b[1;31m" in coloured
    assert re.sub(r"\x1b\[[\d;]*m", "", coloured) == printed(rich)


def test_signs_are_spelt_where_the_stream_lacks_them(rich: ReportModel) -> None:
    """A stream that knows ASCII only gets readable signs and never an error."""
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    print_run(rich, stream, environ={})
    stream.flush()
    text = raw.getvalue().decode("ascii")
    assert "x gate pass rate: 0.72, asked for >= 1" in text
    assert "x FAILED" in text


def test_paint_leaves_empty_text_alone() -> None:
    """There is nothing to colour in an empty text."""
    assert Paint(True)("", "red") == ""
    assert Paint(True)("a", "red") == "\x1b[31ma\x1b[0m"
