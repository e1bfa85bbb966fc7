"""What a run's judge said, read off its journal: verdicts, votes, what they cost, and which rubrics it judged by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from focal_eval.errors import ExitCode, StorageError
from focal_eval.records import Answer, Json, Rubric
from focal_eval.records.codec import asked_from_json, turn_from_json
from focal_eval.report.model import Case, ReportModel
from focal_eval.runner.gates import conclude, decide_agreement, decide_judged, results_of
from focal_eval.runner.reading import first_message
from focal_eval.script.limit import Limit

MOST_TOLD = 50  # judged failures that a header names; the journal holds all
APART = Limit(min=1.0)
"""What must hold of judged expectations that fail no case, where the suite does not say it."""

_BY_JUDGE, _ASKED = b'"by":{"kind":"judge"', b'"asked":[{"rubric"'


@dataclass(slots=True)
class Used:
    """A rubric, where a run first used it, and in which scripts it did."""

    rubric: Rubric
    case: Case
    turn: int | None
    scripts: set[str]

    def add(self, rubric: Rubric, script: str) -> None:
        """Another use of it: all its examples hold, and what one author leaves out is not planted."""
        mine = self.rubric
        self.rubric = replace(
            mine,
            good=tuple(dict.fromkeys((*mine.good, *rubric.good))),
            bad=tuple(dict.fromkeys((*mine.bad, *rubric.bad))),
            plant=tuple(kind for kind in mine.plant if kind in rubric.plant),
        )
        self.scripts.add(script)


@dataclass(slots=True)
class Judgements:
    """What was judged in a run by a judging model. Cases that gate nothing (quarantined, xfail) are counted in no verdict."""

    verdicts: Counter[str] = field(default_factory=Counter)  # passed, failed, abstained, errored
    failures: list[dict[str, Json]] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)  # of which each was spent on once
    rubrics: dict[str, Used] = field(default_factory=dict)  # by key, in the order of first use

    def __bool__(self) -> bool:
        return bool(self.answers or self.verdicts)

    def as_json(self) -> dict[str, Json]:
        """What a header says of it, without the judge's own settings."""
        votes = Counter(vote.verdict for answer in self.answers for vote in answer.votes)
        shares = [share for answer in self.answers if (share := answer.agreement) is not None]
        paid = [answer for answer in self.answers if not answer.kept]
        tokens = [answer.tokens.total for answer in paid if answer.tokens is not None and answer.tokens.total is not None]
        costs = [answer.cost for answer in paid if answer.cost is not None]
        return {
            "results": {name: self.verdicts[name] for name in ("passed", "failed", "abstained", "errored")},
            "failures": self.failures,
            "questions": len(self.answers),
            "kept": len(self.answers) - len(paid),
            "votes": {name: votes[name] for name in ("pass", "fail", "abstain", "void")},
            "unanimity": round(sum(shares) / len(shares), 4) if shares else None,
            "tokens": sum(tokens) if tokens else None,
            "cost": round(sum(costs), 6) if costs else None,
            "models": sorted({answer.model for answer in self.answers if answer.model}),
        }


def judgements_of(model: ReportModel) -> Judgements:
    """Read off the last attempt of every case. Raises StorageError where a line is damaged."""
    found = Judgements()
    for case in model.cases:
        gates = model.quarantine_of(case) is None and "xfail" not in case.marks
        for turn, document in _lines(model, case):
            for asked in document.get("asked") or ():
                try:
                    rubric, answer = asked_from_json(asked)
                except (ValueError, TypeError, AttributeError) as problem:
                    raise StorageError(f"the journal of {model.folder} is damaged: {problem}") from None
                found.answers.append(answer)
                found.rubrics.setdefault(rubric.key, Used(rubric, case, turn, {case.script})).add(rubric, case.script)
            for result in document.get("results") or ():
                if gates and (result.get("by") or {}).get("kind") == "judge":
                    _count(found, case, turn, result)
    return found


def _lines(model: ReportModel, case: Case) -> Iterator[tuple[int | None, dict[str, Any]]]:
    last = case.last
    for place in (*last.turns, *(() if last.end is None else (last.end,))):
        line = model.line(place)
        if _BY_JUDGE in line or _ASKED in line:
            document = model.document(place)
            yield document.get("i"), document


def _count(found: Judgements, case: Case, turn: int | None, result: Mapping[str, Any]) -> None:
    outcome = str(result["outcome"])
    abstained = outcome == "skipped" or result["by"].get("abstained", False)
    found.verdicts["abstained" if abstained and outcome in ("skipped", "errored") else outcome] += 1
    if outcome == "failed" and len(found.failures) < MOST_TOLD:
        found.failures.append(
            {
                "case": case.name,
                "turn": turn,
                "at": list(result.get("at") or ()),
                "text": result.get("text"),
                "message": first_message(result),
                "told": result["by"].get("told"),
            }
        )


def said_before(model: ReportModel, case: Case, turn: int | None) -> tuple[tuple[str, str], ...]:
    """What was said in a case before the reply of a turn, or in all of it: what stands around an answer that is planted."""
    said: list[tuple[str, str]] = []
    for place in case.last.turns:
        record = turn_from_json(model.document(place))
        if record.user is not None and record.skipped is None:
            said.append(("customer", record.user))
        if turn is not None and record.index >= turn:
            break
        if record.reply is not None and isinstance(record.reply.response, str):
            said.append(("agent", record.reply.response))
    return tuple(said)


def gated_judge(
    outcome: Mapping[str, Any], judge: Mapping[str, Any], limits: Mapping[str, Limit], *, strict_flaky: bool = False
) -> tuple[dict[str, Any], ExitCode]:
    """A run's outcome with what its judge said, its gates on that judged, and the verdict and exit code of all together."""
    results: Mapping[str, int] = judge["results"]
    gates = results_of(outcome["gates"])
    wanted = {name: limits[name] for name in ("judged", "judge_agreement") if name in limits}
    if judge["fails"] == "apart" and sum(results.values()):
        wanted.setdefault("judged", APART)
    decided = {}
    if "judged" in wanted:
        decided["judged"] = decide_judged(wanted["judged"], results)
    if "judge_agreement" in wanted:
        decided["judge_agreement"] = decide_agreement(wanted["judge_agreement"], judge.get("audit"))
    gates = [decided.pop(gate.name, gate) for gate in gates] + list(decided.values())
    flaky = len((outcome["statistics"] or {}).get("flaky", ()))
    verdict, code = conclude(outcome["counts"], gates, outcome["state"], flaky=flaky, strict_flaky=strict_flaky)
    judged = {**outcome, "gates": [gate.as_json() for gate in gates], "verdict": verdict, "exit_code": int(code)}
    return {**judged, "judge": dict(judge)}, code
