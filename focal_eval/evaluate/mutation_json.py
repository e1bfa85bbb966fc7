"""Mutants of either tier as one document: the score, where it is weak, and what became of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from focal_eval.experiment.mutants import Fate, Tried, score


def mutation_json(
    tried: Iterable[Tried],
    *,
    scripts: Mapping[str, str],
    operators: Mapping[str, str],
    everything: bool = False,
    cases: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The part of the document that both tiers share; its keys are described in docs/reference/mutation.md.

    `scripts` has the id of each script by its file, `operators` says what each operator does, `cases` has the file of the
    script of each case where a mutant belongs to the script whose case it was made in. Rows stand weakest first; mutants
    that were noticed are left out unless `everything` is asked for.
    """
    found = list(tried)

    def script_of(item: Tried) -> str:
        case = item.killer.case if item.killer is not None else next(iter(item.covered), "")
        return _script(item) if cases is None else cases.get(case) or _script(item)

    shown = [item for item in found if everything or item.fate is not Fate.KILLED]
    return {
        "score": figures(found),
        "operators": [
            {"operator": name, "text": operators.get(name, ""), **row}
            for name, row in _rows(found, lambda item: item.mutant.operator)
        ],
        "scripts": [{"script": scripts.get(file, file), "file": file, **row} for file, row in _rows(found, script_of)],
        "mutants": [mutant_json(item) for item in shown],
    }


def figures(tried: Iterable[Tried]) -> dict[str, Any]:
    """The score of some mutants with its interval and what it is made of."""
    found = score(tried)
    return {
        "value": found.value,
        "low": found.low,
        "high": found.high,
        "tried": found.tried,
        "killed": found.killed,
        "survived": found.survived,
        "not_covered": found.not_covered,
        "timeouts": found.timeouts,
        "equivalent": found.equivalent,
        "broken": found.broken,
    }


def _script(item: Tried) -> str:
    return item.mutant.file if item.at is None else item.at[0]


def _rows(tried: Iterable[Tried], of: Callable[[Tried], str]) -> list[tuple[str, dict[str, Any]]]:
    """The figures by something, the weakest first; what has no score comes last."""
    groups: dict[str, list[Tried]] = {}
    for item in tried:
        groups.setdefault(of(item), []).append(item)
    rows = [(name, figures(group)) for name, group in groups.items()]
    return sorted(rows, key=lambda row: (row[1]["value"] is None, row[1]["value"] or 0.0, -row[1]["tried"], row[0]))


def mutant_json(item: Tried) -> dict[str, Any]:
    """One mutant and what became of it."""
    mutant, killer = item.mutant, item.killer
    out: dict[str, Any] = {
        "id": mutant.id,
        "tier": mutant.tier,
        "operator": mutant.operator,
        "what": mutant.what,
        "file": mutant.file,
        "line": mutant.line,
        "before": mutant.before,
        "after": mutant.after,
        "text": mutant.text,
        "fate": item.fate.value,
        "probes": item.probes,
    }
    if killer is not None:
        out["killer"] = {"case": killer.case, "expectation": killer.expectation, "turn": killer.turn}
    if item.fate in (Fate.SURVIVED, Fate.NOT_COVERED):
        out |= {"covered": list(item.covered), "weak": item.weak, "proposal": item.proposal}
        out["at"] = None if item.at is None else {"file": item.at[0], "line": item.at[1]}
    return out
