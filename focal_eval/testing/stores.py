"""What every store promises: a history is taken in, in any order and by several at once, and answers are counted by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from focal_eval.clock import seeded
from focal_eval.errors import FocalEvalError, UsageError
from focal_eval.store import CaseFacts, RunFacts, Store, TryFacts
from focal_eval.store.answers import CaseHistory, SuiteHistory
from focal_eval.store.model import Keep, Scope
from focal_eval.testing.promises import Kit

if TYPE_CHECKING:
    from random import Random as Chance

SUITE, ENGINE = "evals/stored.yaml", "embedded"
RUNS, CASES, WRITERS = 14, 5, 4
AT = "2026-02-01T00:00:00.000Z"
ALL = Scope(SUITE, ENGINE, last=1000, most=1000)


def stored_run(number: int, *, suite: str = SUITE, chance: Chance | None = None, cases: int = CASES) -> RunFacts:
    """A run made up from its number: cases that pass, fail, waver or are left out; the agent changes, or is not known."""
    source = chance or seeded(number)
    return RunFacts(
        id=f"{suite}-{number:04d}",
        suite=suite,
        engine=ENGINE,
        engine_kind="embedded",
        started_at=f"2026-01-{1 + number // 24:02d}T{number % 24:02d}:00:00.000Z",
        finished_at=f"2026-01-{1 + number // 24:02d}T{number % 24:02d}:01:00.000Z",
        cases=(*(case for place in range(cases) if (case := _case(place, source)) is not None), _wavering(number)),
        verdict="passed",
        exit_code=0,
        folder=f"reports/{number}",
        version="1",
        suite_digest="s",
        agent_file="agent.yaml",
        agent_digest="" if number % 7 > 3 else f"agent{number // 3}",
        planned=cases,
        turns=cases,
        elapsed_us=number * 1000,
        p50_us=number * 10,
        p95_us=number * 100,
        tokens=number,
    )


def _wavering(number: int) -> CaseFacts:
    """A case that passes every other time, whatever the agent is."""
    verdict = "passed" if number % 2 else "failed"
    tries = (TryFacts(1, 1, verdict, 10, None),)
    return CaseFacts("group/wavers", "group/wavers", "Wavers", "group/wavers.yaml", "script", tries, 1, 10)


def _case(place: int, source: Chance) -> CaseFacts | None:
    if source.random() < 0.1:
        return None
    repeats = source.choice((1, 1, 3))
    verdicts = [
        source.choice(("passed", "passed", "passed", "failed", "errored", "xfailed", "skipped")) for _ in range(repeats)
    ]
    tries = tuple(
        TryFacts(repeat, 1, verdict, source.randrange(1, 5000), f"why {verdict}" if verdict in ("failed", "errored") else None)
        for repeat, verdict in enumerate(verdicts, 1)
    )
    rules = tuple((f"rule-{name}", source.randrange(1, 4)) for name in "ab" if source.random() < 0.6)
    return CaseFacts(
        key=f"group/case-{place}",
        script=f"group/case-{place}",
        title=f"Case {place} \U0001f41b",
        file=f"group/case-{place}.yaml",
        digest=source.choice(("script", "script", "script", "edited")),
        tries=tries,
        turns=repeats,
        elapsed_us=source.randrange(1, 9000),
        tokens=source.choice((None, 10, 20)),
        rules=rules if place else None,
    )


def store_conformance(fresh: Callable[[], Store], again: Callable[[], Store]) -> None:
    """Raises AssertionError where a store breaks a promise of `focal_eval.store.base`.

    `fresh` opens a store that holds nothing, another one each time; `again` opens the one that `fresh` opened last.
    """
    runs = [stored_run(number) for number in range(RUNS)]
    for orders in (runs, runs[::-1], seeded(1).sample(runs, RUNS)):
        store = fresh()
        kit = Kit("store", store)
        try:
            _empty(kit, store)
            _taken_in(kit, store, orders)
            _answers(kit, store, runs)
            _twice(kit, store, runs)
            _unknown(kit, store)
        finally:
            store.close()
    _kept(kit, fresh, again, runs)
    _grown(kit, fresh, runs)
    _together(kit, fresh, again, runs)
    _pruned(kit, fresh, runs)


def _empty(kit: Kit, store: Store) -> None:
    kit.holds(store.runs(Scope()) == [], "a fresh store holds no runs", f"it lists {store.runs(Scope())!r}")
    kit.holds(not store.strips(ALL).cases, "an unknown suite has no strips", "it has some")
    _refuses(kit, "a history of nothing is a UsageError", lambda: store.suite(Scope()))


def _taken_in(kit: Kit, store: Store, runs: Iterable[RunFacts]) -> None:
    for run in runs:
        done = store.ingest(run, AT)
        kit.holds(done.outcome == "new", "a run that is not there is taken in", f"it is {done.outcome!r}")


def _answers(kit: Kit, store: Store, runs: Sequence[RunFacts]) -> None:
    """Every window's answers are what the facts say, counted by hand."""
    listed = [run.id for run in store.runs(ALL)]
    kit.holds(listed == [run.id for run in reversed(runs)], "runs are listed newest first", f"they are {listed}")
    for last in (1, 2, 5, len(runs)):
        scope = replace(ALL, last=last)
        _suite(kit, store.suite(scope), runs, last)
        for name in sorted({case.key for run in runs for case in run.cases}):
            _case_history(kit, store.case(name, scope), runs, last)
        for rule in ("rule-a", "rule-b"):
            _rule(kit, store, rule, runs, scope)
    _strips(kit, store, runs)
    bounded = store.suite(replace(ALL, last=2, before=runs[3].id))
    seen = [run.id for run in bounded.points]
    kit.holds(seen == [runs[2].id, runs[3].id], "`before` ends the window at that run", f"it holds {seen}")


