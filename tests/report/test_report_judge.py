"""What reports say of a judge: figures, warnings, labels; and that nothing a judge says acts."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import orjson
import pytest

from focal_eval.report.base import ReportOptions
from focal_eval.report.frames import describe
from focal_eval.report.github import annotation_lines
from focal_eval.report.html import write as write_html
from focal_eval.report.journal import read_run
from focal_eval.report.judge_words import audit_words, failed_words, judge_warning, judge_words, label_of, missed_words
from focal_eval.report.junit import write as write_junit
from focal_eval.report.markdown import render
from focal_eval.report.model import Failure, ReportModel
from focal_eval.report.preference_text import lines
from focal_eval.report.terminal import print_run

EVIL = "</script><img src=x onerror=alert(1)>\x1b[31m@team |x| `y`\n::error::z"
SIDE = {"planted": 4, "agreed": 4}
AUDIT = {
    **{"planted": 8, "agreed": 6, "low": 0.4, "high": 0.9, "good": SIDE, "bad": {"planted": 4, "agreed": 2}},
    **{
        "rubrics": [{"key": "k", "rubric": EVIL, "planted": 8, "agreed": 6, "low": 0.4, "high": 0.9, "good": SIDE, "bad": SIDE}]
    },
    **{
        "left_out": 2,
        "errored": 1,
        "missed": [{"rubric": "k", "kind": "other", "text": EVIL, "wanted": "fail", "verdict": "pass"}],
    },
    **{"warn_below": 0.7, "warning": f"the judge may not be trusted {EVIL}", "tokens": 100, "cost": 0.5},
}
JUDGE = {
    **{"model": "m", "models": [EVIL], "fails": "apart", "questions": 3, "kept": 1, "tokens": 20, "cost": 0.25},
    **{"results": {"passed": 2, "failed": 1, "abstained": 0, "errored": 0}, "audit": AUDIT},
    **{"votes": {"pass": 6, "fail": 3, "abstain": 0, "void": 1}},
    "failures": [{"case": EVIL, "turn": 0, "at": ["a.yaml", 3, 5, 3, 9], "text": EVIL, "message": EVIL, "told": EVIL}],
}


PAIRS = {
    **{"planted": 2, "agreed": 1, "low": 0.09, "high": 0.91, "errored": 1, "warning": f"the judge cannot be trusted {EVIL}"},
    "missed": [{"kind": "empty", "case": EVIL, "turn": 0, "text": EVIL, "said": "it abstained"}],
}


def run_with(judge: dict[str, Any] | None, folder: Path) -> ReportModel:
    """A run of one case whose header tells of a judge."""
    header: dict[str, Any] = {"t": "run", "format": 1, "id": "r", "state": "finished", "verdict": "passed", "gates": []}
    folder.mkdir(exist_ok=True)
    case = {"t": "case", "case": "c", "name": "c", "script": "c", "title": "C", "file": "c.yaml", "digest": "d", "turns": 0}
    attempt = {"t": "attempt", "case": "c", "attempt": 1, "verdict": "passed", "elapsed_ms": 1.0, "results": []}
    lines = [{**header, **({"judge": judge} if judge else {})}, case, attempt]
    (folder / "journal.jsonl").write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
    return read_run(folder)


@pytest.fixture
def run(tmp_path: Path) -> ReportModel:
    return run_with(JUDGE, tmp_path)


def test_figures_are_put_into_words(run: ReportModel) -> None:
    """Verdicts, votes, what was kept, and what run and audit took together."""
    words = str(judge_words(run))
    assert "judged 3 expectations: 2 passed, 1 failed; 10 votes, 1 void, 1 of 3 questions kept from before" in words
    assert words.endswith("120 tokens, cost 0.75 with the audit")
    assert audit_words(run) == (
        "audit: the judge knew 6 of 8 planted answers (75%, 95 % interval 40% to 90%): 4 of 4 good, 2 of 4 bad; "
        "2 rubrics not audited; 1 could not be asked about"
    )


def test_a_run_without_a_judge_says_nothing_of_one(tmp_path: Path) -> None:
    """In no report."""
    bare = run_with(None, tmp_path)
    assert [judge_words(bare), audit_words(bare), judge_warning(bare), *failed_words(bare), *missed_words(bare)] == [None] * 3
    stream = io.StringIO()
    print_run(bare, stream)
    assert "judge" not in stream.getvalue() + render(bare, ReportOptions())


def test_an_interrupted_run_is_not_audited_and_says_so(tmp_path: Path) -> None:
    """Its judge is not to be trusted unseen."""
    assert "was not audited" in str(judge_warning(run_with({**JUDGE, "audit": None}, tmp_path)))


def test_failures_that_failed_their_cases_are_not_told_twice(tmp_path: Path) -> None:
    """With `fails: case` they stand in the cases."""
    assert list(failed_words(run_with({**JUDGE, "fails": "case"}, tmp_path))) == []


def test_nothing_a_judge_says_acts(run: ReportModel, tmp_path: Path) -> None:
    """No markup, no escape sequence, no workflow command, in any report; the warning is in all of them."""
    stream = io.StringIO()
    print_run(run, stream)
    page = write_html(run, tmp_path / "report.html").read_text(encoding="ascii")
    junit = write_junit(run, tmp_path / "junit.xml").read_text(encoding="utf-8")
    markdown = render(run, ReportOptions())
    github = "\n".join(annotation_lines(run, ReportOptions()))
    for text in (stream.getvalue(), page, junit, markdown, github):
        assert "\x1b" not in text
        assert "may not be trusted" in text
    for text in (page, junit, markdown):
        assert "<img" not in text
    assert "@team" not in markdown
    assert not any(line.startswith("::error") for line in github.splitlines())
    assert "\n::error::" not in stream.getvalue()


def test_a_result_is_labelled_with_what_judged_it() -> None:
    """A judged failure is none of the ordinary kind; its label stands beneath it."""
    result = {
        **{"key": "response.judge", "text": "t", "outcome": "failed", "at": ["a.yaml", 1, 1, 1, 2], "soft": True},
        **{"findings": [{"message": "no"}], "by": {"kind": "judge", "told": "2 of 3 votes of m say fail"}},
    }
    told = [(line.role, line.text) for line in describe(Failure(0, "hi", "yo", result))]
    assert told[0] == ("head", "a.yaml:1:1: judged[response.judge]: no")
    assert ("by", "judged: 2 of 3 votes of m say fail") in told
    assert label_of({"by": {"kind": "model", "told": "alike 0.5"}}) == "by meaning: alike 0.5"
    assert label_of({"by": {"kind": "lexical", "told": "x"}}) == "by likeness of words: x"
    assert label_of({}) is None


def test_preferences_are_put_into_words() -> None:
    """Counts, interval, what was left out, and what got worse; without a decision there is no share."""
    pair = {"case": EVIL, "turn": 0, "better": "before", "consistent": True, "why": EVIL, "before": "a", "after": EVIL}
    told = {
        **{"model": "m", "better": {"after": 3, "before": 1, "tie": 2, "error": 1}, "inconsistent": 1, "share_after": 0.75},
        **{"low": 0.3, "high": 0.95, "p": 0.625, "left_out": 4, "pairs": [pair] * 12},
        **{"swap": {"agreed": 4, "of": 5, "low": 0.38, "high": 0.96}, "audit": PAIRS},
    }
    text = "\n".join(lines(told))
    assert "of 12 changed replies 3 better, 1 worse, 2 tied (1 because the order decided), 1 could not be asked about" in text
    assert "better where it decided: 75% (95 % interval 30% to 95%), sign test p = 0.62" in text
    assert "4 more changed replies were not asked about" in text
    assert "and 2 more judged worse" in text
    assert "both orders agreed on 4 of 5 pairs (80%, 95 % interval 38% to 96%)" in text
    assert "audit: the judge knew the better one of 1 of 2 planted pairs (50%, 95 % interval 9% to 91%)" in text
    assert "warning: the judge cannot be trusted" in text
    assert "against an empty reply: it abstained" in text
    assert "\x1b" not in text
    assert json.dumps(list(lines({**told, "share_after": None, "left_out": 0, "pairs": []}))) == json.dumps(
        ["judged by m: no reply changed that could be compared"]
    )
