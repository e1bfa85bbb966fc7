"""Cases in quarantine: they run and are told, and gate nothing until their last day is over."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from focal_eval.document import read_file
from focal_eval.errors import Diagnostic, Label, Problems
from focal_eval.records import Json
from focal_eval.registry import did_you_mean
from focal_eval.runner.plan import cases_of
from focal_eval.script.load import shown
from focal_eval.script.model import Script
from focal_eval.script.quarantine import Entry, Placed, read_quarantine
from focal_eval.script.suite import Suite
from focal_eval.source import Span
from focal_eval.value import value


@value
class Held:
    """An entry, with the cases it stands for."""

    entry: Entry
    cases: tuple[str, ...]  # without the numbers of repeats
    expired: bool

    def as_json(self) -> dict[str, Json]:
        """As a run's header holds it."""
        entry = self.entry
        return {
            "case": entry.case.text,
            "owner": entry.owner,
            "expires": entry.expires.text,
            "reason": entry.reason,
            "at": [entry.case.span.file, entry.case.span.line],
            "expired": self.expired,
            "cases": list(self.cases),
        }


@value
class Quarantine:
    """All entries of a suite."""

    held: tuple[Held, ...] = ()

    @property
    def cases(self) -> frozenset[str]:
        """Those that gate nothing today."""
        return frozenset(name for item in self.held if not item.expired for name in item.cases)

    def as_json(self) -> list[dict[str, Json]]:
        """As a run's header holds them."""
        return [item.as_json() for item in self.held]


NOBODY = Quarantine()


def quarantine_of(
    suite: Suite | None, scripts: Iterable[Script], variants: str, today: date, problems: Problems, *, whole: bool
) -> Quarantine:
    """What a suite has in quarantine; what is wrong with its entries is added to the problems.

    `whole` says that these are all scripts of the suite: then a case that is in none of them is a mistake.
    """
    if suite is None or not suite.fields.quarantine:
        return NOBODY
    names: dict[str, tuple[str, ...]] = {}
    for script in scripts:
        own = tuple(case.name for case in cases_of(script, 1, variants))
        names[script.id] = own
        names.update({name: (name,) for name in own if name != script.id})
    held: list[Held] = []
    seen: dict[str, Span] = {}
    for entry in _entries(suite, problems):
        name = entry.case.text
        if name in seen:
            first = (Label(seen[name], "first here"),)
            problems.error("quarantine-twice", f"'{name}' is in quarantine already", entry.case.span, labels=first)
        elif name in names or not whole:
            expired = date.fromisoformat(entry.expires.text) < today
            problems.extend(_expired(entry) if expired else ())
            held.append(Held(entry, names.get(name, ()), expired))
        else:
            fix = did_you_mean(name, names)
            problems.error("unknown-case", f"the suite has no case '{name}'", entry.case.span, help=fix)
        seen.setdefault(name, entry.case.span)
    return Quarantine(tuple(held))


def _entries(suite: Suite, problems: Problems) -> tuple[Entry, ...]:
    given = suite.fields.quarantine
    if not isinstance(given, Placed):
        return given
    path = suite.folder / given.text
    if not path.is_file():
        near = [item.name for item in path.parent.glob("*.yaml")] if path.parent.is_dir() else []
        fix = did_you_mean(path.name, near, list_up_to=0)
        problems.error("unreadable-file", f"there is no file {given.text}", given.span, help=fix)
        return ()
    document = read_file(path, shown(path))
    entries = read_quarantine(document)
    problems.extend(document.problems)
    return entries


def _expired(entry: Entry) -> Iterable[Diagnostic]:
    text = f"the quarantine of '{entry.case.text}' ended on {entry.expires.text}: it gates again ({entry.owner})"
    yield Diagnostic("quarantine-expired", text, entry.expires.span, "warning", "mend it, take it out, or give it another day")
