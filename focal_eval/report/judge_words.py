"""What a run's judge said and whether it can be trusted, in words: for every report that shows the run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from focal_eval.records import Json
from focal_eval.report.characters import one_line
from focal_eval.report.model import ReportModel
from focal_eval.text import counted

SHOWN = 10  # failures that a terminal and a summary name

KINDS = {"judge": "judged", "model": "by meaning", "lexical": "by likeness of words"}
"""What a result is labelled that was not simply compared."""


def judge_of(run: ReportModel) -> Mapping[str, Any] | None:
    """What the header says of the judge, None where none was asked."""
    found = run.header.get("judge")
    return found if isinstance(found, dict) else None


def judge_words(run: ReportModel) -> str | None:
    """`gpt-4.1 judged 40 expectations: 38 passed, 2 failed; 120 votes, 3 void; 51,200 tokens, 0.0123`."""
    judge = judge_of(run)
    if judge is None:
        return None
    results, votes = judge.get("results") or {}, judge.get("votes") or {}
    told = ", ".join(f"{count:,} {name}" for name, count in results.items() if count)
    said = [f"{_name(judge)} judged {counted(sum(results.values()), 'expectation')}: {told or 'none'}"]
    count = sum(votes.values())
    void = f", {votes['void']:,} void" if votes.get("void") else ""
    kept = f", {judge['kept']:,} of {counted(judge['questions'], 'question')} kept from before" if judge.get("kept") else ""
    said.append(f"{counted(count, 'vote')}{void}{kept}")
    if spent := _spent(judge):
        said.append(spent)
    return "; ".join(said)


def _name(judge: Mapping[str, Any]) -> str:
    return one_line(", ".join(judge.get("models") or ()) or str(judge.get("model")), 100)


def _spent(judge: Mapping[str, Any]) -> str:
    """What the run and the audit took together."""
    parts = [judge, judge.get("audit") or {}]
    tokens = [part["tokens"] for part in parts if part.get("tokens") is not None]
    costs = [part["cost"] for part in parts if part.get("cost") is not None]
    words = [f"{sum(tokens):,} tokens"] if tokens else []
    words += [f"cost {sum(costs):.6f}".rstrip("0").rstrip(".")] if costs else []
    return " with the audit, ".join(words) if len(words) < 2 else f"{words[0]}, {words[1]} with the audit"


def audit_words(run: ReportModel) -> str | None:
    """`audit: the judge knew 22 of 24 planted answers (92 %, 95 % interval 74 % to 98 %): 8 of 8 good, 14 of 16 bad`."""
    audit = (judge_of(run) or {}).get("audit")
    if not audit or not audit.get("planted"):
        return None
    sides = ", ".join(f"{audit[side]['agreed']} of {audit[side]['planted']} {side}" for side in ("good", "bad"))
    share = audit["agreed"] / audit["planted"]
    rest = f"; {counted(audit['left_out'], 'rubric')} not audited" if audit.get("left_out") else ""
    rest += f"; {audit['errored']} could not be asked about" if audit.get("errored") else ""
    return (
        f"audit: the judge knew {audit['agreed']} of {counted(audit['planted'], 'planted answer')} "
        f"({share:.0%}, 95 % interval {audit['low']:.0%} to {audit['high']:.0%}): {sides}{rest}"
    )


def judge_warning(run: ReportModel) -> str | None:
    """Why the judge's verdicts are to be taken with care, None where nothing speaks against it."""
    judge = judge_of(run)
    if judge is None:
        return None
    audit = judge.get("audit")
    if not audit:
        return "the judge was not audited, as the run did not reach its end"
    warning = audit.get("warning")
    return None if warning is None else one_line(str(warning), 300)


PLANTED = {
    "good": "a known-good answer",
    "bad": "a known-bad answer",
    "empty": "an empty answer",
    "injection": "an answer that tells the judge to pass it",
    "negated": "a good answer, denied",
    "other": "another conversation's answer",
}
_SAID = {"pass": "it passed it", "fail": "it failed it", "abstain": "it abstained"}


def missed_words(run: ReportModel) -> Iterator[str]:
    """The planted answers that the judge did not know, each in a line."""
    audit = (judge_of(run) or {}).get("audit") or {}
    rubrics = {row.get("key"): row.get("rubric") for row in audit.get("rubrics") or ()}
    for one in audit.get("missed") or ():
        kind, verdict = str(one.get("kind")), str(one.get("verdict"))
        planted = f"planted {PLANTED.get(kind, kind)}, to {one.get('wanted')}: {_SAID.get(verdict, verdict)}"
        text = one_line(str(one.get("text") or ""), 80) if kind != "injection" else ""
        rubric = one_line(str(rubrics.get(one.get("rubric"), "")), 80)
        yield f"{planted}; {f'“{text}”, ' if text else ''}by the rubric: {rubric}"


def failures_of(run: ReportModel) -> list[Mapping[str, Any]]:
    """What the judge failed apart from cases, as the header holds it; none where its failures fail their cases."""
    judge = judge_of(run) or {}
    return [one for one in judge.get("failures") or () if len(one.get("at") or ()) > 2] if judge.get("fails") == "apart" else []


def failed_words(run: ReportModel) -> Iterator[str]:
    """The same, each in a line."""
    for one in failures_of(run):
        at = one["at"]
        turn = "conversation" if one.get("turn") is None else f"turn {one['turn'] + 1}"
        told = f" ({one['told']})" if one.get("told") else ""
        yield one_line(f"{at[0]}:{at[1]}:{at[2]}: judged[{one.get('case')}, {turn}]: {one.get('message')}{told}", 400)


def rubric_rows(run: ReportModel) -> list[tuple[str, str, str, str]]:
    """Of each audited rubric its words, what the judge knew, the interval, and what of it was good and bad."""
    audit = (judge_of(run) or {}).get("audit") or {}
    return [
        (
            one_line(str(row.get("rubric")), 200),
            f"{row['agreed']} of {row['planted']}",
            f"{row['low']:.0%} to {row['high']:.0%}",
            ", ".join(f"{row[side]['agreed']} of {row[side]['planted']} {side}" for side in ("good", "bad")),
        )
        for row in audit.get("rubrics") or ()
    ]


def label_of(result: Mapping[str, Json]) -> str | None:
    """What judged a result, in words: `judged: 2 of 3 votes of gpt-4.1 say pass`; None where it was simply compared."""
    by = result.get("by")
    if not isinstance(by, dict):
        return None
    return f"{KINDS.get(str(by.get('kind')), 'judged')}: {by.get('told')}"


_DOES_NOT_FIT = "the judge says that this does not fit: "


def failed_rows(run: ReportModel) -> list[dict[str, Any]]:
    """What the judge failed apart from cases, for a page: the case, the turn, the rubric, the votes and the place."""
    ids = {case.name: case.id for case in run.cases}
    return [
        {
            "case": one_line(str(one.get("case")), 200),
            "id": ids.get(str(one.get("case"))),
            "turn": "conversation" if one.get("turn") is None else f"turn {one['turn'] + 1}",
            "rubric": one_line(str(one.get("message")).removeprefix(_DOES_NOT_FIT), 300),
            "told": one_line(str(one.get("told") or ""), 200),
            "place": one_line(":".join(map(str, one["at"][:3])), 200),
        }
        for one in failures_of(run)
    ]


def failed_count(run: ReportModel) -> int:
    """How many expectations the judge failed; a header names only the first ones."""
    return int(((judge_of(run) or {}).get("results") or {}).get("failed") or 0)
