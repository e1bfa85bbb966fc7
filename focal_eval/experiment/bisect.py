"""Which edits of an agent break a case: the smallest sets of them that do, each edit on its own or several together.

The edits between the old and the new agent are cut down by delta debugging. A probe plays the case on the old agent with some
of the edits made; it counts where the case then fails as it does on the new agent, and is unsure where it fails in another way
or where the edits do not fit together. Where local Python has a say, a probe is played until it is known to be stable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from focal_eval.agent.parts import problems_of
from focal_eval.compare.stats import Tally, flake_class, needs_more
from focal_eval.compare.stats.flake import Flake
from focal_eval.experiment.changes import Change, Edits
from focal_eval.experiment.ddmin import Probes, Shown, smallest
from focal_eval.experiment.lab import Lab, Mark, Replay, Version
from focal_eval.script.repeats import Repeats
from focal_eval.value import value

UNTIL = Repeats(30, until="decided")
"""How often a probe is played where its outcome may change from time to time."""

Part = tuple[int, ...]


@value
class Reason:
    """A set of edits that breaks cases, and of which none can be left out."""

    edits: Part  # positions among the changes
    cases: tuple[str, ...]  # names of the cases it breaks by itself
    case: str  # the one it was found with
    mark: Mark | None  # how that one fails first
    because: str | None  # in one sentence


@value
class Bisected:
    """What breaks the cases that passed on the old agent and do not on the new one."""

    changes: tuple[Change, ...]
    reasons: tuple[Reason, ...]
    broken: tuple[str, ...]  # good on the old agent, bad on the new one
    unexplained: tuple[str, ...]  # broken, but not every time, or by no choice of edits that could be told
    bad_before: tuple[str, ...]  # bad on both
    good: tuple[str, ...]  # good on the new agent
    probes: int  # cases played on a mixture of both agents
    unsure: int  # of those
    repaired: bool  # all broken cases are good on the new agent without the edits of the reasons and those dependent on them
    dependent: Part = ()  # edits that do not fit without those of the reasons, and have to go with them


@dataclass(slots=True)
class _Oracle:
    """Plays one case on mixtures of the agents; what was tried once is not tried again."""

    lab: Lab
    edits: Edits
    versions: dict[Part, Version | None] = field(default_factory=dict)
    played: dict[tuple[int, Part], tuple[Replay, bool]] = field(default_factory=dict)  # with whether it is always so
    probes: int = 0
    unsure: int = 0
    told: Callable[[int], None] = lambda _: None

    def version(self, part: Part) -> Version | None:
        """The old agent with these edits, None where they do not fit together."""
        if part not in self.versions:
            agent = self.edits.agent(part)
            self.versions[part] = None if problems_of(agent).errors else self.lab.on(agent)
        return self.versions[part]

    def fitting(self, part: Part) -> Part:
        """As many of these edits as fit together, the fewest left out."""

        def fits_without(gone: tuple[int, ...]) -> Shown:
            out = {part[one] for one in gone}
            return Shown.NO if self.version(tuple(edit for edit in part if edit not in out)) is None else Shown.YES

        out = set(smallest(part, Probes(fits_without)))
        return tuple(edit for edit in part if edit not in out)

    def replay(self, case: int, part: Part) -> tuple[Replay, bool] | None:
        """How the case goes, and whether it always goes like that; None where the agent cannot be."""
        version = self.version(part)
        if version is None:
            return None
        if (case, part) not in self.played:
            self.probes += 1
            self.told(self.probes)
            self.played[case, part] = self._sure(version, case)
        return self.played[case, part]

    def _sure(self, version: Version, case: int) -> tuple[Replay, bool]:
        first = version.play(case)
        if self.lab.deterministic:
            return first, True
        tally = Tally()
        tally.add(first.verdict.value)
        marks = {first.marks}
        while needs_more(tally, 0, UNTIL) and tally.judged + tally.errored < UNTIL.at_most:
            again = version.play(case)
            tally.add(again.verdict.value)
            marks.add(again.marks)
        return first, flake_class(tally, UNTIL) is not Flake.FLAKY and len(marks) == 1

    def shows(self, case: int, part: Part, mark: Mark | None) -> Shown:
        """Whether the case fails like that with these edits made."""
        found = self.replay(case, part)
        if found is not None and found[1]:
            replay = found[0]
            if replay.good:
                return Shown.NO
            if mark is None or mark in replay.marks:
                return Shown.YES
        self.unsure += 1
        return Shown.UNSURE


def bisect(lab: Lab, edits: Edits, told: Callable[[int], None] = lambda _: None) -> Bisected:
    """The reasons why cases of the lab break, in the order of the cases; `told` hears the number of probes."""
    oracle = _Oracle(lab, edits, told=told)
    every = tuple(range(len(edits.changes)))
    cases = range(len(lab.cases))
    before = {case: oracle.replay(case, ()) for case in cases}
    after = {case: oracle.replay(case, every) for case in cases}
    oracle.probes = 0  # both ends are no probes
    broken = [case for case in cases if _good(before[case]) and not _good(after[case])]
    reasons: list[Reason] = []
    unexplained: list[int] = []
    for case in broken:
        found = after[case]
        if found is None or not found[1]:
            unexplained.append(case)
            continue
        new, explained = _reasons(oracle, case, every, reasons)
        reasons += new
        if not explained:
            unexplained.append(case)
    reasons = [_with_cases(oracle, reason, broken) for reason in reasons]
    taken = {edit for reason in reasons for edit in reason.edits}
    wanted = tuple(edit for edit in every if edit not in taken)
    left = oracle.fitting(wanted)
    names = [case.name for case in lab.cases]
    return Bisected(
        changes=edits.changes,
        reasons=tuple(reasons),
        broken=tuple(names[case] for case in broken),
        unexplained=tuple(names[case] for case in unexplained),
        bad_before=tuple(names[case] for case in cases if not _good(before[case]) and not _good(after[case])),
        good=tuple(names[case] for case in cases if _good(after[case])),
        probes=oracle.probes,
        unsure=oracle.unsure,
        repaired=bool(broken) and all(_good(oracle.replay(case, left)) for case in broken),
        dependent=tuple(edit for edit in wanted if edit not in left),
    )


def _good(found: tuple[Replay, bool] | None) -> bool:
    return found is not None and found[0].good and found[1]


def _reasons(oracle: _Oracle, case: int, every: Part, known: Iterable[Reason]) -> tuple[list[Reason], bool]:
    """New sets of edits that break the case beside those known, and whether it is good without all of them."""
    left = every
    for reason in known:
        if oracle.shows(case, reason.edits, None) is Shown.YES:
            left = tuple(edit for edit in left if edit not in reason.edits)
    out: list[Reason] = []
    while left:
        left = oracle.fitting(left)
        found = oracle.replay(case, left)
        if found is None or not found[1]:
            return out, False
        if found[0].good:
            return out, True
        mark = _mark(found[0])
        small = smallest(left, _probes(oracle, case, left, mark))
        if not small:
            return out, False
        out.append(Reason(small, (), oracle.lab.cases[case].name, mark, found[0].reason))
        left = tuple(edit for edit in left if edit not in small)
    return out, _good(oracle.replay(case, left))


def _probes(oracle: _Oracle, case: int, edits: Part, mark: Mark | None) -> Probes:
    return Probes(lambda part: oracle.shows(case, tuple(edits[one] for one in part), mark))


def _mark(failing: Replay) -> Mark | None:
    return failing.marks[0] if failing.marks else None


def _with_cases(oracle: _Oracle, reason: Reason, broken: Iterable[int]) -> Reason:
    """The reason with every broken case that it breaks by itself."""
    cases = (case for case in broken if oracle.shows(case, reason.edits, None) is Shown.YES)
    return Reason(reason.edits, tuple(oracle.lab.cases[case].name for case in cases), reason.case, reason.mark, reason.because)
