"""`response.judge` and `conversation.judge`: what only somebody who understands can tell, by the votes of a language model.

The check itself asks nobody. It declares a question; whoever runs the case has it asked and hands the votes over in the
moment's aids. So the same votes give the same verdict, in the run and whenever it is judged again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal, get_args

from focal_eval.checks.base import (
    Aids,
    CheckFault,
    Conversation,
    ConversationCheck,
    Moment,
    TurnCheck,
    Unreported,
    written_short,
)
from focal_eval.checks.passages import quoted
from focal_eval.checks.text import response_of
from focal_eval.document.shape import Number
from focal_eval.records import UNKNOWN, Answer, Finding, JudgedBy, Question, Rubric, TurnRecord, Vote
from focal_eval.text import counted, listed

PLANTS: dict[str, str] = {
    "empty": "An empty answer.",
    "injection": "An answer of another matter that tells the judge to pass it.",
    "negated": "The first good example, denied.",
    "other": "What the agent said in another conversation of the run.",
}
"""Kinds of known-bad answers that an audit makes; `checks.judge_plants` makes them."""

Plant = Literal["empty", "injection", "negated", "other"]
ALL_PLANTS: tuple[Plant, ...] = get_args(Plant)
assert set(ALL_PLANTS) == PLANTS.keys()

Points = Annotated[int | None, Number(whole=True, minimum=1, maximum=100)]
_PLANT = {"doc": "Known-bad answers that the audit makes: empty, injection, negated, other; leave out what would rightly pass."}
_SCALE = {"doc": "The judge gives points from 1 to this, instead of yes or no."}
_AT_LEAST = {"doc": "Points to pass; needs `scale`."}
_RUBRIC = {"doc": "What the text must do, in a sentence."}
_EXAMPLES = {"doc": "Texts that are known to fit the rubric, or not: shown to nobody, and planted in the audit."}


@dataclass(frozen=True, slots=True)
class Examples:
    """Answers whose verdict is known."""

    good: tuple[str, ...] = field(default=(), metadata={"doc": "Answers that fit the rubric."})
    bad: tuple[str, ...] = field(default=(), metadata={"doc": "Answers that do not."})


@dataclass(frozen=True, slots=True)
class Judge(TurnCheck):
    """The response does what the rubric says, by the votes of a judging model."""

    short: ClassVar[str] = "rubric"
    labelled: ClassVar[bool] = True
    aid: ClassVar[str | None] = "judge"
    rubric: str = field(metadata=_RUBRIC)
    scale: Points = field(default=None, metadata=_SCALE)
    at_least: Points = field(default=None, metadata=_AT_LEAST)
    examples: Examples = field(default=Examples(), metadata=_EXAMPLES)
    of: Literal["turn", "conversation"] = field(
        default="turn", metadata={"doc": "What is judged: the reply of this turn, or all that the agent said so far."}
    )
    plant: tuple[Plant, ...] = field(default=ALL_PLANTS, metadata=_PLANT)
    brief: bool = written_short()

    def __post_init__(self) -> None:
        _sound(self.rubric, self.scale, self.at_least)

    def asked(self) -> Rubric:
        """What the judge is asked to judge by."""
        return _rubric(self, whole=self.of == "conversation")

    def questions(self, seen: Moment) -> tuple[Question, ...]:
        if seen.reply.response is UNKNOWN:
            return ()
        return (_question(self.asked(), seen.turns),)

    def judge(self, seen: Moment) -> tuple[Finding, ...]:
        response_of(seen)
        return _found(_question(self.asked(), seen.turns), seen.aids, self.at("rubric"))

    def judged_by(self, seen: Moment) -> JudgedBy | None:
        return _told(self.questions(seen), seen.aids)

    def describe(self) -> str:
        return f"a judge finds that the {'response' if self.of == 'turn' else 'agent'} {_does(self.rubric)}"


@dataclass(frozen=True, slots=True)
class ConversationJudge(ConversationCheck):
    """All that the agent said does what the rubric says, by the votes of a judging model."""

    short: ClassVar[str] = "rubric"
    labelled: ClassVar[bool] = True
    aid: ClassVar[str | None] = "judge"
    rubric: str = field(metadata=_RUBRIC)
    scale: Points = field(default=None, metadata=_SCALE)
    at_least: Points = field(default=None, metadata=_AT_LEAST)
    examples: Examples = field(default=Examples(), metadata=_EXAMPLES)
    plant: tuple[Plant, ...] = field(default=ALL_PLANTS, metadata=_PLANT)
    brief: bool = written_short()

    def __post_init__(self) -> None:
        _sound(self.rubric, self.scale, self.at_least)

    def asked(self) -> Rubric:
        """What the judge is asked to judge by."""
        return _rubric(self, whole=True)

    def questions(self, seen: Conversation) -> tuple[Question, ...]:
        if not _replies(seen.turns):
            return ()
        return (_question(self.asked(), seen.turns),)

    def judge(self, seen: Conversation) -> tuple[Finding, ...]:
        if not _replies(seen.turns):
            raise Unreported("the agent said nothing that is known, so there is nothing to judge")
        return _found(_question(self.asked(), seen.turns), seen.aids, self.at("rubric"))

    def judged_by(self, seen: Conversation) -> JudgedBy | None:
        return _told(self.questions(seen), seen.aids)

    def describe(self) -> str:
        return f"a judge finds that the agent {_does(self.rubric)}"


def _sound(rubric: str, scale: int | None, at_least: int | None) -> None:
    if not rubric.strip():
        raise ValueError("'rubric' says what the text must do; it is empty")
    if (scale is None) != (at_least is None):
        raise ValueError("'scale' and 'at_least' go together: points from 1 to 'scale', and how many pass")
    if scale is not None and at_least is not None and not 1 < at_least <= scale:
        raise ValueError(f"'at_least' is {at_least}; it must be above 1 and at most 'scale', which is {scale}")


def _rubric(check: Judge | ConversationJudge, *, whole: bool) -> Rubric:
    examples = check.examples
    return Rubric(check.rubric, check.scale, check.at_least, examples.good, examples.bad, tuple(check.plant), whole)


def _does(rubric: str) -> str:
    return " ".join(rubric.split())


def _replies(turns: Iterable[TurnRecord]) -> list[str]:
    return [turn.reply.response for turn in turns if turn.reply is not None and turn.reply.response is not UNKNOWN]


def _question(rubric: Rubric, turns: Sequence[TurnRecord]) -> Question:
    """The last reply with what was said before it; of a whole conversation, all replies, with all that was said."""
    said: list[tuple[str, str]] = []
    for turn in turns:
        if turn.user is not None and turn.skipped is None:
            said.append(("customer", turn.user))
        if turn.reply is not None and turn.reply.response is not UNKNOWN:
            said.append(("agent", turn.reply.response))
    if rubric.whole:
        return Question(rubric, "\n\n".join(_replies(turns)), tuple(said))
    return Question(rubric, said[-1][1], tuple(said[:-1]))


def _found(question: Question, aids: Aids, path: tuple[str | int, ...]) -> tuple[Finding, ...]:
    """What follows of the votes. Raises Unreported where there are none, or the judge abstains, CheckFault where it broke."""
    answer = aids.answers.get(question.digest)
    if answer is None and aids.skips:
        raise Unreported("no judge is asked, as the suite says `judge: skip`")
    if answer is None:
        raise Unreported("no votes are recorded on this text and rubric; run the case again to have the judge asked")
    verdict = answer.verdict
    if verdict == "error":
        raise CheckFault(f"the judge could not be asked: {answer.error}")
    if verdict == "abstain":
        why = f"the judge abstains: {votes_in_words(answer)}{_reasons(answer, 'abstain', 'void')}"
        raise (CheckFault if aids.abstains == "errored" else Unreported)(why)
    if verdict == "pass":
        return ()
    said = f"the judge says that this does not fit: {_does(question.rubric.text)}"
    near = _reasons(answer, "fail").removeprefix("; ") or None
    return (Finding(said, _does(question.rubric.text), quoted(question.text), near=near, path=path),)


def _told(questions: Sequence[Question], aids: Aids) -> JudgedBy | None:
    if not questions:
        return None
    answer = aids.answers.get(questions[0].digest)
    if answer is None:
        return JudgedBy("judge", "the judge was not asked", abstained=True)
    if answer.error is not None:
        return JudgedBy("judge", "the judge could not be asked")
    share = answer.count("pass") / len(answer.votes) if answer.votes else None
    return JudgedBy("judge", votes_in_words(answer), share, abstained=answer.verdict == "abstain")


def votes_in_words(answer: Answer) -> str:
    """`2 of 3 votes of gpt-4.1 say pass, 1 is void`; the points too, where they are given."""
    counts = Counter(vote.verdict for vote in answer.votes)
    verdict = answer.verdict if answer.verdict in counts else next(iter(counts), "abstain")
    count = counts.pop(verdict, 0)
    of = f" of {answer.model}" if answer.model else ""
    begins = f"{count} of {counted(len(answer.votes), 'vote')}{of} {'says' if count == 1 else 'say'} {verdict}"
    if verdict == "void":
        begins = f"{count} of {counted(len(answer.votes), 'vote')}{of} {'is' if count == 1 else 'are'} void"
    rest = [f"{number} {_WORDS[word].format('' if number > 1 else 's')}" for word, number in sorted(counts.items())]
    points = [str(vote.points) for vote in answer.votes if vote.points is not None]
    return ", ".join([begins, *rest]) + (f" (points {listed(points)})" if points else "")


_WORDS = {"pass": "say{0} pass", "fail": "say{0} fail", "abstain": "abstain{0}", "void": "void"}


def _reasons(answer: Answer, *verdicts: str) -> str:
    """Why the votes say so, each reason once."""
    found = dict.fromkeys(_reason(vote) for vote in answer.votes if vote.verdict in verdicts and (vote.why or vote.quote))
    return "".join(f"; {why}" for why in list(found)[:2])


def _reason(vote: Vote) -> str:
    return (vote.why or "").strip() + (f" ({quoted(vote.quote, 80)})" if vote.quote else "")
