"""Botium: conversations in text files become scripts, with their partial conversations, utterances and scripting memory.

`#bot` after `#bot` are messages of one reply. Partial conversations are written out where they are included, utterances become
variants of the user's words and alternatives of the bot's, a table of scripting memory becomes `params`, and a `$name` in what
the bot says is kept by `save` and said again as `{{ name }}`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any, ClassVar

from focal_eval.errors import Problems
from focal_eval.importers import tree
from focal_eval.importers.base import Imported, option
from focal_eval.importers.botium_bot import APPROXIMATED as BOT_APPROXIMATED
from focal_eval.importers.botium_bot import MODES, Memory, Utterances, bot_said
from focal_eval.importers.botium_bot import SENTENCES as BOT_SENTENCES
from focal_eval.importers.botium_text import Convo, Step, Word, line_at, read_convo, read_memory, read_utterances
from focal_eval.importers.drafts import Draft, Scripts, origin, script, turn
from focal_eval.importers.foreign import Source
from focal_eval.importers.losses import Losses
from focal_eval.importers.tree import pass_over
from focal_eval.source import whole_file

MAX_INCLUDED = 16  # partial conversations within each other
MAX_STEPS = 5_000
MAX_ROWS = 1_000  # of all tables together

SENTENCES = {
    **{kind: tree.SENTENCES[kind] for kind in ("other-file", "unreadable-file")},
    **BOT_SENTENCES,
    "pause": "pauses and waiting times",
    "hook": "logic hooks that change how Botium goes on, such as CONVO_STEP_PARAMETERS",
    "own-word": "asserters and hooks that a project added itself",
    "partial": "partial conversations: written out where they are included",
    "missing-partial": "partial conversations that are included and not there",
    "circular-partial": "partial conversations that include themselves",
    "button": "pressed buttons: said as their text or payload",
    "media": "media that the user sends: said as its name",
    "form": "filled forms: said as `name: value`",
    "silent-step": "steps of the user without anything to say, and what the bot answers to them",
    "json-message": "messages of the user that are JSON: said as that text",
    "strange-section": "sections that are neither #me, #bot, #begin nor #end",
    "empty-convo": "conversations in which nobody says anything",
    "duplicate-name": "partial conversations and utterances of a name that came before: the first one is kept",
    "unused-partial": "partial conversations that nobody includes",
    "too-many-rows": f"rows of scripting memory beyond {MAX_ROWS:,}",
    "end-check": "what is checked after the conversation (#end)",
}
APPROXIMATED = BOT_APPROXIMATED | {"partial", "button", "media", "form", "json-message"}


def matching(text: str) -> str:
    """How texts are compared, by Botium's names, with or without `IgnoreCase`."""
    if text not in MODES:
        raise ValueError(f"'{text}' is none of " + ", ".join(MODES))
    return text


@dataclass(frozen=True, slots=True)
class Botium:
    """Conversations of Botium in text files."""

    suffixes: ClassVar[tuple[str, ...]] = (".convo.txt", ".pconvo.txt", ".utterances.txt", ".scriptingmemory.txt")
    matching: str = option(matching, doc="how texts are compared: " + ", ".join(MODES), default="includeIgnoreCase")

    def read(self, sources: Sequence[Source], problems: Problems) -> Imported:
        losses = Losses(SENTENCES, APPROXIMATED)
        library = _Library(losses)
        texts = [(source, text) for source in sources if (text := _text(source, problems, losses)) is not None]
        for source, text in texts:  # before any conversation, which may use them
            library.take(source, text)
        for source, text in texts:
            if source.file.endswith(".pconvo.txt"):
                library.partial(read_convo(source.file, text, library.utterances.known))
        scripts = Scripts(sources, problems, losses, self.suffixes)
        for source, text in texts:
            if source.file.endswith((".utterances.txt", ".scriptingmemory.txt", ".pconvo.txt")):
                continue
            convo = read_convo(source.file, text, library.utterances.known)
            if not convo.steps and not source.file.endswith(".convo.txt"):
                pass_over(source, problems, losses, "a conversation of Botium: it has no section such as #me")
                continue
            draft = _Reading(convo, source, library, losses, self.matching).draft()
            scripts.add(source, [draft] if draft is not None else [])
        library.report_unused()
        return scripts.imported()


