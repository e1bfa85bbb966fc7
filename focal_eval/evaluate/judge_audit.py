"""The audit of a judge: known-good and known-bad answers, judged as those of the run were, and how often it agreed.

Whoever trusts a judge's verdicts should see this beside them. It is made in every run that asked one, by the same judge, with
the same rubrics, settings and number of votes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from focal_eval.checks.judge_plants import Plant, plants_of
from focal_eval.compare.stats.estimates import wilson
from focal_eval.evaluate.judged import Judgements, Used, said_before
from focal_eval.records import Answer, Json, Rubric
from focal_eval.report.model import Case, ReportModel
from focal_eval.runner.asking import Asker
from focal_eval.script.suite_judge import Audit
from focal_eval.text import counted, shorten
from focal_eval.value import value

MOST_MISSED = 20  # planted answers that a report names
OTHER_CASES = 200  # that are looked at for an answer of another conversation


@value
class Planted:
    """A planted answer, and what the judge said of it."""

    rubric: Rubric
    plant: Plant
    answer: Answer

    @property
    def agrees(self) -> bool:
        """Whether the judge knew; one that abstains did not."""
        return self.answer.verdict == ("pass" if self.plant.good else "fail")

    def as_json(self) -> dict[str, Json]:
        return {
            "rubric": self.rubric.key,
            "kind": self.plant.kind,
            "text": shorten(self.plant.text, 200),
            "wanted": "pass" if self.plant.good else "fail",
            "verdict": self.answer.verdict,
        }


async def audited(asker: Asker, judgements: Judgements, model: ReportModel, audit: Audit) -> dict[str, Json]:
    """The audit of the judge of a run, as a header holds it."""
    used = list(judgements.rubrics.values())
    planned = [
        (one.rubric, plant, plant.question(one.rubric, said_before(model, one.case, one.turn)))
        for one in used[: audit.most_rubrics]
        for plant in plants_of(one.rubric, _elsewhere(model, one))
    ]
    answers = await asker.answers(question for _, _, question in planned)
    planted = [Planted(rubric, plant, answers[question.digest]) for rubric, plant, question in planned]
    return {**summed_up(planted, rubrics=len(used), warn_below=audit.warn_below), **_spent(answers.values())}


def _spent(answers: Iterable[Answer]) -> dict[str, Json]:
    """What the audit itself took."""
    paid = [answer for answer in answers if not answer.kept]
    tokens = [answer.tokens.total for answer in paid if answer.tokens is not None and answer.tokens.total is not None]
    costs = [answer.cost for answer in paid if answer.cost is not None]
    return {"tokens": sum(tokens) if tokens else None, "cost": round(sum(costs), 6) if costs else None}


def _elsewhere(model: ReportModel, used: Used) -> str | None:
    """The first reply in a script that does not use the rubric, and not in the case that does; None where there is none."""
    own = set(_replies(model, used.case))
    others = (other for other in model.cases if other.script not in used.scripts)
    for other, _ in zip(others, range(OTHER_CASES), strict=False):
        for text in _replies(model, other):
            if text not in own:
                return text
    return None


def _replies(model: ReportModel, case: Case) -> Iterable[str]:
    for place in case.last.turns:
        said = (model.document(place).get("reply") or {}).get("response")
        if isinstance(said, str) and said.strip():
            yield said


def summed_up(planted: Sequence[Planted], *, rubrics: int, warn_below: float) -> dict[str, Json]:
    """Agreement over all planted answers and for each rubric, with what is to be warned of.

    An answer that could not be asked about says nothing of the judge, and is counted apart.
    """
    broken = sum(one.answer.error is not None for one in planted)
    planted = [one for one in planted if one.answer.error is None]
    by_rubric: dict[str, list[Planted]] = {}
    for one in planted:
        by_rubric.setdefault(one.rubric.key, []).append(one)
    out: dict[str, Json] = {
        **_agreement(planted),
        "rubrics": [
            {"key": key, "rubric": several[0].rubric.text, **_agreement(several)} for key, several in by_rubric.items()
        ],
        "left_out": max(0, rubrics - len(by_rubric)),
        "errored": broken,
        "missed": [one.as_json() for one in planted if not one.agrees][:MOST_MISSED],
        "warn_below": warn_below,
    }
    return {**out, "warning": warning_of(out)}


def _agreement(planted: Sequence[Planted]) -> dict[str, Json]:
    good, bad = ([one for one in planted if one.plant.good is side] for side in (True, False))
    return _figures(*((len(side), sum(one.agrees for one in side)) for side in (good, bad)))


def _figures(good: tuple[int, int], bad: tuple[int, int]) -> dict[str, Json]:
    """Of both sides together and each alone, from how many were planted and on how many the judge agreed."""
    planted, agreed = good[0] + bad[0], good[1] + bad[1]
    interval = wilson(agreed, planted)
    sides = {name: {"planted": count, "agreed": known} for name, (count, known) in (("good", good), ("bad", bad))}
    return {"planted": planted, "agreed": agreed, "low": round(interval.low, 4), "high": round(interval.high, 4), **sides}


def joined(audits: Sequence[Mapping[str, Any]]) -> dict[str, Json] | None:
    """The audits of a run's shards as one: each rubric counts once, as the first shard that used it was audited."""
    if not audits:
        return None
    rubrics: dict[str, Mapping[str, Any]] = {}
    missed: list[Json] = []
    for audit in audits:
        fresh = {row["key"]: row for row in audit["rubrics"] if row["key"] not in rubrics}
        rubrics |= fresh
        missed += [one for one in audit["missed"] if one["rubric"] in fresh]
    sides = [
        (sum(row[side]["planted"] for row in rubrics.values()), sum(row[side]["agreed"] for row in rubrics.values()))
        for side in ("good", "bad")
    ]
    spent = {name: [audit[name] for audit in audits if audit.get(name) is not None] for name in ("tokens", "cost")}
    out: dict[str, Json] = {
        **_figures(*sides),
        "rubrics": list(rubrics.values()),
        "left_out": max(int(audit["left_out"]) for audit in audits),
        "errored": sum(int(audit["errored"]) for audit in audits),
        "missed": missed[:MOST_MISSED],
        "warn_below": audits[0]["warn_below"],
    }
    return {**out, "warning": warning_of(out), **{name: sum(several) if several else None for name, several in spent.items()}}