def points_by_hand(name: str, runs: Sequence[RunFacts]) -> list[tuple[RunFacts, CaseFacts, bool]]:
    """Each run of a case with whether it was unsteady there, from the definition and nothing else."""
    out: list[tuple[RunFacts, CaseFacts, bool]] = []
    judged: list[tuple[RunFacts, CaseFacts]] = []
    for run in sorted(runs, key=lambda run: run.place):
        for case in run.cases:
            if case.key != name:
                continue
            out.append((run, case, bool(case.judged) and (case.flaky or _turned(judged, run, case))))
            if case.judged:
                judged.append((run, case))
    return out


def _turned(judged: Sequence[tuple[RunFacts, CaseFacts]], run: RunFacts, case: CaseFacts) -> bool:
    if not judged:
        return False
    before_run, before = judged[-1]
    if _good(before) == _good(case) or before.flaky or before.digest != case.digest:
        return False
    if run.terms and before_run.terms:
        return run.terms == before_run.terms
    return len(judged) > 1 and _good(judged[-2][1]) == _good(case)


def _good(case: CaseFacts) -> bool:
    return case.good == case.judged


def _case_history(kit: Kit, found: CaseHistory, runs: Sequence[RunFacts], last: int) -> None:
    inside = {run.id for run in runs[-last:]}
    whole = points_by_hand(found.name, runs)
    wanted = [(run, case, unsteady) for run, case, unsteady in whole if run.id in inside]
    seen = [(point.run, point.verdict, point.flaky, point.unsteady, point.tokens, point.ms) for point in found.points]
    expected = [
        (run.id, case.verdict, case.flaky, unsteady, case.tokens, None if case.elapsed_us is None else case.elapsed_us / 1000)
        for run, case, unsteady in wanted
    ]
    kit.holds(seen == expected, "a case's points are its runs, oldest first", f"of {found.name}: {seen} where {expected}")
    good, judged = sum(case.good for _, case, _ in wanted), sum(case.judged for _, case, _ in wanted)
    kit.holds((found.passed.hits, found.passed.of) == (good, judged), "a pass rate counts conversations", f"{found.passed}")
    tries = [point.tries for point in found.points]
    told = [tuple(item.verdict for item in case.tries) if len(case.tries) > 1 else () for _, case, _ in wanted]
    kit.holds(tries == told, "several tries are told one by one", f"{tries} where {told}")
    _streak(kit, found, [(run, case) for run, case, _ in whole if case.judged], inside)


def _streak(kit: Kit, found: CaseHistory, judged: list[tuple[RunFacts, CaseFacts]], inside: set[str]) -> None:
    if not any(run.id in inside for run, _ in judged):
        kit.holds(found.streak is None, "a case that no run judged has no streak", f"{found.streak}")
        return
    now, streak = _good(judged[-1][1]), []
    for run, case in reversed(judged):
        if _good(case) != now:
            break
        streak.append(run.id)
    before = judged[-len(streak) - 1][0].id if len(streak) < len(judged) else None
    wanted = (now, streak[-1], len(streak), before)
    told = found.streak
    seen = None if told is None else (told.good, told.since, told.runs, told.before)
    kit.holds(seen == wanted, "a streak begins at its first run", f"of {found.name}: {seen} where {wanted}")


