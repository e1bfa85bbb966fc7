"""What a run came to, in words: one wording for every rendering."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Literal, NamedTuple

from focal_eval.report.characters import one_line
from focal_eval.report.model import Case, ReportModel
from focal_eval.text import counted, of_them

if TYPE_CHECKING:
    from focal_eval.records import Json

WORDS = {
    "errored": "errored",
    "failed": "failed",
    "xpassed": "passed unexpectedly",
    "not_run": "not run",
    "xfailed": "failed as expected",
    "skipped": "skipped",
    "passed": "passed",
}
MARKS = {"errored": "!", "failed": "✗", "xpassed": "↑", "not_run": "…", "xfailed": "≈", "skipped": "–", "passed": "✓"}

Tone = Literal["passed", "failed", "errored", "partial"]


class Said(NamedTuple):
    """The verdict in one sentence without a full stop, and the counters the sentence has told already."""

    words: str
    told: frozenset[str]


REASONS = 3  # of what was not judged that are told; the document has all
_SPOKEN = ("passed", "failed", "errored", "xpassed", "xfailed", "skipped", "not_run")  # the order of counters in a sentence
_BAD = frozenset({"failed", "xpassed", "errored"})
_ALL = frozenset(WORDS)
_COUNTED = frozenset({"pass_rate", "failed", "errored"})  # gates that fail because of cases: naming the cases says it


def tone(run: ReportModel) -> Tone:
    """The colour of the whole: the run's verdict; a partial run is red only where something failed already."""
    verdict = _verdict(run)
    if run.partial and verdict != "failed":
        return "partial"
    if not run.planned:
        return "partial"
    return {"failed": "failed", "no-verdict": "errored"}.get(verdict, "passed")  # type: ignore[return-value]  # all are tones


def _verdict(run: ReportModel) -> str:
    """The run's verdict, by its gates; from the counters where no gate has decided yet."""
    verdict = run.header.get("verdict")
    if verdict in ("passed", "failed", "no-verdict"):
        return str(verdict)
    if run.counts["failed"] or run.counts["xpassed"]:
        return "failed"
    return "no-verdict" if run.counts["errored"] else "passed"


def verdict_words(run: ReportModel) -> str:
    """The verdict in one sentence without a full stop."""
    return _said(run).words


def beside_words(run: ReportModel) -> str:
    """The counters that the verdict's sentence leaves out: `954 passed, 46 failed`; empty where it has told them all."""
    told = _said(run).told
    rest = [name for name in _SPOKEN if name not in told and run.counts[name]]
    return ", ".join(f"{run.counts[name]:,} {WORDS[name]}" for name in rest)


def _said(run: ReportModel) -> Said:
    if run.partial:
        return Said(_partial_words(run, run.planned - run.counts["not_run"], run.planned), _BAD)
    if not run.planned:
        return Said("No case falls to this shard" if run.header.get("shard") else "No case was run", _ALL)
    return {"failed": _failed, "no-verdict": _without}.get(_verdict(run), _passed)(run)


def _failed(run: ReportModel) -> Said:
    missed = [str(gate["name"]) for gate in run.gates if gate.get("passed") is False]
    others = [gate_name({"name": name}) for name in missed if name not in _COUNTED]
    named = f"{'gate' if len(others) == 1 else f'{len(others)} gates:'} {', '.join(others)}"
    bad, errored = run.counts["failed"] + run.counts["xpassed"], run.counts["errored"]
    if not bad:
        return Said(f"Failed, though no case did: {named} missed", frozenset())
    if others and len(others) == len(missed):
        return Said(f"Failed: {named} missed", frozenset())
    words = f"{bad:,} of {counted(run.planned, 'case')} failed" + (f" and {errored:,} errored" if errored else "")
    return Said(words + (f"; {named} missed" if others else ""), _BAD)


