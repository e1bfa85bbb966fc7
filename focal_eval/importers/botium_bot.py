"""What Botium expects of the bot, as expectations: texts by the chosen matching mode, asserters, and scripting memory."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from focal_eval.importers.botium_text import Convo, Step, Word
from focal_eval.importers.losses import Losses
from focal_eval.importers.tree import Place
from focal_eval.importers.write import data_said, said
from focal_eval.pattern import Pattern
from focal_eval.template import has_template

MODES = (
    "includeIgnoreCase", "include", "equals", "equalsIgnoreCase",
    "regexp", "regexpIgnoreCase", "wildcard", "wildcardIgnoreCase",
)  # fmt: skip
_NAME = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)(\()?", re.ASCII)
_COUNT = re.compile(r"\s*(>=|<=|=|>|<)?\s*(\d{1,6})\s*\Z")

SENTENCES = {
    "joined-replies": "messages of the bot in a row: looked for in one reply, their order is not judged",
    "optional-step": "messages of the bot that may come or not (`?`)",
    "conditional-step": "messages of the bot that are expected under a condition",
    "json-reply": "replies that are compared as JSON with the channel's own data: compared with JSON in the text",
    "intent": "intents that a language-understanding service reports (INTENT)",
    "confidence": "the least confidence of an intent: taken for the engine's own confidence",
    "button-list": "buttons: looked for among the follow-ups",
    "other-asserter": "asserters on media, cards, forms, entities, timing and the channel's own data",
    "bad-pattern": "patterns that are not read here",
    "bad-argument": "asserters with arguments that Botium would not take either",
    "unset-memory": "names such as $now or $name that have no value: the text is left as it stands",
    "memory-in-pattern": "known names beside unknown ones in one text: any word is taken for the known ones",
}
APPROXIMATED = frozenset({"joined-replies", "json-reply", "confidence", "button-list", "unset-memory", "memory-in-pattern"})


@dataclass(slots=True)
class Utterances:
    """The texts that a name stands for."""

    texts: dict[str, list[str]] = field(default_factory=dict)

    def take(self, name: str, said: list[str]) -> bool:
        """Adds a name; False where it was there before."""
        if not name or not said or name in self.texts:
            return False
        self.texts[name] = said
        return True

    def known(self, name: str) -> bool:
        return name in self.texts

    def said(self, text: str) -> list[str]:
        """What a text stands for: the texts of the utterances it names, else itself."""
        return self.texts.get(text.strip()) or ([text] if text.strip() else [])


class Memory:
    """Scripting memory: which `$name` has a value when a text is reached."""

    def __init__(self, losses: Losses) -> None:
        self.losses = losses
        self.known: set[str] = set()  # filled in by templates
        self.fixed: dict[str, str] = {}
        self.used: set[str] = set()

    def set(self, name: str, value: str) -> None:
        """A name gets a value that stands in the conversation."""
        self.fixed[name.removeprefix("$")] = value

    def told(self, text: str, place: Place) -> str:
        """A text as the script says it, with its names filled in; those without a value are left as they stand."""

        def value(name: str, whole: str) -> str:
            if name in self.known:
                self.used.add(name)
                return "{{ " + name + " }}"
            if name in self.fixed:
                return said(self.fixed[name])
            self.losses.add("unset-memory", place)
            return said(whole)

        return filled(text, value)

    def unset(self, text: str) -> list[str]:
        """The names of a text that have no value and are no functions, each once."""
        found = [match[1] for match in _NAME.finditer(text) if not match[2]]
        return [name for name in dict.fromkeys(found) if name not in self.known and name not in self.fixed]


def filled(text: str, value: Callable[[str, str], str]) -> str:
    """A text with every `$name` replaced by what `value` gives for it; the rest is said as it stands."""
    out, at = [], 0
    for match in _NAME.finditer(text):
        out += [said(text[at : match.start()]), said(match[0]) if match[2] else value(match[1], match[0])]
        at = match.end()
    return "".join([*out, said(text[at:])])


@dataclass(slots=True)
class _Turn:
    """The expectations of one turn while they are gathered."""

    utterances: Utterances
    memory: Memory
    mode: str
    losses: Losses
    contains: list[str] = field(default_factory=list)
    others: list[dict[str, Any]] = field(default_factory=list)
    save: dict[str, str] = field(default_factory=dict)


def bot_said(
    replies: Sequence[tuple[Convo, Step]], utterances: Utterances, memory: Memory, mode: str, losses: Losses
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """The expectations of the bot's steps in one turn, and what is kept of its reply."""
    gathered = _Turn(utterances, memory, mode, losses)
    judged = 0
    for convo, step in replies:
        place = convo.at(step.line)
        if any(word.name.startswith("CONDITIONAL_STEP") for word in step.words):
            losses.add("conditional-step", place)
            continue
        if step.optional or any(word.optional for word in step.words):
            losses.add("optional-step", place)
            continue
        judged += 1
        if judged > 1:
            losses.add("joined-replies", place)
        if step.text is not None:
            _text(gathered, step, place)
        for word in step.words:
            if word.kind == "asserter":
                _asserter(gathered, word, convo.at(word.line))
    out = list(gathered.others)
    if gathered.contains:
        given = gathered.contains[0] if len(gathered.contains) == 1 else gathered.contains
        out.insert(0, {"response": {"contains": given}})
    if judged and not out:
        out.append({"response": {"min_chars": 1}})
        losses.keep("expected answers")
    return out, gathered.save