def _text(source: Source, problems: Problems, losses: Losses) -> str | None:
    found = Problems()
    text = source.text(found)
    if text is not None and not text.strip():
        found.error("import-nothing", "the file is empty", whole_file(source.file))
    if not found.errors:
        return text
    if source.named:
        problems.extend(found)
    else:
        losses.add("unreadable-file", found.errors[0].span)
    return None


@dataclass(slots=True)
class _Library:
    """What conversations share."""

    losses: Losses
    utterances: Utterances = field(default_factory=Utterances)
    partials: dict[str, Convo] = field(default_factory=dict)
    tables: list[list[Mapping[str, str]]] = field(default_factory=list)
    used: set[str] = field(default_factory=set)

    def take(self, source: Source, text: str) -> None:
        if source.file.endswith(".utterances.txt"):
            name, said = read_utterances(text)
            if not self.utterances.take(name, said):
                self.losses.add("duplicate-name", line_at(source.file, 1))
        elif source.file.endswith(".scriptingmemory.txt"):
            rows = read_memory(text)
            if rows:
                self.tables.append(rows)

    def partial(self, convo: Convo) -> None:
        if convo.name in self.partials:
            self.losses.add("duplicate-name", line_at(convo.file, 1))
        else:
            self.partials[convo.name] = convo

    def report_unused(self) -> None:
        for name, convo in self.partials.items():
            if name not in self.used:
                self.losses.add("unused-partial", line_at(convo.file, 1))


@dataclass(slots=True)
class _Open:
    """A turn while the bot's messages come in."""

    said: list[str] | None  # variants; None where the bot speaks first
    replies: list[tuple[Convo, Step]] = field(default_factory=list)