def _suite(kit: Kit, found: SuiteHistory, runs: Sequence[RunFacts], last: int) -> None:
    inside = runs[-last:]
    seen = [(point.id, point.good, point.judged, point.tokens) for point in found.points]
    expected = [(run.id, sum(c.good for c in run.cases), sum(c.judged for c in run.cases), run.tokens) for run in inside]
    kit.holds(seen == expected, "a suite's points are its runs", f"{seen} where {expected}")
    ids = {run.id for run in inside}
    slow = {}
    flaky = {}
    for name in {case.key for run in inside for case in run.cases}:
        rows = [row for row in points_by_hand(name, runs) if row[0].id in ids]
        judged = [case for _, case, _ in rows if case.judged]
        times = [case.elapsed_us for case in judged if case.elapsed_us is not None]
        if times:
            slow[name] = sum(times) / len(times) / 1000
        if any(unsteady for _, _, unsteady in rows):
            flaky[name] = (sum(unsteady for _, _, unsteady in rows), len(judged))
    seen_flaky = {item.name: (item.flake.hits, item.flake.of) for item in found.flakiest}
    kit.holds(seen_flaky == flaky, "flake rates of a window are those of its runs", f"{seen_flaky} where {flaky}")
    seen_slow = {item.name: round(item.ms or 0, 6) for item in found.slowest}
    expected_slow = {name: round(ms, 6) for name, ms in slow.items()}
    kit.holds(seen_slow == expected_slow, "times of a window are those of its runs", f"{seen_slow} where {expected_slow}")
    order = [item.ms or 0 for item in found.slowest]
    kit.holds(order == sorted(order, reverse=True), "the slowest case comes first", f"{order}")


def _rule(kit: Kit, store: Store, rule: str, runs: Sequence[RunFacts], scope: Scope) -> None:
    found = store.rule(rule, scope)
    inside = [run for run in runs[-scope.last :] if any(case.rules is not None for case in run.cases)]
    expected = []
    for run in inside:
        hit = [case for case in run.cases if rule in dict(case.rules or ())]
        turns = sum(dict(case.rules or ())[rule] for case in hit)
        expected.append((run.id, len(hit), turns, sum(case.good for case in hit), sum(case.judged for case in hit)))
    seen = [(point.run, point.cases, point.turns, point.good, point.judged) for point in found.points]
    kit.holds(seen == expected, "a rule's points are the runs that report rules", f"of {rule}: {seen} where {expected}")


def _strips(kit: Kit, store: Store, runs: Sequence[RunFacts]) -> None:
    found = store.strips(ALL)
    kit.holds([run for run, _ in found.runs] == [run.id for run in runs], "strips tell their runs", f"{found.runs}")
    for place, run in enumerate(runs):
        present = {case.key for case in run.cases}
        drawn = {name for name, letters in found.cases.items() if letters[place] != "."}
        kit.holds(drawn == present, "a strip has a letter where its case was run", f"in {run.id}: {drawn} where {present}")
        flaky = {case.key for case in run.cases if case.flaky}
        wavy = {name for name, letters in found.cases.items() if letters[place] == "~"}
        kit.holds(wavy == flaky, "flaky cases have a letter of their own", f"in {run.id}: {wavy} where {flaky}")


def _twice(kit: Kit, store: Store, runs: Sequence[RunFacts]) -> None:
    before = _told(store)
    for run in runs:
        done = store.ingest(run, "2027-01-01T00:00:00.000Z")
        kit.holds(done.outcome == "known", "the same run again changes nothing", f"it is {done.outcome!r}")
    kit.holds(_told(store) == before, "the same run again changes nothing", "answers differ")


def _told(store: Store) -> object:
    names = sorted(store.strips(ALL).cases)
    return store.runs(ALL), store.suite(ALL), store.strips(ALL), [store.case(name, ALL) for name in names]


def _unknown(kit: Kit, store: Store) -> None:
    _refuses(kit, "an unknown case is a UsageError", lambda: store.case("group/case-x", ALL), "did you mean")
    _refuses(kit, "an unknown rule is a UsageError", lambda: store.rule("rule-c", ALL), "did you mean")
    _refuses(kit, "an unknown suite is a UsageError", lambda: store.suite(Scope("evals/stored.yml")), "did you mean")


