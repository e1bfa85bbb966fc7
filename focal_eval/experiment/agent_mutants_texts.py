"""Changes of what templates say, each language by itself: sentences, denials, figures and placeholders."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Literal

from focal_eval.agent import Agent
from focal_eval.agent.model import TemplateDef
from focal_eval.agent.parts import Part
from focal_eval.agent.placed import Placed
from focal_eval.agent.spellings import TextByLanguage
from focal_eval.experiment.agent_mutants_form import Altered, line, moved, put

_CODE = re.compile(r"(\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\})", re.DOTALL)
_STRING = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")
_SENTENCE = re.compile(r"[^.!?]*[.!?]+(?:['\")\]]+)?(?:\s+|$)|[^.!?]+$", re.DOTALL)
_NUMBER = re.compile(r"(?<![\w.,{])\d+(?:[.,]\d+)*(?![\w}])")
_WORDS = re.compile(r"\w{2}")
_DENIALS: dict[str, tuple[tuple[str, str], ...]] = {
    "en": (
        (r"\bcannot\b", "can"), (r"\b(do|does|did|is|are|was|were|will|can|must|has|have) not\b", r"\1"),
        (r"\bnever\b", "always"), (r"\b(is|are|was|were|will|can|must)\b", r"\1 not"), (r"\bno\b", "every"),
        (r"\b(I|you|we|they) (?=[a-z])", r"\1 do not "),
    ),
    "de": (
        (r"\bnicht ", ""), (r"\bkeine?(\w*)\b", r"eine\1"), (r"\bnie(mals)?\b", "immer"),
        (r"\b(ist|sind|war|wird|werden|kann|können|darf|dürfen|muss|müssen|habe|haben)\b", r"\1 nicht"),
    ),
    "es": (
        (r"\b[Nn]o (?=\w)", ""), (r"\bnunca\b", "siempre"),
        (r"\b(es|está|están|son|puedo|puede|puedes|pueden|he|ha|hay|hemos|se|tienes?|tengo|va|voy)\b", r"no \1"),
    ),
}  # fmt: skip
"""How a sentence is denied, or a denial taken back; the first that fits. Other languages: as in English."""

_OTHER_MODE: dict[str, Literal["SUGGEST", "EXCLUSIVE"]] = {
    "SUGGEST": "EXCLUSIVE",
    "EXCLUSIVE": "SUGGEST",
    "FALLBACK": "SUGGEST",
}


def drop_sentence(part: Part, _: Agent) -> Iterator[Altered]:
    """One sentence is not said; where there is one only, it is blank."""
    for number, code, text in _texts(part):
        pieces = list(_sentences(text))
        for start, end in pieces:
            left = (text[:start].rstrip() + " " + text[end:].lstrip()).strip() if len(pieces) > 1 else "…"
            yield from _changed(part, number, code, left, f"'{_short(text[start:end])}' is not said")


def negate_sentence(part: Part, _: Agent) -> Iterator[Altered]:
    """One sentence says the opposite."""
    for number, code, text in _texts(part):
        for start, end in _sentences(text):
            denied = _denied(text[start:end], str(code) or "en")
            if denied is not None:
                yield from _changed(
                    part, number, code, text[:start] + denied + text[end:], f"'{_short(text[start:end])}' is denied"
                )


def change_number(part: Part, _: Agent) -> Iterator[Altered]:
    """One figure is another."""
    for number, code, text in _texts(part):
        for start, end, _inside in _plain(text):
            for match in _NUMBER.finditer(text, start, end):
                new = _next(match.group())
                changed = text[: match.start()] + new + text[match.end() :]
                yield from _changed(part, number, code, changed, f"{match.group()} became {new}")


def drop_placeholder(part: Part, _: Agent) -> Iterator[Altered]:
    """A value is not filled in."""
    for number, code, text in _texts(part):
        for match in _placeholders(text):
            changed = text[: match.start()] + text[match.end() :]
            yield from _changed(part, number, code, changed or "…", f"{_short(match.group())} is not filled in")


def swap_placeholders(part: Part, _: Agent) -> Iterator[Altered]:
    """Two values that stand next to each other change places."""
    for number, code, text in _texts(part):
        found = _placeholders(text)
        for one, other in pairwise(found):
            if one.group() == other.group():
                continue
            changed = text[: one.start()] + other.group() + text[one.end() : other.start()] + one.group() + text[other.end() :]
            yield from _changed(part, number, code, changed, f"{_short(one.group())} and {_short(other.group())} change places")


def change_mode(part: Part, _: Agent) -> Iterator[Altered]:
    """A text that was said alone is said beside others, and one that was said beside others is said alone."""
    template: TemplateDef = part.value
    other = _OTHER_MODE[template.mode]
    yield Altered(
        replace(template, mode=other), part.span, line("mode", template.mode), line("mode", other), f"its mode is {other}"
    )


def _texts(part: Part) -> Iterator[tuple[int, Placed, Placed]]:
    template: TemplateDef = part.value
    yield from ((number, code, text) for number, (code, text) in enumerate(template.text.texts))


def _changed(part: Part, number: int, code: Placed, new: str, text: str) -> Iterator[Altered]:
    """The template with another text; nothing where it would be the same."""
    texts = part.value.text.texts
    old = texts[number][1]
    if new == old:
        return
    held = replace(part.value, text=TextByLanguage(put(texts, number, (code, moved(new, old)))))
    key = str(code) or "text"
    yield Altered(held, old.span, line(key, old), line(key, Placed(new)), text if not code else f"in '{code}', {text}")


def _plain(text: str) -> Iterator[tuple[int, int, bool]]:
    """The stretches of a text that are said as they stand: outside of code, and the strings in it (True)."""
    at = 0
    for match in _CODE.finditer(text):
        if match.start() > at:
            yield at, match.start(), False
        if match.group().startswith("{{"):
            yield from (
                (m.start() + 1, m.end() - 1, True) for m in _STRING.finditer(text, match.start(), match.end()) if _said(text, m)
            )
        at = match.end()
    if at < len(text):
        yield at, len(text), False


def _said(text: str, match: re.Match[str]) -> bool:
    """Whether a string in code is said, and not looked up or compared with: no comparison stands before it, no colon after."""
    before, after = text[: match.start()].rstrip(), text[match.end() :].lstrip()
    compared = before.endswith(("==", "!=", "[", "(", " in")) or after.startswith((":", "==", "!="))
    return bool(_WORDS.search(match.group())) and not compared


def _sentences(text: str) -> Iterator[tuple[int, int]]:
    """Where sentences stand: those of the text, code within them, and those of strings in code."""
    hidden = _CODE.sub(lambda match: "\x00" * len(match.group()), text)
    for match in _SENTENCE.finditer(hidden):
        if _WORDS.search(match.group()):
            yield match.start(), match.end()
    for start, end, inside in _plain(text):
        if inside:
            for match in _SENTENCE.finditer(text, start, end):
                if _WORDS.search(match.group()):
                    yield match.start(), match.end()


def _placeholders(text: str) -> list[re.Match[str]]:
    return [match for match in _CODE.finditer(text) if match.group().startswith("{{")]


def _denied(sentence: str, code: str) -> str | None:
    """The sentence denied, its code untouched; None where no word of it can be."""
    for pattern, new in _DENIALS.get(code, _DENIALS["en"]):
        for part_start, part_end in _outside(sentence):
            piece = sentence[part_start:part_end]
            changed = re.sub(pattern, new, piece, count=1)
            if changed != piece:
                return sentence[:part_start] + changed + sentence[part_end:]
    return None


def _outside(sentence: str) -> Iterator[tuple[int, int]]:
    at = 0
    for match in _CODE.finditer(sentence):
        yield at, match.start()
        at = match.end()
    yield at, len(sentence)


def _next(number: str) -> str:
    """The figure with its first digits one higher: 30 is 31, 4.95 is 5.95."""
    head = re.match(r"\d+", number)
    assert head is not None
    digits = head.group()
    return str(int(digits) + 1).zfill(len(digits)) + number[len(digits) :]


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 60 else text[:59] + "…"
