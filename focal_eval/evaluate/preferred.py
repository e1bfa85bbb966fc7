"""Two replies to the same words, and what a judge made of them in both orders."""

from __future__ import annotations

from focal_eval.checks.judge_prompt import LONGEST_TEXT
from focal_eval.clock import content_id
from focal_eval.records import Answer, Json, Question, Rubric
from focal_eval.text import counted
from focal_eval.value import value

_BETTER = {("pass", "fail"): "before", ("fail", "pass"): "after"}


@value
class Pair:
    """Two replies to the same words, after the same conversation."""

    case: str
    turn: int  # from 0
    before: str
    after: str
    said: tuple[tuple[str, str], ...] = ()

    def questions(self, prefers: str) -> tuple[Question, Question]:
        """Whether the first is better: the earlier one first, then the later one."""
        return _question(prefers, self.before, self.after, self.said), _question(prefers, self.after, self.before, self.said)


@value
class Order:
    """What the judge said where one side stood first: `before`, `after`, or `abstain`, with its votes and its evidence."""

    first: str  # before | after
    prefers: str
    told: str
    why: str | None = None
    quote: str | None = None

    def as_json(self) -> dict[str, Json]:
        return {"first": self.first, "prefers": self.prefers, "told": self.told, "why": self.why, "quote": self.quote}


@value
class Preferred:
    """A pair and what the judge made of it: `before`, `after`, `tie`, or `error` with the reason.

    A tie is one because the order decided (`consistent` is false), or because the judge abstained in one order at least.
    """

    pair: Pair
    better: str
    why: str | None = None
    orders: tuple[Order, ...] = ()

    @property
    def consistent(self) -> bool:
        """Whether the order of the two did not decide."""
        return self.better != "tie" or self.abstained

    @property
    def abstained(self) -> bool:
        """Whether the judge came to no verdict in one of the orders."""
        return any(order.prefers == "abstain" for order in self.orders)

    def as_json(self) -> dict[str, Json]:
        out: dict[str, Json] = {"case": self.pair.case, "turn": self.pair.turn, "better": self.better}
        out |= {"consistent": self.consistent, "abstained": self.abstained, "why": self.why}
        return out | {
            "before": self.pair.before,
            "after": self.pair.after,
            "orders": [order.as_json() for order in self.orders],
        }


def preferred(pair: Pair, one: Answer, other: Answer) -> Preferred:
    """What follows of both answers: on the earlier reply first, then on the later one first."""
    for answer in (one, other):
        if answer.error is not None:
            return Preferred(pair, "error", answer.error)
    orders = _order("before", "after", one), _order("after", "before", other)
    better = _BETTER.get((one.verdict, other.verdict))
    return Preferred(pair, better or "tie", None if better is None else orders[0].why, orders)


def _order(first: str, second: str, answer: Answer) -> Order:
    """The verdict on two replies in one order, with the first reason and the first quote of the votes that make it."""
    votes = [vote for vote in answer.votes if vote.verdict == answer.verdict]
    prefers = {"pass": first, "fail": second}.get(answer.verdict, "abstain")
    why = next((vote.why for vote in votes if vote.why), None)
    quote = next((vote.quote for vote in votes if vote.quote), None)
    count = sum(vote.verdict == answer.verdict for vote in answer.votes)
    return Order(first, prefers, f"{count} of {counted(len(answer.votes), 'vote')}", why, quote)


def _question(prefers: str, first: str, second: str, said: tuple[tuple[str, str], ...]) -> Question:
    mark = content_id(first, second)
    half = LONGEST_TEXT // 2 - 200
    parts = (f"<{name}-{mark}>\n{text[:half]}\n</{name}-{mark}>" for name, text in (("first", first), ("second", second)))
    rubric = Rubric(
        "the text holds two replies to the customer, a first and a second one. It passes where the first one, compared with "
        f"the second one, {prefers}; it fails where the second one does; abstain where neither does"
    )
    return Question(rubric, "\n".join(parts), said)
