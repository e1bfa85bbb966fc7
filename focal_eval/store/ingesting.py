"""Takes a run in: one transaction, one writer at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Table, and_, bindparam, delete, func, insert, select, update

from focal_eval.clock import content_id
from focal_eval.store.folding import NOTHING, Own, Standing, fold
from focal_eval.store.model import VERDICTS, CaseFacts, Ingested, Outcome, RunFacts
from focal_eval.store.tables import (
    SUMS,
    case_runs,
    cases,
    reasons,
    rule_runs,
    rule_set_rules,
    rule_sets,
    rules,
    runs,
    scripts,
    suites,
    tries,
)

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row

CHUNK = 500  # values of one IN
_FOLDED = ("unsteady", "judged_at", "is_good", "was_good", "since", "before")


class Ready:
    """A run with all that can be worked out before anybody has to wait for its writer."""

    def __init__(self, run: RunFacts) -> None:
        self.run, self.digest, self.reached = run, run.digest, run.reached
        self.outcomes: list[tuple[CaseFacts, Outcome]] = [(case, case.outcome()) for case in run.cases]


def ingest(connection: Connection, ready: Ready, at: str) -> Ingested:
    """Takes a run in where the store has no copy of it that came as far; the caller holds the writers' lock."""
    run, (_, held) = ready.run, ready.reached
    said = Ingested(run.id, "new", len(run.cases), held)
    known = connection.execute(select(runs).where(runs.c.id == run.id)).first()
    if known is not None:
        if known.digest == ready.digest:
            return Ingested(run.id, "known", len(run.cases), held)
        if (known.state == "finished", known.held) > ready.reached:
            return Ingested(run.id, "behind", len(run.cases), held)
        remove(connection, known)
        said = Ingested(run.id, "replaced", len(run.cases), held)
    _Ingesting(connection, ready).go(at)
    return said


def remove(connection: Connection, run: Row[Any]) -> None:
    """Takes a run out; what later runs say of its cases is added up anew."""
    touched = connection.scalars(select(case_runs.c.case_no).where(case_runs.c.run_no == run.no)).all()
    for table in (tries, rule_runs, case_runs):
        connection.execute(delete(table).where(table.c.run_no == run.no))
    connection.execute(delete(runs).where(runs.c.no == run.no))
    refold(connection, run.suite_no, touched, run.at)


def standings(connection: Connection, suite: int, at: int) -> Iterator[tuple[str, int, Standing]]:
    """Every case of a suite by name and number, and what it was before that moment."""
    inner = case_runs.alias()
    latest = select(func.max(inner.c.at)).where(inner.c.case_no == cases.c.no, inner.c.at < at).scalar_subquery()
    past, judged = case_runs.alias(), case_runs.alias()
    folded = [past.c[name] for name in _FOLDED]
    sums = [past.c[f"sum_{name}"] for name in SUMS]
    query = (
        select(cases.c.name, cases.c.no, past.c.at, *folded, *sums, judged.c.flaky, judged.c.script_no, runs.c.terms)
        .select_from(cases)
        .outerjoin(past, and_(past.c.case_no == cases.c.no, past.c.at == latest))
        .outerjoin(judged, and_(judged.c.case_no == cases.c.no, judged.c.at == past.c.judged_at))
        .outerjoin(runs, runs.c.no == judged.c.run_no)
        .where(cases.c.suite_no == suite)
    )
    for name, number, found, *rest in connection.execute(query):
        yield name, number, NOTHING if found is None else _standing(rest)


def _standing(row: Sequence[Any]) -> Standing:
    unsteady, judged_at, is_good, was_good, since, before, *rest = row
    runs, good, judged, wavering, us, timed, tokens, counted, flaky, script, terms = rest
    sums = (runs, good, judged, wavering, us, timed, tokens, counted)
    return Standing(unsteady, judged_at, is_good, was_good, since, before, sums, bool(flaky), script, terms)


