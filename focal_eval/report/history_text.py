"""Histories on the terminal: a strip of verdicts, lines of figures over time, and what stands since when."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from statistics import median

from focal_eval.report.ansi import VERDICTS, Paint
from focal_eval.report.characters import one_line
from focal_eval.report.wording import MARKS, elapsed_words, moment_words
from focal_eval.store.answers import (
    CaseHistory,
    Point,
    Rate,
    RuleHistory,
    Series,
    Standing,
    StoredRun,
    Streak,
    SuiteHistory,
    Trend,
)
from focal_eval.text import counted, listed

WIDE = 60  # signs of a strip or a line of figures
BARS = "▁▂▃▄▅▆▇█"
ABSENT = "·"
FLAKY = "~"
_LABEL = 12


def case_lines(found: CaseHistory, paint: Paint, *, most: int) -> Iterator[str]:
    """The history of a case."""
    yield f"{paint(one_line(found.name, 160), 'bold')}  {one_line(found.title, 100)}".rstrip()
    yield _about(found.series, [point.started_at for point in found.points], "run")
    yield ""
    yield _row("verdicts", strip(found.points, paint))
    yield _row("passed", rate_words(found.passed, "conversation"))
    yield _row("unsteady", rate_words(found.flake, "judged run"))
    yield from _trend_rows(found.time, found.tokens)
    if found.points and found.points[-1].quarantined:
        yield paint(_row("quarantine", "its last run held it there: it gated nothing"), "yellow")
    if found.streak is not None:
        yield ""
        yield from _streak(found.streak, paint)
    several = [point for point in found.points if point.tries][-most:]
    if several:
        yield ""
        yield paint("tries of the runs that took several, the newest last", "dim")
        yield from (
            f"  {one_line(point.run, 60)}  {''.join(_mark(verdict, paint) for verdict in point.tries)}" for point in several
        )
    yield from _also(found.also, paint)


def rule_lines(found: RuleHistory, paint: Paint) -> Iterator[str]:
    """The history of a rule."""
    yield paint(f"rule {one_line(found.name, 120)}", "bold")
    yield _about(found.series, [point.started_at for point in found.points], "run that reports rules", "runs that report rules")
    yield ""
    yield from _figure_row("cases", Trend(tuple(float(point.cases) for point in found.points)), _whole)
    yield from _figure_row("turns", Trend(tuple(float(point.turns) for point in found.points)), _whole)
    yield _row("passed", rate_words(found.passed, "conversation") + " of cases that matched it")
    last = found.points[-1].run if found.points else None
    if found.last_match is None:
        yield _row("last match", "in none of these runs")
    elif found.last_match != last:
        yield paint(_row("last match", f"run {one_line(found.last_match, 60)}; no case of a later run matched it"), "yellow")
    for title, names in (("no more matched by", found.lost), ("newly matched by", found.gained)):
        if names:
            yield _row(title, listed([one_line(name, 100) for name in names]))
    if found.cases:
        yield ""
        yield paint(f"cases of run {one_line(found.last_match or '', 60)} that matched it, the bad ones first", "dim")
        for name, turns, verdict in found.cases:
            yield f"  {_mark(verdict, paint)} {one_line(name, 100)}  {counted(turns, 'turn')}"
        if more := found.all_cases - len(found.cases):
            yield paint(f"  and {more:,} more", "dim")
    yield from _also(found.also, paint)


def suite_lines(found: SuiteHistory, paint: Paint) -> Iterator[str]:
    """The history of a suite."""
    yield paint(_named(found.series), "bold")
    yield _about(None, [run.started_at for run in found.points], "run") + f", {counted(found.cases, 'case')}"
    yield ""
    yield _row("runs", "".join(_run_mark(run, paint) for run in found.points[-WIDE:]))
    shares = Trend(tuple(run.good / run.judged if run.judged else None for run in found.points))
    yield from _figure_row("passed", shares, _share, low=0.0, high=1.0)
    yield _row("", rate_words(found.passed, "conversation"))
    yield _row("unsteady", rate_words(found.flake, "judged case") + " of these runs")
    yield from _figure_row("turn p50", Trend(tuple(run.p50_ms for run in found.points)), elapsed_words)
    yield from _figure_row("turn p95", Trend(tuple(run.p95_ms for run in found.points)), elapsed_words)
    tokens = Trend(tuple(None if run.tokens is None else float(run.tokens) for run in found.points))
    yield from _figure_row("tokens", tokens, _whole)
    titled = (
        (f"bad now, since their first bad run: {counted(found.all_bad, 'case')}", found.bad, _bad_words),
        ("flakiest", found.flakiest, lambda item: rate_words(item.flake, "judged run") + " unsteady"),
        ("slowest", found.slowest, lambda item: f"{elapsed_words(item.ms)} a conversation, {counted(item.runs, 'run')}"),
    )
    for title, items, words in titled:
        if items:
            yield ""
            yield paint(title, "bold")
            yield from (f"  {one_line(item.name, 100)}  {words(item)}" for item in items)
    yield from _also(found.also, paint)


def run_lines(found: Iterable[StoredRun], paint: Paint) -> Iterator[str]:
    """Runs of a store, a line each."""
    for run in found:
        unsure = f", {run.flaky:,} flaky" if run.flaky else ""
        again = f", run {one_line(run.of, 40)} judged again" if run.of else ""
        words = f"{run.good:,} of {run.judged:,} good{unsure}{again}"
        yield f"{_run_mark(run, paint)} {one_line(run.id, 60)}  {moment_words(run.started_at)}  {_named(run.series)}  {words}"


def strip(points: Sequence[Point], paint: Paint) -> str:
    """A sign a run, oldest first; only the newest where there are many."""
    signs = [paint(FLAKY, "yellow") if point.flaky else _mark(point.verdict, paint) for point in points[-WIDE:]]
    return "".join(signs)


def spark(values: Sequence[float | None], *, low: float | None = None, high: float | None = None) -> str:
    """A bar a value, from the lowest to the highest; many values are put together to their medians."""
    parts = [_middle(part) for part in _parts(values)]
    known = [value for value in parts if value is not None]
    if not known:
        return ""
    bottom, top = min(known) if low is None else low, max(known) if high is None else high
    return "".join(ABSENT if value is None else _bar(value, bottom, top) for value in parts)


def _bar(value: float, bottom: float, top: float) -> str:
    if top <= bottom:
        return BARS[len(BARS) // 2]
    return BARS[min(len(BARS) - 1, int((value - bottom) / (top - bottom) * len(BARS)))]


def _parts(values: Sequence[float | None]) -> Iterator[Sequence[float | None]]:
    count = min(len(values), WIDE)
    for place in range(count):
        yield values[place * len(values) // count : (place + 1) * len(values) // count]


def _middle(part: Sequence[float | None]) -> float | None:
    known = [value for value in part if value is not None]
    return median(known) if known else None


def rate_words(rate: Rate, noun: str) -> str:
    """`92.5 % of 40 conversations`, and what there is to say of none."""
    return f"no {noun}" if rate.value is None else f"{_share(rate.value)} of {counted(rate.of, noun)}"


def _share(value: float | None) -> str:
    """A share in per cent; all and none only where it is all and none."""
    if value is None:
        return "unknown"
    text = f"{value * 100:.1f}".removesuffix(".0")
    if (text == "100" and value < 1) or (text == "0" and value > 0):
        return "> 99.9 %" if value > 0.5 else "< 0.1 %"
    return f"{text} %"


def _whole(value: float | None) -> str:
    return "unknown" if value is None else f"{value:,.0f}"


def _trend_rows(time: Trend, tokens: Trend) -> Iterator[str]:
    yield from _figure_row("time", time, elapsed_words)
    yield from _figure_row("tokens", tokens, _whole)


def _figure_row(
    label: str, trend: Trend, words: object, *, low: float | None = None, high: float | None = None
) -> Iterator[str]:
    """A figure's line over time, its median and where it goes; nothing of a figure that nobody told."""
    assert callable(words)
    if not trend.known:
        return
    said = f"median {words(trend.median)}, last {words(trend.known[-1])}"
    if trend.halves is not None:
        older, newer = trend.halves
        change = f" ({(newer - older) / older:+.0%})".replace("%", " %") if older else ""
        said += f"; older half {words(older)}, newer half {words(newer)}{change}"
    yield _row(label, f"{spark(trend.values, low=low, high=high)}  {said}")