def warning_of(audit: Mapping[str, Any]) -> str | None:
    """Why the judge is not to be trusted, in a sentence; None where nothing speaks against it.

    The lower end of the interval alone would let one pass that says the same to everything where the planted answers are
    mostly of one side: so each side is looked at, too.
    """
    planted, agreed = int(audit["planted"]), int(audit["agreed"])
    if not planted:
        why = (
            f"{counted(int(audit['errored']), 'planted answer')} could not be asked about"
            if audit["errored"]
            else "none planted"
        )
        return f"the judge was not audited: {why}"
    begins = "the judge cannot be trusted"
    if 2 * audit["bad"]["agreed"] <= audit["bad"]["planted"] and audit["bad"]["planted"]:
        return f"{begins}: of {_known(audit, 'bad')} it failed {audit['bad']['agreed']}"
    if audit["good"]["planted"] and 2 * audit["good"]["agreed"] <= audit["good"]["planted"]:
        return f"{begins}: of {_known(audit, 'good')} it passed {audit['good']['agreed']}"
    if float(audit["low"]) < float(audit["warn_below"]):
        share = f"{agreed} of {counted(planted, 'planted answer')}"
        ends = f"95 % interval {audit['low']:.2f} to {audit['high']:.2f}"
        return f"the judge may not be trusted: it knew {share} ({ends}, asked at least {audit['warn_below']:g})"
    if not audit["good"]["planted"]:
        return "nobody knows whether the judge passes anything: no rubric has good examples to plant"
    return None


def _known(audit: Mapping[str, Any], side: str) -> str:
    return counted(int(audit[side]["planted"]), f"known-{side} answer")
