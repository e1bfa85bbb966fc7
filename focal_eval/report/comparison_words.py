"""What a comparison came to, in words: the headline, the figures with their n, and who was compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from focal_eval.compare.model import Change, Comparison, Side
from focal_eval.records import Json
from focal_eval.report.characters import one_line
from focal_eval.report.wording import Tone, cassette_words, gate_name, moment_words
from focal_eval.text import counted, listed

CHANGES: Mapping[Change, str] = {
    Change.REGRESSED: "regressed",
    Change.ERRORED: "errored",
    Change.FLAKY: "flaky",
    Change.CHANGED: "changed",
    Change.FIXED: "fixed",
    Change.NEW: "new",
    Change.GONE: "gone",
    Change.SAME: "the same",
}
HINTS: Mapping[Change, str] = {
    Change.REGRESSED: "good before, bad now",
    Change.ERRORED: "the engine or a check broke",
    Change.FLAKY: "repeats disagree",
    Change.CHANGED: "different, the verdict as before",
    Change.FIXED: "bad before, good now",
    Change.NEW: "only in the candidate",
    Change.GONE: "only in the baseline",
    Change.SAME: "nothing differs",
}
NAMED = 6  # conversations that a note names
NOTICED_MS = 1.0  # a difference below it is the machine's, and nobody waits for it: it is called neither better nor worse
Gates = Sequence[Mapping[str, Json]]


def tone_of(comparison: Comparison, gates: Gates) -> Tone:
    """The colour of the whole: the gates decide; without gates a regression is a failure."""
    judged = [gate for gate in gates if gate.get("passed") is not None]
    if any(not gate.get("passed") for gate in judged):
        return "failed"
    counts = comparison.counts
    if comparison.before.partial or comparison.after.partial:
        return "partial"
    if judged:
        return "passed"
    return "failed" if counts[Change.REGRESSED] else "errored" if counts[Change.ERRORED] else "passed"


def headline(comparison: Comparison, gates: Gates) -> tuple[str, str]:
    """The first sentence, and the one beside it."""
    counts, total = comparison.counts, len(comparison.cases)
    missed = [gate_name(gate) for gate in gates if gate.get("passed") is False]
    judged = any(gate.get("passed") is not None for gate in gates)
    regressed = counts[Change.REGRESSED]
    if regressed:
        core = f"{regressed:,} of {counted(total, 'conversation')} regressed"
    elif counts[Change.ERRORED]:
        core = f"{counts[Change.ERRORED]:,} of {counted(total, 'conversation')} errored, none regressed"
    elif counts[Change.SAME] == total:
        core = (
            f"all {counted(total, 'conversation')} are the same"
            if total > 1
            else "the conversation is the same"
            if total
            else "no conversation was compared"
        )
    else:
        core = f"nothing regressed in {counted(total, 'conversation')}"
    begin = "Failed: " if missed else "Passed: " if judged else ""
    sentence = begin + core if begin else core[0].upper() + core[1:]
    return sentence, _beside(comparison, missed)


def _beside(comparison: Comparison, missed: Sequence[str]) -> str:
    counts = comparison.counts
    told = [f"{counts[change]:,} {CHANGES[change]}" for change in Change if counts[change] and change is not Change.REGRESSED]
    causes = len(comparison.groups)
    parts = [", ".join(told)]
    if causes:
        parts.append(counted(causes, "cause"))
    if missed:
        parts.append(f"{'gate' if len(missed) == 1 else 'gates'} missed: {', '.join(missed)}")
    return " · ".join(part for part in parts if part)


def notes(comparison: Comparison) -> Iterator[str]:
    """What a reader must know before trusting the figures."""
    for side, called in ((comparison.before, "The baseline"), (comparison.after, "The candidate")):
        if side.partial:
            yield f"{called} is a partial run: only what it recorded is compared."
    if comparison.left_out:
        was = "was" if comparison.left_out == 1 else "were"
        left = counted(comparison.left_out, "conversation")
        yield f"{left} of one side {was} not asked of the other, or not reached: left out."
    if steady := comparison.as_before:
        yield f"Flaky, as before: {listed(steady, most=NAMED)}."
    if renamed := comparison.renamed:
        yield f"Renamed: {listed([f'{one} → {other}' for one, other in renamed], most=NAMED)}."
    if comparison.uncompared:
        lanes = ", ".join(f"{lane} ({counted(count, 'turn')})" for lane, count in sorted(comparison.uncompared.items()))
        yield f"Unknown on one side, so not compared: {lanes}."


def masked_words(comparison: Comparison) -> str:
    """`Not compared, as it differs in every run: turn_id (2,990), …`; empty where nothing was masked."""
    named = sorted(comparison.masked.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{name} ({count:,})" for name, count in named)


def side_words(side: Side, header: Mapping[str, Json] | None) -> list[tuple[str, str]]:
    """What one side is: label and value."""
    held = header or {}
    agent = side.agent or (held.get("engine") or {}).get("agent") or {}
    digest = str(agent.get("digest") or "").removeprefix("sha256:")
    rows = [
        ("Run" if side.kind == "run" else "Baseline", side.name),
        ("Started", moment_words(held.get("started_at")) if held.get("started_at") else ""),
        ("Replies", cassette_words(held.get("engine") or {})),
        ("Agent", " · ".join(filter(None, (str(agent.get("id") or agent.get("file") or ""), digest[:8])))),
    ]
    return [(label, text) for label, text in rows if text]


def tiles(statistics: Mapping[str, Json] | None) -> Iterator[dict[str, str]]:
    """The figures people ask for first; each names its n."""
    if not statistics:
        return
    paired: Mapping[str, Any] = statistics.get("paired") or {}
    before, after = (paired.get(side) or {} for side in ("before", "after"))
    count = int(paired.get("cases") or 0)
    if count and before.get("rate") is not None and after.get("rate") is not None:
        worse, better, p = paired.get("worse") or 0, paired.get("better") or 0, paired.get("p")
        chance = "the engine answers the same each time" if statistics.get("deterministic") else f"p = {_short(p)}"
        yield {
            "name": "Pass rate",
            "before": _percent(before["rate"]),
            "after": _percent(after["rate"]),
            "tone": "worse" if after["rate"] < before["rate"] else "better" if after["rate"] > before["rate"] else "",
            "n": f"n = {count:,}; {worse:,} worse, {better:,} better; {chance}",
        }
    for key, name, unit in (("latency_ms", "Latency", " ms"), ("tokens", "Tokens", "")):
        if why := (statistics.get("uncompared") or {}).get(key):
            same = "not compared"
            yield {"name": f"{name} of a turn", "before": same, "after": same, "tone": "", "n": one_line(f"since {why}", 300)}
        for row in statistics.get(key) or ():
            if row.get("before") is None or row.get("after") is None:
                continue
            yield _quantile(row, name, unit)


def _quantile(row: Mapping[str, Any], name: str, unit: str) -> dict[str, str]:
    share = round(float(row["quantile"]) * 100)
    turns = row.get("turns") or (0, 0)
    interval = row.get("interval")
    sure = interval is not None and (interval["low"] > 0 or interval["high"] < 0)
    between = "" if interval is None else f"; {_signed(interval['low'])} to {_signed(interval['high'])}{unit}"
    sure = sure and (unit != " ms" or abs(row["after"] - row["before"]) >= NOTICED_MS)
    return {
        "name": f"{name} of a turn, {'median' if share == 50 else f'p{share}'}",
        "before": _short(row["before"]) + unit,
        "after": _short(row["after"]) + unit,
        "tone": "" if not sure else "worse" if row["after"] > row["before"] else "better",
        "n": f"n = {turns[0]:,} and {counted(turns[1], 'turn')}{between}",
    }


def _percent(rate: float) -> str:
    text = f"{100 * rate:.1f}"
    return text.removesuffix(".0") + " %"


def _short(number: Json) -> str:
    if number is None:
        return "unknown"
    figure = float(number)
    return f"{figure:,.0f}" if abs(figure) >= 100 else f"{figure:.3g}"


def _signed(number: float) -> str:
    return ("+" if number > 0 else "−" if number < 0 else "±") + _short(abs(number))
