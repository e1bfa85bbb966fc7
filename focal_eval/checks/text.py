"""`response.contains` and its kin: what the response says, letter by letter but for case, quotes and white space."""

from __future__ import annotations

from dataclasses import field
from typing import Any, ClassVar, Literal

from focal_eval.checks.base import Moment, TurnCheck, derived, settle, written_short
from focal_eval.checks.passages import around, closest, quoted, word_diff
from focal_eval.checks.remarks import joined, what_was_left_out
from focal_eval.checks.reported import known
from focal_eval.document.patterns import PatternText
from focal_eval.document.shape import ListOf, Text
from focal_eval.pattern import compile_pattern
from focal_eval.records import Finding
from focal_eval.text import fold, listed
from focal_eval.value import value

Fold = Literal["fold", "strict"]
_CASE: Any = {"doc": "strict: case as written."}
_SPACE: Any = {"doc": "strict: white space as written."}
_TEXTS: Any = {"shape": ListOf(Text())}


def response_of(seen: Moment) -> str:
    """The response as reported; several messages are joined by blank lines."""
    return known(seen.reply.response, "response")


def prepared(text: str, case: Fold, space: Fold) -> str:
    """The text as it is compared."""
    return fold(text) if case == space == "fold" else fold(text, case=case == "fold", space=space == "fold")


@value
class Contains(TurnCheck):
    """The response contains all of these texts."""

    short: ClassVar[str] = "text"
    text: tuple[str, ...] = field(metadata=_TEXTS)
    case: Fold = field(default="fold", metadata=_CASE)
    space: Fold = field(default="fold", metadata=_SPACE)
    brief: bool = written_short()
    needles: tuple[str, ...] = derived()

    def __post_init__(self) -> None:
        settle(self, needles=tuple([prepared(text, self.case, self.space) for text in self.text]))

    def judge(self, seen: Moment) -> tuple[Finding, ...]:
        response = response_of(seen)
        where = prepared(response, self.case, self.space)
        for needle in self.needles:
            if needle not in where:
                return tuple(self._missing(response, where, what_was_left_out(seen.reply)))
        return ()

    def _missing(self, response: str, where: str, remark: str | None) -> list[Finding]:
        out = []
        for index, (text, needle) in enumerate(zip(self.text, self.needles, strict=True)):
            if needle in where:
                continue
            near = closest(text, response)
            if fold(text) in fold(response):
                near = "it is there, but differs in case or white space, which are strict here"
            path, near = self.at("text", index), joined(remark, near)
            said = f"the response does not contain {quoted(text, 80)}"
            out.append(Finding(said, f"text containing {quoted(text)}", quoted(response), near=near, path=path))
        return out

    def describe(self) -> str:
        return f"response contains {listed([quoted(text, 60) for text in self.text])}"

    def idle(self) -> str | None:
        if not self.text:
            return "it names no text"
        return None if all(self.needles) else "an empty text is contained in every response"


@value
class Excludes(TurnCheck):
    """The response contains none of these texts."""

    short: ClassVar[str] = "text"
    text: tuple[str, ...] = field(metadata=_TEXTS)
    case: Fold = field(default="fold", metadata=_CASE)
    space: Fold = field(default="fold", metadata=_SPACE)
    brief: bool = written_short()
    needles: tuple[str, ...] = derived()

    def __post_init__(self) -> None:
        if not all(text.strip() for text in self.text):
            raise ValueError("an empty text is contained in every response, so excluding it always fails")
        settle(self, needles=tuple([prepared(text, self.case, self.space) for text in self.text]))

    def judge(self, seen: Moment) -> tuple[Finding, ...]:
        response = response_of(seen)
        where = prepared(response, self.case, self.space)
        shown = response if len(response) == len(where) else where  # places in both are the same where nothing was folded away
        out = []
        for index, needle in enumerate(self.needles):
            start = where.find(needle)
            if start >= 0:
                text = self.text[index]
                said = f"the response contains {quoted(text, 80)}"
                passage = around(shown, start, start + len(needle))
                out.append(Finding(said, f"no {quoted(text)}", f"'{passage}'", path=self.at("text", index)))
        return tuple(out)

    def describe(self) -> str:
        return f"response does not contain {listed([quoted(text, 60) for text in self.text], last='or')}"

    def idle(self) -> str | None:
        return None if self.text else "it names no text"


