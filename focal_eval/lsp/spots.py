"""Where exactly, within a written value, the name of a mention stands: the characters that a rename replaces."""

from __future__ import annotations

import re
from collections.abc import Iterator

from focal_eval.lsp.mentions import Mention
from focal_eval.lsp.positions import Lines

_START = re.compile(r"(?:&\S+[ \t]+)?(?:!\S+[ \t]+)?([\"']?)")
_TOKEN = re.compile(r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|[A-Za-z_]\w*|\{\{|\}\}|\{%|%\}|.", re.DOTALL)
_ANY = re.compile(r".", re.DOTALL)
_RESULTS = ("result", "error")


def spots(mention: Mention, lines: Lines) -> list[tuple[int, int]]:
    """Offsets of the name in the text, from and to; none where the place says it in other words, by a param for instance."""
    start, end = lines.offsets(mention.span)
    raw = lines.text[start:end]
    if mention.code:
        return [(start + at, start + at + len(mention.word)) for at in _in_code(mention, raw)]
    opened = _START.match(raw)
    quote = opened[1] if opened else ""
    begin = opened.end() if opened else 0
    inner = raw[begin : len(raw) - len(quote)] if quote and raw.endswith(quote) else raw[begin:].rstrip()
    at = _in_name(mention, inner)
    return [] if at is None else [(start + begin + at, start + begin + at + len(mention.word))]


def _in_name(mention: Mention, inner: str) -> int | None:
    word, kind = mention.word, mention.kind
    if inner == word:
        return 0
    if kind == "step" and inner.endswith(f"/{word}"):
        return len(inner) - len(word)
    if (kind == "scenario" and inner.startswith(f"{word}/")) or (kind == "tool" and inner.startswith(f"{word}.")):
        return 0
    if kind == "argument" and inner == mention.name:
        return len(inner) - len(word)
    return None


def _in_code(mention: Mention, raw: str) -> Iterator[int]:
    """Places of a name in an expression, or in the `{{ }}` and `{% %}` of a template; what stands in quotes is text."""
    quoted = raw[:1] in ("'", '"') and raw[-1:] == raw[:1]
    body, shift = (raw[1:-1], 1) if quoted else (raw, 0)
    templated = "{{" in body or "{%" in body
    inside = not templated
    before: list[str] = []
    for found in _tokens(body, templated=templated):
        token = found[0]
        if templated and token in ("{{", "{%"):
            inside = True
        elif templated and token in ("}}", "%}"):
            inside = False
        elif inside and token == mention.word and _fits(mention.kind, before):
            yield found.start() + shift
        if not token.isspace():
            before.append(token)


def _fits(kind: str, before: list[str]) -> bool:
    """Whether a name at this place is read as one of that kind: variables and arguments stand alone, a tool after `result.`."""
    if kind != "tool":
        return before[-1:] != ["."]
    return len(before) > 1 and before[-1] == "." and before[-2] in _RESULTS


def _tokens(body: str, *, templated: bool) -> Iterator[re.Match[str]]:
    """Tokens of code; in a template, quotes outside of `{{ }}` are signs like any other."""
    at, inside = 0, not templated
    while at < len(body):
        found = _TOKEN.match(body, at)
        assert found is not None
        if not inside and found[0][0] in "\"'":
            found = _ANY.match(body, at)
            assert found is not None
        if found[0] in ("{{", "{%"):
            inside = True
        elif found[0] in ("}}", "%}"):
            inside = not templated
        yield found
        at = found.end()
