"""What became of a run's simulated conversations, read off its journal: how they ended, who is to blame, what a model cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from focal_eval.compare.stats.estimates import wilson
from focal_eval.errors import ExitCode, StorageError
from focal_eval.records import Json
from focal_eval.records.simulated import Ending, ending_from_json
from focal_eval.report.model import Case, ReportModel
from focal_eval.runner.gates import conclude, decide_blamed, results_of
from focal_eval.script.limit import Limit

GATE = "simulator_blamed"
WARN_ABOVE = 0.1  # of the conversations, where the simulator is to blame
MOST_TOLD = 50  # conversations that a header names; the journal holds all


@dataclass(slots=True)
class Simulations:
    """The simulated conversations of a run. Cases that gate nothing (quarantined, xfail) are not counted."""

    ends: Counter[str] = field(default_factory=Counter)
    blame: Counter[str] = field(default_factory=Counter)  # engine, simulator, undecided
    evidence: Counter[str] = field(default_factory=Counter)  # conversations, by what speaks against the simulator
    blamed: list[dict[str, Json]] = field(default_factory=list)  # those that were not the engine's doing
    models: set[str] = field(default_factory=set)
    temperatures: set[float] = field(default_factory=set)
    messages: int = 0  # that a model worded
    kept: int = 0  # of them, taken from a cassette
    played: int = 0  # conversations whose user a model played
    tokens: list[int] = field(default_factory=list)
    costs: list[float] = field(default_factory=list)

    def as_json(self) -> dict[str, Json]:
        """What a header says of it."""
        count, simulator = self.ends.total(), self.blame["simulator"]
        interval = wilson(simulator, count)
        share = simulator / count
        out: dict[str, Json] = {
            "conversations": count,
            "played": self.played,
            "ends": dict(sorted(self.ends.items())),
            "blame": {name: self.blame[name] for name in ("engine", "simulator", "undecided")},
            "share": round(share, 4),
            "low": round(interval.low, 4),
            "high": round(interval.high, 4),
            "evidence": dict(sorted(self.evidence.items())),
            "blamed": self.blamed,
            "warning": None,
        }
        if share > WARN_ABOVE:
            ends = f"95 % interval {interval.low:.2f} to {interval.high:.2f}"
            said = f"{simulator} of {count} simulated conversations went wrong by the simulator's doing ({ends})"
            out["warning"] = f"{said}; they say nothing of the engine"
        if self.played:
            out |= {"models": sorted(self.models), "temperatures": sorted(self.temperatures)}
            out |= {"messages": self.messages, "kept": self.kept}
            out |= {"tokens": sum(self.tokens) if self.tokens else None}
            out |= {"cost": round(sum(self.costs), 6) if self.costs else None}
        return out


def simulations_of(model: ReportModel) -> Simulations:
    """Read off the last attempt of every case with a simulated user. Raises StorageError where a line is damaged."""
    found = Simulations()
    for case in model.cases:
        if "simulated" not in case.marks or case.last.end is None:
            continue
        closing = model.document(case.last.end)
        try:
            ending = None if closing.get("ending") is None else ending_from_json(closing["ending"])
            if ending is not None:
                notes = [note for line in _lines(model, case) if (note := line.get("simulator")) is not None]
                last = closing["ending"].get("note")
                _spent(found, [*notes, *([last] if last else [])])
                if model.quarantine_of(case) is None and "xfail" not in case.marks:
                    _count(found, case, ending)
        except (ValueError, TypeError, AttributeError, KeyError) as problem:
            raise StorageError(f"the journal of {model.folder} is damaged: {problem}") from None
    return found


def _lines(model: ReportModel, case: Case) -> Iterator[dict[str, Any]]:
    for place in case.last.turns:
        if b'"simulator":' in model.line(place):
            yield model.document(place)


def _spent(found: Simulations, notes: Sequence[Mapping[str, Any]]) -> None:
    found.played += bool(notes)
    for note in notes:
        found.messages += 1
        found.models.add(str(note["model"]))
        found.temperatures.add(float(note["temperature"]))
        if note.get("kept"):
            found.kept += 1
            continue
        found.tokens += [int(note["tokens"])] if note.get("tokens") is not None else []
        found.costs += [float(note["cost"])] if note.get("cost") is not None else []


def _count(found: Simulations, case: Case, ending: Ending) -> None:
    found.ends[ending.end] += 1
    found.evidence.update({one.kind for one in ending.audit})
    if ending.blame is None:
        return
    found.blame[ending.blame] += 1
    if ending.blame != "engine" and len(found.blamed) < MOST_TOLD:
        evidence = [{"kind": one.kind, "turn": one.turn, "told": one.told} for one in ending.audit]
        told: dict[str, Json] = {"case": case.name, "blame": ending.blame, "end": ending.end, "why": ending.why}
        found.blamed.append({**told, "evidence": evidence})


def gated_simulations(
    outcome: Mapping[str, Any], model: ReportModel, limits: Mapping[str, Limit] | None, *, strict_flaky: bool = False
) -> tuple[dict[str, Any], ExitCode]:
    """A run's outcome with what became of its simulated conversations, and the gate on them where `limits` has one.

    Without such conversations the outcome is as it was.
    """
    out, code = dict(outcome), ExitCode(outcome["exit_code"])
    found = simulations_of(model)
    told = found.as_json() if found.ends.total() else None
    if told is not None:
        out["simulator"] = told
    if limits is None or GATE not in limits:
        return out, code
    decided = decide_blamed(limits[GATE], told)
    gates = [decided if gate.name == GATE else gate for gate in results_of(outcome["gates"])]
    flaky = len((outcome["statistics"] or {}).get("flaky", ()))
    verdict, code = conclude(outcome["counts"], gates, outcome["state"], flaky=flaky, strict_flaky=strict_flaky)
    return {**out, "gates": [gate.as_json() for gate in gates], "verdict": verdict, "exit_code": int(code)}, code
