"""Mutants of both tiers, what became of them, and the score: shapes that verbs, reports and pages share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from enum import StrEnum
from typing import Literal

from focal_eval.clock import content_id
from focal_eval.compare.stats.estimates import wilson
from focal_eval.value import value

Tier = Literal["trace", "agent"]


@value
class Mutant:
    """One thing changed on purpose. `id` comes from what was changed and how, so it is the same in every run."""

    id: str
    tier: Tier  # a recorded trace was changed, or the agent
    operator: str  # "drop-tool", "delete-rule", ...
    what: str  # what it is about, as `kind:name`: "tool:refund", "rule:offer-refund"
    file: str  # the script's file, or the agent's
    line: int  # of the script's turn, or of the agent's part; from 1
    before: str  # what stood there
    after: str  # what stands there now; empty where it was taken out
    text: str  # one sentence: "the call of 'refund' is lost"


def mutant_id(operator: str, what: str, *place: str) -> str:
    """The id of a mutant: from its operator, what it is about and where, never from its position in a list."""
    return content_id(operator, what, *place)


class Fate(StrEnum):
    """What became of a mutant."""

    KILLED = "killed"  # a case that passed does not pass any more
    SURVIVED = "survived"
    NOT_COVERED = "not-covered"  # no script touches it: it survives, but for want of a script and not of an expectation
    TIMEOUT = "timeout"  # it never came to an end: noticed, but not by an expectation
    EQUIVALENT = "equivalent"  # the same records everywhere, and no difference that could be reached
    BROKEN = "broken"  # the mutated agent cannot be loaded: told, never counted


@value
class Killer:
    """The first expectation that noticed a mutant."""

    case: str  # the case's name
    expectation: str  # in words; what broke where no expectation did
    turn: int | None  # from 0; None where it was the conversation's


@value
class Tried:
    """One mutant and what became of it."""

    mutant: Mutant
    fate: Fate
    killer: Killer | None = None
    covered: tuple[str, ...] = ()  # names of the cases that touched it and yet passed
    probes: int = 0  # cases played or judged for it
    weak: str | None = None  # which expectation let it through, or that there is none, in one sentence
    proposal: str | None = None  # an expectation that would kill it, as YAML
    at: tuple[str, int] | None = None  # file and line of the script that the proposal belongs to


@value
class Score:
    """How many mutants were noticed. `value` is None where there was none to notice; the interval is Wilson's, 95 %."""

    killed: int
    survived: int
    not_covered: int
    equivalent: int
    timeouts: int
    broken: int
    value: float | None
    low: float
    high: float

    @property
    def tried(self) -> int:
        """The mutants the score is taken from."""
        return self.killed + self.timeouts + self.survived + self.not_covered


def score(tried: Iterable[Tried]) -> Score:
    """The score: of the mutants that could be noticed, the share that was.

    A timeout was noticed. A mutant no script touches counts as survived. Equivalent and broken ones are told and not counted.
    """
    counts = Counter(item.fate for item in tried)
    noticed = counts[Fate.KILLED] + counts[Fate.TIMEOUT]
    total = noticed + counts[Fate.SURVIVED] + counts[Fate.NOT_COVERED]
    low, high = wilson(noticed, total)
    return Score(
        killed=counts[Fate.KILLED],
        survived=counts[Fate.SURVIVED],
        not_covered=counts[Fate.NOT_COVERED],
        equivalent=counts[Fate.EQUIVALENT],
        timeouts=counts[Fate.TIMEOUT],
        broken=counts[Fate.BROKEN],
        value=noticed / total if total else None,
        low=low,
        high=high,
    )