@value
class Equals(TurnCheck):
    """The response is this text."""

    short: ClassVar[str] = "text"
    verb: ClassVar[tuple[str, str]] = ("equals", "equal")
    text: str
    case: Fold = field(default="fold", metadata=_CASE)
    space: Fold = field(default="fold", metadata=_SPACE)
    brief: bool = written_short()
    needle: str = derived()

    def __post_init__(self) -> None:
        settle(self, needle=prepared(self.text, self.case, self.space))

    def judge(self, seen: Moment) -> tuple[Finding, ...]:
        response = response_of(seen)
        if self._holds(prepared(response, self.case, self.space), self.needle):
            return ()
        if self._holds(fold(response), fold(self.text)):
            near = "it would, but for case or white space, which are strict here"
        else:
            near = word_diff(fold(self.text), fold(self._part(response)))
        said = f"the response does not {self.verb[1]} {quoted(self.text, 80)}"
        remark = joined(what_was_left_out(seen.reply), near)
        return (Finding(said, quoted(self.text), quoted(response), near=remark, path=self.at("text")),)

    @staticmethod
    def _holds(where: str, needle: str) -> bool:
        return where == needle

    def _part(self, response: str) -> str:
        """The part of the response that stands where the text was expected."""
        return response

    def describe(self) -> str:
        return f"response {self.verb[0]} {quoted(self.text, 80)}"


@value
class StartsWith(Equals):
    """The response starts with this text."""

    verb: ClassVar[tuple[str, str]] = ("starts with", "start with")

    @staticmethod
    def _holds(where: str, needle: str) -> bool:
        return where.startswith(needle)

    def _part(self, response: str) -> str:
        return " ".join(response.split()[: len(self.text.split())])

    def idle(self) -> str | None:
        return None if self.needle else "every response starts with an empty text"


@value
class EndsWith(Equals):
    """The response ends with this text."""

    verb: ClassVar[tuple[str, str]] = ("ends with", "end with")

    @staticmethod
    def _holds(where: str, needle: str) -> bool:
        return where.endswith(needle)

    def _part(self, response: str) -> str:
        return " ".join(response.split()[-len(self.text.split()) :])

    def idle(self) -> str | None:
        return None if self.needle else "every response ends with an empty text"


@value
class Matches(TurnCheck):
    """The patterns are found in the response; their named groups can be saved."""

    short: ClassVar[str] = "pattern"
    pattern: tuple[PatternText, ...] = field(metadata={"doc": "Searched anywhere, case as written."})
    brief: bool = written_short()

    def judge(self, seen: Moment) -> tuple[Finding, ...]:
        response = response_of(seen)
        out = []
        for index, pattern in enumerate(self.pattern):
            if pattern.search(response) is None:
                said = f"the response does not match /{pattern.text}/"
                near = joined(what_was_left_out(seen.reply), _other_case(pattern.text, response))
                path = self.at("pattern", index)
                out.append(Finding(said, f"/{pattern.text}/", quoted(response), near=near, path=path))
        return tuple(out)

    def groups(self, text: str) -> dict[str, str]:
        """The named groups found in a text, of the first match of each pattern; those that took no part are left out."""
        out: dict[str, str] = {}
        for pattern in self.pattern:
            found = pattern.search(text)
            if found is not None:
                out |= {name: value for name, value in found.groupdict().items() if value is not None}
        return out

    def names(self) -> tuple[str, ...]:
        """The names of the groups, for the check of `save` before a run."""
        return tuple(name for pattern in self.pattern for name in pattern.groups)

    def describe(self) -> str:
        return f"response matches {listed([f'/{pattern.text}/' for pattern in self.pattern])}"

    def idle(self) -> str | None:
        if not self.pattern:
            return "it names no pattern"
        if all(pattern.search("") is not None for pattern in self.pattern):
            return "a pattern that is found in an empty text is found in every response"
        return None


def _other_case(pattern: str, response: str) -> str | None:
    found = compile_pattern(pattern, ignore_case=True).search(response)
    if found is None:
        return None
    return f"it would match but for case: '{around(response, *found.span())}'; start the pattern with (?i) to ignore case"
