"""What bisect, impact and minimise print: hostile names do nothing, a pipe and NO_COLOR get plain text; the counter."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

import pytest

from focal_eval.clock import Clock
from focal_eval.records import Reply, ScenarioState, TurnRecord
from focal_eval.report.bisect_text import print_bisection
from focal_eval.report.counting import counting
from focal_eval.report.impact_text import print_impact
from focal_eval.report.issue_text import Issue, issue_text
from focal_eval.report.minimise_text import print_minimal

EVIL = "x\x1b[31m\x07\r\n`</code>`<script>&@nora [a](javascript:x) |\u202e\x00"
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]")
EDIT = {"kind": EVIL, "name": EVIL, "change": "edited", "field": EVIL, "before": EVIL, "after": [EVIL], "line": 3}
BISECTION: dict[str, Any] = {
    "old": EVIL,
    "new": EVIL,
    "edits": 2,
    "reasons": [{"edits": [EDIT, EDIT], "cases": [EVIL], "case": EVIL, "turn": 1, "expectation": EVIL, "because": EVIL}],
    "broken": [EVIL],
    "unexplained": [EVIL],
    "bad_before": [EVIL],
    "good": [],
    "probes": 7,
    "unsure": 2,
    "repaired": False,
    "dependent": [EDIT],
    "commit": {"id": "a" * 40, "author": EVIL, "date": "2026-01-02", "subject": EVIL},
    "doubtful": [{"id": "b" * 40, "author": EVIL, "date": "2026-01-01", "subject": EVIL}],
    "commits": 3,
    "tried": 2,
}
CHOICE = {"case": EVIL, "script": EVIL, "why": ["touched"], "edits": [0], "message": 2, "user": EVIL, "differs": EVIL}
IMPACT: dict[str, Any] = {
    "old": EVIL,
    "new": EVIL,
    "suites": [{"suite": EVIL, "run": EVIL, "notes": [EVIL], "chosen": 1, "cases": 2, "scripts": [EVIL]}],
    "edits": [EDIT, {**EDIT, "change": "removed"}],
    "chosen": [CHOICE, {**CHOICE, "why": ["failed"], "edits": []}],
    "scripts": [EVIL],
    "skipped": [EVIL],
    "verified": {"changed": [EVIL], "missed": [EVIL], "rate": 1.0},
}


def minimal(issue: str) -> dict[str, Any]:
    sizes = {"turns": 1, "words": 2, "expectations": 1, "stubs": 0}
    return {
        "case": EVIL,
        "before": sizes,
        "after": sizes,
        "probes": 1,
        "complete": False,
        "agent": EVIL,
        "passes_on": EVIL,
        "issue": issue,
        "agent_file": EVIL,
        "script": EVIL,
    }


def issue(**changed: Any) -> str:
    turn = TurnRecord(index=0, user=EVIL, reply=Reply(response=EVIL, scenario=ScenarioState(EVIL, EVIL)))
    turns = {"turns": [turn], "rules": [(EVIL, 4)], "text": "title: '```'\n"}
    names = ("title", "case", "agent", "expectation", "because", "command", "passes_on")
    told: dict[str, Any] = {**dict.fromkeys(names, EVIL), **turns}
    return issue_text(Issue(**{**told, **changed}))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def printed(stream: io.StringIO, *, quiet: bool = False) -> list[str]:
    """The three accounts, one after the other."""
    why = {"touched": "t", "failed": "it failed"}
    shows: tuple[Callable[[], None], ...] = (
        lambda: print_bisection(BISECTION, stream, quiet=quiet),
        lambda: print_impact(IMPACT, why, stream, quiet=quiet),
        lambda: print_minimal(minimal(issue()), stream, own=True, quiet=quiet),
    )
    out = []
    for show in shows:
        start = len(stream.getvalue())
        show()
        out.append(stream.getvalue()[start:])
    return out


def test_hostile_names_do_nothing_on_a_terminal() -> None:
    """No control character of a name, an edit, a commit or a conversation gets through; a pipe gets no colour."""
    for text in printed(io.StringIO()):
        assert CONTROL.search(text) is None
        assert "[31m" in text


def test_colours_are_for_terminals_without_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal gets colours, with NO_COLOR it gets none."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert all("\x1b[" in text for text in printed(Terminal()))
    monkeypatch.setenv("NO_COLOR", "1")
    assert not any("\x1b[" in text for text in printed(Terminal()))


def test_quiet_leaves_the_last_words() -> None:
    """Of a bisection one line, of an impact the counts, of a case that was cut down where its files are."""
    bisection, impact, small = printed(io.StringIO(), quiet=True)
    assert bisection == "Not every case is explained: without these 3 edits some still fail.\n"
    assert len(impact.splitlines()) == 4
    assert [line.partition(":")[0] for line in small.splitlines()] == ["agent", "script"]


def test_an_account_tells_all_there_is() -> None:
    """The commit with those that cannot be played before it, what is not explained, what would have to go, too."""
    text = printed(io.StringIO())[0]
    for words in ("first bad commit aaaaaaaaaa 2026-01-02", "or               bbbbbbbbbb", "not explained: ", "bad on both: "):
        assert words in text
    assert "do not fit without them, and would have to go, too" in text
    assert "7 probes, 2 of them unsure" in text
    assert "3 commits changed the agent, 2 of them played" in text


def test_nothing_acts_in_an_issue() -> None:
    """Markup, mentions, links and code fences of a conversation are shown as they were said."""
    text = issue()
    assert CONTROL.search(text) is None
    outside = re.sub(r"(?ms)^(`{3,})text\n.*?^\1$", "", text)
    assert outside.count("```") == 0
    bare = re.sub(r"(?s)(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", "", outside)
    for words in ("<script>", "@nora", "[a](javascript"):
        assert words not in bare
    assert "````text\ntitle: '```'\n````" in text


def test_an_issue_tells_what_it_takes() -> None:
    """Title, words, decisions, rules with their lines, the command, the script; what is unknown or missing is said."""
    turns = [TurnRecord(index=0, user=None, reply=Reply(response="Hi.")), TurnRecord(index=1, user="pay", reply=None)]
    text = issue(title="T", expectation="rules include r", because="no", turns=turns, rules=[], passes_on=None, command="run")
    assert text.startswith("## T: rules include r does not hold\n\nExpected: rules include r. Observed: no.\n")
    assert "(the agent speaks first)" in text
    assert "(no text)" in text
    assert "It takes no more" not in text
    assert "passes on" not in text
    assert "```text\nrun\n```" in text


class Steps:
    """A clock whose time passes only when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0
        self.clock = Clock(elapsed=lambda: self.now)