def _without(run: ReportModel) -> Said:
    if run.counts["errored"]:
        return Said(f"No verdict: {run.counts['errored']:,} of {counted(run.planned, 'case')} errored", frozenset({"errored"}))
    blind = [gate_name(gate) for gate in run.gates if gate.get("observed") is None and gate.get("passed") is False]
    if run.gates and all(gate.get("passed") is None for gate in run.gates):
        reasons = sorted({gate_reason(gate) for gate in run.gates})
        if reasons == ["nothing was compared"]:
            return Said("No verdict: every gate is on a comparison, and nothing was compared", frozenset())
        return Said(f"No verdict: no gate was judged, as {' and '.join(reasons)}", frozenset())
    if blind and any(run.counts[name] for name in ("passed", "failed", "xpassed", "xfailed")):
        return Said(f"No verdict: {', '.join(blind)} could not be measured", frozenset())
    return Said("No verdict: no case was judged", frozenset())


def _passed(run: ReportModel) -> Said:
    counts, total = run.counts, run.planned
    if any(counts[name] for name in _BAD):
        if run.header.get("shard"):
            return Said("Played: gates are judged when the shards are merged", frozenset())
        judged = sum(gate.get("passed") is not None for gate in run.gates)
        return Said("Passed: every gate holds" if judged > 1 else "Passed: the gate holds", frozenset())
    if counts["passed"] == total:
        return Said(f"All {counted(total, 'case')} passed" if total > 1 else "The case passed", _ALL)
    rest = ", ".join(f"{counts[name]:,} {WORDS[name]}" for name in ("xfailed", "skipped", "not_run") if counts[name])
    return Said(f"{counts['passed']:,} of {counted(total, 'case')} passed, {rest}", _ALL)


_BEGIN = {
    "interrupted": "Interrupted",
    "stopped": "Stopped at a failure",
    "given-up": "No verdict: the engine was lost",
    "workers-lost": "No verdict: the workers were lost",
    "incomplete": "No verdict: the shards end",
}


def _partial_words(run: ReportModel, done: int, total: int) -> str:
    begin = _BEGIN.get(str(run.header.get("state")), "Cut off")
    bad = ", ".join(f"{run.counts[name]:,} {WORDS[name]}" for name in ("errored", "failed", "xpassed") if run.counts[name])
    return f"{begin} after {done:,} of {counted(total, 'case')}: {bad or 'no failure so far'}"


def partial_note(run: ReportModel) -> str | None:
    """What a reader of a partial run must know, or None where the run is whole."""
    notes = []
    if run.partial:
        again = f"`focal-eval run --resume {run.header.get('id')}`"
        why = {
            "interrupted": "it was interrupted",
            "stopped": "it was told to stop at the first failure",
            "given-up": f"the engine gave no answer any more ({run.header.get('lost')}), so {_rest(run)}",
            "incomplete": str(run.header.get("lost")),
            "workers-lost": f"{run.header.get('lost')}, so {_rest(run)}, and {again} goes on",
        }.get(str(run.header.get("state")), "it was killed or is still running")
        notes.append(f"Partial run: {why}; only what was recorded is shown.")
    if run.damaged:
        lines = counted(run.damaged, "line")
        which = "the journal" if not run.header.get("damaged") else f"the journal of {run.header.get('rejudged_from')}"
        notes.append(f"{lines} of {which} could not be read and {'is' if run.damaged == 1 else 'are'} left out.")
    return " ".join(notes) or None


def tolerated_words(run: ReportModel) -> str | None:
    """`3 findings tolerated: text-changed (2), turn-not-stored`, or None where there was none."""
    counts = run.tolerated
    if not counts:
        return None
    total = sum(counts.values())
    names = ", ".join(one_line(name, 60) + (f" ({count:,})" if count > 1 else "") for name, count in counts.items())
    return f"{counted(total, 'finding')} tolerated: {names}"


