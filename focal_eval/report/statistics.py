"""What statistics say, in words: of the repeats of a run, and of a comparison. Never a rate without its number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from focal_eval.report.characters import one_line
from focal_eval.text import counted

if TYPE_CHECKING:
    from focal_eval.compare.stats import Statistics

MOST = 5  # cases named
CLASSES = {"stable-pass": "stable", "stable-fail": "always failing", "flaky": "flaky", "undecided": "undecided"}


def repeats_lines(statistics: Mapping[str, Any] | None) -> Iterator[str]:
    """What the repeats of a run came to, from `statistics` of its header; nothing where nothing was repeated."""
    if not statistics:
        return
    rate = statistics["pass_at_1"]
    if rate["value"] is not None:
        begin = f"pass rate {percent(rate['value'])} ({_between(rate)}; n = {counted(rate['cases'], 'case')}"
        yield f"{begin}, {counted(statistics['attempts'], 'repeat')}){_tries(statistics['tries'])}"
    classes = [f"{count:,} {CLASSES[name]}" for name, count in statistics["classes"].items() if count]
    if classes:
        yield "cases: " + ", ".join(classes) + _why_undecided(statistics)
    if statistics["errored"]:
        yield f"left out: {counted(statistics['errored'], 'repeat')} that errored"
    yield from _flaky(statistics["flaky"])


def _tries(tries: list[Mapping[str, Any]]) -> str:
    """pass^k of the most tries that every case allows."""
    whole = [row for row in tries if row["k"] > 1 and row["cases"] == tries[0]["cases"]]
    return f"; all of {whole[-1]['k']} tries pass: {percent(whole[-1]['pass_hat_k'])}" if whole else ""


def _why_undecided(statistics: Mapping[str, Any]) -> str:
    if not statistics["classes"]["undecided"]:
        return ""
    return f"; {statistics['rule']['enough']} equal repeats would decide"


def _flaky(flaky: list[Mapping[str, Any]]) -> Iterator[str]:
    for entry in flaky[:MOST]:
        seen = f"{entry['good']} of {entry['judged']} passed ({_between(entry)})"
        yield f"  flaky: {one_line(entry['case'], 100)}  {seen}{divergence_words(entry.get('first'))}"
    if len(flaky) > MOST:
        yield f"  and {len(flaky) - MOST:,} more"


def divergence_words(first: Mapping[str, Any] | None) -> str:
    """Where repeats part ways: `; they part at turn 2, rules: refund (3 of 3 passed) or none (0 of 2)`."""
    if first is None:
        return ""
    ways = [f"{one_line(way['text'], 40)} ({way['good']} of {way['good'] + way['bad']} passed)" for way in first["answers"][:3]]
    return f"; they part at turn {first['turn'] + 1}, {first['lane']}: {' or '.join(ways)}"


def comparison_lines(statistics: Statistics) -> Iterator[str]:
    """What a comparison's figures say, for the terminal."""
    data = statistics.as_json()
    paired = data["paired"]
    if not paired["cases"]:
        yield "statistics: no case has a verdict on both sides"
        return
    low, high = (f"{percent(side['rate'])} ({_between(side)})" for side in (paired["before"], paired["after"]))
    moved = f"{paired['worse']:,} worse, {paired['better']:,} better"
    proof = "" if statistics.deterministic else f"; exact paired test {chance('p', paired['p'])}"
    yield f"pass rate {low} → {high}, n = {counted(paired['cases'], 'case')}; {moved}{proof}"
    if not statistics.deterministic:
        yield from _proven(statistics)
    for name, key in (("latency of a turn, ms", "latency_ms"), ("tokens of a turn", "tokens")):
        if data[key]:
            yield f"{name}: " + ", ".join(map(_difference, data[key])) + f"; n = {counted(data[key][0]['cases'], 'case')}"
        if key in data["uncompared"]:
            yield f"{name.removesuffix(', ms')}: not compared, since {one_line(data['uncompared'][key], 300)}"
    if sum(statistics.errored):
        yield f"left out: repeats that errored, {statistics.errored[0]:,} before and {statistics.errored[1]:,} after"


def _proven(statistics: Statistics) -> Iterator[str]:
    level = statistics.alpha / 2
    proven = [test for test in statistics.tests if test.q is not None and test.q <= level]
    for word, chosen in (
        ("worse", [test for test in proven if test.effect < 0]),
        ("better", [test for test in proven if test.effect > 0]),
    ):
        for test in chosen[:MOST]:
            counts = f"{test.before[0]} of {test.before[1]} → {test.after[0]} of {test.after[1]}"
            proof = f"{chance('p', test.p)}, {chance('q', test.q)}"
            yield f"  significantly {word}: {one_line(test.key, 100)}  {counts} passed, {proof}"
        if len(chosen) > MOST:
            yield f"  and {len(chosen) - MOST:,} more significantly {word}"
    if not proven and statistics.tests and not any(statistics.tested):
        yield "  so few repeats cannot prove anything of a single case"


def _difference(row: Mapping[str, Any]) -> str:
    name = "median" if row["quantile"] == 0.5 else f"p{row['quantile'] * 100:g}"
    ends = row["interval"]
    known = "" if ends is None else f" ({row['confidence']:.0%}: {ends['low']:+.4g} to {ends['high']:+.4g})"
    return f"{name} {row['before']:.4g} → {row['after']:.4g}{known}"


def percent(rate: float) -> str:
    """A rate as people read it."""
    return f"{rate * 100:.1f} %"


def chance(name: str, p: float | None) -> str:
    """A p-value to two digits, never as zero: `p = 0.031`, `q < 0.0001`."""
    if p is None:
        return f"{name} unknown"
    return f"{name} < 0.0001" if p < 0.0001 else f"{name} = {p:.2g}"


def _between(entry: Mapping[str, Any]) -> str:
    return f"95 %: {entry['low'] * 100:.1f}–{entry['high'] * 100:.1f}"
