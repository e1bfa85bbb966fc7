"""What a promptfoo prompt makes the user say: its messages with a test's variables filled in.

Templates are Nunjucks there; filled in are plain `{{ names }}` with the filters that change nothing or little. A loop over
`_conversation` is the history that a conversation has anyway. Nothing of a template is ever run.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from focal_eval.document import INVALID, Reader, plain, read_text
from focal_eval.importers.tree import mappings, scalar_text

MAX_FILLED = 200_000  # characters of one text
_HOLE = re.compile(
    r"\{\{-?\s*(?P<path>[A-Za-z_]\w*(?:\.\w+|\[\d+\]|\[['\"][^'\"]*['\"]\])*)\s*(?P<filters>(?:\|\s*\w+\s*)*)-?\}\}"
)
_STEP = re.compile(r"\.(\w+)|\[(\d+)\]|\[['\"]([^'\"]*)['\"]\]|^(\w+)")
_HISTORY = re.compile(r"\{%-?\s*for\s+\w+\s+in\s+_conversation\b.*?\{%-?\s*endfor\s*-?%\}", re.DOTALL)
_ABOUT_HISTORY = re.compile(
    r"\{%-?\s*(?:if|elif)\b[^%]*_conversation[^%]*-?%\}|\{%-?\s*(?:else|endif)\s*-?%\}|\{#.*?#\}", re.DOTALL
)
_LOOP = re.compile(r"\{%-?\s*(?:for\s+[\w\s,]+?\s+in\s+(\w+)[^%]*|endfor\s*)-?%\}")
_DUMPED = re.compile(r"(?<=[:\[,\s])\{\{-?\s*([^{}|]+?)\s*\|\s*(?:dump|tojson)(?:\s*\|\s*safe)?\s*-?\}\}(?=\s*[,}\]\n])")
_ONLY = re.compile(r"\s*\{\{-?\s*([A-Za-z_]\w*)\s*(?:\|\s*(?:dump|tojson|safe)\s*)*-?\}\}\s*\Z")
_TRAILING_COMMA = re.compile(r",(\s*[\]}])")
_LIKELY = ("question", "message", "input", "query", "user_input", "prompt", "user", "text", "user_message", "request")
ROLES = frozenset({"user", "human", "assistant", "ai", "model"})

Lost = Callable[[str], None]  # counts a loss of this kind


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt: its text, None where it is made by code."""

    text: str | None

    @property
    def with_history(self) -> bool:
        """Whether it repeats the conversation so far, which makes one conversation of several tests."""
        return self.text is not None and "_conversation" in self.text


@dataclass(frozen=True, slots=True)
class Words:
    """What is said: messages before, and the user's."""

    user: str
    history: tuple[tuple[str, str], ...] = ()  # user or agent, text


def words_of(prompt: Prompt, variables: Mapping[str, Any], lost: Lost) -> Words | None:
    """What the user says in a test, None where nothing can be said of it."""
    if prompt.text is None:
        lost("prompt-code")
        return _likely("", variables, lost)
    text = _ABOUT_HISTORY.sub("", _HISTORY.sub("", prompt.text))
    only = _ONLY.match(text)
    if only is not None and isinstance(variables.get(only[1]), (list, Mapping)):
        return _from_messages(variables[only[1]], {}, lost)
    if "{%" in text:
        text = _looped(text, variables)
    if "{%" in text:
        lost("prompt-logic")
        return _likely(text, variables, lost)
    messages = _messages(_DUMPED.sub(r'"{{ \1 }}"', text))
    if messages is not None:
        return _from_messages(messages, variables, lost)
    said = fill(text, variables, lost).strip()
    given = _messages(said)
    if given is not None:  # a variable held the messages as text
        return _from_messages(given, {}, lost)
    return Words(said) if said else None


def _looped(text: str, variables: Mapping[str, Any]) -> str:
    """A text whose loops over variables that hold messages are written out as those messages."""
    out, at, depth, start, name = [], 0, 0, 0, ""
    for found in _LOOP.finditer(text):
        if found[1] is not None:
            depth += 1
            if depth == 1:
                start, name = found.start(), found[1]
        elif depth:
            depth -= 1
            said = [_message(item) for _, item in mappings(variables.get(name))]
            if depth == 0 and said and all(said):
                listed = [{"role": item[0], "content": item[1]} for item in said if item is not None]
                out += [text[at:start], ", ".join(scalar_text(item) for item in listed), ","]
                at = found.end()
    return re.sub(r",\s*,", ",", "".join([*out, text[at:]]))