def unjudged_words(run: ReportModel) -> str | None:
    """`3 expectations not judged: this engine does not report tool calls (3)`, or None where all were."""
    reasons = run.unjudged
    if not reasons:
        return None
    told = [one_line(reason, 120) + (f" ({count:,})" if count > 1 else "") for reason, count in reasons.items()]
    more = f", and {counted(len(told) - REASONS, 'other reason')}" if len(told) > REASONS else ""
    return f"{counted(sum(reasons.values()), 'expectation')} not judged: {', '.join(told[:REASONS])}{more}"


def lived_with_words(run: ReportModel) -> str | None:
    """What the verdict does not rest on: tolerated findings, what was not judged, cases in quarantine; None without."""
    return "; ".join(filter(None, (tolerated_words(run), unjudged_words(run), quarantined_words(run)))) or None


def quarantine_words(entry: Mapping[str, Json]) -> str:
    """`in quarantine until 2026-12-31 (anna): the carrier's test system is down`."""
    who, why = one_line(str(entry.get("owner")), 60), one_line(str(entry.get("reason")), 160)
    return f"in quarantine until {entry.get('expires')} ({who}): {why}"


def quarantined_words(run: ReportModel) -> str | None:
    """`3 cases in quarantine, which gate nothing: 1 failed, 2 passed`, or None where there is none; ended ones are named."""
    said = []
    held = Counter(case.verdict for case in run.cases if run.quarantine_of(case) is not None)
    if held:
        counts = ", ".join(f"{held[name]:,} {WORDS[name]}" for name in _SPOKEN if held[name])
        said.append(f"{counted(held.total(), 'case')} in quarantine, gating nothing: {counts}")
    over = [entry for entry in run.header.get("quarantine") or () if entry.get("expired")]
    said += [f"{one_line(str(entry.get('case')), 100)} gates again since {entry.get('expires')} is over" for entry in over]
    return "; ".join(said) or None


def cases_named(cases: Sequence[Case], most: int = 3) -> str:
    """Cases by their names, the first few of many."""
    names = ", ".join(one_line(case.name, 60) for case in cases[:most])
    return names if len(cases) <= most else f"{len(cases):,} more cases ({names}, …)"


def _rest(run: ReportModel) -> str:
    count = run.counts["not_run"]
    return "every case was begun" if not count else f"{counted(count, 'case')} {'was' if count == 1 else 'were'} not run"


def elapsed_words(ms: float | None) -> str:
    """A stretch of time for people: `850 ms`, `3.2 s`, `2 min 05 s`, `1 h 10 min`."""
    if ms is None:
        return "unknown"
    if ms < 1000:
        return f"{ms:.0f} ms" if ms >= 10 or ms == 0 else f"{ms:.1f} ms"
    seconds = ms / 1000
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def took_words(header: Mapping[str, Json]) -> str:
    """How long a run was played, without the time between its parts where it was gone on with; empty where nobody knows."""
    elapsed = header.get("elapsed_ms")
    if elapsed is None:
        return ""
    before = header.get("resumed") or ()
    if not before:
        return elapsed_words(elapsed)
    killed = sum(part.get("took_ms") is None for part in before)
    if not killed:
        return f"{elapsed_words(elapsed)} in {len(before) + 1} parts"
    return f"at least {elapsed_words(elapsed)}: {killed} of {len(before) + 1} parts ended without telling how long it took"


def moment_words(text: str | None) -> str:
    """An ISO 8601 time as people read it, in UTC as it was written."""
    if not text:
        return "unknown"
    try:
        return datetime.fromisoformat(text).strftime("%-d %B %Y, %H:%M:%S UTC")
    except ValueError:
        return text


def gate_name(gate: Mapping[str, Json]) -> str:
    """`pass_rate` as words."""
    return str(gate.get("name", "gate")).replace("_", " ")


def gate_reason(gate: Mapping[str, Json]) -> str:
    """Why a gate was not judged, in words: `nothing was compared`."""
    told = str(gate.get("message") or "").partition("not judged: ")[2].rpartition(" (asked")[0]
    return one_line(told, 100) or "nothing was compared"


