"""What goes into a store: a run as facts, one entry a case. Times are whole microseconds, so that sums are exact."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from focal_eval.clock import content_id
from focal_eval.value import value

GOOD = frozenset({"passed", "xfailed"})
BAD = frozenset({"failed", "xpassed"})
VERDICTS = ("errored", "failed", "xpassed", "not_run", "xfailed", "skipped", "passed")
"""Worst first; a verdict's position is how a store holds it."""

MOST_NAME = 1_000  # characters of a name that are kept
MOST_REASON = 300
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def clean(text: str, most: int = MOST_NAME) -> str:
    """A text that every database takes: no NUL, no half of a surrogate pair, bounded in length."""
    return _UNSTORABLE.sub("\ufffd", text[:most])


@value
class TryFacts:
    """One try at a case: one attempt of one repeat."""

    repeat: int
    attempt: int
    verdict: str
    elapsed_us: int
    reason: str | None = None


@value
class Outcome:
    """What the tries of a case come to."""

    verdict: str  # the worst of the repeats; `not_run` where nothing was begun
    good: int  # repeats
    judged: int
    flaky: bool  # its repeats disagree, or one passed only after an attempt that did not
    reason: str | None  # of the first repeat that has the verdict


@value
class CaseFacts:
    """One case of a run, all its repeats together."""

    key: str  # the case's name without the number of its repeat: stable over runs
    script: str
    title: str
    file: str
    digest: str  # of the script; empty where it is not known
    tries: tuple[TryFacts, ...]  # by repeat, then attempt; of a repeat the last attempt decides
    turns: int = 0
    elapsed_us: int | None = None  # of one conversation, the mean of the repeats; None where none was held
    tokens: int | None = None  # of one conversation; None where the engine tells none
    rules: tuple[tuple[str, int], ...] | None = None  # names with the turns they matched in, sorted; None where not told
    quarantined: bool = False

    def outcome(self) -> Outcome:
        """What its tries come to."""
        if len(self.tries) == 1:
            (only,) = self.tries
            good = only.verdict in GOOD
            return Outcome(only.verdict, int(good), int(good or only.verdict in BAD), flaky=False, reason=only.reason)
        deciding = {item.repeat: item for item in self.tries}  # the last attempt of each
        verdict = min((item.verdict for item in deciding.values()), key=VERDICTS.index, default="not_run")
        passed = sum(item.verdict in GOOD for item in deciding.values())
        judged = passed + sum(item.verdict in BAD for item in deciding.values())
        again = any(
            item is not deciding[item.repeat] and item.verdict not in GOOD and deciding[item.repeat].verdict in GOOD
            for item in self.tries
        )
        reason = next((item.reason for item in deciding.values() if item.verdict == verdict and item.reason), None)
        return Outcome(verdict, passed, judged, flaky=0 < passed < judged or again, reason=reason)

    @property
    def verdict(self) -> str:
        return self.outcome().verdict

    @property
    def good(self) -> int:
        return self.outcome().good

    @property
    def judged(self) -> int:
        return self.outcome().judged

    @property
    def flaky(self) -> bool:
        return self.outcome().flaky


@value
class RunFacts:
    """A run as a store takes it in."""

    id: str
    suite: str  # the suite's file; empty where scripts were run without one
    engine: str  # its name in the suite, else its kind
    engine_kind: str
    started_at: str  # ISO 8601 with Z
    cases: tuple[CaseFacts, ...]
    finished_at: str | None = None
    state: str = "finished"
    verdict: str | None = None
    exit_code: int | None = None
    folder: str = ""
    version: str = ""  # of focal-eval
    suite_digest: str = ""
    agent_file: str = ""
    agent_digest: str = ""  # empty where the agent is not known
    planned: int = 0  # conversations the run set out to hold
    turns: int = 0
    elapsed_us: int = 0
    p50_us: int | None = None  # of a turn, as measured
    p95_us: int | None = None
    tokens: int | None = None
    of_run: str | None = None  # the run that it judged again

    @property
    def terms(self) -> str | None:
        """What the run was held under, as one digest; None where the agent is not known, as with a remote engine."""
        if not self.agent_digest:
            return None
        return content_id(self.agent_digest, self.suite_digest, self.version, self.engine_kind, length=16)

    @property
    def digest(self) -> str:
        """Of all facts: two copies of a run have the same one exactly where they say the same."""
        whole = (self.id, self.suite, self.engine, self.started_at, self.finished_at, self.state, self.verdict, self.exit_code)
        more = (self.agent_digest, self.suite_digest, self.version, self.planned, self.turns, self.elapsed_us, self.tokens)
        return content_id(repr(whole), repr(more), *(repr(case) for case in self.cases), length=32)

    @property
    def reached(self) -> tuple[bool, int]:
        """How far it came: whether to its end, and conversations held."""
        return self.state == "finished", sum(1 for case in self.cases for _ in case.tries)

    @property
    def place(self) -> int:
        """Where it stands in time, in microseconds: its start to the millisecond, then three digits of its id."""
        return milliseconds(self.started_at) * 1000 + int(content_id(self.id, length=8), 16) % 1000


def milliseconds(stamp: str) -> int:
    """A moment as headers hold it, since 1970; 0 where it is none."""
    try:
        moment = datetime.fromisoformat(stamp)
    except ValueError:
        return 0
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


@value
class Scope:
    """Which runs a question is about; empty words leave the choice to the store: the suite that was run last."""

    suite: str = ""
    engine: str = ""
    last: int = 50  # runs
    most: int = 10  # entries of a list
    before: str = ""  # only runs up to this one, itself included: a run's id


@value
class Ingested:
    """What became of a run that was offered."""

    id: str
    outcome: str  # new | replaced | known | behind: the store has a copy that came further
    cases: int
    tries: int


@value
class Keep:
    """Which runs stay; a run stays that either of the two keeps."""

    runs: int | None = None  # the newest of each suite and engine
    since: str | None = None  # those begun at this moment or after


@value
class Pruned:
    """What was let go."""

    runs: int
    left: int
    bytes_before: int
    bytes_after: int
