"""A run as reports see it: a header, counters, a light entry for each case, and the journal's bytes on demand.

The journal is read once as a stream; of each line only its place is kept, so a run of 50,000 turns costs a few megabytes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

import orjson

from focal_eval.compare.keys import case_key
from focal_eval.runner.entries import Attempt, Case, Place
from focal_eval.runner.read_at import ReadAt
from focal_eval.runner.seal import SEAL
from focal_eval.runner.shared import NAMES, put_back

if TYPE_CHECKING:
    from focal_eval.records import Json

__all__ = ["ATTENTION", "WORST_FIRST", "Attempt", "Case", "Failure", "Place", "ReportModel", "natural"]

WORST_FIRST = ("errored", "failed", "xpassed", "not_run", "xfailed", "skipped", "passed")
"""Every verdict a case can have here; `not_run` is a case that was cut off."""

VERDICTS = frozenset({"passed", "failed", "xpassed", "xfailed"})
"""Verdicts that say what was observed; of the others the report tells why there is none."""

ATTENTION = frozenset({"errored", "failed", "xpassed"})
"""Verdicts somebody has to look at."""


class Failure(NamedTuple):
    """One thing that went wrong in a case, with the words said around it."""

    turn: int | None  # from 0; None for what concerns the conversation
    user: str | None
    response: str | None
    result: Mapping[str, Json] | None  # the expectation; None where the engine broke
    fault: Mapping[str, Json] | None = None

    @property
    def broke(self) -> bool:
        """Whether the engine or a check broke, rather than an expectation failed."""
        return self.result is None or self.result["outcome"] == "errored"


def unjudged_in(case: Case) -> tuple[str, ...]:
    """Why expectations were skipped in the last attempt of a case that has a verdict all the same, one reason for each."""
    return case.last.unjudged if case.verdict in VERDICTS else ()


class ReportModel:
    """A run folder, read."""

    def __init__(
        self,
        folder: Path,
        header: Mapping[str, Json],
        cases: Sequence[Case],
        damaged: int,
        journal: Path,
        shared: Mapping[str, Place] | None = None,
    ) -> None:
        self.folder = folder
        self.header = header
        self.cases = in_order(cases)
        self.damaged = damaged  # lines of the journal that could not be read, the torn tail not counted
        self.comparison: None = None  # what changed against a baseline; a later version fills it
        self._journal = journal
        self._shared = shared or {}  # where what several lines share stands, by digest
        self._file: ReadAt | None = None

    @property
    def partial(self) -> bool:
        """Whether the run did not reach its end."""
        return self.header.get("state") != "finished"

    @property
    def planned(self) -> int:
        """Cases the run set out to do without the repeats that were not needed, never fewer than were recorded."""
        return planned_in(self.header, len(self.cases))

    @cached_property
    def counts(self) -> dict[str, int]:
        """Cases by verdict, worst first, all of them; cases never begun are `not_run`."""
        return counts_of(self.header, self.cases)

    @property
    def gates(self) -> Sequence[Mapping[str, Json]]:
        return self.header.get("gates") or ()

    @cached_property
    def quarantined(self) -> dict[str, Mapping[str, Json]]:
        """The cases in quarantine, by what their repeats have in common, each with its entry; they run and gate nothing."""
        return held_in(self.header)

    def quarantine_of(self, case: Case) -> Mapping[str, Json] | None:
        """The entry of a case in quarantine, None of one that gates."""
        held = self.quarantined
        return held.get(case_key(case.name, case.script, case.repeat)) if held else None

    @property
    def tolerated(self) -> dict[str, int]:
        """Findings that the suite lives with, by name, and how many there were in the last attempts."""
        seen = Counter(name for case in self.cases for name in case.last.tolerated)
        return dict(sorted(seen.items()))

    @property
    def unjudged(self) -> dict[str, int]:
        """Why expectations of cases with a verdict were skipped, the most frequent reason first, and how many there were."""
        seen = Counter(reason for case in self.cases for reason in unjudged_in(case))
        return dict(sorted(seen.items(), key=lambda item: (-item[1], item[0])))

    @property
    def flaky(self) -> int:
        """Cases that passed only at a later attempt, and those whose repeats both passed and failed."""
        statistics = self.header.get("statistics") or {}
        return sum(case.flaky for case in self.cases) + len(statistics.get("flaky") or ())

    @property
    def attention(self) -> list[Case]:
        """The cases somebody has to look at, worst first."""
        bad = [case for case in self.cases if case.verdict in ATTENTION]
        return sorted(bad, key=lambda case: WORST_FIRST.index(case.verdict))

    @property
    def told(self) -> list[tuple[Case, list[Case]]]:
        """The cases of `attention` that say something new, each with those that errored in the very same words after it.

        One engine that broke is one thing to say, however many cases met it.
        """
        out: list[tuple[Case, list[Case]]] = []
        seen: dict[str, list[Case]] = {}
        for case in self.attention:
            words = case.message if case.verdict == "errored" else None
            if words is not None and words in seen:
                seen[words].append(case)
                continue
            out.append((case, []))
            if words is not None:
                seen[words] = out[-1][1]
        return out

    def line(self, place: Place) -> bytes:
        """A line of the journal as it was written."""
        if self._file is None:
            self._file = ReadAt(self._journal)
        return self._file.read(place.start, place.end - place.start)

    def document(self, place: Place) -> dict[str, Any]:
        """A line of the journal, decoded, with what it shares with others."""
        out: dict[str, Any] = orjson.loads(self.line(place))
        out.pop(SEAL, None)
        if NAMES in out:
            put_back(out, self._content)
        return out

    def whole_line(self, place: Place) -> bytes:
        """A line with what it shares with others; as it was written, where it shares nothing."""
        line = self.line(place)
        return orjson.dumps(self.document(place)) if _NAMES in line else line

    def _content(self, digest: str) -> Any:
        return orjson.loads(self.line(self._shared[digest]))["data"]

    def tolerated_in(self, case: Case) -> list[Mapping[str, Json]]:
        """The findings of the last attempt that the suite lives with, as the journal holds them."""
        last = case.last
        if not last.tolerated or (end := last.end) is None:
            return []
        results = self.document(end).get("results") or ()
        return [finding for result in results for finding in result.get("findings") or () if finding.get("tolerated")]

    def failures(self, case: Case) -> Iterator[Failure]:
        """What went wrong in the last attempt: what broke, then what failed, each in the order of the conversation.

        Soft failures come along with their mark.
        """
        yield from sorted(self._failures(case.last), key=lambda failure: not failure.broke)

    def _failures(self, attempt: Attempt) -> Iterator[Failure]:
        turns = attempt.turns if attempt.broken else []
        for position in attempt.broken:
            turn = self.document(turns[position])
            said = (turn["i"], turn.get("user"), (turn.get("reply") or {}).get("response"))
            if "fault" in turn:
                yield Failure(*said, None, turn["fault"])
            yield from (Failure(*said, result) for result in turn.get("results") or () if result["outcome"] in _BAD)
        if (end := attempt.end) is not None:
            closing = self.document(end)
            if "fault" in closing:
                yield Failure(None, None, None, None, closing["fault"])
            yield from (
                Failure(None, None, None, result) for result in closing.get("results") or () if result["outcome"] in _BAD
            )


class Told(Protocol):
    """A case, as far as ordering and counting ask."""

    @property
    def name(self) -> str: ...
    @property
    def script(self) -> str: ...
    @property
    def verdict(self) -> str: ...


def planned_in(header: Mapping[str, Json], recorded: int) -> int:
    """Cases a run set out to do without the repeats that were not needed, never fewer than were recorded."""
    plan = header.get("plan") or {}
    return max(int(plan.get("cases") or 0) - int(header.get("spared") or 0), recorded)


def counts_of(header: Mapping[str, Json], cases: Sequence[Told]) -> dict[str, int]:
    """Cases by verdict, worst first, all verdicts; cases never begun are `not_run`."""
    seen = Counter(map(attrgetter("verdict"), cases))
    seen["not_run"] += planned_in(header, len(cases)) - len(cases)
    return {verdict: seen[verdict] for verdict in WORST_FIRST}


def held_in(header: Mapping[str, Json]) -> dict[str, Mapping[str, Json]]:
    """The cases in quarantine that a run's header tells of, by what their repeats have in common, each with its entry."""
    entries = header.get("quarantine") or ()
    return {name: entry for entry in entries if not entry.get("expired") for name in entry.get("cases") or ()}


_BAD = frozenset({"failed", "errored"})
_NAMES = b',"shared":[['


T = TypeVar("T", bound=Told)


def in_order(cases: Iterable[T]) -> list[T]:
    """By script, then by name; no key is made where a script has one case, as keys of all would be more than the cases."""
    out: list[T] = []
    script = attrgetter("script")
    for _, group in groupby(sorted(cases, key=script), key=script):
        of_script = list(group)
        if len(of_script) > 1:
            forms = set("\0".join([case.name for case in of_script]).translate(_FORM).split("\0"))
            of_script.sort(key=attrgetter("name") if len(forms) == 1 else lambda case: natural(case.name))
        out += of_script
    return out


_FORM = str.maketrans("123456789", "0" * 9)  # names of one form have digits at the same places: they are in order as texts


_DIGITS = re.compile(r"(\d+)")


def natural(text: str) -> list[str | int]:
    """A sort key that puts `a[2]` before `a[10]`: words and numbers in turn, beginning with a word."""
    parts: list[str | int] = _DIGITS.split(text)
    parts[1::2] = map(int, parts[1::2])
    return parts