def refold(connection: Connection, suite: int, touched: Iterable[int], at: int) -> None:
    """Adds up anew what the runs from a moment on say of some cases."""
    later = select(func.max(runs.c.at)).where(runs.c.suite_no == suite)
    newest = connection.scalar(later)
    if newest is None or newest < at:
        return
    wanted = set(touched)
    was = {number: found for _, number, found in standings(connection, suite, at) if number in wanted}
    changed = []
    for chunk in _chunks(sorted(wanted)):
        query = (
            select(case_runs, runs.c.terms)
            .join(runs, runs.c.no == case_runs.c.run_no)
            .where(case_runs.c.case_no.in_(chunk), case_runs.c.at >= at)
            .order_by(case_runs.c.case_no, case_runs.c.at)
        )
        for row in connection.execute(query):
            own = Own(row.at, row.good, row.judged, row.flaky, row.elapsed_us, row.tokens, row.script_no, row.terms)
            was[row.case_no] = fold(was[row.case_no], own)
            changed.append({"key_case": row.case_no, "key_at": row.at, **_folded(was[row.case_no])})
    if changed:
        names = [*_FOLDED, *(f"sum_{name}" for name in SUMS)]
        here = and_(case_runs.c.case_no == bindparam("key_case"), case_runs.c.at == bindparam("key_at"))
        connection.execute(update(case_runs).where(here).values({name: bindparam(name) for name in names}), changed)


def _folded(found: Standing) -> dict[str, Any]:
    return {
        **{name: getattr(found, name) for name in _FOLDED},
        **{f"sum_{name}": total for name, total in zip(SUMS, found.sums, strict=True)},
    }


