"""`response.means`: what the response says in other words, by a sentence encoder that runs here.

Likeness of meaning cannot tell a text from its contradiction, so a number that is missing and a denial on one side only fail
the check too, unless `numbers` and `denial` say that they are not looked at.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal, NamedTuple

from focal_eval.checks.base import CheckFault, Moment, TurnCheck, written_short
from focal_eval.checks.passages import quoted
from focal_eval.checks.semantic_model import INSTALL, encoder_name, installed, likeness
from focal_eval.checks.semantic_text import denies, lexical, numbers, parts
from focal_eval.checks.text import response_of
from focal_eval.document.shape import Number
from focal_eval.records import Finding, JudgedBy
from focal_eval.text import listed

MODEL_AT_LEAST, LEXICAL_AT_LEAST = 0.40, 0.24
"""The likeness asked for by default, with the encoder and with words alone; benchmarks/meaning.py measures both."""

Looked = Literal["same", "any"]


class Best(NamedTuple):
    """The text and the part of the response that are most alike."""

    score: float
    text: int
    part: str
    method: str


@dataclass(frozen=True, slots=True)
class Means(TurnCheck):
    """The response, or a part of it, means one of these texts."""

    short: ClassVar[str] = "text"
    labelled: ClassVar[bool] = True
    aid: ClassVar[str | None] = "semantic"
    text: tuple[str, ...] = field(metadata={"doc": "What it must mean; of several texts one is enough."})
    at_least: Annotated[float | None, Number(minimum=0, maximum=1)] = field(
        default=None, metadata={"doc": "How alike, 0 to 1; measured in docs/reference/semantic.md where it is left out."}
    )
    numbers: Looked = field(default="same", metadata={"doc": "`same`: each number of the text is said; `any`: not looked at."})
    denial: Looked = field(default="same", metadata={"doc": "`same`: both deny or neither does; `any`: not looked at."})
    brief: bool = written_short()

    def __post_init__(self) -> None:
        if not self.text or not all(text.strip() for text in self.text):
            raise ValueError("'text' says what the response must mean; it is empty")

    def judge(self, seen: Moment) -> tuple[Finding, ...]:
        response = response_of(seen)
        best = self._best(seen)
        wanted, path = self.text[best.text], self._path(best.text)
        asked = self._asked(best.method)
        if best.score < asked:
            said = f"the response does not mean the text: alike {best.score:.2f}, at least {asked:.2f} is asked"
            return (Finding(said, quoted(wanted), quoted(response), near=self._near(best, response), path=path),)
        why = contradicted(wanted, best.part, numbers_too=self.numbers == "same", denial_too=self.denial == "same")
        if why is None:
            return ()
        return (Finding(f"the response is like the text, but {why}", quoted(wanted), quoted(best.part), path=path),)

    def judged_by(self, seen: Moment) -> JudgedBy | None:
        best = self._best(seen)
        told = f"{best.method}: alike {best.score:.2f}, asked at least {self._asked(best.method):.2f}"
        return JudgedBy("lexical" if best.method == "lexical" else "model", told, best.score)

    def describe(self) -> str:
        return "response means " + listed([quoted(text, 80) for text in self.text], last="or")

    def idle(self) -> str | None:
        free = self.at_least == 0 and self.numbers == self.denial == "any"
        return "every response is at least 0 like any text" if free else None

    def _path(self, index: int) -> tuple[str | int, ...]:
        return self.at("text", index)

    def _asked(self, method: str) -> float:
        if self.at_least is not None:
            return self.at_least
        return LEXICAL_AT_LEAST if method == "lexical" else MODEL_AT_LEAST

    def _best(self, seen: Moment) -> Best:
        said = parts(response_of(seen))
        if installed():
            method, rows = encoder_name(), likeness(self.text, said)
        elif seen.aids.fallback == "lexical":
            method, rows = "lexical", [[round(lexical(text, part), 4) for part in said] for text in self.text]
        else:
            raise CheckFault(
                f"no sentence encoder is installed; {INSTALL}, or say `semantic: {{fallback: lexical}}` in the suite"
            )
        scores = [(row[at], number, at) for number, row in enumerate(rows) for at in range(len(said))]
        score, number, at = max(scores, key=lambda one: (one[0], -one[1], -one[2]))
        return Best(score, number, said[at], method)

    @staticmethod
    def _near(best: Best, response: str) -> str | None:
        return None if best.part == response.strip() else quoted(best.part)


def contradicted(text: str, said: str, *, numbers_too: bool = True, denial_too: bool = True) -> str | None:
    """Why a text that is alike says something else, in words; None where nothing tells that."""
    gone = sorted(numbers(text) - numbers(said)) if numbers_too else []
    if gone:
        return f"it does not say {listed(gone)}"
    if denial_too and denies(text) != denies(said):
        return "it denies what the text says" if denies(said) else "it does not deny what the text denies"
    return None
