"""What a store answers: histories as data, oldest run first. Rates are None where there was nothing to take them from."""

from __future__ import annotations

from statistics import median

from focal_eval.value import value


@value
class Rate:
    """A share with what it was taken from."""

    hits: int
    of: int

    @property
    def value(self) -> float | None:
        return self.hits / self.of if self.of else None


@value
class Series:
    """A suite on one engine: what a history is about."""

    suite: str
    engine: str


@value
class StoredRun:
    """A run as the store lists it."""

    id: str
    series: Series
    started_at: str
    state: str
    verdict: str | None
    cases: int
    good: int  # conversations that were good, of those judged
    judged: int
    flaky: int  # cases
    errored: int  # cases
    quarantined: int
    turns: int
    elapsed_ms: float
    p50_ms: float | None
    p95_ms: float | None
    tokens: int | None
    agent: str  # its digest; empty where it is not known
    version: str
    folder: str
    of: str = ""  # the run that it judged again


@value
class Point:
    """One case in one run."""

    run: str
    started_at: str
    verdict: str
    flaky: bool
    unsteady: bool  # flaky, or its verdict changed although nothing that is known had changed
    quarantined: bool
    good: int
    judged: int
    ms: float | None
    tokens: int | None
    reason: str | None
    script: str  # digest of the script
    agent: str  # digest of the agent
    suite: str  # digest of the suite
    version: str
    tries: tuple[str, ...] = ()  # verdicts of its tries where there were several


@value
class Streak:
    """What a case is now, and since when."""

    good: bool
    since: str  # the first run of that kind
    started_at: str
    runs: int  # judged runs since then, that one included
    before: str | None = None  # the last run before it that was judged
    changed: tuple[str, ...] | None = None  # what is known to have changed between the two; None where there is none before
    unknown: tuple[str, ...] = ()  # what may have changed, as nobody recorded it
    reason: str | None = None  # of the first bad run


@value
class Trend:
    """A figure over time."""

    values: tuple[float | None, ...]  # a run each

    @property
    def known(self) -> list[float]:
        return [found for found in self.values if found is not None]

    @property
    def median(self) -> float | None:
        return median(self.known) if self.known else None

    @property
    def halves(self) -> tuple[float, float] | None:
        """The medians of the older and of the newer half of what is known; None of fewer than four."""
        known = self.known
        middle = len(known) // 2
        return (median(known[:middle]), median(known[-middle:])) if middle > 1 else None


@value
class CaseHistory:
    """The last runs of a case."""

    name: str
    title: str
    file: str
    series: Series
    points: tuple[Point, ...]
    passed: Rate  # conversations
    flake: Rate  # runs that were unsteady, of the judged ones
    streak: Streak | None  # None where no run judged it
    also: tuple[Series, ...] = ()  # where else a case has that name

    @property
    def time(self) -> Trend:
        return Trend(tuple(point.ms for point in self.points))

    @property
    def tokens(self) -> Trend:
        return Trend(tuple(None if point.tokens is None else float(point.tokens) for point in self.points))


@value
class RulePoint:
    """One rule in one run that reports rules."""

    run: str
    started_at: str
    cases: int
    turns: int
    good: int
    judged: int


@value
class RuleHistory:
    """The last runs of a suite, by what they say of a rule."""

    name: str
    series: Series
    points: tuple[RulePoint, ...]
    cases: tuple[tuple[str, int, str], ...]  # of the last run it matched in: name, turns, verdict
    all_cases: int
    lost: tuple[str, ...]  # cases that matched it when the window began and do not now
    gained: tuple[str, ...]
    last_match: str | None  # the last run it matched in
    also: tuple[Series, ...] = ()

    @property
    def passed(self) -> Rate:
        """Conversations of cases that matched it."""
        return Rate(sum(point.good for point in self.points), sum(point.judged for point in self.points))


@value
class Standing:
    """A case of a suite over the window."""

    name: str
    runs: int  # judged ones
    passed: Rate
    flake: Rate
    ms: float | None  # the mean of a conversation
    tokens: float | None
    bad: bool  # as it was judged last
    since: str = ""  # the first run of its present streak
    before: bool = True  # whether it was judged before that one: a case that was never good has not regressed


@value
class SuiteHistory:
    """The last runs of a suite, and its cases over them."""

    series: Series
    points: tuple[StoredRun, ...]
    cases: int
    flakiest: tuple[Standing, ...]
    slowest: tuple[Standing, ...]
    bad: tuple[Standing, ...]  # cases that are bad now, the newest first
    all_bad: int
    flake: Rate
    also: tuple[Series, ...] = ()

    @property
    def passed(self) -> Rate:
        return Rate(sum(point.good for point in self.points), sum(point.judged for point in self.points))


@value
class Strips:
    """The last runs of every case, for pages: of each case a letter a run, oldest first; `.` where it was not in that run."""

    runs: tuple[tuple[str, str], ...]  # id and start
    cases: dict[str, str]
