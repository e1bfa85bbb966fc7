"""Reads Botium's text files: conversations, partial conversations, utterances and scripting memory.

A conversation's first lines are its name and description; `#me`, `#bot`, `#begin` and `#end` open sections, each with lines of
text, of asserters (`BUTTONS a|b`, `!INTENT x`), of user inputs (`BUTTON x`) and of logic hooks (`PAUSE 100`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from focal_eval.importers.tree import Place
from focal_eval.source import Span, lines_of

ASSERTERS = frozenset((
    "BUTTONS", "BUTTONS_COUNT", "BUTTONS_COUNT_REC", "MEDIA", "MEDIA_COUNT", "MEDIA_COUNT_REC", "CARDS", "CARDS_COUNT",
    "CARDS_COUNT_REC", "PAUSE_ASSERTER", "JSON_PATH", "JSON_PATH_COUNT", "RESPONSE_LENGTH", "FORMS", "ENTITIES",
    "ENTITY_VALUES", "ENTITY_CONTENT", "INTENT", "INTENT_UNIQUE", "INTENT_CONFIDENCE", "TEXT", "TEXT_IC", "TEXT_EQUALS",
    "TEXT_EQUALS_IC", "TEXT_EQUALS_ANY", "TEXT_EQUALS_ANY_IC", "TEXT_CONTAINS_ANY", "TEXT_CONTAINS_ANY_IC",
    "TEXT_CONTAINS_ALL", "TEXT_CONTAINS_ALL_IC", "TEXT_REGEXP_ANY", "TEXT_REGEXP_ANY_IC", "TEXT_REGEXP_ALL",
    "TEXT_REGEXP_ALL_IC", "TEXT_WILDCARD_ANY", "TEXT_WILDCARD_ANY_IC", "TEXT_WILDCARD_ALL", "TEXT_WILDCARD_ALL_IC",
    "TEXT_WILDCARDEXACT_ANY", "TEXT_WILDCARDEXACT_ANY_IC", "TEXT_WILDCARDEXACT_ALL", "TEXT_WILDCARDEXACT_ALL_IC", "WER",
    "BOT_CONSUMED", "BOT_UNCONSUMED_COUNT",
))  # fmt: skip
INPUTS = frozenset({"BUTTON", "MEDIA", "FORM"})
HOOKS = frozenset((
    "PAUSE", "WAITFORBOT", "SET_SCRIPTING_MEMORY", "CLEAR_SCRIPTING_MEMORY", "ASSIGN_SCRIPTING_MEMORY", "UPDATE_CUSTOM",
    "INCLUDE", "CLEARQUEUE", "ORDERED_LIST_TO_BUTTONS", "CONVO_STEP_PARAMETERS", "CONDITIONAL_STEP_TIME_BASED",
    "CONDITIONAL_STEP_BUSINESS_HOURS", "CONDITIONAL_STEP_CAPABILITY_VALUE_BASED", "CONDITIONAL_STEP_JSON_PATH_BASED",
))  # fmt: skip
SENDERS = frozenset({"me", "bot", "begin", "end", "include"})
_OWN_WORD = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\Z")  # how asserters and hooks are named; a project may have its own


@dataclass(frozen=True, slots=True)
class Word:
    """A line that is no text: an asserter, an input or a hook with its arguments."""

    name: str
    args: tuple[str, ...]
    line: int
    negated: bool = False
    optional: bool = False
    kind: str = "hook"  # "asserter", "input", "hook", or "own" where the project must have added it


@dataclass(slots=True)
class Step:
    """One section of a conversation."""

    sender: str
    line: int
    text: str | None = None  # None where it has no text at all
    negated: bool = False
    optional: bool = False
    words: list[Word] = field(default_factory=list)  # in order, among them where others are included


@dataclass(frozen=True, slots=True)
class Convo:
    """A conversation or a partial one."""

    file: str
    name: str
    description: str
    steps: tuple[Step, ...]
    strange: tuple[int, ...] = ()  # lines of sections that Botium does not have

    def at(self, line: int) -> Place:
        """The place of a line."""
        return line_at(self.file, line)


def line_at(file: str, line: int) -> Place:
    """The place of a line of a file."""
    return lambda: Span(file, line, 1, line, 2)


def read_convo(file: str, text: str, known: Callable[[str], bool]) -> Convo:
    """The conversation in a text; `known` says of a word whether it names utterances."""
    header: list[str] = []
    steps: list[Step] = []
    strange: list[int] = []
    section: list[tuple[int, str]] | None = None

    def close() -> None:
        if steps and section is not None:
            _fill(steps[-1], section, known)

    for number, raw in enumerate(lines_of(text), 1):
        line = raw.strip()
        if line.startswith("#"):
            close()
            sender = (line[1:].split() or [""])[0]
            section = []
            if sender in SENDERS:
                steps.append(Step(sender, number))
            else:
                strange.append(number)
                section = None
        elif section is not None:
            section.append((number, line))
        elif not steps and not strange:
            header.append(line)
    close()
    said = [line for line in header if line]
    return Convo(file, said[0] if said else "", "\n".join(said[1:]), tuple(steps), tuple(strange))


def _fill(step: Step, lines: list[tuple[int, str]], known: Callable[[str], bool]) -> None:
    said: list[str] = []
    for number, line in lines:
        word = _word(step.sender, number, line, known)
        if word is not None:
            step.words.append(word)
        else:
            said.append(line)
    while said and not said[-1]:
        said.pop()
    while said and not said[0]:
        said.pop(0)
    if not said:
        return
    if step.sender != "me":
        said[0], step.optional, step.negated = _signs(said[0])
    step.text = "\n".join(said)


def _signs(line: str) -> tuple[str, bool, bool]:
    """A line without its `?` and `!`, and whether they stood there; doubled they are themselves."""
    optional = negated = False
    if line.startswith("?"):
        optional, line = not line.startswith("??"), line[1:]
    if line.startswith("!"):
        negated, line = not line.startswith("!!"), line[1:]
    return line, optional, negated


def _word(sender: str, number: int, line: str, known: Callable[[str], bool]) -> Word | None:
    bare, optional, negated = _signs(line)
    name, _, rest = bare.partition(" ")
    if not name or known(name):
        return None
    args = arguments(rest)
    if sender != "me" and name in ASSERTERS:
        return Word(name, args, number, negated, optional, "asserter")
    if sender == "me" and name in INPUTS:
        return Word(name, args, number, kind="input")
    if name in HOOKS:
        return Word(name, args, number)
    if _OWN_WORD.match(name) and not name.startswith("UTT_"):
        return Word(name, args, number, negated, optional, "own")
    return None


def arguments(text: str) -> tuple[str, ...]:
    """Arguments between bars; a bar behind a backslash is part of one."""
    if not text:
        return ()
    return tuple(part.replace("\0", "|").strip() for part in text.replace("\\|", "\0").split("|"))


def read_utterances(text: str) -> tuple[str, list[str]]:
    """The name in the first line, and the texts below it."""
    lines = [line.strip() for line in lines_of(text)]
    return lines[0], [line for line in lines[1:] if line]


def read_memory(text: str) -> list[Mapping[str, str]]:
    """The rows of a table of scripting memory: a value for each `$name` of the first line."""
    lines = [line.strip() for line in lines_of(text)]
    names = [name.strip().removeprefix("$") for name in lines[0].split("|")][1:]
    out = []
    for line in lines[1:]:
        cells = [cell.strip() for cell in line.split("|")][1:]
        if line and names:
            out.append({name: cell for name, cell in zip(names, cells, strict=False) if name and cell})
    return [row for row in out if row]