def _chunks(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (items[start : start + CHUNK] for start in range(0, len(items), CHUNK))


class _Ingesting:
    """One run on its way in."""

    def __init__(self, connection: Connection, ready: Ready) -> None:
        self.connection, self.ready, self.run = connection, ready, ready.run
        self.suite = self._suite()
        self.at = self._moment()

    def go(self, at: str) -> None:
        number = self._number(at)
        known = {name: (no, found) for name, no, found in standings(self.connection, self.suite, self.at)}
        later = self._later()
        numbers = self._cases(known, newest=not later)
        rows = list(self._rows(number, numbers, known))
        if rows:
            self.connection.execute(insert(case_runs), rows)
        self._tries(number, numbers)
        self._rules(number)
        if later:
            refold(self.connection, self.suite, numbers.values(), self.at)

    def _suite(self) -> int:
        name, engine = self.run.suite, self.run.engine
        here = and_(suites.c.name == name, suites.c.engine == engine)
        found = self.connection.scalar(select(suites.c.no).where(here))
        if found is None:
            made = insert(suites).values(name=name, engine=engine).returning(suites.c.no)
            found = self.connection.scalar(made)
        assert found is not None
        return int(found)

    def _moment(self) -> int:
        """Where the run stands in time; two runs of a suite never stand in one place."""
        at = self.run.place
        while self.connection.scalar(select(runs.c.no).where(runs.c.suite_no == self.suite, runs.c.at == at)) is not None:
            at += 1
        return at

    def _later(self) -> bool:
        newest = self.connection.scalar(select(func.max(runs.c.at)).where(runs.c.suite_no == self.suite))
        return newest is not None and newest > self.at

    def _number(self, at: str) -> int:
        run, outcomes = self.run, [found for _, found in self.ready.outcomes]
        row = {
            "suite_no": self.suite,
            "at": self.at,
            "digest": self.ready.digest,
            "held": self.ready.reached[1],
            "cases": len(run.cases),
            "good": sum(found.good for found in outcomes),
            "judged": sum(found.judged for found in outcomes),
            "flaky": sum(found.flaky for found in outcomes),
            "errored": sum(found.verdict == "errored" for found in outcomes),
            "quarantined": sum(case.quarantined for case in run.cases),
            "knows_rules": any(case.rules is not None for case in run.cases),
            "ingested_at": at,
        }
        row |= {column.name: getattr(run, column.name) for column in runs.c if column.name not in {*row, "no"}}
        made = self.connection.scalar(insert(runs).values(row).returning(runs.c.no))
        assert made is not None
        return int(made)

    def _cases(self, known: Mapping[str, tuple[int, Standing]], *, newest: bool) -> dict[str, int]:
        """The number of each case; what is told of it is what its newest run says."""
        facts = {case.key: {"script": case.script, "title": case.title, "file": case.file} for case in self.run.cases}
        numbers = {name: known[name][0] for name in facts if name in known}
        fresh = [{"suite_no": self.suite, "name": name, **told} for name, told in facts.items() if name not in known]
        if fresh:
            made = self.connection.execute(insert(cases).returning(cases.c.no, cases.c.name), fresh)
            numbers |= {row.name: row.no for row in made}
        if newest and numbers:
            told = {name: row for name, row in facts.items() if name in known}
            stored = self.connection.execute(select(cases).where(cases.c.suite_no == self.suite))
            stale = [
                {"key": row.no, **told[row.name]}
                for row in stored
                if row.name in told and told[row.name] != {"script": row.script, "title": row.title, "file": row.file}
            ]
            if stale:
                values: dict[str, Any] = {name: bindparam(name) for name in ("script", "title", "file")}
                self.connection.execute(update(cases).where(cases.c.no == bindparam("key")).values(values), stale)
        return numbers

    def _rows(
        self, number: int, numbers: Mapping[str, int], known: Mapping[str, tuple[int, Standing]]
    ) -> Iterator[dict[str, Any]]:
        facts = self.run.cases
        script = self._interned(scripts, {case.digest: {} for case in facts})
        self.reason = self._interned(reasons, {content_id(text, length=32): {"text": text} for text in self._texts()})
        sets = self._rule_sets()
        terms = self.run.terms
        for case, found in self.ready.outcomes:
            own = Own(self.at, found.good, found.judged, found.flaky, case.elapsed_us, case.tokens, script[case.digest], terms)
            yield {
                "case_no": numbers[case.key],
                "at": self.at,
                "run_no": number,
                "verdict": VERDICTS.index(found.verdict),
                "flaky": found.flaky,
                "quarantined": case.quarantined,
                "good": found.good,
                "judged": found.judged,
                "elapsed_us": case.elapsed_us,
                "tokens": case.tokens,
                "script_no": own.script,
                "reason_no": self._reason(found.reason),
                "rules_no": None if case.rules is None else sets[case.rules],
                **_folded(fold(known[case.key][1] if case.key in known else NOTHING, own)),
            }

    def _texts(self) -> Iterator[str]:
        for case in self.run.cases:
            yield from (item.reason for item in case.tries if item.reason)

    def _reason(self, text: str | None) -> int | None:
        return self.reason[content_id(text, length=32)] if text else None

    def _interned(self, table: Table, rows: Mapping[str, Mapping[str, str]]) -> dict[str, int]:
        """The numbers of texts that many rows share; new ones are added."""
        kept = table.c[1]
        out: dict[str, int] = {}
        for chunk in _chunks(sorted(rows)):
            out |= {text: no for no, text in self.connection.execute(select(table.c.no, kept).where(kept.in_(chunk)))}
        fresh = [{kept.name: text, **rows[text]} for text in sorted(rows) if text not in out]
        if fresh:
            made = self.connection.execute(insert(table).returning(table.c.no, kept), fresh)
            out |= {text: no for no, text in made}
        return out

    def _rule_sets(self) -> dict[tuple[tuple[str, int], ...], int]:
        found = {case.rules for case in self.run.cases if case.rules is not None}
        digests = {_set_digest(item): item for item in found}
        self.rule = self._interned(rules, {name: {} for item in found for name, _ in item})
        before = self.connection.scalar(select(func.max(rule_sets.c.no))) or 0
        numbers = self._interned(rule_sets, {digest: {} for digest in digests})
        members = [
            {"set_no": numbers[digest], "rule_no": self.rule[name], "turns": turns}
            for digest, item in digests.items()
            if numbers[digest] > before
            for name, turns in item
        ]
        if members:
            self.connection.execute(insert(rule_set_rules), members)
        return {item: numbers[digest] for digest, item in digests.items()}

    def _tries(self, number: int, numbers: Mapping[str, int]) -> None:
        """Single tries, of cases that took several; where there was one, its row of `case_runs` says all of it."""
        rows = [
            {
                "run_no": number,
                "case_no": numbers[case.key],
                "repeat": item.repeat,
                "attempt": item.attempt,
                "verdict": VERDICTS.index(item.verdict),
                "elapsed_us": item.elapsed_us,
                "reason_no": self._reason(item.reason),
            }
            for case in self.run.cases
            if len(case.tries) > 1
            for item in case.tries
        ]
        if rows:
            self.connection.execute(insert(tries), rows)

    def _rules(self, number: int) -> None:
        """What the run says of each rule, added up over its cases."""
        sums: dict[str, list[int]] = {}
        for case, found in self.ready.outcomes:
            good, judged = found.good, found.judged
            for name, turns in case.rules or ():
                row = sums.setdefault(name, [0, 0, 0, 0])
                for place, more in enumerate((1, turns, good, judged)):
                    row[place] += more
        rows = [
            {"rule_no": self.rule[name], "run_no": number, **dict(zip(("cases", "turns", "good", "judged"), row, strict=True))}
            for name, row in sums.items()
        ]
        if rows:
            self.connection.execute(insert(rule_runs), rows)


def _set_digest(found: tuple[tuple[str, int], ...]) -> str:
    return content_id(*(f"{turns} {name}" for name, turns in found), length=32)