def _row(label: str, text: str) -> str:
    return f"{label:<{_LABEL}}{text}" if len(label) < _LABEL else f"{label}  {text}"


def _mark(verdict: str, paint: Paint) -> str:
    return paint(MARKS[verdict], VERDICTS[verdict])


def _run_mark(run: StoredRun, paint: Paint) -> str:
    kind = run.verdict if run.verdict in ("passed", "failed") else "errored" if run.verdict == "no-verdict" else "not_run"
    return _mark(kind, paint)


def _named(series: Series) -> str:
    suite = one_line(series.suite, 100) or "scripts without a suite"
    return f"{suite} on {one_line(series.engine, 40)}"


def _about(series: Series | None, starts: Sequence[str], noun: str, plural: str | None = None) -> str:
    said = counted(len(starts), noun, plural)
    if starts:
        first, last = moment_words(starts[0]), moment_words(starts[-1])
        said += f", {first}" if first == last else f", {first} to {last}"
    return said if series is None else f"{_named(series)}: {said}"


def _streak(streak: Streak, paint: Paint) -> Iterator[str]:
    """Since when a case is what it is, and what is known of the change."""
    kind, word = ("passed", "good") if streak.good else ("failed", "bad")
    since = f"since run {one_line(streak.since, 60)} ({moment_words(streak.started_at)}), {counted(streak.runs, 'judged run')}"
    yield paint(f"{word} {since}", VERDICTS[kind], "bold")
    if streak.reason and not streak.good:
        yield f"  {one_line(streak.reason, 200)}"
    if streak.before is None:
        yield paint("  no earlier run in the store says otherwise", "dim")
        return
    other = "last good" if not streak.good else "last bad"
    yield f"  the {other} one was run {one_line(streak.before, 60)}; {_change_words(streak)}"


def _change_words(streak: Streak) -> str:
    changed, unknown = list(streak.changed or ()), list(streak.unknown)
    said = f"since then {listed(changed)} changed" if changed else "nothing that is known changed between the two"
    return said + (f"; whether {listed(unknown, last='or')} did is not known" if unknown else "")


def _bad_words(item: Standing) -> str:
    since = f"since run {one_line(item.since, 60)}" if item.since else "since before these runs"
    return since + ("" if item.before else ", never good")


def _also(others: Sequence[Series], paint: Paint) -> Iterator[str]:
    if others:
        yield ""
        names = [_named(series) for series in others]
        yield paint(f"also in the store: {listed(names)}; --suite and --engine choose", "dim")
