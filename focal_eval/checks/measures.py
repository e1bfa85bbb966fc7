"""`response.min_words` and its kin, `response.similar`, `response.golden`: how long the response is, and how like a text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from focal_eval.checks.base import Moment, TurnCheck, Unreported, written_short
from focal_eval.checks.passages import alike, quoted, word_diff
from focal_eval.checks.text import response_of
from focal_eval.document.shape import Number
from focal_eval.records import Finding
from focal_eval.text import counted, fold, words

Whole = Annotated[int, Number(whole=True, minimum=0)]
Share = Annotated[float, Number(minimum=0, maximum=1)]


@dataclass(frozen=True, slots=True)
class MinWords(TurnCheck):
    """The response has at least so many words."""

    short: ClassVar[str] = "words"
    words: Whole
    brief: bool = written_short()

    def judge(self, seen: Moment) -> tuple[Finding, ...]:
        return _length(len(words(response_of(seen))), self.words, None, "word", response_of(seen), self.at("words"))

    def describe(self) -> str:
        return f"response has at least {counted(self.words, 'word')}"

    def idle(self) -> str | None:
        return "every response has at least 0 words" if self.words == 0 else None


@dataclass(frozen=True, slots=True)
class MaxWords(TurnCheck):
    """The response has at most so many words."""

    short: ClassVar[str] = "words"
    words: Whole
    brief: bool = written_short()

    def judge(self, seen: Moment) -> tuple[Finding, ...]:
        return _length(len(words(response_of(seen))), None, self.words, "word", response_of(seen), self.at("words"))

    def describe(self) -> str:
        return f"response has at most {counted(self.words, 'word')}"


@dataclass(frozen=True, slots=True)
class MinChars(TurnCheck):
    """The response has at least so many characters, without white space around it."""

    short: ClassVar[str] = "chars"
    chars: Whole
    brief: bool = written_short()

    def judge(self, seen: Moment) -> tuple[Finding, ...]:
        return _length(len(response_of(seen).strip()), self.chars, None, "character", response_of(seen), self.at("chars"))

    def describe(self) -> str:
        return f"response has at least {counted(self.chars, 'character')}"

    def idle(self) -> str | None:
        return "every response has at least 0 characters" if self.chars == 0 else None


@dataclass(frozen=True, slots=True)
class MaxChars(TurnCheck):
    """The response has at most so many characters, without white space around it."""

    short: ClassVar[str] = "chars"
    chars: Whole
    brief: bool = written_short()

    def judge(self, seen: Moment) -> tuple[Finding, ...]:
        return _length(len(response_of(seen).strip()), None, self.chars, "character", response_of(seen), self.at("chars"))

    def describe(self) -> str:
        return f"response has at most {counted(self.chars, 'character')}"


def _length(
    number: int, least: int | None, most: int | None, noun: str, response: str, path: tuple[str | int, ...]
) -> tuple[Finding, ...]:
    if least is not None and number < least:
        wanted, off = f"at least {counted(least, noun)}", least - number
    elif most is not None and number > most:
        wanted, off = f"at most {counted(most, noun)}", number - most
    else:
        return ()
    said = f"the response has {counted(number, noun)}, {off} too {'few' if least is not None else 'many'}"
    return (Finding(said, wanted, f"{counted(number, noun)}: {quoted(response)}", path=path),)


@dataclass(frozen=True, slots=True)
class Similar(TurnCheck):
    """The response is about this text: like it by edit similarity, after folding."""

    short: ClassVar[str] = "to"
    to: str
    at_least: Share = field(default=0.8, metadata={"doc": "How alike, 0 to 1."})
    brief: bool = written_short()

    def judge(self, seen: Moment) -> tuple[Finding, ...]:
        response = response_of(seen)
        score = alike(self.to, response)
        if score >= self.at_least:
            return ()
        return (_unlike(self.to, response, score, self.at_least, self.at("to")),)

    def describe(self) -> str:
        return f"response is at least {self.at_least:.0%} like {quoted(self.to, 80)}"

    def idle(self) -> str | None:
        return "every response is at least 0 % like any text" if self.at_least == 0 else None


@dataclass(frozen=True, slots=True)
class Golden(TurnCheck):
    """The response is the turn's `agent:` text: equal after folding, or similar to it."""

    short: ClassVar[str] = "policy"
    policy: Literal["equal", "similar"] = field(default="equal", metadata={"doc": "equal after folding, or similar."})
    at_least: Share = field(default=0.9, metadata={"doc": "How alike, 0 to 1, where the policy is similar."})
    brief: bool = written_short()

    def judge(self, seen: Moment) -> tuple[Finding, ...]:
        if seen.golden is None:
            raise Unreported("the turn has no agent text to compare with")
        response = response_of(seen)
        if fold(seen.golden) == fold(response):
            return ()
        if self.policy == "similar":
            score = alike(seen.golden, response)
            return () if score >= self.at_least else (_unlike(seen.golden, response, score, self.at_least, ()),)
        near = word_diff(fold(seen.golden), fold(response))
        return (Finding("the response is not the agent text", quoted(seen.golden), quoted(response), near=near),)

    def describe(self) -> str:
        how = "is" if self.policy == "equal" else f"is at least {self.at_least:.0%} like"
        return f"response {how} the agent text"


def _unlike(wanted: str, response: str, score: float, at_least: float, path: tuple[str | int, ...]) -> Finding:
    said = f"the response is {score:.1%} like the text, not {at_least:.1%}"
    return Finding(said, quoted(wanted), quoted(response), near=word_diff(fold(wanted), fold(response)), path=path)
