"""What a run does with the messages an engine stores: reads them back, holds them to the contract, writes them down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from focal_eval.engines import SessionStart
from focal_eval.records import MessageRecord, Verdict
from focal_eval.report import read_run
from focal_eval.runner import lines
from focal_eval.runner.journal import Journal
from focal_eval.runner.redact import Redactor
from tests.runner.desk import ABLE, Desk, DeskSession, play

TALK = """\
title: Talk
turns:
  - user: hi
  - user: bye
conversation:
  - records: consistent
"""
Store = Callable[[tuple[MessageRecord, ...]], Any]


@dataclass
class Faulty(Desk):
    """A desk whose store does something to what was said."""

    store: Store = tuple

    async def open(self, start: SessionStart) -> DeskSession:
        await super().open(start)
        return FaultySession(self, start)


@dataclass
class FaultySession(DeskSession):
    async def stored(self) -> Any:
        assert isinstance(self.desk, Faulty)
        return self.desk.store(tuple(self.said))


def shout(said: tuple[MessageRecord, ...]) -> tuple[MessageRecord, ...]:
    """Stores the last message in capitals."""
    return (*said[:-1], replace(said[-1], text=(said[-1].text or "").upper()))


def test_a_finding_fails_the_case_at_the_expectation() -> None:
    """The journal holds what is stored and both texts, the caret stands under the expectation."""
    attempt, written = play(TALK, Faulty(store=shout))
    assert attempt.verdict is Verdict.FAILED
    end = written[-1]
    assert [message["text"] for message in end["messages"]][-1] == "YOU SAID: BYE"
    (result,) = end["results"]
    assert (result["at"][1:3], result["excerpt"]) == ([6, 14], [[5, "conversation:"], [6, "  - records: consistent"]])
    (finding,) = result["findings"]
    assert finding == {
        "message": "the agent's message of turn 2 is stored with another text (text-changed)",
        "expected": "'You said: bye'",
        "observed": "'YOU SAID: BYE'",
        "near": "[-You said: bye-] {+YOU SAID: BYE+}",
        "name": "text-changed",
        "turn": 1,
        "role": "assistant",
        "stored": [3],
    }


def test_what_is_tolerated_is_written_down_and_passes() -> None:
    """A suite that lives with a finding hears of it all the same."""
    attempt, written = play(TALK, Faulty(store=shout), tolerated=frozenset({"text-changed"}))
    assert attempt.verdict is Verdict.PASSED
    (result,) = written[-1]["results"]
    assert result["outcome"] == "passed"
    assert "excerpt" not in result
    assert [(one["name"], one["tolerated"]) for one in result["findings"]] == [("text-changed", True)]


@pytest.mark.parametrize(
    ("entry", "verdict"),
    [
        ("- all_of: [{records: consistent}, {turns: 2}]", Verdict.PASSED),
        ("- any_of: [{records: consistent}, {turns: 9}]", Verdict.PASSED),
        ("- any_of: [{turns: 9}, {turns: 8}]", Verdict.FAILED),
        ("- not: {records: consistent}", Verdict.FAILED),
        ("- {records: {mask: text}}", Verdict.PASSED),
    ],
)
def test_groups_hear_of_what_is_tolerated(entry: str, verdict: Verdict) -> None:
    """Within a group a tolerated finding fails nothing and is told where the group holds."""
    attempt, written = play(
        TALK.replace("- records: consistent", entry), Faulty(store=shout), tolerated=frozenset({"text-changed"})
    )
    assert attempt.verdict is verdict
    found = [one for one in written[-1]["results"][0].get("findings", ()) if one.get("name") == "text-changed"]
    assert len(found) == (1 if "consistent" in entry and verdict is Verdict.PASSED else 0)


def test_a_mask_of_the_suite_holds_for_every_script() -> None:
    """What the suite masks is not compared."""
    attempt, _ = play(TALK, Faulty(store=shout), masks=(("text",),))
    assert attempt.verdict is Verdict.PASSED


def test_history_that_was_replayed_is_no_stranger() -> None:
    """An engine that takes no history is told it by talking, and stores that too."""
    text = TALK.replace("turns:", "given: {history: [{user: earlier, agent: ok}]}\nturns:")
    able = replace(ABLE, seeds=frozenset({"variables"}))
    attempt, written = play(text, Desk(abilities=able))
    assert len(written[-1]["messages"]) == 6
    assert attempt.verdict is Verdict.PASSED


def test_an_engine_that_keeps_nothing_is_not_judged() -> None:
    """Skipped with its reason, and no case passes on it."""
    attempt, written = play(TALK, Desk(keeps_messages=False), unreported="skip")
    assert attempt.verdict is Verdict.SKIPPED
    assert written[-1]["results"][0]["reason"] == "this engine does not report stored messages"
    assert "messages" not in written[-1]


@pytest.mark.parametrize(
    ("store", "said"),
    [
        (lambda said: None, "the stored messages are no list of MessageRecord but NoneType"),
        (lambda said: [{"role": "user"}], "the stored messages are no list of MessageRecord but list"),
        (lambda said: said * 40, "more than 100 messages are stored of one conversation: 160"),
        (lambda said: (replace(said[0], text="x" * 6_000),), "the stored messages of one conversation take 6,"),
        (lambda said: (replace(said[0], raw={"deep": ["x" * 6_000]}),), "the stored messages of one conversation take 6,"),
    ],
)
def test_a_store_that_breaks_the_contract_is_the_engines_fault(
    store: Store, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Errored with its reason, not a crash of the run and not a giant journal; the turns that were played stand."""
    monkeypatch.setattr(lines, "MAX_MESSAGES", 100)
    monkeypatch.setattr(lines, "MAX_MESSAGES_BYTES", 5_000)
    attempt, written = play(TALK, Faulty(store=store))
    assert attempt.verdict is Verdict.ERRORED
    assert attempt.reason is not None
    assert attempt.reason.startswith(said)
    assert written[-1]["fault"]["kind"] == "engine-protocol"
    assert [line["t"] for line in written] == ["case", "turn", "turn", "attempt"]
    assert "messages" not in written[-1]


def test_secrets_in_stored_messages_are_written_nowhere(tmp_path: Path) -> None:
    """Neither the messages nor the findings about them show a secret to the journal."""
    secret, token = "a very secret word", "Bearer abcdefghijklmnop"

    def leak(said: tuple[MessageRecord, ...]) -> tuple[MessageRecord, ...]:
        return (*said, MessageRecord("user", f"{secret} {token}", raw={"auth": secret}))

    journal = Journal(tmp_path / "run", {"format": 1}, Redactor([secret]))
    _, written = play(TALK, Faulty(store=leak))
    for line in written:
        journal.line(orjson.dumps(line))
    journal.close()
    data = (tmp_path / "run" / "journal.jsonl").read_text(encoding="utf-8")
    assert "message-never-said" in data
    assert data.count("[redacted]") >= 4
    assert secret not in data
    assert "abcdefghijklmnop" not in data
    assert len(read_run(tmp_path / "run").cases) == 1