def _likely(text: str, variables: Mapping[str, Any], lost: Lost) -> Words | None:
    """The variable that most likely holds the user's words: the last one that the text names, or a usual name."""
    named = [name for name in re.findall(r"\{\{-?\s*([A-Za-z_]\w*)", text) if isinstance(variables.get(name), str)]
    usual = [name for name in _LIKELY if isinstance(variables.get(name), str)]
    others = [name for name, value in variables.items() if isinstance(value, str)]
    found = (named[-1:] or usual or (others if len(others) == 1 else []))[:1]
    for name, value in variables.items():
        if name == "messages" and isinstance(value, list) and not found:
            return _from_messages(value, {}, lost)
    return Words(variables[found[0]]) if found and variables[found[0]].strip() else None


def _messages(text: str) -> Any:
    """The messages that a text is in JSON or YAML, None where it is none."""
    stripped = text.strip()
    if stripped.startswith(("[", "{")):
        import orjson

        try:
            found = orjson.loads(_TRAILING_COMMA.sub(r"\1", stripped))
        except orjson.JSONDecodeError:
            return None
    elif stripped.startswith("- "):
        document = read_text(stripped, "prompt")
        found = None if document.root is None else plain(document.root, Reader(document))
        if document.problems.errors or found is INVALID:
            return None
    else:
        return None
    if isinstance(found, Mapping):
        found = found.get("messages")
    items = [item for _, item in mappings(found)]
    return found if items and len(items) == len(found) and all(_message(item) for item in items) else None


def _message(item: Mapping[str, Any]) -> tuple[str, Any] | None:
    """A message's role and content, in both spellings: `role` and `content`, or the role as the key."""
    if isinstance(item.get("role"), str):
        return item["role"], item.get("content")
    if len(item) == 1:
        (role, content), *_ = item.items()
        if role in ROLES or role in ("system", "developer"):
            return role, content
    return None


def _from_messages(given: Any, variables: Mapping[str, Any], lost: Lost) -> Words | None:
    said: list[tuple[str, str]] = []
    for _, item in mappings(given):
        found = _message(item)
        if found is None:
            lost("not-text")
            continue
        role, content = found
        if role not in ROLES:
            lost("system-prompt")
            continue
        text = fill(_text(content, lost), variables, lost)
        if text.strip():
            said.append(("user" if role in ("user", "human") else "agent", text.strip()))
    while said and said[-1][0] == "agent":
        said.pop()
        lost("prefilled-reply")
    return Words(said[-1][1], tuple(said[:-1])) if said else None


def _text(content: Any, lost: Lost) -> str:
    if isinstance(content, list):
        parts = [item.get("text") for _, item in mappings(content)]
        for part in parts:
            if not isinstance(part, str):
                lost("not-text")
        return "\n".join(part for part in parts if isinstance(part, str))
    return scalar_text(content) if content is not None else ""


def fill(text: str, variables: Mapping[str, Any], lost: Lost) -> str:
    """A text with its plain holes filled in; another one is left as it stands, which is counted."""
    if "{{" not in text and "{%" not in text:
        return text

    def value(found: re.Match[str]) -> str:
        held = _lookup(found["path"], variables)
        filters = [name.strip() for name in found["filters"].split("|") if name.strip()]
        if held is _MISSING or not set(filters) <= set(_FILTERS):
            lost("template-left")
            return found[0]
        said = scalar_text(held)
        for name in filters:
            said = _FILTERS[name](said)
        return said

    out = _HOLE.sub(value, text)
    if "{%" in out or "{{" in _HOLE.sub("", text):
        lost("template-left")
    return out[:MAX_FILLED]


_FILTERS: Mapping[str, Callable[[str], str]] = {
    "dump": str, "tojson": str, "safe": str, "string": str, "trim": str.strip, "lower": str.lower, "upper": str.upper,
}  # fmt: skip
_MISSING = object()


def _lookup(path: str, variables: Mapping[str, Any]) -> Any:
    held: Any = variables
    for found in _STEP.finditer(path):
        key = found[1] or found[3] or found[4]
        if found[2] is not None and isinstance(held, list) and int(found[2][:6]) < len(held):
            held = held[int(found[2][:6])]
        elif key is not None and isinstance(held, Mapping) and key in held:
            held = held[key]
        else:
            return _MISSING
    return held


def fill_all(value: Any, variables: Mapping[str, Any], lost: Lost) -> Any:
    """Data with every text in it filled in."""
    if isinstance(value, str):
        return fill(value, variables, lost)
    if isinstance(value, Mapping):
        return {name: fill_all(item, variables, lost) for name, item in value.items()}
    if isinstance(value, list):
        return [fill_all(item, variables, lost) for item in value]
    return value


def prompts_in(text: str) -> Sequence[str]:
    """The prompts of a text file, set apart by lines of `---`."""
    parts = [part.strip() for part in re.split(r"(?m)^---\s*$", text)]
    return [part for part in parts if part] or [text]