class _Reading:
    """Makes a script of one conversation."""

    def __init__(self, convo: Convo, source: Source, library: _Library, losses: Losses, mode: str) -> None:
        self.convo, self.source, self.library, self.losses = convo, source, library, losses
        self.mode = mode
        self.memory = Memory(losses)
        self.turns: list[dict[str, Any]] = []
        self.open: _Open | None = None
        self.steps = 0

    def draft(self) -> Draft | None:
        convo = self.convo
        rows = self._rows()
        self.memory.known |= {name for row in rows for name in row}
        self._steps(convo, ())
        self._close()
        place = line_at(convo.file, 1)
        if not self.turns:
            self.losses.add("empty-convo", place)
            return None
        name = convo.name or self.source.file.replace("\\", "/").rpartition("/")[2].partition(".")[0]
        used = [{key: value for key, value in row.items() if key in self.memory.used} for row in rows]
        used = [row for index, row in enumerate(used) if row and row not in used[:index]]
        found = origin("botium", self.source, place, name=convo.name)
        parts = {"description": convo.description, "params": {"rows": used} if used else {}, "turns": self.turns}
        return Draft(name, script(name, ["botium"], found, **parts), place)

    def _rows(self) -> list[Mapping[str, str]]:
        """The rows of the tables whose names the conversation says, each with each."""
        text = "\n".join(part for step in self.convo.steps for part in _texts(step))
        tables = [rows for rows in self.library.tables if any("$" + name in text for row in rows for name in row)]
        out: list[Mapping[str, str]] = []
        for combination in product(*tables) if tables else ():
            if len(out) == MAX_ROWS:
                self.losses.add("too-many-rows", line_at(self.convo.file, 1))
                break
            out.append({name: value for row in combination for name, value in row.items()})
        return out

    def _steps(self, convo: Convo, stack: tuple[str, ...]) -> None:
        for line in convo.strange:
            self.losses.add("strange-section", convo.at(line))
        for step in convo.steps:
            self.steps += 1
            if self.steps > MAX_STEPS:
                return
            if step.sender == "me":
                self._me(convo, step)
            elif step.sender == "bot":
                self._bot(convo, step)
            else:
                self._aside(convo, step)
            self._hooks(convo, step, stack)

    def _me(self, convo: Convo, step: Step) -> None:
        said = [] if step.text is None else self.library.utterances.said(step.text)
        if step.text is not None and step.text.lstrip().startswith("{"):
            self.losses.add("json-message", convo.at(step.line))
        inputs = [text for word in step.words if word.kind == "input" and (text := self._input(convo, word)) is not None]
        said = said or inputs[:1]
        if any(word.name == "INCLUDE" for word in step.words) and not said:
            return
        if not said:
            self._close()
            self.losses.add("silent-step", convo.at(step.line))
            self.open = None
            return
        self._close()
        self.losses.keep("user turns")
        self.open = _Open([self.memory.told(text, convo.at(step.line)) for text in said])

    def _input(self, convo: Convo, word: Word) -> str | None:
        if not word.args or not word.args[0]:
            return None
        if word.name == "FORM":
            self.losses.add("form", convo.at(word.line))
            return ": ".join(word.args)
        self.losses.add("button" if word.name == "BUTTON" else "media", convo.at(word.line))
        return word.args[-1] if word.name == "BUTTON" else word.args[0]

    def _bot(self, convo: Convo, step: Step) -> None:
        only_includes = step.text is None and step.words and all(word.name == "INCLUDE" for word in step.words)
        if only_includes:
            return
        if self.open is None:
            if self.turns or self._silent_before():
                return  # the user's step before it could not be taken over
            self.open = _Open(None)
        self.open.replies.append((convo, step))

    def _silent_before(self) -> bool:
        """Whether a step of the user was left out just before: then there is nothing that the bot answers."""
        return any(step.sender == "me" for step in self.convo.steps[: self.steps - 1])

    def _aside(self, convo: Convo, step: Step) -> None:
        for word in step.words:
            if word.kind == "asserter":
                self.losses.add("end-check", convo.at(word.line))
        if step.sender == "include" and step.text:
            step.words.extend(Word("INCLUDE", (name,), step.line) for name in step.text.split("\n") if name.strip())
        elif step.text:
            self.losses.add("end-check" if step.sender == "end" else "hook", convo.at(step.line))

    def _hooks(self, convo: Convo, step: Step, stack: tuple[str, ...]) -> None:
        for word in step.words:
            place = convo.at(word.line)
            if word.name == "INCLUDE":
                self._include(word.args[0] if word.args else "", convo, word, stack)
            elif word.name == "SET_SCRIPTING_MEMORY" and len(word.args) == 2:
                self.memory.set(word.args[0], word.args[1])
            elif word.name in ("PAUSE", "WAITFORBOT"):
                self.losses.add("pause", place)
            elif word.kind == "own":
                self.losses.add("own-word", place)
            elif word.kind == "hook":
                self.losses.add("hook", place)

    def _include(self, name: str, convo: Convo, word: Word, stack: tuple[str, ...]) -> None:
        partial = self.library.partials.get(name)
        if partial is None:
            self.losses.add("missing-partial", convo.at(word.line))
        elif name in stack or len(stack) >= MAX_INCLUDED:
            self.losses.add("circular-partial", convo.at(word.line))
        else:
            self.library.used.add(name)
            self.losses.add("partial", convo.at(word.line))
            self._steps(partial, (*stack, name))

    def _close(self) -> None:
        """Ends the turn that is open."""
        if self.open is None:
            return
        said, replies = self.open.said, self.open.replies
        self.open = None
        user = None if said is None else said[0] if len(said) == 1 else said
        expect, save = bot_said(replies, self.library.utterances, self.memory, self.mode, self.losses)
        made = turn(None, expect=expect)
        words = {} if user is None else {"user": user}
        if not words and not made:
            return
        self.turns.append({**words, **made, **({"save": save} if save else {})})


def _texts(step: Step) -> list[str]:
    return [*([step.text] if step.text else []), *(argument for word in step.words for argument in word.args)]
