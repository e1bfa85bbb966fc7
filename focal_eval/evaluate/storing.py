"""Recorded runs as a store takes them in."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from focal_eval.clock import content_id
from focal_eval.compare.keys import case_key
from focal_eval.compare.model import RecordedCase
from focal_eval.errors import StorageError, UsageError
from focal_eval.evaluate.recorded_cases import recorded, script_digest
from focal_eval.report.model import Case, ReportModel
from focal_eval.runner.gates import quantile
from focal_eval.store.model import MOST_REASON, CaseFacts, RunFacts, TryFacts, clean

MOST_NUMBER = 10**12  # microseconds or tokens of one conversation
MOST_RULES = 2_000  # different ones of one case that are kept, the most frequent


class _Turns:
    """What the turns of a run add up to."""

    def __init__(self) -> None:
        self.count = 0
        self.times = array("d")  # ms, as measured
        self.tokens: int | None = None

    def add(self, held: RecordedCase) -> int | None:
        """Counts the turns of a conversation; its tokens, None where the engine tells none."""
        total: int | None = None
        for turn in held.turns:
            self.count += 1
            if turn.elapsed_ms is not None:
                self.times.append(turn.elapsed_ms)
            found = (turn.reply or {}).get("tokens")
            if found is not None:
                total = (total or 0) + _tokens(found)
        if total is not None:
            self.tokens = (self.tokens or 0) + total
        return total

    def quantile_us(self, share: float) -> int | None:
        found = quantile(self.times, share)
        return None if found is None else _us(found)


def facts_of(model: ReportModel) -> RunFacts:
    """A run folder's facts. Raises StorageError where its journal is damaged, UsageError where it is no whole run."""
    header = model.header
    suite_name, engine_name = series_of(model)
    suite, engine = header.get("suite") or {}, header.get("engine") or {}
    agent = engine.get("agent") or {}
    if not header.get("id") or not header.get("started_at"):
        raise UsageError(f"{model.folder} has no id or no start; no store can place it")
    if header.get("shard"):
        raise UsageError(f"{model.folder} is a part of a run; merge the parts, and take the whole in")
    turns = _Turns()
    try:
        cases = tuple(_cases(model, turns))
    except (TypeError, ValueError, AttributeError, LookupError) as problem:  # a journal may come from anywhere
        raise StorageError(f"the journal of {model.folder} is damaged: {problem}") from None
    return RunFacts(
        id=_text(header["id"]),
        suite=suite_name,
        engine=engine_name,
        engine_kind=_text(engine.get("kind")),
        started_at=_text(header["started_at"]),
        cases=cases,
        finished_at=_text(header.get("finished_at")) or None,
        state=_text(header.get("state")),
        verdict=_text(header.get("verdict")) or None,
        exit_code=_number(header.get("exit_code"), 1_000) if header.get("exit_code") is not None else None,
        folder=clean(str(model.folder)),
        version=_text(header.get("focal_eval")),
        suite_digest=_text(suite.get("digest")),
        agent_file=_text(agent.get("file")),
        agent_digest=_text(agent.get("digest")),
        planned=model.planned,
        turns=turns.count,
        elapsed_us=_us(header.get("elapsed_ms") or 0),
        p50_us=turns.quantile_us(0.5),
        p95_us=turns.quantile_us(0.95),
        tokens=turns.tokens,
        of_run=_text(header.get("rejudged_from")) or None,
    )


def series_of(model: ReportModel) -> tuple[str, str]:
    """The suite and the engine whose history a run belongs to."""
    suite, engine = model.header.get("suite") or {}, model.header.get("engine") or {}
    return _text(suite.get("file")), _text(engine.get("name") or engine.get("kind"))


def _cases(model: ReportModel, turns: _Turns) -> Iterator[CaseFacts]:
    """The cases in the order of the report, the repeats of each together."""
    groups: dict[str, list[Case]] = {}
    for case in model.cases:
        groups.setdefault(case_key(case.name, case.script, case.repeat), []).append(case)
    quarantined = model.quarantined
    for key, repeats in groups.items():
        yield _case(model, key, sorted(repeats, key=lambda case: case.repeat), turns, quarantined=key in quarantined)


def _case(model: ReportModel, key: str, repeats: list[Case], turns: _Turns, *, quarantined: bool) -> CaseFacts:
    first = repeats[0]
    tries: list[TryFacts] = []
    rules: Counter[str] = Counter()
    knows_rules = False
    times: list[float] = []
    tokens: list[int] = []
    count = 0
    for case in repeats:
        tries += _tries(case)
        if case.verdict == "skipped" or not case.attempts:
            continue
        held = recorded(model, case)
        count += len(held.turns)
        used = turns.add(held)
        if used is not None:
            tokens.append(used)
        times.append(case.last.elapsed_ms)
        for turn in held.turns:
            matched = (turn.reply or {}).get("rules")
            if matched is not None:
                knows_rules = True
                rules.update({_text(rule["name"]) for rule in matched})
    return CaseFacts(
        key=_name(key),
        script=_text(first.script),
        title=_text(first.title),
        file=_text(first.file),
        digest=_text(script_digest(model, first)),
        tries=tuple(tries),
        turns=count,
        elapsed_us=_us(sum(times) / len(times)) if times else None,
        tokens=round(sum(tokens) / len(tokens)) if tokens else None,
        rules=tuple(sorted(rules.most_common(MOST_RULES))) if knows_rules else None,
        quarantined=quarantined,
    )


def _tries(case: Case) -> Iterator[TryFacts]:
    """Each attempt; one that was cut off is no try, unless nothing came after it."""
    for attempt in case.attempts or [case.last]:
        last = attempt is case.attempts[-1] if case.attempts else True
        verdict = attempt.verdict or "not_run"
        if verdict == "not_run" and not last:
            continue
        said = case.message if last else attempt.message or attempt.reason
        reason = clean(said, MOST_REASON) if said and verdict != "passed" else None
        yield TryFacts(case.repeat, attempt.number, verdict, _us(attempt.elapsed_ms), reason)


def _tokens(found: Any) -> int:
    if not isinstance(found, Mapping):
        return 0
    if found.get("total") is not None:
        return _number(found["total"])
    return _number(found.get("prompt")) + _number(found.get("completion"))


def _us(ms: object) -> int:
    return _number(ms * 1000 if isinstance(ms, (int, float)) else 0)


def _number(found: object, most: int = MOST_NUMBER) -> int:
    """A whole number that sums of many fit into 64 bits; 0 of what is no sensible one."""
    return round(found) if isinstance(found, (int, float)) and 0 <= found <= most else 0


def _name(text: str) -> str:
    """A case's name as it is kept; one that had to be changed stays different from others."""
    kept = _text(text)
    return kept if kept == text else f"{kept}#{content_id(text)}"


def _text(found: object) -> str:
    return "" if found is None else clean(str(found))
