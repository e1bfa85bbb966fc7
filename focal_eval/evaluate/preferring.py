"""Which of two replies is the better one, asked of a judge in both orders: a baseline's or a run's against a candidate's.

Of each case the first reply that differs is compared: what follows it was said in two different conversations. A judge prefers
what stands first, or last, more often than not; so each pair is asked twice, with its sides swapped, and a judge that does not
say the same both times has not decided: that is a tie.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from focal_eval.clock import Clock
from focal_eval.compare.model import RecordedCase
from focal_eval.compare.stats.estimates import wilson
from focal_eval.compare.stats.exact import sign_test
from focal_eval.errors import Problems, Refused, UsageError
from focal_eval.evaluate.comparing import CompareRequest, find_reference, side_of
from focal_eval.evaluate.folders import find_run
from focal_eval.evaluate.judge_setup import asker_of, judge_of, unset_variables
from focal_eval.evaluate.preference_audit import planted_in, summed_up
from focal_eval.evaluate.preferred import Pair, Preferred, preferred
from focal_eval.evaluate.target import named_suite
from focal_eval.records import Json
from focal_eval.report.journal import read_run
from focal_eval.runner.asking import Asker
from focal_eval.script.suite_judge import JudgeFields
from focal_eval.text import fold
from focal_eval.value import value

MOST = 200  # pairs that are asked about where nobody says otherwise


@value
class Preference:
    """What a judge prefers over all pairs."""

    model: str
    pairs: tuple[Preferred, ...]
    left_out: int = 0  # pairs beyond those that were asked about
    audit: Mapping[str, Json] | None = None  # how the judge did on pairs whose better one is known
    tokens: int | None = None
    cost: float | None = None

    def count(self, better: str) -> int:
        """Pairs it says so of."""
        return sum(pair.better == better for pair in self.pairs)

    @property
    def inconsistent(self) -> int:
        """Ties that are ties because the order decided."""
        return sum(not pair.consistent for pair in self.pairs)

    def as_json(self) -> dict[str, Json]:
        after, before = self.count("after"), self.count("before")
        interval, decided = wilson(after, after + before), after + before + self.inconsistent
        agreement = wilson(after + before, decided)
        return {
            "model": self.model,
            "better": {"after": after, "before": before, "tie": self.count("tie"), "error": self.count("error")},
            "inconsistent": self.inconsistent,
            "abstained": sum(pair.better == "tie" and pair.abstained for pair in self.pairs),
            "swap": {
                "agreed": after + before,
                "of": decided,
                "low": round(agreement.low, 4),
                "high": round(agreement.high, 4),
            },
            "share_after": round(after / (after + before), 4) if after + before else None,
            "low": round(interval.low, 4),
            "high": round(interval.high, 4),
            "p": round(sign_test(before, after), 6),
            "left_out": self.left_out,
            "tokens": self.tokens,
            "cost": self.cost,
            "audit": None if self.audit is None else dict(self.audit),
            "pairs": [pair.as_json() for pair in self.pairs],
        }


def prefer(request: CompareRequest, suite: Path, *, most: int = MOST, clock: Clock | None = None) -> Preference:
    """Has the suite's judge asked about the replies that changed.

    Raises UsageError where the suite has no judge, Refused where the suite is wrong or a variable is missing.
    """
    problems = Problems()
    found = named_suite(suite, problems)
    judge = judge_of(found.fields)
    if judge is None:
        problems.extend(unset_variables(found.fields))
        if problems.errors:
            raise Refused("nothing was asked", problems)
        raise UsageError(f"{found.file} names no judge; add `judge: {{url: …, model: …}}` to it")
    secrets = () if found.fields.judge is None else found.fields.judge.secrets
    asker = asker_of(found.fields, found, secrets, clock or Clock(), judge.concurrency)
    assert asker is not None
    pairs = list(changed(request))
    return asyncio.run(_asked(asker, pairs[:most], judge, max(0, len(pairs) - most)))


def changed(request: CompareRequest) -> Iterator[Pair]:
    """The first reply of each case that differs, by the case's name."""
    model = read_run(find_run(request.after, request.runs))
    before = side_of(find_reference(request.before, request.runs, (model.header.get("suite") or {}).get("file")))
    known = before.names()
    after = dict(side_of(find_reference(request.after, request.runs, None)).cases())
    for name in sorted(after.keys() & known.keys()):
        earlier = before.case(name)
        if earlier and after[name] and (pair := _first(name, earlier[0], after[name][0])) is not None:
            yield pair


def _first(name: str, before: RecordedCase, after: RecordedCase) -> Pair | None:
    said: list[tuple[str, str]] = []
    for number, (one, other) in enumerate(zip(before.turns, after.turns, strict=False)):
        if one.user != other.user:
            return None
        if one.user is not None:
            said.append(("customer", one.user))
        first, second = _words(one.reply), _words(other.reply)
        if first is None or second is None:
            return None
        if fold(first) != fold(second):
            return Pair(name, number, first, second, tuple(said))
        said.append(("agent", first))
    return None


def _words(reply: Mapping[str, Any] | None) -> str | None:
    said = None if reply is None else reply.get("response")
    return said if isinstance(said, str) else None


async def _asked(asker: Asker, pairs: list[Pair], judge: JudgeFields, left_out: int) -> Preference:
    planted = planted_in(pairs)
    asked = [*pairs, *(plant.pair for plant in planted)]
    try:
        answers = await asker.answers(question for pair in asked for question in pair.questions(judge.prefers))
    finally:
        await asker.close()
    paid = [answer for answer in answers.values() if not answer.kept]
    tokens = [answer.tokens.total for answer in paid if answer.tokens is not None and answer.tokens.total is not None]
    costs = [answer.cost for answer in paid if answer.cost is not None]
    found = [preferred(pair, *(answers[one.digest] for one in pair.questions(judge.prefers))) for pair in asked]
    known = [(plant.kind, one) for plant, one in zip(planted, found[len(pairs) :], strict=True)]
    return Preference(
        model=next((answer.model for answer in answers.values() if answer.model), asker.client.access.model),
        pairs=tuple(found[: len(pairs)]),
        left_out=left_out,
        audit=summed_up(known, judge.audit.warn_below) if known else None,
        tokens=sum(tokens) if tokens else None,
        cost=round(sum(costs), 6) if costs else None,
    )
