"""`response.is_question`, `refusal`, `no_provider_error`: what kind of answer the response is."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import ClassVar

from focal_eval.checks.base import Moment, TurnCheck, written_short
from focal_eval.checks.passages import around, quoted
from focal_eval.checks.text import response_of
from focal_eval.records import Finding
from focal_eval.records.provider_error import find_provider_error
from focal_eval.text import fold

_ADDRESS = re.compile(r"\bhttps?://\S+")
_QUESTION = re.compile(r"[?\uff1f\u061f\u037e](?=[\s\"')\]*_»”’!?.]|\Z)")  # also full-width, Arabic and Greek


@dataclass(frozen=True, slots=True)
class IsQuestion(TurnCheck):
    """The response asks something: it holds a sentence that ends in a question mark."""

    short: ClassVar[str] = "is_question"
    is_question: bool
    brief: bool = written_short()

    def judge(self, seen: Moment) -> tuple[Finding, ...]:
        response = response_of(seen)
        text = _ADDRESS.sub(" ", response)
        found = _QUESTION.search(text)
        if (found is not None) == self.is_question:
            return ()
        path = self.at("is_question")
        if found is None:
            return (Finding("the response asks nothing", "a question", quoted(response), path=path),)
        passage = around(text, *found.span(), margin=80)
        return (Finding("the response asks a question", "no question", f"'{passage}'", path=path),)

    def describe(self) -> str:
        return "response asks a question" if self.is_question else "response asks no question"


# Folded texts: lower case, plain quotes, single spaces.
_REFUSALS: dict[str, tuple[str, ...]] = {
    "en": (
        r"\bi(?: am|'m) (?:not able|unable|not allowed|not permitted|not authori[sz]ed) to\b",
        r"\bi (?:can't|cannot|can not|won't|will not|am not going to) (?:be able to )?"
        r"(?:help|assist|do that|do this|provide|comply|share|fulfill?|process|disclose|support|continue|discuss|give|answer)",
        r"\bi(?: have to|'ll have to| must) (?:decline|refuse)\b",
        r"\b(?:sorry|afraid),?(?: but)? (?:i|we) (?:can't|cannot|can not|won't)\b",
        r"\bnot something (?:i|we) can\b",
        r"\bwe(?: are|'re) (?:unable|not able|not allowed) to\b",
        r"\b(?:against|violates?) (?:our|my|company|the) (?:policy|policies|guidelines)\b",
    ),
    "de": (
        r"\bkann ich (?:ihnen |dir |euch )?(?:leider )?nicht (?:helfen|weiterhelfen|machen|tun|geben|anbieten|beantworten)",
        r"\bich kann (?:ihnen |dir |euch |das |dies |dabei |damit |hier |hierbei |leider )*nicht\b",
        r"\bdas (?:kann|darf) ich (?:leider )?nicht\b",
        r"\bich darf (?:ihnen |dir |das |leider )*nicht\b",
        r"\bich bin (?:leider )?nicht (?:in der lage|befugt|berechtigt|autorisiert)\b",
        r"\b(?:ist|es) (?:ist )?mir (?:leider )?nicht (?:möglich|erlaubt|gestattet)\b",
        r"\bmuss ich (?:leider )?ablehnen\b",
        r"\bwir (?:können|dürfen) (?:ihnen |dir |euch |das |dies |dabei |damit |hier |hierbei |leider )*nicht\b",
        r"\bleider (?:kann|können|darf|dürfen) (?:ich|wir) [^.!?]{0,120}\bnicht\b",
    ),
    "es": (
        r"\bno (?:le |te |lo |la |les |os )?(?:puedo|podemos) "
        r"(?:ayudar|hacer|proporcionar|compartir|procesar|dar|ofrecer|responder|realizar)",
        r"\b(?:lo siento|lamentablemente|desafortunadamente),?(?: pero)? no (?:le |te |lo |la )?(?:puedo|podemos)\b",
        r"\bno (?:estoy|estamos) (?:autorizad[oa]s?|en condiciones|capacitad[oa]s?)\b",
        r"\bno (?:me|nos) (?:es posible|está permitido)\b",
        r"\bno tengo permi(?:tido|so)\b",
    ),
}
_REFUSAL = re.compile("|".join(f"(?:{phrase})" for phrases in _REFUSALS.values() for phrase in phrases))


@dataclass(frozen=True, slots=True)
class Refusal(TurnCheck):
    """The response refuses what was asked, in the usual phrases of English, German or Spanish."""

    short: ClassVar[str] = "refusal"
    refusal: bool
    brief: bool = written_short()

    def judge(self, seen: Moment) -> tuple[Finding, ...]:
        response = response_of(seen)
        text = fold(response)
        found = _REFUSAL.search(text)
        if (found is not None) == self.refusal:
            return ()
        path = self.at("refusal")
        if found is None:
            return (Finding("the response does not refuse", "a refusal", quoted(response), path=path),)
        return (Finding("the response refuses", "no refusal", f"'{around(text, *found.span())}'", path=path),)

    def describe(self) -> str:
        return "response refuses" if self.refusal else "response does not refuse"


@dataclass(frozen=True, slots=True)
class NoProviderError(TurnCheck):
    """The response is not an error of the model's provider that slipped through as a reply."""

    short: ClassVar[str] = "no_provider_error"
    no_provider_error: bool = True
    allow: tuple[str, ...] = field(default=(), metadata={"doc": "Texts that may stand in a reply all the same."})
    brief: bool = written_short()

    def __post_init__(self) -> None:
        if not self.no_provider_error:
            raise ValueError("write true, or leave the key out")

    def judge(self, seen: Moment) -> tuple[Finding, ...]:
        text = fold(response_of(seen))
        for allowed in self.allow:
            text = text.replace(fold(allowed), " ")
        found = find_provider_error(text)
        if found is None:
            return ()
        said = "the response looks like an error of the model's provider"
        passage = around(text, *found.span())
        return (Finding(said, "an answer to the user", f"'{passage}'", path=self.at("no_provider_error")),)

    def describe(self) -> str:
        return "response is no error of the model's provider"
