"""A comparison as data: two recorded sides, the differences of each turn by lane, their causes and what became of each case.

Recorded data stands as the journal and baselines hold it, as plain JSON: a key that is absent is unknown, null is known to
be none. Unknown on either side is never a difference; which lanes could not be compared is listed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum

from focal_eval.records import Json
from focal_eval.value import value


class Lane(StrEnum):
    """Where a difference is, in the order of a turn: what comes first can be the cause of what comes later."""

    INPUT = "input"  # what the user said: the script was edited, or a saved value differs
    CANDIDATES = "candidates"  # which rules were looked at, what dropped them; scores alone are no difference
    RULES = "rules"
    STEP = "step"
    TOOL = "tool"  # which tools were called, in which order
    ARGUMENT = "argument"
    RESULT = "result"  # what a tool returned, or how it failed
    VARIABLES = "variables"  # what the session knows after the turn
    TEMPLATE = "template"
    ENFORCEMENT = "enforcement"
    RESPONSE = "response"
    FOLLOW_UPS = "follow-ups"
    CITATIONS = "citations"
    OUTCOME = "outcome"  # how the turn ended, and what else the engine says of it: metadata, model, type, format
    RECORDS = "records"  # the stored messages, once for each case
    FAULT = "fault"  # the engine broke on one side
    VERDICT = "verdict"  # an expectation holds on one side only


PIPELINE: tuple[Lane, ...] = tuple(Lane)

LANES: Mapping[str, tuple[Lane, ...]] = {
    "rules": (Lane.CANDIDATES, Lane.RULES),
    "tools": (Lane.TOOL, Lane.ARGUMENT, Lane.RESULT, Lane.VARIABLES),
    "step": (Lane.STEP,),
    "response": (Lane.INPUT, Lane.TEMPLATE, Lane.ENFORCEMENT, Lane.RESPONSE, Lane.OUTCOME, Lane.FAULT),
    "follow-ups and citations": (Lane.FOLLOW_UPS, Lane.CITATIONS),
    "records": (Lane.RECORDS,),
    "verdict": (Lane.VERDICT,),
}
"""The lanes a page shows, and what belongs into each. Latency and tokens are compared as distributions, not turn by turn."""


@value
class RecordedTurn:
    """One turn of one attempt, as the journal holds it."""

    index: int  # from 0, over the script's turns
    user: str | None
    reply: Mapping[str, Json] | None = None  # one of reply, fault and skipped is set
    fault: Mapping[str, Json] | None = None
    skipped: str | None = None
    results: tuple[Mapping[str, Json], ...] = ()  # judged expectations; empty in a baseline
    name: str | None = None
    elapsed_ms: float | None = None
    first_token_ms: float | None = None


@value
class RecordedCase:
    """The attempt that decided one case of one side, all of it."""

    name: str  # `returns/damaged-mug[item=cup]#2`: what cases are matched by
    script: str
    verdict: str
    turns: tuple[RecordedTurn, ...]
    title: str = ""
    file: str = ""
    tags: tuple[str, ...] = ()
    repeat: int = 1
    reason: str | None = None
    results: tuple[Mapping[str, Json], ...] = ()  # the conversation's expectations
    messages: tuple[Mapping[str, Json], ...] | None = None  # stored messages; None where they are not known
    id: str = ""  # the case's id in its run; empty in a baseline


def is_as_flaky(tried: tuple[int, int, int, int]) -> bool:
    """Whether repeats disagree on both sides, and as often; `tried` are the good and the judged ones of each side."""
    good_before, judged_before, good_after, judged_after = tried
    mixed = 0 < good_before < judged_before and 0 < good_after < judged_after
    return mixed and good_before * judged_after == good_after * judged_before


@value
class Difference:
    """One thing that differs in one turn, or in the whole case."""

    lane: Lane
    kind: str  # added | removed | changed | moved
    what: str  # the rule, tool, step or field it is about: `offer-refund`, `refund.amount`, `response`
    before: Json = None
    after: Json = None
    path: tuple[str | int, ...] = ()  # where in the reply


@value
class TurnPair:
    """Turns that belong together; one side is None where a turn was inserted or removed."""

    before: int | None  # position in the side's turns
    after: int | None
    differences: tuple[Difference, ...] = ()
    reworded: bool = False  # the same turn by its place, with another text of the user's


class Change(StrEnum):
    """What became of a case, the most urgent first."""

    REGRESSED = "regressed"  # good before, bad now
    ERRORED = "errored"  # no verdict on the candidate's side: the engine or a check broke
    FLAKY = "flaky"  # its repeats disagree on one side, so nothing can be said
    CHANGED = "changed"  # as good or as bad as before, but different
    FIXED = "fixed"
    NEW = "new"
    GONE = "gone"
    SAME = "same"


@value
class Cause:
    """Why a case changed: the first difference in pipeline order of its first turn that differs."""

    key: str  # stable and the same for all cases of one reason: `rules:-offer-refund`
    lane: Lane
    text: str  # "rule offer-refund no longer matches"
    what: str  # the rule, tool or step it is about
    about: tuple[str, ...] = ()  # the parts of the agent it leads to: `rule:offer-refund`, `template:sorry`, the nearest first
    around: tuple[str, ...] = ()  # what else was at work in that turn: rules that matched, the step


@value
class CaseChange:
    """One case, compared."""

    name: str
    script: str
    change: Change
    before: str | None  # verdict; None where the case is new
    after: str | None  # verdict; None where it is gone
    pairs: tuple[TurnPair, ...] = ()
    records: tuple[Difference, ...] = ()
    cause: Cause | None = None
    turn: int | None = None  # position in `pairs` of the first turn that differs; None where the records alone do
    score: tuple[float | None, float | None] | None = None  # of the cause's rule, on both sides
    title: str = ""
    tags: tuple[str, ...] = ()
    before_id: str = ""  # the case's id in each run
    after_id: str = ""
    tried: tuple[int, int, int, int] = (0, 0, 0, 0)  # good and judged repeats before, good and judged repeats after
    conversation: tuple[Difference, ...] = ()  # expectations of the whole conversation that hold on one side only
    uncompared: Mapping[str, int] = field(default_factory=dict)  # lanes unknown on one side, with the number of turns
    before_name: str = ""  # what it was called before, where it was renamed

    @property
    def as_before(self) -> bool:
        """Whether it is as flaky as it was: then what its repeats say differently is chance, and nothing is its cause."""
        return self.change is Change.FLAKY and is_as_flaky(self.tried)


@value
class Edit:
    """One part of the agent that was added, removed or edited."""

    kind: str  # rule | scenario | step | transition | template | tool | slot | trigger | variable | setting
    name: str  # `offer-refund`, `returns/confirm`
    change: str  # added | removed | edited | renamed | moved
    fields: tuple[tuple[str, Json, Json], ...] = ()  # (field, before, after) of an edited one
    line: int | None = None  # in the candidate's file, in the baseline's where it was removed
    touches: tuple[str, ...] = ()  # parts of the agent it reaches, itself first: `rule:offer-refund`, `template:sorry`


@value
class CauseGroup:
    """All cases that changed for one reason."""

    cause: Cause
    cases: tuple[str, ...]  # names, those that regressed first
    counts: Mapping[str, int]  # by Change
    text: str  # the cause in words with its figures: "rule offer-refund no longer matches (score 0.41 → 0.18)"
    knock_on: tuple[tuple[str, int], ...] = ()  # what followed from it, in words, with the number of cases
    edits: tuple[int, ...] = ()  # positions in the comparison's edits that touch it


@value
class Side:
    """One of the two things compared."""

    name: str  # a run's id, or the baseline's folder
    kind: str  # run | baseline
    agent: Mapping[str, Json] | None = None  # file, digest, id
    partial: bool = False


@value
class Comparison:
    """Two sides compared."""

    before: Side
    after: Side
    cases: tuple[CaseChange, ...]
    groups: tuple[CauseGroup, ...]  # by regressions, then size
    edits: tuple[Edit, ...] | None = None  # None where an agent is not known
    masked: Mapping[str, int] = field(default_factory=dict)  # what was masked, with the number of values
    uncompared: Mapping[str, int] = field(default_factory=dict)  # lanes unknown on one side, with the number of turns
    left_out: int = 0  # cases that one side was not asked to play, or did not get to

    @property
    def as_before(self) -> tuple[str, ...]:
        """The cases that are as flaky as they were."""
        return tuple(case.name for case in self.cases if case.as_before)

    @property
    def renamed(self) -> tuple[tuple[str, str], ...]:
        """The cases that were renamed: the name before and the name now."""
        return tuple((case.before_name, case.name) for case in self.cases if case.before_name)

    @property
    def counts(self) -> dict[Change, int]:
        """Cases by what became of them, all of them."""
        out = dict.fromkeys(Change, 0)
        for case in self.cases:
            out[case.change] += 1
        return out
