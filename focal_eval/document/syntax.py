"""What libyaml complains of, in words for the author of the file: the trap that was stepped into, its place and its fix."""

from __future__ import annotations

import re

from yaml import YAMLError

from focal_eval.errors import Diagnostic, Label
from focal_eval.source import Span, lines_of, whole_file

_LONGEST_KEY = 1024  # as YAML has it
_QUOTE = 'put the text in "quotes"'
_UNQUOTED_TEMPLATE = re.compile(r"(?:^|[:\[,?-])\s*\{\{")
_AFTER_QUOTES = re.compile(r"""(?:^|[:\[,?-])\s*(?:"(?:[^"\\]|\\.)*"|'(?:[^']|'')*')\s*[^\s,:\]}#]""")
_AFTER_BRACKETS = re.compile(r"[:-]\s+\[[^\]]*\]\s*[^\s,:\]}#]")

_SAID: tuple[tuple[str, str, str, str | None], ...] = (
    # libyaml says, code, problem, fix
    (
        "mapping values are not allowed",
        "yaml-colon",
        "a colon followed by a space starts a mapping, but this text is not quoted",
        _QUOTE,
    ),
    ("found undefined alias", "yaml-unknown-alias", "the alias has no anchor before it", f"to say it as text, {_QUOTE}"),
    ("second occurrence", "yaml-duplicate-anchor", "the anchor is defined twice", "give it another name"),
    ("found duplicate anchor", "yaml-duplicate-anchor", "the anchor is defined twice", "give it another name"),
    ("expected a single document", "yaml-several-documents", "the file holds more than one document", "split it at '---'"),
    ("but found another document", "yaml-several-documents", "the file holds more than one document", "split it at '---'"),
    ("expected <document start>", "yaml-several-documents", "something follows the end of the document", "split it there"),
    ("did not find expected alphabetic or numeric", "yaml-syntax", "'*' and '&' start an alias or an anchor", _QUOTE),
    ("found unexpected end of stream", "yaml-syntax", "the quotes are never closed", "close them where the text ends"),
    ("block sequence entries are not allowed", "yaml-syntax", "a list cannot start here", "put its '-' on a line of its own"),
    (
        "unknown escape character",
        "yaml-syntax",
        "in double quotes a backslash starts an escape, and this is none",
        "put patterns in 'single quotes'",
    ),
    ("did not find expected ',' or ']'", "yaml-syntax", "the bracket '[' is not closed here", "close it, or add a comma"),
    ("did not find expected ',' or '}'", "yaml-syntax", "the brace '{' is not closed here", "close it, or add a comma"),
    ("could not find expected ':'", "yaml-syntax", "a line here is neither 'key: value' nor a part of a text", "add the colon"),
    (
        "did not find expected '-' indicator",
        "yaml-indent",
        "this line does not continue the list it stands in",
        "set it under the keys of its item, or start it with '-'",
    ),
    (
        "did not find expected key",
        "yaml-indent",
        "this line does not fit the lines above",
        "set it under the key it belongs to",
    ),
)


def syntax_problem(text: str, file: str, problem: YAMLError) -> Diagnostic:
    """The diagnostic for what libyaml raised on this text; its place always lies inside the text."""
    said = str(getattr(problem, "problem", None) or getattr(problem, "reason", None) or problem)
    mark = getattr(problem, "problem_mark", None) or getattr(problem, "context_mark", None)
    if mark is None:
        return Diagnostic("yaml-syntax", said, whole_file(file))
    lines = lines_of(text)
    place = _inside(lines, mark, file)
    here = lines[place.line - 1]
    code, message, fix = _in_words(said, here, place.column)
    return Diagnostic(code, message, place, "error", fix, _labels(lines, problem, place, file))


def _inside(lines: list[str], mark: object, file: str) -> Span:
    line = min(getattr(mark, "line", 0), len(lines) - 1)
    column = min(getattr(mark, "column", 0), len(lines[line])) if line == getattr(mark, "line", 0) else len(lines[line])
    return Span(file, line + 1, column + 1, line + 1, column + 2)


def _in_words(said: str, here: str, column: int) -> tuple[str, str, str | None]:
    if "\t" in here[:column] and not here[:column].strip():
        return "yaml-tab", "a tab cannot indent", "indent with spaces"
    if "cannot start any token" in said:
        return _cannot_start(here[column - 1 : column])
    if "mapping values are not allowed" in said and ": " not in here[: column - 1]:
        if column > _LONGEST_KEY:
            return "yaml-syntax", f"a key is longer than {_LONGEST_KEY:,} characters", None
        return "yaml-indent", "this line is set in further than the keys it belongs beside", "set it under them"
    if "expected" in said:
        if here[column - 1 : column] in ("]", "}"):
            return "yaml-syntax", f"this '{here[column - 1]}' closes nothing", "drop it"
        if _UNQUOTED_TEMPLATE.search(here):
            return (
                "yaml-unquoted-template",
                "a value that starts with '{{' is read as a mapping",
                'put the whole value in "quotes"',
            )
        if _AFTER_QUOTES.search(here):
            fix = "put the whole text in quotes, and write those inside it twice: 'it''s'"
            return "yaml-syntax", "the text goes on after its closing quote", fix
        if _AFTER_BRACKETS.search(here):
            return "yaml-syntax", "a text that starts with '[' is read as a list", _QUOTE
    for needle, code, message, advice in _SAID:
        if needle in said:
            return code, message, advice
    return "yaml-syntax", said, None


def _cannot_start(character: str) -> tuple[str, str, str]:
    if character == "\t":
        return "yaml-tab", "a tab cannot start a value", "indent with spaces"
    return "yaml-syntax", f"a value cannot start with '{character}'", _QUOTE


def _labels(lines: list[str], problem: YAMLError, place: Span, file: str) -> tuple[Label, ...]:
    """Where the construct began that libyaml was in, if that is another line."""
    context, mark = getattr(problem, "context", None), getattr(problem, "context_mark", None)
    if not context or mark is None:
        return ()
    start = _inside(lines, mark, file)
    return () if start.line == place.line else (Label(start, str(context)),)