def gate_limit(gate: Mapping[str, Json]) -> str:
    """`≥ 1` or `≤ 2000` or both."""
    limit = gate.get("limit") or {}
    signs = [f"{sign} {number(limit[key])}" for key, sign in (("min", "≥"), ("max", "≤")) if limit.get(key) is not None]
    more = [f"{word} {number(limit[key])}" for key, word in _TERMS if limit.get(key)]
    return " ".join([" and ".join(signs), *more, *([str(limit["of"])] if limit.get("of") else [])])


_TERMS = (("k", "for k ="), ("alpha", "at α ="), ("min_effect", "from an effect of"))


def gate_count(gate: Mapping[str, Json]) -> str:
    """What a gate's figure was taken from: ` (n = 20 cases)`; empty where it was not measured or a version did not say."""
    count = gate.get("n")
    return f" (n = {of_them(count, str(gate.get('of', 'cases')))})" if count and gate.get("observed") is not None else ""


def number(value: Json) -> str:
    """A figure without noise: rates to a millionth, other small figures to four digits, from a thousand on whole."""
    if value is None:
        return "not measured"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}" if abs(value) >= 1 else f"{value:.6f}".rstrip("0").rstrip(".")


def engine_words(engine: Mapping[str, Json]) -> str:
    """The engine of a run's header: its name and kind, and the cassette it was replayed from or recorded to."""
    kind, name = engine.get("kind"), engine.get("name")
    who = f"{name} ({kind})" if name and name != kind else str(kind or "unknown")
    return ", ".join(filter(None, (who, cassette_words(engine))))


CASSETTE_MODES = {"replay": "replayed from", "record": "recorded to", "replay-else-record": "replayed from or recorded to"}


def cassette_words(engine: Mapping[str, Json]) -> str:
    """`replayed from cassette abuse.jsonl`; empty where a run's header names none."""
    cassette = engine.get("cassette")
    if not isinstance(cassette, Mapping) or not cassette.get("file"):
        return ""
    layers = cassette.get("layers")
    modes = layers if isinstance(layers, Mapping) else {}
    told = [
        f"{'' if layer == 'turns' else f'{layer} '}{CASSETTE_MODES[mode]}"
        for layer, mode in modes.items()
        if isinstance(mode, str) and mode in CASSETTE_MODES
    ]
    return f"{', '.join(told) or 'with'} cassette {cassette['file']}"


def shard_words(header: Mapping[str, Json]) -> str:
    """`2 of 3: 73 of 218 cases, balanced by evals/durations.json`; empty of a run that is no shard."""
    shard = header.get("shard")
    if not isinstance(shard, Mapping):
        return ""
    mine, whole = (header.get("plan") or {}).get("cases") or 0, (shard.get("plan") or {}).get("cases") or 0
    by = f", balanced by {shard['durations']}" if shard.get("durations") else ""
    return f"{shard.get('index')} of {shard.get('of')}: {mine:,} of {counted(whole, 'case')}{by}"


def facts(run: ReportModel) -> list[tuple[str, str]]:
    """What was run, on what, when: label and value, in the order of reading."""
    header = run.header
    suite, engine = header.get("suite") or {}, header.get("engine") or {}
    agent = engine.get("agent") or {}
    rows = [
        ("Suite", " · ".join(filter(None, (suite.get("title"), suite.get("file")))) or "scripts without a suite"),
        ("Engine", engine_words(engine)),
        ("Agent", " · ".join(filter(None, (agent.get("id"), agent.get("file"))))),
        ("Shard", shard_words(header)),
        ("Started", moment_words(header.get("started_at"))),
        ("Took", took_words(header)),
        ("Run", str(header.get("id") or run.folder.name)),
        ("Version", str(header.get("focal_eval") or "")),
    ]
    return [(label, value) for label, value in rows if value]