def _refuses(kit: Kit, promise: str, call: Callable[[], object], words: str = "") -> None:
    try:
        call()
    except UsageError as problem:
        kit.holds(words in str(problem), promise, f"it says {str(problem)!r}")
        return
    except Exception as problem:
        kit.crashed(promise, problem)
    kit.broken(promise, "it answered")


def _kept(kit: Kit, fresh: Callable[[], Store], again: Callable[[], Store], runs: Sequence[RunFacts]) -> None:
    store = fresh()
    for run in runs:
        store.ingest(run, AT)
    before = _told(store)
    store.close()
    other = again()
    kit.holds(_told(other) == before, "what was taken in is there when it is opened again", "answers differ")
    other.close()


def _grown(kit: Kit, fresh: Callable[[], Store], runs: Sequence[RunFacts]) -> None:
    """A run that was cut off is replaced by the whole of it, wherever it stands; never the other way round."""
    store, straight = fresh(), None
    cut = replace(runs[4], cases=runs[4].cases[:2], state="interrupted", verdict=None)
    for run in (*runs[:4], cut, *runs[5:]):
        store.ingest(run, AT)
    done = store.ingest(runs[4], AT)
    kit.holds(done.outcome == "replaced", "a run that grew is replaced", f"it is {done.outcome!r}")
    behind = store.ingest(cut, AT)
    kit.holds(behind.outcome == "behind", "a copy that came less far is left out", f"it is {behind.outcome!r}")
    _answers(kit, store, runs)
    straight = store.suite(ALL)
    kit.holds(len(straight.points) == len(runs), "a replaced run is there once", f"there are {len(straight.points)}")
    store.close()
    store, less = fresh(), replace(runs[4], cases=runs[4].cases[:-1])
    for run in (*runs[:4], replace(runs[4], cases=runs[4].cases[-1:], state="interrupted"), *runs[5:], less):
        store.ingest(run, AT)
    _answers(kit, store, (*runs[:4], less, *runs[5:]))  # of a case that the whole of it has not, later runs forget what it was
    store.close()


def _together(kit: Kit, fresh: Callable[[], Store], again: Callable[[], Store], runs: Sequence[RunFacts]) -> None:
    """Several writers at once, each offering every run, in orders of their own."""
    fresh().close()

    def write(number: int) -> None:
        store = again()
        try:
            for run in seeded(number).sample(list(runs), len(runs)):
                store.ingest(run, AT)
        finally:
            store.close()

    with ThreadPoolExecutor(WRITERS) as pool:
        try:
            list(pool.map(write, range(WRITERS)))
        except FocalEvalError as problem:
            kit.crashed("several write at once", problem)
    store = again()
    _answers(kit, store, runs)
    store.close()


def _pruned(kit: Kit, fresh: Callable[[], Store], runs: Sequence[RunFacts]) -> None:
    store = fresh()
    other = [stored_run(number, suite="evals/other.yaml") for number in range(3)]
    gone = replace(runs[0].cases[-1], key="group/gone")
    for run in (replace(runs[0], cases=(*runs[0].cases, gone)), *runs[1:], *other):
        store.ingest(run, AT)
    whole = store.suite(replace(ALL, last=4))
    done = store.prune(Keep(runs=4))
    kit.holds((done.runs, done.left) == (len(runs) - 4, 7), "the newest runs of each suite stay", f"{done}")
    kept = [run.id for run in store.runs(ALL)]
    kit.holds(kept == [run.id for run in reversed(runs[-4:])], "the oldest runs go", f"{kept} stay")
    after = store.suite(ALL)
    kit.holds(
        (after.points, after.flakiest, after.slowest, after.flake)
        == (whole.points, whole.flakiest, whole.slowest, whole.flake),
        "what is left says what it said",
        "answers differ",
    )
    _refuses(kit, "a case goes with its last run", lambda: store.case("group/gone", ALL))
    again = store.ingest(runs[0], AT)
    kit.holds(again.outcome == "new", "a run that went may come back", f"it is {again.outcome!r}")
    none = store.prune(Keep(since=runs[-1].started_at))
    kit.holds(none.left == 1, "runs stay from a moment on", f"{none.left} are left")
    store.close()
