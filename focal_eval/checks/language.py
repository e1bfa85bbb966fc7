"""`response.language`: which language the response is written in."""

from __future__ import annotations

from dataclasses import field
from functools import lru_cache
from typing import Annotated, Any, ClassVar

from focal_eval.checks.base import Moment, TurnCheck, Unreported, written_short
from focal_eval.checks.language_model import identifier, narrowed
from focal_eval.checks.passages import quoted
from focal_eval.checks.text import response_of
from focal_eval.document.shape import Number
from focal_eval.records import Finding
from focal_eval.registry import did_you_mean
from focal_eval.value import value

_CODES = (
    "af am an ar as az ba be bg bn br bs ca cs cy da de dz el en eo es et eu fa fi fo fr fy ga gd gl gu ha he hi hr ht hu hy "
    "id ig is it ja jv ka kk km kn ko ku ky la lb lg ln lo lt lv mg mk ml mn mr ms mt my ne nl nn no oc om or pa pl ps pt qu "
    "ro ru rw sa se si sk sl sn so sq sr st sv sw ta te tg th tk tl tr tt ug uk ur uz vi vo wa xh yo zh zu"
)
CODES = frozenset(_CODES.split())
"""The ISO 639-1 codes of the languages that can be told."""


@lru_cache(maxsize=1)
def _whole() -> Any:
    return identifier(CODES)


@lru_cache(maxsize=32)
def _identifier(among: frozenset[str]) -> Any:
    return _whole() if among == CODES else narrowed(_whole(), among)


@value
class Language(TurnCheck):
    """The response is written in this language (ISO 639-1); a text too short to tell is not judged."""

    short: ClassVar[str] = "code"
    loads: ClassVar[bool] = True
    code: str = field(metadata={"doc": "ISO 639-1, such as de."})
    among: tuple[str, ...] = field(default=(), metadata={"doc": "The only languages that come into question."})
    at_least: Annotated[float, Number(minimum=0, maximum=1)] = field(
        default=0.6, metadata={"doc": "Below this confidence the response is not judged."}
    )
    brief: bool = written_short()

    def __post_init__(self) -> None:
        for code in (self.code, *self.among):
            if code not in CODES:
                fix = did_you_mean(code, CODES)
                raise ValueError(f"'{code}' is not an ISO 639-1 code of a known language{'; ' + fix if fix else ''}")
        if self.among and set(self.among) <= {self.code}:
            raise ValueError("'among' names the languages to choose from; give at least two")

    @classmethod
    def load(cls) -> None:
        _whole()

    def judge(self, seen: Moment) -> tuple[Finding, ...]:
        response = response_of(seen)
        among = frozenset({self.code, *self.among}) if self.among else CODES
        code, confidence = _identifier(among).classify(response)
        if confidence < self.at_least:
            raise Unreported(f"the language of so short a text cannot be told: most like {code}, confidence {confidence:.2f}")
        if code == self.code:
            return ()
        said = f"the response is written in '{code}', not in '{self.code}'"
        return (Finding(said, self.code, f"{code} (confidence {confidence:.2f}): {quoted(response)}", path=self.at("code")),)

    def describe(self) -> str:
        return f"response is written in {self.code}"
