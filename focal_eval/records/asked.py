"""What a judging model was asked about a conversation, and what it answered: questions, votes, and the votes on one question.

A check declares its questions and is judged on the votes. Whoever runs it asks between the two, and the journal keeps the
votes; so a recorded run is judged again without anybody being asked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from focal_eval.clock import content_id
from focal_eval.records.turn import Json, Tokens
from focal_eval.value import value


@value
class Rubric:
    """What a judged text has to do, and texts that are known to do it or not."""

    text: str
    scale: int | None = None  # the best of the points from 1 on; None where the judge says yes or no
    at_least: int | None = None  # points to pass
    good: tuple[str, ...] = ()  # texts that a judge must pass
    bad: tuple[str, ...] = ()  # texts that a judge must fail
    plant: tuple[str, ...] = ()  # kinds of known-bad answers that are made for it in an audit
    whole: bool = False  # judges all that the agent said in the conversation

    @property
    def key(self) -> str:
        """The same for rubrics that ask the same; what is planted for them may differ."""
        return content_id(json.dumps([self.text, self.scale, self.at_least, self.whole]))

    def as_json(self) -> dict[str, Json]:
        data: dict[str, Json] = {"text": self.text}
        if self.scale is not None:
            data |= {"scale": self.scale, "at_least": self.at_least}
        if self.whole:
            data["whole"] = True
        return data | {name: list(found) for name in ("good", "bad", "plant") if (found := getattr(self, name))}


def rubric_from_json(data: Mapping[str, Json]) -> Rubric:
    """What `as_json` wrote."""
    lists = {name: tuple(map(str, data.get(name) or ())) for name in ("good", "bad", "plant")}
    return Rubric(str(data["text"]), data.get("scale"), data.get("at_least"), whole=bool(data.get("whole")), **lists)


@value
class Question:
    """Whether a text does what a rubric says; `said` is what came before it, who speaks and the words."""

    rubric: Rubric
    text: str
    said: tuple[tuple[str, str], ...] = ()

    @property
    def digest(self) -> str:
        """The same for equal questions, whoever is asked."""
        return content_id(json.dumps([self.rubric.key, self.text, self.said]), length=16)


@value
class Vote:
    """One answer of a judging model: pass, fail, abstain, or void where it does not count, with the reason in `why`."""

    verdict: str  # pass | fail | abstain | void
    quote: str | None = None  # words of the judged text that show it
    why: str | None = None
    points: int | None = None  # of the rubric's scale


@value
class Answer:
    """The votes on one question; none, and `error`, where the model could not be asked."""

    question: str  # digest
    votes: tuple[Vote, ...] = ()
    error: str | None = None
    model: str | None = None
    tokens: Tokens | None = None  # of all votes
    cost: float | None = None  # by the suite's prices of the judge
    kept: bool = False  # taken from a cassette: nothing was spent now

    def count(self, verdict: str) -> int:
        """How many votes say so."""
        return sum(vote.verdict == verdict for vote in self.votes)

    @property
    def verdict(self) -> str:
        """`pass` or `fail` where more than half of all votes say so, void ones among them; else `abstain`, or `error`."""
        if self.error is not None:
            return "error"
        for word in ("pass", "fail"):
            if 2 * self.count(word) > len(self.votes):
                return word
        return "abstain"

    @property
    def agreement(self) -> float | None:
        """The share of votes that say what most do; None of none."""
        most = max((self.count(word) for word in ("pass", "fail", "abstain")), default=0)
        return most / len(self.votes) if self.votes else None