def test_the_counter_is_silent_at_first_and_then_now_and_then() -> None:
    """A pipe hears nothing in the first second, then a line every ten; nothing is left to take away."""
    steps, stream = Steps(), io.StringIO()
    with counting("probe", stream, clock=steps.clock, environ={}) as count:
        for now, done in ((0.5, 1), (1.5, 1200), (5.0, 1300), (12.0, 1400)):
            steps.now = now
            count(done)
    assert stream.getvalue() == "probe 1,200\nprobe 1,400\n"


def test_the_counter_writes_over_itself_on_a_terminal() -> None:
    """One line that is gone at the end, with the total where it is known; a dumb terminal is a pipe; quiet says nothing."""
    steps, stream = Steps(), Terminal()
    with counting("case", stream, clock=steps.clock, environ={"TERM": "xterm"}) as count:
        for now, done in ((1.0, 3), (1.05, 4), (1.2, 5)):
            steps.now = now
            count(done, 9)
    assert stream.getvalue() == "\r\x1b[2Kcase 3 of 9\r\x1b[2Kcase 5 of 9\r\x1b[2K"
    for quiet, term, told in ((False, "dumb", "case 1\n"), (True, "xterm", "")):
        steps, stream = Steps(), Terminal()
        with counting("case", stream, quiet=quiet, clock=steps.clock, environ={"TERM": term}) as count:
            steps.now = 2.0
            count(1)
        assert stream.getvalue() == told