def _text(gathered: _Turn, step: Step, place: Place) -> None:
    assert step.text is not None
    data = _json(step.text)
    if data is not None:
        gathered.losses.add("json-reply", place)
        same = {"json": {"equals": {"equals": data_said(data)}}}
        gathered.others.append({"response": {"not": same} if step.negated else same})
        return
    texts = [text for text in gathered.utterances.said(step.text) if text.strip()]
    wanted = [made for text in texts if (made := _one(gathered, text, gathered.mode, step.negated, place)) is not None]
    _add(gathered, wanted, every=step.negated)


def _add(gathered: _Turn, wanted: list[dict[str, Any]], *, every: bool = False) -> None:
    """Adds expectations of which one must hold, or every one."""
    gathered.losses.keep("reply texts", bool(wanted))
    if every:
        gathered.others += wanted
    elif len(wanted) == 1:
        only = wanted[0].get("response", {})
        if set(only) == {"contains"} and isinstance(only["contains"], str):
            gathered.contains.append(only["contains"])
        else:
            gathered.others.append(wanted[0])
    elif wanted:
        gathered.others.append({"any_of": wanted})


def _one(gathered: _Turn, text: str, mode: str, negated: bool, place: Place) -> dict[str, Any] | None:
    """One text as an expectation, None where it cannot be one."""
    strict = not mode.endswith("IgnoreCase")
    base = mode.removesuffix("IgnoreCase")
    if base in ("regexp", "wildcard"):
        made = _quoted(text).replace(r"\*", ".*") if base == "wildcard" else text
        return _pattern(gathered, made, strict, negated, place)
    if base == "include" and not negated and gathered.memory.unset(text):
        return _captured(gathered, text, strict, place)
    filled_in = gathered.memory.told(text, place)
    if base == "equals":
        same = {"equals": {"text": filled_in, "case": "strict"} if strict else filled_in}
        return {"response": {"not": same} if negated else same}
    given = {"text": [filled_in], "case": "strict"} if strict else filled_in
    return {"response": {"excludes" if negated else "contains": given}}


def _pattern(gathered: _Turn, text: str, strict: bool, negated: bool, place: Place) -> dict[str, Any] | None:
    made = text if strict else f"(?i){text}"
    try:
        Pattern(made)
    except ValueError:
        made = ""
    if not made or has_template(made):
        gathered.losses.add("bad-pattern", place)
        return None
    same = {"matches": made}
    return {"response": {"not": same} if negated else same}


def _captured(gathered: _Turn, text: str, strict: bool, place: Place) -> dict[str, Any] | None:
    """A text with names that get their value here: a pattern that keeps them."""
    memory, new = gathered.memory, gathered.memory.unset(text)
    out, at, seen = [], 0, set()
    for match in _NAME.finditer(text):
        out.append(_quoted(text[at : match.start()]))
        name = match[1]
        if name in new and not match[2]:
            out.append(rf"(?P<{name}>\S+)" if name not in seen else rf"(?P={name})")
            seen.add(name)
        elif name in memory.fixed:
            out.append(_quoted(memory.fixed[name]))
        else:
            gathered.losses.add("memory-in-pattern", place)
            out.append(r"\S+")
        at = match.end()
    made = _pattern(gathered, "".join([*out, _quoted(text[at:])]), strict, False, place)
    if made is not None:
        for name in new:
            gathered.save[name] = f"response.{name}"
            memory.known.add(name)
            gathered.losses.keep("kept values")
    return made


def _asserter(gathered: _Turn, word: Word, place: Place) -> None:
    name, args = word.name, [arg for arg in word.args if arg]
    if name == "BUTTONS":
        gathered.losses.add("button-list", place)
        gathered.others.append(_buttons(gathered, args, word.negated, place))
    elif name == "BUTTONS_COUNT":
        _counted(gathered, args, word.negated, place)
    elif name.startswith("TEXT"):
        _text_asserter(gathered, name, args, word.negated, place)
    elif name == "RESPONSE_LENGTH":
        if args and args[0].isascii() and args[0].isdigit() and int(args[0][:9]) > 0:
            gathered.others.append({"response": {"max_chars": int(args[0][:9])}})
            gathered.losses.keep("reply lengths")
        else:
            gathered.losses.add("bad-argument", place)
    elif name in ("INTENT", "INTENT_UNIQUE"):
        gathered.losses.add("intent", place)
    elif name == "INTENT_CONFIDENCE":
        if args and args[0].isascii() and args[0].isdigit() and int(args[0][:9]) <= 100:
            gathered.losses.add("confidence", place)
            gathered.others.append({"confidence": {"at_least": int(args[0]) / 100}})
        else:
            gathered.losses.add("bad-argument", place)
    else:
        gathered.losses.add("other-asserter", place)


def _buttons(gathered: _Turn, args: list[str], negated: bool, place: Place) -> dict[str, Any]:
    if not args:
        return {"follow_ups": {"count": {"max": 0} if negated else {"min": 1}}}
    texts = [gathered.memory.told(gathered.utterances.said(arg)[0], place) for arg in args]
    return {"follow_ups": {"excludes" if negated else "contains": texts}}


def _counted(gathered: _Turn, args: list[str], negated: bool, place: Place) -> None:
    found = _COUNT.match(args[0]) if args else None
    if found is None:
        gathered.losses.add("bad-argument", place)
        return
    number = int(found[2])
    bounds: Mapping[str, dict[str, int]] = {
        "=": {"min": number, "max": number}, ">=": {"min": number}, "<=": {"max": number},
        ">": {"min": number + 1}, "<": {"max": max(number - 1, 0)},
    }  # fmt: skip
    wanted = {"follow_ups": {"count": bounds[found[1] or "="]}}
    gathered.losses.add("button-list", place)
    gathered.others.append({"not": wanted} if negated else wanted)


def _text_asserter(gathered: _Turn, name: str, args: list[str], negated: bool, place: Place) -> None:
    """`TEXT`, `TEXT_CONTAINS_ALL_IC` and their like."""
    if not args:
        gathered.losses.add("bad-argument", place)
        return
    bare = name.removesuffix("_IC")
    folded = "IgnoreCase" if bare != name else ""
    base = "regexp" if "REGEXP" in bare else "wildcard" if "WILDCARD" in bare else "include" if "CONTAINS" in bare else "equals"
    texts = [text for arg in args for text in gathered.utterances.said(arg)]
    if "WILDCARDEXACT" in bare:
        base, texts = "regexp", [rf"\A{_quoted(text)}\Z".replace(r"\*", ".*") for text in texts]
    every = bare.endswith("_ALL")
    wanted = [made for text in texts if (made := _one(gathered, text, base + folded, False, place)) is not None]
    if not wanted:
        return
    if negated:
        gathered.losses.keep("reply texts")
        gathered.others.append({"not": {"all_of": wanted} if every else {"any_of": wanted}})
    else:
        _add(gathered, wanted, every=every)


def _quoted(text: str) -> str:
    """A text as a pattern that means it; spaces need no backslash."""
    return re.escape(text).replace("\\ ", " ")


def _json(text: str) -> Any:
    """The JSON object or list that a text is, None where it is none."""
    if not text.lstrip().startswith(("{", "[")):
        return None
    import orjson

    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, (dict, list)) else None
